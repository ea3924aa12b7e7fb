"""The ledger's audit: whatever is changed, taken out or cut off shows, and where."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from reverse_etl.errors import LedgerError
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.ledger.audit import BrokenAuditError
from reverse_etl.ledger.database import MIGRATIONS
from reverse_etl.ledger.tables import AUDIT, AUDIT_HEAD
from sqlalchemy import Connection, Engine, delete, select, update

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    now = START

    def __call__(self) -> datetime:
        return self.now


class Account:
    """An account of a ledger, and a clock of its own."""

    def __init__(self, url: str) -> None:
        self.clock = Clock()
        scope = Scope("crm", str(uuid.uuid4()))
        self.ledger = Ledger(Ledger.open(url), scope, self.clock)

    def note(self, *commands: str) -> None:
        for name in commands:
            with self.ledger.rows.writing() as connection:
                self.ledger.audit.record(connection, {"command": name})

    @property
    def ids(self) -> list[int]:
        return [event["id"] for event in self.ledger.audit.events()]

    def change(self, statement: Any) -> None:
        with self.ledger.engine.begin() as connection:
            connection.execute(statement)


@pytest.fixture
def account(ledger_url: str) -> Iterator[Account]:
    account = Account(ledger_url)
    account.note("zero", "one", "two", "three")
    with closing(account.ledger):
        yield account


def test_events_name_who_and_hold(account: Account) -> None:
    assert account.ledger.audit.verify() == 4
    first, *_ = account.ledger.audit.events()
    assert set(first["event"]) == {"crm", "account", "who", "command"}
    assert first["event"]["who"]


CHANGES: dict[str, tuple[int | None, Any]] = {
    "an event changed": (2, lambda ids, _: update(AUDIT).where(AUDIT.c.id == ids[2]).values(
        event={"command": "other"})),
    "a time changed": (1, lambda ids, _: update(AUDIT).where(AUDIT.c.id == ids[1]).values(at="x")),
    "a chain changed": (1, lambda ids, _: update(AUDIT).where(AUDIT.c.id == ids[1]).values(
        chain="0")),
    "one taken out": (2, lambda ids, _: delete(AUDIT).where(AUDIT.c.id == ids[1])),
    "the first taken out": (1, lambda ids, _: delete(AUDIT).where(AUDIT.c.id == ids[0])),
    "one cut off": (None, lambda ids, _: delete(AUDIT).where(AUDIT.c.id == ids[3])),
    "all taken out": (None, lambda ids, _: delete(AUDIT).where(AUDIT.c.id.in_(ids))),
    "two swapped": (2, lambda ids, _: update(AUDIT).where(AUDIT.c.id == ids[1]).values(
        id=ids[3] + 1000)),
    "no head": (None, lambda _, mine: delete(AUDIT_HEAD).where(*mine)),
}  # fmt: skip
"""The first event that does not fit, by its place; None if events are missing at the end."""


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_shows_at_its_place_and_after_the_next_event(
    account: Account, change: str
) -> None:
    place, statement = CHANGES[change]
    ids = account.ids
    mine = account.ledger.rows.where(AUDIT_HEAD)
    changed = statement(ids, mine)
    if change == "an event changed":  # it stays an event of this account
        changed = changed.values(event=account.ledger.rows.owned(command="other"))
    account.change(changed)
    for _ in range(2):
        with pytest.raises(BrokenAuditError) as error:
            account.ledger.audit.verify()
        if place is not None:
            assert f"event {ids[place]} " in str(error.value)
        account.note("later")


def test_accounts_are_apart(account: Account, ledger_url: str) -> None:
    other, empty = Account(ledger_url), Account(ledger_url)
    with closing(other.ledger), closing(empty.ledger):
        other.note("one")
        account.change(delete(AUDIT).where(AUDIT.c.id == account.ids[0]))
        assert (other.ledger.audit.verify(), empty.ledger.audit.verify()) == (1, 0)


def test_events_of_twelve_months_ago_go_and_the_rest_holds(account: Account) -> None:
    account.clock.now = START + timedelta(days=200)
    account.note("four", "five")
    account.clock.now = START + timedelta(days=366)
    account.note("six")
    names = [event["event"]["command"] for event in account.ledger.audit.events()]
    assert names == ["four", "five", "six"]
    assert account.ledger.audit.verify() == 3
    account.change(delete(AUDIT).where(AUDIT.c.id == account.ids[0]))
    with pytest.raises(LedgerError, match=f"event {account.ids[0]} "):
        account.ledger.audit.verify()


def test_events_that_are_all_old_leave_an_audit_that_holds(account: Account) -> None:
    account.clock.now = START + timedelta(days=1000)
    account.note("new")
    assert account.ledger.audit.verify() == 1


def step(connection: Connection, name: str, to: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    getattr(command, name)(config, to)


def test_an_audit_of_an_older_version_gets_a_head(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    older = Account(url)
    older.note("one", "two")
    with older.ledger.engine.begin() as connection:
        step(connection, "downgrade", "0010")
    older.ledger.close()
    with Ledger(Ledger.open(url), older.ledger.scope) as ledger:
        assert ledger.audit.verify() == 2
        assert heads(ledger.engine) == 1
        with ledger.engine.begin() as connection:
            connection.execute(delete(AUDIT).where(AUDIT.c.event["command"].as_string() == "two"))
        with pytest.raises(BrokenAuditError, match="missing at its end"):
            ledger.audit.verify()


def heads(engine: Engine) -> int:
    with engine.connect() as connection:
        return len(connection.execute(select(AUDIT_HEAD)).all())
