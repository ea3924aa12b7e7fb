"""Records that were gone and that people restored: found out for the letters that wait for them.

Each is looked up once a run, by the id it had, and many in a call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace
from singer_kit.times import microseconds

from reverse_etl.crm.adapter import Adapter
from reverse_etl.ledger import Changes, DeadLetter, Entry, Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.ends import is_gone
from reverse_etl.pipeline.engine_settings import OnMissing
from reverse_etl.pipeline.gone import RECORD_GONE
from reverse_etl.pipeline.letters import sources
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.pipeline.versions import map_versions
from reverse_etl.records import CrmRecord

LINK_END_GONE = "link_end_gone"


@dataclass(frozen=True, slots=True)
class Restored:
    """Looks up the gone records that letters wait for."""

    adapter: Adapter
    ledger: Ledger
    outcomes: Outcomes
    on_missing: OnMissing = "follow"
    _looked_up: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By object: the keys of this run."""
    _elsewhere: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By object: the keys of records that lead to another one now."""

    def letters(self, rule: CompiledRule, letters: Sequence[DeadLetter]) -> set[str]:
        """The source keys of letters that hold what a gone record can take now. Raises: CrmError.

        Records and other ends of links that are under their ids again are settled again.
        """
        held = self._records(rule, letters, RECORD_GONE)
        keys = {record.key for record in held.values()}
        if self.on_missing != "recreate":
            self._look_up(rule.object, keys)
        ends: dict[str, set[str]] = {}
        for record in self._records(rule, letters, LINK_END_GONE).values():
            for link in record.links:
                if is_gone(self.ledger, link):
                    key = self.ledger.keys.canonical(link.form.to, link.to_key)
                    ends.setdefault(link.form.to, set()).add(key)
        for object_name, end_keys in ends.items():
            self._look_up(object_name, end_keys)
        left = self._left(rule, keys)
        return {
            letter.key
            for letter in letters
            if letter.code == RECORD_GONE
            if letter.key not in held or held[letter.key].key not in left
        }

    def _records(
        self, rule: CompiledRule, letters: Iterable[DeadLetter], code: str
    ) -> Mapping[str, CrmRecord]:
        """The records in letters with this code, by source key."""
        records: dict[str, CrmRecord] = {}
        for letter in letters:
            if letter.code == code:
                mapped = map_versions(rule, sources(rule.stream, letter.versions))
                if isinstance(mapped, CrmRecord):
                    records[letter.key] = mapped
        return records

    def _left(self, rule: CompiledRule, keys: Collection[str]) -> set[str]:
        """The keys of records that are gone still, and that no merge is followed for."""
        if self.on_missing == "recreate":
            return set()
        entries = self.ledger.entries(rule.object, keys)
        left = {key for key, entry in entries.items() if entry.state == "gone"}
        return left if self.on_missing == "leave" else left - self._elsewhere[rule.object]

    def _look_up(self, object_name: str, keys: set[str]) -> None:
        """Settle those again that are under the ids they had. Raises: CrmError."""
        spec = self.adapter.objects.get(object_name)
        new = keys - self._looked_up[object_name]
        self._looked_up[object_name] |= new
        entries = self.ledger.entries(object_name, new).values() if new else ()
        gone = [entry for entry in entries if entry.state == "gone" and entry.crm_id is not None]
        if not gone or spec is None or not spec.locate_rows_a_call:
            return
        located = self.adapter.locate(object_name, [str(entry.crm_id) for entry in gone])
        self.outcomes.of(object_name).worked("verified", len(gone))
        present = {entry.key: located.get(str(entry.crm_id)) for entry in gone}
        restored = [entry for entry in gone if present[entry.key] == entry.crm_id]
        elsewhere = {entry.key for entry in gone if present[entry.key] not in (None, entry.crm_id)}
        self._elsewhere[object_name] |= elsewhere
        self._settle_again(object_name, restored)

    def _settle_again(self, object_name: str, entries: Sequence[Entry]) -> None:
        """Their records are in the CRM; one that is under another key by now stays gone."""
        now_us = microseconds(self.ledger.rows.clock())
        held = self.ledger.holders(object_name, [str(entry.crm_id) for entry in entries])
        seen = [
            (entry, replace(entry, state="settled", verified_us=now_us))
            for entry in entries
            if str(entry.crm_id) not in held
        ]
        self.ledger.apply(Changes(object_name, seen=seen))
