"""`mask_dead_letters`: no value of a rejected record stays on the disk."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from reverse_etl.singer.cli import main as run_target
from singer_kit.times import utc_text

from box import Box
from crms import Crm, each_crm
from support import Result, deliver, target_config, user, users, written

EMAIL = "user1@example.com"


def on_disk(folder: Path, crm: Crm) -> bytes:
    """Everything that the ledger and the reports have written."""
    files = [*folder.glob(f"{crm}.db*"), *(folder / f"reports-{crm}").iterdir()]
    return b"".join(file.read_bytes() for file in files)


def age_letters(folder: Path, crm: Crm) -> None:
    """Have letters been tried last two days ago."""
    two_days_ago = utc_text(datetime.now(UTC) - timedelta(days=2))
    with contextlib.closing(sqlite3.connect(folder / f"{crm}.db")) as base:
        base.execute("UPDATE dead_letter SET last_at = ?", (two_days_ago,))
        base.commit()


BAD = [*users([0, 2]), user(1, last_active_at="soon")]
"""Three users; the rules of each CRM reject one of them."""


def keys(result: Result) -> set[str]:
    return {letter["key"] for letter in result.letters}


@each_crm
def test_a_masked_letter_waits_for_its_record_and_holds_no_value(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masked = {"mask_dead_letters": True}
    assert keys(deliver(box, crm, BAD, tmp_path, **masked)) == {"user-1"}
    for value in (EMAIL, "Lee1"):
        assert value.encode() not in on_disk(tmp_path, crm)
    config = str(written(tmp_path, "list.json", target_config(box, crm, tmp_path)))
    capsys.readouterr()
    assert run_target(crm.target, ["dead-letters", "list", "--json", "--config", config]) == 0
    for listed in json.loads(capsys.readouterr().out):
        assert (listed["record"], listed["key"]) == ({}, "user-1")
        assert {"email", "last_name", "user_id"} <= set(listed["properties"])
    waits = deliver(box, crm, users([0, 2]), tmp_path, **masked)
    assert {letter["times"] for letter in waits.letters} == {1}
    comes = deliver(box, crm, users([1]), tmp_path, **masked)
    assert (comes.code, comes.letters) == (0, [])
    assert len(box.people(crm)) == 3


@each_crm
def test_letters_of_before_lose_their_values(box: Box, crm: Crm, tmp_path: Path) -> None:
    deliver(box, crm, BAD, tmp_path)
    assert EMAIL.encode() in on_disk(tmp_path, crm)
    deliver(box, crm, users([0]), tmp_path, mask_dead_letters=True)
    assert EMAIL.encode() not in on_disk(tmp_path, crm)


@each_crm
def test_old_letters_lose_their_values(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deliver(box, crm, BAD, tmp_path)
    days = {"retention_days": 1}
    assert keys(deliver(box, crm, users([0]), tmp_path, **days)) == {"user-1"}
    assert EMAIL.encode() in on_disk(tmp_path, crm)
    age_letters(tmp_path, crm)
    assert keys(deliver(box, crm, users([0]), tmp_path, **days)) == {"user-1"}
    assert EMAIL.encode() not in on_disk(tmp_path, crm)
    assert "open dead letters were deleted; they are tried again" in caplog.text
    assert deliver(box, crm, users([0]), tmp_path, retention_days=1e300).code == 1
    assert "'retention_days' is not valid" in caplog.text
