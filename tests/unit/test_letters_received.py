"""Which dead letters of stage 2 are valid by the schema that their stream has now."""

from __future__ import annotations

from typing import Any

from reverse_etl.ledger import DeadLetter
from reverse_etl.pipeline.receive import UNREADABLE_IN, Receiver

SCHEMA = {"properties": {"id": {"type": ["string", "null"]}, "age": {"type": "integer"}}}
WIDER = {"properties": {"id": {"type": ["string", "null"]}, "age": {"type": ["integer", "string"]}}}


def letters(receiver: Receiver, *raw: dict[str, Any]) -> list[DeadLetter]:
    """The letters of records that a receiver rejects."""
    ended = receiver.receive(raw).ended
    return [
        DeadLetter(
            "rule", outcome.source.key, "users", "person", "receive", "invalid_record", "", "",
            outcome.source.values, 7,
        )
        for outcome in ended
    ]  # fmt: skip


def test_a_letter_is_taken_once_the_schema_allows_its_record() -> None:
    receiver = Receiver.for_schema("users", SCHEMA, ["id"])
    (letter,) = letters(receiver, {"id": "a", "age": "old"}, {"id": "b", "age": 3})
    assert not receiver.takes(letter)
    assert Receiver.for_schema("users", WIDER, ["id"]).takes(letter)


def test_a_letter_without_a_valid_key_is_never_taken() -> None:
    receiver = Receiver.for_schema("users", WIDER, ["id"])
    raw = (
        {"id": None},
        {"id": "x" * 300},
        {"id": "a\0"},
        {"id": "a\ufffd", UNREADABLE_IN: ["id"]},
    )
    rejected = letters(receiver, *raw)
    assert len(rejected) == len(raw)
    assert not any(map(receiver.takes, rejected))


def test_a_stream_without_a_key_is_taken_by_its_schema_alone() -> None:
    (letter,) = letters(Receiver.for_schema("users", SCHEMA, []), {"age": "old"})
    assert Receiver.for_schema("users", WIDER, []).takes(letter)
    assert not Receiver.for_schema("users", SCHEMA, []).takes(letter)
