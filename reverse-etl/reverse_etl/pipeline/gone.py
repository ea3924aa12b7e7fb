"""What the source says of a record while it is gone in the CRM, kept until people restore it.

A dead letter holds what could not be written. The marks move on to the time at which it was said,
beside the hashes of what the CRM accepted last: nothing older is written once the record is back.
"""

from __future__ import annotations

from msgspec.structs import replace

from reverse_etl.errors import GONE_HINT, GoneError, RowError
from reverse_etl.hashes import hash_value
from reverse_etl.ledger import Entry, FieldMark, Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.changes import JUDGED
from reverse_etl.pipeline.ends import holds_id, is_linked, moved_id
from reverse_etl.records import CrmRecord, Outcome, WantedLink

RECORD_GONE = "record_gone"
"""The code of letters that hold what the source said of a record that is gone."""
NEVER_HELD = b""
"""Beside the time of a value, where the CRM never accepted any."""


def record_gone(object_name: str) -> RowError:
    """Why a change of a known record is not written."""
    return RowError(
        RECORD_GONE,
        f"people deleted this record of {object_name} in the CRM, or merged it into another, "
        "so the change was not written",
        GONE_HINT,
    )


def was_gone(outcome: Outcome, entry: Entry | None) -> bool:
    """Returns True if an update failed since the record that the ledger knows is gone."""
    known = entry is not None and entry.state in ("settled", "gone")
    return known and isinstance(outcome.error, GoneError)


def gone_entry(entry: Entry | None) -> list[Entry]:
    """The entry of a record that was deleted in the CRM; empty if the ledger knows that."""
    if entry is None or entry.state == "gone":
        return []
    return [entry.as_gone()]


def left_entry(rule: CompiledRule, record: CrmRecord, entry: Entry) -> Entry:
    """The entry of a gone record, with the times at which the source spoke of it last."""
    marks = dict(entry.marks)
    fields = [name for name, value in record.fields.items() if says(rule, name, value, entry)]
    links = [name for link in record.links for name in marked_as(link) if name in marks]
    for name in (*fields, *links):
        mark = marks.get(name, FieldMark(NEVER_HELD, 0))
        at_us = record.seen_us(name) if name in record.fields else record.observed_us
        marks[name] = FieldMark(mark.hash, max(mark.observed_us, at_us))
    return replace(entry, state="gone", fingerprints={}, marks=marks)


def is_news(ledger: Ledger, rule: CompiledRule, record: CrmRecord, entry: Entry) -> bool:
    """Returns True if a record says what the CRM did not hold before it was deleted."""
    if any(is_new(rule, name, value, record, entry) for name, value in record.fields.items()):
        return True
    return any(is_new_link(ledger, rule, link, record, entry) for link in record.links)


def is_new(rule: CompiledRule, name: str, value: object, record: CrmRecord, entry: Entry) -> bool:
    """Returns True if a field would be written."""
    mark = entry.marks.get(name)
    if mark is None:
        return says(rule, name, value, entry)
    is_older = mark.observed_us > record.seen_us(name)
    return says(rule, name, value, entry) and not is_older and mark.hash != hash_value(value)


def is_new_link(
    ledger: Ledger, rule: CompiledRule, link: WantedLink, record: CrmRecord, entry: Entry
) -> bool:
    """Returns True if a link would be made, or another one in its place."""
    form = link.form
    marks = [entry.marks[name] for name in marked_as(link) if name in entry.marks]
    if form.on_create or any(mark.observed_us > record.seen_us(link.name) for mark in marks):
        return False
    if form.found_by and form.form == "reference":
        return False  # what the CRM finds is not in the ledger
    end_id = ledger.crm_ids(form.to, [link.to_key]).get(link.to_key)
    if end_id is not None and form.form == "reference":
        return not holds_id(rule, entry, link, end_id)
    return not is_linked(rule, entry, link, end_id, moved_id(ledger, link))


def marked_as(link: WantedLink) -> tuple[str, ...]:
    """The names under which an entry may mark a link."""
    return tuple(name for name in (link.name, link.form.field) if name)


def says(rule: CompiledRule, name: str, value: object, entry: Entry) -> bool:
    """Returns True if a record may write a field of a record that exists.

    Of a field that the CRM's own value may keep back, the ledger knows none until it is written.
    """
    policy = rule.policy(name)
    if policy == "on_create" or (value is None and not rule.clears(name)):
        return False
    return name in entry.marks or (value is not None and policy not in JUDGED)
