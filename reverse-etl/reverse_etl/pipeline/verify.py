"""Records that come along unchanged make no call, so what people delete or merge would not show.

Those that the CRM was not seen to hold for `verify_days` are looked up by id, many in a call. So
are changed ones, where an update must not reach a record that they were merged into.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace
from singer_kit.times import microseconds

from reverse_etl.crm.adapter import Adapter
from reverse_etl.ledger import Changes, Entry, Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.records import Outcome, Write

logger = logging.getLogger(__name__)

DAY_US = 86_400_000_000
IDLE = frozenset({"unchanged", "superseded", "kept_by_crm"})
"""Outcomes of records of which nothing is sent."""


@dataclass(slots=True)
class Verifier:
    """Verifies that the CRM still holds what the ledger knows."""

    adapter: Adapter
    ledger: Ledger
    outcomes: Outcomes
    control: RunControl
    days: float
    began_us: int = field(init=False)
    """When the run began: what was seen since then needs no second look."""

    def __post_init__(self) -> None:
        self.began_us = microseconds(self.ledger.rows.clock())

    def verify(self, rule: CompiledRule, entries: Sequence[Entry]) -> dict[str, Entry]:
        """The entries that were due, as they are now, by key. Raises: CrmError.

        What is not found under its id is `gone`, and is planned again.
        """
        return self._verify(rule, self._unseen(rule, entries, self.days))

    def verify_now(self, rule: CompiledRule, entries: Sequence[Entry]) -> dict[str, Entry]:
        """The same for all entries that this run has not seen in the CRM. Raises: CrmError."""
        return self._verify(rule, self._unseen(rule, entries, 0))

    def verify_decided(
        self,
        rule: CompiledRule,
        decisions: Sequence[Write | Outcome],
        entries: Mapping[str, Entry],
        with_updates: bool,
    ) -> dict[str, Entry]:
        """The same for records that are planned: of those of which nothing is sent, the due ones.

        An update finds out by itself whether its record still exists, unless the CRM carries it
        over to the record that it was merged into: `with_updates` looks that up before.

        Raises: CrmError.
        """
        idle = [entries[decided_key(each)] for each in decisions if is_idle(each)]
        verified = self.verify(rule, idle)
        if with_updates and rule.spec.updates_follow_merges:
            updated = [entries[each.key] for each in decisions if isinstance(each, Write)]
            verified |= self.verify_now(rule, updated)
        return verified

    def _verify(self, rule: CompiledRule, due: Sequence[Entry]) -> dict[str, Entry]:
        if not due or not self.control.may_call():
            return {}
        located: Mapping[str, str] | None = None
        with self.control.within_budget():
            located = self.adapter.locate(rule.object, [str(entry.crm_id) for entry in due])
        if located is None:
            return {}
        now_us = microseconds(self.ledger.rows.clock())
        seen = [(entry, seen_at(entry, located, now_us)) for entry in due]
        self.ledger.apply(Changes(rule.object, seen=seen))
        self._report(rule, [entry for _, entry in seen])
        return {entry.key: entry for _, entry in seen}

    def _unseen(self, rule: CompiledRule, entries: Sequence[Entry], days: float) -> list[Entry]:
        """Those of the entries that the CRM was not seen to hold for N days."""
        if not rule.spec.locate_rows_a_call:
            return []
        limit_us = self.began_us - int(days * DAY_US)
        known_us = self.ledger.whereabouts.verified_us
        return [
            entry
            for entry in entries
            if entry.crm_id is not None and known_us(rule.object, entry) < limit_us
        ]

    def _report(self, rule: CompiledRule, entries: Sequence[Entry]) -> None:
        self.outcomes.of(rule.object).worked("verified", len(entries))
        gone = sum(1 for entry in entries if entry.state == "gone")
        if gone:
            logger.info(
                "%s: of %d records that were verified, %d were deleted or merged in the CRM",
                rule.name, len(entries), gone,
            )  # fmt: skip


def seen_at(entry: Entry, located: Mapping[str, str], now_us: int) -> Entry:
    """An entry after a look at where its record is."""
    if located.get(str(entry.crm_id)) == entry.crm_id:
        return replace(entry, verified_us=now_us)
    return entry.as_gone()


def decided_key(decision: Write | Outcome) -> str:
    """The key of a planned record."""
    if isinstance(decision, Write):
        return decision.key
    return decision.record.key if decision.record is not None else ""


def is_idle(decision: Write | Outcome) -> bool:
    """Returns True if nothing is sent of a record that the CRM should hold."""
    return isinstance(decision, Outcome) and decision.name in IDLE
