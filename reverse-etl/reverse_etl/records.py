"""The value types between the stages. Those of single records are made by the million, in C."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from reverse_etl.errors import RowError
from reverse_etl.objects import LinkForm
from reverse_etl.values import Value

WriteKind = Literal["create", "update"]
KINDS: tuple[WriteKind, ...] = ("create", "update")
Skip = Literal[
    "filtered",
    "mode",
    "collapsed",
    "superseded",
    "erased",
    "no_object",
    "kept_by_crm",
    "gone",
    "deleted_in_source",
    "changed_since_plan",
]
SKIPS: tuple[Skip, ...] = (
    "filtered", "mode", "collapsed", "superseded", "erased", "no_object", "kept_by_crm",
    "gone", "deleted_in_source", "changed_since_plan",
)  # fmt: skip
LEFT: tuple[Skip, ...] = ("filtered", "deleted_in_source")
"""Skips of records that are no longer wanted: what was put off of them ends."""
OutcomeName = (
    Literal["created", "updated", "unchanged", "waiting", "rejected", "not_attempted"] | Skip
)
OUTCOMES: tuple[OutcomeName, ...] = (
    "created", "updated", "unchanged", *SKIPS, "waiting", "rejected", "not_attempted",
)  # fmt: skip
HOLDS: tuple[OutcomeName, ...] = ("created", "updated", "unchanged", "kept_by_crm", "superseded")
"""Outcomes after which the CRM is known to hold the record."""


class SourceRecord(msgspec.Struct, frozen=True):
    """A valid record of a stream."""

    stream: str
    key: str
    """The primary key, its parts joined with `/`."""
    values: Mapping[str, Any]
    observed_us: int
    """When the source was seen to hold these values, in microseconds since 1970."""


class WantedLink(msgspec.Struct, frozen=True):
    """A link to another object, by that object's key."""

    form: LinkForm
    to_key: str

    @property
    def name(self) -> str:
        """The name under which the ledger marks it, beside the fields."""
        return f"-> {self.form.name}"


class WantedFile(msgspec.Struct, frozen=True):
    """A file that goes with a record."""

    url: str
    name: str


class CrmRecord(msgspec.Struct, frozen=True):
    """A record as a rule maps it: canonical values by CRM field."""

    key: str
    """The value of the upsert key, as the CRM compares it: case may be folded."""
    fields: Mapping[str, Value]
    links: tuple[WantedLink, ...]
    source: SourceRecord
    fingerprint: bytes
    leaving: bool = False
    """True if the row does not pass `where`; `fields` are then those of `on_leave`."""
    file: WantedFile | None = None
    earlier: Mapping[str, int] = {}
    """When fields were observed that come from earlier records of the same key, by name."""
    collapsed: tuple[SourceRecord, ...] = ()
    """The earlier records of the same key whose fields it carries."""

    @property
    def observed_us(self) -> int:
        """When the source was seen to hold these values."""
        return self.source.observed_us

    @property
    def sources(self) -> tuple[SourceRecord, ...]:
        """The source records whose fields it carries, oldest first."""
        return (*self.collapsed, self.source)

    def seen_us(self, name: str) -> int:
        """When the source was seen to hold the value of a field, or a link."""
        return self.earlier.get(name, self.source.observed_us)


class Write(msgspec.Struct, frozen=True):
    """What to send for one record: everything on creation, else only what changed."""

    record: CrmRecord
    kind: WriteKind
    fields: Mapping[str, Value]
    crm_id: str | None = None
    accepted: Mapping[str, Value] = {}
    """Values that the CRM was seen to hold already."""
    current: Mapping[str, Any] | None = None
    """The record as the CRM showed it, in the CRM's own form, where it was read."""
    kept_back: int = 0
    """Fields not sent because the CRM's own value stands."""
    recovered: bool = False
    """True if it finishes the create of a run that was killed: it counts as created."""
    cleared_first: tuple[str, ...] = ()
    """Fields that the CRM only takes back to an earlier value once they are empty."""
    whole: bool = True
    """False if part of it is not sent: the ledger must not know its fingerprint."""
    unlinked: tuple[WantedLink, ...] = ()
    """Links in fields of the record whose other end is missing: they wait, it goes out."""

    replaces: Mapping[str, bytes] = {}
    """By field: the hash of the value that it is known to hold until now."""
    refused: RowError | None = None
    """Why a field is left out that the CRM refused, and with it nothing but that field."""

    @property
    def key(self) -> str:
        """The value of the upsert key."""
        return self.record.key


class Outcome(msgspec.Struct, frozen=True):
    """What became of one planned write."""

    name: OutcomeName
    source: SourceRecord
    record: CrmRecord | None = None
    """None if the rule could not map the source record."""
    crm_id: str | None = None
    accepted: Mapping[str, Value] = {}
    """Values whose hashes the ledger may store."""
    error: RowError | None = None
    stage: str = ""
    """The stage that rejected it."""
    missing: WantedLink | None = None
    """What a waiting write waits for."""
    linked: bool = False
    """True if its reference links were sent with it."""
    whole: bool = True
    """False if part of the record was superseded, or waits."""
    unlinked: tuple[WantedLink, ...] = ()
    """Links of the record whose other end is missing, while the record itself is settled."""
    refused: RowError | None = None
    """Why the CRM holds the record without one of its fields: that field leaves a dead letter."""

    @classmethod
    def of(cls, name: OutcomeName, record: CrmRecord, crm_id: str | None = None) -> Outcome:
        """An outcome that needs no more than its name."""
        return cls(name, record.source, record, crm_id)

    @classmethod
    def known(cls, record: CrmRecord, crm_id: str | None) -> Outcome:
        """The outcome of a record that the CRM holds as it is."""
        return cls.of("filtered" if record.leaving else "unchanged", record, crm_id)

    @classmethod
    def rejection(cls, record: CrmRecord, stage: str, error: RowError) -> Outcome:
        """A record that a stage, or the CRM, does not take."""
        return cls("rejected", record.source, record, error=error, stage=stage)

    @property
    def holds(self) -> bool:
        """True if the CRM is known to hold the record."""
        return self.name in HOLDS


@dataclass(frozen=True, slots=True)
class Received:
    """A block of a stream after validation."""

    records: list[SourceRecord]
    ended: list[Outcome]
    """Records that are invalid, or deleted at the source; each counts once for every rule of the
    stream."""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A block as a rule maps it."""

    records: list[CrmRecord]
    outcomes: list[Outcome]
    """Records that end here: invalid, not mappable, filtered, or awaited."""
