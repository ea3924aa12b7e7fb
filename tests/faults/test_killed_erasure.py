"""An erasure that is interrupted at any call is finished by the next one, with the same end."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.crm.http import CrmHttp
from reverse_etl.singer.cli import main as run_target

from box import BIN, Box
from crms import HUBSPOT, PIPEDRIVE, Crm, each_crm
from support import (
    deliver,
    log_handlers_kept,
    record_message,
    schema_message,
    target_config,
    users,
    written,
)

ERASES = {HUBSPOT.name: "/gdpr-delete", PIPEDRIVE.name: "/persons/", "salesforce": "/Contact/003"}
"""What the call that erases a person has in its path, and no other call of `erase`."""
MOST_CALLS = 60


class KilledError(BaseException):
    """The process would have ended here."""


def synced(box: Box, crm: Crm, folder: Path) -> str:
    """Two people with a document each, and the settings' file."""
    documents = [
        record_message(
            "deliverables",
            {
                "deliverable_id": f"doc-{number}",
                "user_id": f"user-{number}",
                "canai_output": "A plan",
                "created_at": "2026-01-01T00:00:00.000000Z",
            },
        )
        for number in (1, 2)
    ]
    schema = schema_message("deliverables", "deliverable_id")
    assert deliver(box, crm, [*users([1, 2]), schema, *documents], folder).code == 0
    return str(written(folder, "erase.json", target_config(box, crm, folder)))


def check_erased(box: Box, crm: Crm, folder: Path) -> None:
    """Only the second person is left, and no run brings the first one back."""
    result = deliver(box, crm, users([1, 2]), folder)
    assert result.counts(crm.people) == {"planned": 2, "unchanged": 1, "erased": 1}
    assert [row["properties"][crm.person_key] for row in box.people(crm)] == ["user-2"]
    assert len(box.objects(crm, crm.documents)) == 1


@each_crm
@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.soak)])
def test_any_call_may_be_the_last(
    box: Box, crm: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    arguments = ["erase", "--user-id", "user-1", "--config", synced(box, crm, tmp_path)]
    left, call = 0, CrmHttp.call

    def killed_after(*args: Any, **options: Any) -> Any:
        nonlocal left
        answer = call(*args, **options)
        left -= 1
        if left == 0:
            raise KilledError
        return answer

    monkeypatch.setattr(CrmHttp, "call", killed_after)
    for calls in range(step, MOST_CALLS, step):
        left = calls
        with log_handlers_kept():
            try:
                assert run_target(crm.target, arguments) == 0
            except KilledError:
                continue
        break
    else:
        raise AssertionError("it never came to an end")
    assert calls > 4
    left = -1
    check_erased(box, crm, tmp_path)


@each_crm
def test_a_process_that_is_killed_after_the_crm_erased_is_followed_by_another(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    config = synced(box, crm, tmp_path)
    command = [str(BIN / f"target-{crm}"), "erase", "--user-id", "user-1", "--config", config]
    match = ERASES[crm.name]
    box.fault(crm, "kill_pid", match=match, args={"pid": "client"})
    assert subprocess.run(command, capture_output=True, check=False).returncode == -9
    assert len(box.people(crm)) == 1
    box.clear_faults()
    with log_handlers_kept():
        assert run_target(crm.target, command[1:]) == 0
    check_erased(box, crm, tmp_path)
