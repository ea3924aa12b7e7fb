"""The SCHEMA that each mapped stream came with last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from reverse_etl.ledger.rows import Rows
from reverse_etl.ledger.tables import STREAM_SCHEMA, key_columns


@dataclass(frozen=True, slots=True)
class StreamSchema:
    """A stream's JSON Schema and its primary key."""

    schema: Mapping[str, Any]
    key_properties: Sequence[str]


@dataclass(frozen=True, slots=True)
class StreamSchemas:
    """Remembers schemas between runs."""

    rows: Rows

    def of(self, stream: str) -> StreamSchema | None:
        """The schema that a stream came with last; None if it never came."""
        query = select(STREAM_SCHEMA).where(
            *self.rows.where(STREAM_SCHEMA), STREAM_SCHEMA.c.stream == stream
        )
        with self.rows.engine.connect() as connection:
            row = connection.execute(query).first()
        return StreamSchema(row.schema, tuple(row.key_properties)) if row else None

    def remember(self, stream: str, known: StreamSchema) -> None:
        """Keep a stream's schema, if it is new."""
        if self.of(stream) == known:
            return
        columns = {"schema": dict(known.schema), "key_properties": list(known.key_properties)}
        insert = self.rows.insert(STREAM_SCHEMA).values(**self.rows.owned(stream=stream), **columns)
        with self.rows.writing() as connection:
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=key_columns(STREAM_SCHEMA), set_=columns
                )
            )
