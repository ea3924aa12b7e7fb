"""A ledger that cannot be used ends the run in one line; a damaged entry costs one look-up."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import singer_kit.database
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from reverse_etl.ledger import Entry
from reverse_etl.ledger.database import MIGRATIONS
from reverse_etl.ledger.entries import DamagedEntryError
from target_hubspot.adapter import HubSpotAdapter

from box import Box
from crms import HUBSPOT, Crm, each_crm
from support import Message, Result, deliver, lose_ledger, state, users

REVISIONS = sorted(file.name[:4] for file in (MIGRATIONS / "versions").glob("0*.py"))
FIRST = "first run"
LATER = "later run"


def people(numbers: int = 3, **more: Any) -> list[Message]:
    """Users, and the STATE behind them."""
    return [*users(numbers, **more), state("end")]


def ledger_of(folder: Path) -> Path:
    """The file of the ledger that `deliver` keeps for HubSpot."""
    return folder / f"{HUBSPOT}.db"


def check_one_line(result: Result, log: pytest.LogCaptureFixture, *words: str) -> None:
    """Exit code 1, one error line with these words, no STATE, no traceback, a report of its own."""
    errors = [record for record in log.records if record.levelname == "ERROR"]
    lines = [error.getMessage() for error in errors if "exit code 1" not in error.getMessage()]
    assert (result.code, len(lines), result.states) == (1, 1, []), lines
    assert all(error.exc_info is None for error in errors)
    assert all(word in lines[0] for word in words), lines[0]
    assert "\n" not in lines[0]
    assert (result.report["exit_code"], result.report["message"]) == (1, lines[0])


# Ledgers that cannot be used


@dataclass(frozen=True)
class End:
    """What is wrong with a ledger, and what the line says of it."""

    spoil: Callable[[Path], None]
    """Makes the file so."""
    words: tuple[str, ...]
    url: str = "sqlite:///{ledger}"


def nothing(ledger: Path) -> None:
    """The settings alone are wrong."""


def garbage(ledger: Path) -> None:
    ledger.write_bytes(b"no ledger at all" * 999)


def cut(ledger: Path) -> None:
    whole = ledger.read_bytes() if ledger.exists() else b"SQLite format 3\0"
    ledger.write_bytes(whole[: len(whole) // 2])


def folder(ledger: Path) -> None:
    ledger.unlink(missing_ok=True)
    ledger.mkdir()


def newer(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger)) as base, base:
        base.execute("CREATE TABLE IF NOT EXISTS ledger_version (version_num VARCHAR(32))")
        base.execute("DELETE FROM ledger_version")
        base.execute("INSERT INTO ledger_version VALUES ('9999')")


BELOW_A_FILE = "sqlite:///{folder}/file/x/ledger.db"
READ_ONLY = "sqlite:///file:{ledger}?mode=ro&uri=true"
GONE = "postgresql+psycopg://user:secret@127.0.0.1:9/ledger"  # nobody listens on port 9
ENDS = {
    "garbage": End(garbage, ("is not a SQLite database", "move it away")),
    "cut": End(cut, ("ledger", "move it away")),
    "a folder": End(folder, ("can be opened", "Check ledger_url")),
    "newer": End(newer, ("newer version", "Upgrade")),
    "folder that cannot be made": End(nothing, ("cannot be opened",), BELOW_A_FILE),
    "in memory": End(nothing, ("ledger_url names no file", "sqlite:///FILE"), "sqlite:///"),
    "in memory, by name": End(nothing, ("ledger_url names no file",), "sqlite:///:memory:"),
    "PostgreSQL gone": End(nothing, ("The ledger cannot be used", "Check ledger_url"), GONE),
}


@pytest.mark.parametrize("run", [FIRST, LATER])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_ledger_that_cannot_be_used_is_one_line(
    box: Box, end: End, run: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    if run == LATER:
        assert deliver(box, HUBSPOT, people(), tmp_path).states
    end.spoil(ledger_of(tmp_path))
    url = end.url.format(ledger=ledger_of(tmp_path), folder=tmp_path)
    before = len(box.people(HUBSPOT))
    result = deliver(box, HUBSPOT, people(5), tmp_path, ledger_url=url)
    check_one_line(result, caplog, *end.words)
    assert "secret" not in caplog.text
    assert len(box.people(HUBSPOT)) == before


@pytest.mark.parametrize("run", [FIRST, LATER])
def test_a_ledger_that_is_read_only_is_one_line(
    box: Box, run: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if run == LATER:
        assert deliver(box, HUBSPOT, people(), tmp_path).states
    url = READ_ONLY.format(ledger=ledger_of(tmp_path))
    words = "can be opened" if run == FIRST else "is read-only"
    result = deliver(box, HUBSPOT, people(5), tmp_path, ledger_url=url)
    check_one_line(result, caplog, "The ledger", words)
    assert not ledger_of(tmp_path).exists() or run == LATER


@pytest.mark.parametrize("run", [FIRST, LATER])
def test_a_full_disk_is_one_line_and_the_next_run_goes_on(
    box: Box,
    run: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pages = 10
    if run == LATER:
        assert deliver(box, HUBSPOT, people(), tmp_path).states
        pages = ledger_of(tmp_path).stat().st_size // 4096
    pragmas = singer_kit.database.sqlite_pragmas

    def full(connection: Any, record: object) -> None:
        pragmas(connection, record)
        connection.execute(f"PRAGMA max_page_count={pages}")

    with monkeypatch.context() as patch:
        patch.setattr(singer_kit.database, "sqlite_pragmas", full)
        result = deliver(box, HUBSPOT, people(300), tmp_path)
    check_one_line(result, caplog, "the disk is full", "Make room")
    caplog.clear()
    assert deliver(box, HUBSPOT, people(300), tmp_path).code == 0
    assert len(box.people(HUBSPOT)) == 300


def test_postgresql_that_goes_away_during_a_run_is_one_line(
    box: Box,
    postgres_server: str,
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write, name = HubSpotAdapter.write, sa.make_url(postgres_url).database

    def gone(*arguments: Any) -> Any:
        ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{0}'"
        at_server(postgres_server, ends.format(name), f"ALTER DATABASE {name} RENAME TO {name}_x")
        return write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(HubSpotAdapter, "write", gone)
        result = deliver(box, HUBSPOT, people(), tmp_path, ledger_url=postgres_url)
    check_one_line(result, caplog, "The ledger cannot be used", "Check ledger_url")
    at_server(postgres_server, f"ALTER DATABASE {name}_x RENAME TO {name}")
    base = sa.create_engine(postgres_url)
    with base.begin() as connection:
        # as if the process had ended: this one lives, so its claims would stand for a minute
        connection.execute(sa.text("DELETE FROM claim"))
    base.dispose()
    assert deliver(box, HUBSPOT, people(), tmp_path, ledger_url=postgres_url).code == 0
    assert len(box.people(HUBSPOT)) == 3


def at_server(url: str, *statements: str) -> None:
    """Execute these outside of any transaction."""
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    server.dispose()


# Ledgers that can


@pytest.mark.parametrize("run", [FIRST, LATER])
def test_a_folder_that_is_missing_is_made_and_nothing_comes_twice(
    box: Box, run: str, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/a/b/ledger.db"
    if run == LATER:
        deliver(box, HUBSPOT, people(), tmp_path)
    assert deliver(box, HUBSPOT, people(), tmp_path, ledger_url=url).code == 0
    assert len(box.people(HUBSPOT)) == 3
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_ledger_of_each_earlier_version_is_taken_up(box: Box, tmp_path: Path) -> None:
    deliver(box, HUBSPOT, people(), tmp_path)
    columns = "crm, account, object, key, crm_id, state, fields, run_id"
    with closing(sqlite3.connect(ledger_of(tmp_path))) as base:
        entries = base.execute(f"SELECT {columns} FROM entry").fetchall()
    box.forget_log()
    assert len(REVISIONS) >= 8
    for revision in REVISIONS:
        lose_ledger(tmp_path, HUBSPOT)
        earlier(ledger_of(tmp_path), revision)
        with closing(sqlite3.connect(ledger_of(tmp_path))) as base, base:
            marks = ", ".join("?" * 8)
            base.executemany(f"INSERT INTO entry ({columns}) VALUES ({marks})", entries)
        result = deliver(box, HUBSPOT, people(), tmp_path)
        assert (result.code, len(result.states)) == (0, 1)
        assert result.counts("contacts") == {"planned": 3, "unchanged": 3}
        assert result.report["calls"]["made"] == 0, revision  # they were known
    assert box.writes(HUBSPOT) == []


def earlier(ledger: Path, revision: str) -> None:
    """An empty ledger as an earlier version made it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = sa.create_engine(f"sqlite:///{ledger}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


@pytest.mark.parametrize("fields", [b"\xc1\xff\0", b"\x01", b"\x82\xa1r", b"\x80", b""])
def test_an_entry_that_cannot_be_read_is_damaged(fields: bytes) -> None:
    good = Entry("key", "settled").packed()
    with pytest.raises(DamagedEntryError):
        Entry.unpacked("key", "settled", "1", fields, 0, False)
    with pytest.raises(DamagedEntryError):
        Entry.unpacked("key", "what", "1", good, 0, False)  # type: ignore[arg-type]


@each_crm
def test_a_damaged_entry_costs_one_look_up(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    deliver(box, crm, people(), tmp_path)
    damage(tmp_path / f"{crm}.db", "user-1")
    box.forget_log()
    result = deliver(box, crm, people(), tmp_path)
    assert (result.code, len(result.states)) == (0, 1)
    assert result.counts(crm.people) == {"planned": 3, "unchanged": 3}
    assert caplog.text.count("1 entries are damaged") == 1
    assert (len(box.writes(crm)), len(box.people(crm))) == (0, 3)
    assert result.report["calls"]["made"] == result.report["calls"]["least"] >= 1
    again = deliver(box, crm, people(), tmp_path)
    assert (again.report["calls"]["made"], caplog.text.count("damaged")) == (0, 1)


@pytest.mark.parametrize("column", ["fields = 'text'", "fields = 7", "verified_us = 'text'"])
def test_a_value_of_another_type_in_an_entry_costs_one_look_up(
    box: Box, column: str, tmp_path: Path
) -> None:
    deliver(box, HUBSPOT, people(), tmp_path)
    damage(tmp_path / "hubspot.db", "user-1", column)
    box.forget_log()
    result = deliver(box, HUBSPOT, people(), tmp_path)
    assert (result.code, len(result.states)) == (0, 1)
    assert result.counts("contacts") == {"planned": 3, "unchanged": 3}
    assert box.writes(HUBSPOT) == []
    assert deliver(box, HUBSPOT, people(), tmp_path).report["calls"]["made"] == 0


def damage(ledger: Path, key: str, column: str = "fields = x'c1ff'") -> None:
    """Make an entry unreadable."""
    with closing(sqlite3.connect(ledger)) as base, base:
        cut = base.execute(f"UPDATE entry SET {column} WHERE key = ?", (key,))
        assert cut.rowcount == 1


@each_crm
def test_a_damaged_entry_of_a_record_that_the_crm_lacks_is_made_again(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    deliver(box, crm, people(), tmp_path)
    damage(tmp_path / f"{crm}.db", "user-1")
    for row in box.people(crm):
        if row["properties"][crm.person_key] == "user-1":
            crm.delete(box, crm.people, str(row["id"]))
    result = deliver(box, crm, people(), tmp_path)
    assert result.counts(crm.people) == {"planned": 3, "created": 1, "unchanged": 2}


@pytest.mark.parametrize("run", [FIRST, LATER])
def test_a_nul_in_a_key_costs_its_row(box: Box, run: str, ledger_url: str, tmp_path: Path) -> None:
    messages = people()
    if run == LATER:
        deliver(box, HUBSPOT, messages, tmp_path, ledger_url=ledger_url)
    messages[1]["record"]["user_id"] = "user\0-1"
    result = deliver(box, HUBSPOT, messages, tmp_path, ledger_url=ledger_url)
    assert (result.code, len(result.states)) == (0, 1)
    letters = [letter for letter in result.letters if letter["rule"] == HUBSPOT.person_rule[:-4]]
    assert [letter["code"] for letter in letters] == ["invalid_record"]
    assert "NUL" in letters[0]["message"]
