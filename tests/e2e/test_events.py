"""Events reach the CRMs, newest first by field, whatever their order; an export beside them changes nothing that is newer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from receiver import hook, receiver, sent
from source import KINDS, facts_differ, people, truth
from support import DEALS, PEOPLE, TARGETS, Box, deliver, extract, schema_message, user

CRMS = sorted(TARGETS)


def events_of(record_lines: Path) -> list[str]:
    return [line for line in record_lines.read_text().splitlines() if '"RECORD"' in line[:20]]


def record(kind: str, at: str, **data: Any) -> dict[str, Any]:
    values = {
        "event_id": f"{kind}/{at}",
        "sequence": 1,
        "event": kind,
        "timestamp": at,
        "received_at": at,
        "user_id": "user-1",
        **data,
    }
    return {"type": "RECORD", "stream": "events", "record": values, "time_extracted": at}


STAGE = {
    "hubspot": "canai_journey_stage",
    "pipedrive": "canai_journey_stage",
    "salesforce": "Journey_Stage__c",
}
EVENTS = schema_message("events", "event_id")


@pytest.mark.parametrize("crm", CRMS)
def test_events_and_exports_tell_one_story(box: Box, crm: str, tmp_path: Path) -> None:
    nightly = extract(box, tmp_path)
    assert deliver(box, crm, nightly, tmp_path).code == 0
    inbox = f"sqlite:///{tmp_path}/inbox.db"
    with receiver(tmp_path, inbox) as one:
        hook(box, one)
        touched: set[str] = set()
        for kind in KINDS:
            touched |= set(
                box.call(
                    "POST",
                    "/_sandbox/events",
                    {"event": kind, "users": 20, "shuffle": True, "duplicate": True},
                )
            )
        new = set(
            box.call(
                "POST",
                "/_sandbox/events",
                {"event": "user.registered", "users": 5, "duplicate": True},
            )
        )
        assert len(sent(box)) == 210
    at_once = extract(box, tmp_path, streams=("events",), inbox_url=inbox)
    assert len(events_of(at_once)) == 105
    first = deliver(box, crm, at_once, tmp_path)
    assert first.code == 0
    assert first.report["dead_letters"] == []
    assert facts_differ(box, crm, touched - new) == []
    assert {people(box, crm)[one][STAGE[crm]] for one in new} == {"F1"}
    assert set(people(box, crm)) == set(truth(box))
    again = deliver(box, crm, at_once, tmp_path)
    assert [line for line in box.writes(crm) if line["seq"] > box.log(crm)[-1]["seq"]] == []
    assert again.report["objects"][PEOPLE[crm]]["created"] == 0
    night = extract(box, tmp_path)
    second = deliver(box, crm, night, tmp_path)
    assert second.code == 0
    assert second.report["objects"][PEOPLE[crm]]["created"] == 0
    assert facts_differ(box, crm, touched | new) == []
    late = deliver(
        box, crm, at_once, tmp_path
    )  # the events once more, now older than what the export said
    assert late.code == 0
    assert facts_differ(box, crm, touched | new) == []
    if crm == "salesforce":
        paid = [row["properties"]["CanAI_Payment_ID__c"] for row in box.objects(crm, "Opportunity")]
        expected = {
            row["id"]
            for row in box.objects("canai", "payments")
            if row["properties"]["status"] != "failed"
        }
        assert sorted(paid) == sorted(expected)
        assert all(row["links"] for row in box.objects(crm, "Opportunity"))
        assert late.report["objects"]["Opportunity"]["created"] == 0
    if crm == "hubspot":
        deals = {row["properties"]["canai_deal_id"]: row for row in box.objects(crm, DEALS[crm])}
        assert {key: float(row["properties"]["amount"]) for key, row in deals.items()} == {
            key: row["total_spent"] for key, row in truth(box).items() if row["total_spent"] > 0
        }
        assert all(row["links"] for row in deals.values())


@pytest.mark.parametrize("crm", CRMS)
def test_each_field_takes_its_newest_observation_within_a_block_and_across(
    box: Box, crm: str, tmp_path: Path
) -> None:
    stage, spent = {
        "hubspot": ("canai_journey_stage", "canai_total_spent"),
        "pipedrive": ("canai_journey_stage", "canai_total_value"),
    }.get(crm, ("Journey_Stage__c", "Total_Spent__c"))
    lines = [
        schema_message(), user(1),  # observed on 2 January: F4, nothing spent
        EVENTS,
        record("user.journey_stage_completed", "2026-01-07T00:00:00.000000Z", stage_completed="F7", email="user1@example.com"),
        record("payment.completed", "2026-01-09T00:00:00.000000Z", amount=99, product_track="site_audit", total_spent=198, payment_id="p-2"),
        record("payment.completed", "2026-01-08T00:00:00.000000Z", amount=99, product_track="site_audit", total_spent=99, payment_id="p-1"),
        record("user.journey_stage_completed", "2026-01-06T00:00:00.000000Z", stage_completed="F6"),
    ]  # fmt: skip
    result = deliver(box, crm, lines, tmp_path)
    assert result.code == 0
    (person,) = people(box, crm).values()
    assert [person[stage], float(person[spent])] == ["F7", 198.0]
    late = [
        EVENTS,
        record("user.journey_stage_completed", "2026-01-05T00:00:00.000000Z", stage_completed="F5"),
    ]
    assert deliver(box, crm, late, tmp_path).counts(PEOPLE[crm]) == {"planned": 1, "superseded": 1}
    back = [
        EVENTS,
        record("user.journey_stage_completed", "2026-01-20T00:00:00.000000Z", stage_completed="F3"),
    ]
    kept = deliver(box, crm, back, tmp_path)  # newer, but no stage goes back by an event
    (person,) = people(box, crm).values()
    assert person[stage] == "F7"
    assert kept.counts(PEOPLE[crm]).keys() & {"fields_kept_back", "kept_by_crm"}
    old = {
        **user(1, current_journey_stage="F4", total_spent=0),
        "time_extracted": "2026-01-04T00:00:00.000000Z",
    }
    assert deliver(box, crm, [schema_message(), old], tmp_path).code == 0
    (person,) = people(box, crm).values()
    assert [person[stage], float(person[spent])] == ["F7", 198.0]
    new = {
        **user(1, current_journey_stage="F4", total_spent=0),
        "time_extracted": "2026-01-25T00:00:00.000000Z",
    }
    assert deliver(box, crm, [schema_message(), new], tmp_path).code == 0
    (person,) = people(box, crm).values()
    assert [person[stage], float(person[spent])] == [
        "F4",
        0.0,
    ]  # the newest word is the export's, though it said the same before


@pytest.mark.parametrize("crm", CRMS)
def test_somebody_nobody_knows_yet_is_made_from_any_event_and_completed_by_the_export(
    box: Box, crm: str, tmp_path: Path
) -> None:
    lines = [
        EVENTS,
        record("feedback.submitted", "2026-01-01T00:00:00.000000Z", feedback_id="f-1", nps_score=9),
    ]
    assert deliver(box, crm, lines, tmp_path).counts(PEOPLE[crm]) == {"planned": 1, "created": 1}
    export = [
        schema_message(),
        {**user(1, phone="+1 555 0100"), "time_extracted": "2026-01-02T00:00:00.000000Z"},
    ]
    assert deliver(box, crm, export, tmp_path).counts(PEOPLE[crm]) == {"planned": 1, "updated": 1}
    (person,) = people(box, crm).values()
    names = {
        "hubspot": ("firstname", "lastname"),
        "pipedrive": ("name",),
        "salesforce": ("FirstName", "LastName"),
    }[crm]
    assert " ".join(person[name] for name in names) == "Ann Lee1"


@pytest.mark.parametrize("crm", CRMS)
def test_an_event_leaves_names_and_email_that_people_wrote(
    box: Box, crm: str, tmp_path: Path
) -> None:
    deliver(box, crm, [schema_message(), user(1)], tmp_path)
    before = people(box, crm)["user-1"]
    told = record(
        "user.registered",
        "2026-01-09T00:00:00.000000Z",
        first_name="Other",
        last_name="Name",
        email="other@example.com",
        phone="+1 555 0111",
    )
    assert deliver(box, crm, [EVENTS, told], tmp_path).code == 0
    after = people(box, crm)["user-1"]
    for name in (
        "email",
        "firstname",
        "lastname",
        "name",
        "emails",
        "FirstName",
        "LastName",
        "Email",
    ):
        assert after.get(name) == before.get(name)
    assert "0111" in str(after)  # there was no phone


def test_a_payment_without_its_id_waits_for_the_export(box: Box, tmp_path: Path) -> None:
    told = record(
        "payment.completed",
        "2026-01-09T00:00:00.000000Z",
        amount=99,
        product_track="site_audit",
        total_spent=99,
    )
    result = deliver(box, "salesforce", [schema_message(), user(1), EVENTS, told], tmp_path)
    assert result.code == 0
    assert result.counts("Opportunity") == {"planned": 1, "waiting": 1}
    assert people(box, "salesforce")["user-1"]["Total_Spent__c"] == 99
    assert box.objects("salesforce", "Opportunity") == []


def test_what_an_earlier_event_said_is_not_lost_when_the_newest_of_its_key_is_refused(
    box: Box, tmp_path: Path
) -> None:
    lines = [
        schema_message(), user(1), EVENTS,
        record("user.journey_stage_completed", "2026-01-07T00:00:00.000000Z", stage_completed="F7"),
        record("user.registered", "2026-01-08T00:00:00.000000Z", subscription_tier="no such tier"),
    ]  # fmt: skip
    deliver(box, "salesforce", lines[:2], tmp_path)
    result = deliver(box, "salesforce", lines, tmp_path)
    assert people(box, "salesforce")["user-1"]["Journey_Stage__c"] == "F7"
    (letter,) = result.report["dead_letters"]
    assert letter["key"] == "user.registered/2026-01-08T00:00:00.000000Z"
