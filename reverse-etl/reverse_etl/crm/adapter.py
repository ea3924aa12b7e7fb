"""The seam to a CRM. What differs between CRMs is data in `ObjectSpec`; the rest is these few calls.

A target's package implements `Adapter`; the core calls nothing else of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Protocol

from reverse_etl.errors import BudgetSpentError, RowError
from reverse_etl.objects import FieldWanted, LinkForm, ObjectSpec
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
    """CRM ids of the records it refers to, by the field of the reference: for objects that are found by these alone."""
    recent: bool = False
    """Whether it was sent in the last minutes, so that older records need not be looked at."""


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
    """Canonical values of the fields asked for; a field the CRM holds nothing in is None or absent."""
    current: Mapping[str, Any]
    """The record in the CRM's own form."""


@dataclass(frozen=True, slots=True)
class RowResult:
    """The CRM's verdict on one row of a call: an id, or a fault."""

    crm_id: str | None = None
    fault: RowError | None = None
    again: bool = False
    """The fault is passing (a lock): the row may be sent again."""


class JobResults(Protocol):
    """What became of the rows of jobs."""

    def of(self, write: Write) -> RowResult | None:
        """The CRM's verdict on a row; None where it has none and the row has to be sent again."""
        ...


@dataclass(slots=True)
class CallCount:
    """Calls made, by object and purpose (`find`, `read`, `write`, `link`), and those for setting up."""

    by_purpose: dict[tuple[str, str], int] = field(default_factory=dict)
    limit: int | None = None
    """Calls that the user allows for a run."""
    cost: int = 0
    """What the calls cost in the CRM's own unit, where it has one."""

    @property
    def total(self) -> int:
        """All calls."""
        return sum(self.by_purpose.values())

    def add(self, object_name: str, purpose: str) -> None:
        """Count one call. Raises: BudgetSpentError instead of one beyond the limit."""
        if self.limit is not None and self.total >= self.limit:
            raise BudgetSpentError(
                f"The {self.limit} calls of max_api_calls are used up.", "Run again, or raise it."
            )
        key = (object_name, purpose)
        self.by_purpose[key] = self.by_purpose.get(key, 0) + 1


class FileAdapter(Protocol):
    """A CRM that takes files."""

    def attach(self, object_name: str, crm_id: str, file: Attachment, *, new: bool = False) -> bool:
        """Attach a file to a record unless it holds one of that name; whether it was made.

        `new`: the record was made a moment ago, so that it can hold none yet.
        Raises: AmbiguousAnswerError, BatchRejectedError, RowError, CrmError.
        """
        ...


class OwnerAdapter(Protocol):
    """A CRM whose records have owners."""

    def owners(self) -> Mapping[str, str]:
        """CRM ids of those who may own records, by e-mail in lower case. Raises: CrmError."""
        ...


class MergeAdapter(Protocol):
    """A CRM that can make one record of two."""

    def merge(self, object_name: str, keep_id: str, other_id: str) -> bool:
        """Merge a record into another, whose values stand; False where the CRM cannot merge these. Raises: CrmError."""
        ...


class JobAdapter(Protocol):
    """A CRM that takes many rows as a job, which works on its own and outlives the run that started it."""

    def run_jobs(
        self,
        object_name: str,
        key_field: str,
        blocks: Callable[[], Iterator[Sequence[Write]]],
        began: Callable[[str], None],
        ended: Callable[[str], None],
        stopping: Callable[[], bool],
    ) -> JobResults:
        """Writes of one kind as one job or more, until all have ended; `blocks` gives them again each time it is called.

        `began` is told a job's id before anything is uploaded, `ended` when its results are known. Raises: CrmError,
        StoppedError where `stopping` says so while a job works.
        """
        ...

    def finish_job(self, object_name: str, job_id: str) -> None:
        """Wait until a job of an earlier run has ended; one that was never started is called off. Raises: CrmError."""
        ...


class Adapter(Protocol):
    """A CRM: what it must be able to do, and what it may be able to do besides."""

    crm: str
    objects: Mapping[str, ObjectSpec]
    calls: CallCount
    jobs: JobAdapter | None = None
    """Takes many rows as a job; needed by objects with a lane that is one."""
    files: FileAdapter | None = None
    """Takes files; needed where a rule attaches them."""
    owning: OwnerAdapter | None = None
    """Knows who may own records; needed where a rule names an owner."""
    merging: MergeAdapter | None = None
    """Merges two records that a lost response left behind."""

    def account(self) -> Account:
        """The account behind the credentials. Raises: CrmError."""
        ...

    def describe(self, object_name: str) -> dict[str, FieldInfo]:
        """The fields of an object, by name. Raises: NoSuchObjectError, CrmError."""
        ...

    def facts(self) -> Mapping[str, object]:
        """What functions may need to know of the account, by the names of their keyword arguments."""
        ...

    def provision(self, object_name: str, wanted: Sequence[FieldWanted]) -> None:
        """Create fields that are missing, and the object where it is. Raises: NoSuchObjectError where it cannot be, CrmError."""
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
        """Records by key or match fields, by the key of the look-up, in batches.

        With `exact` the answer must not come from an index that lags behind the records; `known` is the number of
        records that the ledger knows there to be, for choosing the cheapest means.
        Raises: CrmError.
        """
        ...

    def read(
        self, object_name: str, crm_ids: Sequence[str], fields: Sequence[str]
    ) -> dict[str, Hit]:
        """Records by CRM id; one that is not there is left out. Raises: CrmError."""
        ...

    def write(self, object_name: str, key_field: str, writes: Sequence[Write]) -> list[RowResult]:
        """One call for writes of one kind; a result for each, in order.

        Raises: AmbiguousAnswerError, BatchRejectedError, CrmError.
        """
        ...

    def link(
        self, object_name: str, form: LinkForm, pairs: Sequence[tuple[str, str]]
    ) -> list[RowResult]:
        """Make links between CRM ids in one call; repeating it makes no second link. Raises: CrmError."""
        ...
