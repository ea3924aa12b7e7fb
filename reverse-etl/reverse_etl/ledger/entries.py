"""What the ledger keeps, as values: entries, dead letters, and what waits."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec
from msgspec import structs

from reverse_etl.ledger.versions import Version, worth_keeping

FILE_MARK = "-> file"
"""The name under which an entry marks its attachment, beside the fields."""
FINGERPRINT_BYTES = 8
"""Of a fingerprint, before the version of the rule that made it. Earlier ledgers have no more."""
State = Literal["pending", "settled", "dead", "gone"]
TRANSITIONS: dict[State | None, set[State]] = {
    None: {"pending", "settled", "dead"},
    "pending": {"pending", "settled", "dead"},
    "settled": {"settled", "dead", "gone"},
    "dead": {"pending", "settled", "dead"},
    "gone": {"pending", "settled", "dead", "gone"},
}
"""The states that an entry may go to, by the state it has. Others are a bug, and raise."""


class DamagedEntryError(ValueError):
    """The row of an entry does not say what the CRM holds."""


class FieldMark(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """The hash of the value last accepted, and when the source was seen to hold it."""

    hash: bytes
    observed_us: int


class Packed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The compact column: fingerprints by rule, hash and observed time by field, ids by link."""

    r: Mapping[str, bytes]
    f: Mapping[str, FieldMark]
    l: Mapping[str, tuple[str, ...]] = {}  # noqa: E741  # msgspec copies it


PACKED = msgspec.msgpack.Decoder(Packed)
PACK = msgspec.msgpack.Encoder()


class Entry(msgspec.Struct, frozen=True):
    """What the CRM is known to hold under one key."""

    key: str
    state: State
    crm_id: str | None = None
    fingerprints: Mapping[str, bytes] = {}
    """By rule: the hash of the record that the rule last delivered whole."""
    marks: Mapping[str, FieldMark] = {}
    """By field, and by link or file under names that no field has."""
    linked: Mapping[str, tuple[str, ...]] = {}
    """By link that a call has made: the CRM id that it leads to, last.

    Before it stand ids that it led to earlier, as long as those links are not removed.
    """
    verified_us: int = 0
    """When the CRM was last seen to hold the record."""
    moved: bool = False
    """True if its CRM id changed: links that were made before lead to another record."""

    def is_known_as(self, rule: str, fingerprint: bytes) -> bool:
        """Returns True if the rule delivered this very record last."""
        return self.state == "settled" and self.fingerprints.get(rule) == fingerprint

    def packed(self) -> bytes:
        """The compact column."""
        return PACK.encode(Packed(self.fingerprints, self.marks, self.linked))

    @classmethod
    def unpacked(
        cls,
        key: str,
        state: State,
        crm_id: str | None,
        fields: bytes,
        verified_us: int,
        moved: bool,
    ) -> Entry:
        """The entry of a row. Raises: DamagedEntryError."""
        try:
            columns = PACKED.decode(fields)
        except (msgspec.DecodeError, UnicodeError, TypeError) as error:
            raise DamagedEntryError from error
        if state not in TRANSITIONS or not isinstance(verified_us, int):
            raise DamagedEntryError
        return cls(key, state, crm_id, columns.r, columns.f, columns.l, verified_us, moved)

    def as_gone(self) -> Entry:
        """The entry once its record was deleted or merged in the CRM."""
        return structs.replace(self, state="gone", fingerprints={})

    def forgotten(self) -> dict[str, bytes]:
        """Fingerprints that no record has, of the same versions: every rule compares again."""
        return {rule: forgotten(known) for rule, known in self.fingerprints.items()}

    def without(self, names: Collection[str]) -> Entry:
        """The entry that knows nothing of some fields, so that every rule compares them again."""
        marks = {name: mark for name, mark in self.marks.items() if name not in names}
        return structs.replace(self, marks=marks, fingerprints=self.forgotten())

    def is_ahead(self, latest_us: int) -> bool:
        """Returns True if a field was observed after this time, which is the latest possible."""
        for mark in self.marks.values():  # noqa: SIM110  # thrice as fast as a generator
            if mark.observed_us > latest_us:
                return True
        return False

    def is_behind(self, at_us: int) -> bool:
        """Returns True if a field was observed before this time."""
        for mark in self.marks.values():  # noqa: SIM110
            if mark.observed_us < at_us:
                return True
        return False

    def healed(self, latest_us: int) -> Entry:
        """The entry with unknown times instead of those after this one: the next observation wins.

        Fingerprints go as well, but for the version of their rule: a record known by its own would
        keep the field as it is.
        """
        marks = {
            name: mark if mark.observed_us <= latest_us else FieldMark(mark.hash, 0)
            for name, mark in self.marks.items()
        }
        return structs.replace(self, marks=marks, fingerprints=self.forgotten())


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
    run_id: str = ""
    """The run that was the last to try it."""
    earlier: tuple[Version, ...] = ()
    """Older versions of the same source record that say what `record` does not, oldest first."""
    to_object: str = ""
    """The name of the link whose other end never came; empty for any other reason."""
    rule_hash: str = ""
    schema_hash: str = ""
    properties: tuple[str, ...] = ()
    """Of a masked letter: names of the properties that had a value."""

    @property
    def versions(self) -> tuple[Version, ...]:
        """All that it holds, oldest first."""
        return (*self.earlier, Version(self.key, self.observed_us, self.record))

    def masked(self, known: Collection[str] = ()) -> DeadLetter:
        """The letter without values of the record; the names of properties known before stay."""
        named = {
            name
            for version in self.versions
            for name, value in version.record.items()
            if value is not None
        }
        properties = tuple(sorted({*named, *self.properties, *known}))
        return replace(self, record={}, earlier=(), properties=properties)

    def joined(self, known: DeadLetter) -> DeadLetter:
        """This letter on top of the open letter of the same record; the newer version leads."""
        if (
            not self.record and not self.properties
        ):  # it says what is wrong with a record that it does not hold
            kept = replace(self, record=known.record, observed_us=known.observed_us)
            return replace(kept, earlier=known.earlier, properties=known.properties)
        newer = known if known.observed_us > self.observed_us else self
        *earlier, newest = worth_keeping((*known.versions, *self.versions))
        assert newest.observed_us == newer.observed_us
        return replace(newer, earlier=tuple(earlier))


