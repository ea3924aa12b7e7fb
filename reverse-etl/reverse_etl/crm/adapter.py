"""The seam to a CRM. What differs is data in `ObjectSpec`; the rest is these few calls.

A target's package implements `Adapter`; the core calls nothing else in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

from reverse_etl.crm.call_count import CallCount
from reverse_etl.crm.preflight import PreflightAdapter
from reverse_etl.errors import CrmError, NoSuchLinkError, RowError
from reverse_etl.objects import FieldWanted, LinkForm, LinkWanted, ObjectSpec
from reverse_etl.records import Write
from reverse_etl.values import FieldInfo, Value


@dataclass(frozen=True, slots=True)
class Account:
    """The account behind the credentials, as the CRM names it."""

    id: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Lookup:
    """One record to be found: by its key, else by its match fields."""

    key: str
    match: Mapping[str, str]
    near: Mapping[str, str] = field(default_factory=dict)
    """CRM ids of the records it refers to, by field; some objects are found by these alone."""
    recent: bool = False
    """True if it was sent in the last minutes, so that older records can be left out."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to be attached; `open` fetches it, at its beginning. Raises: RowError."""

    name: str
    open: Callable[[], IO[bytes]]
    media_type: str = "application/pdf"


@dataclass(frozen=True, slots=True)
class Hit:
    """A record found in the CRM."""

    crm_id: str
    values: Mapping[str, Value]
    """Canonical values of the fields asked for; an empty field is None or absent."""
    current: Mapping[str, Any]
    """The record in the CRM's own form."""


@dataclass(frozen=True, slots=True)
class RowResult:
    """The CRM's answer for one row of a call: an id, or a fault."""

    crm_id: str | None = None
    fault: RowError | None = None
    again: bool = False
    """The fault is passing (a lock): the row may be sent again."""


class JobResults(Protocol):
    """The results of the rows of jobs."""

    failure: CrmError | None
    """An error that would fail every row, which ends the run once the other rows are settled."""

    def of(self, write: Write) -> RowResult | None:
        """The result of a row; None if there is none and the row has to be sent again."""
        ...


class FileAdapter(Protocol):
    """A CRM that takes files."""

    def attach(self, object_name: str, crm_id: str, file: Attachment, *, new: bool = False) -> bool:
        """Attach a file, unless the record holds one of that name. Returns True if it was created.

        `new`: the record was created a moment ago, so it cannot hold a file yet.
        Raises: AmbiguousAnswerError, BatchRejectedError, RowError, CrmError.
        """
        ...


class OwnerAdapter(Protocol):
    """A CRM whose records have owners."""

    def owners(self) -> Mapping[str, str]:
        """CRM ids of those who may own records, by e-mail in lower case. Raises: CrmError."""
        ...


class OptionAdapter(Protocol):
    """A CRM whose choice fields can get more options."""

    def add_options(self, object_name: str, field_name: str, options: Sequence[str]) -> FieldInfo:
        """Add options that a field lacks; returns the field as it is then. Raises: CrmError."""
        ...


class ListAdapter(Protocol):
    """A CRM whose records can be listed."""

    def keys(self, object_name: str, key_field: str) -> Iterator[tuple[str, str]]:
        """The key and the CRM id of every record that has a key; the object has been described.

        Raises: CrmError.
        """
        ...


@dataclass(frozen=True, slots=True)
class Currencies:
    """The currencies of an account, by ISO 4217 code."""

    default: str
    active: frozenset[str]
    """All that records may use, the default included."""


class MoneyAdapter(Protocol):
    """A CRM that knows which currencies its records may use."""

    def currencies(self) -> Currencies:
        """The account's currencies. Raises: CrmError."""
        ...


class MergeAdapter(Protocol):
    """A CRM that can make one record of two."""

    def merge(self, object_name: str, keep_id: str, other_id: str) -> bool:
        """Merge a record into another, whose values stand. Raises: CrmError.

        Returns False if the CRM cannot merge these.
        """
        ...


class UnlinkAdapter(Protocol):
    """A CRM in which a link that moved leaves the earlier one behind."""

    def unlink(
        self, object_name: str, form: LinkForm, pairs: Sequence[tuple[str, str]]
    ) -> Sequence[tuple[str, str]]:
        """Remove links that `link` made; those that do not exist are left out. Raises: CrmError.

        What people have said about the same two records stays. Returns the pairs whose link was
        removed.
        """
        ...


class JobAdapter(Protocol):
    """A CRM that takes many rows as a job, which outlives the run that started it."""

    def run_jobs(
        self,
        object_name: str,
        key_field: str,
        blocks: Callable[[], Iterator[Sequence[Write]]],
        began: Callable[[str], None],
        ended: Callable[[str], None],
        stopping: Callable[[], bool],
    ) -> JobResults:
        """Send writes of one kind as one or more jobs, and wait until all have ended.

        `blocks` gives the writes, again each time it is called. `began` is called with a job's id
        before anything is uploaded, `ended` when its results are known.

        Raises: CrmError, StoppedError if `stopping` says so while a job works.
        """
        ...

    def finish_job(self, object_name: str, job_id: str) -> None:
        """Wait until a job of an earlier run has ended; abort one that was never started.

        Raises: CrmError.
        """
        ...


