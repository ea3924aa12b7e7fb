"""The Singer target: reads messages, drains blocks parents first, and releases STATE (stage 8).

A STATE message is queued with the number of records before it and goes out once all of those are
settled. SIGTERM lets the calls in flight finish and settle, and ends with 128 + its number; STATE
never passes a record that is not settled.

This module owns the SDK's protected hooks of a target; `tests/singer/test_sdk_hooks.py` fails if
the SDK changes under them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import IO, Any

from singer_kit.settings import bad_setting, command_line_settings
from singer_sdk import Sink
from singer_sdk.exceptions import ConfigValidationError

from reverse_etl.crm.adapter import Account, Adapter
from reverse_etl.dry_run.approval import Approval
from reverse_etl.dry_run.guards import Trip
from reverse_etl.dry_run.run import DryRun
from reverse_etl.errors import BudgetSpentError, FatalError, ReverseEtlError, StoppedError
from reverse_etl.pipeline.control import RunControl
from reverse_etl.pipeline.engine import Engine
from reverse_etl.pipeline.mapping_changes import Lack, MappingChanges
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.singer.account import open_account, prepared, run_settings
from reverse_etl.singer.direct import DirectRecords
from reverse_etl.singer.grace import STOP_GRACE_S, Grace
from reverse_etl.singer.guarded_input import listen_within_guards
from reverse_etl.singer.reader import MessageReader
from reverse_etl.singer.report_cleaning import clean_files
from reverse_etl.singer.run_end import RunEnd
from reverse_etl.singer.run_report import RunReport, save_running
from reverse_etl.singer.sdk_settings import check_sdk_settings
from reverse_etl.singer.sink import CrmSink, UnmappedSink, first_unsettled
from reverse_etl.singer.states import StateQueue
from reverse_etl.singer.target_settings import TargetSettings


class CrmTarget(TargetSettings):
    """A Singer target for one CRM; a subclass gives the adapter, its rules and its functions."""

    message_reader_class = MessageReader

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # The SDK drains its sinks in threads, a full child before its parent.
        self.max_parallelism = 1
        self.engine: Engine | None = None
        self.control = RunControl()
        self.grace = Grace(self._cut_short)
        self.outcomes = Outcomes()
        self.direct = DirectRecords()
        self.dry_run = DryRun() if self.config.get("dry_run") else None
        self.states = StateQueue(is_open=self.dry_run is None)
        self.changes: MappingChanges | None = None
        self.lacks: list[Lack] = []
        self.trips: list[Trip] = []
        self.planning_calls = 0
        self.approval: Approval | None = None
        self._account = Account("")
        self._draining: set[str] = set()

    # The run

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Any = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Deliver what is read, and write the report. Raises: FatalError, StoppedError."""
        if about:
            cls.print_about(output_format=about_format)
            return
        cls.print_version(print_fn=cls.logger.info)
        try:
            target = cls(config=command_line_settings(cls, config))
        except ConfigValidationError as error:
            raise bad_setting(error.errors) from None
        try:
            target.run(file_input)
        finally:
            if target.dry_run is not None:
                target.dry_run.close()

    def run(self, file_input: IO[str] | None = None) -> None:
        """A run over messages. Raises: FatalError, StoppedError."""
        self.run_with(partial(listen_within_guards, self, file_input))

    def run_with(self, work: Callable[[], None]) -> None:
        """One run, with its report whatever the end. Raises: FatalError, StoppedError."""
        save_running(self.name, self.report_folder)
        exit_code, message = 1, "ended by an unexpected error"
        try:
            check_sdk_settings(self.config)
            self.alerts.check()
            self.rules  # noqa: B018  # a wrong rule is an error before anything is read
            work()
            exit_code, message = 0, self.control.spent
            if message and self.config.get("fail_on_budget"):
                raise BudgetSpentError(message)
        except StoppedError as stopped:
            exit_code, message = 128 + stopped.signal_number, str(stopped)
            self.control.busy = True  # another signal lets the run close
            self._write_state()
            raise
        except (FatalError, ReverseEtlError) as error:
            exit_code, message = getattr(error, "exit_code", 1), str(error)
            raise
        finally:
            self._end(exit_code, message)

    def open_adapter(self) -> Adapter:
        """The adapter, which knows all mapped objects. Raises: SettingError, MappingError."""
        adapter = self.build_adapter()
        file, control = self.mapping.file, self.control
        adapter.calls.planning = self.planning_calls
        return prepared(adapter, self.rules, file, self.config, control, self.dry_run)

    def open_account(self) -> Engine | None:
        """The engine of the account; None if the budget is spent. Raises: FatalError."""
        with self.control.within_budget():
            if self.engine is None and not self.control.spent:
                self.engine = self._open_account()
                # Nothing of this run is in flight yet: a signal need not wait for a job's end.
                self.engine.jobs.adopt()
        return self.engine

    def _open_account(self) -> Engine:
        functions = self.mapping.functions()
        adapter = self.open_adapter()
        self._account, ledger = open_account(adapter, self.config, self.name, self.dry_run)
        shipped, concurrency = self.shipped_mapping(), self.default_concurrency
        settings = run_settings(self.config, shipped, concurrency, self.regress_setting)
        if self.dry_run is None:
            settings = replace(settings, clean_files=partial(clean_files, self.report_folder))
        return Engine(adapter, ledger, self.rules, functions, settings, self.outcomes, self.control)

    # Streams

    def get_sink_class(self, stream_name: str) -> type[Sink]:
        """A sink that delivers, or one that only counts. Raises: SettingError."""
        return CrmSink if self.streams.is_mapped(stream_name) else UnmappedSink

    def open_stream(
        self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]
    ) -> None:
        """Make a mapped stream ready. Raises: FatalError, StoppedError."""
        engine = self.open_account()
        if engine is not None:
            if self.changes is None:
                self.changes = MappingChanges.of(self.config, engine.ledger, self.name)
            self.changes.open_stream(engine.rules_of(stream))
            with self.control.working():
                engine.open_stream(stream, schema, key_properties)

    def run_block(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        """A block through the stages; a signal meanwhile waits for its end.

        If nothing of the block is left then, its STATE goes out before the run ends.

        Raises: FatalError, StoppedError.
        """
        if self.engine is None:  # the budget was spent before the account could be opened
            for rule in self.rules:
                if rule.stream == stream:
                    self.outcomes.never(rule.object, "not_attempted", len(records))
            return
        missed, attaches = self.outcomes.not_attempted, self.engine.settings.attach
        with self.control.working(lambda: self.outcomes.not_attempted == missed and not attaches):
            self.engine.run_block(stream, records)

    # Messages

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_schema_message(message_dict)
        stream = message_dict["stream"]
        self.streams.comes_as(stream, (new.stream_alias for new in self.mapper.stream_maps[stream]))
        for sink in list(self._sinks_active.values()):
            if isinstance(sink, CrmSink):
                sink.open()
        self.direct.learn(self.mapper, self._sinks_active)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self.states.position += 1
        self.outcomes.received(str(message_dict.get("stream")))
        sink = self.direct.take(message_dict)
        if sink is None:
            super()._process_record_message(message_dict)
        elif sink.is_full:
            self.drain_one(sink)
        if sink is not None:
            self._handle_max_record_age()
        if sink is None or sink.current_size == 0:  # else nothing was settled
            self._release_states()

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        # The SDK would keep only the newest STATE and write it when it drains by itself.
        self._assert_line_requires(message_dict, requires={"value"})
        self.states.add(self.streams.without_unmapped(message_dict["value"]))
        self._release_states()

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        # It says that all rows of older versions are gone from the source; the CRM keeps them.
        if not self.outcomes.activated:
            self.logger.info("ACTIVATE_VERSION changes nothing in the CRM; the report counts it")
        self.outcomes.activated[str(message_dict.get("stream"))] += 1

    def _release_states(self) -> None:
        """Write the newest STATE that may leave. Raises: StoppedError after that."""
        if self.states.waiting:
            with self.control.working():  # a signal must not cut the line in two
                self._write_state()

    def _write_state(self) -> None:
        if self.control.spent or not self.states.waiting or not self.streams.may_acknowledge:
            return
        if self.engine is not None and self.engine.guard.exceeded:
            return
        sinks = [*self._sinks_active.values(), *self._sinks_to_clear]
        self.states.release(first_unsettled(sinks, self._is_unfinished), sys.stdout)

    def _is_unfinished(self, stream: str) -> bool:
        return self.engine is not None and self.engine.unfinished(stream)

    # Draining

    def drain_parents(self, stream: str) -> None:
        """Drain the streams that feed the other ends of a stream's links."""
        if self.engine is None:
            return
        self._draining.add(stream)  # two streams may each feed what the other links to
        for parent in self.engine.parents_of(stream) - self._draining:
            sink = self._sinks_active.get(parent)
            if sink is not None:
                self.drain_one(sink)
        self._draining.discard(stream)

    def _drain_all(self, sink_list: Iterable[Sink], parallelism: int) -> None:
        # One sink at a time, since `drain_parents` keeps the order; then what was gathered.
        for sink in list(sink_list):
            self.drain_one(sink)
        if self.engine is not None:
            with self.control.working():
                self.engine.drain_all()

    def process_endofpipe(self) -> None:
        """The end of the input: drain, retry what waits, and release the last STATE."""
        self.streams.check()
        super().process_endofpipe()
        if self.engine is not None:
            with self.control.working():
                self.engine.close()
                self.lacks = self.changes.close() if self.changes is not None else []
        self._release_states()

    # The end

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Let a block in flight settle, else end at once. Raises: StoppedError."""
        self.grace.begin(signum, float(self.config.get("stop_grace_s", STOP_GRACE_S)))
        if not self.control.busy:
            raise StoppedError(signum)
        self.control.stop(signum)
        self.logger.info("signal %d: no new call; settling what is in flight", signum)

    def _cut_short(self, signum: int, grace_s: float) -> None:
        """End the process beside calls in flight that are not answered."""
        try:
            self._write_state()
            message = f"stopped by signal {signum}; what was in flight took over {grace_s:g} s"
            self._run_end(128 + signum, message).cut_short(self.engine)
        finally:
            os._exit(128 + signum)

    def _end(self, exit_code: int, message: str) -> None:
        """Close the run; a signal meanwhile lets it finish."""
        self.control.busy = True
        self._run_end(exit_code, message).close(self.engine)
        self.grace.end()

    def _run_end(self, exit_code: int, message: str) -> RunEnd:
        report = RunReport(
            self.name, exit_code, message, self._account, self.outcomes, self.lacks, self.trips,
            self.approval,
        )  # fmt: skip
        return RunEnd(report, self.report_folder, self.objects, self.dry_run, self.alerts)
