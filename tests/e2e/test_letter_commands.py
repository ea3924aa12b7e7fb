"""The commands for dead letters: list, show, export and close."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.singer.cli import COMMANDS
from reverse_etl.singer.cli import main as run_target

from box import Box
from crms import Crm, each_crm
from support import deliver, log_handlers_kept, target_config, user, users, written

BAD = [*users([0]), user(1, last_active_at="soon"), user(2, last_active_at="later")]
"""Three users; the rules of each CRM reject two of them."""
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command of the target; its exit code and what it prints."""

    def run(*arguments: str, **settings: Any) -> tuple[int, str]:
        config = target_config(box, crm, tmp_path, **settings)
        file = str(written(tmp_path, "command.json", config))
        capsys.readouterr()
        with log_handlers_kept():
            code = run_target(crm.target, [*arguments, "--config", file])
        return code, capsys.readouterr().out

    return run


@each_crm
def test_letters_are_listed_by_reason_shown_and_exported(
    box: Box, crm: Crm, tmp_path: Path, command: Command
) -> None:
    letters = deliver(box, crm, BAD, tmp_path).letters
    rules, stage_code = len(letters) // 2, f"{letters[0]['stage']}/{letters[0]['code']}"
    calls = len(box.log(crm))

    _, text = command("dead-letters", "list", "--limit", "1")
    assert f"2 × {crm.people} from users: {stage_code}" in text
    assert text.count("  user-1: ") == rules
    assert text.count("  and 1 more; --limit 0 shows all") == rules
    assert text.endswith(f"{2 * rules} open dead letters\n")
    for chosen, number in (
        (("--key", "user-2"), rules),
        (("--key", "user-1", "--key", "user-2", "--object", crm.people), 2),
        (("--code", letters[0]["code"], "--stream", "users"), 2 * rules),
        (("--stream", "payments"), 0),
    ):
        listed = json.loads(command("dead-letters", "list", "--json", *chosen)[1])
        assert len(listed) == number

    code, shown = command("dead-letters", "show", "user-1")
    assert code == 0
    assert shown.count('"last_active_at": "soon"') == rules
    assert "user2@example.com" not in shown
    assert command("dead-letters", "show", "user-0") == (1, "")

    _, exported = command("dead-letters", "export", "--object", crm.people)
    file = tmp_path / "letters.csv"
    assert command("dead-letters", "export", "--object", crm.people, "--output", str(file))[0] == 0
    assert file.read_bytes().decode() == exported
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert [row["key"] for row in rows] == ["user-1", "user-2"]
    assert json.loads(rows[1]["record"])["last_active_at"] == "later"
    assert len(box.log(crm)) == calls  # the ledger alone says all of this


@each_crm
def test_a_letter_is_closed_by_hand_until_its_record_is_rejected_again(
    box: Box, crm: Crm, tmp_path: Path, command: Command
) -> None:
    rules = len(deliver(box, crm, BAD, tmp_path).letters) // 2
    close = ("dead-letters", "close", "--key", "user-1")
    assert command("dead-letters", "close")[0] == 1
    assert command(*close, dry_run=True)[0] == 1
    code, text = command(*close)
    assert (code, text.splitlines()[-1]) == (0, f"{rules} dead letters were closed")
    assert command(*close)[0] == 1
    assert {letter["key"] for letter in deliver(box, crm, users([0]), tmp_path).letters} == {
        "user-2"
    }
    again = deliver(box, crm, BAD[:3], tmp_path)
    assert {letter["key"] for letter in again.letters} == {"user-1", "user-2"}
    code, text = command("dead-letters", "close", "--all")
    assert (code, text.splitlines()[-1]) == (0, f"{2 * rules} dead letters were closed")
    assert command("dead-letters", "list")[1] == "0 open dead letters\n"


@each_crm
def test_a_file_that_cannot_be_written_is_one_line(
    box: Box, crm: Crm, tmp_path: Path, command: Command, caplog: pytest.LogCaptureFixture
) -> None:
    deliver(box, crm, users([0]), tmp_path)
    missing = str(tmp_path / "nowhere" / "letters.csv")
    assert command("dead-letters", "export", "--output", missing)[0] == 1
    assert "cannot be written (No such file or directory)" in caplog.text


@each_crm
def test_settings_may_precede_a_command_as_meltano_passes_them(
    box: Box, crm: Crm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    letters = deliver(box, crm, BAD, tmp_path).letters
    file = str(written(tmp_path, "command.json", target_config(box, crm, tmp_path)))
    for settings in (["--config", file], [f"--config={file}"], ["--config", file] * 2):
        capsys.readouterr()
        with log_handlers_kept():
            assert run_target(crm.target, [*settings, "dead-letters", "list", "--json"]) == 0
        assert len(json.loads(capsys.readouterr().out)) == len(letters)


@each_crm
def test_help_names_the_commands(crm: Crm, capsys: pytest.CaptureFixture[str]) -> None:
    with log_handlers_kept():
        assert run_target(crm.target, ["--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Commands: {', '.join(COMMANDS)}." in shown
