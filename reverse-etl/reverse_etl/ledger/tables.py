"""The ledger's tables. A change here needs a migration, which a test compares with the tables.

Every key holds the CRM and the account, so that one ledger serves any number of accounts. Times are
UTC text with `Z` and microseconds; observed times inside `entry.fields` are integers of
microseconds.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    false,
    text,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMES = {"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
Autonumber = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Naming of constraints, so that migrations can name them."""

    metadata = MetaData(naming_convention=NAMES)


class RunRow(Base):
    """One run of a target."""

    __tablename__ = "run"
    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    crm: Mapped[str] = mapped_column(String(32))
    account: Mapped[str] = mapped_column(String(64))
    began_at: Mapped[str] = mapped_column(String(27))
    ended_at: Mapped[str | None] = mapped_column(String(27))
    exit_code: Mapped[int | None]
    report: Mapped[dict[str, Any] | None] = mapped_column(JSON)


class EntryRow(Base):
    """What the CRM is known to hold under one key.

    `state`: pending (a create was intended), settled, dead, gone (people deleted the record).
    """

    __tablename__ = "entry"
    crm: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    object: Mapped[str] = mapped_column(String(80), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    crm_id: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(8))
    fields: Mapped[bytes] = mapped_column(LargeBinary)
    """msgpack: {"r": {rule: fingerprint + version}, "f": {field: [hash, observed_us]}}"""
    verified_us: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """When the CRM was last seen to hold the record."""
    moved: Mapped[bool] = mapped_column(server_default=false())
    """True if its CRM id changed: links that were made before lead to another record."""
    run_id: Mapped[str] = mapped_column(String(36))
    __table_args__ = (Index("ix_entry_crm_id", "crm", "account", "object", "crm_id"),)


ENTRY_COLUMNS = (
    EntryRow.key, EntryRow.state, EntryRow.crm_id, EntryRow.fields, EntryRow.verified_us,
    EntryRow.moved,
)  # fmt: skip
"""What `Entry.unpacked` takes."""


class ObjectRow(Base):
    """How the entries of an object are keyed."""

    __tablename__ = "object_keys"
    crm: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    object: Mapped[str] = mapped_column(String(80), primary_key=True)
    key_field: Mapped[str] = mapped_column(String(255))
    folds_case: Mapped[bool]
    """True if keys are in the ledger without case, since the CRM's field ignores it."""
    verified_at: Mapped[str] = mapped_column(String(27))
    """When its entries were first kept; those of older versions count as verified then."""


