"""What the core knows of a CRM's objects, as data: how they are written, found and linked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from reverse_etl.values import Kind


@dataclass(frozen=True, slots=True)
class Lane:
    """A way of writing: taken from `rows_from` writes on, `rows_a_call` rows in each call."""

    name: str
    rows_from: int
    rows_a_call: int
    job: bool = False
    """Whether it is a job that works on its own and outlives a killed run; the adapter is a `JobAdapter` then."""
    calls: int = 1
    """Calls that one batch of it takes at least."""


@dataclass(frozen=True, slots=True)
class LinkForm:
    """How one object is linked to another."""

    to: str
    form: Literal["reference", "association"]
    """`reference`: a field of the record holds the other's CRM id; `association`: a call of its own."""
    field: str = ""
    """The field of a reference."""
    on_create: bool = False
    """Whether a reference can only be written when the record is created."""
    rows_a_call: int = 1
    later: bool = False
    """Whether a record that exists can still be linked by a call, for which the CRM is asked first what links there are."""
    key_field: str = ""
    """The other's key field as the mapping has it, for a CRM that takes a reference by the other's key; set with the rule."""


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """What the core has to know of a CRM object."""

    name: str
    lanes: tuple[Lane, ...]
    upserts: bool
    """Whether a create by key can be repeated without making a second record."""
    unique_keys: bool
    """Whether the CRM keeps the key field unique."""
    find_rows_a_call: int
    """Look-ups that one read can hold, for the least number of calls."""
    find_calls: int = 1
    """Calls that so many look-ups take: more than one where a CRM keeps some records apart."""
    find_job: tuple[int, int] | None = None
    """From how many look-ups on a job can find them, and the calls that it takes at least."""
    finds_match_apart: bool = False
    """Whether match fields take reads of their own, after those by key."""
    links: Mapping[str, LinkForm] = field(default_factory=dict)
    owner_field: str = ""
    """The field that holds the CRM id of the record's owner."""
    optional: bool = False
    """Whether an account may lack the object: its records are then skipped as `no_object`."""
    required: Mapping[str, str] = field(default_factory=dict)
    """Fields every new record needs, and why."""
    file_rows: tuple[int, ...] = ()
    """The calls that a file takes at least: for each, how many files it can be for."""


@dataclass(frozen=True, slots=True)
class FieldWanted:
    """A field that a mapping writes, for `provision`."""

    name: str
    kind: Kind
    options: tuple[str, ...] = ()
    unique: bool = False
    long_text: bool = False
    refers: str = ""
    """The object that it holds ids of."""
