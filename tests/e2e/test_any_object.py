"""Objects that no package of ours names: the wholesaler of examples/wholesale, into each CRM."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm, each_crm
from firms import (
    COMPANIES,
    NAMES,
    PEOPLE,
    SCHEMA,
    person,
    rules_folder,
)
from support import ROOT, Result, by_key, deliver, linked, users, written

EXAMPLE = ROOT / "examples" / "wholesale"
MESSAGES = [json.loads(line) for line in (EXAMPLE / "wholesale.jsonl").read_text().splitlines()]
EXPECTED: Mapping[Crm, Mapping[tuple[str, str, str], Mapping[str, Any]]] = {
    HUBSPOT: {
        ("companies", "wholesale_company", "DE-17"): {
            "name": "Ode Books", "domain": "ode.example.com", "city": "Berlin",
            "wholesale_segments": "retail;school", "wholesale_since": "2019-04-01",
            "wholesale_credit": "12500",
        },
        ("contacts", "wholesale_person", "1"): {
            "firstname": "Kim", "wholesale_interests": "crime;poetry",
            "wholesale_newsletter": "true",
        },
        ("products", "wholesale_sku", "BK-100"): {
            "price": "149.9", "wholesale_tags": "poetry;gift",
        },
        ("workshops", "workshop_number", "1"): {
            "title": "Window dressing", "starts": "2027-02-14T17:30:00.000Z", "seats": "12",
            "topics": "display;light",
        },
        ("deals", "wholesale_order", "501"): {"amount": "1198.9", "dealname": "Spring list"},
    },
    PIPEDRIVE: {
        ("organizations", "wholesale_company", "DE-17"): {
            "name": "Ode Books", "wholesale_domain": "ode.example.com",
            "wholesale_city": "Berlin", "wholesale_segments": ["retail", "school"],
            "wholesale_since": "2019-04-01", "wholesale_credit": 12500,
        },
        ("persons", "wholesale_person", "1"): {
            "name": "Kim Ode", "wholesale_interests": ["crime", "poetry"],
            "wholesale_newsletter": "yes",
        },
        ("products", "code", "BK-100"): {
            "wholesale_price": 149.9, "wholesale_tags": "poetry;gift",
        },
        ("leads", "workshop_number", "1"): {
            "title": "Window dressing", "starts": "2027-02-14T17:30:00.000000Z", "seats": 12,
            "topics": "display;light",
        },
        ("deals", "wholesale_order", "501"): {
            "value": 1198.9, "currency": "USD", "expected_close_date": "2027-02-28",
        },
    },
    SALESFORCE: {
        ("Account", "Wholesale_Company__c", "DE-17"): {
            "Name": "Ode Books", "Website": "ode.example.com", "BillingCity": "Berlin",
            "Segments__c": "retail;school", "Since__c": "2019-04-01", "Credit__c": 12500,
        },
        ("Contact", "Wholesale_Person__c", "1"): {
            "FirstName": "Kim", "Interests__c": "crime;poetry", "Newsletter__c": True,
        },
        ("Product2", "Wholesale_SKU__c", "BK-100"): {
            "Price__c": 149.9, "Tags__c": "poetry;gift",
        },
        ("Workshop__c", "Workshop_Number__c", "1"): {
            "Title__c": "Window dressing", "Starts__c": "2027-02-14T17:30:00.000+0000",
            "Seats__c": 12, "Topics__c": "display;light",
        },
        ("Opportunity", "Wholesale_Order__c", "501"): {
            "Amount": 1198.9, "CloseDate": "2027-02-28", "StageName": "Prospecting",
        },
    },
}  # fmt: skip


def run(box: Box, crm: Crm, folder: Path, **config: Any) -> Result:
    return deliver(box, crm, MESSAGES, folder, mapping=str(EXAMPLE / crm.name), **config)


@each_crm
def test_the_example_arrives_field_by_field_and_a_second_run_writes_nothing(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    first = run(box, crm, tmp_path)
    assert (first.code, first.letters) == (0, [])
    for (kind, key_field, key), values in EXPECTED[crm].items():
        held = by_key(box, crm, kind, key_field)[key]["properties"]
        assert {name: held[name] for name in values} == dict(values), (kind, key)
    box.forget_log()
    second = run(box, crm, tmp_path)
    assert (second.code, box.writes(crm)) == (0, [])


@each_crm
def test_its_links_lead_to_the_buyer_the_payer_and_the_company(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    assert run(box, crm, tmp_path).code == 0
    kinds = list(EXPECTED[crm])
    ids = {
        kind: {key: str(row["id"]) for key, row in by_key(box, crm, kind, key_field).items()}
        for kind, key_field, _ in kinds
    }
    (companies, people, _, workshops, deals) = (kind for kind, _, _ in kinds)
    order = by_key(box, crm, deals, kinds[4][1])["501"]
    buyers = set(linked(order, people))
    if crm is PIPEDRIVE:  # the payer is in a field of the deal's own
        buyers.add(str(order["properties"]["Payer"]))
    assert buyers == {ids[people]["1"], ids[people]["2"]}
    person = by_key(box, crm, people, kinds[1][1])["1"]
    assert linked(person, companies) == [ids[companies]["DE-17"]]
    workshop = by_key(box, crm, workshops, kinds[3][1])["2"]
    assert linked(workshop, companies) == [ids[companies]["AT-4"]]


@each_crm
@pytest.mark.parametrize("what", ["object", "field", "other end", "field of the other", "path"])
def test_a_wrong_name_is_one_line_with_the_nearest_before_the_first_record(
    box: Box, crm: Crm, what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    companies, name = COMPANIES[crm], NAMES[crm]
    rule = f"stream: people\n{PEOPLE[crm]}links: [{{to: {companies}, key: firm, by: {name}}}]\n"
    old, new, line = {
        "object": (f"object: {crm.people}", f"object: {crm.people}z", 2),
        "field": (": name}", ": name, {}e: firm}}".format(crm.email_field[:-1] + "x"), 4),
        "other end": (f"to: {companies}", f"to: {companies}z", 5),
        "field of the other": (f"by: {name}", f"by: {name}x", 5),
        "path": ("id,", "idd,", 4),
    }[what]
    written(rules_folder(tmp_path), "people.yml", rule.replace(old, new, 1))
    mapping = str(tmp_path / "rules")
    messages = [SCHEMA, person(1, None)]
    provision = what != "field"  # a new field is what `provision` is for
    result = deliver(box, crm, messages, tmp_path, mapping=mapping, provision=provision)
    error = capsys.readouterr().err
    assert result.code == 1
    assert f"people.yml:{line}: " in error
    assert "Traceback" not in error
    assert ("Did you mean" in error) or what == "field"
    changing = [line for line in box.log(crm) if line["method"] != "GET"]
    assert [line for line in changing if "oauth" not in line["path"]] == []


@each_crm
@pytest.mark.parametrize("write", ["always", "on_create"])
def test_an_owner_follows_the_source_only_where_the_rule_says_always(
    box: Box, crm: Crm, write: str, tmp_path: Path
) -> None:
    first, second = crm.owners
    link = f"links: [{{to: owner, key: firm, write: {write}}}]\n"
    written(rules_folder(tmp_path), "people.yml", f"stream: people\n{PEOPLE[crm]}{link}")

    def send(owner: str, day: int) -> str:
        message = {**person(1, owner), "time_extracted": f"2026-03-0{day}T00:00:00Z"}
        mapping = str(tmp_path / "rules")
        assert deliver(box, crm, [SCHEMA, message], tmp_path, mapping=mapping).code == 0
        (row,) = box.people(crm)
        return str(row["properties"][crm.owner_field])

    owner = send(first, 1)
    assert (send(second, 2) != owner) == (write == "always")


@each_crm
@pytest.mark.parametrize("source", ["object", "objects"])
def test_an_object_of_the_source_fits_no_field(
    box: Box, crm: Crm, source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(rules_folder(tmp_path), "people.yml", f"stream: people\n{PEOPLE[crm]}")
    part: dict[str, Any] = {"type": ["null", "object"], "properties": {"a": {"type": "string"}}}
    name = part if source == "object" else {"type": "array", "items": part}
    properties = {"id": {"type": "string"}, "name": name}
    schema = {**SCHEMA, "schema": {"properties": properties}}
    result = deliver(box, crm, [schema], tmp_path, mapping=str(tmp_path / "rules"))
    error = capsys.readouterr().err
    assert (result.code, "people.yml:4: " in error) == (1, True)
    assert ("an object" if source == "object" else "a list of objects") in error


@pytest.mark.parametrize("fields", ["Nr__c: id", "Nr__c: id, Name: name"])
def test_a_custom_object_of_salesforce_is_named_by_the_rule_or_by_numbers(
    box: Box, fields: str, tmp_path: Path
) -> None:
    rule = f"stream: people\nobject: Guest__c\nupsert_key: Nr__c\nfields: {{{fields}}}\n"
    written(rules_folder(tmp_path), "people.yml", rule)
    written(rules_folder(tmp_path), "objects.yml", "objects:\n  Guest__c: {label: Guest}\n")
    mapping = str(tmp_path / "rules")
    result = deliver(box, SALESFORCE, [SCHEMA, person(1, None)], tmp_path, mapping=mapping)
    assert (result.code, result.letters) == (0, [])
    (guest,) = box.objects(SALESFORCE, "Guest__c")
    assert (guest["properties"]["Name"] == "Person 1") == ("Name" in fields)


@pytest.mark.parametrize(
    ("crm", "name", "hint"),
    [
        (HUBSPOT, "contact", "Did you mean 'contacts'?"),
        (HUBSPOT, "Contacts", "Did you mean 'contacts'?"),
        (HUBSPOT, "0-1", "Use the name in its schema."),
        (SALESFORCE, "contact", "Did you mean 'Contact'?"),
        (PIPEDRIVE, "person", "Did you mean 'persons'?"),
    ],
)
def test_an_object_goes_by_one_name(
    box: Box, crm: Crm, name: str, hint: str, tmp_path: Path
) -> None:
    """Under each name that the CRM takes, the ledger would have its records once more."""
    rule = {
        "stream": "users",
        "object": name,
        "upsert_key": crm.person_key,
        "fields": {crm.person_key: "user_id", crm.email_field: "email"},
    }
    written(tmp_path / "rules", "users.person.yml", json.dumps(rule))
    result = deliver(box, crm, users(1), tmp_path, mapping=str(tmp_path / "rules"))
    assert result.code == 1
    assert name in result.report["message"]
    assert hint in result.report["message"]
    assert box.people(crm) == []
