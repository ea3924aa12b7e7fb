"""Limits, outages and refusals of a CRM: what they cost, and what they never cost."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm, each_crm, each_pipeline_crm, each_portal
from support import (
    contents,
    deliver,
    extract,
    messages_of,
    records,
    report_of,
    state,
    target_command,
    users,
)


@pytest.mark.parametrize(
    "fault", ["429", "500", "503", "drop_before_commit", "drop_after_commit", "empty_success"]
)
@each_portal
def test_a_transient_error_costs_no_row_and_makes_no_duplicate(
    box: Box, crm: Crm, trace_ids: bool, fault: str, tmp_path: Path
) -> None:
    box.fault(crm, fault, match=crm.person_writes, times=2, args={"retry_after_s": 0.2})
    result = deliver(box, crm, users(12), tmp_path)
    assert result.code == 0
    assert len(box.struck(crm, fault)) == 2
    assert result.counts(crm.people) == {"planned": 12, "created": 12}
    assert len(box.people(crm)) == 12


def test_a_call_without_an_answer_is_looked_up_before_it_is_sent_again(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("target_pipedrive.target.TIMEOUT_S", 0.5)
    box.fault(PIPEDRIVE, "timeout", match="/persons", after=3)
    result = deliver(box, PIPEDRIVE, users(6), tmp_path)
    assert result.counts("persons") == {"planned": 6, "created": 6}
    assert len(box.people(PIPEDRIVE)) == 6


@pytest.mark.parametrize("trace_ids", [True, False], indirect=True)
def test_one_bad_row_in_a_hundred_costs_one_row(box: Box, trace_ids: bool, tmp_path: Path) -> None:
    messages = users(100)
    messages[38]["record"]["email"] = "no address"
    result = deliver(box, HUBSPOT, messages, tmp_path)
    assert result.counts("contacts") == {"planned": 100, "created": 99, "dead": 1}
    assert len(box.log(HUBSPOT, "contacts/batch/upsert")) <= (1 if trace_ids else 15)
    (letter,) = result.letters
    assert [letter["key"], letter["rule"], letter["stage"]] == ["user-37", "users.contact", "send"]
    assert letter["code"] == "INVALID_EMAIL" or trace_ids
    assert "no address" not in str(letter)


@each_portal
def test_a_refusal_that_names_no_row_is_halved_down_to_it(
    box: Box, crm: Crm, trace_ids: bool, tmp_path: Path
) -> None:
    box.fault(crm, "unnamed_400", match=crm.person_writes, args={"row": "user-37"})
    result = deliver(box, crm, users(60), tmp_path)
    assert result.code == 0
    assert result.counts(crm.people) == {"planned": 60, "created": 59, "dead": 1}
    assert [letter["key"] for letter in result.letters] == ["user-37"]
    assert len(box.people(crm)) == 59
    halvings = 12  # two calls for each of the six that it takes from 60 rows to one
    assert len(box.log(crm, crm.person_writes)) <= min(crm.calls(60) + halvings, 60)


@each_crm
@pytest.mark.parametrize(
    ("fault", "said"), [("401", "401|sign-in"), ("403_permission", "permission|refuses")]
)
def test_an_error_that_would_fail_every_row_stops_the_run_with_one_clear_line(
    box: Box, crm: Crm, fault: str, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box.fault(crm, fault, times=1000)
    result = deliver(box, crm, [*users(5), state(1)], tmp_path)
    assert result.code == 1
    assert result.states == []
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 2
    assert re.search(said, errors[0])
    assert errors[1] == "exit code 1"
    assert "Traceback" not in caplog.text
    assert "sandbox-token" not in caplog.text


@each_crm
def test_permission_lost_on_the_way_stops_after_one_batch_and_a_second_run_finishes(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    box.fault(crm, "403_permission", match=crm.person_writes, after=1, times=1000)
    messages = [*users(30), state(1)]
    first = deliver(box, crm, messages, tmp_path, batch_size_rows=10)
    assert first.code == 1
    assert first.states == []
    assert first.counts(crm.people)["not_attempted"] >= 1
    box.clear_faults()
    second = deliver(box, crm, messages, tmp_path, batch_size_rows=10)
    assert second.code == 0
    assert len(box.people(crm)) == 30
    assert second.states == [messages[-1]["value"]]


@each_crm
def test_an_unreachable_crm_is_one_clear_line(
    tmp_path: Path, crm: Crm, caplog: pytest.LogCaptureFixture, box: Box
) -> None:
    closed = {crm.url_setting: "http://127.0.0.1:9"}
    result = deliver(box, crm, users(1), tmp_path, **closed)
    assert result.code == 1
    assert "cannot be reached" in caplog.text
    assert "Traceback" not in caplog.text


@each_crm
def test_sigterm_settles_what_is_in_flight_and_never_lets_state_pass(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    messages = [*users(40), state(1)]
    for after in range(40):
        box.fault(crm, "slow", match=crm.person_writes, after=after, args={"delay_ms": 150})
    process = subprocess.Popen(
        target_command(box, crm, messages, tmp_path, batch_size_rows=4),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while len(box.people(crm)) < 4:
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 143, err.decode()
    assert out == b""
    assert report_of(tmp_path, crm)["exit_code"] == 143
    box.clear_faults()
    created = len(box.people(crm))
    assert created < 40
    second = deliver(box, crm, messages, tmp_path)
    assert second.code == 0
    assert second.counts(crm.people)["unchanged"] >= created - 4
    assert len(box.people(crm)) == 40


def test_an_expired_download_is_requested_again(box: Box, tmp_path: Path) -> None:
    box.fault("canai", "expired_url", match="/storage")
    result = deliver(box, HUBSPOT, extract(box, tmp_path, streams=["users"]), tmp_path)
    assert result.counts("contacts")["created"] == 60


def broken(message: dict[str, Any], user_id: str) -> dict[str, Any]:
    """The message, with a bad address if it is this user's record."""
    record = message.get("record", {})
    if message.get("stream") != "users" or record.get("user_id") != user_id:
        return message
    return {**message, "record": {**record, "email": "no address"}}


