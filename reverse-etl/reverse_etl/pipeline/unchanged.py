"""The common case: records that the ledger knows as they are. They end here, without a call or a
write.

A record is done if its rule delivered this very record last, and its links and its file are in
place. The rest of a block goes on to stage 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reverse_etl.ledger import Entry, Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.attachments import is_attached
from reverse_etl.pipeline.ends import is_gone, is_linked, moved_id, references_stand
from reverse_etl.pipeline.letters import sources
from reverse_etl.pipeline.merge import merge, merge_keys
from reverse_etl.pipeline.moved_links import has_moved
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.pipeline.settle import Settlement, Settler
from reverse_etl.pipeline.verify import Verifier
from reverse_etl.pipeline.versions import map_versions
from reverse_etl.records import CrmRecord, Mapped, Outcome, WantedLink

Parents = Mapping[str, Mapping[str, str]]
"""CRM ids by object and key."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Settles the records of a block that the CRM is known to hold as they are."""

    ledger: Ledger
    settler: Settler
    outcomes: Outcomes
    verifier: Verifier
    force: bool = False
    attach: bool = False
    """True if files are attached, so that a record is not done without its file."""

    def settle(self, rule: CompiledRule, mapped: Mapped) -> list[CrmRecord]:
        """Settle what ends here; returns the records that may have changed, one per key."""
        newest, collapsed = merge_keys(rule, mapped.records)
        waiting = self._take_up_waiting(rule, newest)
        entries = self.ledger.entries(rule.object, newest)
        parents = self._parents(newest.values())
        done = [
            entry
            for key, record in newest.items()
            if key not in waiting
            and (entry := entries.get(key)) is not None
            and self._is_done(rule, record, entry, parents)
        ]
        verified = self.verifier.verify(rule, done)
        entries |= verified
        kept = {entry.key for entry in done if entries[entry.key].state != "gone"}
        ended = [*mapped.outcomes, *collapsed]
        for key in kept:
            ended.append(Outcome.known(newest[key], entries[key].crm_id))
            self._count_kept(rule, newest[key])
        self.settler.settle(Settlement(rule, entries), ended)
        return [record for key, record in newest.items() if key not in kept]

    def _take_up_waiting(self, rule: CompiledRule, newest: dict[str, CrmRecord]) -> set[str]:
        """Make waiting writes versions of the records of their keys; returns keys that wait.

        So what waits goes out with what came after it, or not at all.
        """
        rows = self.ledger.waiting.of_keys(rule.name, newest)
        for row in rows:
            if not row.whole or row.is_masked:
                continue
            waiting = map_versions(rule, sources(rule.stream, row.versions))
            record = newest[row.key]
            if isinstance(waiting, CrmRecord) and waiting.key == row.key:
                versions = sorted([waiting, record], key=lambda version: version.observed_us)
                newest[row.key] = merge(rule, versions)
        return {row.key for row in rows}

    def _parents(self, records: Iterable[CrmRecord]) -> Parents:
        """CRM ids of the other ends of links that may be in a field of the record."""
        wanted: dict[str, list[str]] = {}
        for record in records:
            for link in record.links:
                if link.form.later and may_be_made_later(link):
                    wanted.setdefault(link.form.to, []).append(link.to_key)
        return {to: self.ledger.crm_ids(to, keys) for to, keys in wanted.items()}

    def _is_done(
        self, rule: CompiledRule, record: CrmRecord, entry: Entry, parents: Parents
    ) -> bool:
        # A merged record is never known by its fingerprint, which is that of its newest version.
        if self.force or record.collapsed or not entry.is_known_as(rule.name, record.fingerprint):
            return False
        # The fingerprint is stored before the link is made: only the mark says that it was.
        linked = references_stand(self.ledger, rule, record, entry) and all(
            not is_gone(self.ledger, link)
            and not has_moved(entry, link.name)
            and is_linked(
                rule, entry, link,
                parents.get(link.form.to, {}).get(link.to_key), moved_id(self.ledger, link),
            )
            for link in record.links
            if may_be_made_later(link)
        )  # fmt: skip
        return linked and (not self.attach or is_attached(entry, record.file))

    def _count_kept(self, rule: CompiledRule, record: CrmRecord) -> None:
        """Links that are calls of their own, and files: they were made by an earlier run."""
        kept = sum(map(may_be_made_later, record.links)) if record.links else 0
        if kept:
            self.outcomes.links.planned(kept)
            self.outcomes.links.settled("kept", kept)
        if self.attach and record.file is not None:
            self.outcomes.attachments.planned()
            self.outcomes.attachments.settled("kept")


def may_be_made_later(link: WantedLink) -> bool:
    """Returns True if a link can be a call of its own, after the record was created.

    One that the CRM finds was in the record when its fingerprint was stored, or waits.
    """
    return link.form.form == "association" or (link.form.later and not link.form.found_by)
