"""Versions of a record that were put off, against what came since: the newest of each field wins.

The same rule holds for records within a block (`merge`), for what waits, and for dead letters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from reverse_etl.errors import AwaitedError, RowError
from reverse_etl.hashes import hash_value
from reverse_etl.ledger import DeadLetter, Entry
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.letters import sources
from reverse_etl.pipeline.merge import merge
from reverse_etl.records import CrmRecord, Outcome, SourceRecord


def map_versions(rule: CompiledRule, kept: Sequence[SourceRecord]) -> CrmRecord | Outcome:
    """The record that versions make, oldest first; an outcome if the newest of them makes none."""
    *older, newest = kept
    mapped = map_source(rule, newest)
    if isinstance(mapped, Outcome) or not older:
        return mapped
    earlier = [record for record in mappable(rule, older) if record.key == mapped.key]
    return merge(rule, [*earlier, mapped])


def map_source(rule: CompiledRule, source: SourceRecord) -> CrmRecord | Outcome:
    """A record as a rule maps it, or the outcome with which it ends here."""
    try:
        record = rule.map(source)
    except AwaitedError:  # another stream will bring the record with its key
        return Outcome("waiting", source)
    except RowError as error:
        return Outcome("rejected", source, error=error, stage="map")
    return Outcome("filtered", source) if record is None else record


def mappable(rule: CompiledRule, kept: Sequence[SourceRecord]) -> Iterator[CrmRecord]:
    """The records of those versions that make one; others have nothing to send."""
    for source in kept:
        with suppress(AwaitedError, RowError):
            record = rule.map(source)
            if record is not None:
                yield record


def is_superseded(
    rule: CompiledRule, letter: DeadLetter, by: CrmRecord, entry: Entry | None
) -> bool:
    """Returns True if a dead letter has nothing to send that is newer than an accepted record.

    It stays open for a field that only the letter knows, and for any observation that is newer.
    `entry` is what the ledger knows of the record.
    """
    if letter.observed_us > by.observed_us:
        return False
    if by.leaving:
        return True
    older = mappable(rule, sources(letter.stream, letter.versions))
    return not any(brings_news(rule, record, by, entry) for record in older)


def brings_news(
    rule: CompiledRule, older: CrmRecord, newer: CrmRecord, entry: Entry | None
) -> bool:
    """Returns True if an older record says a field or a link that a newer one does not."""
    if older.leaving:
        return False
    marks = entry.marks if entry is not None and entry.key == older.key else {}
    said = said_at(rule, newer) if older.key == newer.key else {}
    for name, at_us in said_at(rule, older).items():
        if said.get(name, -1) >= at_us or rule.is_for_creation(name):
            continue
        mark = marks.get(name)
        is_known = mark is not None and (
            mark.observed_us > at_us or mark.hash == hash_value(older.fields.get(name))
        )
        if not is_known:
            return True
    return False


def said_at(rule: CompiledRule, record: CrmRecord) -> dict[str, int]:
    """The fields and links that a record says something about, and when it was seen to."""
    said = {
        name: record.seen_us(name)
        for name, value in record.fields.items()
        if value is not None or rule.clears(name)
    }
    return said | {link.name: record.seen_us(link.name) for link in record.links}
