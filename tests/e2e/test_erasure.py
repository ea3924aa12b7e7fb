"""`erase`: a person who asked to be forgotten is gone, and does not come back."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.singer.cli import main as run_target

from box import Box
from crms import HUBSPOT, Crm, each_crm, one_crm
from support import (
    Message,
    deliver,
    extract,
    later,
    log_handlers_kept,
    payment,
    record_message,
    schema_message,
    state,
    target_config,
    user,
    users,
    written,
)

PAID = {
    "total_spent": 20,
    "current_journey_stage": "F9",
    "trust_delta_average": 4.5,
    "total_sessions": 3,
}
KEY, OTHER = "user-1", "user-2"
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command of the target; its exit code and what it prints."""

    def run(*arguments: str, **settings: Any) -> tuple[int, str]:
        config = target_config(box, crm, tmp_path, **settings)
        file = str(written(tmp_path, "command.json", config))
        capsys.readouterr()
        with log_handlers_kept():
            code = run_target(crm.target, [*arguments, "--config", file])
        return code, capsys.readouterr().out

    return run


def deliverable(number: int, user_number: int) -> Message:
    record = {
        "deliverable_id": f"doc-{number}",
        "user_id": f"user-{user_number}",
        "canai_output": f"Plan of user{user_number}@example.com",
        "created_at": "2026-01-01T00:00:00.000000Z",
    }
    return record_message("deliverables", record)


def event(user_number: int) -> Message:
    record = {
        "event_id": "e1",
        "sequence": 1,
        "event": "user.journey_stage_completed",
        "timestamp": "2026-01-05T10:00:00Z",
        "user_id": f"user-{user_number}",
        "email": f"user{user_number}@example.com",
        "stage_completed": "F7",
    }
    return later(record_message("events", record), 5)


def everything(day: int = 2) -> list[Message]:
    """Two users who paid, and their documents."""
    messages = [
        *users([1, 2], **PAID),
        schema_message("payments", "payment_id"),
        payment(1, 1),
        payment(2, 2),
        schema_message("deliverables", "deliverable_id"),
        deliverable(1, 1),
        deliverable(2, 2),
        deliverable(3, 1),
    ]
    return [later(each, day) if each["type"] == "RECORD" else each for each in messages]


def traces(box: Box, crm: Crm, tmp_path: Path) -> list[str]:
    """Where the CRM, the ledger or a report still names the person."""
    found = [
        kind
        for kind in (crm.people, crm.deals, crm.documents)
        for row in box.objects(crm, kind)
        if KEY in json.dumps(row) or "user1@example.com" in json.dumps(row)
    ]
    for path in tmp_path.rglob("*"):
        is_ours = path.name.startswith(f"{crm}.db") or "reports" in str(path)
        if is_ours and path.is_file() and b"user1@example" in path.read_bytes():
            found.append(path.name)
        if is_ours and path.suffix == ".json" and KEY in path.read_text():
            found.append(path.name)
    return found


@each_crm
def test_an_erased_person_is_gone_and_never_comes_back(
    box: Box, crm: Crm, tmp_path: Path, command: Command
) -> None:
    deliver(box, crm, everything(), tmp_path)
    bad = later(user(1, last_active_at="soon"), 3)
    first = deliver(box, crm, [schema_message(), bad], tmp_path)
    assert [letter["key"] for letter in first.letters].count(KEY)
    assert len(box.people(crm)) == 2
    assert len(box.objects(crm, crm.documents)) == 3
    lines = written(tmp_path, "plan.jsonl", "\n".join(map(json.dumps, everything())))
    assert command("plan", "--input", str(lines))[0] == 0

    code, printed = command("erase", "--user-id", KEY)
    assert code == 0
    with contextlib.closing(sqlite3.connect(tmp_path / f"{crm}.db")) as base:
        assert KEY not in "\n".join(base.iterdump())
    (proof,) = json.loads(printed)
    assert KEY not in printed
    assert "example.com" not in printed
    assert proof["records"][crm.people] == 1
    assert proof["records"][crm.deals] == 1
    assert proof["records"][crm.documents] == 2
    assert proof["ledger"]["dead_letters"] >= 1
    assert traces(box, crm, tmp_path) == []
    assert [row["properties"][crm.person_key] for row in box.people(crm)] == [OTHER]
    assert len(box.objects(crm, crm.deals)) == len(box.objects(crm, crm.documents)) == 1

    for messages in (
        everything(4),
        [schema_message("events", "event_id"), event(1)],
        [schema_message(), later(user(1, last_active_at="soon"), 5)],
    ):
        again = deliver(box, crm, messages, tmp_path)
        assert again.code == 0
        assert again.letters == []
        assert sum(count["skipped"]["erased"] for count in again.report["objects"].values())
    assert command("replay")[0] == 0
    assert traces(box, crm, tmp_path) == []

    assert command("unerase", "--user-id", OTHER)[0] == 1
    assert command("unerase", "--user-id", KEY)[0] == 0
    assert deliver(box, crm, [schema_message(), later(user(1), 6)], tmp_path).code == 0
    assert len(box.people(crm)) == 2
    assert command("audit", "verify")[0] == 0


