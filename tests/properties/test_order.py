"""The order in which versions come does not matter, whatever becomes of each of them.

Versions of several sales at a time, in any order, over several runs on one ledger; each may be
filtered or rejected, may leave a field empty, and may have to wait for its person.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from box import Box
from crms import HUBSPOT, Crm, each_crm
from support import Message, Result, by_key, deliver, later, record_message, written

RUNS = 3
SALES = 5
TEXT = {"type": ["string", "null"]}
CLOSES = "2026-01-31"
Kind = Literal["good", "empty", "filtered", "rejected"]
KINDS: tuple[Kind, ...] = ("good", "good", "empty", "filtered", "rejected")


@dataclass(frozen=True)
class Version:
    """A sale as it was seen on a day, and the run that brings it."""

    day: int
    kind: Kind
    run: int

    def message(self, key: str) -> Message:
        worth = {"good": str(self.day), "rejected": "much"}.get(self.kind)
        record = {
            "id": key,
            "worth": worth,
            "status": "failed" if self.kind == "filtered" else "paid",
            "parent": f"person-{key}",
            "closes": CLOSES,
        }
        return later(record_message("sales", record), self.day)


@dataclass(frozen=True)
class Sale:
    """The versions of a sale as they come, and the run that brings its person."""

    versions: Sequence[Version]
    parent_run: int


@st.composite
def sales(draw: st.DrawFn) -> Sale:
    days = draw(st.lists(st.integers(2, 28), min_size=1, max_size=4, unique=True))
    versions = [
        Version(day, draw(st.sampled_from(KINDS)), draw(st.integers(0, RUNS - 1))) for day in days
    ]
    return Sale(versions, draw(st.integers(0, RUNS - 1)))


def schema(stream: str, *names: str) -> Message:
    properties = {"id": TEXT, **dict.fromkeys(names, TEXT)}
    keys = {"type": "SCHEMA", "stream": stream, "key_properties": ["id"]}
    return {**keys, "schema": {"type": "object", "properties": properties}}


def mapping(folder: Path, crm: Crm) -> str:
    """The folder of a mapping of people, and of sales that belong to them."""
    person = {crm.person_key: "id", crm.email_field: "email", crm.name_fields[-1]: "id"}
    deal: dict[str, object] = {crm.deal_key: "id"}
    deal[crm.amount_field] = {"from": "worth", "parse": "number"}
    for name, value in crm.new_deal.items():
        deal[name] = {"from": "closes", "parse": "date"} if value == CLOSES else {"value": value}
    people = {"stream": "people", "object": crm.people, "upsert_key": crm.person_key}
    of_sales = {"stream": "sales", "object": crm.deals, "upsert_key": crm.deal_key}
    of_sales["where"] = "status != 'failed'"
    links = [{"to": crm.people, "key": "parent"}]
    rule = {**of_sales, "fields": deal, "links": links}
    written(folder, "people.person.yml", json.dumps({**people, "fields": person}))
    written(folder, "sales.deal.yml", json.dumps(rule))
    return str(folder)


def messages(each: Sequence[Sale], run: int) -> list[Message]:
    """What a run brings: both schemas, people, and versions of sales."""
    brought = [schema("people", "email"), schema("sales", "worth", "status", "parent", "closes")]
    for number, sale in enumerate(each):
        key = f"sale-{number}"
        if sale.parent_run == run:
            email = f"{key}@example.com"
            person = {"id": f"person-{key}", "email": email}
            brought.append(record_message("people", person))
        brought += [version.message(key) for version in sale.versions if version.run == run]
    return brought


def check(sale: Sale, worth: float | None, *, exists: bool, has_letter: bool, waits: bool) -> None:
    """Hold what a CRM has of a sale against its versions.

    `waits`: a sale waits for its person as a whole, since the link is a field of it.
    """
    ordered = sorted(sale.versions, key=lambda version: version.day)
    newest = ordered[-1]
    if newest.kind == "rejected":
        assert has_letter
        return
    if newest.kind == "filtered":
        made = [
            max(version.run, sale.parent_run) if waits else version.run
            for version in ordered
            if version.kind in ("good", "empty")
        ]
        # A record that was made before the filtered version came stays, as `on_leave` says.
        assert not exists or newest.run > min(made)
        return
    assert exists
    said = [version.day for version in ordered if version.kind == "good"]
    between = [version for version in ordered if said and version.day > said[-1]]
    if newest.kind == "good" or (said and all(each.kind == "empty" for each in between)):
        assert worth == said[-1]


def order_does_not_matter(box: Box, crm: Crm, folder: Path, each: Sequence[Sale]) -> None:
    """Sync versions run by run, then once without records, and check what the CRM holds."""
    box.reset()
    rules = mapping(folder / "rules", crm)
    for file in folder.glob(f"{crm}.db*"):
        file.unlink()
    result = Result(1, [], "")
    for run in range(RUNS + 1):
        result = deliver(box, crm, messages(each, run), folder, mapping=rules)
        assert result.code == 0
    letters = {letter["key"] for letter in result.letters}
    deals = by_key(box, crm, crm.deals, crm.deal_key)
    for number, sale in enumerate(each):
        deal = deals.get(f"sale-{number}")
        worth = deal["properties"].get(crm.amount_field) if deal else None
        check(
            sale,
            float(worth) if worth not in (None, "") else None,
            exists=deal is not None,
            has_letter=f"sale-{number}" in letters,
            waits=crm is not HUBSPOT,
        )


OPTIONS = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture],
}
several = st.lists(sales(), min_size=SALES, max_size=SALES)


@each_crm
@settings(max_examples=3, **OPTIONS)  # type: ignore[arg-type]
@given(each=several)
def test_order_does_not_matter(box: Box, tmp_path: Path, crm: Crm, each: list[Sale]) -> None:
    order_does_not_matter(box, crm, tmp_path, each)


@pytest.mark.soak
@each_crm
@settings(max_examples=40, **OPTIONS)  # type: ignore[arg-type]
@given(each=several)
def test_order_never_matters(box: Box, tmp_path: Path, crm: Crm, each: list[Sale]) -> None:
    order_does_not_matter(box, crm, tmp_path, each)
