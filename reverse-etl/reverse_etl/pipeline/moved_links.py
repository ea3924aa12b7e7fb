"""Links that moved: the earlier one, which a call of ours made, is removed.

A field that refers to another record is overwritten. An association is not: without this, a contact
that moved to another company would belong to both.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from reverse_etl.crm.adapter import Adapter
from reverse_etl.ledger import Changes, Entry, Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.mapping.link_rules import SEPARATOR
from reverse_etl.objects import LinkForm
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.records import WantedLink

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MovedLinks:
    """Removes earlier links, of which the ledger knows that this package made them."""

    adapter: Adapter
    ledger: Ledger
    outcomes: Outcomes
    control: RunControl

    def remove(self, rule: CompiledRule, entries: Mapping[str, Entry]) -> dict[str, Entry]:
        """Remove the earlier links of entries; returns changed entries. Raises: CrmError.

        Labels go first: a plain association is removed only once none of ours stands on it. What
        no call is left for is tried when the record comes again.
        """
        changed: dict[str, Entry] = {}
        for form in sorted(rule.forms, key=lambda form: SEPARATOR not in form.name):
            current = {**entries, **changed}
            changed |= self._remove_form(rule, form, list(current.values()))
        return changed

    def _remove_form(
        self, rule: CompiledRule, form: LinkForm, entries: Collection[Entry]
    ) -> dict[str, Entry]:
        name = WantedLink(form, "").name
        moved = [entry for entry in entries if has_moved(entry, name)]
        if not moved or self.adapter.unlinking is None or not self.control.may_call():
            return {}
        pairs = [
            (entry.crm_id, old_id)
            for entry in moved
            for old_id in earlier_ids(entry, name)
            if entry.crm_id is not None
        ]
        with self.control.within_budget():
            removed = self.adapter.unlinking.unlink(rule.object, form, pairs) if pairs else ()
            self._report(rule, form, len(pairs), removed)
            changed = {entry.key: settled(entry, name) for entry in moved}
            self.ledger.apply(Changes(rule.object, entries=list(changed.values())))
            return changed
        return {}

    def _report(
        self, rule: CompiledRule, form: LinkForm, wanted: int, removed: Sequence[tuple[str, str]]
    ) -> None:
        self.outcomes.of(rule.object).worked("unlinked", wanted)
        kept = wanted - len(removed)
        logger.info(
            "links of %s to %s that moved: %d removed from where they were, %d left, since people "
            "have changed them",
            rule.object,
            form.to,
            len(removed),
            kept,
        )


def has_moved(entry: Entry, name: str) -> bool:
    """Returns True if a link leads elsewhere than it did before, and the earlier one is to go."""
    return bool(earlier_ids(entry, name))


def earlier_ids(entry: Entry, name: str) -> list[str]:
    """The CRM ids that a link no longer leads to, and where nothing of ours needs it.

    A label needs the plain association below it, so that stays until the label is gone.
    """
    needed = {
        crm_id
        for other, ids in entry.linked.items()
        if other != name and other.partition(SEPARATOR)[0] == name
        for crm_id in ids
    }
    return [crm_id for crm_id in entry.linked.get(name, ())[:-1] if crm_id not in needed]


def moved_to(entry: Entry, name: str, crm_id: str) -> Entry:
    """The entry once a link was made that leads to this CRM id."""
    earlier = (known for known in entry.linked.get(name, ()) if known != crm_id)
    return replace(entry, linked={**entry.linked, name: (*earlier, crm_id)})


def settled(entry: Entry, name: str) -> Entry:
    """The entry once the earlier links that were to go are removed."""
    gone = set(earlier_ids(entry, name))
    left = tuple(crm_id for crm_id in entry.linked[name] if crm_id not in gone)
    return replace(entry, linked={**entry.linked, name: left})
