"""A CRM that takes none of a rule's first rows: a cause of the run, not of the rows.

A new validation rule or required field refuses every row. Were each of them a dead letter, STATE
would move past them all, and no later run would bring them. So until the CRM has taken a row of a
rule, the rows that it refused are held back: they become dead letters once it takes one, or at the
end of the run if they stay fewer than `REFUSALS_THAT_STOP`. When they reach that number, the run
ends, and all of them are counted as not attempted.

Rows that mapping rejects do not count here, since the CRM did not refuse them. Neither do rows with
an open dead letter, since that they are refused again says nothing new about the rule, nor updates
of records that are gone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from singer_kit.scrub import scrub

from reverse_etl.errors import GoneError, RowError, RuleRefusedError
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.records import Outcome

REFUSALS_THAT_STOP = 20
"""Rows of a rule that the CRM refuses, before it has taken any, after which the run ends."""
HINT = (
    "Look for a validation rule or a required field that is new in the CRM, or for a mistake in "
    "the rule, fix it, then run again: nothing was skipped."
)

OpenKeys = Callable[[str, Iterable[str]], set[str]]
"""Source keys, of those given, that have an open dead letter of a rule."""


def no_letters(rule: str, keys: Iterable[str]) -> set[str]:
    """For tests that have no ledger."""
    return set()


@dataclass(slots=True)
class Refusals:
    """What the CRM refused of each rule, from the rule's first row on."""

    open_keys: OpenKeys = no_letters
    _taken: set[str] = field(default_factory=set)
    """Rules of which the CRM has taken a row in this run."""
    _rules: dict[str, CompiledRule] = field(default_factory=dict)
    _errors: dict[str, dict[str, RowError]] = field(default_factory=dict)
    """By rule and source key, for rules of which none is taken; scrubbed of the record's values."""
    _held: dict[str, list[Outcome]] = field(default_factory=dict)
    """By rule: outcomes that are not settled yet."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def unproven(self, rule: CompiledRule) -> bool:
        """Returns True until the CRM has taken a row of a rule."""
        return rule.name not in self._taken

    def note(self, rule: CompiledRule, outcomes: Sequence[Outcome]) -> None:
        """Take notice of what a call gave.

        Raises: RuleRefusedError if enough rows of the rule are refused and none is taken.
        """
        with self._lock:
            if not self.unproven(rule) or not outcomes:
                return
            if any(outcome.holds for outcome in outcomes):
                self._taken.add(rule.name)
                return
            errors = self._errors.setdefault(rule.name, {})
            errors |= self._counted(rule, outcomes)
            if len(errors) >= REFUSALS_THAT_STOP:
                raise refused(rule, list(errors.values()))

    def _counted(self, rule: CompiledRule, outcomes: Sequence[Outcome]) -> dict[str, RowError]:
        """The errors of rows that count, by source key."""
        sent = {
            outcome.source.key: outcome
            for outcome in outcomes
            if outcome.error is not None
            and outcome.stage == "send"
            and not isinstance(outcome.error, GoneError)
        }
        again = self.open_keys(rule.name, sent)
        return {
            key: scrubbed(outcome.error, outcome)
            for key, outcome in sent.items()
            if key not in again and outcome.error is not None
        }

    # Outcomes that are held back

    def sift(self, rule: CompiledRule, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Hold back refused rows while none of the rule is taken; returns what is to be settled."""
        if not self.unproven(rule):
            return list(outcomes)
        errors = self._errors.get(rule.name, {})
        held = [
            outcome
            for outcome in outcomes
            if outcome.stage == "send" and outcome.name == "rejected"
            and outcome.source.key in errors
        ]  # fmt: skip
        if not held:
            return list(outcomes)
        self._rules[rule.name] = rule
        self._held.setdefault(rule.name, []).extend(held)
        return [outcome for outcome in outcomes if outcome not in held]

    def release(self, rule: CompiledRule) -> list[Outcome]:
        """The held outcomes of a rule of which a row was taken, to be settled now."""
        return [] if self.unproven(rule) else self._held.pop(rule.name, [])

    def release_all(self) -> list[tuple[CompiledRule, list[Outcome]]]:
        """All held outcomes, by rule: the run is at its end, and they stayed few."""
        held, self._held = self._held, {}
        return [(self._rules[name], outcomes) for name, outcomes in held.items()]

    def held(self) -> dict[str, int]:
        """Number of held outcomes, by object."""
        numbers: dict[str, int] = {}
        for name, outcomes in self._held.items():
            kind = self._rules[name].object
            numbers[kind] = numbers.get(kind, 0) + len(outcomes)
        return numbers

    def holds(self, stream: str) -> bool:
        """Returns True if rows of a stream are held back, so that its STATE must wait."""
        return any(self._rules[name].stream == stream for name in self._held)


def scrubbed(error: RowError, outcome: Outcome) -> RowError:
    """An error without the values of its record."""
    message = scrub(error.message, outcome.source.values)
    return RowError(error.code, message, error.hint, error.fields)


def refused(rule: CompiledRule, errors: Sequence[RowError]) -> RuleRefusedError:
    """The error that ends the run."""
    return RuleRefusedError(
        f"{rule.name}: the CRM refused the first {len(errors)} rows and took none: "
        f"{reason(errors)}.",
        HINT,
    )


def reason(errors: Sequence[RowError]) -> str:
    """Why rows were refused: what all of them have in common, or the codes."""
    causes = dict.fromkeys((error.code, error.fields) for error in errors)
    if len(causes) > 1:
        return "with " + ", ".join(dict.fromkeys(code for code, _ in causes))
    ((code, fields),) = causes
    where = f" at {', '.join(fields)}" if fields else ""
    said = f" ({errors[0].message.rstrip('.')})" if errors[0].message else ""
    return f"all with {code}{where}{said}"
