"""`plan --out` and `apply`: just what was approved is written, and nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import sqlite3
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.singer.cli import main

from box import BIN, Box
from crms import HUBSPOT, SALESFORCE, Crm, each_crm
from support import (
    Message,
    contents,
    deliver,
    extract,
    later,
    lines_of,
    log_handlers_kept,
    payment,
    pipeline_streams,
    report_of,
    schema_message,
    state,
    target_config,
    user,
    users,
    written,
)

KILLED = {
    "hubspot": "contacts/batch/", "pipedrive": "/api/v2/persons", "salesforce": "PATCH"
}  # fmt: skip
"""What calls that write people have in common, look-ups left out."""


class Desk:
    """Where a plan is made, approved and applied."""

    def __init__(self, box: Box, crm: Crm, folder: Path, **config: Any) -> None:
        self.box, self.crm, self.folder, self.config = box, crm, folder, config
        self.path = folder / "plan.json"
        self.out = ""

    def command(self, *arguments: str, **config: Any) -> list[str]:
        settings = target_config(self.box, self.crm, self.folder, **self.config, **config)
        file = written(self.folder, "desk.json", settings)
        return [arguments[0], "--config", str(file), *arguments[1:]]

    def run(self, *arguments: str, **config: Any) -> int:
        out = io.StringIO()
        with contextlib.redirect_stdout(out), log_handlers_kept():
            code = main(self.crm.target, self.command(*arguments, **config))
        self.out = out.getvalue()
        return code

    def plan(self, messages: list[Message] | Path, *more: str, **config: Any) -> dict[str, Any]:
        lines = messages if isinstance(messages, Path) else lines_of(self.folder, messages)
        out = ("--out", str(self.path))
        assert self.run("plan", "--input", str(lines), *out, *more, **config) == 0
        plan: dict[str, Any] = json.loads(self.path.read_text())
        return plan

    def apply(self, *more: str, **config: Any) -> int:
        return self.run("apply", str(self.path), *more, **config)

    @property
    def report(self) -> dict[str, Any]:
        return report_of(self.folder, self.crm)

    def counts(self, kind: str) -> dict[str, int]:
        counts = self.report["objects"][kind]
        return {
            "created": counts["created"], "updated": counts["updated"],
            "unchanged": counts["unchanged"], "refused": counts["skipped"]["changed_since_plan"],
        }  # fmt: skip


@pytest.fixture
def desk(box: Box, tmp_path: Path) -> Desk:
    return Desk(box, HUBSPOT, tmp_path)


def renamed(numbers: int) -> list[Message]:
    """The same users a day later, in another business."""
    return [schema_message(), *(later(user(n, business_type="Renamed")) for n in range(numbers))]


def edited_by_hand(box: Box, crm: Crm, number: int, value: str) -> str:
    """Edit the business of a user's person; the CRM id."""
    ids = {row["properties"][crm.person_key]: row["id"] for row in box.people(crm)}
    crm_id = str(ids[f"user-{number}"])
    crm.edit(box, crm.people, crm_id, {crm.text_field: value})
    return crm_id


