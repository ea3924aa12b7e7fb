"""A daily limit, or the user's own, is used up: stop writing, hold STATE back, lose nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from box import Box
from crms import HUBSPOT, Crm, each_crm
from support import Message, contents, deliver, extract, schema_message, state, user

FILES = {"attach_deliverables": True, "allow_private_download_hosts": True}


def people(count: int) -> list[Message]:
    """Users, and a STATE after each ten."""
    messages = [schema_message()]
    for number in range(count):
        messages.append(user(number))
        if number % 10 == 9:
            messages.append(state(number))
    return messages


@each_crm
def test_the_crms_daily_limit_ends_the_writing_and_the_next_day_finishes(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    passed = crm.calls(10)
    box.fault(crm, "daily_limit", match=crm.person_writes, after=passed, times=1000)
    first = deliver(box, crm, people(40), tmp_path, batch_size_rows=10)
    assert first.code == 0
    counts = first.counts(crm.people)
    assert counts["planned"] == 40
    assert counts["not_attempted"] == 40 - counts["created"] > 0
    assert "used up" in first.report["message"]
    reached = first.states[-1]["bookmarks"]["users"]["at"] if first.states else -1
    assert reached + 1 <= counts["created"]
    box.clear_faults()
    second = deliver(box, crm, people(40), tmp_path, batch_size_rows=10)
    assert second.code == 0
    assert second.states[-1]["bookmarks"]["users"]["at"] == 39
    assert len(box.people(crm)) == 40


@each_crm
@pytest.mark.parametrize("calls", [1, 3, 30, 45])
def test_a_runs_own_limit_is_never_passed_whatever_it_strikes(
    box: Box, crm: Crm, calls: int, tmp_path: Path
) -> None:
    messages = extract(box, tmp_path, streams=("users", "payments", "deliverables"))
    box.forget_log(crm)
    result = deliver(box, crm, messages, tmp_path, max_api_calls=calls, **FILES)
    assert result.code == 0
    assert len([line for line in box.log(crm) if line["kind"] != "auth"]) <= calls
    total = result.report["calls"]
    assert total["made"] + total["setup"] <= calls
    assert "max_api_calls" in result.report["message"]
    for _ in range(200):
        result = deliver(box, crm, messages, tmp_path, max_api_calls=100, **FILES)
        if not result.report["message"]:
            break
    assert all(len(rows) == 1 for rows in contents(box, crm).values())
    assert len(box.people(crm)) == 60
    assert result.report["links"]["waiting"] == 0


def test_fail_on_budget_ends_with_an_error(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limits = {"max_api_calls": 30, "batch_size_rows": 1, "fail_on_budget": True}
    result = deliver(box, HUBSPOT, people(20), tmp_path, **limits)
    assert result.code == 1
    assert result.report["exit_code"] == 1
    assert "max_api_calls are used up" in caplog.text
