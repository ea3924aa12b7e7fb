"""The ledger's tables. A change here needs a migration, which a test compares with the tables.

Every key holds the CRM and the account, so that one ledger serves any number of accounts. Times are
UTC text with `Z` and microseconds; observed times inside `entry.fields` are integers of
microseconds.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
    true,
)

NAMES = {"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"}
"""Naming of constraints, so that migrations can name them."""
METADATA = MetaData(naming_convention=NAMES)
AUTONUMBER = BigInteger().with_variant(Integer, "sqlite")


class StoredBytes(LargeBinary):
    """Bytes as the database holds them: in a damaged row of SQLite they may be anything else."""

    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> None:
        """As they are."""

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """As they are."""


def account_columns() -> tuple[Column[str], Column[str]]:
    """What every key begins with; new ones for each table, since a column belongs to one."""
    return (
        Column("crm", String(32), primary_key=True),
        Column("account", String(64), primary_key=True),
    )


def key_columns(table: Table) -> list[str]:
    """The names of the columns that make a row's key: what an upsert conflicts on."""
    return [column.name for column in table.primary_key]


RUN = Table(
    "run",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("crm", String(32), nullable=False),
    Column("account", String(64), nullable=False),
    Column("began_at", String(27), nullable=False),
    Column("ended_at", String(27)),
    Column("exit_code", Integer),
    Column("report", JSON),
)
"""One run of a target."""

