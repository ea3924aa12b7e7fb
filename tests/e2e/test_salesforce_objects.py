"""Objects of Salesforce that no code names, mapped by YAML: fields, links, picklists, jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.crm.adapter import Adapter, Currencies, Lookup
from reverse_etl.errors import CrmError
from reverse_etl.objects import FieldWanted
from reverse_etl.singer import cli as commands
from target_salesforce.target import TargetSalesforce

from box import Box
from crms import SALESFORCE
from support import Message, Result, deliver, lose_ledger, schema_message, user, written

ACCOUNTS = """\
stream: companies
object: Account
upsert_key: Shop_ID__c
fields:
  Shop_ID__c: id
  Name: name
  Industry: industry
  NumberOfEmployees: people
  Topics__c: topics
"""
TREE = f"""\
{ACCOUNTS}links:
  - {{to: Account, key: parent}}
"""
LEADS = """\
stream: people
object: Lead
upsert_key: Shop_ID__c
match_by: [Email]
fields:
  Shop_ID__c: id
  LastName: name
  Email: mail
  Company: {from: company, default: unknown}
"""
CAMPAIGNS = """\
stream: companies
object: Campaign
upsert_key: Shop_ID__c
fields:
  Shop_ID__c: id
  Name: name
  IsActive: {value: true}
"""
VISITS = """\
stream: visits
object: Visit__c
upsert_key: Shop_ID__c
fields:
  Shop_ID__c: id
  Day__c: day
links:
  - {to: Account, key: host, field: Host__c}
  - {to: Account, key: guest, field: Guest__c}
  - {to: Lead, key: lead, field: Lead__c, wait: link}
"""
OBJECTS = """\
namespace: Shop
objects:
  Visit__c: {label: Visit, plural: Visits}
"""
CONTACTS = """\
stream: people
object: Contact
upsert_key: Shop_ID__c
fields: {Shop_ID__c: id, LastName: name}
links:
  - {to: Account, key: company, by: Name, wait: link}
"""
DEALS = """\
stream: deals
object: Opportunity
upsert_key: Shop_ID__c
fields:
  Shop_ID__c: id
  Name: name
  StageName: {value: Prospecting}
  CloseDate: day
  Amount: {from: amount, currency: currency}
