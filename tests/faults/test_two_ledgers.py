"""Two ledgers on one account can make a record twice: `ledger verify` says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.singer import cli as commands

from box import Box
from crms import HUBSPOT, PIPEDRIVE, Crm, each_crm
from support import deliver, extract, target_config, users, written


def verify(box: Box, crm: Crm, folder: Path, *options: str) -> int:
    """The exit code of the command."""
    config = written(folder, "verify.json", target_config(box, crm, folder))
    return commands.main(crm.target, ["ledger", "verify", "--config", str(config), *options])


@each_crm
def test_an_account_without_repeated_keys_is_right(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(box, crm, users(3), tmp_path)
    box.forget_log()
    assert verify(box, crm, tmp_path) == 0
    assert capsys.readouterr().out == "0 keys are on more than one record\n"
    assert box.writes(crm) == []
    listed = [call["rows"] for call in box.log(crm) if call["kind"] == "read"]
    assert sum(rows or 0 for rows in listed) >= 3


def test_a_person_that_two_ledgers_created_is_named(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(box, PIPEDRIVE, users(150), tmp_path)  # more than a page
    ids = {row["properties"][PIPEDRIVE.person_key]: str(row["id"]) for row in box.people(PIPEDRIVE)}
    second = PIPEDRIVE.put_person(box, "again@example.com")
    PIPEDRIVE.edit(box, "persons", second, {PIPEDRIVE.person_key: "user-1"})
    assert verify(box, PIPEDRIVE, tmp_path) == 1
    out = capsys.readouterr().out
    assert out.splitlines() == [
        f"persons  user-1: 2 records: {ids['user-1']}, {second}",
        "1 keys are on more than one record",
    ]
    assert verify(box, PIPEDRIVE, tmp_path, "--json") == 1
    assert json.loads(capsys.readouterr().out) == [
        {"object": "persons", "key": "user-1", "crm_ids": [ids["user-1"], second]}
    ]


def note_of_hubspot(box: Box, note: dict[str, Any]) -> None:
    body: dict[str, Any] = {
        "properties": {
            "hs_note_body": note["properties"]["hs_note_body"],
            "hs_timestamp": "2026-01-02T00:00:00Z",
        }
    }
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 202}]
    body["associations"] = [{"to": {"id": note["links"][0]["id"]}, "types": types}]
    box.call("POST", "/hubspot/crm/v3/objects/notes", body, HUBSPOT.headers())


def note_of_pipedrive(box: Box, note: dict[str, Any]) -> None:
    properties = note["properties"]
    body = {"content": properties["content"], "person_id": properties["person_id"]}
    box.call("POST", "/pipedrive/api/v1/notes", body, PIPEDRIVE.headers())


NOTES: dict[Crm, Callable[[Box, dict[str, Any]], None]] = {
    HUBSPOT: note_of_hubspot,
    PIPEDRIVE: note_of_pipedrive,
}


@pytest.mark.parametrize("crm", NOTES, ids=str)
def test_a_note_that_exists_twice_is_known_by_its_marker(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(box, crm, extract(box, tmp_path, streams=("users", "deliverables")), tmp_path)
    NOTES[crm](box, box.objects(crm, "notes")[3])
    capsys.readouterr()
    assert verify(box, crm, tmp_path) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("notes  CanAI deliverable ")
    assert "2 records" in first
    assert last == "1 keys are on more than one record"
