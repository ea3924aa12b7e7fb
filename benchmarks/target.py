"""What a record costs a target that has nothing to do: CPU time, by the kernel's accounts.

python benchmarks/target.py [RECORDS [ROUNDS]]    prints a table, the medians of all rounds

`u` is one decode and encode of the same RECORD line by orjson: the unit that survives a change of
machine. Beside the target runs the SDK's plain target, which does nothing. Start-up is left out: it
is the same for few records and for many, and the cost of a record is the slope between the two.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import orjson

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from box import BIN, Box, sandbox  # noqa: E402
from crms import HUBSPOT  # noqa: E402
from support import run_tap, target_config, written  # noqa: E402  # the tests' own parts

CRM = HUBSPOT
RECORDS = 20_000
ROUNDS = 5
FEW = 10
"""The short run has this part of the records."""
LATER = "2026-02-15T00:00:00.000000Z"
NULL_TARGET = Path(__file__).parent / "null_target.py"


@dataclass(frozen=True, slots=True)
class Row:
    """What one record costs."""

    work: str
    microseconds: float
    units: float


@dataclass(frozen=True, slots=True)
class Work:
    """Messages, and the command that reads them."""

    name: str
    messages: Path
    command: Callable[[Path], list[str]]
    """The command for a file of messages, made ready to run again."""


def cpu_s(command: Sequence[str]) -> float:
    """The CPU time of a command and its threads. Raises: SystemExit if it fails."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(said.decode())
    return usage.ru_utime + usage.ru_stime


def unit_us(lines: Sequence[bytes]) -> float:
    """One unit `u`, in microseconds."""
    began = time.process_time()
    for line in lines:
        orjson.dumps(orjson.loads(line))
    return (time.process_time() - began) / len(lines) * 1e6


def per_record_us(work: Work) -> float:
    """What one record of a work costs, without start-up."""
    lines = work.messages.read_bytes().splitlines(keepends=True)
    few = work.messages.with_suffix(".few")
    few.write_bytes(b"".join(lines[: len(lines) // FEW]))
    taken = cpu_s(work.command(work.messages)) - cpu_s(work.command(few))
    return taken / (len(lines) - len(lines) // FEW) * 1e6


def target_command(config: Path, ledger: Path, messages: Path) -> list[str]:
    """Our target, on a copy of a ledger that knows every record."""
    for suffix in ("", "-wal", "-shm"):
        copy = ledger.with_name(f"{CRM}.db{suffix}")
        copy.unlink(missing_ok=True)
        if ledger.with_name(ledger.name + suffix).exists():
            shutil.copy(ledger.with_name(ledger.name + suffix), copy)
    return [str(BIN / f"target-{CRM}"), "--config", str(config), "--input", str(messages)]


def null_command(messages: Path) -> list[str]:
    """The SDK's plain target."""
    return [sys.executable, str(NULL_TARGET), "--input", str(messages)]


def lines_of(messages: Iterable[object]) -> bytes:
    """Messages as lines, without spaces."""
    return b"".join(
        json.dumps(message, separators=(",", ":")).encode() + b"\n" for message in messages
    )


def works(box: Box, folder: Path) -> list[Work]:
    """Everything that is measured, once the CRM holds every record."""
    code, messages = run_tap(box, folder, window_days=90)
    assert code == 0
    messages = [each for each in messages if each["type"] != "STATE"]
    config = written(folder, "target.json", target_config(box, CRM, folder))
    same = folder / "same.jsonl"
    same.write_bytes(lines_of(messages))
    cpu_s([str(BIN / f"target-{CRM}"), "--config", str(config), "--input", str(same)])
    ledger = folder / "filled.db"
    for suffix in ("", "-wal", "-shm"):
        known = folder / f"{CRM}.db{suffix}"
        if known.exists():
            shutil.copy(known, ledger.with_name(ledger.name + suffix))

    records = [each for each in messages if each["type"] == "RECORD"]
    for number, each in enumerate(records):
        each["record"]["unmapped"] = f"export {number}"
    differs = folder / "differs.jsonl"
    differs.write_bytes(lines_of(messages))
    for each in records:
        each["time_extracted"] = LATER
    later = folder / "later.jsonl"
    later.write_bytes(lines_of(messages))
    ours = partial(target_command, config, ledger)
    return [
        Work(f"target-{CRM}, the same lines again", same, ours),
        Work(f"target-{CRM}, every line differs, no field does", differs, ours),
        Work(f"target-{CRM}, the same, seen at a later time", later, ours),
        Work("the SDK's plain target, which does nothing", same, null_command),
    ]


def rows(records: int = RECORDS, rounds: int = ROUNDS) -> list[Row]:
    """The cost of one record of each work, as medians of interleaved rounds."""
    with tempfile.TemporaryDirectory() as name, sandbox(records) as box:
        measured = works(box, Path(name))
        lines = [
            line
            for line in measured[0].messages.read_bytes().splitlines()
            if line.startswith(b'{"type":"RECORD"')
        ]
        units: list[float] = []
        taken: dict[str, list[float]] = {work.name: [] for work in measured}
        for _ in range(rounds):
            units.append(unit_us(lines))
            for work in measured:
                taken[work.name].append(per_record_us(work))
        unit = statistics.median(units)
        found = [Row("u, orjson decode and encode", unit, 1.0)]
        for work, times in taken.items():
            found.append(Row(work, statistics.median(times), statistics.median(times) / unit))
        return found


if __name__ == "__main__":
    for row in rows(*map(int, sys.argv[1:])):
        print(f"{row.work:58} {row.microseconds:8.1f} µs {row.units:6.1f} u")