ENTRY = Table(
    "entry",
    METADATA,
    *account_columns(),
    Column("object", String(80), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("crm_id", String(64)),
    Column("state", String(8), nullable=False),
    # msgpack: {"r": {rule: fingerprint + version}, "f": {field: [hash, observed_us]}}
    Column("fields", StoredBytes, nullable=False),
    # When the CRM was last seen to hold the record.
    Column("verified_us", BigInteger, server_default=text("0"), nullable=False),
    # True if its CRM id changed: links that were made before lead to another record.
    Column("moved", Boolean, server_default=false(), nullable=False),
    Column("run_id", String(36), nullable=False),
    Index("ix_entry_crm_id", "crm", "account", "object", "crm_id"),
)
"""What the CRM is known to hold under one key.

`state`: pending (a create was intended), settled, dead, gone (people deleted the record).
"""

ENTRY_COLUMNS = (
    ENTRY.c.key, ENTRY.c.state, ENTRY.c.crm_id, ENTRY.c.fields, ENTRY.c.verified_us,
    ENTRY.c.moved,
)  # fmt: skip
"""What `Entry.unpacked` takes."""

OBJECT_KEYS = Table(
    "object_keys",
    METADATA,
    *account_columns(),
    Column("object", String(80), primary_key=True),
    Column("key_field", String(255), nullable=False),
    # True if keys are in the ledger without case, since the CRM's field ignores it.
    Column("folds_case", Boolean, nullable=False),
    # When its entries were first kept; those of older versions count as verified then.
    Column("verified_at", String(27), nullable=False),
)
"""How the entries of an object are keyed."""

CLAIM = Table(
    "claim",
    METADATA,
    *account_columns(),
    Column("object", String(80), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("until", String(27), nullable=False),
)
"""A key that one process is writing, until its lease ends."""

WAITING_LINK = Table(
    "waiting_link",
    METADATA,
    *account_columns(),
    Column("rule", String(120), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("to_object", String(80), primary_key=True),
    Column("object", String(80), nullable=False),
    Column("to_key", String(255), nullable=False),
    Column("source_key", String(255), nullable=False),
    # The source record; null in rows of links that an older version of this package wrote.
    Column("record", JSON),
    # Older versions that say what the record does not, oldest first: see `Version`.
    Column("earlier", JSON, server_default=text("'[]'"), nullable=False),
    # True if the whole write waits, or goes out again with the link; false for a link alone.
    Column("whole", Boolean, server_default=true(), nullable=False),
    Column("observed_us", BigInteger, nullable=False),
    Column("since", String(27), nullable=False),
    Column("run_id", String(36), nullable=False),
)
"""A link, or a write that needs it, whose other end has not arrived yet."""

DEAD_LETTER = Table(
    "dead_letter",
    METADATA,
    *account_columns(),
    Column("rule", String(120), primary_key=True),
    # The source's primary key.
    Column("key", String(255), primary_key=True),
    Column("stream", String(120), nullable=False),
    Column("object", String(80), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("code", String(80), nullable=False),
    Column("message", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("record", JSON, nullable=False),
    # Older versions that say what the record does not, oldest first: see `Version`.
    Column("earlier", JSON, server_default=text("'[]'"), nullable=False),
    # Of a masked letter, whose record is empty: names of the properties that had a value.
    Column("properties", JSON, server_default=text("'[]'"), nullable=False),
    Column("observed_us", BigInteger, nullable=False),
    # The link whose other end never came; empty if it was rejected for another reason.
    Column("to_object", String(80), server_default="", nullable=False),
    # The rule that it was tried with last.
    Column("rule_hash", String(16), server_default="", nullable=False),
    # The CRM object, as described, that it was tried against last.
    Column("schema_hash", String(16), server_default="", nullable=False),
    Column("times", Integer, nullable=False),
    Column("first_at", String(27), nullable=False),
    Column("last_at", String(27), nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("closed_at", String(27)),
)
"""A record that one rule could not deliver, with all that is needed to try again.

A masked letter keeps no values of the record, so it waits for the record to come again.
"""

FILTERED = Table(
    "filtered",
    METADATA,
    *account_columns(),
    Column("rule", String(120), primary_key=True),
    # The source's primary key.
    Column("key", String(255), primary_key=True),
    Column("observed_us", BigInteger, nullable=False),
)
"""When a rule last filtered a record that has no CRM record: older versions make none."""

DOUBT = Table(
    "doubt",
    METADATA,
    *account_columns(),
    Column("rule", String(120), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("source_key", String(255), nullable=False),
    # CRM ids of what the record refers to, by field: some records are found by these alone.
    Column("near", JSON, nullable=False),
    Column("run_id", String(36), nullable=False),
)
"""A key whose create was sent again after a lost response: there may be two records."""

RULE_VERSION = Table(
    "rule_version",
    METADATA,
    *account_columns(),
    Column("rule", String(120), primary_key=True),
    # The hash of the whole rule, in hex; fingerprints end in it.
    Column("version", String(8), primary_key=True),
    Column("stream", String(120), nullable=False),
    Column("object", String(80), nullable=False),
    # A hash by field, link, and other part.
    Column("parts", JSON, nullable=False),
    Column("seen_at", String(27), nullable=False),
)
"""What a rule said when a run first saw it so."""

TOMBSTONE = Table(
    "tombstone",
    METADATA,
    *account_columns(),
    Column("object", String(80), primary_key=True),
    Column("key_hash", String(64), primary_key=True),
    Column("erased_at", String(27), nullable=False),
)
"""A key of a person who was erased, as a keyed hash."""

TOMBSTONE_KEY = Table(
    "tombstone_key",
    METADATA,
    *account_columns(),
    Column("secret", String(64), nullable=False),
)
"""What the hashes of tombstones are keyed with, made with the account's first tombstone."""

STREAM_SCHEMA = Table(
    "stream_schema",
    METADATA,
    *account_columns(),
    Column("stream", String(120), primary_key=True),
    Column("schema", JSON, nullable=False),
    Column("key_properties", JSON, nullable=False),
)
"""The SCHEMA that a mapped stream came with last."""

OUTCOME = Table(
    "outcome",
    METADATA,
    Column("run_id", String(36), primary_key=True),
    *account_columns(),
    Column("object", String(80), primary_key=True),
    Column("outcome", String(24), primary_key=True),
    Column("rows", Integer, nullable=False),
)
"""What a run did, by object and outcome, for BI."""

JOB = Table(
    "job",
    METADATA,
    *account_columns(),
    Column("job_id", String(64), primary_key=True),
    Column("object", String(80), nullable=False),
    Column("state", String(16), nullable=False),
    Column("run_id", String(36), nullable=False),
    Column("began_at", String(27), nullable=False),
)
"""A bulk job that outlives a killed run."""

PACE = Table(
    "pace",
    METADATA,
    *account_columns(),
    Column("limit_name", String(32), primary_key=True),
    Column("window_began", String(27), primary_key=True),
    Column("owner", String(64), primary_key=True),
    Column("calls", Integer, nullable=False),
)
"""A block of calls that one process has leased of an account's limit."""

AUDIT = Table(
    "audit",
    METADATA,
    Column("id", AUTONUMBER, primary_key=True, autoincrement=True),
    Column("at", String(27), nullable=False),
    Column("event", JSON, nullable=False),
    Column("chain", String(64), nullable=False),
)
"""Who did what, hash-chained."""

AUDIT_HEAD = Table(
    "audit_head",
    METADATA,
    *account_columns(),
    # The chain of the newest event that was deleted as old; empty before the first.
    Column("carried", String(64), nullable=False),
    # The chain of the last event.
    Column("chain", String(64), nullable=False),
)
"""Where the chain of an account's audit begins and ends."""
