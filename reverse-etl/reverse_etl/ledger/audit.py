"""What people did to the ledger of one account by a command, each event chained to the one before.

Events name no key and no value: they stay when letters and records have gone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from reverse_etl.ledger.rows import Rows
from reverse_etl.ledger.tables import AUDIT


@dataclass(frozen=True, slots=True)
class AuditRows:
    """Appends events, within a transaction of the ledger."""

    rows: Rows

    def record(self, connection: Connection, event: Mapping[str, Any]) -> None:
        """Append an event. The transaction is the account's turn, so a chain never forks."""
        at, owned = self.rows.now(), self.rows.owned(**event)
        chain = chained(self._last(connection), at, owned)
        connection.execute(insert(AUDIT).values(at=at, event=owned, chain=chain))

    def events(self) -> list[dict[str, Any]]:
        """The events of this account, oldest first."""
        query = select(AUDIT).where(*self._mine()).order_by(AUDIT.c.id)
        with self.rows.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _last(self, connection: Connection) -> str:
        query = select(AUDIT.c.chain).where(*self._mine()).order_by(AUDIT.c.id.desc())
        return connection.scalar(query.limit(1)) or ""

    def _mine(self) -> tuple[Any, ...]:
        scope = self.rows.scope
        return (
            AUDIT.c.event["crm"].as_string() == scope.crm,
            AUDIT.c.event["account"].as_string() == scope.account,
        )


def chained(before: str, at: str, event: Mapping[str, Any]) -> str:
    """The hash of an event and of the chain before it."""
    content = json.dumps([before, at, event], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(content.encode()).hexdigest()
