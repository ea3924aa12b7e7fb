"""What leaves the ledger: values of masked letters, and what is old."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from reverse_etl.ledger import Changes, DeadLetter, Entry, Ledger, Scope, Version, retention
from reverse_etl.ledger.tables import OUTCOME, RUN
from sqlalchemy import Table, func, select

START = datetime(2026, 1, 1, tzinfo=UTC)
RECORD = {"email": "ann@example.com", "name": "Ann", "phone": None}
OLDER = Version("a", 3, {"city": "Ulm", "name": "Anne"})


class Accounts:
    """Runs of one account at moments of a test."""

    def __init__(self, url: str) -> None:
        self.url, self.account = url, str(uuid.uuid4())

    def run(self, day: float, *, masks: bool = False) -> Ledger:
        """The ledger, in which a run has begun on a day."""
        scope = Scope("crm", self.account)
        engine = Ledger.open(self.url)
        now = START + timedelta(days=day)
        ledger = Ledger(engine, scope, lambda: now, masks_letters=masks)
        ledger.begin_run()
        return ledger


@pytest.fixture
def accounts(ledger_url: str) -> Accounts:
    return Accounts(ledger_url)


def letter(key: str, **more: object) -> DeadLetter:
    return DeadLetter(
        "rule", key, "users", "person", "send", "bad", "why", "do that", RECORD, 7,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


def counted(ledger: Ledger, table: Table) -> int:
    query = select(func.count()).select_from(table).where(*ledger.rows.where(table))
    with ledger.engine.connect() as connection:
        return connection.scalar(query) or 0


def test_a_masked_letter_keeps_key_reason_and_names(accounts: Accounts) -> None:
    with accounts.run(0, masks=True) as ledger:
        ledger.apply(Changes("person", dead=[letter("a", earlier=(OLDER,))]))
        ledger.apply(Changes("person", dead=[letter("a")]))
        (held,) = ledger.letters.open()
        assert held.versions == letter("a", earlier=(OLDER,)).versions
    with accounts.run(1, masks=True) as ledger:
        (kept,) = ledger.letters.open()
    assert (kept.key, kept.code, kept.message, kept.times) == ("a", "bad", "why", 2)
    assert (kept.record, kept.earlier) == ({}, ())
    assert kept.properties == ("city", "email", "name")


def test_letters_of_before_are_masked_once_that_is_wanted(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "LETTERS_A_PART", 3)
    with accounts.run(0) as ledger:
        many = [letter(f"k{number}") for number in range(11)]
        ledger.apply(Changes("person", dead=[*many, letter("a", earlier=(OLDER,))]))
        ledger.apply(Changes("person", closed=[("rule", "k1")]))
    with accounts.run(1, masks=True) as ledger:
        ledger.retention.mask()
        assert {(str(kept.record), kept.earlier) for kept in ledger.letters.open()} == {("{}", ())}
        assert len(ledger.letters.open()) == 11
        ledger.retention.mask()
        by_key = ledger.letters.of_sources("rule", ["a", "k7"])
        assert by_key["a"].properties == ("city", "email", "name")
        assert by_key["k7"].properties == ("email", "name")


def test_a_letter_that_is_masked_no_longer_takes_up_the_next_version(accounts: Accounts) -> None:
    with accounts.run(0, masks=True) as ledger:
        ledger.apply(Changes("person", dead=[letter("a")]))
    with accounts.run(1) as ledger:
        ledger.apply(Changes("person", dead=[letter("a")]))
        (kept,) = ledger.letters.open()
        assert (kept.record, kept.times) == (RECORD, 2)


def test_what_is_older_than_retention_days_goes_and_nothing_else(
    accounts: Accounts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    other = Accounts(accounts.url)
    with other.run(0) as ledger:
        ledger.apply(Changes("person", dead=[letter("others")]))
    with accounts.run(0) as ledger:
        ledger.apply(
            Changes(
                "person",
                entries=[Entry("a", "settled", "1")],
                dead=[letter("open"), letter("closed"), letter("tried again")],
            )
        )
        ledger.apply(Changes("person", closed=[("rule", "closed")]))
        ledger.end_run(0, {}, {("person", "created"): 1})
    with accounts.run(25) as ledger:
        ledger.apply(Changes("person", dead=[letter("tried again"), letter("closed late")]))
        ledger.apply(Changes("person", closed=[("rule", "closed late")]))
        ledger.end_run(0, {}, {("person", "created"): 1})
    with accounts.run(31) as ledger:
        ledger.retention.delete_older(30)
        kept = {each.key: each for each in ledger.letters.open()}
        assert kept.keys() == {"open", "tried again"}
        assert (kept["open"].record, kept["open"].properties) == ({}, ("email", "name"))
        assert kept["tried again"].record == RECORD
        assert (counted(ledger, RUN), counted(ledger, OUTCOME)) == (2, 1)
        assert ledger.entries("person", ["a"])["a"].crm_id == "1"
        assert "1 closed dead letters and 1 runs were deleted" in caplog.text
        assert "the values of 1 open dead letters were deleted" in caplog.text
    with other.run(31) as ledger:
        assert [each.record for each in ledger.letters.open()] == [RECORD]
