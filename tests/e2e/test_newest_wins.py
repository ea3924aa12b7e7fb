"""The newest observation of each field wins, whatever waits, was rejected or was filtered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import SALESFORCE, Crm, each_crm
from support import (
    Message,
    Result,
    by_key,
    deliver,
    later,
    record_message,
    schema_message,
    user,
    written,
)

TEXT = {"type": ["string", "null"]}
CLOSES = "2026-01-31"
"""When a deal closes, where the CRM asks for it."""
NUMBER = {"type": ["number", "null"]}


def rules(folder: Path, crm: Crm, amount: object = "amount") -> str:
    """The folder of a mapping: people, and sales that belong to them."""
    person = {crm.person_key: "id", crm.email_field: "email", crm.name_fields[-1]: "id"}
    deal: dict[str, Any] = {crm.deal_key: "id", crm.amount_field: amount}
    deal |= {
        name: {"from": "closes", "parse": "date"} if value == CLOSES else {"value": value}
        for name, value in crm.new_deal.items()
    }
    people = {
        "stream": "people",
        "object": crm.people,
        "upsert_key": crm.person_key,
        "fields": person,
    }
    sales = {
        "stream": "sales",
        "object": crm.deals,
        "upsert_key": crm.deal_key,
        "where": "status != 'failed'",
        "fields": deal,
        "links": [{"to": crm.people, "key": "parent"}],
    }
    written(folder / "rules", "people.person.yml", json.dumps(people))
    written(folder / "rules", "sales.deal.yml", json.dumps(sales))
    return str(folder / "rules")


def schema(stream: str, **properties: object) -> Message:
    properties = {"id": TEXT, **properties}
    keys = {"type": "SCHEMA", "stream": stream, "key_properties": ["id"]}
    return {**keys, "schema": {"type": "object", "properties": properties}}


PEOPLE = schema("people", email=TEXT)
SALES = schema("sales", amount=NUMBER, worth=TEXT, status=TEXT, parent=TEXT, closes=TEXT)
PERSON = record_message("people", {"id": "p1", "email": "p1@example.com"})


def sale(day: int, amount: object, status: str = "paid", parent: str | None = "p1") -> Message:
    """A version of one sale, observed on a day of January."""
    values = {
        "id": "sale-1",
        "amount": amount,
        "status": status,
        "parent": parent,
        "closes": CLOSES,
    }
    return later(record_message("sales", values), day)


def run(box: Box, crm: Crm, folder: Path, *records: Message, **config: Any) -> Result:
    """A run with both schemas and these records; the mapping is written if it is missing."""
    mapping = folder / "rules"
    chosen = str(mapping) if mapping.exists() else rules(folder, crm)
    result = deliver(box, crm, [PEOPLE, SALES, *records], folder, mapping=chosen, **config)
    assert result.code == 0
    return result


def amounts(box: Box, crm: Crm) -> dict[str, float]:
    """What each deal is worth, by key."""
    deals = by_key(box, crm, crm.deals, crm.deal_key)
    return {key: float(row["properties"][crm.amount_field]) for key, row in deals.items()}


@each_crm
def test_an_older_record_leaves_the_letter_of_a_newer_one_open(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    bad, good = user(1, email=5), user(1)
    rule = crm.person_rule.removesuffix(".yml")

    def open_letters(message: Message) -> list[str]:
        result = deliver(box, crm, [schema_message(), message], tmp_path)
        return [letter["rule"] for letter in result.letters if letter["rule"] == rule]

    assert open_letters(later(bad, 5)) == [rule]
    assert open_letters(later(good, 4)) == [rule]
    assert open_letters(later(good, 6)) == []


@each_crm
@pytest.mark.parametrize("days", [(3, 4), (4, 3)], ids=["in order", "late"])
def test_of_what_waits_the_newest_version_goes_out(
    box: Box, tmp_path: Path, crm: Crm, days: tuple[int, int]
) -> None:
    for day in days:
        run(box, crm, tmp_path, sale(day, day * 10))
    run(box, crm, tmp_path, PERSON)
    assert amounts(box, crm) == {"sale-1": 40}


@each_crm
def test_what_waits_keeps_what_a_newer_version_does_not_say(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    run(box, crm, tmp_path, sale(3, 30))
    run(box, crm, tmp_path, sale(4, None))
    run(box, crm, tmp_path, PERSON)
    assert amounts(box, crm) == {"sale-1": 30}


@each_crm
@pytest.mark.parametrize("filtered_first", [False, True], ids=["in order", "late"])
def test_a_filtered_version_removes_what_waits(
    box: Box, tmp_path: Path, crm: Crm, filtered_first: bool
) -> None:
    versions = [sale(3, 30, parent="p2"), sale(4, 40, "failed", parent="p2")]
    for version in reversed(versions) if filtered_first else versions:
        run(box, crm, tmp_path, version)
    # A CRM may take a deal before its person: then only the deal's link waits.
    is_there = set(amounts(box, crm))
    assert not (filtered_first and is_there)
    run(box, crm, tmp_path, record_message("people", {"id": "p2", "email": "p2@example.com"}))
    assert set(amounts(box, crm)) == is_there
    assert crm.deal_links(box) == []


@each_crm
def test_a_late_version_does_not_bring_back_what_the_source_had_in_the_meantime(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    run(box, crm, tmp_path, PERSON, sale(3, 30))
    assert run(box, crm, tmp_path, sale(6, 30)).counts(crm.deals) == {"planned": 1, "unchanged": 1}
    late = run(box, crm, tmp_path, sale(5, 50))
    assert late.counts(crm.deals) == {"planned": 1, "superseded": 1}
    assert amounts(box, crm) == {"sale-1": 30}


@each_crm
def test_a_person_and_a_payment_refused_in_two_runs_arrive_with_the_next(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    rules(tmp_path, crm)
    for times in (1, 2):
        box.forget_log()
        deal_writes = crm.person_writes.replace(crm.people, crm.deals)
        for match, row in ((crm.person_writes, "p1@example.com"), (deal_writes, "sale-1")):
            box.fault(crm, crm.passing_fault, match=match, times=99, args={"row": row})
        records = [PERSON, sale(3, 30, parent=None)] if times == 1 else []
        refused = run(box, crm, tmp_path, *records)
        assert {letter["key"]: letter["times"] for letter in refused.letters} == {
            "p1": times,
            "sale-1": times,
        }
        box.clear_faults()
    box.forget_log()
    healed = run(box, crm, tmp_path)
    assert healed.letters == []
    assert set(amounts(box, crm)) == {"sale-1"}
    assert len(box.people(crm)) == 1
    assert len(box.writes(crm)) <= 2


@each_crm
def test_a_letter_is_tried_again_when_its_rule_has_changed(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    rules(tmp_path, crm, {"from": "worth", "parse": "number"})
    message = sale(3, 99)
    message["record"]["worth"] = "much"
    bad = run(box, crm, tmp_path, PERSON, message)
    assert [letter["key"] for letter in bad.letters] == ["sale-1"]
    same = run(box, crm, tmp_path)
    assert [letter["times"] for letter in same.letters] == [1]
    rules(tmp_path, crm)
    assert run(box, crm, tmp_path).letters == []
    assert amounts(box, crm) == {"sale-1": 99}


@each_crm
def test_a_link_that_expired_is_made_once_its_other_end_exists(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    run(box, crm, tmp_path, sale(3, 30))
    expired = run(box, crm, tmp_path, link_wait_days=0)
    assert [letter["code"] for letter in expired.letters] == ["link_expired"]
    healed = run(box, crm, tmp_path, PERSON)
    assert healed.letters == []
    assert amounts(box, crm) == {"sale-1": 30}
    assert len(crm.deal_links(box)) == 1


@each_crm
def test_a_link_that_expired_is_made_by_a_run_that_brings_only_its_other_end(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    run(box, crm, tmp_path, sale(3, 30))
    expired = run(box, crm, tmp_path, link_wait_days=0)
    assert [letter["code"] for letter in expired.letters] == ["link_expired"]
    healed = deliver(box, crm, [PEOPLE, PERSON], tmp_path, mapping=str(tmp_path / "rules"))
    assert (healed.code, healed.letters) == (0, [])
    assert amounts(box, crm) == {"sale-1": 30}
    assert len(crm.deal_links(box)) == 1


def test_a_late_link_that_a_call_would_make_gives_way_to_a_newer_one_that_waits(
    box: Box, tmp_path: Path
) -> None:
    crm = SALESFORCE  # of its opportunities, the contact roles

    def people(*keys: str) -> list[Message]:
        return [record_message("people", {"id": key, "email": f"{key}@a.com"}) for key in keys]

    run(box, crm, tmp_path, *people("p1", "p2"), sale(2, 20))
    run(box, crm, tmp_path, sale(20, 20, parent="p3"), sale(10, 20, parent="p2"), batch_size_rows=1)
    run(box, crm, tmp_path, *people("p3"))
    there = by_key(box, crm, crm.people, crm.person_key)
    linked = {person for _, person in crm.deal_links(box)}
    assert linked == {str(there[key]["id"]) for key in ("p1", "p3")}


@each_crm
@pytest.mark.parametrize(("when_null", "amounts"), [("clear", [0, 0, 20]), ("keep", [0, 10, 20])])
def test_an_older_value_fills_a_field_of_a_new_record_only_where_its_null_says_nothing(
    box: Box, crm: Crm, when_null: str, amounts: list[int], tmp_path: Path
) -> None:
    mapping = rules(tmp_path, crm, {"from": "amount", "when_null": when_null})
    runs = [[PEOPLE, PERSON, SALES, sale(5, None)], [SALES, sale(2, 10)], [SALES, sale(6, 20)]]
    held = []
    for messages in runs:
        result = deliver(box, crm, messages, tmp_path, mapping=mapping, provision=True)
        assert result.code == 0
        (deal,) = box.objects(crm, crm.deals)
        held.append(float(deal["properties"].get(crm.amount_field) or 0))
    assert held == amounts
