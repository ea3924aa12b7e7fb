"""The common case: records that the ledger knows as they are. They end here, without a call or a
write.

A record is done if its rule delivered this very record last, and its links and its file are in
place. The rest of a block goes on to stage 4.
"""

from __future__ import annotations

from dataclasses import dataclass

from reverse_etl.ledger import FILE_MARK, Entry, Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.merge import merge_keys
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.pipeline.settle import Settlement, Settler
from reverse_etl.records import CrmRecord, Mapped, Outcome, WantedLink


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Settles what a block has no news of."""

    ledger: Ledger
    settler: Settler
    outcomes: Outcomes
    force: bool = False
    attach: bool = False
    """True if files are attached, so that a record is not done without its file."""

    def settle(self, rule: CompiledRule, mapped: Mapped) -> list[CrmRecord]:
        """Settle what ends here; returns the records that may have changed, one per key."""
        newest, collapsed = merge_keys(rule, mapped.records)
        entries = self.ledger.entries(rule.object, newest)
        ended = [*mapped.outcomes, *collapsed]
        changed: list[CrmRecord] = []
        for key, record in newest.items():
            entry = entries.get(key)
            if entry is None or not self._is_done(rule, record, entry):
                changed.append(record)
                continue
            ended.append(Outcome.known(record, entry.crm_id))
            self._count_kept(rule, record)
        self.settler.settle(Settlement(rule, entries), ended)
        return changed

    def _is_done(self, rule: CompiledRule, record: CrmRecord, entry: Entry) -> bool:
        # A merged record is never known by its fingerprint, which is that of its newest version.
        if self.force or record.earlier or not entry.is_known_as(rule.name, record.fingerprint):
            return False
        linked = all(
            link.name in entry.marks or link.form.field in entry.marks
            for link in record.links
            if may_be_made_later(link)
        )
        return linked and (not self.attach or record.file is None or FILE_MARK in entry.marks)

    def _count_kept(self, rule: CompiledRule, record: CrmRecord) -> None:
        """Links that are calls of their own, and files: they were made by an earlier run."""
        kept = sum(1 for link in record.links if may_be_made_later(link))
        self.outcomes.links.planned(kept)
        self.outcomes.links.settled("kept", kept)
        if self.attach and record.file is not None:
            self.outcomes.attachments.planned()
            self.outcomes.attachments.settled("kept")


def may_be_made_later(link: WantedLink) -> bool:
    """Returns True if a link can be a call of its own, after the record was created."""
    return link.form.form == "association" or link.form.later
