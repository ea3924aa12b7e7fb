"""Who runs this process."""

from __future__ import annotations

import getpass
import os


def user_name() -> str:
    """The user of this process, as the machine knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
