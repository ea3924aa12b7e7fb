"""`audit verify` of a target: what commands did to the ledger, and whether that was changed."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from reverse_etl.singer.cli import main as run_target

from box import Box
from crms import Crm, each_crm
from support import deliver, target_config, user, users, written


@each_crm
def test_a_change_of_the_audit_ends_the_command_with_its_place(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(written(tmp_path, "audit.json", target_config(box, crm, tmp_path)))

    def run(*arguments: str) -> tuple[int, str]:
        code = run_target(crm.target, [*arguments, "--config", config])
        return code, "".join(capsys.readouterr())

    bad = user(1, last_active_at="soon")
    deliver(box, crm, [*users([0]), bad], tmp_path)
    assert "the audit holds no events" in run("audit", "verify")[1]
    assert run("dead-letters", "close", "--all")[0] == 0
    deliver(box, crm, [*users([0]), bad], tmp_path)
    assert run("replay", "--key", "user-1")[0] in (0, 1)
    code, said = run("audit", "verify")
    assert (code, ": 2 events, each fits the one before" in said) == (0, True)
    file = tmp_path / f"{crm}.db"
    with contextlib.closing(sqlite3.connect(file)) as base:
        base.execute("UPDATE audit SET event = replace(event, 'close', 'list') WHERE id = 1")
        base.commit()
    code, said = run("audit", "verify")
    assert (code, "event 1 of " in said, "does not fit" in said) == (1, True, True)
    assert "Traceback" not in said
