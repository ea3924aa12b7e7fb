"""What `provision` creates in a CRM: said, never a typo, and once."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.crm.http import Answer, CrmHttp, Purpose
from reverse_etl.near_names import is_close

from box import Box
from crms import HUBSPOT, PIPEDRIVE, Crm, each_crm
from support import deliver, target_command, users

CREATES_FIELDS = {
    "hubspot": "contacts/batch/create",
    "pipedrive": "POST /pipedrive/api/v2/personFields",
    "salesforce": "/Soap/m/",
}
"""What creates fields of people, as a fault matches it."""


def mapping_with(crm: Crm, folder: Path, name: str) -> str:
    """The shipped rule for people with one more field."""
    copy = folder / "mine"
    copy.mkdir()
    for file in (crm.person_rule, "objects.yml"):
        shutil.copy(crm.target.shipped_mapping() / file, copy)
    rule = copy / crm.person_rule
    text = rule.read_text()
    line = next(line for line in text.splitlines() if line.startswith("fields:"))
    rule.write_text(text.replace(line, f"{line}\n  {name}: first_name", 1))
    return str(copy)


@each_crm
def test_created_fields_are_in_log_and_report_of_the_run_that_created_them(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = deliver(box, crm, users([1]), tmp_path)
    assert crm.text_field in first.report["created_fields"][crm.people]
    assert f"created fields of {crm.people}: " in caplog.text
    assert deliver(box, crm, users([2]), tmp_path).report["created_fields"] == {}


@each_crm
def test_a_mistyped_field_is_not_created(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    existing = crm.name_fields[0]
    mapping = mapping_with(crm, tmp_path, existing[:-1])
    result = deliver(box, crm, users([1]), tmp_path, mapping=mapping)
    assert (result.code, result.states) == (1, [])
    assert f"Did you mean {existing!r}? If not, create {existing[:-1]}" in caplog.text
    assert box.people(crm) == []
    assert result.report["created_fields"] == {}


@pytest.mark.parametrize(
    ("name", "existing", "close"),
    [
        ("firstnam", "firstname", True),
        ("first_name", "firstname", True),
        ("FirstName", "firstname", True),
        ("nam", "name", True),
        ("emial", "email", True),
        ("Journey_Stag__c", "Journey_Stage__c", True),
        ("stage", "state", False),
        ("email2", "email", False),
        ("Phone__c", "Phone", False),
        ("lead_score", "lead_source", False),
        ("Last_Activity__c", "LastActivityDate", False),
        ("名前", "name", False),
        ("1", "2", False),
    ],
)
def test_what_is_taken_for_a_typo(name: str, existing: str, close: bool) -> None:
    assert is_close(name, existing) is close


def start_together(commands: list[list[str]]) -> None:
    """Run two targets at the same time; both must end well."""
    runs = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    ends = [(run.communicate(timeout=120)[1], run.returncode) for run in runs]
    assert [code for _, code in ends] == [0, 0], ends


@each_crm
@pytest.mark.parametrize("starts", [1, pytest.param(50, marks=pytest.mark.soak)])
def test_two_runs_that_start_together_create_no_field_twice(
    box: Box, crm: Crm, starts: int, tmp_path: Path
) -> None:
    for number in range(starts):
        box.reset()
        folder = tmp_path / str(number)
        ledger_url = f"sqlite:///{folder}/ledger.db"
        start_together(
            [
                target_command(box, crm, users([n]), folder / str(n), ledger_url=ledger_url)
                for n in (1, 2)
            ]
        )
        # a field that exists twice fails every later run
        assert deliver(box, crm, users([3]), folder, ledger_url=ledger_url).code == 0
        assert len(box.people(crm)) == 3


@pytest.mark.soak
@each_crm
def test_two_runs_with_ledgers_of_their_own_create_no_field_twice(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    for number in range(10):
        box.reset()
        # Both have listed the fields before either of them has created its first.
        box.fault(crm, "slow", match=CREATES_FIELDS[str(crm)], times=2, args={"delay_ms": 1500})
        folder = tmp_path / str(number)
        start_together([target_command(box, crm, users([n]), folder / str(n)) for n in (1, 2)])
        assert deliver(box, crm, users([3]), folder / "1").code == 0
        assert len(box.people(crm)) == 3


def create_first(monkeypatch: pytest.MonkeyPatch, crm: Crm, count: int) -> None:
    """Let another process create fields of people just before the run does.

    `count`: how many, where one call creates several.
    """
    original, path_of_call = CrmHttp.call, CREATES_FIELDS[str(crm)].rpartition("/")[2]
    seen: list[str] = []

    def call(self: CrmHttp, method: str, path: str, purpose: Purpose, **more: Any) -> Answer:
        if method == "POST" and path.endswith(path_of_call) and not seen:
            seen.append(path)
            body = more["json"]
            if "inputs" in body:
                body = {"inputs": body["inputs"][:count]}
            original(self, method, path, purpose, **{**more, "json": body})
        return original(self, method, path, purpose, **more)

    monkeypatch.setattr(CrmHttp, "call", call)


@pytest.mark.parametrize("crm", [HUBSPOT, PIPEDRIVE], ids=str)
@pytest.mark.parametrize("count", [1, 100])
def test_a_field_that_another_process_creates_first_exists_once(
    box: Box, crm: Crm, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_first(monkeypatch, crm, count)
    assert deliver(box, crm, users([1]), tmp_path).code == 0
    # a field that exists twice would fail this run
    assert deliver(box, crm, users([2]), tmp_path).code == 0
    assert len(box.people(crm)) == 2
    deleted = box.log(crm, "DELETE ")
    assert len(deleted) == (crm is PIPEDRIVE)
