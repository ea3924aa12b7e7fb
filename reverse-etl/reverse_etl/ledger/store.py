"""Reading and writing the ledger: blocks in, one transaction each.

A key's `state` moves only along `TRANSITIONS`; anything else raises. A hash is stored only for a value that the CRM
has accepted or was seen to hold.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
from alembic import command
from alembic.config import Config
from singer_kit.times import utc_text
from sqlalchemy import Engine, create_engine, delete, event, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import Session

from reverse_etl.errors import LedgerError
from reverse_etl.ledger.claims import Claims
from reverse_etl.ledger.tables import (
    DeadLetterRow,
    DoubtRow,
    EntryRow,
    JobRow,
    OutcomeRow,
    RunRow,
    WaitingLinkRow,
)

State = Literal["pending", "settled", "dead"]
TRANSITIONS: dict[State | None, set[State]] = {
    None: {"pending", "settled", "dead"},
    "pending": {"pending", "settled", "dead"},
    "settled": {"settled", "dead"},
    "dead": {"pending", "settled", "dead"},
}
KEYS_A_QUERY = 500
LOCK_WAIT_S = 60
MIGRATION_LOCK = 0x7265766572736531
"""PostgreSQL's advisory lock under which one process migrates."""
MIGRATIONS = Path(__file__).with_name("migrations")


@dataclass(frozen=True, slots=True)
class FieldMark:
    """The hash of the value last accepted, and when the source was seen to hold it."""

    hash: bytes
    observed_us: int


@dataclass(slots=True)
class Entry:
    """What the CRM is known to hold under one key."""

    key: str
    state: State
    crm_id: str | None = None
    fingerprints: dict[str, bytes] = field(default_factory=dict)
    marks: dict[str, FieldMark] = field(default_factory=dict)

    def packed(self) -> bytes:
        """The compact column."""
        marks = {name: [mark.hash, mark.observed_us] for name, mark in self.marks.items()}
        return msgspec.msgpack.encode({"r": self.fingerprints, "f": marks})

    @classmethod
    def unpacked(cls, key: str, state: State, crm_id: str | None, fields: bytes) -> Entry:
        """From a row."""
        data = msgspec.msgpack.decode(fields)
        marks = {name: FieldMark(mark[0], mark[1]) for name, mark in data["f"].items()}
        return cls(key, state, crm_id, data["r"], marks)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter to be written, or as read."""

    rule: str
    key: str
    stream: str
    object: str
    stage: str
    code: str
    message: str
    hint: str
    record: Mapping[str, Any]
    observed_us: int
    times: int = 1
    first_at: str = ""
    last_at: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A link, or a whole write (`record` given), that waits for the other end."""

    rule: str
    key: str
    object: str
    to_object: str
    to_key: str
    source_key: str
    observed_us: int
    record: Mapping[str, Any] | None = None
    since: str = ""
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A key of which there may be two records."""

    key: str
    source_key: str
    near: Mapping[str, str]
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which CRM and account the rows are of, and which run writes them."""

    crm: str
    account: str
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(slots=True)
class Changes:
    """One transaction's worth."""

    object: str
    entries: list[Entry] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    closed: list[tuple[str, str]] = field(default_factory=list)
    """Rule and source key of dead letters that a newer accepted record closes."""
    waiting: list[Waiting] = field(default_factory=list)
    done_waiting: list[tuple[str, str, str]] = field(default_factory=list)
    """Rule, key and other object of what no longer waits."""


JSON_ENCODER = msgspec.json.Encoder(decimal_format="number")


def to_json(value: object) -> str:
    """JSON for the tables; a Decimal stays a number."""
    return JSON_ENCODER.encode(value).decode()


def sqlite_settings(connection: Any, _record: object) -> None:
    """Write-ahead log, durable commits, waiting for a lock instead of failing."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={LOCK_WAIT_S * 1000}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def make_engine(url: str) -> Engine:
    """An engine for a ledger's URL; a SQLite file is made for its owner alone. Raises: LedgerError."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        hint = "Give sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE."
        raise LedgerError("ledger_url is no database URL.", hint) from None
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise LedgerError(f"ledger_url names {backend}; the ledger lives in SQLite or PostgreSQL.")
    if backend == "sqlite" and parsed.database and parsed.database != ":memory:":
        path = Path(parsed.database)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        make_private(path)
    engine = create_engine(parsed, pool_pre_ping=backend == "postgresql", json_serializer=to_json)
    if backend == "sqlite":
        event.listen(engine, "connect", sqlite_settings)
    return engine