class ErasureAdapter(Protocol):
    """A CRM that deletes records so that nobody can restore them, as far as it can."""

    def erase(self, object_name: str, crm_id: str) -> bool:
        """Erase a record. Returns False if the CRM no longer has it. Raises: CrmError."""
        ...

    def erase_files(self, object_name: str, crm_id: str, is_ours: Callable[[str], bool]) -> int:
        """Erase the files of a record that `is_ours` knows by name; returns how many there were.

        Raises: CrmError.
        """
        ...


class Adapter(Protocol):
    """A CRM: what it must be able to do, and what it may be able to do besides."""

    crm: str
    objects: Mapping[str, ObjectSpec]
    """The objects of which something special is known.

    Once the mapping is read, the core replaces it by the specs of all mapped objects.
    """
    default_object: ObjectSpec | None = None
    """What holds for every other object that `describe` knows; None if there are no others."""
    calls: CallCount
    passing_codes: Collection[str] = frozenset()
    """Codes of dead letters whose cause people may have removed in the CRM, or that pass.

    They are tried again once a run; others only when the rule or the object has changed.
    """
    link_created: Callable[[str, str], None] = staticmethod(lambda object_name, link: None)
    """Called with an object and the link that was created for it by `link_form` or `link`.

    The core sets it, to log and report the link.
    """
    jobs: JobAdapter | None = None
    """Takes many rows as a job; needed by objects with a lane that is one."""
    files: FileAdapter | None = None
    """Takes files; needed if a rule attaches them."""
    owning: OwnerAdapter | None = None
    """Knows who may own records; needed if a rule names an owner."""
    merging: MergeAdapter | None = None
    """Merges two records that a lost response left behind."""
    choosing: OptionAdapter | None = None
    """Adds options to choice fields; needed where `add_options` is on."""
    listing: ListAdapter | None = None
    """Lists records; needed by `ledger verify`."""
    unlinking: UnlinkAdapter | None = None
    """Removes the earlier link of one that moved; needed where links are calls."""
    preflight: PreflightAdapter | None = None
    """Examines the account; `check` says more with it."""
    erasing: ErasureAdapter | None = None
    """Erases records; needed by `erase` and `erase_deleted`."""
    money: MoneyAdapter | None = None
    """Knows the account's currencies; needed if a rule names one."""

    def account(self) -> Account:
        """The account behind the credentials. Raises: CrmError."""
        ...

    def describe(self, object_name: str) -> dict[str, FieldInfo]:
        """The fields of an object, by name. Raises: NoSuchObjectError, CrmError."""
        ...

    def object_names(self) -> Iterable[str]:
        """Names of objects, to suggest the one that was meant. Raises: CrmError."""
        return self.objects

    def link_form(
        self, object_name: str, wanted: LinkWanted, *, provision: bool = False
    ) -> LinkForm:
        """The form of a link between two objects, of which `object_name` has been described.

        With `provision`, an association label that is missing is created; a field is created by
        `provision`. Raises: NoSuchLinkError, CrmError.
        """
        form = self.objects[object_name].links.get(wanted.to)
        if form is None:
            raise NoSuchLinkError(f"{object_name} cannot be linked to {wanted.to}.")
        return form

    def planned_link(self, object_name: str, wanted: LinkWanted) -> LinkForm:
        """The form that `link_form` will give with `provision`; creates nothing.

        The object may be missing until it is created. Raises: NoSuchLinkError, CrmError.
        """
        return self.link_form(object_name, wanted)

    def check_creatable(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Raises: NoSuchObjectError, CrmError if `provision` cannot create these; calls nothing."""
        return

    def facts(self) -> Mapping[str, object]:
        """What functions may need to know about the account, by the names of their arguments."""
        ...

    def provision(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create missing fields, and the object if it is missing too.

        Raises: NoSuchObjectError if the object cannot be created, CrmError.
        """
        ...

    def find(
        self,
        object_name: str,
        key_field: str,
        lookups: Sequence[Lookup],
        fields: Sequence[str],
        *,
        exact: bool = False,
        known: int = 0,
    ) -> dict[str, list[Hit]]:
        """Find records by key or match fields, in batches; returns hits by the look-up's key.

        With `exact`, the answer must not come from an index that lags behind the records. `known`
        is the number of records that the ledger knows of, for choosing the cheapest way.

        Raises: CrmError.
        """
        ...

    def read(
        self, object_name: str, crm_ids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, Hit]:
        """Records by CRM id; missing ones are left out. Raises: CrmError."""
        ...

    def locate(self, object_name: str, crm_ids: Sequence[str]) -> Mapping[str, str]:
        """The present CRM id of records, by the id they had: another one if they were merged.

        Deleted records are left out. Raises: CrmError.
        """
        return {crm_id: crm_id for crm_id in self.read(object_name, crm_ids, [])}

    def write(self, object_name: str, key_field: str, writes: Sequence[Write]) -> list[RowResult]:
        """Make one call for writes of one kind; returns a result for each, in order.

        Raises: AmbiguousAnswerError, BatchRejectedError, CrmError.
        """
        ...

    def link(
        self, object_name: str, form: LinkForm, pairs: Sequence[tuple[str, str]]
    ) -> list[RowResult]:
        """Link CRM ids in one call; repeating it makes no second link. Raises: CrmError."""
        ...
