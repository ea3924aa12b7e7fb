"""`source-canai` without a read: its spec, its schemas, its checks, its image."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml
from jsonschema import Draft7Validator

from airbyte_source import (
    config,
    errors,
    of,
    source,
)
from box import BIN, Box
from support import ROOT, STREAMS, written

FAILS = """
import sys
from tap_canai.airbyte import cli

cli.specification = lambda: {}["ann@example.com"]
sys.exit(cli.main(["spec"]))
"""


def test_the_spec_shows_our_settings_in_order_with_secrets_marked(tmp_path: Path) -> None:
    code, messages = source(tmp_path, "spec")
    assert code == 0
    (spec,) = of(messages, "SPEC")
    schema = spec["connectionSpecification"]
    Draft7Validator.check_schema(schema)
    properties = schema["properties"]
    assert [setting["order"] for setting in properties.values()] == list(range(len(properties)))
    assert {setting["group"] for setting in properties.values()} <= {
        group["id"] for group in schema["groups"]
    }
    assert {name for name, setting in properties.items() if setting.get("airbyte_secret")} == {
        "api_key",
        "audit_log",
    }
    assert (
        not {"stream_maps", "batch_config", "flattening_enabled", "faker_config"}
        & properties.keys()
    )
    # In a process of its own, since the SDK adds its own settings in place.
    ours = "from tap_canai.tap import TapCanAI; print(*TapCanAI.config_jsonschema['properties'])"
    declared = subprocess.run(
        [sys.executable, "-c", ours], capture_output=True, text=True, check=True
    ).stdout.split()
    # an Airbyte image has no inbox and no secret file beside it
    assert properties.keys() == set(declared) - {"inbox_url", "api_key_file"}
    assert all(
        setting.get("title") and setting.get("description") for setting in properties.values()
    )
    Draft7Validator(schema).validate({"api_key": "k", "start_date": "2025-12-01T00:00:00Z"})


def test_schemas_are_open_and_hold_nothing_that_destinations_do_not_take(tmp_path: Path) -> None:
    _, messages = source(
        tmp_path, "discover", "--config", str(written(tmp_path, "c.json", {"api_key": "none"}))
    )
    streams = of(messages, "CATALOG")[0]["streams"]
    assert [stream["name"] for stream in streams] == list(STREAMS)
    for stream in streams:
        text = json.dumps(stream["json_schema"])
        assert not any(f'"{word}"' in text for word in ("$ref", "allOf", "not"))
        assert '"additionalProperties": false' not in text
        Draft7Validator.check_schema(stream["json_schema"])
        assert stream["source_defined_primary_key"]
        assert stream["source_defined_cursor"]


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


def test_an_unforeseen_error_is_reported_by_its_kind_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILS], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    (error,) = errors([json.loads(line) for line in done.stdout.splitlines()])
    assert error["failure_type"] == "system_error"
    assert "KeyError" in error["message"]
    assert "ann@example.com" not in done.stdout


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
    recipe: dict[str, str] = dict(words)
    assert recipe["USER"] not in ("root", "0")
    assert recipe["ENTRYPOINT"] == '["source-canai"]'
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
