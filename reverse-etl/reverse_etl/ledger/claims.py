"""Claims: several processes may work on one account, but only one at a time writes a key.

A claim is a lease that its owner renews while it lives. The claim of a dead owner ends with its
lease, or at once if the owner was a process of this machine. Keys held by another process are
retried at the end of the run.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from singer_kit.times import utc_text
from sqlalchemy import delete, select, update

from reverse_etl.errors import LedgerError
from reverse_etl.ledger.rows import Rows, parts
from reverse_etl.ledger.tables import CLAIM, key_columns

LEASE_S = 60.0
"""How long a claim stands without being renewed; it is renewed three times as often."""


def place() -> str:
    """This machine, or this container of it: the place where a process id means one process."""
    with suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")
        return hashlib.sha256(f"{socket.gethostname()} {namespace}".encode()).hexdigest()[:12]
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12]


def is_gone(owner: str) -> bool:
    """Returns True if the owner of a claim is known to be dead."""
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

    rows: Rows
    _held: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)
    _renewing: threading.Thread | None = None

    @property
    def owner(self) -> str:
        """This run, in this process, in this place."""
        return f"{place()}/{os.getpid()}/{self.rows.scope.run_id}"

    def take(self, object_name: str, keys: Iterable[str]) -> set[str]:
        """Claim keys; returns those that belong to this run now. Raises: LedgerError."""
        wanted = sorted(set(keys))
        if not wanted:
            return set()
        taken = self._take(object_name, wanted)
        refused = [key for key in wanted if key not in taken]
        if refused and self._bury(object_name, refused):
            taken = self._take(object_name, wanted)
        self._held += len(taken)
        self._keep_renewing()
        return taken

    def _take(self, object_name: str, wanted: Sequence[str]) -> set[str]:
        """Claim what is free, was this run's already, or whose lease has ended."""
        now = self.rows.clock()
        until = utc_text(now + timedelta(seconds=LEASE_S))
        claims = [
            self.rows.owned(object=object_name, key=key, owner=self.owner, until=until)
            for key in wanted
        ]
        insert = self.rows.insert(CLAIM)
        columns = {name: insert.excluded[name] for name in ("owner", "until")}
        statement = insert.on_conflict_do_update(
            index_elements=key_columns(CLAIM),
            set_=columns,
            where=(CLAIM.c.until < utc_text(now)) | (CLAIM.c.owner == self.owner),
        )
        taken: set[str] = set()
        with self.rows.writing() as connection:
            connection.execute(statement, claims)
            for part in parts(wanted):
                mine = (*self._of(object_name), CLAIM.c.owner == self.owner)
                taken |= set(
                    connection.scalars(select(CLAIM.c.key).where(*mine, CLAIM.c.key.in_(part)))
                )
        return taken

    def _bury(self, object_name: str, keys: Sequence[str]) -> bool:
        """End the claims on these keys whose owners are dead; returns True if there were any."""
        with self.rows.writing() as connection:
            owners: set[str] = set()
            for part in parts(keys):
                holding = select(CLAIM.c.owner).where(*self._of(object_name), CLAIM.c.key.in_(part))
                owners |= set(connection.scalars(holding.distinct()))
            dead = [owner for owner in owners if is_gone(owner)]
            if dead:
                connection.execute(delete(CLAIM).where(CLAIM.c.owner.in_(dead)))
        return bool(dead)

    def release(self, object_name: str, keys: Iterable[str]) -> None:
        """Give keys back. Raises: LedgerError."""
        released = list(keys)
        if not released or not self._held:
            return
        with self.rows.writing() as connection:
            for part in parts(released):
                mine = (*self._of(object_name), CLAIM.c.owner == self.owner)
                connection.execute(delete(CLAIM).where(*mine, CLAIM.c.key.in_(part)))
        self._held = max(0, self._held - len(released))

    def works(self, run_id: str) -> bool:
        """Returns True if a run holds claims and its process lives. Raises: LedgerError."""
        query = (
            select(CLAIM.c.owner)
            .where(CLAIM.c.owner.endswith(run_id), CLAIM.c.until >= self.rows.now())
            .limit(1)
        )
        with self.rows.engine.connect() as connection:
            owner = connection.scalar(query)
        return owner is not None and not is_gone(owner)

    def end(self) -> None:
        """End all claims of the run. Raises: LedgerError."""
        self._ended.set()
        if self._renewing is not None:
            self._renewing.join()
            with self.rows.writing() as connection:
                connection.execute(delete(CLAIM).where(CLAIM.c.owner == self.owner))

    def _of(self, object_name: str) -> tuple[Any, ...]:
        return (*self.rows.where(CLAIM), CLAIM.c.object == object_name)

    def _keep_renewing(self) -> None:
        if self._renewing is None:
            self._renewing = threading.Thread(target=self._renew, name="claims", daemon=True)
            self._renewing.start()

    def _renew(self) -> None:
        while not self._ended.wait(LEASE_S / 3):
            # A renewal that fails is not the end: the next comes before the lease ends.
            with suppress(LedgerError), self.rows.writing() as connection:
                until = utc_text(self.rows.clock() + timedelta(seconds=LEASE_S))
                connection.execute(
                    update(CLAIM).where(CLAIM.c.owner == self.owner).values(until=until)
                )
