"""`replay`: a run without input that tries dead letters again, whatever their cause.

Each goes the way of a letter that is tried at the start of a run: mapped with the mapping of today,
compared with what the ledger knows by now, claimed, sent and settled. Report and exit code are the
run's. What waits for the record of a letter goes out with it, as in any run.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from reverse_etl.dry_run.guards import PlanGuards
from reverse_etl.errors import SettingError
from reverse_etl.ledger import DeadLetter, Ledger, LetterChoice
from reverse_etl.ledger.database import check_ledger_exists
from reverse_etl.pipeline.engine import Engine
from reverse_etl.singer.guarded_input import judge, judge_plan
from reverse_etl.singer.letter_closing import event, none_chosen
from reverse_etl.singer.settings import ledger_url
from reverse_etl.singer.target import CrmTarget


@dataclass(frozen=True, slots=True)
class Replay:
    """One replay of the letters that are chosen."""

    target: CrmTarget
    choice: LetterChoice

    def run(self) -> None:
        """Try them. Raises: FatalError, StoppedError."""
        check_ledger_exists(ledger_url(self.target.config, self.target.name))
        self.target.run_with(self._within_guards)

    def _within_guards(self) -> None:
        """Try them, if their plan is within the guards. Raises: FatalError, StoppedError."""
        guards = PlanGuards.of(self.target.config)
        if guards and self.target.dry_run is None:
            judge_plan(self.target, lambda planned: Replay(planned, self.choice).run())
        self._replay()
        if self.target.dry_run is not None:
            judge(self.target, guards)

    def _replay(self) -> None:
        engine = self.target.open_account()
        if engine is None:
            return
        letters = self._letters(engine)
        engine.settings = replace(engine.settings, replays=self.choice)
        if letters:
            self._note(engine.ledger)
        with self.target.control.working():
            self._open_streams(engine, {letter.rule for letter in letters})
            engine.close()
            self._report_invalid(engine, letters)

    def _report_invalid(self, engine: Engine, letters: Sequence[DeadLetter]) -> None:
        """Say how many were not tried, since the schema of their stream does not allow them."""
        invalid = sum(
            letter.stage == "receive" and not receiver.takes(letter)
            for letter in letters
            if (receiver := engine.receivers.get(letter.stream)) is not None
        )
        if invalid:
            logging.getLogger(self.target.name).warning(
                "%d dead letters were not tried: their stream's schema does not allow them", invalid
            )

    def _note(self, ledger: Ledger) -> None:
        """Have the ledger note which letters were chosen."""
        with ledger.rows.writing() as connection:
            reasons = ledger.letters.chosen_reasons(connection, self.choice)
            ledger.audit.record(connection, event("replay", self.choice, reasons))

    def _letters(self, engine: Engine) -> list[DeadLetter]:
        """The letters that can be tried. Raises: SettingError if none of those chosen can be."""
        chosen = engine.ledger.letters.chosen(self.choice)
        if not chosen and not self.choice.is_all:
            raise none_chosen(self.target.name)
        rules = {rule.name for rule in self.target.rules}
        letters = [letter for letter in chosen if letter.record and letter.rule in rules]
        masked = sum(not letter.record for letter in chosen)
        orphans = len(chosen) - len(letters) - masked
        logger = logging.getLogger(self.target.name)
        if masked:
            logger.warning("%d dead letters hold no values: their records have to come", masked)
        if orphans:
            logger.warning("%d dead letters are of rules that the mapping lacks now", orphans)
        if chosen and not letters:
            raise SettingError("No chosen dead letter can be tried.", "Close it, or sync again.")
        logger.info("%d dead letters are taken up again", len(letters))
        return letters

    def _open_streams(self, engine: Engine, rules: Collection[str]) -> None:
        """Make the streams of rules ready, the other ends of links first, which tries the letters.

        A stream's schema is the one that it came with last. Raises: FatalError.
        """
        left = sorted({rule.stream for rule in self.target.rules if rule.name in rules})
        while left:
            ends_of = {stream: engine.parents_of(stream) & set(left) for stream in left}
            stream = min(left, key=lambda each: len(ends_of[each]))  # streams may need each other
            left.remove(stream)
            known = engine.ledger.schemas.of(stream)
            if known is not None and self.target.control.may_call():
                engine.open_stream(stream, known.schema, known.key_properties)
