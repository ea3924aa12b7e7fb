"""The value types between the stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from reverse_etl.errors import RowError
from reverse_etl.values import Value

if TYPE_CHECKING:
    from reverse_etl.mapping.compiler import CompiledRule
    from reverse_etl.objects import LinkForm

Skip = Literal["filtered", "mode", "collapsed", "superseded", "erased", "no_object", "kept_by_crm"]
FateName = Literal["created", "updated", "unchanged", "waiting", "dead", "not_attempted"] | Skip
SKIPS: tuple[Skip, ...] = (
    "filtered",
    "mode",
    "collapsed",
    "superseded",
    "erased",
    "no_object",
    "kept_by_crm",
)


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A valid record of a stream."""

    stream: str
    key: str
    """The primary key, its parts joined with `/`."""
    values: Mapping[str, Any]
    observed_us: int
    """When the source was seen to hold these values, in microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class WantedLink:
    """A link to another object by the other's key."""

    form: LinkForm
    to_key: str

    @property
    def name(self) -> str:
        """How the ledger knows it beside the fields."""
        return f"-> {self.form.to}"


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file that goes with a record."""

    url: str
    name: str


@dataclass(frozen=True, slots=True)
class CrmRecord:
    """A record as a rule maps it: canonical values by CRM field."""

    rule: CompiledRule
    key: str
    """The value of the upsert key."""
    fields: Mapping[str, Value]
    links: tuple[WantedLink, ...]
    source: SourceRecord
    fingerprint: bytes
    leaving: bool = False
    """The row does not pass `where`; `fields` are those of `on_leave`."""
    file: WantedFile | None = None
    earlier: Mapping[str, int] = field(default_factory=dict)
    """When fields were observed that come from earlier records of the same key, by name."""
    collapsed: tuple[SourceRecord, ...] = ()
    """The earlier records of the same key whose fields it carries along."""

    @property
    def observed_us(self) -> int:
        """When the source was seen to hold these values."""
        return self.source.observed_us

    def seen_us(self, name: str) -> int:
        """When the source was seen to hold the value of a field, or a link."""
        return self.earlier.get(name, self.source.observed_us)


@dataclass(slots=True)
class Write:
    """What is to be sent for one record: on creation everything, else only what changed."""

    record: CrmRecord
    kind: Literal["create", "update"]
    fields: dict[str, Value]
    crm_id: str | None = None
    accepted: dict[str, Value] = field(default_factory=dict)
    """Values that the CRM was seen to hold already."""
    current: Mapping[str, Any] | None = None
    """The record as the CRM showed it, in the CRM's own form, where it was read."""
    kept_back: int = 0
    """Fields not sent because the CRM's own value stands."""
    recovered: bool = False
    """It finishes a create that an earlier run did not live to record, so it counts as created."""
    cleared_first: tuple[str, ...] = ()
    """Fields that the CRM only takes back to an earlier value once they are empty."""
    whole: bool = True
    """Whether nothing of the record was superseded: only then the ledger may know it by its fingerprint."""

    @property
    def key(self) -> str:
        """The value of the upsert key."""
        return self.record.key


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one planned write."""

    record: CrmRecord
    name: FateName
    crm_id: str | None = None
    accepted: Mapping[str, Value] = field(default_factory=dict)
    """Values whose hashes the ledger may store."""
    fault: RowError | None = None
    stage: str = ""
    missing: WantedLink | None = None
    """What a waiting write waits for."""
    linked: bool = False
    """Whether its reference links were sent with it."""
    whole: bool = True
    """Whether nothing of the record was superseded."""
