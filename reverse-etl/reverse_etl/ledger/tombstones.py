"""Tombstones: which keys were erased, without naming them.

A tombstone holds an HMAC of object and key. Its secret is in the ledger too, so that every process
on the ledger, and every copy of it, knows the erased: a key in a file could be lost, and the erased
would come back. Who can read the ledger can thus test whether a key that they guess was erased.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, select

from reverse_etl.ledger.rows import Rows, parts
from reverse_etl.ledger.tables import TOMBSTONE, TOMBSTONE_KEY, key_columns

SECRET_BYTES = 32


@dataclass(slots=True)
class Tombstones:
    """The tombstones of one account."""

    rows: Rows
    _secret: str = field(default="", repr=False)

    def write(self, connection: Connection, object_name: str, key: str) -> str:
        """Remember that a key is erased; returns its hash. A second time changes nothing."""
        made = self.rows.owned(secret=secrets.token_hex(SECRET_BYTES))
        connection.execute(self.rows.insert(TOMBSTONE_KEY).values(**made).on_conflict_do_nothing())
        key_hash = self.hash_of(connection, object_name, key)
        row = self.rows.owned(object=object_name, key_hash=key_hash, erased_at=self.rows.now())
        tombstone = self.rows.insert(TOMBSTONE).values(**row)
        connection.execute(tombstone.on_conflict_do_nothing(index_elements=key_columns(TOMBSTONE)))
        return key_hash

    def lift(self, connection: Connection, object_name: str, key: str) -> str:
        """Forget that a key was erased; returns its hash, empty if it was not."""
        key_hash = self.hash_of(connection, object_name, key)
        same = (TOMBSTONE.c.object == object_name, TOMBSTONE.c.key_hash == key_hash)
        lifted = connection.execute(delete(TOMBSTONE).where(*self.rows.where(TOMBSTONE), *same))
        return key_hash if lifted.rowcount else ""

    def objects(self) -> frozenset[str]:
        """The objects that any tombstone is of."""
        query = select(TOMBSTONE.c.object).where(*self.rows.where(TOMBSTONE)).distinct()
        with self.rows.engine.connect() as connection:
            return frozenset(connection.scalars(query))

    def among(self, object_name: str, keys: Collection[str]) -> set[str]:
        """The keys, of those given, that were erased."""
        erased: set[str] = set()
        with self.rows.engine.connect() as connection:
            hashes = {self.hash_of(connection, object_name, key): key for key in keys}
            of_object = (*self.rows.where(TOMBSTONE), TOMBSTONE.c.object == object_name)
            for part in parts(hashes):
                query = select(TOMBSTONE.c.key_hash).where(
                    *of_object, TOMBSTONE.c.key_hash.in_(part)
                )
                erased |= {hashes[each] for each in connection.scalars(query)}
        return erased

    def hash_of(self, connection: Connection, object_name: str, key: str) -> str:
        """The keyed hash of a key."""
        if not self._secret:
            query = select(TOMBSTONE_KEY.c.secret).where(*self.rows.where(TOMBSTONE_KEY))
            self._secret = connection.scalar(query) or ""
        text = f"{object_name}\0{key}".encode("utf-8", "surrogatepass")
        return hmac.new(self._secret.encode(), text, hashlib.sha256).hexdigest()
