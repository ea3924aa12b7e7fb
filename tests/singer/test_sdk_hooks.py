"""What the project relies on inside singer-sdk: the hooks it overrides, and when they are called.

These tests fail if the SDK changes a hook, or if code of ours overrides one that is not listed. In
either case read the SDK's code again before you change a list.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest
from singer_sdk import Stream, Tap, Target
from singer_sdk.sinks import BatchSink
from tap_canai.tap import TapCanAI

from box import Box
from crms import HUBSPOT, Crm, each_crm
from sdk_hooks import described, hook_name, overrides, protected_members_used, recorded
from support import (
    ROOT,
    contents,
    deliver,
    run_tap,
    schema_message,
    state,
    target_command,
    user,
    users,
    wait_for,
)

HOOKS = {
    "BatchSink.process_batch": "(self, context)",
    "BatchSink.process_record": "(self, record, context)",
    "GenericSingerReader._process_unknown_message": "(self, message_dict)",
    "GenericSingerReader.assert_line_requires": "(line_dict, requires)",
    "GenericSingerReader.default_input": "property",
    "GenericSingerReader.deserialize_json": "(self, line)",
    "GenericSingerReader.process_lines": "(self, file_input, callbacks)",
    "GenericSingerWriter.serialize_message": "(self, message)",
    "GenericSingerWriter.write_message": "(self, message)",
    "PluginBase.config_jsonschema": "attribute",
    "PluginBase.package_name": "attribute",
    "Sink.MAX_SIZE_DEFAULT": "attribute",
    "Sink.__init__": "(self, target, stream_name, schema, key_properties)",
    "Sink._add_sdc_metadata_to_record": "(self, record, message, context)",
    "Sink._add_sdc_metadata_to_schema": "(self)",
    "Sink._singer_validate_message": "(self, record)",
    "Sink._validate_and_parse": "(self, record)",
    "Sink.get_validator": "(self)",
    "Sink.include_sdc_metadata_properties": "property",
    "Stream.TYPE_CONFORMANCE_LEVEL": "attribute",
    "Stream.__init__": "(self, tap, schema=None, name=None)",
    "Stream._generate_record_messages": "(self, record)",
    "Stream._increment_stream_state": "(self, latest_record, *, context=None)",
    "Stream._sync_records": "(self, context=None, *, write_messages=True)",
    "Stream._write_schema_message": "(self)",
    "Stream.get_records": "(self, context)",
    "Stream.is_sorted": "property",
    "Stream.log": "(self, message, *args, level=20, **kwargs)",
    "Stream.post_process": "(self, row, context=None)",
    "Stream.primary_keys": "property",
    "Stream.replication_key": "property",
    "Tap.__init__": (
        "(self, *, config=None, catalog=None, state=None, parse_env_config=False,"
        " validate_config=True, setup_mapper=True, message_writer=None)"
    ),
    "Tap.discover_streams": "(self)",
    "Tap.message_writer_class": "attribute",
    "Tap.invoke": (
        "(cls, *, about=False, about_format=None, config=None, state=None, catalog=None)"
    ),
    "Target.__init__": (
        "(self, *, config=None, parse_env_config=False, validate_config=True,"
        " setup_mapper=True, message_reader=None)"
    ),
    "Target.append_builtin_config": "(cls, config_jsonschema)",
    "Target._drain_all": "(self, sink_list, parallelism)",
    "Target._handle_termination": "(self, signum, frame)",
    "Target._process_record_message": "(self, message_dict)",
    "Target._process_activate_version_message": "(self, message_dict)",
    "Target._process_schema_message": "(self, message_dict)",
    "Target._process_state_message": "(self, message_dict)",
    "Target.get_sink_class": "(self, stream_name)",
    "Target.invoke": "(cls, *, about=False, about_format=None, config=None, file_input=None)",
    "Target.message_reader_class": "attribute",
    "Target.process_endofpipe": "(self)",
}
"""Every member of the SDK that code of ours overrides: its parameters, or what it is."""

USED = {
    "_assert_line_requires": Target,
    "_finalize_state": Stream,
    "_get_context": BatchSink,
    "_handle_max_record_age": Target,
    "_reset_state_progress_markers": Tap,
    "_set_compatible_replication_methods": Tap,
    "_sinks_active": Target,
    "_sinks_to_clear": Target,
    "_write_starting_replication_value": Stream,
    "_write_state_message": Stream,
}
"""Protected members of the SDK that code of ours calls or reads, and whose they are."""

START_CALLS = [
    "Target.invoke",
    "Target.append_builtin_config",  # to know the names of the settings
    "Target.__init__",
    "Target.append_builtin_config",
]
READ = "GenericSingerReader.deserialize_json"
SCHEMA_CALLS = [
    READ,
    "Target._process_schema_message",
    "Target.get_sink_class",
    "Sink.__init__",
    "Sink.include_sdc_metadata_properties",
    "Sink._add_sdc_metadata_to_schema",
    "Sink.get_validator",
]
RECORD_CALLS = ["Target._process_record_message", "BatchSink.process_record"]
"""Of a record that goes past the SDK, from the reader into its sink."""
SDK_RECORD_CALLS = [
    "Target._process_record_message",
    "Sink.include_sdc_metadata_properties",
    "Sink._add_sdc_metadata_to_record",
    "Sink._validate_and_parse",
    "Sink._singer_validate_message",
    "BatchSink.process_record",
]
STATE_CALLS = [READ, "Target._process_state_message"]
END_CALLS = ["Target.process_endofpipe", "Target._drain_all", "Target._drain_all"]


def test_the_sdk_has_every_hook_as_the_project_relies_on_it_and_no_other_is_overridden() -> None:
    found = {hook_name(base, name): described(base, name) for _, name, base in overrides()}
    assert found == HOOKS


def test_protected_members_that_are_used_exist() -> None:
    assert protected_members_used() == USED.keys()
    target = HUBSPOT.target(config=HUBSPOT.credentials("http://127.0.0.1"))
    tap = TapCanAI(config={"api_key": "none"})
    of_class = {
        Target: target, Tap: tap, Stream: tap.streams["users"], BatchSink: BatchSink
    }  # fmt: skip
    for name, base in USED.items():
        assert hasattr(of_class[base], name)


def test_a_target_is_called_in_this_order(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full sink drains at once; a STATE drains nothing; the end drains twice and cleans up."""
    calls: list[str] = []
    recorded(calls, monkeypatch.setattr)
    messages = [schema_message(), user(1), user(2), state(1), user(3), state(2)]
    assert deliver(box, HUBSPOT, messages, tmp_path, batch_size_rows=2).code == 0
    assert calls == [
        *START_CALLS,
        "GenericSingerReader.process_lines",
        *SCHEMA_CALLS,
        *RECORD_CALLS,
        *RECORD_CALLS,
        "BatchSink.process_batch",
        *STATE_CALLS,
        *RECORD_CALLS,
        *STATE_CALLS,
        *END_CALLS,
        "BatchSink.process_batch",
    ]


