"""Secrets as settings: as a value, in a file, or in an environment variable of another name.

A secret is read where it is used, so a file that was changed counts from the next reading on.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from singer_sdk import typing as th

from singer_kit.errors import SettingError
from singer_kit.secrets import clean_secret

logger = logging.getLogger(__name__)

LARGEST_BYTES = 64 * 1024
"""More than any secret has."""


def secret_settings(
    name: str, *, title: str, description: str
) -> tuple[th.Property[Any], th.Property[Any]]:
    """The settings of a secret: its value, and a file that holds it."""
    return (
        th.Property(name, th.StringType, secret=True, title=title, description=description),
        th.Property(
            file_setting(name),
            th.StringType,
            title=f"{title} file",
            description=f"A file that holds `{name}`, instead of the setting. It is read again "
            "when its content is refused.",
        ),
    )


def file_setting(name: str) -> str:
    """The setting, or the environment variable, that names a secret's file."""
    return f"{name}_FILE" if name.isupper() else f"{name}_file"


def secret_of(config: Mapping[str, Any], name: str, variable: str = "") -> str:
    """A secret, from its setting, its file or its environment variable; empty if none is set.

    Raises: SettingError if two are set that contradict each other, if the file cannot be used, or
    if the secret has a character that no header can carry.
    """
    value = str(config.get(name) or "")
    where = name
    if not value and variable:
        value, where = os.environ.get(variable, ""), variable
    setting = file_setting(name)
    file = str(config.get(setting) or "")
    if not file:
        return clean_secret(value, where)
    if value:
        raise SettingError(f"{where} and {setting} are both set.", "Set one of them.")
    return read_secret(Path(file), setting)


def read_secret(path: Path, setting: str) -> str:
    """The secret that a file holds, without blanks around it. Raises: SettingError."""
    content = content_of(path, setting)
    try:
        secret = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise SettingError(f"{setting} does not name a text file.", "Check its path.") from None
    if not secret:
        raise SettingError(f"The file of {setting} is empty.", "Write the secret into it.")
    return clean_secret(secret, setting)


def content_of(path: Path, setting: str) -> bytes:
    """The bytes of a secret's file. Raises: SettingError."""
    try:
        mode = path.stat().st_mode
        # only what can be read again: a pipe would be empty, or wait, the second time
        content = first_bytes(path) if stat.S_ISREG(mode) else None
    except (OSError, ValueError) as error:  # a path with a NUL is a ValueError
        reason = getattr(error, "strerror", None) or "not a path"
        raise SettingError(
            f"{setting} names a file that cannot be read ({reason}).",
            "Check its path and who may read it.",
        ) from None
    if content is None or len(content) > LARGEST_BYTES:
        what = (
            "something that is not a file" if content is None else "a file too large for a secret"
        )
        raise SettingError(f"{setting} names {what}.", "Check its path.")
    if mode & stat.S_IROTH:
        warn_of_readers(path, setting)
    return content


def first_bytes(path: Path) -> bytes:
    """A file's bytes, or its first ones if there are too many. Raises: OSError."""
    with path.open("rb") as file:
        return file.read(LARGEST_BYTES + 1)


@cache
def warn_of_readers(path: Path, setting: str) -> None:
    """Say once that every user of this machine can read a secret's file."""
    logger.warning(
        "the file of %s can be read by every user of this machine. Make it readable by its owner "
        "only (chmod 600)",
        setting,
    )
