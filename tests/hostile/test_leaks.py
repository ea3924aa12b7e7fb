"""Personal data and secrets are only where they may be, at every level of the log.

Where they may be: the CRM, the messages between tap and target, dead letters and what waits in the
ledger, which only the owner can read.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from box import BIN, Box
from crms import Crm, each_crm
from support import Message, catalog, tap_config, target_command, written

STREAMS = ("users", "payments", "deliverables", "feedback")
PERSONAL = (
    "email",
    "user_email",
    "first_name",
    "last_name",
    "phone",
    "business_description",
    "comment",
)
SHORTEST = 5
"""Characters: shorter values are part of other words."""
MAY_HOLD = {("dead_letter", "record"), ("waiting_link", "record"), ("filtered", "record")}
"""Columns of the ledger that may hold personal data."""


def secrets_of(crm: Crm, box: Box) -> set[str]:
    """The secrets of tap and target, as they are and in base64."""
    settings = crm.credentials(box.url)
    named = {
        str(value)
        for name, value in settings.items()
        if any(word in name for word in ("token", "secret", "key"))
    }
    plain = named | {"sandbox-key"}
    return plain | {base64.b64encode(value.encode()).decode() for value in plain}


def personal_data(messages: list[Message]) -> set[str]:
    """The personal values of records, and the queries of signed URLs."""
    found: set[str] = set()
    for message in messages:
        record: dict[str, Any] = message.get("record") or {}
        found |= {str(record[name]) for name in PERSONAL if record.get(name)}
        if record.get("pdf_url"):
            found.add(str(record["pdf_url"]).rpartition("?")[2])
    return {value for value in found if len(value) >= SHORTEST}


def spoiled(messages: list[Message]) -> list[Message]:
    """The messages, in which some users end as dead letters by values that no CRM takes."""
    users = [message for message in messages if message.get("stream") == "users"]
    records = [message["record"] for message in users if message["type"] == "RECORD"]
    for number, record in enumerate(records[:9]):
        record[PERSONAL[number % 4 + 1 if number % 4 else 0]] = f"Leak-{number}-" + "x" * 300
    return messages


def ledger_cells(path: Path) -> list[tuple[tuple[str, str], str]]:
    """Every cell of the ledger, with its table and column."""
    cells: list[tuple[tuple[str, str], str]] = []
    with closing(sqlite3.connect(path)) as base:
        tables = [
            row[0] for row in base.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        for table in tables:
            rows = base.execute(f"SELECT * FROM {table}")  # names of our own tables
            columns = [column[0] for column in rows.description]
            for row in rows:
                for column, value in zip(columns, row, strict=True):
                    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
                    cells.append(((table, column), text))
    return cells


@each_crm
def test_nothing_personal_and_no_secret_leaves_its_place(
    box: Box, crm: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGLEVEL", "DEBUG")
    config = written(tmp_path, "tap.json", tap_config(box, tmp_path))
    tap = [BIN / "tap-canai", "--config", config, "--catalog", catalog(tmp_path, STREAMS)]
    read = subprocess.run([*map(str, tap)], capture_output=True, text=True, check=True, timeout=120)
    messages = spoiled([json.loads(line) for line in read.stdout.splitlines()])
    files = {"attach_deliverables": True, "allow_private_download_hosts": True}
    command = target_command(box, crm, messages, tmp_path, **files)
    sent = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert sent.returncode == 0, sent.stderr[-2000:]
    assert "DEBUG" in read.stderr + sent.stderr

    reports = tmp_path / f"reports-{crm}"
    places = {
        "the tap's log": read.stderr,
        "the target's log": sent.stderr,
        "the STATE": sent.stdout,
        "the audit log": (tmp_path / "audit.jsonl").read_text(),
        "the report": "".join(path.read_text() for path in reports.iterdir()),
        "names of files": "\n".join(str(path) for path in tmp_path.rglob("*")),
    }
    letters = 0
    for cell, text in ledger_cells(tmp_path / f"{crm}.db"):
        letters += cell == ("dead_letter", "record")
        if cell not in MAY_HOLD:
            places[f"the ledger's {'.'.join(cell)}"] = (
                places.get(f"the ledger's {'.'.join(cell)}", "") + text
            )
    assert letters >= 3

    wanted = personal_data(messages)
    assert len(wanted) > 100
    for place, text in places.items():
        found = {value for value in wanted | secrets_of(crm, box) if value in text}
        assert not found, f"{place} holds {len(found)} values such as {sorted(found)[0][:30]!r}"