def make_private(path: Path) -> None:
    """Make a file for its owner alone, unless it is there.

    One that is there is not opened: to close it would drop the locks that SQLite holds on it in this process, and two
    writers at once spoil a database. Source: sqlite.org, How To Corrupt An SQLite Database File, 2.2.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def migrate(engine: Engine) -> None:
    """Bring the schema to the present version."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        # one process at a time: several may be started at once on a new ledger
        alone = (
            "BEGIN IMMEDIATE"
            if engine.dialect.name == "sqlite"
            else f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
        )
        connection.exec_driver_sql(alone)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


class Ledger:
    """The ledger of one account, for one run."""

    def __init__(self, engine: Engine, scope: Scope, now: Any = None) -> None:
        self.engine, self.scope = engine, scope
        self._now = now or (lambda: datetime.now(UTC))
        self._insert: Any = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert
        self.claims = Claims(
            engine, self._insert, scope.crm, scope.account, scope.run_id, self._now
        )

    @staticmethod
    def open(url: str) -> Engine:
        """A migrated engine. Raises: LedgerError."""
        engine = make_engine(url)
        try:
            migrate(engine)
        except SQLAlchemyError as error:
            reason = type(getattr(error, "orig", error)).__name__
            raise LedgerError(
                f"The ledger cannot be opened ({reason}).",
                "Check ledger_url, and that the database can be reached and written.",
            ) from None
        return engine

    def now(self) -> str:
        """The present moment as the tables keep it."""
        return utc_text(self._now())

    def _scope(self, table: Any) -> tuple[Any, Any]:
        return table.crm == self.scope.crm, table.account == self.scope.account

    def begin_run(self) -> None:
        """Note that the run began."""
        with Session(self.engine) as session, session.begin():
            session.add(
                RunRow(
                    id=self.scope.run_id,
                    crm=self.scope.crm,
                    account=self.scope.account,
                    began_at=self.now(),
                )
            )

    def end_run(
        self, exit_code: int, report: Mapping[str, Any], outcomes: Mapping[tuple[str, str], int]
    ) -> None:
        """Note how the run ended, and what it did by object and outcome; nothing is claimed any more."""
        self.claims.end()
        with Session(self.engine) as session, session.begin():
            values = {"ended_at": self.now(), "exit_code": exit_code, "report": dict(report)}
            session.execute(update(RunRow).where(RunRow.id == self.scope.run_id).values(values))
            for (object_name, outcome), rows in outcomes.items():
                if rows:
                    session.add(
                        OutcomeRow(
                            run_id=self.scope.run_id,
                            crm=self.scope.crm,
                            account=self.scope.account,
                            object=object_name,
                            outcome=outcome,
                            rows=rows,
                        )
                    )

    def entries(self, object_name: str, keys: Iterable[str]) -> dict[str, Entry]:
        """Entries by key; a key that is not known is left out."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Entry] = {}
        with Session(self.engine) as session:
            for start in range(0, len(wanted), KEYS_A_QUERY):
                query = select(
                    EntryRow.key, EntryRow.state, EntryRow.crm_id, EntryRow.fields
                ).where(
                    *self._scope(EntryRow),
                    EntryRow.object == object_name,
                    EntryRow.key.in_(wanted[start : start + KEYS_A_QUERY]),
                )
                for row in session.execute(query):
                    found[row.key] = Entry.unpacked(row.key, row.state, row.crm_id, row.fields)
        return found

    def crm_ids(self, object_name: str, keys: Iterable[str]) -> dict[str, str]:
        """CRM ids of settled entries by key."""
        return {
            key: one.crm_id
            for key, one in self.entries(object_name, keys).items()
            if one.state == "settled" and one.crm_id
        }

    def holders(self, object_name: str, crm_ids: Iterable[str]) -> dict[str, str]:
        """Which key holds a CRM record, by CRM id."""
        wanted = list(dict.fromkeys(crm_ids))
        found: dict[str, str] = {}
        with Session(self.engine) as session:
            for start in range(0, len(wanted), KEYS_A_QUERY):
                query = select(EntryRow.crm_id, EntryRow.key).where(
                    *self._scope(EntryRow),
                    EntryRow.object == object_name,
                    EntryRow.state == "settled",
                    EntryRow.crm_id.in_(wanted[start : start + KEYS_A_QUERY]),
                )
                found |= {str(row.crm_id): row.key for row in session.execute(query)}
        return found

    def count(self, object_name: str) -> int:
        """Settled entries of an object."""
        query = (
            select(func.count())
            .select_from(EntryRow)
            .where(
                *self._scope(EntryRow), EntryRow.object == object_name, EntryRow.state == "settled"
            )
        )
        with Session(self.engine) as session:
            return session.scalar(query) or 0

    def apply(self, changes: Changes) -> None:
        """Everything of one block, or nothing. Raises: LedgerError."""
        try:
            with Session(self.engine) as session, session.begin():
                self._write_entries(session, changes)
                for letter in changes.dead:
                    self._write_dead(session, letter)
                for rule, key in changes.closed:
                    self._close_dead(session, rule, key)
                for waiting in changes.waiting:
                    self._write_waiting(session, waiting)
                for rule, key, to_object in changes.done_waiting:
                    session.execute(
                        delete(WaitingLinkRow).where(
                            *self._scope(WaitingLinkRow),
                            WaitingLinkRow.rule == rule,
                            WaitingLinkRow.key == key,
                            WaitingLinkRow.to_object == to_object,
                        )
                    )
        except SQLAlchemyError as error:
            reason = type(getattr(error, "orig", error)).__name__
            raise LedgerError(
                f"The ledger could not be written ({reason}).",
                "Run again: what is unsettled is sent again.",
            ) from None

    def _write_entries(self, session: Session, changes: Changes) -> None:
        known = {
            one.key: one
            for one in self._states(session, changes.object, [one.key for one in changes.entries])
        }
        rows = []
        for one in changes.entries:
            before: State | None = known[one.key].state if one.key in known else None
            if one.state not in TRANSITIONS[before]:
                raise LedgerError(
                    f"{changes.object}: an entry cannot go from {before} to {one.state}.",
                    "This is a bug: please report it.",
                )
            rows.append(
                {
                    "crm": self.scope.crm, "account": self.scope.account, "object": changes.object, "key": one.key,
                    "crm_id": one.crm_id, "state": one.state, "fields": one.packed(), "run_id": self.scope.run_id,
                }
            )  # fmt: skip
        if rows:
            insert = self._insert(EntryRow)
            changed = {
                name: insert.excluded[name] for name in ("crm_id", "state", "fields", "run_id")
            }
            session.execute(
                insert.on_conflict_do_update(
                    index_elements=["crm", "account", "object", "key"], set_=changed
                ),
                rows,
            )

    def _states(self, session: Session, object_name: str, keys: Sequence[str]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(keys), KEYS_A_QUERY):
            part = keys[start : start + KEYS_A_QUERY]
            query = select(EntryRow.key, EntryRow.state).where(
                *self._scope(EntryRow), EntryRow.object == object_name, EntryRow.key.in_(part)
            )
            found += session.execute(query).all()
        return found

    def _write_dead(self, session: Session, letter: DeadLetter) -> None:
        now = self.now()
        values = {
            "stream": letter.stream, "object": letter.object, "stage": letter.stage, "code": letter.code,
            "message": letter.message, "hint": letter.hint, "record": dict(letter.record), "observed_us": letter.observed_us,
            "last_at": now, "run_id": self.scope.run_id, "closed_at": None,
        }  # fmt: skip
        insert = self._insert(DeadLetterRow).values(
            crm=self.scope.crm,
            account=self.scope.account,
            rule=letter.rule,
            key=letter.key,
            times=1,
            first_at=now,
            **values,
        )
        again = {**values, "times": DeadLetterRow.times + 1}
        session.execute(
            insert.on_conflict_do_update(
                index_elements=["crm", "account", "rule", "key"], set_=again
            )
        )

    def _close_dead(self, session: Session, rule: str, key: str) -> None:
        where = (
            *self._scope(DeadLetterRow),
            DeadLetterRow.rule == rule,
            DeadLetterRow.key == key,
            DeadLetterRow.closed_at.is_(None),
        )
        session.execute(update(DeadLetterRow).where(*where).values(closed_at=self.now()))

    def _write_waiting(self, session: Session, waiting: Waiting) -> None:
        values = {
            "object": waiting.object, "to_key": waiting.to_key, "source_key": waiting.source_key,
            "record": dict(waiting.record) if waiting.record is not None else None,
            "observed_us": waiting.observed_us,
        }  # fmt: skip
        insert = self._insert(WaitingLinkRow).values(
            crm=self.scope.crm, account=self.scope.account, rule=waiting.rule, key=waiting.key, to_object=waiting.to_object,
            since=self.now(), run_id=self.scope.run_id, **values,
        )  # fmt: skip
        session.execute(
            insert.on_conflict_do_update(
                index_elements=["crm", "account", "rule", "key", "to_object"], set_=values
            )
        )

    def open_letters(self) -> list[DeadLetter]:
        """Dead letters that no newer accepted record has closed, oldest first."""
        query = (
            select(DeadLetterRow)
            .where(*self._scope(DeadLetterRow), DeadLetterRow.closed_at.is_(None))
            .order_by(DeadLetterRow.first_at, DeadLetterRow.rule, DeadLetterRow.key)
        )
        with Session(self.engine) as session:
            return [
                DeadLetter(
                    row.rule, row.key, row.stream, row.object, row.stage, row.code, row.message, row.hint, row.record,
                    row.observed_us, row.times, row.first_at, row.last_at,
                )
                for row in session.scalars(query)
            ]  # fmt: skip

    def dead_keys(self, rule: str, keys: Iterable[str]) -> set[str]:
        """Source keys, of those given, with an open dead letter of this rule."""
        wanted, found = list(keys), set[str]()
        with Session(self.engine) as session:
            for start in range(0, len(wanted), KEYS_A_QUERY):
                query = select(DeadLetterRow.key).where(
                    *self._scope(DeadLetterRow),
                    DeadLetterRow.rule == rule,
                    DeadLetterRow.closed_at.is_(None),
                    DeadLetterRow.key.in_(wanted[start : start + KEYS_A_QUERY]),
                )
                found |= set(session.scalars(query))
        return found

    def waiting(self, rule: str | None = None) -> list[Waiting]:
        """What waits, of one rule or all."""
        query = (
            select(WaitingLinkRow)
            .where(*self._scope(WaitingLinkRow))
            .order_by(WaitingLinkRow.since, WaitingLinkRow.key)
        )
        if rule is not None:
            query = query.where(WaitingLinkRow.rule == rule)
        with Session(self.engine) as session:
            return [
                Waiting(
                    row.rule, row.key, row.object, row.to_object, row.to_key, row.source_key, row.observed_us, row.record,
                    row.since, row.run_id,
                )
                for row in session.scalars(query)
            ]  # fmt: skip

    def doubt(self, rule: str, doubts: Sequence[Doubt]) -> None:
        """Note keys whose create is about to be sent again."""
        with Session(self.engine) as session, session.begin():
            for one in doubts:
                values = {
                    "source_key": one.source_key,
                    "near": dict(one.near),
                    "run_id": self.scope.run_id,
                }
                insert = self._insert(DoubtRow).values(
                    crm=self.scope.crm, account=self.scope.account, rule=rule, key=one.key, **values
                )
                session.execute(
                    insert.on_conflict_do_update(
                        index_elements=["crm", "account", "rule", "key"], set_=values
                    )
                )

    def doubts(self, rule: str) -> list[Doubt]:
        """Keys of a rule of which there may be two records."""
        query = (
            select(DoubtRow)
            .where(*self._scope(DoubtRow), DoubtRow.rule == rule)
            .order_by(DoubtRow.key)
        )
        with Session(self.engine) as session:
            return [
                Doubt(row.key, row.source_key, row.near, row.run_id)
                for row in session.scalars(query)
            ]

    def end_doubts(self, rule: str, keys: Sequence[str]) -> None:
        """Forget keys of which there is one record."""
        with Session(self.engine) as session, session.begin():
            for key in keys:
                session.execute(
                    delete(DoubtRow).where(
                        *self._scope(DoubtRow), DoubtRow.rule == rule, DoubtRow.key == key
                    )
                )

    def begin_job(self, object_name: str, job_id: str) -> None:
        """Note a job before anything is uploaded to it."""
        with Session(self.engine) as session, session.begin():
            session.add(
                JobRow(
                    crm=self.scope.crm, account=self.scope.account, job_id=job_id, object=object_name, state="open",
                    run_id=self.scope.run_id, began_at=self.now(),
                )
            )  # fmt: skip

    def end_job(self, job_id: str) -> None:
        """Forget a job whose rows have their fates, or are looked up."""
        with Session(self.engine) as session, session.begin():
            session.execute(delete(JobRow).where(*self._scope(JobRow), JobRow.job_id == job_id))

    def open_jobs(self) -> list[tuple[str, str, str]]:
        """Object, id and run of jobs that have not been seen to their end, oldest first."""
        query = (
            select(JobRow.object, JobRow.job_id, JobRow.run_id)
            .where(*self._scope(JobRow))
            .order_by(JobRow.began_at)
        )
        with Session(self.engine) as session:
            return [(row.object, row.job_id, row.run_id) for row in session.execute(query)]

    def cutoff(self, days: float) -> str:
        """The moment this many days ago, as the tables keep it."""
        return utc_text(self._now() - timedelta(days=days))