@each_crm
def test_a_record_edited_by_hand_is_refused_and_the_others_go(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    check_edited_by_hand(box, crm, tmp_path, 20)


@pytest.mark.soak
@each_crm
def test_of_3000_planned_records_the_edited_is_refused_and_2999_go(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    check_edited_by_hand(box, crm, tmp_path, 3000)


def check_edited_by_hand(box: Box, crm: Crm, folder: Path, number: int) -> None:
    """Plan half updates and half creates, edit a record by hand, and apply."""
    half = number // 2
    assert deliver(box, crm, users(half), folder).code == 0
    desk = Desk(box, crm, folder)
    messages = [*renamed(half), *(user(n) for n in range(half, number)), state(1)]
    plan = desk.plan(messages)
    held = box.people(crm)
    assert len(plan["changes"]) >= number
    edited_by_hand(box, crm, 3, "By hand")

    assert desk.apply("--approved-by", "Ada") == 0
    assert desk.counts(crm.people) == {
        "created": number - half, "updated": half - 1, "unchanged": 0, "refused": 1,
    }  # fmt: skip
    people = {row["properties"][crm.person_key]: row["properties"] for row in box.people(crm)}
    assert len(people) == number == len(held) + number - half
    names = [people[f"user-{n}"][crm.text_field] for n in range(half)]
    assert (names[3], set(names[:3] + names[4:])) == ("By hand", {"Renamed"})
    report = desk.report["plan"]
    (refused,) = report["refused"]
    assert (report["id"], report["approved_by"]) == (plan["id"], "Ada")
    assert (refused["object"], refused["key"]) == (crm.people, "user-3")
    assert "user-3: the CRM holds other values than planned" in desk.out

    box.forget_log(crm)
    assert desk.apply() == 0
    assert box.writes(crm) == []
    assert desk.counts(crm.people) == {
        "created": 0, "updated": 0, "unchanged": number - 1, "refused": 1,
    }  # fmt: skip
    delivered = deliver(box, crm, messages, folder)  # the run itself still brings what was refused
    assert delivered.counts(crm.people)["updated"] == 1


@each_crm
def test_a_plan_of_many_streams_does_what_the_run_would(box: Box, crm: Crm, tmp_path: Path) -> None:
    """Fields are created, and records refer to records that the plan creates."""
    messages = extract(box, tmp_path, streams=(*pipeline_streams(crm), "deliverables"))
    assert deliver(box, crm, messages, tmp_path).code == 0
    expected, report = contents(box, crm), report_of(tmp_path, crm)
    box.reset()
    folder = tmp_path / "applied"
    desk = Desk(box, crm, folder)
    desk.folder.mkdir()
    desk.plan(messages)
    assert box.writes(crm) == []
    assert desk.apply() == 0
    assert desk.report["plan"]["refused"] == []
    assert contents(box, crm) == expected
    for part in ("links", "created_fields"):
        assert desk.report[part] == report[part]


@each_crm
@pytest.mark.parametrize("kill", [1, pytest.param(2, marks=pytest.mark.soak)])
def test_an_apply_that_was_killed_is_finished_by_the_next(
    box: Box, crm: Crm, kill: int, tmp_path: Path
) -> None:
    number = 30
    assert deliver(box, crm, users(number // 2), tmp_path).code == 0
    desk = Desk(box, crm, tmp_path, batch_size_rows=5)
    desk.plan([*renamed(number // 2), *(user(n) for n in range(number // 2, number))])
    box.forget_log(crm)
    after = kill * (2 if crm.rows_a_call > 1 else 15)
    box.fault(crm, "kill_pid", match=KILLED[crm.name], after=after, args={"pid": "client"})
    command = [str(BIN / f"target-{crm}"), *desk.command("apply", str(desk.path))]
    killed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert killed.returncode == -9, killed.stderr
    box.clear_faults()
    assert desk.apply() == 0, desk.out
    assert desk.report["plan"]["refused"] == []
    counts = desk.counts(crm.people)
    assert counts["created"] + counts["updated"] + counts["unchanged"] == number
    assert 0 < counts["unchanged"] < number
    people = box.people(crm)
    assert len(people) == number
    names = [row["properties"][crm.text_field] for row in people]
    assert sorted(names, reverse=True) == ["bakery"] * (number // 2) + ["Renamed"] * (number // 2)


def test_a_record_that_another_run_wrote_since_is_refused(desk: Desk, box: Box) -> None:
    deliver(box, HUBSPOT, users(3), desk.folder)
    desk.plan(renamed(3))
    newer = [schema_message(), later(user(0, business_type="Newer"), day=4)]
    deliver(box, HUBSPOT, newer, desk.folder)
    assert desk.apply() == 0
    assert desk.counts("contacts")["updated"] == 2
    assert desk.counts("contacts")["refused"] == 1
    (refused,) = desk.report["plan"]["refused"]
    assert (refused["key"], "newer" in refused["reason"]) == ("user-0", True)
    names = sorted(row["properties"][HUBSPOT.text_field] for row in box.people(HUBSPOT))
    assert names == ["Newer", "Renamed", "Renamed"]


def test_a_record_created_by_hand_since_is_refused(desk: Desk, box: Box) -> None:
    desk.plan(users(3))
    HUBSPOT.put_person(box, "user1@example.com")
    assert desk.apply() == 0
    assert desk.counts("contacts") == {
        "created": 2, "updated": 0, "unchanged": 0, "refused": 1,
    }  # fmt: skip
    assert [row["key"] for row in desk.report["plan"]["refused"]] == ["user-1"]


def test_a_plan_that_no_longer_holds_writes_nothing(
    desk: Desk, box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    deliver(box, HUBSPOT, users(2), desk.folder)
    desk.plan(renamed(2))
    text = desk.path.read_text()
    box.forget_log(HUBSPOT)

    def refused(said: str, **config: Any) -> None:
        caplog.clear()
        assert desk.apply(**config) == 1
        assert said in caplog.text
        assert box.writes(HUBSPOT) == []

    for old, new in (("Renamed", "Altered"), ('"records"', '"Records"'), ("hmac", "hash")):
        desk.path.write_text(text.replace(old, new, 1))
        refused("was changed after it was made")
    for other in ("", "{}", "[1]", text[:-40], text + " "):
        desk.path.write_text(other)
        refused("was changed after it was made")
    desk.path.unlink()
    refused("cannot be read")
    desk.path.write_text(text)
    refused("The plan is one for the account", **HUBSPOT.credentials(box.url, "other"))
    mapping = desk.folder / "rules"
    shutil.copytree(HUBSPOT.target.shipped_mapping(), mapping)
    rule = mapping / "users.contact.yml"
    rule.write_text(rule.read_text().replace("last_name", "business_type", 1))
    refused("The mapping has changed", mapping=str(mapping))
    key = desk.folder / "hubspot.plan-key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.unlink()
    refused("was made beside another ledger")

    desk.plan(renamed(2), "--valid-hours", "0.000001")
    refused("The plan expired")


def test_what_would_not_go_well_is_said_before_anything_is_done(
    desk: Desk, box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    desk.plan(users(1))
    assert desk.apply(dry_run=True) == 1
    assert "dry_run is on" in caplog.text
    lines = str(lines_of(desk.folder, users(1)))
    box.forget_log(HUBSPOT)
    assert desk.run("plan", "--input", lines, "--out", str(desk.folder / "no" / "plan")) == 1
    assert "does not exist" in caplog.text
    for hours in ("nan", "inf", "1e300", "0", "-1"):
        arguments = ("--out", str(desk.path), "--valid-hours", hours)
        assert desk.run("plan", *arguments) != 0
    assert desk.run("plan", "--out", str(desk.path), "--html", str(desk.path)) != 0
    bad = [schema_message(), user(1, email=7)]
    lines = str(lines_of(desk.folder, bad))
    assert desk.run("plan", "--input", lines, "--out", str(desk.path), max_rejected=0) == 1
    assert "The plan is not complete" in caplog.text
    assert box.writes(HUBSPOT) == []


def test_what_came_to_wait_since_the_plan_goes_on_waiting(box: Box, tmp_path: Path) -> None:
    desk = Desk(box, SALESFORCE, tmp_path)
    desk.plan(users([1]))
    payments = [schema_message("payments", "payment_id"), payment(1, 1)]
    assert deliver(box, SALESFORCE, payments, tmp_path).counts("Opportunity")["waiting"] == 1
    assert desk.apply() == 0
    assert desk.counts("Contact")["created"] == 1
    assert desk.counts("Opportunity")["refused"] == 1
    assert box.objects(SALESFORCE, "Opportunity") == []
    result = deliver(box, SALESFORCE, users([1]), tmp_path)
    assert result.counts("Opportunity") == {"planned": 1, "created": 1}
    assert len(box.objects(SALESFORCE, "Opportunity")) == 1


def test_a_plan_is_private_and_its_approval_is_noted(desk: Desk) -> None:
    plan = desk.plan(users(1))
    assert stat.S_IMODE(desk.path.stat().st_mode) == 0o600
    assert desk.apply("--approved-by", "Ada") == 0
    with contextlib.closing(sqlite3.connect(desk.folder / "hubspot.db")) as base:
        ((text,),) = base.execute("SELECT event FROM audit").fetchall()
    event = json.loads(text)
    assert (event["command"], event["plan"], event["approved_by"]) == ("apply", plan["id"], "Ada")
    assert event["signature"] == plan["signature"]
    assert "user" not in text


def test_guards_hold_for_a_plan_that_is_applied(
    desk: Desk, box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    lines = str(lines_of(desk.folder, users(3)))
    out = ("--out", str(desk.path))
    assert desk.run("plan", "--input", lines, *out, max_creates=2) == 3
    assert desk.apply(max_creates=2) == 3
    assert "max_creates allows 2" in caplog.text
    assert box.writes(HUBSPOT) == []
    assert desk.apply(max_creates=3) == 0
    assert len(box.people(HUBSPOT)) == 3


def test_fields_that_the_plan_does_not_create_are_not_created(desk: Desk, box: Box) -> None:
    deliver(box, HUBSPOT, users(1), desk.folder)
    desk.plan(renamed(1))
    box.by_hand(HUBSPOT, "delete_field", "contacts", field=HUBSPOT.text_field)
    assert desk.apply() == 1
    assert "which the plan does not create" in desk.report["message"]


def test_a_plan_goes_on_a_page(desk: Desk, box: Box) -> None:
    deliver(box, HUBSPOT, users(2), desk.folder)
    page = desk.folder / "plan.html"
    odd = [*renamed(1), later(user(1, first_name="<script>alert(1)</script>")), user(2)]
    desk.plan(odd, "--html", str(page), max_creates=5)
    text = page.read_text()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "<del>bakery</del> → <ins>Renamed</ins>" in text
    assert "Create user-2" in text
    assert "http" not in text


def test_a_job_of_many_rows_takes_what_is_approved(box: Box, tmp_path: Path) -> None:
    desk = Desk(box, SALESFORCE, tmp_path, bulk_threshold=5)
    desk.plan(users(12))
    assert desk.apply() == 0
    assert desk.counts("Contact")["created"] == 12
