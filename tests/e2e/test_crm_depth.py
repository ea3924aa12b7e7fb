"""What CRMs have of their own.

Owners, pipelines, a lifecycle that only moves forward, duplicate rules, contact roles.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm, PipelineCrm, each_crm, each_pipeline_crm
from crms.salesforce import DATA
from support import (
    ROOT,
    Message,
    by_key,
    deliver,
    later,
    linked,
    lose_ledger,
    payment,
    record_message,
    schema_message,
    user,
    users,
)


def mapping(crm: Crm, folder: Path, file: str, more: str) -> str:
    """The shipped rules, one of them with more in it."""
    rules = folder / "rules"
    shipped = ROOT / f"target-{crm}" / f"target_{crm}" / "mappings"
    shutil.copytree(shipped, rules, dirs_exist_ok=True)
    rule = rules / file
    rule.write_text(rule.read_text().replace("\nexamples:", f"\n{more}\nexamples:", 1))
    return str(rules)


def owned(crm: Crm, folder: Path, link: str) -> str:
    """The shipped rules, that of people with a link to an owner."""
    rules = mapping(crm, folder, crm.person_rule, "")
    file = Path(rules) / crm.person_rule
    text = file.read_text()
    beside = "\nlinks:" if "\nlinks:" in text else "\nexamples:"
    links = f"\nlinks:\n  - {{to: owner, {link}}}" + beside.replace("\nlinks:", "")
    file.write_text(text.replace(beside, links, 1))
    return rules


def owners(box: Box, crm: Crm) -> dict[str, str]:
    """The owner of each person, by key."""
    return {
        row["properties"][crm.person_key]: str(row["properties"].get(crm.owner_field))
        for row in box.people(crm)
    }


@each_crm
def test_owners_by_the_email_in_a_field_or_one_for_all(box: Box, crm: Crm, tmp_path: Path) -> None:
    people = [
        schema_message(),
        *(user(number, location="ADA@example.com") for number in range(6)),
        *(user(number, location="nobody@example.com") for number in range(6, 12)),
    ]
    by_field = owned(crm, tmp_path / "field", "key: location")
    assert deliver(box, crm, people, tmp_path, mapping=by_field).code == 0
    fixed = owned(crm, tmp_path / "fixed", "fixed: Ada@example.com")
    assert deliver(box, crm, users([12]), tmp_path, mapping=fixed).code == 0
    found = owners(box, crm)
    ada = found["user-12"]
    assert {key for key, owner in found.items() if owner == ada} == {
        *(f"user-{number}" for number in range(6)),
        "user-12",
    }


@each_crm
def test_owners_in_turn_on_creation_only(box: Box, crm: Crm, tmp_path: Path) -> None:
    rules = owned(crm, tmp_path, f"round_robin: [{', '.join(crm.owners)}]")
    assert deliver(box, crm, users(12), tmp_path, mapping=rules).code == 0
    found = owners(box, crm)
    assert len(set(found.values())) == 2
    changed = [later(message) for message in users(12, business_type="new")]
    updated = deliver(box, crm, changed, tmp_path, mapping=rules)
    assert updated.counts(crm.people)["updated"] == 12
    assert owners(box, crm) == found
    lose_ledger(tmp_path, crm)
    lost = deliver(box, crm, changed, tmp_path, mapping=rules)
    assert lost.counts(crm.people) == {"planned": 12, "unchanged": 12}


@each_crm
def test_an_unknown_owner_fails_before_the_first_record(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rules = owned(crm, tmp_path, "fixed: gone@example.com")
    assert deliver(box, crm, users([1]), tmp_path, mapping=rules).code == 1
    assert f"{crm.person_rule}:" in caplog.text
    assert "is not a user of the CRM" in caplog.text
    assert "gone@example.com" not in caplog.text


def paying(number: int, **more: Any) -> Message:
    """A user who becomes a deal in every CRM."""
    facts = {
        "total_spent": 99,
        "current_journey_stage": "F9",
        "trust_delta_average": 4.5,
        "total_sessions": 4,
    }
    return user(number, **{**facts, **more})


def deals_of(box: Box, crm: Crm) -> dict[str, dict[str, Any]]:
    """Properties of the deals, by key."""
    rows = by_key(box, crm, crm.deals, crm.deal_key)
    return {key: row["properties"] for key, row in rows.items()}


def ids_of(box: Box, kind: str, key: str) -> dict[str, str]:
    """Ids of Salesforce's records, by key."""
    rows = by_key(box, SALESFORCE, kind, key)
    return {name: str(row["id"]) for name, row in rows.items()}


