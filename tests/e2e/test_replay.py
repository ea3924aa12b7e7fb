"""`replay`: dead letters tried again by hand, as a run would try them."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.singer.cli import main as run_target

from box import Box
from crms import SALESFORCE, Crm, each_crm
from support import (
    Result,
    deliver,
    later,
    log_handlers_kept,
    payment,
    report_of,
    schema_message,
    target_config,
    user,
    users,
    written,
)

REFUSED = [*users([0, 1, 2]), user(3, created_at="soon")]
"""Three users that a CRM refuses for a while, and one that the schema does not allow."""


def replay(box: Box, crm: Crm, folder: Path, *arguments: str, **settings: Any) -> Result:
    """Run `replay` in this process, on the ledger that `deliver` keeps."""
    config = written(folder, "replay.json", target_config(box, crm, folder, **settings))
    with log_handlers_kept():
        code = run_target(crm.target, ["replay", *arguments, "--config", str(config)])
    return Result(code, [], "", report_of(folder, crm))


def refused(box: Box, crm: Crm, folder: Path, messages: list[Any]) -> Result:
    """Deliver while the CRM takes no person."""
    box.fault(crm, "refuse_all", match=crm.person_writes, times=1000)
    result = deliver(box, crm, messages, folder)
    box.clear_faults()
    return result


def tries(result: Result) -> dict[str, int]:
    """How often the open letters of each key were tried."""
    return {letter["key"]: letter["times"] for letter in result.letters}


def people(box: Box, crm: Crm) -> set[str]:
    return {str(row["properties"].get(crm.person_key)) for row in box.people(crm)}


@each_crm
def test_letters_are_replayed_by_key_by_code_and_all(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = refused(box, crm, tmp_path, REFUSED)
    assert set(tries(first)) == {"user-0", "user-1", "user-2", "user-3"}
    code = next(
        letter["code"]
        for letter in first.letters
        if letter["key"] == "user-0" and letter["rule"] == crm.person_rule.removesuffix(".yml")
    )
    assert people(box, crm) == set()

    by_key = replay(box, crm, tmp_path, "--key", "user-1")
    assert by_key.code == 0
    assert people(box, crm) == {"user-1"}
    assert by_key.counts(crm.people) == {"planned": 1, "created": 1}
    assert tries(by_key) == {"user-0": 1, "user-2": 1, "user-3": 1}

    by_code = replay(box, crm, tmp_path, "--code", code, "--object", crm.people)
    assert by_code.code == 0
    assert people(box, crm) == {"user-0", "user-1", "user-2"}
    rest = replay(box, crm, tmp_path)
    assert (rest.code, tries(rest)) == (0, {"user-3": 1})
    assert "their stream's schema does not allow them" in caplog.text
    assert people(box, crm) == {"user-0", "user-1", "user-2"}
    assert replay(box, crm, tmp_path, "--key", "user-0").code == 1  # it is closed
    synced = deliver(box, crm, users([0, 1, 2]), tmp_path)
    assert synced.counts(crm.people) == {"planned": 3, "unchanged": 3}


@each_crm
def test_guards_hold_for_a_replay(box: Box, crm: Crm, tmp_path: Path) -> None:
    refused(box, crm, tmp_path, users([0, 1, 2]))
    held = replay(box, crm, tmp_path, max_creates=2)
    assert held.code == 3
    assert people(box, crm) == set()
    assert replay(box, crm, tmp_path, max_creates=3).code == 0
    assert people(box, crm) == {"user-0", "user-1", "user-2"}


@each_crm
def test_letters_that_no_run_tries_again_are_replayed_when_they_are_named(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    deliver(box, crm, users([9]), tmp_path)  # what is created changes what the CRM describes
    refused(box, crm, tmp_path, users([1, 2]))
    with contextlib.closing(sqlite3.connect(tmp_path / f"{crm}.db")) as base:
        base.execute("UPDATE dead_letter SET code = 'lasting'")
        base.commit()
    waits = deliver(box, crm, [schema_message()], tmp_path)
    assert tries(waits) == {"user-1": 1, "user-2": 1}
    again = replay(box, crm, tmp_path, "--code", "lasting", "--key", "user-2")
    assert (again.code, tries(again)) == (0, {"user-1": 1})
    assert people(box, crm) == {"user-9", "user-2"}


@each_crm
def test_a_replay_writes_nothing_that_is_older_than_what_is_known(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    """The letter is open beside a newer delivery, as another process may leave it."""
    refused(box, crm, tmp_path, users([1]))
    newer = later(user(1, first_name="Newer"))
    assert deliver(box, crm, [schema_message(), newer], tmp_path).letters == []
    with contextlib.closing(sqlite3.connect(tmp_path / f"{crm}.db")) as base:
        base.execute("UPDATE dead_letter SET closed_at = NULL")
        base.commit()
    before = box.people(crm)
    again = replay(box, crm, tmp_path, "--key", "user-1")
    assert (again.code, again.letters) == (0, [])
    assert box.people(crm) == before


@each_crm
def test_a_changed_rule_does_not_deliver_what_the_schema_does_not_allow(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    deliver(box, crm, REFUSED[:1] + REFUSED[-1:], tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / f"{crm}.db")) as base:
        base.execute("UPDATE dead_letter SET rule_hash = 'another'")
        base.commit()
    assert tries(deliver(box, crm, [schema_message()], tmp_path)) == {"user-3": 1}
    assert people(box, crm) == set()
    assert deliver(box, crm, users([3]), tmp_path).letters == []


@each_crm
def test_masked_letters_cannot_be_replayed(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box.fault(crm, "refuse_all", match=crm.person_writes, times=1000)
    masked = {"mask_dead_letters": True}
    deliver(box, crm, users([1]), tmp_path, **masked)
    box.clear_faults()
    again = replay(box, crm, tmp_path, **masked)
    assert again.code == 1
    assert set(tries(again).values()) == {1}
    assert "hold no values: their records have to come" in caplog.text
    assert people(box, crm) == set()


@each_crm
def test_a_replay_is_noted_in_the_ledger_unless_it_is_dry(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    refused(box, crm, tmp_path, users([1]))
    file = tmp_path / f"{crm}.db"
    before = file.read_bytes()
    assert replay(box, crm, tmp_path, "--key", "user-1", dry_run=True).code == 0
    assert file.read_bytes() == before
    assert people(box, crm) == set()
    done = replay(box, crm, tmp_path, "--key", "user-1")
    scope = Scope(crm.target.crm, done.report["account"])
    with Ledger(Ledger.open(f"sqlite:///{file}"), scope) as ledger:
        (noted,) = ledger.audit.events()
    assert noted["event"]["command"] == "replay"
    assert noted["event"]["chosen_by"] == {"keys": ["1"]}
    assert {"code", "letters", "rule", "stage"} == noted["event"]["letters"][0].keys()
    assert "user-1" not in str(noted)


def test_what_waits_for_a_replayed_record_goes_out_with_it(box: Box, tmp_path: Path) -> None:
    payments = [schema_message("payments", "payment_id"), payment(1, 1)]
    first = refused(box, SALESFORCE, tmp_path, [*users([1]), *payments])
    assert first.counts("Opportunity") == {"planned": 1, "waiting": 1}
    again = replay(box, SALESFORCE, tmp_path, "--key", "user-1")
    assert (again.code, again.letters) == (0, [])
    assert len(box.objects(SALESFORCE, SALESFORCE.deals)) == 1
