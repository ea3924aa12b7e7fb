"""What each CRM has of its own: owners, pipelines, a lifecycle that only moves forward, duplicate rules, contact roles."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support import DEALS, PEOPLE, PERSON_KEY, ROOT, TARGETS, Box, deliver, schema_message, user

CRMS = sorted(TARGETS)
OWNER = {"hubspot": "hubspot_owner_id", "pipedrive": "owner_id", "salesforce": "OwnerId"}
LATER = "2026-01-03T00:00:00.000000Z"


def mapping(crm: str, folder: Path, file: str, more: str) -> str:
    """The shipped rules, one of them with more in it."""
    rules = folder / "rules"
    shutil.copytree(
        ROOT / f"target-{crm}" / f"target_{crm}" / "mappings", rules, dirs_exist_ok=True
    )
    rule = rules / file
    text = rule.read_text()
    rule.write_text(text.replace("\nexamples:", f"\n{more}\nexamples:", 1))
    return str(rules)


PERSON_FILE = {
    "hubspot": "users.contact.yml",
    "pipedrive": "users.person.yml",
    "salesforce": "users.contact.yml",
}


def owners(box: Box, crm: str) -> dict[str, str]:
    return {
        row["properties"][PERSON_KEY[crm]]: str(row["properties"].get(OWNER[crm]))
        for row in box.objects(crm, PEOPLE[crm])
    }


@pytest.mark.parametrize("crm", CRMS)
def test_owners_fixed_by_email_and_in_turn_on_creation_only(
    box: Box, crm: str, tmp_path: Path
) -> None:
    people = [
        schema_message(),
        *(
            user(number, location="ADA@example.com" if number % 2 else "nobody@example.com")
            for number in range(12)
        ),
    ]
    default = mapping(crm, tmp_path / "default", PERSON_FILE[crm], "")
    (tmp_path / "a").mkdir()
    assert deliver(box, crm, people, tmp_path / "a", account="a", mapping=default).code == 0
    ada = {}
    for name, link in (
        ("fixed", "links: [{to: owner, fixed: Ada@example.com}]"),
        ("key", "links: [{to: owner, key: location}]"),
        (
            "turns",
            "links: [{to: owner, round_robin: [ada@example.com, owner@example.com, sync@example.com]}]",
        ),
    ):
        link = link.replace(
            ", sync@example.com" if crm != "salesforce" else "owner@example.com, ", ""
        )
        box.reset()
        folder = tmp_path / name
        folder.mkdir()
        rules = mapping(crm, folder, PERSON_FILE[crm], link)
        assert deliver(box, crm, people, folder, mapping=rules).code == 0
        found = owners(box, crm)
        if name == "fixed":
            (only,) = set(found.values())
            ada[crm] = only
        if name == "key":
            assert {
                key for key, owner in found.items() if owner == ada.get(crm)
            } or crm == "salesforce"
            assert (
                len({owner for key, owner in found.items() if int(key.removeprefix("user-")) % 2})
                == 1
            )
        if name == "turns":
            assert len(set(found.values())) == 2
            changed = [
                schema_message(),
                *(
                    {**user(number, business_type="new"), "time_extracted": LATER}
                    for number in range(12)
                ),
            ]
            assert (
                deliver(box, crm, changed, folder, mapping=rules).counts(PEOPLE[crm])["updated"]
                == 12
            )
            assert owners(box, crm) == found
            (folder / f"{crm}.db").unlink()
            lost = deliver(box, crm, changed, folder, mapping=rules)
            assert lost.counts(PEOPLE[crm]) == {"planned": 12, "unchanged": 12}


@pytest.mark.parametrize("crm", CRMS)
def test_an_owner_that_is_no_user_is_told_before_the_first_record(
    box: Box, crm: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rules = mapping(
        crm, tmp_path, PERSON_FILE[crm], "links: [{to: owner, fixed: gone@example.com}]"
    )
    assert deliver(box, crm, [schema_message(), user(1)], tmp_path, mapping=rules).code == 1
    assert f"{PERSON_FILE[crm]}:" in caplog.text
    assert "is not among the CRM's users" in caplog.text
    assert "gone@example.com" not in caplog.text


def paying(number: int, **more: Any) -> dict[str, Any]:
    return user(
        number,
        **{
            "total_spent": 99,
            "current_journey_stage": "F9",
            "trust_delta_average": 4.5,
            "total_sessions": 4,
            **more,
        },
    )


@pytest.mark.parametrize("wanted", ["Partners", "partners", "7000"])
def test_hubspot_deals_go_into_the_pipeline_of_the_setting_by_name_or_id(
    box: Box, wanted: str, tmp_path: Path
) -> None:
    messages = [schema_message(), paying(1), paying(2, current_journey_stage="F5")]
    assert deliver(box, "hubspot", messages, tmp_path, pipeline=wanted).code == 0
    found = {
        row["properties"]["canai_deal_id"]: row["properties"]
        for row in box.objects("hubspot", "deals")
    }
    assert {one["pipeline"] for one in found.values()} == {"7000"}
    assert [found["user-1"]["dealstage"], found["user-2"]["dealstage"]] == ["7002", "7000"]


@pytest.mark.parametrize("wanted", ["Partners", "2"])
def test_pipedrive_deals_go_into_the_pipeline_of_the_setting(
    box: Box, wanted: str, tmp_path: Path
) -> None:
    assert (
        deliver(
            box,
            "pipedrive",
            [schema_message(), paying(1), paying(2, current_journey_stage="F3")],
            tmp_path,
            pipeline=wanted,
        ).code
        == 0
    )
    found = {
        row["properties"]["canai_deal_id"]: row["properties"]
        for row in box.objects("pipedrive", "deals")
    }
    assert {one["pipeline_id"] for one in found.values()} == {2}
    assert [found["user-1"]["stage_id"], found["user-2"]["stage_id"]] == [7, 6]


@pytest.mark.parametrize("crm", ["hubspot", "pipedrive"])
def test_a_pipeline_that_is_not_there_is_named_with_those_that_are(
    box: Box, crm: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert deliver(box, crm, [schema_message(), paying(1)], tmp_path, pipeline="Nothing").code == 1
    assert "Partners" in caplog.text


@pytest.mark.parametrize("crm", ["hubspot", "pipedrive"])
def test_a_deal_that_sales_moved_stays_where_it_is(box: Box, crm: str, tmp_path: Path) -> None:
    deliver(box, crm, [schema_message(), paying(1, current_journey_stage="F5")], tmp_path)
    (deal,) = box.objects(crm, "deals")
    field, moved, path, body = {
        "hubspot": (
            "dealstage",
            "contractsent",
            "/hubspot/crm/v3/objects/deals/{id}",
            {"properties": {"dealstage": "contractsent"}},
        ),
        "pipedrive": ("stage_id", 5, "/pipedrive/api/v2/deals/{id}", {"stage_id": 5}),
    }[crm]
    headers = {
        "Authorization": "Bearer sandbox-token",
        "x-api-token": "sandbox-token",
        "Content-Type": "application/json",
    }
    box.call("PATCH", path.replace("{id}", str(deal["id"])), body, headers)
    changed = {
        **paying(1, current_journey_stage="F9", total_spent=300, funding_goal=1),
        "time_extracted": LATER,
    }
    for lost in (False, True):
        if lost:
            (tmp_path / f"{crm}.db").unlink()
        assert deliver(box, crm, [schema_message(), changed], tmp_path).code == 0
        (deal,) = box.objects(crm, "deals")
        assert deal["properties"][field] == moved


@pytest.mark.parametrize(
    ("policy", "expected"), [("keep", "99"), ("{set: {amount: 0}}", "0"), ("clear", "")]
)
def test_a_user_refunded_to_nothing_follows_on_leave(
    box: Box, policy: str, expected: str, tmp_path: Path
) -> None:
    rules = Path(mapping("hubspot", tmp_path, "users.deal.yml", f"on_leave: {policy}"))
    deliver(box, "hubspot", [schema_message(), paying(1)], tmp_path, mapping=str(rules))
    gone = {**paying(1, total_spent=0), "time_extracted": LATER}
    result = deliver(box, "hubspot", [schema_message(), gone], tmp_path, mapping=str(rules))
    assert result.code == 0
    (deal,) = box.objects("hubspot", "deals")
    assert deal["properties"]["amount"] == expected
    again = deliver(box, "hubspot", [schema_message(), gone], tmp_path, mapping=str(rules))
    assert again.report["calls"]["made"] == 0


def test_a_lifecycle_goes_back_only_where_that_is_asked_for(box: Box, tmp_path: Path) -> None:
    def stage() -> str:
        (contact,) = box.objects("hubspot", "contacts")
        return str(contact["properties"]["lifecyclestage"])

    deliver(box, "hubspot", [schema_message(), user(1, current_journey_stage="F8")], tmp_path)
    assert stage() == "customer"
    back = {**user(1, current_journey_stage="F3"), "time_extracted": LATER}
    kept = deliver(box, "hubspot", [schema_message(), back], tmp_path)
    assert stage() == "customer"
    assert kept.report["objects"]["contacts"]["fields_kept_back"] == 1
    again = {**user(1, current_journey_stage="F2"), "time_extracted": "2026-01-04T00:00:00.000000Z"}
    assert (
        deliver(box, "hubspot", [schema_message(), again], tmp_path, lifecycle_regress=True).code
        == 0
    )
    assert stage() == "lead"


def test_a_duplicate_rule_of_salesforce_names_the_record_or_is_overruled(
    box: Box, tmp_path: Path
) -> None:
    box.call("POST", "/_sandbox/limits", {"crm": "salesforce", "duplicate_rules": True})
    same = {"first_name": "Ann", "last_name": "Lee", "phone": "+1 555 0100"}
    deliver(box, "salesforce", [schema_message(), user(1, **same)], tmp_path)
    (first,) = box.objects("salesforce", "Contact")
    refused = deliver(box, "salesforce", [schema_message(), user(2, **same), user(3)], tmp_path)
    assert refused.counts("Contact") == {"planned": 2, "created": 1, "dead": 1}
    (letter,) = refused.report["dead_letters"]
    assert [letter["key"], letter["code"]] == ["user-2", "identity_conflict"]
    assert first["id"] in letter["hint"]
    allowed = deliver(
        box, "salesforce", [schema_message(), user(2, **same)], tmp_path, allow_duplicates_save=True
    )
    assert allowed.counts("Contact") == {"planned": 1, "created": 1}, allowed.report["dead_letters"]
    assert allowed.report["dead_letters"] == []


def payment(number: int, owner: int, **more: Any) -> dict[str, Any]:
    record = {
        "payment_id": f"pay-{number}", "user_id": f"user-{owner}", "user_email": f"user{owner}@example.com", "amount": 10,
        "currency": "USD", "status": "succeeded", "refunded_amount": 0, "product_track": "site_audit",
        "created_at": "2026-01-01T00:00:00.000000Z", "updated_at": "2026-01-01T00:00:00.000000Z",
    }  # fmt: skip
    return {
        "type": "RECORD",
        "stream": "payments",
        "record": record,
        "time_extracted": LATER,
        **more,
    }


def roles(box: Box) -> list[tuple[str, str]]:
    rows = [row["properties"] for row in box.objects("salesforce", "OpportunityContactRole")]
    return sorted((row["OpportunityId"], row["ContactId"]) for row in rows)


@pytest.mark.parametrize("fault", [None, "drop_after_commit", "drop_before_commit"])
def test_a_payment_that_moves_to_another_contact_gets_one_contact_role(
    box: Box, fault: str | None, tmp_path: Path
) -> None:
    lines = [schema_message(), user(1), user(2), schema_message("payments", "payment_id")]
    first = deliver(
        box, "salesforce", [*lines, *(payment(number, 1) for number in range(5))], tmp_path
    )
    assert first.report["links"] == {"wanted": 5, "made": 5, "kept": 0, "waiting": 0, "dead": 0}
    people = {
        row["properties"]["CanAI_User_ID__c"]: row["id"]
        for row in box.objects("salesforce", "Contact")
    }
    deals = {
        row["properties"]["CanAI_Payment_ID__c"]: row["id"]
        for row in box.objects("salesforce", "Opportunity")
    }
    assert roles(box) == sorted((deal, people["user-1"]) for deal in deals.values())
    moved = [
        payment(number, 2, time_extracted="2026-01-05T00:00:00.000000Z") for number in range(5)
    ]
    if fault:
        box.fault(
            "salesforce", fault, match="POST /salesforce/services/data/v67.0/composite/sobjects"
        )
    second = deliver(box, "salesforce", [*lines, *moved], tmp_path)
    assert second.code == 0
    assert second.report["links"] == {"wanted": 5, "made": 5, "kept": 0, "waiting": 0, "dead": 0}
    both = sorted((deal, person) for deal in deals.values() for person in people.values())
    assert roles(box) == both
    (tmp_path / "salesforce.db").unlink()
    lost = deliver(box, "salesforce", [*lines, *moved], tmp_path)
    assert lost.code == 0
    assert roles(box) == both
    again = deliver(box, "salesforce", [*lines, *moved], tmp_path)
    assert again.report["calls"]["made"] == 0
    assert again.report["links"]["kept"] == 5
    assert DEALS["salesforce"] in again.report["objects"]


def test_an_archived_deal_is_known_and_makes_no_second_one(box: Box, tmp_path: Path) -> None:
    deliver(box, "pipedrive", [schema_message(), paying(1), paying(2)], tmp_path)
    deal = next(
        row
        for row in box.objects("pipedrive", "deals")
        if row["properties"]["canai_deal_id"] == "user-1"
    )
    headers = {"x-api-token": "sandbox-token", "Content-Type": "application/json"}
    box.call("PATCH", f"/pipedrive/api/v2/deals/{deal['id']}", {"is_archived": True}, headers)
    for lost in (False, True):
        if lost:
            (tmp_path / "pipedrive.db").unlink()
        same = deliver(box, "pipedrive", [schema_message(), paying(1), paying(2)], tmp_path)
        assert same.counts("deals") == {"planned": 2, "unchanged": 2}
    changed = [{**paying(number, funding_goal=777), "time_extracted": LATER} for number in (1, 2)]
    result = deliver(box, "pipedrive", [schema_message(), *changed], tmp_path)
    assert result.counts("deals") == {"planned": 2, "updated": 1, "dead": 1}
    (letter,) = result.report["dead_letters"]
    assert [letter["key"], letter["code"]] == ["user-1", "archived"]
    assert len(box.objects("pipedrive", "deals")) == 1  # the other one is in the archive


def test_the_report_tells_what_a_run_cost_in_pipedrives_tokens(box: Box, tmp_path: Path) -> None:
    first = deliver(
        box, "pipedrive", [schema_message(), *(user(number) for number in range(10))], tmp_path
    )
    again = deliver(
        box, "pipedrive", [schema_message(), *(user(number) for number in range(10))], tmp_path
    )
    assert first.report["calls"]["cost"] - again.report["calls"]["cost"] > 10 * 5
    (tmp_path / "pipedrive.db").unlink()
    box.call("DELETE", "/_sandbox/requests/pipedrive")
    lost = deliver(
        box, "pipedrive", [schema_message(), *(user(number) for number in range(10))], tmp_path
    )
    me, fields, stages = 2, 10, 5
    assert lost.report["calls"]["cost"] == me + stages + 2 * fields + 10 + 0


def test_a_contact_found_by_a_further_address_is_adopted(box: Box, tmp_path: Path) -> None:
    deliver(box, "hubspot", [schema_message()], tmp_path)
    headers = {"Authorization": "Bearer sandbox-token", "Content-Type": "application/json"}
    body = {
        "properties": {
            "email": "old@example.com",
            "hs_additional_emails": "x@example.com;user1@example.com",
            "firstname": "Anna",
        }
    }
    made = box.call("POST", "/hubspot/crm/v3/objects/contacts", body, headers)
    result = deliver(box, "hubspot", [schema_message(), user(1)], tmp_path)
    assert result.code == 0
    (contact,) = box.objects("hubspot", "contacts")
    assert contact["id"] == made["id"]
    assert contact["properties"]["canai_user_id"] == "user-1"


def test_addresses_and_numbers_that_are_not_ours_stay(box: Box, tmp_path: Path) -> None:
    deliver(box, "pipedrive", [schema_message(), user(1, phone="+1 555 0100")], tmp_path)
    (person,) = box.objects("pipedrive", "persons")
    headers = {"x-api-token": "sandbox-token", "Content-Type": "application/json"}
    emails = [
        {"value": "private@example.com", "primary": True, "label": "home"},
        {"value": "user1@example.com", "label": "work"},
    ]
    phones = [
        {"value": "+1 555 0100", "primary": True},
        {"value": "+1 555 0999", "label": "mobile"},
    ]
    box.call(
        "PATCH",
        f"/pipedrive/api/v2/persons/{person['id']}",
        {"emails": emails, "phones": phones},
        headers,
    )
    changed = {**user(1, email="new@example.com", phone="+1 555 0200"), "time_extracted": LATER}
    assert deliver(box, "pipedrive", [schema_message(), changed], tmp_path).counts("persons") == {
        "planned": 1,
        "updated": 1,
    }
    (person,) = box.objects("pipedrive", "persons")
    assert {one["value"] for one in person["properties"]["emails"]} >= {
        "new@example.com",
        "private@example.com",
    }
    assert {one["value"] for one in person["properties"]["phones"]} >= {
        "+1 555 0200",
        "+1 555 0999",
    }
    assert [one["value"] for one in person["properties"]["emails"] if one["primary"]] == [
        "new@example.com"
    ]


@pytest.mark.parametrize("crm", ["hubspot", "pipedrive"])
def test_an_optional_rule_is_read_where_the_mapping_names_it(
    box: Box, crm: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [
        schema_message(),
        user(1),
        user(2),
        schema_message("payments", "payment_id"),
        payment(1, 1),
        payment(2, 2),
    ]
    plain = deliver(box, crm, lines, tmp_path)
    assert plain.code == 0
    assert box.objects(crm, "deals") == []
    result = deliver(box, crm, lines, tmp_path, mapping="shipped, optional/payments.deal")
    assert result.code == 0
    deals = {row["properties"]["canai_deal_id"]: row for row in box.objects(crm, "deals")}
    assert deals.keys() == {"pay-1", "pay-2"}
    assert all(row["links"] for row in deals.values())
    stage = {"hubspot": ("dealstage", "closedwon"), "pipedrive": ("status", "won")}[crm]
    assert {row["properties"][stage[0]] for row in deals.values()} == {stage[1]}
    assert deliver(box, crm, lines, tmp_path, mapping="shipped, optional/nothing").code == 1
    assert "optional/payments.deal" in caplog.text


@pytest.mark.parametrize("bulk", [False, True])
def test_a_payment_finds_its_contact_by_key_whatever_its_record_id_is(
    box: Box, bulk: bool, tmp_path: Path
) -> None:
    """People delete a contact and make it anew under the same key: the ledger's record id is out of date, the key is not."""
    more = {"bulk_threshold": 1} if bulk else {}
    people = [schema_message(), user(1), user(2)]
    deliver(box, "salesforce", people, tmp_path)
    headers = {"Authorization": "Bearer sandbox", "Content-Type": "application/json"}
    old = {
        row["properties"]["CanAI_User_ID__c"]: row["id"]
        for row in box.objects("salesforce", "Contact")
    }
    contacts = "/salesforce/services/data/v67.0/sobjects/Contact"
    box.call("DELETE", f"{contacts}/{old['user-1']}", None, headers)
    new = box.call("POST", contacts, {"LastName": "Lee", "CanAI_User_ID__c": "user-1"}, headers)[
        "id"
    ]
    box.call("PATCH", f"{contacts}/{old['user-2']}", {"CanAI_User_ID__c": "somebody-else"}, headers)
    lines = [*people, schema_message("payments", "payment_id"), payment(1, 1), payment(2, 2)]
    result = deliver(box, "salesforce", lines, tmp_path, **more)
    assert result.code == 0
    (opportunity,) = box.objects("salesforce", "Opportunity")
    assert [link["id"] for link in opportunity["links"] if link["object"] == "Contact"] == [new]
    (letter,) = result.report["dead_letters"]
    assert [letter["key"], letter["code"]] == ["pay-2", "parent_not_found"]
    assert "put the key back" in letter["hint"]
