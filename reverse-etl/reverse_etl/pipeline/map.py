"""Stage 3, map: `SourceRecord`s → `CrmRecord`s of one rule, or outcomes that end here."""

from __future__ import annotations

from collections.abc import Iterable

from reverse_etl.errors import AwaitedError, RowError
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.records import Mapped, Outcome, Received, SourceRecord


def map_block(
    rule: CompiledRule, received: Received, retried: Iterable[SourceRecord] = ()
) -> Mapped:
    """A block as a rule maps it, together with waiting records that are `retried` with it."""
    mapped = Mapped([], [*received.rejected])
    for source in (*retried, *received.records):
        try:
            record = rule.map(source)
        except AwaitedError:  # another stream will bring the record with its key
            mapped.outcomes.append(Outcome("waiting", source))
            continue
        except RowError as error:
            mapped.outcomes.append(Outcome("rejected", source, error=error, stage="map"))
            continue
        if record is None:
            mapped.outcomes.append(Outcome("filtered", source))
        else:
            mapped.records.append(record)
    return mapped
