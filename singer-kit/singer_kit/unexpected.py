"""Unexpected errors: their class and place in our code, never their text.

The text, and what a traceback prints, may quote values of records and settings.
"""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

OPTION = "--traceback"
"""Asks for the traceback, in a file that only its owner can read."""
HINT = f"Please report this. With {OPTION} the details go into a private file."


def described(error: BaseException, packages: Sequence[str]) -> str:
    """The error's class, and the last place in one of these packages that it passed."""
    name = type(error).__name__
    ours = [
        frame
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__", "").partition(".")[0] in packages
    ]
    if not ours:
        return name
    last = ours[-1]
    return f"{name} in {last.f_globals['__name__']}.{last.f_code.co_name}, line {last.f_lineno}"


def write_traceback(error: BaseException, program: str) -> Path:
    """Write the whole traceback into a file that only its owner can read; returns its path."""
    handle, path = tempfile.mkstemp(prefix=f"{program}-", suffix=".traceback.txt")
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(traceback.format_exception(error))
    return Path(path)
