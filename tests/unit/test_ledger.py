"""The ledger, in SQLite and in a real PostgreSQL."""

from __future__ import annotations

import stat
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from reverse_etl.errors import LedgerError
from reverse_etl.ledger import Changes, DeadLetter, Entry, FieldMark, Ledger, Scope, Waiting
from reverse_etl.ledger.database import (
    MIGRATION_LOCK,
    SCHEMA_VERSION,
    schema_version,
    upgrade,
)
from reverse_etl.ledger.tables import METADATA
from singer_kit.database import exclusive, open_engine

from box import Box
from crms import HUBSPOT
from support import contents, deliver, extract


def open_ledger(url: str) -> Ledger:
    """A ledger of an account of its own."""
    return Ledger(Ledger.open(url), Scope("crm", str(uuid.uuid4())))


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with open_ledger(ledger_url) as ledger:
        yield ledger


def entry(key: str, state: str = "settled", crm_id: str | None = "1") -> Entry:
    marks = {"name": FieldMark(b"abcdefgh", 5)}
    linked = {"-> firm": ("7", "8")}
    return Entry(key, state, crm_id, {"rule": b"12345678"}, marks, linked)  # type: ignore[arg-type]


def test_migrations_and_tables_are_the_same(ledger_url: str) -> None:
    engine = open_engine(ledger_url, "ledger_url")
    with exclusive(engine, MIGRATION_LOCK) as connection:
        upgrade(connection)
        assert schema_version(connection) == SCHEMA_VERSION
        context = MigrationContext.configure(connection, opts={"version_table": "ledger_version"})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_a_new_ledger_has_the_tables_of_the_newest_version(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        assert schema_version(connection) == SCHEMA_VERSION
        context = MigrationContext.configure(connection, opts={"version_table": "ledger_version"})
        assert compare_metadata(context, METADATA) == []


def test_entries_come_back_as_they_were_and_only_in_their_account(
    ledger: Ledger, ledger_url: str
) -> None:
    ledger.apply(Changes("person", entries=[entry("a"), entry("b", "pending", None)]))
    found = ledger.entries("person", ["a", "b", "c"])
    assert found["a"] == entry("a")
    assert found["b"].state == "pending"
    assert set(found) == {"a", "b"}
    with open_ledger(ledger_url) as other:
        assert other.entries("person", ["a"]) == {}
    assert ledger.crm_ids("person", ["a", "b"]) == {"a": "1"}
    assert ledger.holders("person", ["1"]) == {"1": "a"}
    assert ledger.count("person") == 1


def test_a_settled_entry_never_becomes_pending(ledger: Ledger) -> None:
    ledger.apply(Changes("person", entries=[entry("a")]))
    with pytest.raises(LedgerError, match="settled to pending"):
        ledger.apply(Changes("person", entries=[entry("a", "pending")]))
    assert ledger.entries("person", ["a"])["a"].state == "settled"


def test_a_crm_record_is_never_under_two_keys(ledger: Ledger) -> None:
    ledger.apply(Changes("person", entries=[entry("a")]))
    with pytest.raises(LedgerError, match="two keys"):
        ledger.apply(Changes("person", entries=[entry("b")]))
    with pytest.raises(LedgerError, match="two keys"):
        ledger.apply(Changes("person", entries=[entry("b", crm_id="2"), entry("c", crm_id="2")]))
    ledger.apply(Changes("firm", entries=[entry("b")]))


def test_keys_are_brought_into_their_form_once(ledger: Ledger) -> None:
    old = [entry("A"), entry("b", crm_id="2"), entry("C", "pending", None)]
    ledger.apply(Changes("person", entries=old))
    waiting = Waiting("rule", "A", "person", "firm", "F", "s", 3, None)
    ledger.apply(Changes("person", waiting=[waiting]))
    ledger.keys.adopt("person", "id", folds_case=True)
    assert ledger.crm_ids("person", ["A", "a", "B"]) == {"A": "1", "a": "1", "B": "2"}
    assert set(ledger.entries("person", ["A", "a", "C", "c"])) == {"a", "c"}
    assert [row.key for row in ledger.waiting.of("rule")] == ["a"]
    ledger.keys.adopt("person", "id", folds_case=True)
    assert ledger.holders("person", ["1"]) == {"1": "a"}


def letter(key: str, code: str = "bad") -> DeadLetter:
    return DeadLetter(
        "rule",
        key,
        "users",
        "person",
        "send",
        code,
        "why",
        "do that",
        {"n": Decimal("1.5"), "s": "ü"},
        7,
    )


def test_a_dead_letter_keeps_the_record_counts_its_times_and_is_closed(ledger: Ledger) -> None:
    ledger.apply(Changes("person", dead=[letter("a"), letter("b")]))
    ledger.apply(Changes("person", dead=[letter("a", "worse")]))
    letters = {letter.key: letter for letter in ledger.letters.open()}
    assert letters["a"].times == 2
    assert letters["a"].code == "worse"
    assert letters["a"].record == {"n": 1.5, "s": "ü"}
    assert set(ledger.letters.of_sources("rule", ["a", "b", "c"])) == {"a", "b"}
    ledger.apply(Changes("person", closed=[("rule", "a")]))
    assert [letter.key for letter in ledger.letters.open()] == ["b"]


def test_what_waits_is_kept_until_it_is_done(ledger: Ledger) -> None:
    waiting = Waiting("rule", "k", "deal", "person", "p", "s", 3, {"x": 1})
    ledger.apply(Changes("deal", waiting=[waiting]))
    (found,) = ledger.waiting.of("rule")
    assert (found.to_key, found.record, found.run_id) == ("p", {"x": 1}, ledger.scope.run_id)
    ledger.apply(Changes("deal", done_waiting=[("rule", "k", "person")]))
    assert ledger.waiting.of("rule") == []


def test_a_failed_transaction_leaves_nothing(ledger: Ledger) -> None:
    ledger.apply(Changes("person", entries=[entry("a")]))
    with pytest.raises(LedgerError):
        ledger.apply(
            Changes("person", entries=[entry("new"), entry("a", "pending")], dead=[letter("x")])
        )
    assert set(ledger.entries("person", ["a", "new"])) == {"a"}
    assert ledger.letters.open() == []


def test_a_ledger_file_is_its_owners_alone(tmp_path: Path) -> None:
    open_ledger(f"sqlite:///{tmp_path}/deep/ledger.db").close()
    assert stat.S_IMODE((tmp_path / "deep" / "ledger.db").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://x/y", "postgresql+psycopg://nobody@127.0.0.1:9/none"]
)
def test_a_bad_ledger_url_is_a_clear_error(url: str) -> None:
    with pytest.raises(LedgerError) as error:
        Ledger.open(url)
    assert error.value.hint or "SQLite or PostgreSQL" in str(error.value)


def test_a_sync_with_its_ledger_in_postgresql(box: Box, tmp_path: Path, postgres_url: str) -> None:
    messages = extract(box, tmp_path)
    assert (
        deliver(box, HUBSPOT, messages, tmp_path, ledger_url=postgres_url).counts("contacts")[
            "created"
        ]
        == 60
    )
    before = contents(box, HUBSPOT)
    again = deliver(box, HUBSPOT, messages, tmp_path, ledger_url=postgres_url)
    assert again.counts("contacts") == {"planned": 60, "unchanged": 60}
    assert contents(box, HUBSPOT) == before
