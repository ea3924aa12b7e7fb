"""A changed mapping is noticed: known records lack what it adds until they come again."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reverse_etl.errors import MappingError
from reverse_etl.ledger import Ledger
from reverse_etl.ledger.rule_versions import RuleVersion
from reverse_etl.mapping.rules import Rule
from reverse_etl.mapping.versions import added, rule_parts, rule_version

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lack:
    """Known records that a changed or new rule has not reached."""

    rule: Rule
    parts: tuple[str, ...]
    """What they lack; empty if the rule as a whole is new."""
    records: int

    def __str__(self) -> str:
        what = ", ".join(self.parts) or "anything"
        state = "changed" if self.parts else "is new"
        return (
            f"The rule {self.rule.name} {state}: {self.records} known records do not have {what} "
            "of it"
        )

    def report(self) -> dict[str, Any]:
        """As the run report shows it."""
        return {
            "rule": self.rule.name, "stream": self.rule.stream, "parts": list(self.parts),
            "records": self.records,
        }  # fmt: skip


@dataclass(slots=True)
class MappingChanges:
    """Compares the rules of a run with those that delivered what the ledger knows."""

    ledger: Ledger
    target: str
    fail: bool = False
    new: list[Lack] = field(default_factory=list)
    """Rules that this run saw for the first time."""
    rules: list[Rule] = field(default_factory=list)
    """Rules of the streams that came."""

    @classmethod
    def of(cls, config: Mapping[str, Any], ledger: Ledger, target: str) -> MappingChanges:
        """As the settings say."""
        return cls(ledger, target, fail=config.get("on_mapping_change") == "fail")

    def open_stream(self, rules: Iterable[Rule]) -> None:
        """Note the rules of a stream before its first record.

        Raises: MappingError if records lack something of them and that must not be.
        """
        seen = {rule.name for rule in self.rules}
        rules = [rule for rule in rules if rule.name not in seen]
        lacks = [lack for rule in rules for lack in (self.new_rule(rule), self.changed_rule(rule))]
        for lack in lacks:
            if lack is not None and self.fail:
                raise MappingError(
                    f"{lack}.", hint=f"Set on_mapping_change: warn, and {self.command(lack.rule)}."
                )
        for rule in rules:
            self.ledger.rule_versions.add(version(rule))
        self.new += [lack for lack in lacks if lack is not None and not lack.parts]
        self.rules += rules

    def close(self) -> list[Lack]:
        """What known records still lack at the end of the input; the log says so."""
        changed = [lack for rule in self.rules if (lack := self.changed_rule(rule)) is not None]
        for lack in (*self.new, *changed):
            logger.warning("%s. To bring it, %s.", lack, self.command(lack.rule))
        return [*self.new, *changed]

    def changed_rule(self, rule: Rule) -> Lack | None:
        """Records that an earlier version of a rule delivered, and that lack what it adds now."""
        now = version(rule)
        stream = self.ledger.rule_versions.of_stream(rule.stream)
        before = [known for known in stream if known.rule == rule.name]
        if all(not added(known.parts, now.parts) for known in before):
            return None
        counts = self.ledger.rule_versions.count(rule.object, rule.name)
        # an earlier ledger did not note the version: it is the first that was seen
        counts[before[0].version] += counts.pop(b"", 0)
        lacking = [known for known in before if added(known.parts, now.parts)]
        parts: set[str] = set()
        for old in lacking:
            if counts[old.version]:
                parts.update(added(old.parts, now.parts))
        records = sum(counts[old.version] for old in lacking)
        return Lack(rule, tuple(sorted(parts)), records) if records else None

    def new_rule(self, rule: Rule) -> Lack | None:
        """Records that other rules of the stream delivered before this rule was written."""
        others = {old.rule: old.object for old in self.ledger.rule_versions.of_stream(rule.stream)}
        if rule.name in others:
            return None
        known = [
            self.ledger.rule_versions.count(object_name, name).total()
            for name, object_name in others.items()
        ]
        records = max(known, default=0)
        return Lack(rule, (), records) if records else None

    def command(self, rule: Rule) -> str:
        """What brings the records of a rule's stream again."""
        tap = os.environ.get("MELTANO_EXTRACTOR_NAME") or "TAP"
        return (
            f"read the stream {rule.stream} from its beginning: "
            f"`meltano run --full-refresh {tap} {self.target}`, or the tap without its state"
        )


def version(rule: Rule) -> RuleVersion:
    """A rule as the ledger notes it."""
    return RuleVersion(rule.name, rule.stream, rule.object, rule_version(rule), rule_parts(rule))
