"""Settings and commands of a target."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.singer import cli as commands

from box import Box
from crms import HUBSPOT
from support import deliver, target_config, user, users, written


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("max_concurrency", "four", "'max_concurrency' is not valid"),
        ("provision", "perhaps", "'provision' is not valid"),
        ("link_wait_days", "-1", "'link_wait_days' is not valid"),
        ("batch_size_rows", 0, "'batch_size_rows' is not valid"),
        ("batch_size_rows", "-1", "'batch_size_rows' is not valid"),
        ("on_unmapped_stream", "explode", "'on_unmapped_stream' is not valid"),
        ("access_token", 12345, "'access_token' is not valid"),
        ("api_url", "http://crm.example.com", "plain http"),
        ("api_url", "hubspot", "not a valid http(s) URL"),
        ("access_token", "", "'access_token' is missing"),
        ("transforms", "no_such_module", "The module no_such_module does not exist"),
        ("mapping", "/nowhere", "does not exist"),
        ("ledger_url", "mysql://x", "cannot be a mysql database"),
    ],
)
def test_a_bad_setting_is_one_clear_line(
    box: Box,
    tmp_path: Path,
    setting: str,
    value: object,
    said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    result = deliver(box, HUBSPOT, users([1]), tmp_path, **{setting: value})
    assert result.code == 1
    assert said in caplog.text
    assert "Traceback" not in caplog.text
    assert "12345" not in caplog.text
    assert "sandbox-token" not in caplog.text


def test_settings_that_come_as_text_are_converted(box: Box, tmp_path: Path) -> None:
    text: dict[str, Any] = {
        "max_concurrency": "2",
        "provision": "True",
        "batch_size_rows": "1",
        "link_wait_days": "0.5",
        "force": "",
    }
    assert deliver(box, HUBSPOT, users([1]), tmp_path, **text).code == 0


def test_the_guides_environment_variable_gives_the_token(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBSPOT_API_KEY", "sandbox-token")
    assert deliver(box, HUBSPOT, users([1]), tmp_path, access_token="").code == 0


def test_commands_list_dead_letters_and_the_ledger(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(written(tmp_path, "c.json", target_config(box, HUBSPOT, tmp_path)))

    def printed(*arguments: str) -> str:
        """What a command prints."""
        capsys.readouterr()
        assert commands.main(HUBSPOT.target, [*arguments, "--config", config]) == 0
        return capsys.readouterr().out

    deliver(box, HUBSPOT, [*users([1]), user(2, email="no address")], tmp_path)
    (letter,) = json.loads(printed("dead-letters", "list", "--json"))
    assert letter["key"] == "user-2"
    assert letter["record"]["email"] == "no address"
    assert {"rule", "stage", "code", "message", "hint", "times", "account"} <= letter.keys()
    assert "1 open dead letters" in printed("dead-letters", "list")
    (account,) = json.loads(printed("ledger", "status")).values()
    assert account["entries"]["contacts"] == {"settled": 1, "dead": 1}
    assert account["last_run"]["exit_code"] == 0
    assert "examples are right" in printed("mapping", "check")