"""
TEXT = {"type": ["string", "null"]}
STREAMS: dict[str, dict[str, Any]] = {
    "companies": {
        "id": TEXT,
        "name": TEXT,
        "industry": TEXT,
        "people": {"type": ["integer", "null"]},
        "topics": {"type": "array", "items": {"type": "string", "enum": ["art", "music", "sport"]}},
        "parent": TEXT,
    },
    "people": dict.fromkeys(("id", "name", "mail", "company"), TEXT),
    "deals": {
        **dict.fromkeys(("id", "name", "currency"), TEXT),
        "amount": {"type": ["number", "null"]},
        "day": {"type": ["string", "null"], "format": "date"},
    },
    "visits": {
        **dict.fromkeys(("id", "host", "guest", "lead"), TEXT),
        "day": {"type": ["string", "null"], "format": "date"},
    },
}


def stream(name: str, *records: Mapping[str, Any]) -> list[Message]:
    """A stream with these records."""
    schema = {"type": "object", "properties": STREAMS[name]}
    head = {"type": "SCHEMA", "stream": name, "schema": schema, "key_properties": ["id"]}
    return [head, *({"type": "RECORD", "stream": name, "record": record} for record in records)]


COMPANIES = stream(
    "companies",
    {"id": "c1", "name": "Acme", "industry": "Media", "people": 12, "topics": ["sport", "art"]},
    {"id": "c2", "name": "Acme East", "parent": "c1", "topics": []},
)
PEOPLE = stream(
    "people",
    {"id": "p1", "name": "Lee", "mail": "lee@example.com", "company": "Acme"},
    {"id": "p2", "name": "Ray", "mail": "ray@example.com"},
)
VISITED = stream(
    "visits",
    {"id": "v1", "host": "c1", "guest": "c2", "lead": "p1", "day": "2026-01-05"},
    {"id": "v2", "host": "c2", "guest": "c2"},
)


def mapping(folder: Path, **files: str) -> dict[str, str]:
    """The setting that names a mapping of these rules."""
    for name, text in files.items():
        assert len(text.splitlines()) <= 12
        written(folder / "mapping", f"{name}.yml", text)
    return {"mapping": str(folder / "mapping")}


def rows(box: Box, kind: str) -> dict[str, Any]:
    """Records of an object by their key, and their ids."""
    return {
        row["properties"]["Shop_ID__c"]: {"Id": row["id"], **row["properties"]}
        for row in box.objects(SALESFORCE, kind)
        if row["properties"].get("Shop_ID__c")
    }


def run(box: Box, folder: Path, messages: list[Message], **settings: Any) -> Result:
    """A run that succeeds."""
    result = deliver(box, SALESFORCE, messages, folder, **settings)
    assert result.code == 0
    assert result.letters == []
    return result


def failure(
    box: Box, folder: Path, messages: list[Message], capsys: pytest.CaptureFixture[str], **more: Any
) -> str:
    """The error of a run that writes nothing."""
    assert deliver(box, SALESFORCE, messages, folder, **more).code == 1
    assert not any("/Soap/" not in call["path"] for call in box.writes(SALESFORCE))
    return capsys.readouterr().err


def made(box: Box, kind: str, **values: Any) -> str:
    """The id of a record made by hand."""
    path = f"/salesforce/services/data/v67.0/sobjects/{kind}"
    return str(box.call("POST", path, values, SALESFORCE.headers())["id"])


def test_objects_that_no_code_names_are_written_once(box: Box, tmp_path: Path) -> None:
    rules = mapping(tmp_path, a=ACCOUNTS, l=LEADS, k=CAMPAIGNS, v=VISITS, objects=OBJECTS)
    messages = [*COMPANIES, *PEOPLE, *VISITED]
    run(box, tmp_path, messages, **rules)
    accounts, leads, visits = (rows(box, kind) for kind in ("Account", "Lead", "Visit__c"))
    names = ("Name", "Industry", "NumberOfEmployees", "Topics__c")
    assert [accounts["c1"][name] for name in names] == ["Acme", "Media", 12, "art;sport"]
    assert [leads["p1"]["Company"], leads["p2"]["Company"]] == ["Acme", "unknown"]
    assert rows(box, "Campaign")["c1"]["IsActive"] is True
    ends = [visits["v1"][name] for name in ("Host__c", "Guest__c", "Lead__c")]
    assert ends == [accounts["c1"]["Id"], accounts["c2"]["Id"], leads["p1"]["Id"]]

    for ledger_lost in (False, True):
        if ledger_lost:
            lose_ledger(tmp_path, SALESFORCE)
        box.forget_log(SALESFORCE)
        run(box, tmp_path, messages, **rules)
        assert box.writes(SALESFORCE) == []


def test_records_are_linked_to_others_of_the_same_object(box: Box, tmp_path: Path) -> None:
    for _ in range(2):
        box.forget_log(SALESFORCE)
        run(box, tmp_path, COMPANIES, **mapping(tmp_path, tree=TREE))
    accounts = rows(box, "Account")
    assert accounts["c1"]["ParentId"] is None
    assert accounts["c2"]["ParentId"] == accounts["c1"]["Id"]
    assert box.writes(SALESFORCE) == []


def test_what_is_created_is_named_after_the_mappings_namespace(box: Box, tmp_path: Path) -> None:
    rules = mapping(tmp_path, a=ACCOUNTS, l=LEADS, v=VISITS, objects=OBJECTS)
    run(box, tmp_path, [*COMPANIES, *PEOPLE, *VISITED], **rules)
    (permissions,) = box.objects(SALESFORCE, "PermissionSet")
    label = [permissions["properties"][name] for name in ("Name", "Label", "Description")]
    assert label[:2] == ["Shop_Sync", "Shop Sync"]
    assert label[2] == "Read and edit access to the fields that the Shop sync writes."


def test_a_record_is_linked_by_any_field_of_the_other(box: Box, tmp_path: Path) -> None:
    run(box, tmp_path, COMPANIES, **mapping(tmp_path, a=ACCOUNTS))
    accounts = rows(box, "Account")
    only_contacts = mapping(tmp_path / "contacts", c=CONTACTS)
    people = stream("people", {"id": "p1", "name": "Lee", "company": "ACME"})
    run(box, tmp_path, people, **only_contacts)
    assert rows(box, "Contact")["p1"]["AccountId"] == accounts["c1"]["Id"]
    box.forget_log(SALESFORCE)
    run(box, tmp_path, people, **only_contacts)
    assert box.writes(SALESFORCE) == []


def test_jobs_write_and_link_any_object(box: Box, tmp_path: Path) -> None:
    count = 30
    companies = stream(
        "companies",
        *({"id": f"c{n}", "name": f"Acme {n}", "topics": ["music"]} for n in range(count)),
    )
    visits = stream("visits", *({"id": f"v{n}", "host": f"c{n}"} for n in range(count)))
    rules = mapping(tmp_path, a=ACCOUNTS, l=LEADS, v=VISITS, objects=OBJECTS)
    run(box, tmp_path, [*companies, *visits], bulk_threshold=10, **rules)
    assert len(box.log(SALESFORCE, "PUT ")) == 2
    accounts, held = rows(box, "Account"), rows(box, "Visit__c")
    assert {row["Host__c"] for row in held.values()} == {row["Id"] for row in accounts.values()}
    assert accounts["c7"]["Topics__c"] == "music"

    lose_ledger(tmp_path, SALESFORCE)
    box.forget_log(SALESFORCE)
    run(box, tmp_path, [*companies, *visits], bulk_threshold=10, **rules)
    assert box.writes(SALESFORCE) == []


def test_values_that_come_up_are_added_to_a_picklist(box: Box, tmp_path: Path) -> None:
    rules = mapping(tmp_path, a=ACCOUNTS)
    run(box, tmp_path, COMPANIES, **rules)
    more = stream("companies", {"id": "c1", "name": "Acme", "topics": ["chess", "art"]})
    refused = deliver(box, SALESFORCE, more, tmp_path, **rules)
    assert [letter["code"] for letter in refused.letters] == ["unknown_option"]
    run(box, tmp_path, more, add_options=True, **rules)
    assert rows(box, "Account")["c1"]["Topics__c"] == "art;chess"


def test_an_amount_goes_out_only_in_a_currency_of_the_org(box: Box, tmp_path: Path) -> None:
    deals = stream(
        "deals",
        {"id": "d1", "name": "One", "day": "2026-01-31", "amount": 10, "currency": "EUR"},
        {"id": "d2", "name": "Two", "day": "2026-01-31", "amount": 10, "currency": "USD"},
    )
    one = deliver(box, SALESFORCE, deals, tmp_path, **mapping(tmp_path, d=DEALS))
    assert [letter["code"] for letter in one.letters] == ["currency"]

    box.limit(SALESFORCE, multi_currency=True)
    several = DEALS.replace("  Amount", "  CurrencyIsoCode: currency\n  Amount")
    run(box, tmp_path, deals, **mapping(tmp_path, d=several))
    unwritten = deliver(box, SALESFORCE, deals, tmp_path / "2", **mapping(tmp_path, d=DEALS))
    assert "no field of the rule writes the currency" in unwritten.letters[0]["message"]
    held = {key: row["CurrencyIsoCode"] for key, row in rows(box, "Opportunity").items()}
    assert held == {"d1": "EUR", "d2": "USD"}


def test_wrong_objects_and_links_are_named_with_their_line_and_what_was_meant(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(box, tmp_path, COMPANIES, **mapping(tmp_path / "one", a=ACCOUNTS))
    rules = mapping(tmp_path / "two", a=ACCOUNTS, l=LEADS, v=VISITS, objects=OBJECTS)
    run(box, tmp_path, [*COMPANIES, *PEOPLE, *VISITED], **rules)
    box.forget_log(SALESFORCE)
    wrong = {
        "object": (CONTACTS.replace("Contact", "Contatc"), PEOPLE, "Contact", 2),
        "end": (CONTACTS.replace("to: Account", "to: Acount"), PEOPLE, "Acount", 6),
        "several": (VISITS.replace(", field: Guest__c", ""), VISITED, "Guest__c, Host__c", 9),
        "field": (VISITS.replace("Guest__c", "Lead__c"), VISITED, "not a lookup to Account", 9),
        "by": (CONTACTS.replace("by: Name", "by: Nmae"), PEOPLE, "Name", 6),
        "label": (VISITS.replace("field: Host__c", "label: Host"), VISITED, "no label", 8),
    }
    for name, (text, messages, part, line) in wrong.items():
        folder = tmp_path / name
        objects = {"a": ACCOUNTS, "l": LEADS, "objects": OBJECTS} if "Visit__c" in text else {}
        error = failure(box, tmp_path, messages, capsys, **mapping(folder, wrong=text, **objects))
        assert f"wrong.yml:{line}: " in error
        assert part in error


def accounts_of_people(box: Box) -> dict[str, str | None]:
    """The Account of each contact, by the contact's key."""
    people = (row["properties"] for row in box.people(SALESFORCE))
    return {person[SALESFORCE.person_key]: person["AccountId"] for person in people}


