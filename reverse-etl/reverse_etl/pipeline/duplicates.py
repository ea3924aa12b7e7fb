"""Creates that were sent twice because a response was lost: are there two records now?

The CRM is asked at the end of the run and again at the start of the next one, since a write may be
carried out long after the connection is gone. Two records are merged if that is wanted and the CRM
can, else they become a dead letter.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from reverse_etl.crm.adapter import Adapter, Lookup
from reverse_etl.errors import RowError
from reverse_etl.ledger import Changes, Doubt, Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.letters import letter
from reverse_etl.pipeline.send import near
from reverse_etl.records import SourceRecord, Write

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Keys of which there may be two records."""

    adapter: Adapter
    ledger: Ledger
    merge: bool

    def note(self, rule: CompiledRule, writes: Sequence[Write]) -> None:
        """Called before creates are retried."""
        doubts = [
            Doubt(write.key, write.record.source.key, near(rule, write))
            for write in writes
            if write.kind == "create"
        ]
        self.ledger.doubts.note(rule.name, doubts)

    def settle(self, rule: CompiledRule) -> None:
        """Look what the CRM holds of each doubtful key. Raises: CrmError.

        One record, seen in a later run than that of the writes, ends the doubt.
        """
        doubts = self.ledger.doubts.of(rule.name)
        if not doubts:
            return
        lookups = [Lookup(doubt.key, {}, doubt.near) for doubt in doubts]
        hits = self.adapter.find(
            rule.object, rule.upsert_key, lookups, [rule.upsert_key], exact=True
        )
        known = self.ledger.crm_ids(rule.object, (doubt.key for doubt in doubts))
        certain: list[str] = []
        changes = Changes(rule.object)
        for doubt in doubts:
            crm_ids = [hit.crm_id for hit in hits.get(doubt.key, [])]
            keep = known.get(doubt.key) or (crm_ids[0] if crm_ids else "")
            left = self._left_after_merging(rule, keep, crm_ids)
            if left:
                source = SourceRecord(rule.stream, doubt.source_key, {}, 0)
                changes.dead.append(letter(rule, source, "send", duplicate(rule, keep, left)))
            elif doubt.run_id != self.ledger.scope.run_id:
                certain.append(doubt.key)
        self.ledger.apply(changes)
        self.ledger.doubts.end(rule.name, certain)

    def _left_after_merging(
        self, rule: CompiledRule, keep: str, crm_ids: Sequence[str]
    ) -> list[str]:
        """The records besides `keep` that could not be merged into it. Raises: CrmError."""
        merging = self.adapter.merging if self.merge else None
        left: list[str] = []
        for crm_id in crm_ids:
            if crm_id == keep:
                continue
            if merging is None or not merging.merge(rule.object, keep, crm_id):
                left.append(crm_id)
                continue
            logger.info(
                "%s %s, a duplicate from a lost response, is merged into %s",
                rule.object, crm_id, keep,
            )  # fmt: skip
        return left


def duplicate(rule: CompiledRule, keep: str, others: Sequence[str]) -> RowError:
    """Why a record that arrived is a dead letter anyway."""
    return RowError(
        "duplicate",
        f"a response was lost; the retry left {len(others) + 1} {rule.object} with this key",
        f"merge {', '.join(others)} into {keep} in the CRM",
    )
