"""Guards on creates and updates: the plan is judged before the first write."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.singer.cli import main

from box import Box
from crms import HUBSPOT, Crm, each_crm
from support import (
    contents,
    deliver,
    later,
    lines_of,
    log_handlers_kept,
    schema_message,
    state,
    target_command,
    target_config,
    user,
    users,
    wait_for,
    written,
)


def changed(numbers: int) -> list[dict[str, Any]]:
    """The same users a day later, under another name."""
    return [later(user(number, first_name="Renamed")) for number in range(numbers)]


@each_crm
def test_a_plan_beyond_a_guard_leaves_the_crm_as_it_was(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deliver(box, crm, users(4), tmp_path)
    held = contents(box, crm)
    messages = [schema_message(), *changed(3), user(4), user(5), state(1)]
    for guards, said in (
        ({"max_creates": "1"}, "it would create 2 "),
        ({"max_creates": 1}, "max_creates allows 1"),
        ({"max_updates": 2}, "it would update 3 "),
        ({"max_updates": "49%", "max_creates": 2}, "max_updates allows 49% of its records: 2"),
    ):
        box.forget_log(crm)
        caplog.clear()
        result = deliver(box, crm, messages, tmp_path, **guards)
        assert (result.code, result.states, box.writes(crm)) == (3, [], [])
        assert said in caplog.text
        assert contents(box, crm) == held
        (trip,) = result.report["guards"]
        assert (trip["object"], trip["guard"] in guards) == (crm.people, True)
        assert result.counts(crm.people)["not_attempted"] == 5

    result = deliver(box, crm, messages, tmp_path, max_creates="34%", max_updates=3)
    assert (result.code, result.report["guards"]) == (0, [])
    assert result.states == [state(1)["value"]]
    counts = result.counts(crm.people)
    assert (counts["created"], counts["updated"]) == (2, 3)


def test_the_tripped_plan_is_kept_and_that_of_a_run_within_the_guards_is_not(
    box: Box, tmp_path: Path
) -> None:
    plan = tmp_path / "reports-hubspot" / "dry-run" / "plan.json"
    assert deliver(box, HUBSPOT, users(2), tmp_path, max_creates=1).code == 3
    assert len(json.loads(plan.read_text())["changes"]) == 2
    assert stat.S_IMODE(plan.stat().st_mode) == 0o600
    result = deliver(box, HUBSPOT, users(2), tmp_path, max_creates=2)
    assert result.code == 0
    assert result.report["calls"]["planning"] > 0
    assert not plan.exists()


def test_the_calls_of_the_plan_are_calls_of_the_run(box: Box, tmp_path: Path) -> None:
    result = deliver(box, HUBSPOT, users(2), tmp_path, max_creates=2)
    made = len(box.log(HUBSPOT))
    planning = result.report["calls"]["planning"]
    assert 0 < planning < made
    box.reset()
    (tmp_path / "hubspot.db").unlink()
    limit = planning + 1
    result = deliver(box, HUBSPOT, [*users(2), state(1)], tmp_path, max_creates=2,
                     max_api_calls=limit)  # fmt: skip
    assert (result.code, result.states) == (0, [])
    assert len(box.log(HUBSPOT)) == limit


def test_max_rejected_takes_a_number(box: Box, tmp_path: Path) -> None:
    bad = user(1, email=7)
    assert deliver(box, HUBSPOT, [schema_message(), bad], tmp_path, max_rejected=1).code == 3
    assert deliver(box, HUBSPOT, [schema_message(), bad], tmp_path, max_rejected=2).code == 0


def test_a_plan_names_the_guards_that_would_trip(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(
        tmp_path, "plan.json", target_config(box, HUBSPOT, tmp_path, max_creates=1, max_updates=1)
    )
    lines = lines_of(tmp_path, users(3))
    with log_handlers_kept():
        assert main(HUBSPOT.target, ["plan", "--config", str(config), "--input", str(lines)]) == 3
    out = capsys.readouterr().out
    assert "contacts: 3 planned: 3 to create" in out
    assert (
        "guard max_creates would trip: it would create 3 contacts, and max_creates allows 1" in out
    )
    plan = json.loads((tmp_path / "reports-hubspot" / "dry-run" / "plan.json").read_text())
    (trip,) = plan["guards"]
    assert (trip["guard"], trip["object"], trip["number"]) == ("max_creates", "contacts", 3)


@pytest.mark.parametrize("value", ["some", "0.5", "-1"])
def test_a_guard_that_is_neither_a_number_nor_a_share_is_refused(
    box: Box, value: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert deliver(box, HUBSPOT, users(1), tmp_path, max_creates=value).code == 1
    assert f"max_creates is not a valid limit: {value!r}." in caplog.text
    assert box.writes(HUBSPOT) == []


def test_a_signal_while_the_plan_is_made_ends_the_run(box: Box, tmp_path: Path) -> None:
    box.fault(HUBSPOT, "slow", match="/search", args={"delay_ms": 1000})
    box.fault(HUBSPOT, "slow", match="batch/read", args={"delay_ms": 1000})
    command = target_command(box, HUBSPOT, [*users(3), state(1)], tmp_path, max_creates=9)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for(lambda: box.struck(HUBSPOT, "slow"))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + signal.SIGTERM, b""), err
    assert box.writes(HUBSPOT) == []