def test_contacts_have_no_account_unless_a_setting_names_one(box: Box, tmp_path: Path) -> None:
    other, shared = (made(box, "Account", Name=name) for name in ("Other", "Acme"))
    run(box, tmp_path, [schema_message(), user(1), user(2)])
    assert accounts_of_people(box) == {"user-1": None, "user-2": None}
    ids = {row["properties"]["Email"]: row["id"] for row in box.people(SALESFORCE)}
    SALESFORCE.edit(box, "Contact", ids["user1@example.com"], {"AccountId": other})

    messages = [schema_message(), *(user(n, last_name="Lee") for n in (1, 2, 3))]
    run(box, tmp_path, messages, contact_account="acme")
    assert accounts_of_people(box) == {"user-1": other, "user-2": shared, "user-3": shared}
    box.forget_log(SALESFORCE)
    run(box, tmp_path, messages, contact_account="acme")
    assert box.writes(SALESFORCE) == []


def test_mapping_check_says_that_contacts_are_private(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for settings, notes in (({}, 1), ({"contact_account": "Acme"}, 0)):
        config = str(written(tmp_path, "settings.json", settings))
        assert commands.main(TargetSalesforce, ["mapping", "check", "--config", config]) == 0
        assert capsys.readouterr().out.count("Contacts are linked to no Account") == notes


def test_mapping_check_says_that_no_rule_uses_the_account_of_contacts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = "stream: people\nobject: Contact\nupsert_key: Nr__c\nfields: {Nr__c: id}\n"
    settings = {"contact_account": "Acme", **mapping(tmp_path, c=rule)}
    config = str(written(tmp_path, "settings.json", settings))
    assert commands.main(TargetSalesforce, ["mapping", "check", "--config", config]) == 0
    assert "Add the link {to: Account, setting: contact_account" in capsys.readouterr().out


# The adapter


@pytest.fixture
def adapter(box: Box) -> Adapter:
    return TargetSalesforce(config=SALESFORCE.credentials(box.url)).build_adapter()


def test_records_are_found_by_text_and_by_number_and_several_are_several(
    box: Box, adapter: Adapter
) -> None:
    first = made(box, "Account", Name="Acme's", NumberOfEmployees=12)
    second = made(box, "Account", Name="ACME'S", NumberOfEmployees=5)
    adapter.describe("Account")
    lookups = [Lookup("Acme's", {}), Lookup("acme's", {}), Lookup("Nobody", {})]
    hits = adapter.find("Account", "Name", lookups, [])
    found = {key: sorted(hit.crm_id for hit in hits[key]) for key in hits}
    assert found == {"Acme's": sorted([first, second]), "acme's": sorted([first, second])}
    numbers = [Lookup("12.0", {}), Lookup("no number", {})]
    hits = adapter.find("Account", "NumberOfEmployees", numbers, ["Name"])
    assert {key: [hit.crm_id for hit in hits[key]] for key in hits} == {"12.0": [first]}
    assert adapter.find("Account", "NumberOfEmployees", numbers[1:], []) == {}


def test_what_describe_says_of_fields_is_known(adapter: Adapter) -> None:
    lead = adapter.describe("Lead")
    required = {name for name, info in lead.items() if info.required}
    assert required == {"LastName", "Company"}
    opportunity = adapter.describe("Opportunity")
    assert [opportunity["ContactId"].create_only, opportunity["ContactId"].refers] == [
        True,
        ("Contact",),
    ]
    assert {name for name, info in opportunity.items() if info.required} == {
        "Name",
        "StageName",
        "CloseDate",
    }
    assert {"Account", "Lead", "Campaign"} < set(adapter.object_names())


def test_options_are_added_beside_those_there_are(box: Box, adapter: Adapter) -> None:
    assert adapter.choosing is not None
    adapter.describe("Account")
    fields = [
        FieldWanted("Topics__c", "choices", ("art", "sport")),
        FieldWanted("Size__c", "choice", ("small",)),
    ]
    adapter.provision("Account", fields)
    before = adapter.describe("Account")
    assert [before["Topics__c"].kind, before["Topics__c"].strict_options] == ["choices", True]
    topics = adapter.choosing.add_options("Account", "Topics__c", ["chess & more", "art"])
    assert topics.options == ("art", "sport", "chess & more")
    size = adapter.choosing.add_options("Account", "Size__c", ["large"])
    assert size.options == ("small", "large")
    with pytest.raises(CrmError, match=r"Account.Industry has no values of its own"):
        adapter.choosing.add_options("Account", "Industry", ["Circus"])


def test_an_orgs_currencies_are_its_only_one_or_its_active_ones(box: Box, adapter: Adapter) -> None:
    assert adapter.money is not None
    assert adapter.money.currencies() == Currencies("USD", frozenset({"USD"}))
    box.limit(SALESFORCE, multi_currency=True)
    assert adapter.money.currencies() == Currencies("USD", frozenset({"USD", "EUR"}))


def test_two_lookups_to_the_same_object_get_relationships_of_their_own(
    box: Box, adapter: Adapter
) -> None:
    adapter.describe("Contact")
    wanted = [FieldWanted(name, "text", refers="Account") for name in ("Payer__c", "Agent__c")]
    adapter.provision("Contact", wanted)
    infos = adapter.describe("Contact")
    assert [infos[field.name].refers for field in wanted] == [("Account",), ("Account",)]
    default = adapter.default_object
    assert default is not None
    names = ("Visit__c", "Call__c")
    adapter.objects = {name: replace(default, name=name, plural="Visits") for name in names}
    adapter.provision("Visit__c", [FieldWanted("Account__c", "text", refers="Account")])
    with pytest.raises(CrmError, match="already a Child Relationship named Visits on Account"):
        adapter.provision("Call__c", [FieldWanted("Account__c", "text", refers="Account")])
