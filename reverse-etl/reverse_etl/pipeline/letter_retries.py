"""Dead letters that are worth another try: once a run, before the stream's first new record.

A letter is tried again if its cause can pass, by itself or by what people change in the CRM, or if
the rule, the CRM's description of the object, or the other end of its link is not what it was, or
if options that it lacks are now added, or its record is no longer gone. Each release tries the
letters of errors of ours again.
A replay tries the letters that it was asked for instead, whatever their cause. A record that its
stream's schema does not allow stays where it is either way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from reverse_etl.crm.adapter import Adapter
from reverse_etl.ledger import DeadLetter, Entry, Ledger, LetterChoice
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.ends import holds_id, is_linked, moved_id
from reverse_etl.pipeline.gone import RECORD_GONE
from reverse_etl.pipeline.letters import cause_hash, sources
from reverse_etl.pipeline.options import Options
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.pipeline.parents import Ids, Parents
from reverse_etl.pipeline.receive import Receiver
from reverse_etl.pipeline.restored import LINK_END_GONE, Restored
from reverse_etl.pipeline.versions import map_versions
from reverse_etl.records import CrmRecord, SourceRecord, WantedLink
from reverse_etl.values import UNKNOWN_OPTION

LINK_EXPIRED = "link_expired"
PASSING_CODES = frozenset(
    {"identity_conflict", "ambiguous_link", LINK_END_GONE, "parent_not_found", "no_verdict"}
)
"""Codes of causes that pass without a change of rule or schema: two records are merged, an address
is freed, the other end is put back. An adapter adds its vendor's in `passing_codes`."""
END_CODES = frozenset({LINK_EXPIRED, "ambiguous_link", LINK_END_GONE, "parent_not_found"})
"""Codes of causes that pass when the other end of a link comes, without a record of the stream."""


@dataclass(frozen=True, slots=True)
class LetterRetries:
    """Finds the letters to try, and opens them in the counts."""

    adapter: Adapter
    ledger: Ledger
    outcomes: Outcomes
    parents: Parents
    options: Options
    restored: Restored
    replays: LetterChoice | None = None
    """The letters to try in a replay."""
    receivers: Mapping[str, Receiver] = field(default_factory=dict)
    """By stream."""

    def wait_for_ends(self, rule_name: str) -> bool:
        """Returns True if a letter of a rule may only need another stream."""
        return self.ledger.letters.any_of(rule_name, END_CODES)

    def take(self, rule: CompiledRule, *, expired_only: bool = False) -> list[list[SourceRecord]]:
        """The versions of each letter that is to be tried, oldest first; each is a planned write.

        With `expired_only`, just those whose other end may have come in this run.
        Raises: CrmError.
        """
        letters = [
            letter
            for letter in self.ledger.letters.of(rule.name)
            if letter.record and letter.run_id != self.ledger.scope.run_id
            if letter.stage != "receive" or self.receivers[rule.stream].takes(letter)
        ]
        chosen: list[DeadLetter] = []
        if not expired_only:
            restored = self.restored.letters(rule, letters)
            chosen = [each for each in letters if self.can_pass(rule, each, restored)]
        chosen += self._revived(rule, [letter for letter in letters if letter not in chosen])
        self.outcomes.of(rule.object).planned(len(chosen))
        return [sources(rule.stream, letter.versions) for letter in chosen]

    def can_pass(
        self, rule: CompiledRule, letter: DeadLetter, restored: Collection[str] = ()
    ) -> bool:
        """Returns True if a letter is replayed, or its cause may be gone.

        `restored` are the source keys of letters whose records can take them now.
        """
        if self.replays is not None:
            return self.replays.has(letter)
        hashes = (letter.rule_hash, letter.schema_hash)
        if hashes != (cause_hash(rule, letter.code), rule.schema_hash):
            return True
        if letter.code == UNKNOWN_OPTION:
            return self.options.can_add(rule, sources(rule.stream, letter.versions))
        if letter.code == RECORD_GONE:
            return letter.key in restored
        return letter.code in PASSING_CODES or letter.code in self.adapter.passing_codes

    def _revived(self, rule: CompiledRule, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Those that expired and one of whose other ends exists now. Raises: CrmError."""
        records: dict[str, CrmRecord] = {}
        for letter in letters:
            if letter.code == LINK_EXPIRED:
                mapped = map_versions(rule, sources(rule.stream, letter.versions))
                if isinstance(mapped, CrmRecord):
                    records[letter.key] = mapped
        links = [link for record in records.values() for link in record.links]
        ids = self.parents.of(rule.object, links)
        entries = self.ledger.entries(rule.object, {record.key for record in records.values()})
        return [
            letter
            for letter in letters
            if (record := records.get(letter.key)) is not None
            and self._can_link(rule, letter, record, entries.get(record.key), ids)
        ]

    def _can_link(
        self,
        rule: CompiledRule,
        letter: DeadLetter,
        record: CrmRecord,
        entry: Entry | None,
        ids: Ids,
    ) -> bool:
        """Returns True if a link that is missing can be made now.

        The letter names the link that expired last. Others that did are missing in a record that
        the CRM holds.
        """
        for link in record.links:
            crm_id = ids.get(named(link))
            if crm_id is None:
                continue
            if link.form.name == letter.to_object:
                return True
            if entry is not None and entry.state == "settled":
                made = is_linked(rule, entry, link, crm_id, moved_id(self.ledger, link))
                if not made and not is_held(rule, entry, link, crm_id):
                    return True
        return False


def is_held(rule: CompiledRule, entry: Entry, link: WantedLink, crm_id: str) -> bool:
    """Returns True if a field of the record holds the link, or can no longer take it."""
    if link.form.form != "reference":
        return False
    return link.form.on_create or holds_id(rule, entry, link, crm_id)


def named(link: WantedLink) -> tuple[str, str]:
    """A link as `Parents` names it."""
    return link.form.name, link.to_key
