"""`source-canai` reads: every message is as the Airbyte protocol's own models are."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from airbyte_source import (
    catalog,
    config,
    discovered,
    errors,
    of,
    read,
    statuses,
    stream_of,
)
from box import BIN, Box, free_port
from support import ROOT, STREAMS, Message, clean_environment, wait_for, written


def test_read_brings_every_stream_with_statuses_states_and_counts(box: Box, tmp_path: Path) -> None:
    code, messages = read(tmp_path, config(box, tmp_path, window_days=20), catalog(tmp_path))
    assert code == 0
    for name in STREAMS:
        own = [record for record in of(messages, "RECORD") if record["stream"] == name]
        expected = box.objects("canai", name if "analytics" not in name else "analytics")
        assert len(own) == len(expected) or "analytics" in name
        assert statuses(messages, name) == ["STARTED", "RUNNING", "COMPLETE"]
        states = [state for state in of(messages, "STATE") if stream_of(state) == name]
        assert sum(state["sourceStats"]["recordCount"] for state in states) == len(own)
        texts = [json.dumps(state["stream"]["stream_state"], sort_keys=True) for state in states]
        assert len(texts) >= 3
        assert all(before != after for before, after in pairwise(texts))
    schemas = {name: stream["json_schema"] for name, stream in discovered().items()}
    for record in of(messages, "RECORD"):
        Draft7Validator(schemas[record["stream"]]).validate(record["data"])
        for name, value in record["data"].items():
            if schemas[record["stream"]]["properties"][name].get("format") == "date-time":
                assert value is None or value.endswith("Z")


def states_of(messages: list[Message]) -> list[dict[str, Any]]:
    """The last state of each stream, as the platform keeps them."""
    return list({stream_of(state): state for state in of(messages, "STATE")}.values())


def test_a_second_read_brings_only_what_changed_and_a_full_refresh_everything(
    box: Box, tmp_path: Path
) -> None:
    chosen = catalog(tmp_path, ("users", "payments"))
    box.advance(3600)
    _, first = read(tmp_path, config(box, tmp_path), chosen)
    kept = str(written(tmp_path, "state.json", states_of(first)))
    box.advance(3600)
    changed = box.mutate(users=4)
    box.advance(2)
    code, second = read(tmp_path, config(box, tmp_path), chosen, kept)
    assert code == 0
    assert sorted(record["data"]["user_id"] for record in of(second, "RECORD")) == sorted(changed)
    assert {stream_of(state) for state in of(second, "STATE")} == {"users", "payments"}
    assert statuses(second, "payments") == ["STARTED", "COMPLETE"]
    whole = catalog(tmp_path, ("users",), "full_refresh")
    _, full = read(tmp_path, config(box, tmp_path), whole, kept)
    assert len(of(full, "RECORD")) == 60
    assert of(full, "STATE")


NOTHING = {
    "type": "STREAM",
    "stream": {"stream_descriptor": {"name": "users"}, "stream_state": None},
}


@pytest.mark.parametrize(
    "state",
    [
        "",
        "null",
        "[]",
        '[{"type": "STREAM", "stream": null}]',
        json.dumps([NOTHING]),
        "{}",
        '{"bookmarks": {}}',
        None,
    ],
)
def test_a_state_that_says_nothing_is_a_first_read(
    box: Box, tmp_path: Path, state: str | None
) -> None:
    path = str(tmp_path / "missing.json" if state is None else written(tmp_path, "s.json", state))
    chosen = catalog(tmp_path, ("users",))
    code, messages = read(tmp_path, config(box, tmp_path), chosen, path)
    assert code == 0
    assert len(of(messages, "RECORD")) == 60


def test_a_state_in_the_taps_own_notation_is_understood(box: Box, tmp_path: Path) -> None:
    own = {
        "bookmarks": {
            "users": {
                "replication_key": "last_active_at",
                "replication_key_value": "2026-01-31T00:00:00+00:00",
            }
        }
    }
    chosen = catalog(tmp_path, ("users",))
    path = str(written(tmp_path, "s.json", own))
    _, messages = read(tmp_path, config(box, tmp_path), chosen, path)
    assert of(messages, "RECORD") == []


def test_a_stream_that_fails_leaves_the_others_complete_and_the_exit_code_says_so(
    box: Box, tmp_path: Path
) -> None:
    box.fault("canai", "truncate", match="/storage", after=1, times=4)
    chosen = catalog(tmp_path, ("users", "payments", "feedback"))
    code, messages = read(tmp_path, config(box, tmp_path, window_days=90), chosen)
    assert code == 1
    assert statuses(messages, "users")[-1] == "COMPLETE"
    assert statuses(messages, "payments")[-1] == "INCOMPLETE"
    (error, *_) = errors(messages)
    assert error["failure_type"] == "system_error"
    assert error["stream_descriptor"]["name"] == "payments"
    assert "payments" in {stream_of(state) for state in of(messages, "STATE")}


def test_a_bad_key_is_a_config_error_before_any_stream(box: Box, tmp_path: Path) -> None:
    code, messages = read(tmp_path, config(box, tmp_path, api_key="a-bad-key"), catalog(tmp_path))
    assert code == 1
    (error,) = errors(messages)
    assert error["failure_type"] == "config_error"
    assert of(messages, "RECORD") == []
    assert "a-bad-key" not in json.dumps(messages)


QUICKLY = """
import sys
import quick  # first: the waits between attempts are short
from tap_canai.airbyte import cli

sys.exit(cli.main(sys.argv[1:]))
"""


def test_an_api_that_cannot_be_reached_is_a_transient_error(tmp_path: Path) -> None:
    settings = {"api_key": "k", "api_url": f"http://127.0.0.1:{free_port()}"}
    closed = str(written(tmp_path, "closed.json", settings))
    chosen = catalog(tmp_path, ("users",))
    command = [sys.executable, "-c", QUICKLY, "read", "--config", closed, "--catalog", chosen]
    environment = {**clean_environment(), "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (error,) = errors([json.loads(line) for line in done.stdout.splitlines()])
    assert error["failure_type"] == "transient_error"
    assert "cannot be reached" in error["message"]


def test_only_the_chosen_properties_and_the_keys_are_read(box: Box, tmp_path: Path) -> None:
    chosen = json.loads(Path(catalog(tmp_path, ("users",))).read_text())
    schema = chosen["streams"][0]["stream"]["json_schema"]
    schema["properties"] = {name: schema["properties"][name] for name in ("user_id", "total_spent")}
    path = str(written(tmp_path, "some.json", chosen))
    code, messages = read(tmp_path, config(box, tmp_path), path)
    assert code == 0
    assert {frozenset(record["data"]) for record in of(messages, "RECORD")} == {
        frozenset({"user_id", "total_spent", "last_active_at"})
    }


def test_sigterm_ends_incomplete_and_not_with_success(box: Box, tmp_path: Path) -> None:
    box.fault("canai", "slow", match="/storage", after=2, times=100, args={"delay_ms": 4000})
    chosen = catalog(tmp_path, ("users", "payments"))
    settings = config(box, tmp_path, window_days=5)
    command = [str(BIN / "source-canai"), "read", "--config", settings, "--catalog", chosen]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: box.struck("canai", "slow"))
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    messages = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 143
    assert statuses(messages, "users")[-1] == "INCOMPLETE"
    assert statuses(messages, "payments") == []
