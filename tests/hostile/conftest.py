"""What each hostile check holds beside its own: no traceback, and memory within bounds."""

from __future__ import annotations

import resource
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

MOST_MB = 150
"""What a process may take."""
MOST_GROWTH_MB = 80
"""What a check may add to this process: less than what is left to a tap or target."""
TRACEBACK = "Traceback (most recent call last)"


def memory_mb(name: str) -> float:
    """This process's memory: VmRSS now, VmHWM at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def children_mb() -> float:
    """What the largest child process that has ended took at most."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


own_peaks = [0.0]
"""What this process took at most, whenever: a child's figure begins with its parent's."""


@pytest.fixture(autouse=True)
def memory() -> Generator[None]:
    """Fails a check that takes too much, here or in a process that it starts."""
    start, children = memory_mb("VmRSS"), children_mb()
    own_peaks.append(memory_mb("VmHWM"))
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts at what is used now
    yield
    own_peaks.append(memory_mb("VmHWM"))
    growth = own_peaks[-1] - start
    assert growth < MOST_GROWTH_MB
    assert children_mb() < max(MOST_MB, children + 1, max(own_peaks) + 1)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Generator[None, Any, None]:
    """Fails a check that left a traceback in a log or on stderr."""
    outcome = yield
    report = outcome.get_result()
    said = report.capstderr + report.caplog
    if report.when == "call" and report.passed and TRACEBACK in said:
        report.outcome, report.longrepr = "failed", f"a traceback was written:\n{said}"
