"""Where secrets and personal data may be, and every place where they could be instead."""

from __future__ import annotations

import base64
import re
import sqlite3
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from box import Box
from support import clean_environment

PERSONAL = frozenset(
    {
        "email",
        "user_email",
        "first_name",
        "last_name",
        "phone",
        "business_description",
        "location",
        "comment",
    }
)
"""Properties with data of people."""
SHORTEST = 5
"""Characters: shorter values are part of other words."""
SOURCES = ("users", "payments", "feedback", "deliverables")
MAY_HOLD = frozenset(
    {
        ("dead_letter", "record"),
        ("dead_letter", "earlier"),
        ("waiting_link", "record"),
        ("waiting_link", "earlier"),
        ("webhook_inbox", "data"),
    }
)
"""Columns of ledger and inbox that may hold personal data: dead letters, what waits, events."""
MESSAGES = ("*.jsonl", "*.json")
"""Files that a test makes: messages between tap and target, and settings, which hold secrets."""
SIGNED = re.compile(r"/storage/[^\s\"']+\?")
"""The URL of an export or a file with its signature."""


def personal_data(box: Box) -> set[str]:
    """The personal values of everyone at the source."""
    values: set[str] = set()
    for source in SOURCES:
        for row in box.objects("canai", source):
            values |= {str(row["properties"].get(name) or "") for name in PERSONAL}
    return {value for value in values if len(value) >= SHORTEST and not value.isdigit()}


def forms_of(secrets: Iterable[str]) -> set[str]:
    """Secrets as they are, and in base64, with and without a line break at the end."""
    plain = {secret.strip() for secret in secrets}
    ends = {secret + end for secret in plain for end in ("", "\n")}
    encoded = {base64.b64encode(secret.encode()).decode() for secret in ends}
    # the last signs of base64 depend on what follows
    return plain | encoded | {text.rstrip("=")[:-1] for text in encoded}


def cells_of(path: Path) -> list[tuple[tuple[str, str], str]]:
    """Every cell of a database, with its table and column."""
    cells: list[tuple[tuple[str, str], str]] = []
    with closing(sqlite3.connect(path)) as base:
        tables = base.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
        for (table,) in tables:
            rows = base.execute(f"SELECT * FROM {table}")  # names of our own tables
            columns = [column[0] for column in rows.description]
            for row in rows:
                for column, value in zip(columns, row, strict=True):
                    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
                    cells.append(((table, column), text))
    return cells


@dataclass
class Places:
    """Texts by the place where they were found."""

    folder: Path
    """Everything that the programs write is in here."""
    texts: dict[str, str] = field(default_factory=dict)

    def add(self, place: str, text: str) -> None:
        self.texts[place] = self.texts.get(place, "") + text + "\n"

    def run(self, name: str, command: Sequence[object]) -> tuple[int, str]:
        """Run a program; its exit code, and what it writes to standard output."""
        out = self.folder / "standard-output"
        with out.open("w") as stdout:
            process = subprocess.Popen(
                [*map(str, command)], stdout=stdout, stderr=subprocess.PIPE, text=True,
                env={**clean_environment(), "LOGLEVEL": "DEBUG"},
            )  # fmt: skip
        time.sleep(0.3)
        with suppress(OSError):
            line = Path(f"/proc/{process.pid}/cmdline").read_bytes().replace(b"\0", b" ")
            self.add("command lines", line.decode())
        _, stderr = process.communicate(timeout=120)
        self.add(f"the log of {name}", stderr)
        text = out.read_text()
        out.unlink()
        return process.returncode, text

    def add_files(self, secret_files: Iterable[str] = MESSAGES) -> None:
        """Add the names of all files, and the content of those that a test did not make."""
        for path in sorted(self.folder.rglob("*")):
            self.add("names of files", str(path))
            if not path.is_file() or (path.parent == self.folder and is_made(path, secret_files)):
                continue
            if path.suffix == ".db":
                for cell, text in cells_of(path):
                    if cell not in MAY_HOLD:
                        self.add(f"{path.name}'s {'.'.join(cell)}", text)
            elif path.suffix not in (".db-wal", ".db-shm", ".lock"):
                self.add(f"the file {path.name}", path.read_text(errors="replace"))

    def leaks(self, wanted: Mapping[str, set[str]]) -> list[str]:
        """What was found where it must not be."""
        found = [
            f"{place} holds {kind}: {sorted(held)[0][:40]!r} and {len(held) - 1} others"
            for place, text in self.texts.items()
            for kind, values in wanted.items()
            if (held := {value for value in values if value in text})
        ]
        return found + [
            f"{place} holds a signed URL"
            for place, text in self.texts.items()
            if SIGNED.search(text)
        ]


def is_made(path: Path, patterns: Iterable[str]) -> bool:
    """Returns True for a file of a test, except for the audit log and reports."""
    return path.name != "audit.jsonl" and any(path.match(pattern) for pattern in patterns)


def modes_open_to_others(folder: Path) -> list[str]:
    """Databases that others than their owner can read."""
    return [str(path) for path in folder.rglob("*.db*") if path.stat().st_mode & 0o077]


def secret_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    """The settings that are secrets."""
    words = ("token", "secret", "key")
    return {
        name: str(value) for name, value in settings.items() if any(word in name for word in words)
    }
