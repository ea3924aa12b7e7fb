"""Objects that no package of ours names: the wholesaler of examples/wholesale, into each CRM."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm, each_crm
from crms.salesforce import DATA
from support import ROOT, Result, by_key, deliver, linked, lose_ledger, written

EXAMPLE = ROOT / "examples" / "wholesale"
MESSAGES = [json.loads(line) for line in (EXAMPLE / "wholesale.jsonl").read_text().splitlines()]
LAG_S = 60
"""Longer than HubSpot's search takes to know a new record."""

COMPANIES = {HUBSPOT: "companies", PIPEDRIVE: "organizations", SALESFORCE: "Account"}
NAMES = {HUBSPOT: "name", PIPEDRIVE: "name", SALESFORCE: "Name"}
PLACES = {
    HUBSPOT: "/hubspot/crm/v3/objects/companies",
    PIPEDRIVE: "/pipedrive/api/v2/organizations",
    SALESFORCE: f"{DATA}/sobjects/Account",
}
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


def rules_folder(folder: Path) -> Path:
    """The folder of a test's own rules."""
    (folder / "rules").mkdir(exist_ok=True)
    return folder / "rules"


def put_company(box: Box, crm: Crm, **values: str) -> str:
    """A company that people made in the CRM; its id."""
    body: dict[str, Any] = {"properties": values} if crm is HUBSPOT else values
    made = box.call("POST", PLACES[crm], body, crm.headers())
    box.advance(LAG_S)
    return str(made["data"]["id"] if crm is PIPEDRIVE else made["id"])


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


# Links that the CRM itself has to find

PEOPLE: Mapping[Crm, str] = {
    HUBSPOT: "object: contacts\nupsert_key: nr\nfields: {nr: id, lastname: name}\n",
    PIPEDRIVE: "object: persons\nupsert_key: nr\nfields: {nr: id, name: name}\n",
    SALESFORCE: "object: Contact\nupsert_key: Nr__c\nfields: {Nr__c: id, LastName: name}\n",
}
SCHEMA = {
    "type": "SCHEMA",
    "stream": "people",
    "key_properties": ["id"],
    "schema": {
        "properties": {name: {"type": ["null", "string"]} for name in ("id", "name", "firm", "due")}
    },
}


def person(number: int, firm: str | None) -> dict[str, Any]:
    due = "2026-03-01T00:00:00Z"
    record = {"id": str(number), "name": f"Person {number}", "firm": firm, "due": due}
    return {"type": "RECORD", "stream": "people", "record": record}


def people_by_firm(box: Box, crm: Crm, folder: Path, *people: object, **config: Any) -> Result:
    """Deliver people, each linked to the company whose name is their firm."""
    link = f"links: [{{to: {COMPANIES[crm]}, key: firm, by: {NAMES[crm]}}}]\n"
    written(rules_folder(folder), "people.yml", f"stream: people\n{PEOPLE[crm]}{link}")
    mapping = str(folder / "rules")
    return deliver(box, crm, [SCHEMA, *people], folder, mapping=mapping, **config)


def firms_of(box: Box, crm: Crm) -> dict[str, list[str]]:
    """Ids of the companies that each person is linked to."""
    key = "Nr__c" if crm is SALESFORCE else "nr"
    rows = by_key(box, crm, crm.people, key)
    # an association with a label counts twice: HubSpot makes the plain one with it
    return {name: [*dict.fromkeys(linked(row, COMPANIES[crm]))] for name, row in rows.items()}


@each_crm
def test_a_link_finds_a_record_that_no_rule_writes(box: Box, crm: Crm, tmp_path: Path) -> None:
    firm = put_company(box, crm, **{NAMES[crm]: "Ode Books"})
    result = people_by_firm(
        box, crm, tmp_path, person(1, "Ode Books"), person(2, None), person(3, "Ode Books")
    )
    assert (result.code, result.letters) == (0, [])
    assert firms_of(box, crm) == {"1": [firm], "2": [], "3": [firm]}
    box.forget_log()
    again = people_by_firm(box, crm, tmp_path, person(1, "Ode Books"), person(3, "Ode Books"))
    assert (again.code, box.writes(crm)) == (0, [])
    assert again.report["calls"]["made"] == 0


