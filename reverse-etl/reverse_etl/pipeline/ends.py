"""The other ends of links: gone, moved to another CRM id, or where the link leads."""

from __future__ import annotations

from reverse_etl.hashes import hash_value
from reverse_etl.ledger import Entry, Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.records import CrmRecord, WantedLink
from reverse_etl.values import canonical


def is_gone(ledger: Ledger, link: WantedLink) -> bool:
    """Returns True if a link's other end was deleted or merged in the CRM."""
    form = link.form
    return not form.found_by and ledger.whereabouts.is_gone(form.to, link.to_key)


def moved_id(ledger: Ledger, link: WantedLink) -> str | None:
    """The CRM id of a link's other end, if it had another one before."""
    form = link.form
    return None if form.found_by else ledger.whereabouts.moved_to(form.to, link.to_key)


def end_hash(link: WantedLink, moved_to: str | None) -> bytes:
    """What the mark of a link holds: the other end's key, and its CRM id if that ever changed.

    So a link to a record that was created again, or merged, does not count as made.
    """
    key = hash_value(link.to_key)
    return key if moved_to is None else key + hash_value(moved_to)


def is_linked(
    rule: CompiledRule,
    entry: Entry,
    link: WantedLink,
    parent_id: str | None,
    moved_to: str | None = None,
) -> bool:
    """Returns True if the ledger knows that a link is in place."""
    mark = entry.marks.get(link.name)
    if mark is not None and mark.hash == end_hash(link, moved_to):
        return True
    return bool(link.form.later and parent_id and holds_id(rule, entry, link, parent_id))


def holds_id(rule: CompiledRule, entry: Entry, link: WantedLink, crm_id: str) -> bool:
    """Returns True if a record's reference field is known to hold a CRM id."""
    held = entry.marks.get(link.form.field)
    return held is not None and held.hash == hash_value(
        canonical(rule.info(link.form.field), crm_id)
    )


def references_stand(ledger: Ledger, rule: CompiledRule, record: CrmRecord, entry: Entry) -> bool:
    """Returns True if the fields of a record that hold a link lead to where its end is now.

    They were in the record when it was delivered; only the other end can have changed since. Those
    that are written on creation only stay as they are.
    """
    for link in record.links:
        if link.form.form != "reference" or link.form.on_create:
            continue
        moved_to = moved_id(ledger, link)
        if is_gone(ledger, link):
            return False
        if moved_to is not None and not holds_id(rule, entry, link, moved_to):
            return False
    return True
