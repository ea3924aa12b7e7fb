"""What the ledger keeps, as values: entries, dead letters, and what waits."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

FILE_MARK = "-> file"
"""The name under which an entry marks its attachment, beside the fields."""
State = Literal["pending", "settled", "dead", "gone"]
TRANSITIONS: dict[State | None, set[State]] = {
    None: {"pending", "settled", "dead"},
    "pending": {"pending", "settled", "dead"},
    "settled": {"settled", "dead", "gone"},
    "dead": {"pending", "settled", "dead"},
    "gone": {"pending", "settled", "dead", "gone"},
}
"""The states that an entry may go to, by the state it has. Others are a bug, and raise."""


@dataclass(frozen=True, slots=True)
class FieldMark:
    """The hash of the value last accepted, and when the source was seen to hold it."""

    hash: bytes
    observed_us: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What the CRM is known to hold under one key."""

    key: str
    state: State
    crm_id: str | None = None
    fingerprints: Mapping[str, bytes] = field(default_factory=dict)
    """By rule: the hash of the record that the rule last delivered whole."""
    marks: Mapping[str, FieldMark] = field(default_factory=dict)
    """By field, and by link or file under names that no field has."""

    def is_known_as(self, rule: str, fingerprint: bytes) -> bool:
        """Returns True if the rule delivered this very record last."""
        return self.state == "settled" and self.fingerprints.get(rule) == fingerprint

    def packed(self) -> bytes:
        """The compact column."""
        marks = {name: [mark.hash, mark.observed_us] for name, mark in self.marks.items()}
        return msgspec.msgpack.encode({"r": self.fingerprints, "f": marks})

    @classmethod
    def unpacked(cls, key: str, state: State, crm_id: str | None, fields: bytes) -> Entry:
        """The entry of a row."""
        columns = msgspec.msgpack.decode(fields)
        marks = {name: FieldMark(*mark) for name, mark in columns["f"].items()}
        return cls(key, state, crm_id, columns["r"], marks)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that one rule could not deliver."""

    rule: str
    key: str
    stream: str
    object: str
    stage: str
    code: str
    message: str
    hint: str
    record: Mapping[str, Any]
    observed_us: int
    times: int = 1
    first_at: str = ""
    last_at: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A link, or a whole write (then with its `record`), that waits for the link's other end."""

    rule: str
    key: str
    object: str
    to_object: str
    to_key: str
    source_key: str
    observed_us: int
    record: Mapping[str, Any] | None = None
    since: str = ""
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A key whose create was sent again: there may be two records with it."""

    key: str
    source_key: str
    near: Mapping[str, str]
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """The CRM and account that the rows belong to, and the run that writes them."""

    crm: str
    account: str
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(slots=True)
class Changes:
    """What one transaction writes."""

    object: str
    entries: list[Entry] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    closed: list[tuple[str, str]] = field(default_factory=list)
    """Rule and source key of dead letters that a newer accepted record closes."""
    waiting: list[Waiting] = field(default_factory=list)
    done_waiting: list[tuple[str, str, str]] = field(default_factory=list)
    """Rule, key and other object of what no longer waits."""

    def __bool__(self) -> bool:
        return bool(self.entries or self.dead or self.closed or self.waiting or self.done_waiting)