@each_crm
def test_files_go_with_the_documents_that_they_are_on(
    box: Box, crm: Crm, tmp_path: Path, command: Command
) -> None:
    messages = extract(box, tmp_path, streams=("users", "deliverables"))
    settings = {"attach_deliverables": True, "allow_private_download_hosts": True}
    assert deliver(box, crm, messages, tmp_path, **settings).code == 0
    rows = box.objects("canai", "deliverables")
    key = str(rows[0]["properties"]["user_id"])
    theirs = {f"{row['id']}.pdf" for row in rows if row["properties"]["user_id"] == key}
    code, printed = command("erase", "--user-id", key)
    assert (code, json.loads(printed)[0]["files"]) == (0, len(theirs))
    left = {name for name, _ in crm.files(box)}
    assert left == {f"{row['id']}.pdf" for row in rows} - theirs
    assert len(box.objects(crm, crm.documents)) == len(left)


@each_crm
def test_a_person_who_was_merged_into_another_does_not_take_them_along(
    box: Box, crm: Crm, tmp_path: Path, command: Command
) -> None:
    deliver(box, crm, users([1, 2]), tmp_path)
    ids = {row["properties"][crm.person_key]: str(row["id"]) for row in box.people(crm)}
    crm.merge(box, ids[KEY], ids[OTHER])
    assert command("erase", "--user-id", KEY)[0] == 0
    assert [row["properties"][crm.person_key] for row in box.people(crm)] == [OTHER]


@each_crm
def test_people_deleted_at_the_source_are_erased_where_it_is_wanted(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    deliver(box, crm, everything(), tmp_path)
    gone = later(user(1, _sdc_deleted_at="2026-01-03T00:00:00Z"), 3)
    messages = [schema_message(), gone, state("end")]
    stopped = deliver(box, crm, messages, tmp_path, erase_deleted=True, max_erasures=0)
    assert (stopped.code, stopped.states, len(box.people(crm))) == (3, [], 2)
    result = deliver(box, crm, messages, tmp_path, erase_deleted=True)
    assert (result.code, len(result.states)) == (0, 1)
    assert result.counts(crm.people) == {"planned": 1, "erased": 1}
    assert traces(box, crm, tmp_path) == []
    assert len(box.people(crm)) == len(box.objects(crm, crm.documents)) == 1
    again = deliver(box, crm, messages, tmp_path, erase_deleted=True, max_erasures=0)
    assert (again.code, again.counts(crm.people)["erased"]) == (0, 1)


@each_crm
def test_a_dry_run_erases_nobody(box: Box, crm: Crm, tmp_path: Path, command: Command) -> None:
    deliver(box, crm, users([1, 2]), tmp_path)
    box.forget_log()
    assert command("erase", "--user-id", KEY, dry_run=True)[0] == 1
    gone = later(user(1, _sdc_deleted_at="2026-01-03T00:00:00Z"), 3)
    lines = written(tmp_path, "plan.jsonl", "\n".join(map(json.dumps, [schema_message(), gone])))
    code, printed = command("plan", "--json", "--input", str(lines), erase_deleted=True)
    assert (code, '"erased": 1' in printed) == (0, True)
    assert box.writes(crm) == []
    assert len(box.people(crm)) == 2


@one_crm
@pytest.mark.parametrize(
    "arguments",
    [
        ("erase", "--user-id", KEY),
        ("unerase", "--user-id", KEY),
        ("dead-letters", "list"),
        ("dead-letters", "close", "--all"),
        ("ledger", "status"),
        ("replay",),
    ],
    ids=" ".join,
)
def test_a_mistyped_ledger_is_one_line_and_no_new_ledger(
    crm: Crm, command: Command, tmp_path: Path, arguments: tuple[str, ...], caplog: Any
) -> None:
    wrong = tmp_path / "wrong.db"
    assert command(*arguments, ledger_url=f"sqlite:///{wrong}") == (1, "")
    assert "ledger_url names no ledger. Check ledger_url." in caplog.text
    assert not wrong.exists()


@pytest.mark.parametrize("crm", [HUBSPOT], ids=str)
def test_a_ledger_in_postgresql_keeps_the_erased_out(
    box: Box, crm: Crm, tmp_path: Path, command: Command, postgres_url: str
) -> None:
    deliver(box, crm, everything(), tmp_path, ledger_url=postgres_url)
    code, printed = command("erase", "--user-id", KEY, ledger_url=postgres_url)
    assert (code, json.loads(printed)[0]["records"][crm.documents]) == (0, 2)
    again = deliver(box, crm, everything(4), tmp_path, ledger_url=postgres_url)
    assert again.counts(crm.people) == {"planned": 2, "unchanged": 1, "erased": 1}
    assert len(box.people(crm)) == 1
    assert command("explain", "--key", KEY, ledger_url=postgres_url)[0] == 0
    assert command("unerase", "--user-id", KEY, ledger_url=postgres_url)[0] == 0
