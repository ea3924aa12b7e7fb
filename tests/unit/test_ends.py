"""Every end of a run is a line, an exit code and a report of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from reverse_etl.singer import cli as commands
from tap_canai import cli as tap_commands

from box import BIN, Box
from crms import HUBSPOT
from support import deliver, report_of, target_config, users, written


@pytest.mark.parametrize("content", ["{bad", "[1]", None])
def test_a_settings_file_that_cannot_be_read_is_one_line(
    tmp_path: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "c.json"
    if content is not None:
        path.write_text(content)
    assert commands.main(HUBSPOT.target, ["--config", str(path)]) == 1
    assert tap_commands.main(["--config", str(path)]) == 1
    assert caplog.text.count("is not a readable settings file") == 2


def test_text_for_a_number_in_the_environment_is_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TARGET_HUBSPOT_MAX_CONCURRENCY", "four")
    monkeypatch.setenv("TARGET_HUBSPOT_ACCESS_TOKEN", "x")
    assert commands.main(HUBSPOT.target, ["--config", "ENV"]) == 1
    assert "'max_concurrency' is not valid" in caplog.text


def test_invalid_utf_8_is_one_line_and_blank_lines_are_skipped(box: Box, tmp_path: Path) -> None:
    config = written(tmp_path, "c.json", target_config(box, HUBSPOT, tmp_path))
    command = [str(BIN / "target-hubspot"), "--config", str(config)]
    state = b'{"type": "STATE", "value": {}}\n'
    run = subprocess.run(command, input=b"\n  \n" + state, capture_output=True, check=False)
    assert (run.returncode, run.stdout) == (0, b"{}\n")
    run = subprocess.run(command, input=b"\xff\xfe\n" + state, capture_output=True, check=False)
    assert (run.returncode, run.stdout) == (1, b"")
    assert b"is not valid JSON" in run.stderr
    assert b"Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"type": "FOO"}, "of a type that Singer does not have"),
        ({"type": ["FOO"]}, "is not a Singer message"),
        ({"type": "RECORD", "stream": "users"}, "A RECORD lacks record"),
        ({"type": "RECORD", "stream": "users", "record": None}, "A RECORD lacks record"),
        ({"type": "SCHEMA", "stream": "users", "schema": None}, "A SCHEMA lacks schema"),
    ],
)
def test_a_message_that_is_none_of_singers_is_one_line(
    box: Box,
    tmp_path: Path,
    message: dict[str, object],
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    result = deliver(box, HUBSPOT, [users([1])[0], message], tmp_path)
    assert result.code == 1
    assert said in caplog.text
    assert "unexpectedly" not in caplog.text
    assert "Traceback" not in caplog.text


def test_a_report_that_cannot_be_written_ends_the_run_before_it_begins(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    result = deliver(box, HUBSPOT, users([1]), tmp_path, report_dir=str(tmp_path / "file" / "x"))
    assert result.code == 1
    assert "The report cannot be written to report_dir" in caplog.text
    assert box.people(HUBSPOT) == []


def test_a_run_that_is_killed_leaves_no_report_of_an_earlier_run(box: Box, tmp_path: Path) -> None:
    deliver(box, HUBSPOT, users([1]), tmp_path)
    box.fault(HUBSPOT, "kill_pid", match="/batch/", args={"pid": "client"})
    config = written(tmp_path, "c.json", target_config(box, HUBSPOT, tmp_path))
    lines = "".join(json.dumps(line) + "\n" for line in users([2])).encode()
    command = [str(BIN / "target-hubspot"), "--config", str(config)]
    assert subprocess.run(command, input=lines, capture_output=True, check=False).returncode < 0
    report = report_of(tmp_path, HUBSPOT)
    assert (report["exit_code"], report["message"]) == (None, "running")
