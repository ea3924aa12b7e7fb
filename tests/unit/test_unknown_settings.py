"""A setting that nobody reads is an error, in every executable."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from reverse_etl.singer import cli as commands
from singer_kit.errors import SettingError
from singer_kit.known_settings import check_environment, check_settings
from tap_canai.airbyte.messages import Writer
from tap_canai.airbyte.source import Source
from tap_canai.tap import TapCanAI
from tap_canai.webhooks import cli as webhooks

from box import Box
from crms import HUBSPOT, Crm, each_crm
from support import deliver, run_tap, target_config, users, written


@each_crm
def test_a_target_names_the_nearest_setting_before_any_call(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = deliver(box, crm, users([1]), tmp_path, maping="mine", dryrun=True)
    assert (result.code, result.states) == (1, [])
    assert "The setting 'maping' is unknown. Did you mean 'mapping'?" in caplog.text
    assert "The setting 'dryrun' is unknown." in caplog.text
    assert "Traceback" not in caplog.text
    assert box.people(crm) == []


def test_the_commands_of_a_target_refuse_them_too(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = written(tmp_path, "c.json", target_config(box, HUBSPOT, tmp_path, maping="mine"))
    assert commands.main(HUBSPOT.target, ["mapping", "check", "--config", str(config)]) == 1
    assert "'maping'" in caplog.text


def test_the_tap_refuses_them(box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert run_tap(box, tmp_path, start_dat="2026-01-01") == (1, [])
    assert "The setting 'start_dat' is unknown. Did you mean 'start_date'?" in caplog.text


def test_the_airbyte_source_refuses_them() -> None:
    out = io.StringIO()
    Source(Writer(out)).check({"api_key": "x", "windowdays": 3})
    status = json.loads(out.getvalue())["connectionStatus"]
    assert status["status"] == "FAILED"
    assert "Did you mean 'window_days'?" in status["message"]


def test_the_receiver_refuses_an_unknown_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert webhooks.main(["serve", "--keep-day", "3", "--debounce", "1"]) == 1
    assert "--keep-days" in capsys.readouterr().err


@pytest.mark.parametrize("meltano", [True, False], ids=["under Meltano", "with ENV"])
def test_an_unknown_environment_variable_is_an_error(
    box: Box,
    tmp_path: Path,
    meltano: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("TARGET_HUBSPOT_MAPING", "mine")
    arguments = [
        "--config",
        str(written(tmp_path, "c.json", target_config(box, HUBSPOT, tmp_path))),
    ]
    if meltano:
        monkeypatch.setenv("MELTANO_PROJECT_ROOT", str(tmp_path))
    else:
        arguments += ["--config", "ENV"]
    assert commands.main(HUBSPOT.target, arguments) == 1
    assert "'TARGET_HUBSPOT_MAPING' is unknown. Did you mean 'TARGET_HUBSPOT_MAPPING'?" in (
        caplog.text
    )


@pytest.mark.parametrize(
    "name",
    [
        "TAP_CANAI__SELECT",
        "TAP_CANAI_EVENTS__LOAD_SCHEMA",
        "TAP_CANAI_EVENTS_INBOX_URL",
        "TAP_CANAI_SERVICE_HOST",
        "TAP_CANAI_PORT_8090_TCP_ADDR",
        "TAP_CANAI_STREAM_MAPS",
        "TAP_CANAIRY",
    ],
)
def test_variables_of_others_are_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    check_environment(TapCanAI)


def test_the_settings_of_the_sdk_and_empty_ones_pass() -> None:
    check_settings(HUBSPOT.target, {"load_method": "upsert", "faker_config": {}, "old": None})
    check_settings(HUBSPOT.target, {"add_record_metadata": False, "older": ""})
    with pytest.raises(SettingError, match="'older'"):
        check_settings(HUBSPOT.target, {"older": False})


@each_crm
@pytest.mark.parametrize(
    ("name", "value", "done"),
    [
        ("load_method", "overwrite", "upsert"),
        ("validate_records", False, True),
        ("add_record_metadata", True, "false"),
        ("hard_delete", "true", False),
    ],
)
def test_settings_of_the_sdk_that_would_have_no_effect_are_not_offered_and_end_the_run(
    box: Box,
    crm: Crm,
    name: str,
    value: object,
    done: object,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    result = deliver(box, crm, users([1]), tmp_path, **{name: value})
    assert (result.code, result.states) == (1, [])
    assert f"{name}: " in caplog.text
    assert " has no effect in this target: " in caplog.text
    assert box.people(crm) == []
    assert deliver(box, crm, users([1]), tmp_path, **{name: done}).code == 0
    offered: dict[str, dict[str, object]] = {"properties": {}}
    crm.target.append_builtin_config(offered)
    assert name not in offered["properties"]
    assert "stream_maps" in offered["properties"]
