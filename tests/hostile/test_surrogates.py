"""Halves of surrogate pairs, in export files and in messages: nothing is invented, no key lost."""

from __future__ import annotations

import io
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tap_canai.decoders import DECODERS
from tap_canai.decoders.reader import CountingReader
from tap_canai.decoders.surrogates import Surrogates
from tap_canai.errors import ExportBrokenError
from tap_canai.schema_files import load_schema
from tap_canai.webhooks.events import NotAnEventError, parse

from box import Box
from crms import HUBSPOT, Crm, each_crm
from support import Message, deliver, lines_of, state, users

TEXTS = {
    r"\ud800": "\ufffd",
    r"a\ud800b": "a\ufffdb",
    r"\udc00": "\ufffd",
    r"\udc00\ud800": "\ufffd\ufffd",
    r"\uD83D\uDE00": "\U0001f600",
    r"\ud800\ud83d\ude00": "\ufffd\U0001f600",
    r"\ud800\u0041": "\ufffdA",
    r"\ud800\n": "\ufffd\n",
    r"\\ud800": r"\ud800",
    r"\\\ud800": "\\\ufffd",
    r"\ud800\": ": '\ufffd": ',
    r"\ud800" * 100: "\ufffd" * 100,
}
"""JSON escapes, and the text that they stand for."""


class Dripping(io.BytesIO):
    """A file that comes a few bytes at a time."""

    def __init__(self, file: bytes, size: int) -> None:
        super().__init__(file)
        self._size = size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._size if size else 0)


def decoded(form: str, file: bytes, size: int = 65_536) -> list[dict[str, Any]]:
    """The users of a file that comes in pieces of a size."""
    source = CountingReader(Dripping(file, size))
    with closing(DECODERS[form](source, "users", load_schema("users"))) as rows:
        return list(rows)


@pytest.mark.parametrize("size", [1, 2, 5, 7, 65_536])
def test_a_half_in_a_text_of_an_export_becomes_one_readable_sign(
    size: int, caplog: pytest.LogCaptureFixture
) -> None:
    texts = ",".join(f'{{"user_id": "u", "location": "{text}", "x": [1]}}' for text in TEXTS)
    rows = decoded("json", f'{{"users": [{texts}]}}'.encode(), size)
    assert [row["location"] for row in rows] == list(TEXTS.values())
    assert "holds 110 halves of surrogate pairs" in caplog.text


@pytest.mark.parametrize("size", [1, 3, 65_536])
@pytest.mark.parametrize("name", [r"\ud800", r"a\udc00\"b", r"\ud800\u0041"])
def test_a_half_in_a_propertys_name_breaks_the_export_with_its_position(
    name: str, size: int
) -> None:
    file = f'{{"users": [{{"user_id": "u", "more": {{"{name}" \n : 1}}}}]}}'.encode()
    with pytest.raises(ExportBrokenError, match="The name of a property in the file holds half"):
        decoded("json", file, size)


def test_pieces_of_any_size_give_the_same_text() -> None:
    text = "".join(f'["{escaped}"],' for escaped in TEXTS).encode()
    whole = Surrogates().replaced(text, last=True)
    for size in range(1, 40):
        pieces = Surrogates()
        parts = [pieces.replaced(text[at : at + size]) for at in range(0, len(text), size)]
        assert b"".join([*parts, pieces.replaced(b"", last=True)]) == whole
    assert len(whole) == len(text)


def test_a_half_in_a_nested_value_of_a_csv_file() -> None:
    cell = '"[""a\\ud800""]"'
    (row,) = decoded("csv", f"user_id,stages_completed\nu,{cell}\n".encode())
    assert row["stages_completed"] == ["a\ufffd"]


@pytest.mark.parametrize("form", DECODERS)
def test_a_half_as_bytes_is_not_text(form: str) -> None:
    file = {
        "json": b'{"users": [{"user_id": "\xed\xa0\x80"}]}',
        "csv": b"user_id\n\xed\xa0\x80\n",
        "xml": b"<export><users><user><user_id>&#xD800;</user_id></user></users></export>",
    }[form]
    with pytest.raises(ExportBrokenError):
        decoded(form, file)


def test_an_event_with_a_half_is_refused() -> None:
    event = {"event": "user.registered", "timestamp": "2026-01-31T00:00:00Z"}
    with pytest.raises(NotAnEventError):
        parse(json.dumps({**event, "data": {"user_id": "\ud800"}}).encode())


def with_halves(messages: list[Message]) -> list[Message]:
    """The messages; the first user has a half in a text, two in their keys, one in a name."""
    first, second, third, fourth, *_ = (message["record"] for message in messages[1:])
    first["business_type"] = "bakery \ud800"
    first["location"] = "\ud83d\ude00"
    second["user_id"], third["user_id"] = "\ud800", "\ud801"
    fourth["\udfff"] = 1
    return messages


@each_crm
def test_a_half_in_a_message_costs_at_most_its_record(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = lines_of(tmp_path, [*with_halves(users(6)), state(1)])
    assert "\\ud800" in lines.read_text()
    for _ in range(2):
        result = deliver(box, crm, lines, tmp_path)
        assert result.code == 0
        assert len(result.states) == 1
        assert len(result.letters) == 3 * len({letter["rule"] for letter in result.letters})
        assert {letter["code"] for letter in result.letters} == {"invalid_record"}
        assert len({letter["key"] for letter in result.letters}) == 3
    assert "are U+FFFD in the records" in caplog.text
    people = [row["properties"] for row in box.people(crm)]
    assert len(people) == 3
    assert any("bakery \ufffd" in map(str, person.values()) for person in people)


def test_a_state_with_a_half_goes_out_as_it_came(box: Box, tmp_path: Path) -> None:
    messages = [*users(1), state("\ud800")]
    result = deliver(box, HUBSPOT, messages, tmp_path)
    assert result.states == [messages[-1]["value"]]


def test_a_message_nested_too_deep_is_one_line(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = tmp_path / "deep.jsonl"
    lines.write_text('{"type": "RECORD", "record": ' + "[" * 5000 + "]" * 5000 + "}\n")
    assert deliver(box, HUBSPOT, lines, tmp_path).code == 1
    assert "nested too deep" in caplog.text
