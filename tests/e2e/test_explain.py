"""`explain`: the way of one record, from the ledger alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.singer.cli import main as run_target

from box import Box
from crms import Crm, each_crm
from support import deliver, later, log_handlers_kept, schema_message, target_config, user, users
from support import written as written_to


@each_crm
def test_the_way_of_a_record_is_shown_without_its_values(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(box, crm, users([1, 2]), tmp_path)
    bad = later(user(1, last_active_at="soon"), 3)
    deliver(box, crm, [schema_message(), bad], tmp_path)
    box.forget_log()

    def explain(*arguments: str) -> tuple[int, str]:
        config = str(written_to(tmp_path, "explain.json", target_config(box, crm, tmp_path)))
        capsys.readouterr()
        with log_handlers_kept():
            code = run_target(crm.target, ["explain", *arguments, "--config", config])
        return code, capsys.readouterr().out

    code, text = explain("--key", "user-1", "--json")
    (history,) = json.loads(text).values()
    crm_id = next(
        str(row["id"]) for row in box.people(crm) if row["properties"][crm.person_key] == "user-1"
    )
    record: dict[str, Any] = next(
        record for record in history["records"] if record["object"] == crm.people
    )
    assert (code, record["state"], record["crm_id"]) == (0, "settled", crm_id)
    assert record["written_by"]["exit_code"] == 0
    assert record["observed"][crm.email_field] == "2026-01-02T00:00:00.000000Z"
    letters = [letter for letter in history["dead_letters"] if letter["object"] == crm.people]
    assert [letter["closed_at"] for letter in letters] == [None]

    code, shown = explain("--key", "user-1")
    assert f"{crm.people} user-1: in the CRM as {crm_id}" in shown
    assert letters[0]["hint"] in shown
    assert "user1@example.com" not in text + shown
    assert explain("--key", "nobody") == (1, "")
    assert box.log(crm) == []
