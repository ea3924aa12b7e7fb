"""Where tests keep their files: in memory if there is enough of it.

Ledgers and inboxes wait for the disk at each commit.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108  # pytest makes folders of its own there
ENOUGH_BYTES = 4 * 1024**3


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
