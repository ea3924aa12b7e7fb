"""An observation of the future must not freeze a field."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from singer_kit.times import CLOCK_SKEW, microseconds, not_ahead, parse_utc, utc_text
from tap_canai.exports import Export, ExportClient

from box import Box
from crms import HUBSPOT, Crm, each_crm
from receiver import event, receiving, stored
from support import Message, deliver, later, run_tap, schema_message, user

FUTURE = "2999-01-01T00:00:00.000000Z"


def named(name: str, at: str | None = None) -> list[Message]:
    """A user of this first name, observed now or at this time."""
    message = {**user(1, first_name=name), "time_extracted": at}
    return [schema_message(), message if at else without_time(message)]


def without_time(message: Message) -> Message:
    return {name: value for name, value in message.items() if name != "time_extracted"}


def first_name(box: Box, crm: Crm) -> str:
    (person,) = box.people(crm)
    return " ".join(str(person["properties"].get(name)) for name in crm.name_fields).split()[0]


def change_marks(folder: Path, crm: Crm, observed_us: int) -> None:
    """Give every field that the ledger knows another observed time, as an older version did."""
    with sqlite3.connect(folder / f"{crm}.db") as ledger:
        for key, fields in ledger.execute("SELECT key, fields FROM entry").fetchall():
            columns: dict[str, Any] = msgspec.msgpack.decode(fields)
            marks = {name: [mark[0], observed_us] for name, mark in columns["f"].items()}
            packed = msgspec.msgpack.encode({**columns, "f": marks})
            ledger.execute("UPDATE entry SET fields = ? WHERE key = ?", (packed, key))
    ledger.close()


@each_crm
def test_an_observation_of_the_future_counts_as_made_now_and_the_log_says_so_once(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    more = {**user(2), "time_extracted": FUTURE}
    deliver(box, crm, [*named("Far", FUTURE), more], tmp_path)
    assert caplog.text.count("was observed in the future") == 1
    assert deliver(box, crm, named("Near"), tmp_path).counts(crm.people)["updated"] == 1
    names = {first_name_of(row, crm) for row in box.people(crm)}
    assert names == {"Near", "Ann"}


def first_name_of(row: dict[str, Any], crm: Crm) -> str:
    return " ".join(str(row["properties"].get(name)) for name in crm.name_fields).split()[0]


@each_crm
def test_marks_of_the_future_that_are_stored_already_heal(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deliver(box, crm, named("Far", "2026-01-02T00:00:00Z"), tmp_path)
    change_marks(tmp_path, crm, microseconds(datetime(2999, 1, 1, tzinfo=UTC)))
    deliver(box, crm, named("Near", "2026-01-03T00:00:00Z"), tmp_path)
    assert first_name(box, crm) == "Near"
    assert caplog.text.count("The ledger holds observations of the future") == 1
    # from now on the field has a time, and what is older does not come back
    deliver(box, crm, named("Older", "2026-01-02T12:00:00Z"), tmp_path)
    assert first_name(box, crm) == "Near"


def test_a_dead_letter_of_the_future_is_closed_by_what_comes_next(box: Box, tmp_path: Path) -> None:
    deliver(box, HUBSPOT, [schema_message(), user(1, email="no address")], tmp_path)
    with sqlite3.connect(tmp_path / "hubspot.db") as ledger:
        ledger.execute("UPDATE dead_letter SET observed_us = 32472144000000000")
    ledger.close()
    assert deliver(box, HUBSPOT, named("Ann"), tmp_path).letters == []


@each_crm
def test_force_sends_what_is_older_than_the_ledger_knows(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    deliver(box, crm, [schema_message(), later(user(1, first_name="New"), 5)], tmp_path)
    older = [schema_message(), later(user(1, first_name="Old"), 3)]
    deliver(box, crm, older, tmp_path)
    assert first_name(box, crm) == "New"
    deliver(box, crm, older, tmp_path, force=True)
    assert first_name(box, crm) == "Old"


@pytest.mark.parametrize(("ahead", "clamped"), [(0, False), (1, False), (1.01, True), (-9, False)])
def test_a_clock_may_be_ahead_by_the_skew(ahead: float, clamped: bool) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    moment = now + ahead * CLOCK_SKEW
    assert not_ahead(moment, now) == (now if clamped else moment)


def test_an_export_of_the_future_counts_as_made_at_the_apis_time(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = ExportClient.create

    def ahead(self: ExportClient, request: Any) -> Export:
        return replace(real(self, request), created_at=datetime(2999, 1, 1, tzinfo=UTC))

    monkeypatch.setattr(ExportClient, "create", ahead)
    code, messages = run_tap(box, tmp_path, window_days=20)
    assert code == 0
    times = {message["time_extracted"] for message in messages if message["type"] == "RECORD"}
    assert times
    assert max(times) < utc_text(datetime.now(UTC) + CLOCK_SKEW)
    assert caplog.text.count("were observed in the future") == 1


def test_an_event_of_the_future_counts_as_happened_when_it_was_received(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inbox_url = f"sqlite:///{tmp_path}/inbox.db"
    with receiving(tmp_path, inbox_url) as receiver:
        for number in (1, 2):
            payload = event(at="2999-01-01T00:00:00Z", referrals_made=number)
            assert receiver.post(payload)[0] == 200
            assert receiver.post(payload)[0] == 200
        log = receiver.log.read_text()
    assert log.count("an event of the future was received") == 1
    rows = stored(inbox_url)
    assert len(rows) == 2
    assert all(row.at < utc_text(datetime.now(UTC)) for row in rows)

    with sqlite3.connect(tmp_path / "inbox.db") as inbox:  # as an earlier version stored it
        inbox.execute("UPDATE webhook_inbox SET at = '2999-01-01T00:00:00.000000Z'")
    inbox.close()
    code, messages = run_tap(box, tmp_path, streams=["events"], inbox_url=inbox_url)
    assert code == 0
    observed = {
        utc_text(parse_utc(message["time_extracted"]))
        for message in messages
        if message["type"] == "RECORD"
    }
    assert observed == {row.received_at for row in rows}
    assert caplog.text.count("were observed in the future") == 1
