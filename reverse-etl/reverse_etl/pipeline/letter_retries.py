"""Dead letters that are worth another try: once a run, before the stream's first new record.

A letter is tried again if its cause can pass, by itself or by what people change in the CRM, or if
the rule, the CRM's description of the object, or the other end of its link is not what it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reverse_etl.crm.adapter import Adapter
from reverse_etl.ledger import DeadLetter, Ledger
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.pipeline.letters import sources
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.pipeline.parents import Parents
from reverse_etl.pipeline.versions import map_versions
from reverse_etl.records import CrmRecord, SourceRecord, WantedLink

LINK_EXPIRED = "link_expired"
PASSING_CODES = frozenset(
    {"identity_conflict", "ambiguous_link", "link_end_gone", "parent_not_found", "no_verdict"}
)
"""Codes of causes that pass without a change of rule or schema: two records are merged, an address
is freed, the other end is put back. An adapter adds its vendor's in `passing_codes`."""


@dataclass(frozen=True, slots=True)
class LetterRetries:
    """Finds the letters to try, and opens them in the counts."""

    adapter: Adapter
    ledger: Ledger
    outcomes: Outcomes
    parents: Parents

    def take(self, rule: CompiledRule, *, expired_only: bool = False) -> list[list[SourceRecord]]:
        """The versions of each letter that is to be tried, oldest first; each is a planned write.

        With `expired_only`, just those whose other end may have come in this run.
        Raises: CrmError.
        """
        letters = [
            letter
            for letter in self.ledger.letters.of(rule.name)
            if letter.record and letter.run_id != self.ledger.scope.run_id
        ]
        chosen = [] if expired_only else [each for each in letters if self.can_pass(rule, each)]
        chosen += self._revived(rule, [letter for letter in letters if letter not in chosen])
        self.outcomes.of(rule.object).planned(len(chosen))
        return [sources(rule.stream, letter.versions) for letter in chosen]

    def can_pass(self, rule: CompiledRule, letter: DeadLetter) -> bool:
        """Returns True if the cause of a letter may be gone."""
        hashes = (letter.rule_hash, letter.schema_hash)
        if hashes != (rule.rule_hash, rule.schema_hash):
            return True
        return letter.code in PASSING_CODES or letter.code in self.adapter.passing_codes

    def _revived(self, rule: CompiledRule, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Those that expired and whose other end exists now. Raises: CrmError."""
        missed: dict[str, WantedLink] = {}
        for letter in letters:
            if letter.code == LINK_EXPIRED:
                for link in self._missed_links(rule, letter):
                    missed[letter.key] = link
        ids = self.parents.of(rule.object, missed.values())
        return [
            letter
            for letter in letters
            if letter.key in missed and named(missed[letter.key]) in ids
        ]

    def _missed_links(self, rule: CompiledRule, letter: DeadLetter) -> Iterator[WantedLink]:
        """The link that a letter waited for, as the rule maps it now."""
        record = map_versions(rule, sources(rule.stream, letter.versions))
        if isinstance(record, CrmRecord):
            yield from (link for link in record.links if link.form.name == letter.to_object)


def named(link: WantedLink) -> tuple[str, str]:
    """A link as `Parents` names it."""
    return link.form.name, link.to_key