@each_crm
def test_a_record_goes_out_while_its_link_waits_for_a_company_that_comes_later(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    first = people_by_firm(box, crm, tmp_path, person(1, "Ode Books"))
    assert first.counts(crm.people)["created"] == 1
    assert (first.code, first.report["links"]["waiting"]) == (0, 1)
    firm = put_company(box, crm, **{NAMES[crm]: "Ode Books"})
    second = people_by_firm(box, crm, tmp_path)
    assert (second.code, second.report["links"]["made"]) == (0, 1)
    assert firms_of(box, crm) == {"1": [firm]}
    third = people_by_firm(box, crm, tmp_path)
    assert third.report["links"] == {"wanted": 0, "made": 0, "kept": 0, "waiting": 0, "dead": 0}


@each_crm
def test_a_link_whose_other_end_never_comes_is_a_dead_letter_and_the_record_stays(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    first = people_by_firm(box, crm, tmp_path, person(1, "Nowhere"), link_wait_days=0)
    second = people_by_firm(box, crm, tmp_path, link_wait_days=0)
    assert (first.code, second.code) == (0, 0)
    assert [letter["code"] for letter in second.letters] == ["link_expired"]
    assert firms_of(box, crm) == {"1": []}


@each_crm
def test_a_link_that_could_lead_to_two_records_is_a_dead_letter(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    for _ in range(2):
        put_company(box, crm, **{NAMES[crm]: "Ode Books"})
    result = people_by_firm(box, crm, tmp_path, person(1, "Ode Books"))
    assert result.code == 0
    assert [(row["code"], row["stage"]) for row in result.letters] == [("ambiguous_link", "link")]
    assert firms_of(box, crm) == {"1": []}


# Links in both directions

BOTH: Mapping[Crm, Sequence[str]] = {
    HUBSPOT: (
        "object: companies\nupsert_key: firm_nr\nfields: {firm_nr: id, name: name}\n"
        "links: [{to: contacts, key: firm, label: Main contact}]\n",
        "links: [{to: companies, key: firm}]\n",
    ),
    PIPEDRIVE: (
        "object: organizations\nupsert_key: firm_nr\nfields: {firm_nr: id, name: name}\n"
        "links: [{to: persons, key: firm, field: Main contact}]\n",
        "links: [{to: organizations, key: firm}]\n",
    ),
    SALESFORCE: (
        "object: Account\nupsert_key: Firm__c\nfields: {Firm__c: id, Name: name}\n"
        "links: [{to: Contact, key: firm, field: Main_Contact__c}]\n",
        "links: [{to: Account, key: firm}]\n",
    ),
}


@each_crm
@pytest.mark.parametrize("people_first", [True, False])
def test_links_in_both_directions_are_made_whatever_comes_first(
    box: Box, crm: Crm, people_first: bool, tmp_path: Path
) -> None:
    firm_rule, person_link = BOTH[crm]
    written(rules_folder(tmp_path), "firms.yml", f"stream: firms\n{firm_rule}")
    written(rules_folder(tmp_path), "people.yml", f"stream: people\n{PEOPLE[crm]}{person_link}")
    firms = [{**SCHEMA, "stream": "firms"}, {**person(7, "1"), "stream": "firms"}]
    people: list[dict[str, Any]] = [SCHEMA, person(1, "7"), person(2, "7")]
    messages = [*people, *firms] if people_first else [*firms, *people]
    mapping = str(tmp_path / "rules")
    result = deliver(box, crm, messages, tmp_path, mapping=mapping)
    assert (result.code, result.letters, result.report["links"]["waiting"]) == (0, [], 0)

    key = "Firm__c" if crm is SALESFORCE else "firm_nr"
    firm = by_key(box, crm, COMPANIES[crm], key)["7"]
    assert firms_of(box, crm) == {number: [str(firm["id"])] for number in ("1", "2")}
    main = by_key(box, crm, crm.people, "Nr__c" if crm is SALESFORCE else "nr")["1"]
    labels = {"Main contact", "Main_Contact__c"}
    ends = [str(link["id"]) for link in firm["links"] if {link.get("label"), link["type"]} & labels]
    if crm is PIPEDRIVE:
        ends = [str(firm["properties"]["Main contact"])]
    assert ends == [str(main["id"])]
    box.forget_log()
    again = deliver(box, crm, messages, tmp_path, mapping=mapping)
    assert (again.code, box.writes(crm)) == (0, [])


# What is wrong is one line before the first record


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
def test_a_known_record_whose_new_company_is_missing_is_linked_once_it_comes(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    firm_rule, person_link = BOTH[crm]
    no_links, _, _ = firm_rule.partition("links:")
    written(rules_folder(tmp_path), "firms.yml", f"stream: firms\n{no_links}")
    written(rules_folder(tmp_path), "people.yml", f"stream: people\n{PEOPLE[crm]}{person_link}")
    firms = {**SCHEMA, "stream": "firms"}

    def send(*messages: dict[str, Any]) -> Result:
        return deliver(box, crm, messages, tmp_path, mapping=str(tmp_path / "rules"))

    first = {**person(1, "7"), "time_extracted": "2026-02-01T00:00:00Z"}
    send(firms, {**person(7, None), "stream": "firms"}, SCHEMA, first)
    moved = send(SCHEMA, {**person(1, "8"), "time_extracted": "2026-03-01T00:00:00Z"})
    assert (moved.code, moved.report["links"]["waiting"]) == (0, 1)
    settled = send(SCHEMA, firms, {**person(8, None), "stream": "firms"})
    assert (settled.code, settled.letters, settled.report["links"]["made"]) == (0, [], 1)
    key = "Firm__c" if crm is SALESFORCE else "firm_nr"
    ids = {nr: str(row["id"]) for nr, row in by_key(box, crm, COMPANIES[crm], key).items()}
    assert ids["8"] in firms_of(box, crm)["1"]
    if crm is not HUBSPOT:  # an association is added; a field can only hold one
        assert firms_of(box, crm)["1"] == [ids["8"]]


@each_crm
def test_every_record_can_be_linked_to_the_same_one(box: Box, crm: Crm, tmp_path: Path) -> None:
    firm = put_company(box, crm, **{NAMES[crm]: "Shared Ltd"})
    link = f"links: [{{to: {COMPANIES[crm]}, fixed: Shared Ltd, by: {NAMES[crm]}}}]\n"
    written(rules_folder(tmp_path), "people.yml", f"stream: people\n{PEOPLE[crm]}{link}")
    messages = [SCHEMA, person(1, None), person(2, None)]
    result = deliver(box, crm, messages, tmp_path, mapping=str(tmp_path / "rules"))
    assert (result.code, result.letters) == (0, [])
    assert firms_of(box, crm) == {"1": [firm], "2": [firm]}


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


# Records that cannot be without a link

NEEDY: Mapping[Crm, tuple[str, str]] = {
    HUBSPOT: ("tasks", "upsert_key: marker\nfields: {marker: id, hs_task_subject: name, "
              "hs_timestamp: {from: due, parse: datetime}}\n"),
    PIPEDRIVE: ("leads", "upsert_key: nr\nfields: {nr: id, title: name}\n"),
}  # fmt: skip


def needy(box: Box, crm: Crm, folder: Path, link: str, *people: object) -> Result:
    kind, words = NEEDY[crm]
    written(rules_folder(folder), "needy.yml", f"stream: people\nobject: {kind}\n{words}{link}")
    if crm is HUBSPOT:
        written(rules_folder(folder), "objects.yml", "objects:\n  tasks: {marker: hs_task_body}\n")
    return deliver(box, crm, [SCHEMA, *people], folder, mapping=str(folder / "rules"))


@pytest.mark.parametrize("crm", NEEDY, ids=str)
def test_a_record_that_needs_a_link_waits_for_it_or_is_a_dead_letter(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    kind, _ = NEEDY[crm]
    link = f"links: [{{to: {COMPANIES[crm]}, key: firm, by: {NAMES[crm]}}}]\n"
    for name in ("Twins", "Twins"):
        put_company(box, crm, **{NAMES[crm]: name})
    people = (person(1, "Ode Books"), person(2, None), person(3, "Twins"))
    first = needy(box, crm, tmp_path, link, *people)
    assert first.counts(kind)["waiting"] == 1
    codes = {letter["key"]: letter["code"] for letter in first.letters}
    assert codes == {"2": "no_link", "3": "ambiguous_link"}
    assert box.objects(crm, kind) == []
    firm = put_company(box, crm, **{NAMES[crm]: "Ode Books"})
    assert needy(box, crm, tmp_path, link).code == 0
    lose_ledger(tmp_path, crm)
    assert needy(box, crm, tmp_path, link, *people).code == 0
    (record,) = box.objects(crm, kind)
    assert linked(record, COMPANIES[crm]) == [firm]


@pytest.mark.parametrize("crm", NEEDY, ids=str)
def test_a_rule_for_records_that_need_a_link_has_one(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert needy(box, crm, tmp_path, "", person(1, None)).code == 1
    assert "needy.yml:2: " in capsys.readouterr().err
    assert box.writes(crm) == []


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
