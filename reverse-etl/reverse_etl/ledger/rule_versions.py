"""The versions of each rule that the ledger has seen, and how many records are of which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from sqlalchemy import select

from reverse_etl.ledger.entries import version_of
from reverse_etl.ledger.rows import Rows
from reverse_etl.ledger.tables import ENTRY, RULE_VERSION, key_columns


@dataclass(frozen=True, slots=True)
class RuleVersion:
    """What a rule said when it was last seen with this hash."""

    rule: str
    stream: str
    object: str
    version: bytes
    parts: Mapping[str, str]
    """A hash by part."""


@dataclass(frozen=True, slots=True)
class RuleVersions:
    """Reads and writes versions of rules."""

    rows: Rows

    def of_stream(self, stream: str) -> list[RuleVersion]:
        """Versions of the rules of a stream, those first that were seen first."""
        query = (
            select(RULE_VERSION)
            .where(*self.rows.where(RULE_VERSION), RULE_VERSION.c.stream == stream)
            .order_by(RULE_VERSION.c.seen_at)
        )
        with self.rows.engine.connect() as connection:
            return [
                RuleVersion(row.rule, row.stream, row.object, bytes.fromhex(row.version), row.parts)
                for row in connection.execute(query)
            ]

    def add(self, version: RuleVersion) -> None:
        """Keep a version, if it is not known."""
        key = self.rows.owned(rule=version.rule, version=version.version.hex())
        columns = {"stream": version.stream, "object": version.object, "parts": dict(version.parts)}
        insert = self.rows.insert(RULE_VERSION).values(**key, **columns, seen_at=self.rows.now())
        with self.rows.writing() as connection:
            connection.execute(
                insert.on_conflict_do_nothing(index_elements=key_columns(RULE_VERSION))
            )

    def count(self, object_name: str, rule: str) -> Counter[bytes]:
        """Settled records that a rule has delivered, by its version; empty if it is not known."""
        query = select(ENTRY.c.fields).where(
            *self.rows.where(ENTRY), ENTRY.c.object == object_name, ENTRY.c.state == "settled"
        )
        counts: Counter[bytes] = Counter()
        with self.rows.engine.connect() as connection:
            for fields in connection.scalars(query):
                fingerprint = msgspec.msgpack.decode(fields)["r"].get(rule)
                if fingerprint is not None:
                    counts[version_of(fingerprint)] += 1
        return counts
