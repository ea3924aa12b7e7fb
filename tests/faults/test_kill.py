"""kill -9 at any moment, then a second run: nothing lost, nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import TARGETS, Box, contents, pipe

CRMS = sorted(TARGETS)
BLOCK = 5
"""Small blocks, so that 60 users take many commits in the CRMs that write in batches."""
KILLS = range(20)


@pytest.fixture(scope="session")
def undisturbed(
    shared_box: Box, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Any, int]]:
    """Per CRM: what an undisturbed run leaves, and how many of its calls a kill can follow."""
    found = {}
    for crm in CRMS:
        shared_box.reset()
        lift_limit(shared_box)
        result = pipe(shared_box, crm, tmp_path_factory.mktemp(crm), batch_size_rows=BLOCK)
        assert result.code == 0, result.stderr
        struck = [line for line in shared_box.log(crm) if record_path(crm) in line["path"]]
        found[crm] = contents(shared_box, crm), len(struck)
    return found


def lift_limit(box: Box) -> None:
    box.call("POST", "/_sandbox/limits", {"crm": "pipedrive", "calls": 100_000, "per_s": 1})


def record_path(crm: str) -> str:
    """What the paths of writes of records have in common."""
    return {"hubspot": "/batch/", "pipedrive": "/api/v2/", "salesforce": "/composite/sobjects/"}[
        crm
    ]


@pytest.mark.parametrize("kill", KILLS)
@pytest.mark.parametrize("crm", CRMS)
def test_target_killed_after_a_commit(
    box: Box, crm: str, kill: int, tmp_path: Path, undisturbed: dict[str, tuple[Any, int]]
) -> None:
    expected, calls = undisturbed[crm]
    assert calls >= len(KILLS)
    lift_limit(box)
    box.fault(
        crm,
        "kill_pid",
        match=record_path(crm),
        after=kill * calls // len(KILLS),
        args={"pid": "client"},
    )
    first = pipe(box, crm, tmp_path, batch_size_rows=BLOCK)
    assert first.code == -9
    assert [line for line in box.log(crm) if line["fault"] == "kill_pid"]
    box.call("DELETE", "/_sandbox/faults")
    state = first.states[-1] if first.states else None
    second = pipe(box, crm, tmp_path, state=state, batch_size_rows=BLOCK)
    assert second.code == 0, second.stderr
    assert contents(box, crm) == expected


@pytest.mark.parametrize("kill", [0, 1, 3, 5])
@pytest.mark.parametrize("crm", CRMS)
def test_tap_killed_while_it_reads(
    box: Box, crm: str, kill: int, tmp_path: Path, undisturbed: dict[str, tuple[Any, int]]
) -> None:
    expected, _ = undisturbed[crm]
    lift_limit(box)
    box.fault("canai", "kill_pid", after=kill, args={"pid": "tap-canai"})
    first = pipe(box, crm, tmp_path, batch_size_rows=BLOCK)
    assert first.code != 0
    box.call("DELETE", "/_sandbox/faults")
    second = pipe(
        box, crm, tmp_path, state=first.states[-1] if first.states else None, batch_size_rows=BLOCK
    )
    assert second.code == 0, second.stderr
    assert contents(box, crm) == expected