@each_crm
def test_a_deal_whose_person_is_missing_waits_and_is_linked_when_the_person_comes(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    messages = messages_of(extract(box, tmp_path))
    bad = next(
        user["user_id"]
        for user in records(messages, "users")
        if user["current_journey_stage"] == "F9"
        and user["total_spent"] > 0
        and user["trust_delta_average"] >= 4
    )
    first = deliver(box, crm, [broken(message, bad) for message in messages], tmp_path)
    assert first.code == 0
    assert first.counts(crm.people)["dead"] == 1
    assert first.report["links"]["waiting"] >= 1
    second = deliver(box, crm, messages, tmp_path)
    assert second.code == 0
    assert second.report["links"]["waiting"] == 0
    assert second.letters == []
    held = contents(box, crm)
    assert all(
        row["links"] for key, rows in held.items() if key.startswith(crm.deals) for row in rows
    )


def test_a_session_that_ends_is_renewed_once(box: Box, tmp_path: Path) -> None:
    box.fault(SALESFORCE, "401", match="/composite", times=1)
    result = deliver(box, SALESFORCE, users(5), tmp_path)
    assert result.code == 0
    assert len(box.people(SALESFORCE)) == 5
    assert [line["kind"] for line in box.log(SALESFORCE)].count("auth") == 2


@each_pipeline_crm
@pytest.mark.usefixtures("real_sleep")
def test_a_small_limit_is_kept_and_nothing_is_lost(box: Box, crm: Crm, tmp_path: Path) -> None:
    box.limit(crm, calls=20, per_s=1)
    result = deliver(box, crm, users(30), tmp_path, batch_size_rows=5)
    assert result.code == 0
    assert len(box.log(crm)) > 20
    assert len(box.people(crm)) == 30


def test_a_create_whose_responses_are_all_lost_stops_the_run_and_the_next_run_completes_it(
    box: Box, tmp_path: Path
) -> None:
    box.fault(PIPEDRIVE, "drop_before_commit", match="/api/v2/persons", after=1, times=1000)
    messages = [*users(3), state(1)]
    first = deliver(box, PIPEDRIVE, messages, tmp_path)
    assert first.code == 1
    assert first.states == []
    box.clear_faults()
    second = deliver(box, PIPEDRIVE, messages, tmp_path)
    assert second.code == 0
    assert len(box.people(PIPEDRIVE)) == 3


@each_crm
def test_a_target_pointed_at_something_else_says_so(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = {crm.url_setting: f"{box.url}/canai"}
    result = deliver(box, crm, users(1), tmp_path, **wrong)
    assert result.code == 1
    assert "Traceback" not in caplog.text
    assert "Check" in caplog.text or "Set" in caplog.text


def test_a_key_field_that_is_not_unique_names_the_ways_out(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    field = {
        "name": "canai_user_id",
        "label": "Key",
        "type": "string",
        "fieldType": "text",
        "groupName": "contactinformation",
    }
    box.call("POST", "/hubspot/crm/v3/properties/contacts", field, HUBSPOT.headers())
    result = deliver(box, HUBSPOT, users(1), tmp_path)
    assert result.code == 1
    assert "the upsert_key 'canai_user_id' is not unique in contacts" in caplog.text
    assert "Make the field unique in the CRM" in caplog.text
