"""Files that hold personal data."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def make_private(path: Path) -> None:
    """Make a file for its owner alone, unless it is there. Raises: OSError.

    One that is there is not opened: to close it would drop the locks that SQLite holds on it in this process, and two
    writers at once spoil a database. Source: sqlite.org, How To Corrupt An SQLite Database File, 2.2.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
