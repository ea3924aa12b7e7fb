"""Files that hold personal data: only their owner can read them."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

OWNER_ONLY = 0o600
OWNER_FOLDER = 0o700


def make_private(path: Path) -> None:
    """Create an empty file that only its owner can read; an existing one is left as it is.

    Raises: OSError.

    An existing file is not even opened: closing it would drop the locks that SQLite holds on it
    in this process, and two writers at once corrupt a database.
    Source: sqlite.org, How To Corrupt An SQLite Database File, section 2.2, read 2026-11-24.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER_ONLY))


def make_private_folder(path: Path) -> None:
    """Create a folder, and those above it, that only their owner can read, unless they exist.

    Raises: OSError.
    """
    if path.is_dir():
        return
    make_private_folder(path.parent)  # mkdir gives its `mode` to the last folder alone
    path.mkdir(exist_ok=True, mode=OWNER_FOLDER)


def write_private(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Write a file that only its owner can read.

    Raises: FileExistsError unless `replace`, OSError.
    """
    kind = os.O_TRUNC if replace else os.O_EXCL
    handle = os.open(path, os.O_CREAT | os.O_WRONLY | kind, OWNER_ONLY)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def replace_private(path: Path, content: bytes) -> None:
    """Replace a file, whole or not at all, by one that only its owner can read. Raises: OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError:
        with suppress(OSError):
            os.unlink(name)
        raise
