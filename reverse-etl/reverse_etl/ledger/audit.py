"""What people did to the ledger of one account by a command, each event chained to the one before.

The head is the chain of the last event: it shows a cut at the end. Events are kept for 12 months;
then the head carries on the chain of those that went. Events name no key and no value: they stay
when letters and records have gone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from singer_kit.times import utc_text
from singer_kit.users import user_name
from sqlalchemy import Connection, Engine, delete, insert, select

from reverse_etl.errors import LedgerError
from reverse_etl.ledger.rows import Rows
from reverse_etl.ledger.tables import AUDIT, AUDIT_HEAD, key_columns

KEPT = timedelta(days=365)
BEGINNING = ""
"""The chain before the first event."""
NO_HEAD = "no head"
"""The chain before an event that found no head, which is broken for good."""


class BrokenAuditError(LedgerError):
    """The audit is not as it was written."""

    def __init__(self, how: str) -> None:
        super().__init__(f"The audit was changed: {how}.", "Compare it with a copy of the ledger.")


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain of an account begins and ends."""

    carried: str
    """The chain of the newest event that was deleted as old."""
    chain: str
    """The chain of the last event."""


@dataclass(frozen=True, slots=True)
class AuditRows:
    """Appends events, within a transaction of the ledger, and checks them."""

    rows: Rows

    def record(self, connection: Connection, event: Mapping[str, Any]) -> None:
        """Append an event. The transaction is the account's turn, so a chain never forks.

        It continues the head, not the last row: a cut shows even after the next event.
        """
        head = self._head(connection)
        if head is None:
            unknown = NO_HEAD if self._rows(connection) else BEGINNING
            head = Head(BEGINNING, unknown)
        carried = self._prune(connection, head.carried)
        at, owned = self.rows.now(), self.rows.owned(who=user_name(), **event)
        chain = chained(head.chain, at, owned)
        connection.execute(insert(AUDIT).values(at=at, event=owned, chain=chain))
        columns = {"carried": carried, "chain": chain}
        new_head = self.rows.insert(AUDIT_HEAD).values(**self.rows.owned(**columns))
        connection.execute(
            new_head.on_conflict_do_update(index_elements=key_columns(AUDIT_HEAD), set_=columns)
        )

    def events(self) -> list[dict[str, Any]]:
        """The events of this account, oldest first."""
        with self.rows.engine.connect() as connection:
            return [dict(row._mapping) for row in self._rows(connection)]

    def verify(self) -> int:
        """The number of events, if none was changed, taken out, put in or cut off.

        Raises: BrokenAuditError that names the first event that does not fit.
        """
        with self.rows.engine.connect() as connection:
            head, events = self._head(connection), self._rows(connection)
        before = head.carried if head is not None else BEGINNING
        for row in events:
            if row.chain != chained(before, row.at, row.event):
                raise BrokenAuditError(f"event {row.id} of {row.at} does not fit the one before")
            before = row.chain
        if head is None and events:
            raise BrokenAuditError("its head is missing, which says how far it goes")
        if head is not None and head.chain != before:
            last = f"after event {events[-1].id}" if events else "all of them"
            raise BrokenAuditError(f"events are missing at its end, {last}")
        return len(events)

    def _prune(self, connection: Connection, carried: str) -> str:
        """Delete old events at the beginning; returns the chain that the next one continues."""
        limit = utc_text(self.rows.clock() - KEPT)
        for row in self._rows(connection):
            if row.at >= limit:
                break
            connection.execute(delete(AUDIT).where(AUDIT.c.id == row.id))
            carried = row.chain
        return carried

    def _head(self, connection: Connection) -> Head | None:
        columns = (AUDIT_HEAD.c.carried, AUDIT_HEAD.c.chain)
        row = connection.execute(select(*columns).where(*self.rows.where(AUDIT_HEAD))).first()
        return None if row is None else Head(row.carried, row.chain)

    def _rows(self, connection: Connection) -> list[Any]:
        scope = self.rows.scope
        mine = (
            AUDIT.c.event["crm"].as_string() == scope.crm,
            AUDIT.c.event["account"].as_string() == scope.account,
        )
        return list(connection.execute(select(AUDIT).where(*mine).order_by(AUDIT.c.id)))


def audited_accounts(engine: Engine, crm: str) -> list[str]:
    """Accounts of a CRM with an audit, also if only its head or its events are left of it."""
    of_crm = AUDIT.c.event["crm"].as_string() == crm
    with engine.connect() as connection:
        heads = connection.scalars(select(AUDIT_HEAD.c.account).where(AUDIT_HEAD.c.crm == crm))
        named = connection.scalars(select(AUDIT.c.event["account"].as_string()).where(of_crm))
        return sorted({*heads, *map(str, named)})


def chained(before: str, at: str, event: Mapping[str, Any]) -> str:
    """The hash of an event and of the chain before it."""
    content = json.dumps([before, at, event], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(content.encode()).hexdigest()
