"""Stage 3, map: `SourceRecord`s → `CrmRecord`s of one rule, or outcomes that end here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.versions import map_source, map_versions
from reverse_etl.records import Mapped, Outcome, Received, SourceRecord


def map_block(
    rule: CompiledRule, received: Received, retried: Iterable[Sequence[SourceRecord]] = ()
) -> Mapped:
    """A block as a rule maps it, with what is `retried`: each by its versions, oldest first."""
    mapped = Mapped([], [*received.ended])
    results = [map_versions(rule, versions) for versions in retried]
    for source in received.records:
        results.append(map_source(rule, source))
    for result in results:
        if isinstance(result, Outcome):
            mapped.outcomes.append(result)
        else:
            mapped.records.append(result)
    return mapped
