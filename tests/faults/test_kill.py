"""kill -9 at any moment, then a second run: nothing lost, nothing twice."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import CRMS, Crm, each_crm
from support import contents, deliver, extract, pipe, pipeline_streams, target_command

BLOCK = 5
"""Small blocks, so that 60 users take many commits in the CRMs that write in batches."""
KILLS = 20
ALWAYS = 10
"""Kills that are always on; the others by `make soak`."""


def kill_points() -> list[Any]:
    """Every second kill, from the first to the last but one; the others marked."""
    every = KILLS // ALWAYS
    return [
        pytest.param(kill, marks=[pytest.mark.soak] if kill % every else [])
        for kill in range(KILLS)
    ]


def read(box: Box, crm: Crm, folder: Path, state: Any = None) -> Path:
    """The tap's messages, as a pipeline to this CRM has them."""
    return extract(box, folder, state, streams=pipeline_streams(crm))


@pytest.fixture(scope="session")
def undisturbed(
    shared_box: Box, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Any, int]]:
    """Per CRM: what an undisturbed run leaves, and how many of its calls a kill can follow."""
    left = {}
    for crm in CRMS:
        shared_box.reset()
        folder = tmp_path_factory.mktemp(crm.name)
        messages = read(shared_box, crm, folder)
        assert deliver(shared_box, crm, messages, folder, batch_size_rows=BLOCK).code == 0
        left[crm.name] = contents(shared_box, crm), len(shared_box.log(crm, crm.record_writes))
    shared_box.reset()
    return left


def check_second_run(box: Box, crm: Crm, states: list[Any], folder: Path, expected: Any) -> None:
    """Run again from the last STATE; the CRM is as if nothing had been killed."""
    box.clear_faults()
    messages = read(box, crm, folder, states[-1] if states else None)
    assert deliver(box, crm, messages, folder, batch_size_rows=BLOCK).code == 0
    assert contents(box, crm) == expected


@pytest.mark.parametrize("kill", kill_points())
@each_crm
def test_target_killed_after_a_commit(
    undisturbed: dict[str, tuple[Any, int]], box: Box, crm: Crm, kill: int, tmp_path: Path
) -> None:
    expected, calls = undisturbed[crm.name]
    assert calls >= KILLS
    messages = read(box, crm, tmp_path)
    after = kill * calls // KILLS
    box.fault(crm, "kill_pid", match=crm.record_writes, after=after, args={"pid": "client"})
    command = target_command(box, crm, messages, tmp_path, batch_size_rows=BLOCK)
    first = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert first.returncode == -9, first.stderr
    assert box.struck(crm, "kill_pid")
    states = [json.loads(line) for line in first.stdout.splitlines()]
    check_second_run(box, crm, states, tmp_path, expected)


@pytest.mark.parametrize(
    "kill", [1, 5, *(pytest.param(kill, marks=pytest.mark.soak) for kill in (0, 3))]
)
@each_crm
def test_tap_killed_while_it_reads(
    undisturbed: dict[str, tuple[Any, int]], box: Box, crm: Crm, kill: int, tmp_path: Path
) -> None:
    """`tap | target` as real processes: the target sees its input end in the middle."""
    box.fault("canai", "kill_pid", after=kill, args={"pid": "tap-canai"})
    first = pipe(box, crm, tmp_path, batch_size_rows=BLOCK)
    assert first.code != 0
    check_second_run(box, crm, first.states, tmp_path, undisturbed[crm.name][0])
