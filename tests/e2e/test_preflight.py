"""`target-… check`: what the account is, and what to do before a run; nothing is written."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.singer import cli as commands

from box import Box
from crms import CRMS, HUBSPOT, PIPEDRIVE, SALESFORCE, Crm
from support import deliver, extract, target_config, written


def check(
    box: Box, crm: Crm, folder: Path, capsys: pytest.CaptureFixture[str], **config: Any
) -> tuple[int, dict[str, Any]]:
    """The exit code and the report; asserts that nothing was written."""
    box.forget_log(crm)
    file = written(folder, "check.json", target_config(box, crm, folder, **config))
    code = commands.main(crm.target, ["check", "--json", "--config", str(file)])
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [line for line in box.log(crm) if line["kind"] == "write"] == []
    assert not (folder / f"{crm}.db").exists()
    return code, report


def messages_of(report: dict[str, Any]) -> str:
    return "\n".join(problem["message"] for problem in report["problems"])


@pytest.mark.parametrize("crm", CRMS, ids=str)
def test_a_new_account_is_ready_to_be_provisioned(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str], crm: Crm
) -> None:
    more = {"contact_account": "CanAI users"} if crm is SALESFORCE else {}
    code, report = check(box, crm, tmp_path, capsys, **more)
    assert (code, report["problems"]) == (0, [])
    assert report["id"] == crm.account_id(box)
    assert report["name"]


@pytest.mark.parametrize("crm", CRMS, ids=str)
def test_missing_fields_are_named_where_none_may_be_created(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str], crm: Crm
) -> None:
    code, report = check(box, crm, tmp_path, capsys, provision=False)
    assert code == 1
    named = [p for p in report["problems"] if crm.person_key in p["message"]]
    assert len(named) == 1
    assert "provision: true" in named[0]["hint"]


def test_hubspots_missing_scopes_and_removed_stages_are_named(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box.by_hand(HUBSPOT, "remove_option", "deals", field="dealstage", option="qualifiedtobuy")
    box.fault(HUBSPOT, "403_permission", match="contacts/batch/read")
    code, report = check(box, HUBSPOT, tmp_path, capsys)
    assert code == 1
    assert report["kind"] == "standard"
    said = messages_of(report)
    assert "contacts: HubSpot refused permission (403" in said
    assert "dealstage of deals no longer has the option 'qualifiedtobuy'" in said
    assert len(report["problems"]) == 2


def test_salesforces_hidden_fields_and_duplicate_rules_are_named(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box.limit(SALESFORCE, duplicate_rules=True)
    messages = extract(box, tmp_path, streams=["users"])
    assert deliver(box, SALESFORCE, messages, tmp_path / "run").code in (0, 3)
    hide(box, f"Contact.{SALESFORCE.text_field}")
    code, report = check(box, SALESFORCE, tmp_path, capsys, provision=False)
    assert code == 1
    assert report["kind"] == "sandbox, Developer Edition"
    assert report["calls_left"] > 0
    said = messages_of(report)
    assert f"Contact.{SALESFORCE.text_field} exists, and field-level security hides it" in said
    assert "The duplicate rule Standard Contact Duplicate Rule of Contact is active" in said
    assert "visible to its owner" in said


def hide(box: Box, field: str) -> None:
    """Take the right to a field away, as an administrator does."""
    rows: Iterable[dict[str, Any]] = box.objects(SALESFORCE, "FieldPermissions")
    (row_id,) = [row["id"] for row in rows if row["properties"]["Field"] == field]
    SALESFORCE.delete(box, "FieldPermissions", row_id)


def test_pipedrives_deleted_stages_are_named(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box.by_hand(PIPEDRIVE, "remove_option", "deals", field="stage_id", option="3")
    code, report = check(box, PIPEDRIVE, tmp_path, capsys, stage_ids=[2, 3])
    assert code == 1
    assert "Pipedrive no longer has stage 3" in messages_of(report)
