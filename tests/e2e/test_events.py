"""Events reach the CRMs, newest first by field, whatever their order.

An export beside them changes nothing that is newer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from box import Box
from crms import HUBSPOT, SALESFORCE, Crm, each_crm
from receiver import hook, receiving, sent
from source import KINDS, facts_differ, people, truth
from support import (
    Message,
    by_key,
    deliver,
    extract,
    record_message,
    records,
    schema_message,
    user,
    users,
)

EVENTS = schema_message("events", "event_id")
SITE_AUDIT = {"amount": 99, "product_track": "site_audit"}


def at(day: int) -> str:
    """A day of January."""
    return f"2026-01-{day:02d}T00:00:00.000000Z"


def event(kind: str, day: int, **data: Any) -> Message:
    """A RECORD of the stream of events, about user 1."""
    moment = at(day)
    record = {
        "event_id": f"{kind}/{moment}",
        "sequence": 1,
        "event": kind,
        "timestamp": moment,
        "received_at": moment,
        "user_id": "user-1",
        **data,
    }
    return record_message("events", record, moment)


def stage_event(day: int, stage: str, **data: Any) -> Message:
    return event("user.journey_stage_completed", day, stage_completed=stage, **data)


@each_crm
def test_events_and_exports_tell_one_story(box: Box, crm: Crm, tmp_path: Path) -> None:
    assert deliver(box, crm, extract(box, tmp_path), tmp_path).code == 0
    inbox = f"sqlite:///{tmp_path}/inbox.db"
    with receiving(tmp_path, inbox) as receiver:
        hook(box, receiver)
        touched: set[str] = set()
        for kind in KINDS:
            touched |= box.happen(kind, users=20, shuffle=True, duplicate=True)
        new = box.happen("user.registered", users=5, duplicate=True)
        assert len(sent(box)) == 210
    at_once = extract(box, tmp_path, streams=("events",), inbox_url=inbox)
    assert len(records(at_once)) == 105
    first = deliver(box, crm, at_once, tmp_path)
    assert first.code == 0
    assert first.letters == []
    assert facts_differ(box, crm, touched - new) == []
    assert {people(box, crm)[key][crm.stage_field] for key in new} == {"F1"}
    assert people(box, crm).keys() == truth(box).keys()
    box.forget_log(crm)
    again = deliver(box, crm, at_once, tmp_path)
    assert box.writes(crm) == []
    assert again.report["objects"][crm.people]["created"] == 0
    second = deliver(box, crm, extract(box, tmp_path), tmp_path)
    assert second.code == 0
    assert second.report["objects"][crm.people]["created"] == 0
    assert facts_differ(box, crm, touched | new) == []
    late = deliver(box, crm, at_once, tmp_path)  # older now than what the export said
    assert late.code == 0
    assert facts_differ(box, crm, touched | new) == []
    deals = by_key(box, crm, crm.deals, crm.deal_key)
    if crm is SALESFORCE:
        assert late.report["objects"]["Opportunity"]["created"] == 0
    if crm is HUBSPOT:
        assert {key: float(row["properties"]["amount"]) for key, row in deals.items()} == {
            key: user["total_spent"] for key, user in truth(box).items() if user["total_spent"] > 0
        }
    if crm in (HUBSPOT, SALESFORCE):
        assert deals.keys() == crm.expected_deals(box).keys()
    assert all(row["links"] for row in deals.values())


@each_crm
def test_each_field_takes_its_newest_observation_within_a_block_and_across(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    def held() -> list[Any]:
        (person,) = people(box, crm).values()
        return [person[crm.stage_field], float(person[crm.spent_field])]

    messages = [
        *users([1]),  # observed on 2 January: F4, nothing spent
        EVENTS,
        stage_event(7, "F7", email="user1@example.com"),
        event("payment.completed", 9, total_spent=198, payment_id="p-2", **SITE_AUDIT),
        event("payment.completed", 8, total_spent=99, payment_id="p-1", **SITE_AUDIT),
        stage_event(6, "F6"),
    ]
    assert deliver(box, crm, messages, tmp_path).code == 0
    assert held() == ["F7", 198.0]
    late = deliver(box, crm, [EVENTS, stage_event(5, "F5")], tmp_path)
    assert late.counts(crm.people) == {"planned": 1, "superseded": 1}
    back = deliver(box, crm, [EVENTS, stage_event(20, "F3")], tmp_path)
    assert held()[0] == "F7"  # F3 is newer, but no stage goes back by an event
    assert back.counts(crm.people).keys() & {"fields_kept_back", "kept_by_crm"}
    export = user(1, current_journey_stage="F4", total_spent=0)
    for day, expected in ((4, ["F7", 198.0]), (25, ["F4", 0.0])):
        exported = [schema_message(), {**export, "time_extracted": at(day)}]
        assert deliver(box, crm, exported, tmp_path).code == 0
        assert held() == expected  # the newest word stands, though the export said the same before


@each_crm
def test_a_user_nobody_knows_yet_is_created_from_any_event_and_completed_by_the_export(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    feedback = event("feedback.submitted", 1, feedback_id="f-1", nps_score=9)
    first = deliver(box, crm, [EVENTS, feedback], tmp_path)
    assert first.counts(crm.people) == {"planned": 1, "created": 1}
    second = deliver(box, crm, users([1], phone="+1 555 0100"), tmp_path)
    assert second.counts(crm.people) == {"planned": 1, "updated": 1}
    (person,) = people(box, crm).values()
    assert " ".join(person[name] for name in crm.name_fields) == "Ann Lee1"


@each_crm
def test_an_event_leaves_names_and_email_that_people_wrote(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    deliver(box, crm, users([1]), tmp_path)
    before = people(box, crm)["user-1"]
    registered = event(
        "user.registered",
        9,
        first_name="Other",
        last_name="Name",
        email="other@example.com",
        phone="+1 555 0111",
    )
    assert deliver(box, crm, [EVENTS, registered], tmp_path).code == 0
    after = people(box, crm)["user-1"]
    assert all(before[name] for name in crm.identity_fields)
    for name in crm.identity_fields:
        assert after[name] == before[name]
    assert "0111" in str(after)  # there was no phone


def test_a_payment_without_its_id_waits_for_the_export(box: Box, tmp_path: Path) -> None:
    paid = event("payment.completed", 9, total_spent=99, **SITE_AUDIT)
    result = deliver(box, SALESFORCE, [*users([1]), EVENTS, paid], tmp_path)
    assert result.code == 0
    assert result.counts("Opportunity") == {"planned": 1, "waiting": 1}
    assert people(box, SALESFORCE)["user-1"]["Total_Spent__c"] == 99
    assert box.objects(SALESFORCE, "Opportunity") == []


def test_what_an_earlier_event_said_is_not_lost_when_the_newest_of_its_key_is_refused(
    box: Box, tmp_path: Path
) -> None:
    people_only = users([1])
    refused = event("user.registered", 8, subscription_tier="no such tier")
    deliver(box, SALESFORCE, people_only, tmp_path)
    messages = [*people_only, EVENTS, stage_event(7, "F7"), refused]
    result = deliver(box, SALESFORCE, messages, tmp_path)
    assert people(box, SALESFORCE)["user-1"]["Journey_Stage__c"] == "F7"
    (letter,) = result.letters
    assert letter["key"] == f"user.registered/{at(8)}"
