"""When the calls of the day, or those the user allows, are used up: stop writing, keep STATE back, lose nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import PEOPLE, TARGETS, Box, contents, deliver, extract, schema_message, state, user

CRMS = sorted(TARGETS)
WRITE_PATH = {
    "hubspot": "/batch/upsert",
    "pipedrive": "/api/v2/persons",
    "salesforce": "/composite/sobjects/Contact",
}


def people(count: int) -> list[dict[str, object]]:
    lines: list[dict[str, object]] = [schema_message()]
    for number in range(count):
        lines.append(user(number))
        if number % 10 == 9:
            lines.append(state(number))
    return lines


@pytest.mark.parametrize("crm", CRMS)
def test_the_crms_daily_limit_ends_the_writing_and_the_next_day_finishes(
    box: Box, crm: str, tmp_path: Path
) -> None:
    box.fault(
        crm, "daily_limit", match=WRITE_PATH[crm], after=12 if crm == "pipedrive" else 1, times=1000
    )
    first = deliver(box, crm, people(40), tmp_path, batch_size_rows=10)
    assert first.code == 0
    counts = first.counts(PEOPLE[crm])
    assert counts["planned"] == 40
    assert counts["not_attempted"] == 40 - counts["created"] > 0
    assert "used up" in first.report["message"]
    reached = first.states[-1]["bookmarks"]["users"]["at"] if first.states else -1
    assert reached + 1 <= counts["created"]
    box.call("DELETE", "/_sandbox/faults")
    second = deliver(box, crm, people(40), tmp_path, batch_size_rows=10)
    assert second.code == 0
    assert second.states[-1]["bookmarks"]["users"]["at"] == 39
    assert len(box.objects(crm, PEOPLE[crm])) == 40


@pytest.mark.parametrize("crm", CRMS)
@pytest.mark.parametrize("calls", [1, 3, 30, 45])
def test_a_runs_own_limit_is_never_passed_whatever_it_strikes(
    box: Box, crm: str, calls: int, tmp_path: Path
) -> None:
    messages = extract(box, tmp_path, streams=("users", "payments", "deliverables"))
    box.call("DELETE", f"/_sandbox/requests/{crm}")
    more = {"attach_deliverables": True, "allow_private_download_hosts": True}
    result = deliver(box, crm, messages, tmp_path, max_api_calls=calls, **more)
    assert result.code == 0
    assert len([line for line in box.log(crm) if line["kind"] != "auth"]) <= calls
    total = result.report["calls"]
    assert total["made"] + total["setup"] <= calls
    assert "max_api_calls" in result.report["message"]
    for _ in range(200):
        result = deliver(box, crm, messages, tmp_path, max_api_calls=100, **more)
        if not result.report["message"]:
            break
    whole = contents(box, crm)
    assert all(len(rows) == 1 for rows in whole.values())
    assert len(box.objects(crm, PEOPLE[crm])) == 60
    assert result.report["links"]["waiting"] == 0


def test_fail_on_budget_ends_with_an_error(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = deliver(
        box,
        "hubspot",
        people(20),
        tmp_path,
        max_api_calls=30,
        batch_size_rows=1,
        fail_on_budget=True,
    )
    assert result.code == 1
    assert result.report["exit_code"] == 1
    assert "max_api_calls are used up" in caplog.text
