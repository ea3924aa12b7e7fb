"""The inbox's tables."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text

METADATA = MetaData()
ROWS = Table(
    "webhook_inbox",
    METADATA,
    Column(
        "sequence",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("event_id", String(64), nullable=False, unique=True),
    Column("event", String(80), nullable=False),
    Column("at", String(27), nullable=False),
    Column("received_at", String(27), nullable=False),
    Column("data", Text, nullable=False),
    sqlite_autoincrement=True,
)
"""`data` is the event's data as JSON text."""
READERS = Table(
    "webhook_reader",
    METADATA,
    Column("reader", String(64), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("seen_at", String(27), nullable=False),
)
"""How far each reader has delivered, by the state with which it last began."""
IDENTITY = Table("webhook_inbox_identity", METADATA, Column("id", String(36), primary_key=True))
"""One row: which inbox this is, so that a bookmark of another inbox is recognised."""
