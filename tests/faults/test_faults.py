"""Limits, outages and refusals of a CRM: what they cost, and what they never cost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from support import (
    BIN,
    DEALS,
    PEOPLE,
    TARGETS,
    Box,
    contents,
    deliver,
    extract,
    report_of,
    schema_message,
    state,
    target_config,
    user,
    written,
)

CRMS = sorted(TARGETS)
WRITE_PATH = {
    "hubspot": "/batch/upsert",
    "pipedrive": "/persons",
    "salesforce": "/composite/sobjects/Contact",
}


def people(count: int, **more: Any) -> list[dict[str, Any]]:
    return [schema_message(), *(user(number, **more) for number in range(count))]


@pytest.mark.parametrize(
    "fault", ["429", "500", "503", "drop_before_commit", "drop_after_commit", "empty_success"]
)
@pytest.mark.parametrize("crm", CRMS)
def test_a_passing_fault_costs_no_row_and_makes_no_duplicate(
    box: Box, crm: str, fault: str, tmp_path: Path
) -> None:
    box.fault(
        crm,
        fault,
        match=WRITE_PATH[crm],
        after=2 if crm == "pipedrive" else 0,
        times=2,
        args={"retry_after_s": 0.2},
    )
    result = deliver(box, crm, people(12), tmp_path)
    assert result.code == 0
    assert len([line for line in box.log(crm) if line["fault"] == fault]) == 2
    assert result.counts(PEOPLE[crm]) == {"planned": 12, "created": 12}
    assert len(box.objects(crm, PEOPLE[crm])) == 12


def test_a_call_without_an_answer_is_looked_up_before_it_is_sent_again(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("target_pipedrive.target.TIMEOUT_S", 0.5)
    box.fault("pipedrive", "timeout", match="/persons", after=3)
    result = deliver(box, "pipedrive", people(6), tmp_path)
    assert result.counts("persons") == {"planned": 6, "created": 6}
    assert len(box.objects("pipedrive", "persons")) == 6


@pytest.mark.parametrize("trace_ids", [True, False])
def test_one_bad_row_in_a_hundred_costs_one_row(box: Box, trace_ids: bool, tmp_path: Path) -> None:
    box.call("POST", "/_sandbox/limits", {"crm": "hubspot", "trace_ids": trace_ids})
    messages = people(100)
    messages[38]["record"]["email"] = "no address"
    result = deliver(box, "hubspot", messages, tmp_path)
    assert result.counts("contacts") == {"planned": 100, "created": 99, "dead": 1}
    upserts = [line for line in box.log("hubspot") if "contacts/batch/upsert" in line["path"]]
    assert len(upserts) <= (1 if trace_ids else 15)
    (letter,) = result.report["dead_letters"]
    assert (letter["key"], letter["rule"], letter["stage"], letter["code"]) == (
        "user-37",
        "users.contact",
        "send",
        "INVALID_EMAIL",
    ) or trace_ids
    assert "no address" not in str(letter)


@pytest.mark.parametrize("crm", CRMS)
def test_a_refusal_that_names_no_row_is_halved_down_to_it(
    box: Box, crm: str, tmp_path: Path
) -> None:
    box.fault(crm, "unnamed_400", match=WRITE_PATH[crm], args={"row": "user-37"})
    result = deliver(box, crm, people(60), tmp_path)
    assert result.code == 0
    assert result.counts(PEOPLE[crm]) == {"planned": 60, "created": 59, "dead": 1}
    assert [one["key"] for one in result.report["dead_letters"]] == ["user-37"]
    assert len(box.objects(crm, PEOPLE[crm])) == 59
    calls = [line for line in box.writes(crm) if WRITE_PATH[crm] in line["path"]]
    assert len(calls) <= {"hubspot": 13, "pipedrive": 60, "salesforce": 13}[crm]


@pytest.mark.parametrize("crm", CRMS)
@pytest.mark.parametrize(
    ("fault", "told"), [("401", "401|sign-in"), ("403_permission", "permission|refuses")]
)
def test_a_cause_that_is_not_a_rows_stops_the_run_with_one_clear_line(
    box: Box, crm: str, fault: str, told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box.fault(crm, fault, times=1000)
    result = deliver(box, crm, [*people(5), state(1)], tmp_path, caplog=caplog)
    assert result.code == 1
    assert result.states == []
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 2
    assert re.search(told, errors[0])
    assert errors[1] == "exit code 1"
    assert "Traceback" not in caplog.text
    assert "sandbox-token" not in caplog.text


@pytest.mark.parametrize("crm", CRMS)
def test_permission_lost_on_the_way_stops_after_one_batch_and_a_second_run_finishes(
    box: Box, crm: str, tmp_path: Path
) -> None:
    box.fault(crm, "403_permission", match=WRITE_PATH[crm], after=1, times=1000)
    messages = [*people(30), state(1)]
    first = deliver(box, crm, messages, tmp_path, batch_size_rows=10)
    assert first.code == 1
    assert first.states == []
    assert first.counts(PEOPLE[crm])["not_attempted"] >= 1
    box.call("DELETE", "/_sandbox/faults")
    second = deliver(box, crm, messages, tmp_path, batch_size_rows=10)
    assert second.code == 0
    assert len(box.objects(crm, PEOPLE[crm])) == 30
    assert second.states == [messages[-1]["value"]]


@pytest.mark.parametrize("crm", CRMS)
def test_an_unreachable_crm_is_one_clear_line(
    tmp_path: Path, crm: str, caplog: pytest.LogCaptureFixture, box: Box
) -> None:
    closed = (
        {"api_url": "http://127.0.0.1:9"}
        if crm != "salesforce"
        else {"login_url": "http://127.0.0.1:9"}
    )
    result = deliver(box, crm, people(1), tmp_path, caplog=caplog, **closed)
    assert result.code == 1
    assert "cannot be reached" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("crm", CRMS)
def test_sigterm_settles_what_is_in_flight_and_never_lets_state_pass(
    box: Box, crm: str, tmp_path: Path
) -> None:
    messages = [*people(40), state(1)]
    for fault in range(40):
        box.fault(crm, "slow", match=WRITE_PATH[crm], after=fault, args={"delay_ms": 150})
    config = written(tmp_path, f"{crm}.json", target_config(box, crm, tmp_path, batch_size_rows=4))
    lines = written(tmp_path, "in.jsonl", "".join(json.dumps(one) + "\n" for one in messages))
    process = subprocess.Popen(
        [str(BIN / f"target-{crm}"), "--config", str(config), "--input", str(lines)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    while len(box.objects(crm, PEOPLE[crm])) < 4:
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 143, err.decode()
    assert out == b""
    assert report_of(tmp_path, crm)["exit_code"] == 143
    box.call("DELETE", "/_sandbox/faults")
    made = len(box.objects(crm, PEOPLE[crm]))
    assert made < 40
    second = deliver(box, crm, messages, tmp_path)
    assert second.code == 0
    assert second.counts(PEOPLE[crm])["unchanged"] >= made - 4
    assert len(box.objects(crm, PEOPLE[crm])) == 40


def test_an_expired_download_is_asked_for_once_more(box: Box, tmp_path: Path) -> None:
    box.fault("canai", "expired_url", match="/storage")
    result = deliver(box, "hubspot", extract(box, tmp_path, streams=["users"]), tmp_path)
    assert result.counts("contacts")["created"] == 60


@pytest.mark.parametrize("crm", CRMS)
def test_a_deal_whose_person_is_missing_waits_and_is_linked_when_the_person_comes(
    box: Box, crm: str, tmp_path: Path
) -> None:
    from_sandbox = extract(box, tmp_path)
    lines = [json.loads(line) for line in from_sandbox.read_text().splitlines()]
    users = [one["record"] for one in lines if one["type"] == "RECORD" and one["stream"] == "users"]
    late = [one for one in users if one["current_journey_stage"] == "F9" and one["total_spent"] > 0]
    bad = next(one["user_id"] for one in late if one["trust_delta_average"] >= 4)
    broken = [
        dict(one, record=dict(one["record"], email="no address"))
        if one.get("record", {}).get("user_id") == bad and one["stream"] == "users"
        else one
        for one in lines
    ]
    first = deliver(box, crm, broken, tmp_path)
    assert first.code == 0
    assert first.counts(PEOPLE[crm])["dead"] == 1
    assert first.report["links"]["waiting"] >= 1
    second = deliver(box, crm, lines, tmp_path)
    assert second.code == 0
    assert second.report["links"]["waiting"] == 0
    assert second.report["dead_letters"] == []
    held = contents(box, crm)
    assert all(
        row["links"] for key, rows in held.items() if key.startswith(DEALS[crm]) for row in rows
    )


def test_a_session_that_ends_is_renewed_once(box: Box, tmp_path: Path) -> None:
    box.fault("salesforce", "401", match="/composite", times=1)
    result = deliver(box, "salesforce", people(5), tmp_path)
    assert result.code == 0
    assert len(box.objects("salesforce", "Contact")) == 5
    assert [line["kind"] for line in box.log("salesforce")].count("auth") == 2


@pytest.mark.parametrize("crm", ["hubspot", "pipedrive"])
def test_a_small_limit_is_kept_and_nothing_is_lost(box: Box, crm: str, tmp_path: Path) -> None:
    box.call("POST", "/_sandbox/limits", {"crm": crm, "calls": 8, "per_s": 1})
    result = deliver(box, crm, people(30), tmp_path, batch_size_rows=5)
    assert result.code == 0
    assert len(box.objects(crm, PEOPLE[crm])) == 30


def test_a_create_whose_answer_is_lost_for_good_stops_the_run_and_the_next_run_makes_it_good(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reverse_etl.pipeline.send.LOOK_UP_DELAYS_S", (0.01,))
    box.fault("pipedrive", "drop_before_commit", match="/api/v2/persons", after=1, times=1000)
    monkeypatch.setattr("reverse_etl.crm.http.FIRST_WAIT_S", 0.01)
    messages = [*people(3), state(1)]
    first = deliver(box, "pipedrive", messages, tmp_path)
    assert first.code == 1
    assert first.states == []
    box.call("DELETE", "/_sandbox/faults")
    second = deliver(box, "pipedrive", messages, tmp_path)
    assert second.code == 0
    assert len(box.objects("pipedrive", "persons")) == 3


@pytest.mark.parametrize("crm", CRMS)
def test_a_target_pointed_at_something_else_says_so(
    box: Box, crm: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = (
        {"api_url": f"{box.url}/canai"}
        if crm != "salesforce"
        else {"login_url": f"{box.url}/canai"}
    )
    result = deliver(box, crm, people(1), tmp_path, caplog=caplog, **wrong)
    assert result.code == 1
    assert "Traceback" not in caplog.text
    assert "Check" in caplog.text or "Set" in caplog.text


def test_a_key_field_that_is_not_unique_names_the_ways_out(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"Authorization": "Bearer sandbox-token"}
    field = {
        "name": "canai_user_id",
        "label": "Key",
        "type": "string",
        "fieldType": "text",
        "groupName": "contactinformation",
    }
    box.call("POST", "/hubspot/crm/v3/properties/contacts", field, headers)
    result = deliver(box, "hubspot", people(1), tmp_path, caplog=caplog)
    assert result.code == 1
    assert "the upsert_key 'canai_user_id' is not unique in contacts" in caplog.text
    assert "Make the field unique in the CRM" in caplog.text
