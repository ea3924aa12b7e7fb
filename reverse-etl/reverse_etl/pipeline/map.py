"""Stage 3, map: `SourceRecord`s → `CrmRecord`s of one rule, or outcomes that end here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from reverse_etl.errors import RowError
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.internal_errors import InternalErrors
from reverse_etl.pipeline.versions import map_source, map_versions
from reverse_etl.records import CrmRecord, Mapped, Outcome, Received, SourceRecord


def map_block(
    rule: CompiledRule,
    received: Received,
    retried: Iterable[Sequence[SourceRecord]],
    internal: InternalErrors,
) -> Mapped:
    """A block as a rule maps it, with what is `retried`: each by its versions, oldest first.

    Raises: FatalError if too many records in a row meet an error of ours.
    """
    mapped = Mapped([], [*received.ended])
    again = [map_versions(rule, versions) for versions in retried]
    results = [map_source(rule, source) for source in received.records]
    internal.note(rule.name, zip(keys_of(received), map(error_of, results), strict=True))
    for result in (*again, *results):
        if isinstance(result, Outcome):
            mapped.outcomes.append(result)
        else:
            mapped.records.append(result)
    return mapped


def keys_of(received: Received) -> Iterator[str]:
    """The source keys of a block's valid records."""
    return (source.key for source in received.records)


def error_of(result: CrmRecord | Outcome) -> RowError | None:
    """Why a record was not mapped."""
    return result.error if isinstance(result, Outcome) else None
