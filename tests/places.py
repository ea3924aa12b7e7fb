"""Where tests keep their files, and in which order they run: what makes the suite quick.

The files go into memory where there is enough of it, since ledgers and inboxes wait for the disk
at each commit. Files with long tests come first, so that no worker is left with one at the end.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")  # noqa: S108  # pytest makes folders of its own there
ENOUGH_BYTES = 4 * 1024**3
LONGEST_FIRST = ("meltano", "heavy", "node", "slow", "process", "postgres", "sandbox", "pure")
"""What tests need, in the order in which they run."""


def has_enough_memory() -> bool:
    """Returns True if there is a file system in memory with enough space."""
    return MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES


if has_enough_memory():
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
# The product is compiled once, and not by each of the many processes that tests start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def fast_folder() -> str | None:
    """The folder for files of servers; None for the system's own."""
    return os.environ.get("PYTEST_DEBUG_TEMPROOT")


class LongestFirst:
    """Puts files with long tests first, once tests and files have been shuffled."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        places: dict[Path, int] = {}
        for item in items:
            place = min(map(LONGEST_FIRST.index, needs(item)))
            places[item.path] = min(place, places.get(item.path, place))
        items.sort(key=lambda item: places[item.path])


def needs(item: pytest.Item) -> list[str]:
    """What a test is marked to need."""
    return [name for name in LONGEST_FIRST if item.get_closest_marker(name) is not None]
