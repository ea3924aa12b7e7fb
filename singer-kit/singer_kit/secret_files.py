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
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise SettingError(f"{setting} names something that is not a file.", "Name a file.")
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise SettingError(
            f"{setting} names a file that cannot be read ({error.strerror}).",
            "Check its path and who may read it.",
        ) from None
    except ValueError:  # not UTF-8, or a path with a NUL
        raise SettingError(f"{setting} does not name a text file.", "Check its path.") from None
    if len(content) > LARGEST_BYTES or not text.strip():
        what = "is empty" if len(content) <= LARGEST_BYTES else "is too large for a secret"
        raise SettingError(f"The file of {setting} {what}.", "Write the secret into it.")
    if mode & stat.S_IROTH:
        warn_of_readers(path, setting)
    return clean_secret(text, setting)


@cache
def warn_of_readers(path: Path, setting: str) -> None:
    """Say once that everybody on this machine can read a secret's file."""
    logger.warning(
        "the file of %s can be read by every user of this machine. Make it readable by its owner "
        "only (chmod 600)",
        setting,
    )
