"""A dry run: the counts of the run that follows, no write, no STATE, and the ledger as it was."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.ledger.tables import METADATA
from reverse_etl.singer.cli import main
from sqlalchemy import create_engine, func, select

from box import Box
from crms import HUBSPOT, Crm, each_crm
from support import (
    STREAMS,
    Message,
    deliver,
    extract,
    lines_of,
    log_handlers_kept,
    report_of,
    schema_message,
    target_config,
    user,
    users,
    written,
)

LAW = (
    "planned", "created", "updated", "unchanged", "skipped", "waiting", "rejected",
    "not_attempted",
)  # fmt: skip


def planned(
    box: Box, crm: Crm, messages: Path | list[Message], folder: Path, **config: Any
) -> dict[str, Any]:
    """The plan of a dry run, of which the CRM's log shows no write."""
    box.forget_log(crm)
    before = ledger_bytes(folder, crm)
    result = deliver(box, crm, messages, folder, dry_run=True, **config)
    assert (result.code, result.states) == (0, [])
    assert box.writes(crm) == []
    assert ledger_bytes(folder, crm) == before
    plan: dict[str, Any] = json.loads(
        (folder / f"reports-{crm}" / "dry-run" / "plan.json").read_text()
    )
    return plan


def ledger_bytes(folder: Path, crm: Crm) -> bytes | None:
    path = folder / f"{crm}.db"
    return path.read_bytes() if path.exists() else None


def counts(report: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {outcome: numbers[outcome] for outcome in LAW}
        for name, numbers in report["objects"].items()
    }


def assert_same(plan: dict[str, Any], report: dict[str, Any]) -> None:
    assert counts(plan) == counts(report)
    for part in ("links", "created_fields", "created_links"):
        assert plan[part] == report[part]
    assert plan["calls"]["least"] == report["calls"]["least"]


@each_crm
def test_the_plan_of_a_first_run_and_of_a_later_one_are_those_runs(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    """The CRM has none of the fields at first; then ten users change, one of them by hand too."""
    messages = extract(box, tmp_path, streams=STREAMS)
    plan = planned(box, crm, messages, tmp_path)
    assert report_of(tmp_path, crm) == {}
    assert deliver(box, crm, messages, tmp_path).code == 0
    assert_same(plan, report_of(tmp_path, crm))

    changed = box.mutate(stream="users", n=10, set={"business_type": "Renamed"})
    by_key = {row["properties"][crm.person_key]: row["id"] for row in box.people(crm)}
    crm.edit(box, crm.people, by_key[changed[0]], {crm.text_field: "By hand"})
    messages = extract(box, tmp_path, streams=STREAMS)
    held = box.people(crm)
    plan = planned(box, crm, messages, tmp_path)
    assert box.people(crm) == held
    assert deliver(box, crm, messages, tmp_path).code == 0
    assert_same(plan, report_of(tmp_path, crm))
    people = {row["key"]: row for row in plan["changes"] if row["object"] == crm.people}
    assert people.keys() == set(changed)
    assert {row["kind"] for row in people.values()} == {"update"}
    edited = people[changed[0]]
    assert edited["crm_id"] == str(by_key[changed[0]])
    assert edited["fields"][crm.text_field] == {"old": "By hand", "new": "Renamed"}


@each_crm
def test_it_finds_people_by_e_mail_where_the_key_field_is_yet_to_be_created(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    schema, *people = users(4)
    email = people[1]["record"]["email"]
    crm_id = crm.put_person(box, email)
    plan = planned(box, crm, [schema, *people], tmp_path)
    updates = [row["crm_id"] for row in plan["changes"] if row["kind"] == "update"]
    assert updates == [str(crm_id)]
    assert deliver(box, crm, [schema, *people], tmp_path).code == 0
    assert_same(plan, report_of(tmp_path, crm))


def test_a_ledger_on_a_server_is_read_and_left_alone(
    box: Box, postgres_url: str, tmp_path: Path
) -> None:
    first = users(5)
    deliver(box, HUBSPOT, first, tmp_path, ledger_url=postgres_url)
    known = table_rows(postgres_url)
    more = [*first, user(5)]
    plan = planned(box, HUBSPOT, more, tmp_path, ledger_url=postgres_url)
    assert table_rows(postgres_url) == known
    assert counts(plan)["contacts"] | {"skipped": {}} == {
        "planned": 6, "created": 1, "updated": 0, "unchanged": 5, "skipped": {}, "waiting": 0,
        "rejected": 0, "not_attempted": 0,
    }  # fmt: skip
    assert [change["key"] for change in plan["changes"]] == ["user-5"]


def table_rows(url: str) -> dict[str, int]:
    engine = create_engine(url)
    with engine.connect() as connection:
        numbers = {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in METADATA.sorted_tables
        }
    engine.dispose()
    return numbers


@pytest.mark.parametrize("as_json", [False, True])
def test_the_command_prints_the_plan(
    box: Box, as_json: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(box, HUBSPOT, users(3), tmp_path)
    renamed = [schema_message(), *(user(number, first_name="Renamed") for number in range(4))]
    config = written(tmp_path, "plan.json", target_config(box, HUBSPOT, tmp_path))
    lines = lines_of(tmp_path, renamed)
    arguments = ["plan", "--config", str(config), "--input", str(lines), "--limit", "2"]
    with log_handlers_kept():
        assert main(HUBSPOT.target, arguments + ["--json"] * as_json) == 0
    out = capsys.readouterr().out
    plan_file = tmp_path / "reports-hubspot" / "dry-run" / "plan.json"
    assert stat.S_IMODE(plan_file.stat().st_mode) == 0o600
    assert len(json.loads(plan_file.read_text())["changes"]) == 4
    if as_json:
        assert json.loads(out) == json.loads(plan_file.read_text())
        return
    assert "contacts: 4 planned: 1 to create, 3 to update" in out
    assert "update contacts user-0 (" in out
    assert "  firstname: Ann -> Renamed" in out
    assert "user-2" not in out
    assert "2 more changes of contacts; `--limit 0` shows them all" in out
    assert "calls: at least 4 for the run, 3 for this plan" in out
    assert "time for the run's calls: less than a second" in out
