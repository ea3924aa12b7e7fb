"""What `provision` creates in a CRM: said, never a typo, and once."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from reverse_etl.pipeline.provisioning import is_close

from box import Box
from crms import Crm, each_crm
from support import deliver, target_command, users


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


@each_crm
@pytest.mark.parametrize("starts", [3, pytest.param(50, marks=pytest.mark.soak)])
def test_two_runs_that_start_together_create_no_field_twice(
    box: Box, crm: Crm, starts: int, tmp_path: Path
) -> None:
    for number in range(starts):
        box.reset()
        folder = tmp_path / str(number)
        ledger_url = f"sqlite:///{folder}/ledger.db"
        commands = [
            target_command(box, crm, users([n]), folder / str(n), ledger_url=ledger_url)
            for n in (1, 2)
        ]
        runs = [
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for command in commands
        ]
        ends = [(run.communicate(timeout=120)[1], run.returncode) for run in runs]
        assert [code for _, code in ends] == [0, 0], ends
        # a field that exists twice fails every later run
        assert deliver(box, crm, users([3]), folder, ledger_url=ledger_url).code == 0
        assert len(box.people(crm)) == 3