@pytest.mark.parametrize("wanted", ["Partners", "partners", "7000"])
def test_hubspot_deals_go_into_the_pipeline_of_the_setting_by_name_or_id(
    box: Box, wanted: str, tmp_path: Path
) -> None:
    messages = [schema_message(), paying(1), paying(2, current_journey_stage="F5")]
    assert deliver(box, HUBSPOT, messages, tmp_path, pipeline=wanted).code == 0
    found = deals_of(box, HUBSPOT)
    assert {deal["pipeline"] for deal in found.values()} == {"7000"}
    assert [found["user-1"]["dealstage"], found["user-2"]["dealstage"]] == ["7002", "7000"]


@pytest.mark.parametrize("wanted", ["Partners", "2"])
def test_pipedrive_deals_go_into_the_pipeline_of_the_setting(
    box: Box, wanted: str, tmp_path: Path
) -> None:
    messages = [schema_message(), paying(1), paying(2, current_journey_stage="F3")]
    assert deliver(box, PIPEDRIVE, messages, tmp_path, pipeline=wanted).code == 0
    found = deals_of(box, PIPEDRIVE)
    assert {deal["pipeline_id"] for deal in found.values()} == {2}
    assert [found["user-1"]["stage_id"], found["user-2"]["stage_id"]] == [7, 6]


