"""Who writes which key: several processes may work on one account, and a key is one process's at a time.

A claim is a lease that its owner renews while it lives. One whose owner is gone ends with its lease, and at once where the
owner was a process of this machine. A key that another process holds is left to the end of the run.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from singer_kit.times import utc_text
from sqlalchemy import Engine, delete, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from reverse_etl.errors import LedgerError
from reverse_etl.ledger.tables import ClaimRow

LEASE_S = 60.0
"""How long a claim stands without being renewed; it is renewed three times as often."""
KEYS_A_QUERY = 500


def place() -> str:
    """This machine, or this container of it: where a process id means one process."""
    with suppress(OSError):
        return hashlib.sha256(
            f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}".encode()
        ).hexdigest()[:12]
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12]


def is_gone(owner: str) -> bool:
    """Whether the owner of a claim is known to live no more."""
    where, pid, *_ = [*owner.split("/"), "", ""]
    if where != place() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


@dataclass
class Claims:
    """The claims of one run."""

    engine: Engine
    insert: Any
    crm: str
    account: str
    run_id: str
    now: Callable[[], datetime]
    _held: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)
    _renewing: threading.Thread | None = None

    @property
    def owner(self) -> str:
        """This run, in this process, in this place."""
        return f"{place()}/{os.getpid()}/{self.run_id}"

    @contextmanager
    def _session(self) -> Iterator[Session]:
        try:
            with Session(self.engine) as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            reason = type(getattr(error, "orig", error)).__name__
            raise LedgerError(
                f"The ledger could not be written ({reason}).",
                "Run again: what is unsettled is sent again.",
            ) from None

    def _of(self, object_name: str) -> tuple[Any, ...]:
        return (
            ClaimRow.crm == self.crm,
            ClaimRow.account == self.account,
            ClaimRow.object == object_name,
        )

    def take(self, object_name: str, keys: Iterable[str]) -> set[str]:
        """Claim keys; those that are this run's now. Raises: LedgerError."""
        wanted = sorted(set(keys))  # in one order, so that two processes do not wait for each other
        if not wanted:
            return set()
        taken = self._take(object_name, wanted)
        if len(taken) < len(wanted) and self._bury(
            object_name, [key for key in wanted if key not in taken]
        ):
            taken = self._take(object_name, wanted)
        self._held += len(taken)
        self._keep_renewing()
        return taken

    def _take(self, object_name: str, wanted: Sequence[str]) -> set[str]:
        now = self.now()
        until = utc_text(now + timedelta(seconds=LEASE_S))
        rows = [
            {
                "crm": self.crm,
                "account": self.account,
                "object": object_name,
                "key": key,
                "owner": self.owner,
                "until": until,
            }
            for key in wanted
        ]
        insert = self.insert(ClaimRow)
        free = (ClaimRow.until < utc_text(now)) | (ClaimRow.owner == self.owner)
        changed = {name: insert.excluded[name] for name in ("owner", "until")}
        claim = insert.on_conflict_do_update(
            index_elements=["crm", "account", "object", "key"], set_=changed, where=free
        )
        taken: set[str] = set()
        with self._session() as session:
            session.execute(claim, rows)
            for start in range(0, len(wanted), KEYS_A_QUERY):
                part = wanted[start : start + KEYS_A_QUERY]
                query = select(ClaimRow.key).where(
                    *self._of(object_name), ClaimRow.owner == self.owner, ClaimRow.key.in_(part)
                )
                taken |= set(session.scalars(query))
        return taken

    def _bury(self, object_name: str, keys: Sequence[str]) -> bool:
        """End the claims on these keys whose owners are gone; whether there were any."""
        with self._session() as session:
            holding = (
                select(ClaimRow.owner)
                .where(*self._of(object_name), ClaimRow.key.in_(keys[:KEYS_A_QUERY]))
                .distinct()
            )
            owners = set(session.scalars(holding))
            gone = [owner for owner in owners if is_gone(owner)]
            if gone:
                session.execute(delete(ClaimRow).where(ClaimRow.owner.in_(gone)))
        return bool(gone)

    def release(self, object_name: str, keys: Iterable[str]) -> None:
        """Give keys back. Raises: LedgerError."""
        given = list(keys)
        if not given or not self._held:
            return
        with self._session() as session:
            for start in range(0, len(given), KEYS_A_QUERY):
                part = given[start : start + KEYS_A_QUERY]
                own = (*self._of(object_name), ClaimRow.owner == self.owner, ClaimRow.key.in_(part))
                session.execute(delete(ClaimRow).where(*own))
        self._held = max(0, self._held - len(given))

    def works(self, run_id: str) -> bool:
        """Whether a run holds claims and its process lives. Raises: LedgerError."""
        query = (
            select(ClaimRow.owner)
            .where(ClaimRow.owner.endswith(run_id), ClaimRow.until >= utc_text(self.now()))
            .limit(1)
        )
        with self._session() as session:
            owner = session.scalar(query)
        return owner is not None and not is_gone(owner)

    def end(self) -> None:
        """The run ends: nothing is claimed any more. Raises: LedgerError."""
        self._ended.set()
        if self._renewing is not None:
            self._renewing.join()
            with self._session() as session:
                session.execute(delete(ClaimRow).where(ClaimRow.owner == self.owner))

    def _keep_renewing(self) -> None:
        if self._renewing is None:
            self._renewing = threading.Thread(target=self._renew, name="claims", daemon=True)
            self._renewing.start()

    def _renew(self) -> None:
        while not self._ended.wait(LEASE_S / 3):
            with (
                suppress(LedgerError),
                self._session() as session,
            ):  # the next time comes before the lease ends
                until = utc_text(self.now() + timedelta(seconds=LEASE_S))
                session.execute(
                    update(ClaimRow).where(ClaimRow.owner == self.owner).values(until=until)
                )
