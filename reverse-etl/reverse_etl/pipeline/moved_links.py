"""Links that moved: the earlier one, which a call of ours made, is removed.

A field that refers to another record is overwritten. An association is not: without this, a contact
that moved to another company would belong to both.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from reverse_etl.crm.adapter import Adapter
from reverse_etl.ledger import Changes, Entry, Ledger
from reverse_etl.mapping.compiled import CompiledRule
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

    def remove(
        self, rule: CompiledRule, form: LinkForm, entries: Iterable[Entry]
    ) -> dict[str, Entry]:
        """Remove the earlier links of entries; returns changed entries. Raises: CrmError.

        What no call is left for is tried when the record comes again.
        """
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
    """Returns True if a link leads elsewhere than it did before, and the earlier one exists."""
    return len(entry.linked.get(name, ())) > 1


def earlier_ids(entry: Entry, name: str) -> list[str]:
    """The CRM ids that a link no longer leads to, and no other link of the record does."""
    current = {ids[-1] for ids in entry.linked.values()}
    return [crm_id for crm_id in entry.linked[name][:-1] if crm_id not in current]


def moved_to(entry: Entry, name: str, crm_id: str) -> Entry:
    """The entry once a link was made that leads to this CRM id."""
    earlier = (known for known in entry.linked.get(name, ()) if known != crm_id)
    return replace(entry, linked={**entry.linked, name: (*earlier, crm_id)})


def settled(entry: Entry, name: str) -> Entry:
    """The entry once the earlier links are removed."""
    return replace(entry, linked={**entry.linked, name: entry.linked[name][-1:]})
