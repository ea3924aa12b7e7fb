"""The Singer target: reads messages, drains blocks parents first, and (stage 8) releases STATE.

A STATE message is queued with the number of records before it and goes out once all of those are settled; it never
forces a drain. SIGTERM finishes the calls in flight, settles them, and ends with 128 + its number; STATE never passes
a record that is not settled.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from importlib import resources
from pathlib import Path
from types import FrameType
from typing import IO, Any, ClassVar

from singer_kit.settings import bad_setting, coerced
from singer_sdk import Sink, Target
from singer_sdk.exceptions import ConfigValidationError, FatalAPIError

from reverse_etl.crm.adapter import Account, Adapter, CallCount
from reverse_etl.errors import BudgetSpentError, ReverseEtlError, SettingError, StoppedError
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.mapping.checks import check_rules
from reverse_etl.mapping.functions import load_functions
from reverse_etl.mapping.load import SHIPPED, named_rules
from reverse_etl.mapping.rules import Rule
from reverse_etl.objects import ObjectSpec
from reverse_etl.pipeline.deliver import DeliverySettings
from reverse_etl.pipeline.engine import Engine
from reverse_etl.pipeline.outcomes import Tally
from reverse_etl.singer import run_report as report
from reverse_etl.singer.reader import MessageReader
from reverse_etl.singer.settings import ledger_url, report_dir
from reverse_etl.singer.sink import CrmSink, UnmappedSink


class CrmTarget(Target):
    """A Singer target for one CRM; a subclass gives the adapter, its rules and its functions."""

    message_reader_class = MessageReader
    crm: ClassVar[str]
    objects: ClassVar[Mapping[str, ObjectSpec]]
    function_modules: ClassVar[Sequence[str]] = ()
    default_concurrency: ClassVar[int] = 1
    regress_setting: ClassVar[str] = ""
    """The setting that lets `forward_only` fields go back."""
    secret_env: ClassVar[Mapping[str, str]] = {}
    """Settings that may also come from an environment variable of the source's own guide."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_parallelism = 1
        self.position = 0
        """Records read so far."""
        self.engine: Engine | None = None
        self._account = Account("")
        self._spent = ""
        self._tally = Tally()
        self._states: deque[tuple[int, Any]] = deque()
        self._in_block = False
        self._draining: set[str] = set()
        self._said_unmapped: set[str] = set()

    @abstractmethod
    def build_adapter(self) -> Adapter:
        """The adapter for these settings. Raises: SettingError, CrmError."""

    # Settings

    def setting(self, name: str) -> Any:
        """A setting, or what the guide's environment variable gives for it."""
        value = self.config.get(name)
        if value in (None, "") and name in self.secret_env:
            value = os.environ.get(self.secret_env[name])
        return value

    def load_mapping(self) -> list[Rule]:
        """Rules, parents first, after the first two rings of checks. Raises: MappingError."""
        linkable = {name: spec.links for name, spec in self.objects.items()}
        shipped = Path(str(resources.files(type(self).__module__.split(".")[0]) / "mappings"))
        named = [
            one.strip()
            for one in str(self.config.get("mapping") or SHIPPED).split(",")
            if one.strip()
        ]
        return check_rules([rule for one in named for rule in named_rules(one, shipped)], linkable)

    def load_functions(self) -> Mapping[str, Any]:
        """The functions that rules may name. Raises: SettingError."""
        own = [str(self.config["transforms"])] if self.config.get("transforms") else []
        return load_functions([*self.function_modules, *own])

    # The run

    @cached_property
    def rules(self) -> list[Rule]:
        """The mapping in use. Raises: MappingError."""
        return self.load_mapping()

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Any = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Read everything from the command line, deliver it, write the report. Raises: FatalError, StoppedError."""
        if about:
            cls.print_about(output_format=about_format)
            return
        cls.print_version(print_fn=cls.logger.info)
        environment = cls._env_var_config if config and config.parse_env else {}
        given = {**(config.config or {}), **environment} if config else {}
        try:
            target = cls(config=coerced(given, cls.config_jsonschema))
        except ConfigValidationError as error:
            raise bad_setting(error.errors) from None
        target.run(file_input)

    def run(self, file_input: IO[str] | None = None) -> None:
        """One run, with its report whatever the end. Raises: FatalError, StoppedError."""
        exit_code, message = 1, "ended by an unexpected error"
        try:
            self.rules  # noqa: B018  # a wrong rule is told before anything is read
            self.listen(file_input)
            exit_code, message = 0, self.budget_spent
            if message and self.config.get("fail_on_budget"):
                exit_code = 1
                raise BudgetSpentError(message)
        except StoppedError as stopped:
            exit_code, message = 128 + stopped.signal_number, str(stopped)
            raise
        except (ReverseEtlError, FatalAPIError) as error:
            message = str(error)
            raise
        finally:
            self._report(exit_code, message)

    @property
    def budget_spent(self) -> str:
        """Why no call is made any more; empty while calls are made."""
        return self._spent or (self.engine.delivery.budget_spent if self.engine else "")

    def _open(self) -> Engine:
        """The engine, made at the first mapped stream. Raises: FatalError."""
        if self.engine is None:
            functions = self.load_functions()
            adapter = self.build_adapter()
            adapter.calls.limit = (
                int(self.config["max_api_calls"]) if self.config.get("max_api_calls") else None
            )
            self._account = adapter.account()
            database = Ledger.open(ledger_url(self.config, self.name))
            ledger = Ledger(database, Scope(self.crm, self._account.id))
            settings = DeliverySettings(
                provision=bool(self.config.get("provision")),
                force=bool(self.config.get("force")),
                max_concurrency=int(self.config.get("max_concurrency") or self.default_concurrency),
                link_wait_days=float(self.config.get("link_wait_days", 7)),
                regress=bool(self.regress_setting and self.config.get(self.regress_setting)),
                merge_duplicates=bool(self.config.get("merge_duplicates")),
                attach=bool(self.config.get("attach_deliverables")),
                allow_private_hosts=bool(self.config.get("allow_private_download_hosts")),
                gather=not self.config.get("batch_size_rows"),
            )
            ledger.begin_run()
            self.engine = Engine(adapter, ledger, self.rules, functions, settings, self._tally)
            self.engine.delivery.adopt_jobs()
        return self.engine

    def get_sink_class(self, stream_name: str) -> type[Sink]:
        """A sink that delivers, or one that only counts. Raises: SettingError where unmapped streams must not come."""
        if any(rule.stream == stream_name for rule in self.rules):
            return CrmSink
        if self.config.get("on_unmapped_stream") == "fail":
            hint = "Add a rule, deselect the stream, or set on_unmapped_stream: skip."
            raise SettingError(f"No rule maps the stream {stream_name!r}.", hint)
        if stream_name not in self._said_unmapped:
            self._said_unmapped.add(stream_name)
            self.logger.info(
                "no rule maps the stream %s: its records are counted and skipped", stream_name
            )
        return UnmappedSink

    def open_stream(
        self, stream: str, schema: Mapping[str, Any], key_properties: Sequence[str]
    ) -> None:
        """Make a mapped stream ready. Raises: FatalError."""
        if self._spent:
            return
        try:
            engine = self._open()
        except BudgetSpentError as error:
            self._spent = str(error)
            self.logger.warning("%s Nothing is attempted in this run.", error)
            return
        self._in_block = True
        engine.open_stream(stream, schema, key_properties)
        self._in_block = False
        self._check_stop(engine)

    def run_block(self, stream: str, records: Sequence[Mapping[str, Any]]) -> None:
        """A block through the stages; SIGTERM meanwhile waits for its end. Raises: FatalError, StoppedError."""
        if self._spent:
            for rule in self.rules:
                if rule.stream == stream:
                    self._tally.of(rule.object).planned += len(records)
                    self._tally.of(rule.object).fates["not_attempted"] += len(records)
            return
        engine = self._open()
        self._in_block = True
        engine.run_block(stream, records)
        self._in_block = False
        self._check_stop(engine)

    @staticmethod
    def _check_stop(engine: Engine) -> None:
        if engine.stopping.is_set():
            raise StoppedError(engine.stop_signal)

    # Messages

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_schema_message(message_dict)
        for sink in list(self._sinks_active.values()):
            if isinstance(sink, CrmSink):
                sink.open()

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        self.position += 1
        self._tally.received[str(message_dict.get("stream"))] += 1
        super()._process_record_message(message_dict)
        self._release_states()

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        self._assert_line_requires(message_dict, requires={"value"})
        self._states.append((self.position, message_dict["value"]))
        self._release_states()

    def _release_states(self) -> None:
        """Write the newest queued STATE before which every record is settled."""
        if not self._states or self.budget_spent:
            return
        sinks = [*self._sinks_active.values(), *self._sinks_to_clear]
        pending = [one for sink in sinks if (one := self._first_pending(sink)) is not None]
        limit = min(pending, default=self.position + 1)
        newest = None
        while self._states and self._states[0][0] < limit:
            newest = self._states.popleft()[1]
        if newest is not None:
            sys.stdout.write(json.dumps(newest) + "\n")
            sys.stdout.flush()

    def _first_pending(self, sink: Any) -> int | None:
        """Position of a stream's first record that is neither settled nor skipped; None where there is none."""
        if sink.current_size == 0 and not (
            self.engine and self.engine.unfinished(sink.stream_name)
        ):
            sink.first_pending = None
        first: int | None = sink.first_pending
        return first

    # Draining

    def drain_parents(self, sink: CrmSink) -> None:
        """Drain the streams that feed the other ends of this stream's links."""
        if self.engine is None:
            return
        engine = self.engine
        self._draining.add(sink.stream_name)  # two streams may each feed what the other links to
        for stream in engine.parents_of(sink.stream_name) - self._draining:
            parent = self._sinks_active.get(stream)
            if parent is not None:
                self.drain_one(parent)
        self._draining.discard(sink.stream_name)

    def _drain_all(self, sink_list: Iterable[Sink], parallelism: int) -> None:
        """One at a time; `drain_parents` sees to the order. Then what was spooled goes out."""
        for sink in list(sink_list):
            self.drain_one(sink)
        if self.engine is not None:
            self._in_block = True
            self.engine.delivery.drain_all()
            self._in_block = False
            self._check_stop(self.engine)

    def process_endofpipe(self) -> None:
        """The end of the input: drain, try what waits once more, release the last STATE."""
        super().process_endofpipe()
        if self.engine is not None:
            self._in_block = True
            self.engine.close()
            self._in_block = False
            self._check_stop(self.engine)
        self._release_states()

    # The end

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Let a block in flight settle, else end at once. Raises: StoppedError."""
        if not self._in_block or self.engine is None:
            raise StoppedError(signum)
        self.engine.stop_signal = signum
        self.engine.stopping.set()
        self.logger.info("signal %d: no new call; settling what is in flight", signum)
        last = threading.Timer(float(self.config.get("stop_grace_s", 20)), os._exit, [128 + signum])
        last.daemon = True
        last.start()

    def _report(self, exit_code: int, message: str) -> None:
        """Write the report, tell it in a line, close the run in the ledger."""
        ledger = self.engine.ledger if self.engine else None
        if self.engine:
            self.engine.delivery.abandon()
        built = report.build(
            target=self.name,
            run_id=ledger.scope.run_id if ledger else "",
            exit_code=exit_code,
            account=self._account,
            objects=self.engine.adapter.objects if self.engine else self.objects,
            calls=self.engine.adapter.calls if self.engine else CallCount(),
            tally=self._tally,
            letters=ledger.open_letters() if ledger else [],
            message=message,
        )
        report.save(built, report_dir(self.config, self.name))
        if ledger:
            ledger.end_run(exit_code, built, self._tally.outcomes())
        self.logger.info("%s: %s", self.name, report.summary(built))
