"""`mask_dead_letters`: no value of a record that waits, or waits for its turn, is on the disk."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.ledger import Changes, Ledger, Scope, Waiting
from singer_kit.times import utc_text

from box import Box
from crms import Crm, each_crm
from firms import BOTH, PEOPLE, SCHEMA, firms_of, person, rules_folder
from support import Message, Result, deliver, later, schema_message, user, written

NAME = "Marigold Quux"
FIRMS: Message = {**SCHEMA, "stream": "firms"}
FIRM: Message = {**person(7, None), "stream": "firms"}
MASKED = {"mask_dead_letters": True}


def someone(day: int = 2, name: str = NAME) -> Message:
    """A person of firm 7, as seen on a day of January."""
    message = person(1, "7")
    return later({**message, "record": {**message["record"], "name": name}}, day)


def send(box: Box, crm: Crm, folder: Path, *messages: Message, **config: Any) -> Result:
    """Deliver people, and firms that they are linked to."""
    firm_rule, link = BOTH[crm]
    rules = rules_folder(folder)
    written(rules, "firms.yml", f"stream: firms\n{firm_rule.partition('links:')[0]}")
    written(rules, "people.yml", f"stream: people\n{PEOPLE[crm]}{link}")
    return deliver(box, crm, [FIRMS, SCHEMA, *messages], folder, mapping=str(rules), **config)


def is_on_disk(folder: Path, crm: Crm) -> bool:
    files = [*folder.glob(f"{crm}.db*"), *(folder / f"reports-{crm}").iterdir()]
    return NAME.encode() in b"".join(file.read_bytes() for file in files)


def waits(folder: Path, crm: Crm) -> int:
    """The number of waiting rows."""
    with contextlib.closing(sqlite3.connect(folder / f"{crm}.db")) as base:
        return int(base.execute("SELECT count(*) FROM waiting_link").fetchone()[0])


def is_linked(box: Box, crm: Crm) -> bool:
    return [len(firms) for firms in firms_of(box, crm).values()] == [1]


def make_older(folder: Path, crm: Crm, table: str, column: str) -> None:
    """Date rows back by two days."""
    moment = utc_text(datetime.now(UTC) - timedelta(days=2))
    with contextlib.closing(sqlite3.connect(folder / f"{crm}.db")) as base:
        base.execute(f"UPDATE {table} SET {column} = ?", (moment,))
        base.commit()


@each_crm
def test_a_masked_row_that_waits_holds_no_value_and_heals_with_its_record(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = send(box, crm, tmp_path, someone(), **MASKED)
    assert (first.code, first.report["links"]["waiting"]) == (0, 1)
    assert waits(tmp_path, crm) == 1
    assert not is_on_disk(tmp_path, crm)
    alone = len(box.people(crm)) == 1  # only the link waits, and that needs no value
    assert ("1 records wait without their values" in caplog.text) is not alone
    second = send(box, crm, tmp_path, FIRM, **MASKED)
    assert (second.code, second.letters) == (0, [])
    assert (waits(tmp_path, crm) == 0) is alone
    assert len(box.people(crm)) == alone
    third = send(box, crm, tmp_path, someone(), **MASKED)
    assert (third.code, third.letters, waits(tmp_path, crm)) == (0, [], 0)
    assert is_linked(box, crm)
    assert not is_on_disk(tmp_path, crm)


@each_crm
def test_what_waits_for_a_record_of_the_same_run_goes_out_in_it(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    result = send(box, crm, tmp_path, someone(), FIRM, **MASKED, batch_size_rows=1)
    assert (result.code, result.letters, waits(tmp_path, crm)) == (0, [], 0)
    assert is_linked(box, crm)
    assert not is_on_disk(tmp_path, crm)


@each_crm
def test_rows_that_waited_before_lose_their_values(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    send(box, crm, tmp_path, someone())
    assert is_on_disk(tmp_path, crm)
    send(box, crm, tmp_path, **MASKED)
    assert not is_on_disk(tmp_path, crm)
    assert "the values of 1 waiting records were deleted" in caplog.text


@each_crm
def test_retention_takes_the_values_out_of_rows_that_have_waited_long(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    send(box, crm, tmp_path, someone())
    send(box, crm, tmp_path, retention_days=1)
    assert is_on_disk(tmp_path, crm)
    make_older(tmp_path, crm, "waiting_link", "since")
    send(box, crm, tmp_path, retention_days=1)
    assert not is_on_disk(tmp_path, crm)
    assert waits(tmp_path, crm) == 1


@each_crm
def test_a_masked_row_that_waits_too_long_is_a_masked_letter(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    send(box, crm, tmp_path, someone(), **MASKED)
    make_older(tmp_path, crm, "waiting_link", "since")
    expired = send(box, crm, tmp_path, **MASKED, link_wait_days=1)
    assert [letter["code"] for letter in expired.letters] == ["link_expired"]
    assert not is_on_disk(tmp_path, crm)
    healed = send(box, crm, tmp_path, FIRM, someone(3), **MASKED)
    assert (healed.code, healed.letters, waits(tmp_path, crm)) == (0, [], 0)
    assert is_linked(box, crm)


@each_crm
def test_an_older_version_neither_ends_the_wait_of_a_newer_one_nor_takes_its_place(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    send(box, crm, tmp_path, someone(5), **MASKED)
    send(box, crm, tmp_path, someone(4, "Older"), **MASKED)
    newest = send(box, crm, tmp_path, FIRM, someone(5), **MASKED)
    assert (newest.code, newest.letters, waits(tmp_path, crm)) == (0, [], 0)
    field = "name" if str(crm) == "pipedrive" else crm.name_fields[-1]
    assert [row["properties"][field] for row in box.people(crm)] == [NAME]


@each_crm
def test_a_swap_of_a_unique_value_ends_in_one_run_with_letters_masked(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    def people(first: str, second: str, day: int) -> list[Message]:
        both = ((1, first), (2, second))
        return [schema_message(), *(later(user(each, email=held), day) for each, held in both)]

    assert deliver(box, crm, people("a@quux.example", "b@quux.example", 2), tmp_path).code == 0
    swapped = people("b@quux.example", "a@quux.example", 3)
    result = deliver(box, crm, swapped, tmp_path, **MASKED, batch_size_rows=1)
    assert (result.code, result.letters) == (0, [])
    held = {
        row["properties"][crm.person_key]: str(row["properties"][crm.email_field])
        for row in box.people(crm)
    }
    assert "b@quux.example" in held["user-1"]
    assert "a@quux.example" in held["user-2"]
    names = b"".join(file.read_bytes() for file in tmp_path.glob(f"{crm}.db*"))
    assert b"quux.example" not in names


ROW = Waiting("r", "k", "contacts", "companies", "c", "s", 5, {"name": NAME})


def opened(path: Path) -> Ledger:
    scope = Scope("crm", "account")
    return Ledger(Ledger.open(f"sqlite:///{path}"), scope, masks_letters=True)


def test_only_the_run_that_masked_a_row_knows_its_values_and_only_of_that_version(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    with opened(path) as mine, opened(path) as other:
        mine.apply(Changes("contacts", waiting=[ROW]))
        assert [row.record for row in mine.waiting.of("r")] == [{"name": NAME}]
        (seen,) = other.waiting.of("r")
        assert (seen.is_masked, seen.versions[-1].record) == (True, {})
        other.apply(Changes("contacts", waiting=[
            Waiting("r", "k", "contacts", "companies", "c", "s", 6, {"name": "newer"})
        ]))  # fmt: skip
        assert [row.is_masked for row in mine.waiting.of("r")] == [True]
        mine.apply(Changes("contacts", done_waiting=[ROW.name]))
        assert other.waiting.of("r") == []
        assert NAME.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
