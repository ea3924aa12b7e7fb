"""What the ledger knows of a record that the CRM holds, after an outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec.structs import replace
from singer_kit.times import microseconds

from reverse_etl.hashes import hash_value
from reverse_etl.ledger import Entry, FieldMark, forgotten
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.records import CrmRecord, Outcome

CONFIRMED = ("created", "updated")
"""Outcomes that the CRM itself has reported."""


def held_entry(
    rule: CompiledRule,
    record: CrmRecord,
    outcome: Outcome,
    entry: Entry | None,
    clock: Callable[[], datetime],
) -> Entry | None:
    """The entry of a record that the CRM holds; None if the ledger says the same already."""
    if entry is None:
        if outcome.crm_id is None:
            return None
        entry = Entry(record.key, "settled")
    elif is_elsewhere(outcome, entry):
        # What was accepted before, and linked, is in another record.
        entry = replace(entry, fingerprints=entry.forgotten(), marks={}, linked={}, moved=True)
    elif is_same(rule, record, outcome, entry):
        return None

    marks = dict(entry.marks)
    fingerprints = {name: known for name, known in entry.fingerprints.items() if name != rule.name}
    for name, value in outcome.accepted.items():
        mark = FieldMark(hash_value(value), record.seen_us(name))
        before = marks.get(name)
        if before is not None and before.hash != mark.hash:
            # The field is no longer as other rules last sent it: they must compare it again.
            fingerprints = entry.forgotten()
        marks[name] = mark
    marks = seen_marks(record, marks)
    confirmed = outcome.name in CONFIRMED or outcome.crm_id not in (None, entry.crm_id)
    known = record.fingerprint if outcome.whole else forgotten(record.fingerprint)
    fingerprints[rule.name] = known
    return replace(
        entry,
        state="settled",
        crm_id=outcome.crm_id or entry.crm_id,
        fingerprints=fingerprints,
        marks=marks,
        verified_us=microseconds(clock()) if confirmed else entry.verified_us,
    )


def is_elsewhere(outcome: Outcome, entry: Entry | None) -> bool:
    """Returns True if the CRM now holds a record under another id than the ledger knows."""
    known = entry is not None and entry.crm_id is not None and outcome.crm_id is not None
    return known and entry is not None and outcome.crm_id != entry.crm_id


def is_same(rule: CompiledRule, record: CrmRecord, outcome: Outcome, entry: Entry) -> bool:
    """Returns True if an outcome brings nothing that the entry does not hold."""
    return (
        outcome.name in ("unchanged", "filtered")
        and not outcome.accepted
        and entry.fingerprints.get(rule.name) == record.fingerprint
    )


def with_marks(entry: Entry, marks: Mapping[str, FieldMark]) -> Entry:
    """An entry with more marks, of a link or a file."""
    return replace(entry, marks={**entry.marks, **marks})


def seen_entry(record: CrmRecord, entry: Entry) -> Entry:
    """The entry, with the time at which the source was seen to hold its values still.

    Without it a late version could bring back what the source had in the meantime.
    """
    if not record.earlier and not entry.is_behind(record.observed_us):
        return entry  # the common case: it came at that time before
    marks = seen_references(record, seen_marks(record, entry.marks))
    return entry if marks == entry.marks else replace(entry, marks=marks)


def seen_references(record: CrmRecord, marks: Mapping[str, FieldMark]) -> Mapping[str, FieldMark]:
    """The marks, those of the record's reference fields as new as the record.

    The record was delivered whole, so these fields lead to its links. A merged record may carry a
    link that was not; one that a call makes later may not be in its field.
    """
    if record.collapsed or record.leaving:
        return marks
    seen = dict(marks)
    for link in record.links:
        mark = marks.get(link.form.field)
        at_us = record.seen_us(link.name)
        if mark is not None and mark.observed_us < at_us and not link.form.later:
            seen[link.form.field] = FieldMark(mark.hash, at_us)
    return seen


def seen_marks(record: CrmRecord, marks: Mapping[str, FieldMark]) -> dict[str, FieldMark]:
    """The marks, those with the record's own value as new as the record."""
    values = {**record.fields, **{link.name: link.to_key for link in record.links}}
    seen = dict(marks)
    for name, value in values.items():
        mark = marks.get(name)
        if mark is None or mark.observed_us >= record.seen_us(name):
            continue
        if mark.hash.startswith(hash_value(value)):  # of a link, its end's id may follow
            seen[name] = FieldMark(mark.hash, record.seen_us(name))
    return seen
