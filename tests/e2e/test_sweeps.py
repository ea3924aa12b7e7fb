"""What comes again: sweeps over unchanged activity, wrong clocks, backfills that were killed."""

from __future__ import annotations

import random
import subprocess
import time
from datetime import datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any

import pytest

from box import BIN, Box
from crms import SALESFORCE, Crm, each_crm, one_crm
from support import (
    by_key,
    catalog,
    contents,
    deliver,
    exports_noted,
    last_state,
    records,
    run_tap,
    tap_config,
    written,
)


@each_crm
def test_changes_that_move_no_activity_come_with_the_next_sweep_and_cost_no_call_before(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    streams = ("users", "payments")
    _, first = run_tap(box, tmp_path, streams=streams)
    deliver(box, crm, first, tmp_path)
    payment = next(
        row
        for row in box.objects("canai", "payments")
        if row["properties"]["status"] == "succeeded"
    )
    box.mutate(
        stream="payments",
        ids=[payment["id"]],
        set={"status": "refunded", "refunded_amount": payment["properties"]["amount"]},
    )
    payer = payment["properties"]["user_id"]
    box.mutate(stream="users", ids=[payer], set={"total_spent": 1}, touch=False)
    rated = [row["id"] for row in box.objects("canai", "users")[:5]]
    box.mutate(stream="users", ids=rated, set={"average_rating": 1.5}, touch=False)
    box.advance(5)
    box.forget_log()
    _, soon = run_tap(box, tmp_path, state=last_state(first), streams=streams)
    assert records(soon, "users") == []
    assert [record["payment_id"] for record in records(soon, "payments")] == [payment["id"]]
    deliver(box, crm, soon, tmp_path)
    if crm is SALESFORCE:
        opportunity = by_key(box, crm, crm.deals, crm.deal_key)[payment["id"]]
        assert opportunity["properties"]["StageName"] == "Closed Lost"
    else:
        assert box.writes(crm) == []
    box.advance(8 * 86_400)
    before = contents(box, crm)
    _, sweep = run_tap(box, tmp_path, state=last_state(soon), streams=streams)
    assert len(records(sweep, "users")) == 60
    result = deliver(box, crm, sweep, tmp_path)
    changed = {
        key
        for key, rows in contents(box, crm).items()
        if key.startswith(crm.people) and rows != before[key]
    }
    assert changed == {f"{crm.people}/{key}" for key in {payer, *rated}}
    assert result.counts(crm.people)["unchanged"] == 60 - len(changed)
    marks = [
        value["bookmarks"]["users"]["replication_key_value"]
        for value in (last_state(soon), last_state(sweep))
    ]
    assert marks == sorted(marks)


@pytest.mark.parametrize("wrong_by_s", [-600, 600])
def test_a_machine_whose_clock_is_wrong_loses_and_doubles_nothing(
    box: Box, tmp_path: Path, wrong_by_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + wrong_by_s)
    _, first = run_tap(box, tmp_path)
    changed = box.mutate(users=4)
    box.advance(400)
    _, second = run_tap(box, tmp_path, state=last_state(first))
    assert sorted(record["user_id"] for record in records(second)) == sorted(changed)
    box.advance(400)
    _, third = run_tap(box, tmp_path, state=last_state(second))
    assert records(third) == []


def killed_tap(box: Box, folder: Path, state: Any, after: float) -> tuple[int, list[str]]:
    """Exit code and lines of a tap that is killed after some lines."""
    config = tap_config(
        box, folder, window_days=2.6, requests_per_minute=10_000, parallel_exports=1
    )
    command = [str(BIN / "tap-canai"), "--config", str(written(folder, "tap.json", config))]
    command += ["--catalog", str(catalog(folder, ("users",)))]
    if state is not None:
        command += ["--state", str(written(folder, "state.json", state))]
    lines = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if len(lines) > after:
                process.kill()
                break
    return process.returncode, lines


@one_crm
@pytest.mark.parametrize("kills", [4, pytest.param(10, marks=pytest.mark.soak)])
def test_a_backfill_killed_at_random_moments_resumes_at_its_last_window(
    box: Box, crm: Crm, kills: int, tmp_path: Path
) -> None:
    rng = random.Random(crm.name)
    state: Any = None
    for kill in range(kills + 1):
        before = len(exports_noted(tmp_path))
        last = kill == kills
        code, lines = killed_tap(box, tmp_path, state, inf if last else rng.randint(2, 9))
        assert (code == 0) == last
        asked = exports_noted(tmp_path)[before:]
        if state is not None and asked:
            reached = datetime.fromisoformat(state["bookmarks"]["users"]["sweep_from"])
            start = datetime.fromisoformat(asked[0]["date_range"]["start"])
            assert start >= reached - timedelta(seconds=300)
        delivered = deliver(box, crm, written(tmp_path, "lines.jsonl", "".join(lines)), tmp_path)
        assert delivered.code == 0
        state = delivered.states[-1] if delivered.states else state
    assert len({export["date_range"]["end"] for export in exports_noted(tmp_path)}) >= 24
    keys = sorted(row["properties"][crm.person_key] for row in box.people(crm))
    assert keys == sorted(row["id"] for row in box.objects("canai", "users"))