def test_a_record_that_a_stream_map_changes_goes_the_way_of_the_sdk(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    recorded(calls, monkeypatch.setattr)
    maps = {"users": {"first_name": "first_name.upper()"}}
    assert deliver(box, HUBSPOT, [schema_message(), user(1)], tmp_path, stream_maps=maps).code == 0
    start = calls.index("Target._process_record_message")
    assert calls[start : start + len(SDK_RECORD_CALLS)] == SDK_RECORD_CALLS
    (person,) = box.people(HUBSPOT)
    assert person["properties"]["firstname"] == "ANN"


@each_crm
def test_records_are_the_same_past_the_sdk_and_on_its_way(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    """Full sinks, STATE in between, a SCHEMA that changes, and records of no use included."""
    longer = schema_message()
    longer["schema"] = {**longer["schema"], "title": "another"}
    odd = [{**user(4), "time_extracted": None}, user(5, user_id=None), user(6, email=7)]
    messages = [
        schema_message(), user(1), state(1), user(2), user(1, phone="+43 1 555 0100"), longer,
        user(3), state(2), *odd, state(3),
    ]  # fmt: skip
    ways = {"past": {}, "sdk": {"stream_maps": {"users": {"last_name": "last_name"}}}}
    results = {}
    for way, config in ways.items():
        box.reset()
        folder = tmp_path / way
        folder.mkdir()
        result = deliver(box, crm, messages, folder, batch_size_rows=2, **config)
        letters = [(letter["key"], letter["code"]) for letter in result.letters]
        results[way] = (
            result.code, result.states, result.counts(crm.people), letters, contents(box, crm)
        )  # fmt: skip
    assert results["past"] == results["sdk"]


def test_a_schema_that_comes_again_makes_no_second_sink(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    recorded(calls, monkeypatch.setattr)
    messages = [schema_message(), user(1), schema_message()]
    assert deliver(box, HUBSPOT, messages, tmp_path).code == 0
    assert calls == [
        *START_CALLS,
        "GenericSingerReader.process_lines",
        *SCHEMA_CALLS,
        *RECORD_CALLS,
        *SCHEMA_CALLS[:2],
        *END_CALLS,
        "BatchSink.process_batch",
    ]


def test_a_signal_during_a_batch_calls_the_handler_and_no_hook_after_it(
    box: Box, tmp_path: Path
) -> None:
    """Left alone, the SDK would process the batch again, without its records, and emit STATE."""
    box.fault(HUBSPOT, "slow", match=HUBSPOT.person_writes, args={"delay_ms": 1500})
    _, *arguments = target_command(box, HUBSPOT, [*users(3), state(1)], tmp_path)
    file = tmp_path / "calls.json"
    script = [sys.executable, str(ROOT / "tests" / "sdk_hooks.py"), str(file)]
    target = "target_hubspot.target:TargetHubSpot"
    with subprocess.Popen([*script, target, *arguments], stdout=subprocess.PIPE) as process:
        wait_for(lambda: box.struck(HUBSPOT, "slow"))
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert json.loads(out) == state(1)["value"]  # the batch was settled after all
    assert json.loads(file.read_text()) == [
        *START_CALLS,
        "GenericSingerReader.process_lines",
        *SCHEMA_CALLS,
        *RECORD_CALLS * 3,
        *STATE_CALLS,
        *END_CALLS,
        "BatchSink.process_batch",
        "Target._handle_termination",
    ]


def test_a_stream_is_called_in_this_order(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state of a record moves after its message, and only if we let it."""
    calls: list[str] = []
    recorded(calls, monkeypatch.setattr)
    someone = box.objects("canai", "users")[0]["id"]
    code, messages = run_tap(box, tmp_path, window_days=40, user_ids=[someone])
    assert code == 0
    kinds = [message["type"] for message in messages]
    assert [kind for kind, _ in groupby(kinds)] == ["SCHEMA", "STATE", "RECORD", "STATE"]
    (start,) = (number for number, name in enumerate(calls) if name == "Tap.invoke")
    assert [name for name, _ in groupby(calls[start:])] == [
        "Tap.invoke",
        "Tap.__init__",
        "Tap.discover_streams",
        "Stream.__init__",
        "Stream.log",
        "Stream._write_schema_message",  # the SCHEMA itself is written before any stream begins
        "Stream._sync_records",
        "Stream.post_process",  # the last record of a file is read by itself
    ]


def test_records_that_the_sdk_changes_leave_by_its_own_loop(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stream map, the SDK calls its hooks for every record."""
    calls: list[str] = []
    recorded(calls, monkeypatch.setattr)
    someone = box.objects("canai", "users")[0]["id"]
    maps = {"users": {"email": None}}
    code, _ = run_tap(box, tmp_path, window_days=40, user_ids=[someone], stream_maps=maps)
    assert code == 0
    (start,) = (number for number, name in enumerate(calls) if name == "Tap.invoke")
    assert [name for name, _ in groupby(calls[start:])][-5:] == [
        "Stream._sync_records",
        "Stream.get_records",
        "Stream.post_process",
        "Stream._generate_record_messages",
        "Stream._increment_stream_state",
    ]