@each_pipeline_crm
def test_an_unknown_pipeline_is_an_error_that_lists_those_that_exist(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert deliver(box, crm, [schema_message(), paying(1)], tmp_path, pipeline="Nothing").code == 1
    assert "Partners" in caplog.text


@each_pipeline_crm
def test_a_deal_that_sales_moved_stays_where_it_is(
    box: Box, crm: PipelineCrm, tmp_path: Path
) -> None:
    deliver(box, crm, [schema_message(), paying(1, current_journey_stage="F5")], tmp_path)
    (deal,) = box.objects(crm, "deals")
    field, moved = crm.moved
    crm.edit(box, "deals", str(deal["id"]), {field: moved})
    changed = later(paying(1, current_journey_stage="F9", total_spent=300, funding_goal=1))
    for lost in (False, True):
        if lost:
            lose_ledger(tmp_path, crm)
        assert deliver(box, crm, [schema_message(), changed], tmp_path).code == 0
        (deal,) = box.objects(crm, "deals")
        assert deal["properties"][field] == moved


@pytest.mark.parametrize(
    ("policy", "expected"), [("keep", "99"), ("{set: {amount: 0}}", "0"), ("clear", "")]
)
def test_a_user_refunded_to_nothing_follows_on_leave(
    box: Box, policy: str, expected: str, tmp_path: Path
) -> None:
    rules = Path(mapping(HUBSPOT, tmp_path, "users.deal.yml", f"on_leave: {policy}"))
    deliver(box, HUBSPOT, [schema_message(), paying(1)], tmp_path, mapping=str(rules))
    gone = later(paying(1, total_spent=0))
    result = deliver(box, HUBSPOT, [schema_message(), gone], tmp_path, mapping=str(rules))
    assert result.code == 0
    (deal,) = box.objects(HUBSPOT, "deals")
    assert deal["properties"]["amount"] == expected
    again = deliver(box, HUBSPOT, [schema_message(), gone], tmp_path, mapping=str(rules))
    assert again.report["calls"]["made"] == 0


def test_a_lifecycle_goes_back_only_where_that_is_asked_for(box: Box, tmp_path: Path) -> None:
    def stage() -> str:
        (contact,) = box.people(HUBSPOT)
        return str(contact["properties"]["lifecyclestage"])

    deliver(box, HUBSPOT, [schema_message(), user(1, current_journey_stage="F8")], tmp_path)
    assert stage() == "customer"
    back = later(user(1, current_journey_stage="F3"))
    kept = deliver(box, HUBSPOT, [schema_message(), back], tmp_path)
    assert stage() == "customer"
    assert kept.report["objects"]["contacts"]["fields_kept_back"] == 1
    again = [schema_message(), later(user(1, current_journey_stage="F2"), 4)]
    assert deliver(box, HUBSPOT, again, tmp_path, lifecycle_regress=True).code == 0
    assert stage() == "lead"


def test_a_duplicate_rule_of_salesforce_names_the_record_or_is_overruled(
    box: Box, tmp_path: Path
) -> None:
    box.limit(SALESFORCE, duplicate_rules=True)
    same = {"first_name": "Ann", "last_name": "Lee", "phone": "+1 555 0100"}
    deliver(box, SALESFORCE, users([1], **same), tmp_path)
    (first,) = box.people(SALESFORCE)
    refused = deliver(box, SALESFORCE, [*users([2], **same), user(3)], tmp_path)
    assert refused.counts("Contact") == {"planned": 2, "created": 1, "dead": 1}
    (letter,) = refused.letters
    assert [letter["key"], letter["code"]] == ["user-2", "identity_conflict"]
    assert first["id"] in letter["hint"]
    allowed = deliver(box, SALESFORCE, users([2], **same), tmp_path, allow_duplicates_save=True)
    # Its letter is tried first and goes out; then the record comes again as it is.
    expected = {"planned": 2, "created": 1, "unchanged": 1}
    assert allowed.counts("Contact") == expected, allowed.letters
    assert allowed.letters == []


PAYMENTS = schema_message("payments", "payment_id")


def roles(box: Box) -> list[tuple[str, str]]:
    rows = [row["properties"] for row in box.objects(SALESFORCE, "OpportunityContactRole")]
    return sorted((row["OpportunityId"], row["ContactId"]) for row in rows)


@pytest.mark.parametrize("fault", [None, "drop_after_commit", "drop_before_commit"])
def test_a_payment_that_moves_to_another_contact_gets_one_contact_role(
    box: Box, fault: str | None, tmp_path: Path
) -> None:
    lines = [*users([1, 2]), PAYMENTS]
    paid = [payment(number, 1) for number in range(5)]
    first = deliver(box, SALESFORCE, [*lines, *paid], tmp_path)
    assert first.report["links"] == {"wanted": 5, "made": 5, "kept": 0, "waiting": 0, "dead": 0}
    people = ids_of(box, "Contact", "CanAI_User_ID__c")
    deals = ids_of(box, "Opportunity", "CanAI_Payment_ID__c")
    assert roles(box) == sorted((deal, people["user-1"]) for deal in deals.values())
    moved = [later(payment(number, 2), 5) for number in range(5)]
    if fault:
        box.fault(SALESFORCE, fault, match=f"POST {DATA}/composite/sobjects")
    second = deliver(box, SALESFORCE, [*lines, *moved], tmp_path)
    assert second.code == 0
    assert second.report["links"] == {"wanted": 5, "made": 5, "kept": 0, "waiting": 0, "dead": 0}
    both = sorted((deal, person) for deal in deals.values() for person in people.values())
    assert roles(box) == both
    lose_ledger(tmp_path, SALESFORCE)
    lost = deliver(box, SALESFORCE, [*lines, *moved], tmp_path)
    assert lost.code == 0
    assert roles(box) == both
    again = deliver(box, SALESFORCE, [*lines, *moved], tmp_path)
    assert again.report["calls"]["made"] == 0
    assert again.report["links"]["kept"] == 5
    assert SALESFORCE.deals in again.report["objects"]


def test_an_archived_deal_is_known_and_makes_no_second_one(box: Box, tmp_path: Path) -> None:
    deliver(box, PIPEDRIVE, [schema_message(), paying(1), paying(2)], tmp_path)
    deal = by_key(box, PIPEDRIVE, "deals", "canai_deal_id")["user-1"]
    PIPEDRIVE.edit(box, "deals", str(deal["id"]), {"is_archived": True})
    for lost in (False, True):
        if lost:
            lose_ledger(tmp_path, PIPEDRIVE)
        same = deliver(box, PIPEDRIVE, [schema_message(), paying(1), paying(2)], tmp_path)
        assert same.counts("deals") == {"planned": 2, "unchanged": 2}
    changed = [later(paying(number, funding_goal=777)) for number in (1, 2)]
    result = deliver(box, PIPEDRIVE, [schema_message(), *changed], tmp_path)
    assert result.counts("deals") == {"planned": 2, "updated": 1, "dead": 1}
    (letter,) = result.letters
    assert [letter["key"], letter["code"]] == ["user-1", "archived"]
    assert len(box.objects(PIPEDRIVE, "deals")) == 1  # the other is in the archive


def test_the_report_says_what_a_run_cost_in_pipedrives_tokens(box: Box, tmp_path: Path) -> None:
    first = deliver(box, PIPEDRIVE, users(10), tmp_path)
    again = deliver(box, PIPEDRIVE, users(10), tmp_path)
    assert first.report["calls"]["cost"] - again.report["calls"]["cost"] > 10 * 5
    lose_ledger(tmp_path, PIPEDRIVE)
    box.forget_log(PIPEDRIVE)
    lost = deliver(box, PIPEDRIVE, users(10), tmp_path)
    me, fields, stages = 2, 10, 5
    assert lost.report["calls"]["cost"] == me + stages + 2 * fields + 10 + 0


def test_a_contact_found_by_a_further_address_is_adopted(box: Box, tmp_path: Path) -> None:
    deliver(box, HUBSPOT, [schema_message()], tmp_path)
    properties = {
        "email": "old@example.com",
        "hs_additional_emails": "x@example.com;user1@example.com",
        "firstname": "Anna",
    }
    path = "/hubspot/crm/v3/objects/contacts"
    created = box.call("POST", path, {"properties": properties}, HUBSPOT.headers())
    result = deliver(box, HUBSPOT, users([1]), tmp_path)
    assert result.code == 0
    (contact,) = box.people(HUBSPOT)
    assert contact["id"] == created["id"]
    assert contact["properties"]["canai_user_id"] == "user-1"


def test_addresses_and_numbers_that_are_not_ours_stay(box: Box, tmp_path: Path) -> None:
    deliver(box, PIPEDRIVE, [schema_message(), user(1, phone="+1 555 0100")], tmp_path)
    (person,) = box.people(PIPEDRIVE)
    emails = [
        {"value": "private@example.com", "primary": True, "label": "home"},
        {"value": "user1@example.com", "label": "work"},
    ]
    phones = [
        {"value": "+1 555 0100", "primary": True},
        {"value": "+1 555 0999", "label": "mobile"},
    ]
    PIPEDRIVE.edit(box, "persons", str(person["id"]), {"emails": emails, "phones": phones})
    changed = later(user(1, email="new@example.com", phone="+1 555 0200"))
    result = deliver(box, PIPEDRIVE, [schema_message(), changed], tmp_path)
    assert result.counts("persons") == {"planned": 1, "updated": 1}
    (person,) = box.people(PIPEDRIVE)
    emails, phones = person["properties"]["emails"], person["properties"]["phones"]
    assert {"new@example.com", "private@example.com"} <= {entry["value"] for entry in emails}
    assert {"+1 555 0200", "+1 555 0999"} <= {entry["value"] for entry in phones}
    assert [entry["value"] for entry in emails if entry["primary"]] == ["new@example.com"]


@each_pipeline_crm
def test_an_optional_rule_is_read_where_the_mapping_names_it(
    box: Box, crm: PipelineCrm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [*users([1, 2]), PAYMENTS, payment(1, 1), payment(2, 2)]
    plain = deliver(box, crm, lines, tmp_path)
    assert plain.code == 0
    assert box.objects(crm, "deals") == []
    result = deliver(box, crm, lines, tmp_path, mapping="shipped, optional/payments.deal")
    assert result.code == 0
    deals = by_key(box, crm, "deals", "canai_deal_id")
    assert deals.keys() == {"pay-1", "pay-2"}
    assert all(row["links"] for row in deals.values())
    field, won = crm.won
    assert {row["properties"][field] for row in deals.values()} == {won}
    assert deliver(box, crm, lines, tmp_path, mapping="shipped, optional/nothing").code == 1
    assert "optional/payments.deal" in caplog.text


@pytest.mark.parametrize("bulk", [False, True])
def test_a_deliverable_finds_its_contact_by_key_whatever_its_record_id_is(
    box: Box, bulk: bool, tmp_path: Path
) -> None:
    """People delete a contact and create another with its key.

    The ledger's record id is out of date then, the key is not.
    """
    more = {"bulk_threshold": 1} if bulk else {}
    people = users([1, 2])
    deliver(box, SALESFORCE, people, tmp_path)
    old = ids_of(box, "Contact", "CanAI_User_ID__c")
    contacts, headers = f"{DATA}/sobjects/Contact", SALESFORCE.headers()
    box.call("DELETE", f"{contacts}/{old['user-1']}", None, headers)
    body = {"LastName": "Lee", "CanAI_User_ID__c": "user-1"}
    new = box.call("POST", contacts, body, headers)["id"]
    SALESFORCE.edit(box, "Contact", old["user-2"], {"CanAI_User_ID__c": "another-user"})
    made_at = {"created_at": "2026-01-01T00:00:00.000000Z"}
    documents = [
        record_message(
            "deliverables", {"deliverable_id": f"d{n}", "user_id": f"user-{n}", **made_at}
        )
        for n in (1, 2)
    ]
    lines = [*people, schema_message("deliverables", "deliverable_id"), *documents]
    result = deliver(box, SALESFORCE, lines, tmp_path, **more)
    assert result.code == 0
    (document,) = box.objects(SALESFORCE, SALESFORCE.documents)
    assert linked(document, "Contact") == [new]
    (letter,) = result.letters
    assert [letter["key"], letter["code"]] == ["d2", "parent_not_found"]
    assert "put the key back" in letter["hint"]
