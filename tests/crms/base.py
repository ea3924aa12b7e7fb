"""What the tests need to know of a CRM, so that no test body tells one from another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar

from reverse_etl.crm.adapter import Adapter
from reverse_etl.crm.call_count import CallCount
from reverse_etl.crm.http import CrmHttp, Meaning
from reverse_etl.singer.target import CrmTarget
from reverse_etl.values import Value

if TYPE_CHECKING:
    from box import Box

Row = dict[str, Any]
"""A record as the sandbox lists it: `id`, `properties`, `links`."""

JSON = {"Content-Type": "application/json"}


class Crm(ABC):
    """One CRM: its names, its credentials, and what a person could do in it by hand."""

    name: ClassVar[str]
    """How the sandbox, settings and files name it."""
    target: ClassVar[type[CrmTarget]]

    people: ClassVar[str]
    """The object that users become."""
    person_key: ClassVar[str]
    person_rule: ClassVar[str]
    """The file of the rule for people."""
    deals: ClassVar[str]
    deal_key: ClassVar[str]
    new_deal: ClassVar[Mapping[str, Value]]
    """Values that a new deal needs beside its key."""
    amount_field: ClassVar[str]
    """What a deal is worth."""
    missing_id: ClassVar[str]
    """An id that no person has."""
    documents: ClassVar[str]
    """The object that deliverables become."""

    name_fields: ClassVar[tuple[str, ...]]
    """Fields of a person that give the name, in order; people edit the first."""
    identity_fields: ClassVar[tuple[str, ...]]
    """Fields that say who a person is: names and e-mail."""
    email_field: ClassVar[str]
    text_field: ClassVar[str]
    """A field of a person that is provisioned and holds any text."""
    stage_field: ClassVar[str]
    spent_field: ClassVar[str]
    owner_field: ClassVar[str]
    owners: ClassVar[tuple[str, str]]
    """E-mails of two who may own records in the sandbox; the first is Ada's."""
    mutated_fields: ClassVar[frozenset[str]]
    """Fields of a person that change where the sandbox mutates a user."""
    facts: ClassVar[Mapping[str, str]]
    """Fields of a person that events write, and the source's property of the same fact."""
    volatile: ClassVar[frozenset[str]]
    """Fields that differ between two runs that are otherwise equal."""

    rows_a_call: ClassVar[int]
    """Rows that one write call takes."""
    find_calls_for_1000: ClassVar[int]
    """Calls in which a thousand people are looked for by key and e-mail."""
    passing_fault: ClassVar[str]
    """A fault that refuses a row, and whose cause passes."""
    calls_a_file: ClassVar[int]
    """Calls that attaching one file takes."""
    person_writes: ClassVar[str]
    """What calls that create people have in common, as `Box.fault` matches it."""
    record_writes: ClassVar[str]
    """What calls that write any records have in common."""
    document_writes: ClassVar[str]
    """What calls that create documents have in common."""
    file_writes: ClassVar[str]
    """What calls that upload a file have in common."""

    url_setting: ClassVar[str] = "api_url"
    no_credentials: ClassVar[Mapping[str, None]]
    """Settings that take the credentials away."""
    meaning: Callable[[int, Any, Mapping[str, str]], Meaning]
    """How the adapter reads a refusal."""

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__

    def custom_field(self, name: str) -> str:
        """A name, in lower case with underscores, as the CRM spells those of custom fields."""
        return name

    # Credentials

    @abstractmethod
    def credentials(self, url: str, account: str = "") -> dict[str, Any]:
        """Settings that open an account of the sandbox at a URL."""

    @abstractmethod
    def headers(self, account: str = "") -> dict[str, str]:
        """Headers that open an account by hand."""

    @abstractmethod
    def sign_ins(self) -> Mapping[str, Mapping[str, Any]]:
        """Every way to sign in to the account `x`; `{url}` stands for the sandbox's."""

    @abstractmethod
    def account_id(self, box: Box) -> str:
        """The id of the first account, asked for by hand."""

    # By hand

    @abstractmethod
    def put_person(self, box: Box, email: str) -> str:
        """Create a person with this e-mail and a field that no rule writes; the CRM id."""

    @abstractmethod
    def is_as_put(self, properties: Mapping[str, Any]) -> bool:
        """Returns True if a person still has the field that `put_person` filled."""

    @abstractmethod
    def edit(
        self, box: Box, kind: str, crm_id: str, values: Mapping[str, object], account: str = ""
    ) -> None:
        """Change fields of a record, by the names that rules use."""

    @abstractmethod
    def delete(self, box: Box, kind: str, crm_id: str) -> None:
        """Delete a record."""

    def undelete(self, box: Box, kind: str, crm_id: str) -> None:
        """Restore a deleted record."""
        box.by_hand(self, "undelete", kind, id=crm_id)

    @abstractmethod
    def merge(self, box: Box, crm_id: str, keep_id: str) -> str:
        """Merge a person into another, whose values stand; the id of the record that is left."""

    # What a sync leaves

    @abstractmethod
    def expected_deals(self, box: Box) -> dict[str, str]:
        """Keys of the deals that the source's records make, and the user of each."""

    def deal_links(self, box: Box) -> list[tuple[str, str]]:
        """Ids of the deal and of the person of each link between them."""
        return [
            (str(row["id"]), str(link["id"]))
            for row in box.objects(self, self.deals)
            for link in row["links"]
            if link["object"] == self.people
        ]

    @abstractmethod
    def document_id(self, row: Row) -> str:
        """The deliverable's id, as people see it in the CRM."""

    @abstractmethod
    def files(self, box: Box) -> list[tuple[str, str]]:
        """Name of each file, and the id of the record it is on."""

    def least_calls_for_files(self, count: int) -> int:
        """The least calls that attach this many files to as many documents."""
        return count

    def is_of_people(self, call: Mapping[str, Any]) -> bool:
        """Returns True if a logged write may hold people."""
        return f"/{self.people}" in call["path"]

    def calls(self, rows: int) -> int:
        """The least calls that write this many rows."""
        return ceil(rows / self.rows_a_call)

    # An adapter against a stub

    @abstractmethod
    def adapter(self, http: CrmHttp) -> Adapter:
        """The adapter on a custom client."""

    @abstractmethod
    def created(self, crm_id: str) -> object:
        """The JSON of an answer that says one record was created."""

    def client(self, url: str, **more: Any) -> CrmHttp:
        """A client that reads refusals as the adapter does, and sleeps for no time."""
        return CrmHttp(
            url,
            self.name,
            headers=dict,
            pace_s=lambda _: 0.0,
            calls=CallCount(),
            timeout_s=5,
            meaning=type(self).meaning,
            sleep=lambda _: None,
            **more,
        )


class PipelineCrm(Crm):
    """A CRM in which sales moves deals along a pipeline."""

    moved: ClassVar[tuple[str, object]]
    """A deal's stage field, and the stage that a person moves it to."""
    won: ClassVar[tuple[str, object]]
    """The field that says how a deal ended, and its value for a deal that is won."""


def suffix(account: str) -> str:
    """The ending of credentials for an account; none for the first."""
    return f"-{account}" if account else ""


def paid_for(box: Box) -> dict[str, str]:
    """The source's payments that did not fail, and who paid."""
    payments = (row["properties"] for row in box.objects("canai", "payments"))
    return {
        payment["payment_id"]: payment["user_id"]
        for payment in payments
        if payment["status"] != "failed"
    }


def users_where(box: Box, holds: Callable[[Mapping[str, Any]], bool]) -> dict[str, str]:
    """Users that meet a condition, each as their own deal."""
    users: Iterable[Row] = box.objects("canai", "users")
    return {row["id"]: row["id"] for row in users if holds(row["properties"])}
