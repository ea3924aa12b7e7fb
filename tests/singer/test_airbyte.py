"""`source-canai` speaks the Airbyte protocol: every message as the protocol's own models have it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from airbyte_protocol.models import AirbyteMessage, ConfiguredAirbyteCatalog
from jsonschema import Draft7Validator
from support import BIN, ROOT, Box, clean_environment, free_port, tap_config, written

STREAMS = (
    "users",
    "payments",
    "deliverables",
    "analytics",
    "journey_analytics",
    "revenue_analytics",
    "feedback",
    "sessions",
)


def source(folder: Path, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and messages; each is a message of the protocol, and nothing else is on stdout."""
    done = subprocess.run(
        [str(BIN / "source-canai"), *arguments],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    for one in messages:
        AirbyteMessage.model_validate(one)
    assert "Traceback" not in done.stderr
    return done.returncode, messages


def config(box: Box, folder: Path, **more: Any) -> str:
    return str(written(folder, "config.json", tap_config(box, **more)))


def catalog(folder: Path, streams: Sequence[str] = STREAMS, mode: str = "incremental") -> str:
    _, messages = source(
        folder, "discover", "--config", str(written(folder, "any.json", {"api_key": "none"}))
    )
    found = {one["name"]: one for one in of(messages, "CATALOG")[0]["streams"]}
    chosen = [
        {"stream": found[name], "sync_mode": mode, "destination_sync_mode": "append"}
        for name in streams
    ]
    ConfiguredAirbyteCatalog.model_validate({"streams": chosen})
    return str(written(folder, "catalog.json", {"streams": chosen}))


KEYS = {
    "RECORD": "record",
    "STATE": "state",
    "TRACE": "trace",
    "LOG": "log",
    "SPEC": "spec",
    "CATALOG": "catalog",
}


def of(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    key = KEYS.get(kind, "connectionStatus")
    return [one[key] for one in messages if one["type"] == kind]


def statuses(messages: list[dict[str, Any]], stream: str) -> list[str]:
    found = [
        one["stream_status"] for one in of(messages, "TRACE") if one["type"] == "STREAM_STATUS"
    ]
    return [one["status"] for one in found if one["stream_descriptor"]["name"] == stream]


def errors(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one["error"] for one in of(messages, "TRACE") if one["type"] == "ERROR"]


def test_the_spec_shows_our_settings_in_order_with_secrets_marked(tmp_path: Path) -> None:
    code, messages = source(tmp_path, "spec")
    assert code == 0
    (spec,) = of(messages, "SPEC")
    schema = spec["connectionSpecification"]
    Draft7Validator.check_schema(schema)
    properties = schema["properties"]
    assert [one["order"] for one in properties.values()] == list(range(len(properties)))
    assert {one["group"] for one in properties.values()} <= {one["id"] for one in schema["groups"]}
    assert {name for name, one in properties.items() if one.get("airbyte_secret")} == {
        "api_key",
        "audit_log",
    }
    assert (
        not {"stream_maps", "batch_config", "flattening_enabled", "faker_config"}
        & properties.keys()
    )
    ours = "from tap_canai.tap import TapCanAI; print(*TapCanAI.config_jsonschema['properties'])"  # the SDK adds its own in place, once used
    declared = subprocess.run(
        [sys.executable, "-c", ours], capture_output=True, text=True, check=True
    ).stdout.split()
    assert properties.keys() == set(declared) - {
        "inbox_url"
    }  # events go by Meltano only: an Airbyte image has no inbox beside it
    assert all(one.get("title") and one.get("description") for one in properties.values())
    Draft7Validator(schema).validate({"api_key": "k", "start_date": "2025-12-01T00:00:00Z"})


def test_schemas_are_open_and_hold_nothing_that_destinations_do_not_take(tmp_path: Path) -> None:
    _, messages = source(
        tmp_path, "discover", "--config", str(written(tmp_path, "c.json", {"api_key": "none"}))
    )
    streams = of(messages, "CATALOG")[0]["streams"]
    assert [one["name"] for one in streams] == list(STREAMS)
    for one in streams:
        text = json.dumps(one["json_schema"])
        assert not any(f'"{word}"' in text for word in ("$ref", "allOf", "not"))
        assert '"additionalProperties": false' not in text
        Draft7Validator.check_schema(one["json_schema"])
        assert one["source_defined_primary_key"]
        assert one["source_defined_cursor"]


def test_check_tells_a_good_key_from_a_bad_one_without_retries(box: Box, tmp_path: Path) -> None:
    assert (
        of(source(tmp_path, "check", "--config", config(box, tmp_path))[1], "CONNECTION_STATUS")[0][
            "status"
        ]
        == "SUCCEEDED"
    )
    box.forget_log()
    code, messages = source(
        tmp_path, "check", "--config", config(box, tmp_path, api_key="a-bad-key")
    )
    assert code == 0
    (status,) = of(messages, "CONNECTION_STATUS")
    assert status["status"] == "FAILED"
    assert "does not accept the API key" in status["message"]
    assert len(box.log("canai")) == 1
    assert "a-bad-key" not in json.dumps(messages)
    code, messages = source(
        tmp_path, "check", "--config", config(box, tmp_path, window_days="soon")
    )
    assert [code, of(messages, "CONNECTION_STATUS")[0]["status"]] == [0, "FAILED"]


def test_read_brings_every_stream_with_statuses_states_and_counts(box: Box, tmp_path: Path) -> None:
    code, messages = source(
        tmp_path,
        "read",
        "--config",
        config(box, tmp_path, window_days=20),
        "--catalog",
        catalog(tmp_path),
    )
    assert code == 0
    for name in STREAMS:
        own = [one for one in of(messages, "RECORD") if one["stream"] == name]
        expected = box.objects("canai", name if "analytics" not in name else "analytics")
        assert len(own) == len(expected) or "analytics" in name
        assert statuses(messages, name) == ["STARTED", "RUNNING", "COMPLETE"]
        states = [
            one
            for one in of(messages, "STATE")
            if one["stream"]["stream_descriptor"]["name"] == name
        ]
        assert sum(one["sourceStats"]["recordCount"] for one in states) == len(own)
        texts = [json.dumps(one["stream"]["stream_state"], sort_keys=True) for one in states]
        assert len(texts) >= 3
        assert all(before != after for before, after in pairwise(texts))
    schemas = {
        one["name"]: one["json_schema"]
        for one in of(
            source(tmp_path, "discover", "--config", config(box, tmp_path))[1], "CATALOG"
        )[0]["streams"]
    }
    for one in of(messages, "RECORD"):
        Draft7Validator(schemas[one["stream"]]).validate(one["data"])
        for name, value in one["data"].items():
            if schemas[one["stream"]]["properties"][name].get("format") == "date-time":
                assert value is None or value.endswith("Z")


def states_of(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last state of each stream, as the platform keeps them."""
    return list(
        {one["stream"]["stream_descriptor"]["name"]: one for one in of(messages, "STATE")}.values()
    )


def test_a_second_read_brings_only_what_changed_and_a_full_refresh_everything(
    box: Box, tmp_path: Path
) -> None:
    chosen = catalog(tmp_path, ("users", "payments"))
    box.call("POST", "/_sandbox/clock", {"advance_s": 3600})
    _, first = source(tmp_path, "read", "--config", config(box, tmp_path), "--catalog", chosen)
    kept = str(written(tmp_path, "state.json", states_of(first)))
    box.call("POST", "/_sandbox/clock", {"advance_s": 3600})
    changed = box.call("POST", "/_sandbox/mutate", {"users": 4})
    box.call("POST", "/_sandbox/clock", {"advance_s": 2})
    code, second = source(
        tmp_path, "read", "--config", config(box, tmp_path), "--catalog", chosen, "--state", kept
    )
    assert code == 0
    assert sorted(one["data"]["user_id"] for one in of(second, "RECORD")) == sorted(changed)
    assert {one["stream"]["stream_descriptor"]["name"] for one in of(second, "STATE")} == {
        "users",
        "payments",
    }
    assert statuses(second, "payments") == ["STARTED", "COMPLETE"]
    whole = catalog(tmp_path, ("users",), "full_refresh")
    _, full = source(
        tmp_path, "read", "--config", config(box, tmp_path), "--catalog", whole, "--state", kept
    )
    assert len(of(full, "RECORD")) == 60
    assert of(full, "STATE")


@pytest.mark.parametrize(
    "state", ["", "null", "[]", '[{"type": "STREAM", "stream": null}]', '[{"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}, "stream_state": null}}]', "{}", '{"bookmarks": {}}', None],
)  # fmt: skip
def test_a_state_that_says_nothing_is_a_first_read(
    box: Box, tmp_path: Path, state: str | None
) -> None:
    path = (
        str(tmp_path / "missing.json") if state is None else str(written(tmp_path, "s.json", state))
    )
    chosen = catalog(tmp_path, ("users",))
    code, messages = source(
        tmp_path, "read", "--config", config(box, tmp_path), "--catalog", chosen, "--state", path
    )
    assert code == 0
    assert len(of(messages, "RECORD")) == 60


def test_a_state_in_the_tap_s_own_notation_is_understood(box: Box, tmp_path: Path) -> None:
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
    _, messages = source(
        tmp_path, "read", "--config", config(box, tmp_path), "--catalog", chosen, "--state", path
    )
    assert of(messages, "RECORD") == []


def test_a_stream_that_fails_leaves_the_others_complete_and_the_exit_code_says_so(
    box: Box, tmp_path: Path
) -> None:
    box.fault("canai", "truncate", match="/storage", after=1, times=4)
    chosen = catalog(tmp_path, ("users", "payments", "feedback"))
    code, messages = source(
        tmp_path, "read", "--config", config(box, tmp_path, window_days=90), "--catalog", chosen
    )
    assert code == 1
    assert statuses(messages, "users")[-1] == "COMPLETE"
    assert statuses(messages, "payments")[-1] == "INCOMPLETE"
    (error, *_) = errors(messages)
    assert error["failure_type"] == "system_error"
    assert error["stream_descriptor"]["name"] == "payments"
    assert [
        one
        for one in of(messages, "STATE")
        if one["stream"]["stream_descriptor"]["name"] == "payments"
    ]


def test_a_bad_key_is_a_config_error_before_any_stream(box: Box, tmp_path: Path) -> None:
    code, messages = source(
        tmp_path,
        "read",
        "--config",
        config(box, tmp_path, api_key="a-bad-key"),
        "--catalog",
        catalog(tmp_path),
    )
    assert code == 1
    (error,) = errors(messages)
    assert error["failure_type"] == "config_error"
    assert of(messages, "RECORD") == []
    assert "a-bad-key" not in json.dumps(messages)


def test_an_api_that_cannot_be_reached_is_a_transient_error(tmp_path: Path, box: Box) -> None:
    chosen = catalog(tmp_path, ("users",))
    closed = str(
        written(
            tmp_path, "closed.json", {"api_key": "k", "api_url": f"http://127.0.0.1:{free_port()}"}
        )
    )
    code, messages = source(tmp_path, "read", "--config", closed, "--catalog", chosen)
    assert code == 1
    (error,) = errors(messages)
    assert error["failure_type"] == "transient_error"
    assert "cannot be reached" in error["message"]


def test_only_the_chosen_properties_and_the_keys_are_read(box: Box, tmp_path: Path) -> None:
    chosen = json.loads(Path(catalog(tmp_path, ("users",))).read_text())
    schema = chosen["streams"][0]["stream"]["json_schema"]
    schema["properties"] = {name: schema["properties"][name] for name in ("user_id", "total_spent")}
    path = str(written(tmp_path, "some.json", chosen))
    code, messages = source(tmp_path, "read", "--config", config(box, tmp_path), "--catalog", path)
    assert code == 0
    assert {frozenset(one["data"]) for one in of(messages, "RECORD")} == {
        frozenset({"user_id", "total_spent", "last_active_at"})
    }


def test_an_error_nobody_foresaw_is_told_by_its_kind_alone(tmp_path: Path) -> None:
    script = "import sys; from tap_canai.airbyte import cli as airbyte; airbyte.specification = lambda: {}['ann@example.com']; sys.exit(airbyte.main(['spec']))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    (error,) = errors([json.loads(line) for line in done.stdout.splitlines()])
    assert error["failure_type"] == "system_error"
    assert "KeyError" in error["message"]
    assert "ann@example.com" not in done.stdout


def test_sigterm_ends_incomplete_and_not_with_success(box: Box, tmp_path: Path) -> None:
    box.fault("canai", "slow", match="/storage", after=2, times=100, args={"delay_ms": 4000})
    arguments = [
        "read",
        "--config",
        config(box, tmp_path, window_days=5),
        "--catalog",
        catalog(tmp_path, ("users", "payments")),
    ]
    process = subprocess.Popen(
        [str(BIN / "source-canai"), *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ},
        text=True,
    )
    for _ in range(200):
        if [line for line in box.log("canai") if line["fault"] == "slow"]:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    messages = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 143
    assert statuses(messages, "users")[-1] == "INCOMPLETE"
    assert statuses(messages, "payments") == []


def test_the_image_runs_the_source_without_root_and_its_recipe_lints() -> None:
    """No container engine is asked for: the recipe is linted, not built."""
    file = ROOT / "tap-canai" / "Dockerfile"
    done = subprocess.run(
        [str(BIN / "hadolint"), str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    words = [
        line.split(maxsplit=1)
        for line in file.read_text().splitlines()
        if line and not line.startswith((" ", "#"))
    ]
    told: dict[str, str] = dict(words)
    assert told["USER"] not in ("root", "0")
    assert told["ENTRYPOINT"] == '["source-canai"]'
    assert any(
        word == "ENV" and rest == 'AIRBYTE_ENTRYPOINT="source-canai"' for word, rest in words
    )


def test_the_metadata_is_what_the_package_is() -> None:
    metadata = yaml.safe_load((ROOT / "tap-canai" / "airbyte" / "metadata.yaml").read_text())[
        "data"
    ]
    package = tomllib.loads((ROOT / "tap-canai" / "pyproject.toml").read_text())["project"]
    assert metadata["dockerImageTag"] == package["version"]
    assert metadata["connectorType"] == "source"
    assert (ROOT / "tap-canai" / "airbyte" / metadata["icon"]).is_file()
    assert "airbyte" in package["optional-dependencies"]
    assert package["scripts"]["source-canai"] == "tap_canai.airbyte:main"