@dataclass(frozen=True, slots=True)
class Waiting:
    """A link, alone or with the whole write, that waits for the link's other end."""

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
    earlier: tuple[Version, ...] = ()
    """Older versions of the same CRM record that say what `record` does not, oldest first."""
    whole: bool = True
    """False if only the link waits: the record is in the CRM."""

    @property
    def name(self) -> tuple[str, str, str]:
        """What identifies it: rule, key, and the link that it waits for."""
        return self.rule, self.key, self.to_object

    @property
    def versions(self) -> tuple[Version, ...]:
        """All that it holds, oldest first."""
        return (*self.earlier, Version(self.source_key, self.observed_us, self.record or {}))

    @property
    def is_masked(self) -> bool:
        """Returns True if it holds no values, so that its write waits for the record, too."""
        return not self.record

    def masked(self) -> Waiting:
        """The row without values of the record."""
        return replace(self, record=None, earlier=())

    def joined(self, known: Waiting) -> Waiting:
        """This row on top of the row that waits already; the newer version leads."""
        newer = known if known.observed_us > self.observed_us else self
        *earlier, _ = worth_keeping((*known.versions, *self.versions))
        return replace(newer, earlier=tuple(earlier), since=known.since, run_id=known.run_id)


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
    seen: list[tuple[Entry, Entry]] = field(default_factory=list)
    """Entries that were seen again at the source or in the CRM, as they were read and as they are
    now; one that another process has written since stays as that left it."""
    filtered: list[tuple[str, str, int]] = field(default_factory=list)
    """Rule, source key and observed time of records that were filtered."""

    def __bool__(self) -> bool:
        changes = (self.entries, self.dead, self.closed, self.waiting, self.done_waiting)
        return any(changes) or bool(self.seen or self.filtered)


def version_of(fingerprint: bytes) -> bytes:
    """The version under which a fingerprint was made; empty if an earlier ledger made it."""
    return fingerprint[FINGERPRINT_BYTES:]


def forgotten(fingerprint: bytes) -> bytes:
    """A fingerprint that matches no record, of the same version."""
    return bytes(FINGERPRINT_BYTES) + version_of(fingerprint)
