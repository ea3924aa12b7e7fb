"""What the core knows of a CRM's objects, as data: how they are written, found and linked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from reverse_etl.values import Kind


@dataclass(frozen=True, slots=True)
class Lane:
    """A way of writing: used from `rows_from` writes on, `rows_a_call` rows in each call."""

    name: str
    rows_from: int
    rows_a_call: int
    job: bool = False
    """True for a job, which works by itself and outlives a killed run.

    The adapter's `jobs` takes it.
    """
    calls: int = 1
    """The fewest calls that one batch takes."""


@dataclass(frozen=True, slots=True)
class LinkForm:
    """How one object is linked to another."""

    to: str
    form: Literal["reference", "association"]
    """`reference`: a field holds the other record's CRM id. `association`: a separate call."""
    field: str = ""
    """The field of a reference."""
    on_create: bool = False
    """True if a reference can only be written when the record is created."""
    rows_a_call: int = 1
    later: bool = False
    """True if an existing record can still be linked, by a call.

    The CRM is asked first which links exist.
    """
    key_field: str = ""
    """The other object's upsert key, for a CRM that takes a reference by key.

    The mapping sets it; empty if no rule writes the other object.
    """
    type: str = ""
    """The CRM's own type of an association, in the adapter's notation."""
    name: str = ""
    """What tells it from the rule's other links, and from then on in the ledger.

    The mapping sets it.
    """
    found_by: str = ""
    """The other object's field by which the CRM is asked for it, where no rule writes it.

    The mapping sets it.
    """
    holds_back: bool = True
    """False if the record goes out while the other end is missing, and only the link waits.

    The mapping sets it.
    """


@dataclass(frozen=True, slots=True)
class LinkWanted:
    """A link as a rule asks for it, before the CRM says which form it has."""

    to: str
    field: str = ""
    """The field that holds it, where there are several; empty for the only one."""
    label: str = ""
    """The label of an association, as people see it; empty for the plain association."""


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """What the core has to know of a CRM object."""

    name: str
    lanes: tuple[Lane, ...]
    upserts: bool
    """True if a create by key can be repeated without creating a second record."""
    unique_keys: bool
    """True if the CRM keeps the key field unique."""
    find_rows_a_call: int
    """Look-ups that one call can hold, for the least number of calls."""
    find_calls: int = 1
    """Calls that `find_rows_a_call` look-ups take: more than 1 if some records are kept apart."""
    find_job: tuple[int, int] | None = None
    """From how many look-ups on a job can find them, and the fewest calls it takes."""
    finds_match_apart: bool = False
    """True if match fields are looked up in separate calls, after those by key."""
    locate_rows_a_call: int = 0
    """Known records that one call can locate at best; 0 if each takes a call, so that they are not
    verified unless they change."""
    updates_follow_merges: bool = False
    """True if an update of a merged record reaches the one that it was merged into."""
    links: Mapping[str, LinkForm] = field(default_factory=dict)
    owner_field: str = ""
    """The field that holds the CRM id of the record's owner."""
    optional: bool = False
    """True if an account may lack the object: its records are then skipped as `no_object`."""
    required: Mapping[str, str] = field(default_factory=dict)
    """Fields that every new record needs, and why."""
    file_rows: tuple[int, ...] = ()
    """The fewest calls that a file takes: for each, how many files it can serve."""
    listed: bool = False
    """True if the mapping's objects.yml lists it: only then may `provision` create the object."""
    written: frozenset[str] = frozenset()
    """Fields that rules write: an object may be created before the stream of its rule comes."""
    marker_in: str = ""
    """The text field whose visible last line is the key, for an object without a key field.

    Its records are found among those of the record they belong to.
    """
    belongs: bool = False
    """True if a new record needs at least one link; one without a key field needs it always."""
    person: bool = False
    """True if its records are people: `erase` takes their keys."""
    label: str = ""
    """What people call one record, for `provision`."""
    plural: str = ""
    """What people call several records, for `provision`."""

    @property
    def needs_link(self) -> bool:
        """True if a record without a link cannot be created, or not be found again."""
        return self.belongs or bool(self.marker_in)


@dataclass(frozen=True, slots=True)
class FieldWanted:
    """A field that a mapping writes, for `provision`."""

    name: str
    kind: Kind
    options: tuple[str, ...] = ()
    unique: bool = False
    long_text: bool = False
    refers: str = ""
    """The object whose ids the field holds."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """Under which name `provision` puts what it creates: groups, folders, rights."""

    label: str = "Singer"
    """As people see it."""

    @property
    def name(self) -> str:
        """As an API takes it: lower case, without spaces."""
        return re.sub(r"\W+", "_", self.label).strip("_").casefold()
