"""kill -9 at any moment, then a second run: nothing lost, nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import CRMS, Crm, each_crm
from support import Result, contents, pipe

BLOCK = 5
"""Small blocks, so that 60 users take many commits in the CRMs that write in batches."""
KILLS = range(20)


@pytest.fixture(scope="session")
def undisturbed(
    shared_box: Box, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Any, int]]:
    """Per CRM: what an undisturbed run leaves, and how many of its calls a kill can follow."""
    left = {}
    for crm in CRMS:
        shared_box.reset()
        result = pipe(shared_box, crm, tmp_path_factory.mktemp(crm.name), batch_size_rows=BLOCK)
        assert result.code == 0, result.stderr
        left[crm.name] = contents(shared_box, crm), len(shared_box.log(crm, crm.record_writes))
    shared_box.reset()
    return left


def check_second_run(box: Box, crm: Crm, first: Result, folder: Path, expected: Any) -> None:
    """Run again from the last STATE; the CRM is as if nobody had been killed."""
    box.clear_faults()
    state = first.states[-1] if first.states else None
    second = pipe(box, crm, folder, state=state, batch_size_rows=BLOCK)
    assert second.code == 0, second.stderr
    assert contents(box, crm) == expected


@pytest.mark.parametrize("kill", KILLS)
@each_crm
def test_target_killed_after_a_commit(
    undisturbed: dict[str, tuple[Any, int]], box: Box, crm: Crm, kill: int, tmp_path: Path
) -> None:
    expected, calls = undisturbed[crm.name]
    assert calls >= len(KILLS)
    after = kill * calls // len(KILLS)
    box.fault(crm, "kill_pid", match=crm.record_writes, after=after, args={"pid": "client"})
    first = pipe(box, crm, tmp_path, batch_size_rows=BLOCK)
    assert first.code == -9
    assert box.struck(crm, "kill_pid")
    check_second_run(box, crm, first, tmp_path, expected)


@pytest.mark.parametrize("kill", [0, 1, 3, 5])
@each_crm
def test_tap_killed_while_it_reads(
    undisturbed: dict[str, tuple[Any, int]], box: Box, crm: Crm, kill: int, tmp_path: Path
) -> None:
    box.fault("canai", "kill_pid", after=kill, args={"pid": "tap-canai"})
    first = pipe(box, crm, tmp_path, batch_size_rows=BLOCK)
    assert first.code != 0
    check_second_run(box, crm, first, tmp_path, undisturbed[crm.name][0])