class ClaimRow(Base):
    """A key that one process is writing, until its lease ends."""

    __tablename__ = "claim"
    crm: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    object: Mapped[str] = mapped_column(String(80), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    until: Mapped[str] = mapped_column(String(27))


class WaitingLinkRow(Base):
    """A link, or a write that needs it, whose other end has not arrived yet."""

    __tablename__ = "waiting_link"
    crm: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    rule: Mapped[str] = mapped_column(String(120), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    to_object: Mapped[str] = mapped_column(String(80), primary_key=True)
    object: Mapped[str] = mapped_column(String(80))
    to_key: Mapped[str] = mapped_column(String(255))
    source_key: Mapped[str] = mapped_column(String(255))
    record: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """The source record; null in rows of links that an older version of this package wrote."""
    earlier: Mapped[list[Any]] = mapped_column(JSON, server_default=text("'[]'"))
    """Older versions that say what the record does not, oldest first: see `Version`."""
    whole: Mapped[bool] = mapped_column(server_default=true())
    """True if the whole write waits, or goes out again with the link; false for a link alone."""
    observed_us: Mapped[int] = mapped_column(BigInteger)
    since: Mapped[str] = mapped_column(String(27))
    run_id: Mapped[str] = mapped_column(String(36))


class DeadLetterRow(Base):
    """A record that one rule could not deliver, with all that is needed to try again.

    A masked letter keeps no values of the record, so it waits for the record to come again.
    """

    __tablename__ = "dead_letter"
    crm: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    rule: Mapped[str] = mapped_column(String(120), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    """The source's primary key."""
    stream: Mapped[str] = mapped_column(String(120))
    object: Mapped[str] = mapped_column(String(80))
    stage: Mapped[str] = mapped_column(String(16))
    code: Mapped[str] = mapped_column(String(80))
    message: Mapped[str] = mapped_column(Text)
    hint: Mapped[str] = mapped_column(Text)
    record: Mapped[dict[str, Any]] = mapped_column(JSON)
    earlier: Mapped[list[Any]] = mapped_column(JSON, server_default=text("'[]'"))
    """Older versions that say what the record does not, oldest first: see `Version`."""
    properties: Mapped[list[str]] = mapped_column(JSON, server_default=text("'[]'"))
    """Of a masked letter, whose record is empty: names of the properties that had a value."""
    observed_us: Mapped[int] = mapped_column(BigInteger)
    to_object: Mapped[str] = mapped_column(String(80), server_default="")
    """The link whose other end never came; empty if it was rejected for another reason."""
    rule_hash: Mapped[str] = mapped_column(String(16), server_default="")
    """The rule that it was tried with last."""
    schema_hash: Mapped[str] = mapped_column(String(16), server_default="")
    """The CRM object, as described, that it was tried against last."""
    times: Mapped[int]
    first_at: Mapped[str] = mapped_column(String(27))
    last_at: Mapped[str] = mapped_column(String(27))
    run_id: Mapped[str] = mapped_column(String(36))
    closed_at: Mapped[str | None] = mapped_column(String(27))


class FilteredRow(Base):
    """When a rule last filtered a record that has no CRM record: older versions make none."""

    __tablename__ = "filtered"
    crm: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    rule: Mapped[str] = mapped_column(String(120), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    """The source's primary key."""
    observed_us: Mapped[int] = mapped_column(BigInteger)


class DoubtRow(Base):
    """A key whose create was sent again after a lost response: there may be two records."""

    __tablename__ = "doubt"
    crm: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    rule: Mapped[str] = mapped_column(String(120), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    source_key: Mapped[str] = mapped_column(String(255))
    near: Mapped[dict[str, Any]] = mapped_column(JSON)
    """CRM ids of what the record refers to, by field: some records are found by these alone."""
    run_id: Mapped[str] = mapped_column(String(36))


class RuleVersionRow(Base):
    """What a rule said when a run first saw it so."""

    __tablename__ = "rule_version"
    crm: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    rule: Mapped[str] = mapped_column(String(120), primary_key=True)
    version: Mapped[str] = mapped_column(String(8), primary_key=True)
    """The hash of the whole rule, in hex; fingerprints end in it."""
    stream: Mapped[str] = mapped_column(String(120))
    object: Mapped[str] = mapped_column(String(80))
    parts: Mapped[dict[str, Any]] = mapped_column(JSON)
    """A hash by field, link, and other part."""
    seen_at: Mapped[str] = mapped_column(String(27))


class TombstoneRow(Base):
    """A key that was erased, as a keyed hash."""

    __tablename__ = "tombstone"
    crm: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    object: Mapped[str] = mapped_column(String(80), primary_key=True)
    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    erased_at: Mapped[str] = mapped_column(String(27))


class StreamSchemaRow(Base):
    """The SCHEMA that a mapped stream came with last."""

    __tablename__ = "stream_schema"
    crm: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    stream: Mapped[str] = mapped_column(String(120), primary_key=True)
    schema: Mapped[dict[str, Any]] = mapped_column(JSON)
    key_properties: Mapped[list[str]] = mapped_column(JSON)


class OutcomeRow(Base):
    """What a run did, by object and outcome, for BI."""

    __tablename__ = "outcome"
    run_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    crm: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    object: Mapped[str] = mapped_column(String(80), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(24), primary_key=True)
    rows: Mapped[int]


class JobRow(Base):
    """A bulk job that outlives a killed run."""

    __tablename__ = "job"
    crm: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    job_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    object: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(16))
    run_id: Mapped[str] = mapped_column(String(36))
    began_at: Mapped[str] = mapped_column(String(27))


class PaceRow(Base):
    """A block of calls that one process has leased of an account's limit."""

    __tablename__ = "pace"
    crm: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(64), primary_key=True)
    limit_name: Mapped[str] = mapped_column(String(32), primary_key=True)
    window_began: Mapped[str] = mapped_column(String(27), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    calls: Mapped[int]


class AuditRow(Base):
    """Who did what, hash-chained."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(Autonumber, primary_key=True, autoincrement=True)
    at: Mapped[str] = mapped_column(String(27))
    event: Mapped[dict[str, Any]] = mapped_column(JSON)
    chain: Mapped[str] = mapped_column(String(64))
