"""States, catalogs and settings that would read nothing, or forever: one line with the way out."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from singer_kit.times import parse_utc, utc_text
from tap_canai import cli
from tap_canai.windows import Window, windows_between

from box import Box
from crms import Crm, each_crm
from support import deliver, run_tap, tap_config, users, written

FUTURE = "2099-01-01T00:00:00Z"
RECENT = {"start_date": "2025-12-30T00:00:00Z"}


def of_users(**values: Any) -> str:
    return json.dumps({"bookmarks": {"users": values}})


STATES = {
    "": "is not valid JSON",
    "{": "is not valid JSON",
    "null": "is empty",
    "[]": "is not a JSON object",
    "3": "is not a JSON object",
    '{"bookmarks": null}': "`bookmarks` are not a JSON object",
    '{"bookmarks": []}': "`bookmarks` are not a JSON object",
    '{"bookmarks": {"users": null}}': "The state of 'users' is not a JSON object",
    '{"bookmarks": {"users": []}}': "The state of 'users' is not a JSON object",
    of_users(replication_key_value=5): "is not a valid timestamp",
    of_users(replication_key_value={"a": 1}): "is not a valid timestamp",
    of_users(replication_key_value="99999-01-01"): "is not a valid timestamp",
    of_users(replication_key_value="0001-01-01T00:00:00+14:00"): "is not a valid timestamp",
    of_users(replication_key_value=FUTURE): "which is in the future",
    of_users(replication_key_value=FUTURE, swept_at="2026-01-30T00:00:00Z"): "in the future",
    of_users(sweep_from=FUTURE): "which is in the future",
}


@pytest.mark.parametrize("state", STATES)
def test_a_state_that_says_nothing_is_one_line(
    box: Box, state: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(written(tmp_path, "odd-state.json", state))
    code, messages = run_tap(box, tmp_path, "--state", path)
    assert code == 1
    assert [message for message in messages if message["type"] == "STATE"] == []
    assert STATES[state] in caplog.text
    assert "ull refresh" in caplog.text or "without a state" in caplog.text
    assert "unexpectedly" not in caplog.text


@pytest.mark.parametrize(
    "state",
    [
        "{}",
        "\ufeff{}",
        of_users(),
        of_users(swept_at=FUTURE, replication_key_value="2026-01-01T00:00:00Z"),
        of_users(replication_key_value="0001-01-01T00:00:00Z", swept_at="0001-01-01T00:00:00Z"),
    ],
)
def test_a_state_without_a_usable_bookmark_reads_from_the_start(
    box: Box, state: str, tmp_path: Path
) -> None:
    path = str(written(tmp_path, "odd-state.json", state))
    code, messages = run_tap(box, tmp_path, "--state", path)
    assert code == 0
    everyone = {row["id"] for row in box.objects("canai", "users")}
    read = {each["record"]["user_id"] for each in messages if each["type"] == "RECORD"}
    assert read == everyone


def test_a_bookmark_behind_end_date_is_not_of_the_future(box: Box, tmp_path: Path) -> None:
    state = {"bookmarks": {"users": {"replication_key_value": "2026-01-20T00:00:00Z"}}}
    end = {"end_date": "2026-01-10T00:00:00Z"}
    assert run_tap(box, tmp_path, state=state, **end)[0] == 0


@pytest.mark.parametrize(
    "catalog",
    ["", "{", "null", "[]", "{}", '{"streams": {}}', '{"streams": [1]}', '{"streams": [{}]}'],
)
def test_an_invalid_catalog_is_one_line(
    box: Box, catalog: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(written(tmp_path, "odd-catalog.json", catalog))
    config = str(written(tmp_path, "tap.json", tap_config(box, tmp_path)))
    assert cli.main(["--config", config, "--catalog", path]) == 1
    assert "The catalog is" in caplog.text
    assert "--discover" in caplog.text
    assert "unexpectedly" not in caplog.text


@pytest.mark.parametrize("name", ["window_days", "sweep_days", "request_timeout"])
@pytest.mark.parametrize("value", [1e300, 1e-12, 1e-300, 0, -1, float("nan"), float("inf")])
def test_a_length_of_time_out_of_range_is_one_line(
    box: Box, name: str, value: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if name == "request_timeout" and 0 < value < 1:
        pytest.skip("a short timeout fails by itself, after its retries")
    config: dict[str, Any] = {name: value, **RECENT}
    assert run_tap(box, tmp_path, **config)[0] == 1
    assert f"'{name}' is not valid" in caplog.text or "not a readable settings file" in caplog.text
    assert "unexpectedly" not in caplog.text


@pytest.mark.parametrize("value", [1e300, -1])
def test_a_lookback_out_of_range_is_one_line(
    box: Box, value: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config: dict[str, Any] = {"lookback_seconds": {"users": value}, **RECENT}
    assert run_tap(box, tmp_path, **config)[0] == 1
    assert "'lookback_seconds' is not valid" in caplog.text


@each_crm
@pytest.mark.parametrize("name", ["link_wait_days", "verify_days", "stop_grace_s"])
def test_a_targets_length_of_time_out_of_range_is_one_line(
    box: Box, crm: Crm, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config: dict[str, Any] = {name: 1e300}
    assert deliver(box, crm, users(1), tmp_path, **config).code == 1
    assert f"'{name}' is not valid" in caplog.text


def test_a_start_after_the_end_is_one_line(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert run_tap(box, tmp_path, start_date=FUTURE)[0] == 1
    assert "start_date 2099-01-01T00:00:00Z is after the end of the range" in caplog.text


def test_windows_end_before_the_year_9999_does(tmp_path: Path) -> None:
    start, end = (datetime(year, 1, 1, tzinfo=UTC) for year in (9998, 9999))
    assert list(windows_between(start, end, datetime.max - datetime.min)) == [Window(start, end)]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "0999-12-31T23:59:59.5Z"])
def test_a_year_before_1000_keeps_its_four_digits(text: str) -> None:
    assert utc_text(parse_utc(text))[:19] == text[:19]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-14:00"])
def test_a_time_that_utc_cannot_say_is_not_a_timestamp(text: str) -> None:
    with pytest.raises(ValueError, match="UTC"):
        parse_utc(text)


def test_the_folders_of_an_export_are_private(box: Box, tmp_path: Path) -> None:
    someone = box.objects("canai", "users")[0]["id"]
    config = str(written(tmp_path, "tap.json", tap_config(box, tmp_path)))
    output = tmp_path / "one" / "two" / "three"
    command = ["export", "--user-id", someone, "--output", str(output), "--config", config]
    assert cli.main(command) == 0
    for folder in (output, output.parent, output.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in output.iterdir()} == {0o600}
