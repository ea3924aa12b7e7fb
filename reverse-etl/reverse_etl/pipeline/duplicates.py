"""Creates that were sent twice because an answer was lost: are there two records now?

The CRM is asked at the end of the run, and once more at the next one's opening, since a write may be carried out long after
the connection is gone. Two records are merged where that is asked for and the CRM can, else they are a dead letter.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from reverse_etl.crm.adapter import Adapter, Lookup
from reverse_etl.errors import RowError
from reverse_etl.ledger import Ledger
from reverse_etl.ledger.store import Changes, Doubt
from reverse_etl.mapping.compiler import CompiledRule
from reverse_etl.pipeline.send import near
from reverse_etl.pipeline.settle import letter
from reverse_etl.records import SourceRecord, Write

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Doubts:
    """Keys of which there may be two records."""

    adapter: Adapter
    ledger: Ledger
    merge: bool

    def note(self, rule: CompiledRule, writes: Sequence[Write]) -> None:
        """Creates that are about to be sent again."""
        creates = [write for write in writes if write.kind == "create"]
        self.ledger.doubt(
            rule.name,
            [Doubt(write.key, write.record.source.key, near(rule, write)) for write in creates],
        )

    def settle(self, rule: CompiledRule) -> None:
        """Look what there is of each key; one record, seen in a later run than that of the writes, ends the doubt. Raises: CrmError."""
        doubts = self.ledger.doubts(rule.name)
        if not doubts:
            return
        key_field = rule.rule.upsert_key
        lookups = [Lookup(one.key, {}, one.near) for one in doubts]
        found = self.adapter.find(rule.object, key_field, lookups, [key_field], exact=True)
        known = self.ledger.crm_ids(rule.object, (one.key for one in doubts))
        done, changes = [], Changes(rule.object)
        for one in doubts:
            ids = [hit.crm_id for hit in found.get(one.key, [])]
            keep = known.get(one.key) or (ids[0] if ids else "")
            others = [crm_id for crm_id in ids if crm_id != keep]
            left = [other for other in others if not self._merged(rule.object, keep, other)]
            if left:
                source = SourceRecord(rule.rule.stream, one.source_key, {}, 0)
                changes.dead.append(letter(rule, source, "send", duplicate(rule, keep, left)))
            elif one.run_id != self.ledger.scope.run_id:
                done.append(one.key)
        self.ledger.apply(changes)
        self.ledger.end_doubts(rule.name, done)

    def _merged(self, object_name: str, keep: str, other: str) -> bool:
        merging = self.adapter.merging
        if not self.merge or merging is None or not merging.merge(object_name, keep, other):
            return False
        logger.info(
            "%s %s, made twice by an answer that was lost, is merged into %s",
            object_name,
            other,
            keep,
        )
        return True


def duplicate(rule: CompiledRule, keep: str, others: Sequence[str]) -> RowError:
    """Why a record that arrived is a dead letter all the same."""
    hint = f"merge {', '.join(others)} into {keep} in the CRM"
    return RowError(
        "duplicate",
        f"an answer was lost, and there are {len(others) + 1} {rule.object} of it now",
        hint,
    )
