"""The inbox from outside: commands, settings, and the stream that reads it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tap_canai.audit.file import AuditFile
from tap_canai.webhooks import cli

from box import BIN, Box, free_port
from receiver import event, receiving
from support import clean_environment, extract, last_state, records, run_tap


def webhooks(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**clean_environment(), **variables}
    return subprocess.run(
        [str(BIN / "canai-webhooks"), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def test_the_inbox_is_listed_pruned_and_read_again(
    box: Box,
    inbox_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def inbox(command: str, *more: str, code: int = 0) -> str:
        """What a command on the inbox prints."""
        capsys.readouterr()
        audit = [] if command == "list" else ["--audit-log", str(tmp_path / "audit.jsonl")]
        assert cli.main(["inbox", command, "--inbox-url", inbox_url, *audit, *more]) == code
        return capsys.readouterr().out

    def listed() -> list[dict[str, Any]]:
        return [json.loads(line) for line in inbox("list").splitlines()]

    def read(state: Any = None) -> tuple[list[str], Any]:
        """Users of the events that come after a state, and the next state."""
        messages = extract(box, tmp_path, state, streams=("events",), inbox_url=inbox_url)
        return [record["user_id"] for record in records(messages)], last_state(messages)

    with receiving(tmp_path, inbox_url) as receiver:
        for number in range(4):
            receiver.post(event(user_id=f"u-{number}"))
    assert [line["delivered"] for line in listed()] == [False] * 4
    assert "ann@example.com" not in inbox("list")
    assert "ann@example.com" in inbox("list", "--data")
    assert "nothing pruned" in inbox("prune", "--days", "0")
    _, state = read()
    # They were read, but are not known to be delivered.
    assert "0 events pruned, 4 left" in inbox("prune", "--days", "0")
    assert read(state)[0] == []
    assert [line["delivered"] for line in listed()] == [True] * 4
    oldest = listed()[-1]["event_id"]
    assert "1 events will be read again" in inbox("resend", "--id", oldest)
    again, state = read(state)
    assert again == ["u-0"]
    assert "4 events pruned, 0 left" not in inbox("prune", "--days", "1")
    assert "3 events pruned, 1 left" in inbox("prune", "--days", "0")
    with receiving(tmp_path, inbox_url) as receiver:
        assert receiver.post(event(user_id="u-9"))[0] == 200
    assert read(state)[0] == ["u-9"]  # a sequence is never used again
    noted = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [(row["event"], row.get("events")) for row in noted if row["event"] != "export"] == [
        ("begin", None), ("prune", 0), ("resend", 1), ("prune", 0), ("prune", 3),
    ]  # fmt: skip
    assert AuditFile(tmp_path / "audit.jsonl").verify() == len(noted)
    inbox("resend", code=1)
    inbox("resend", "--since", "soon", code=1)
    assert "is not a valid timestamp" in caplog.text


def test_another_inbox_is_read_from_its_beginning(box: Box, tmp_path: Path) -> None:
    state = None
    for name in ("first", "second"):
        url = f"sqlite:///{tmp_path}/{name}.db"
        with receiving(tmp_path, url) as receiver:
            receiver.post(event(user_id=name))
        messages = extract(box, tmp_path, state, streams=("events",), inbox_url=url)
        assert [record["user_id"] for record in records(messages)] == [name]
        state = last_state(messages)


def test_what_to_register_is_printed_as_the_guide_documents_it() -> None:
    done = webhooks("config", "--url", "https://hooks.example.com")
    hook = json.loads(done.stdout)
    assert hook["url"] == "https://hooks.example.com/webhooks/canai"
    assert hook["auth"] == {"type": "bearer", "token": "${WEBHOOK_SECRET}"}
    assert len(hook["events"]) == 6
    assert webhooks("config", "--url", "http://hooks.example.com").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "variables", "said"),
    [
        ((), {}, "WEBHOOK_SECRET is missing"),
        ((), {"WEBHOOK_SECRET": "[]"}, "is not a valid token"),
        (("--inbox-url", "mysql://x/y"), {"WEBHOOK_SECRET": "s"}, "cannot be a mysql database"),
        (
            ("--inbox-url", "sqlite:////proc/none/inbox.db"),
            {"WEBHOOK_SECRET": "s"},
            "cannot be opened",
        ),
        (
            ("--inbox-url", "postgresql+psycopg://user:very-secret@127.0.0.1:1/x"),
            {"WEBHOOK_SECRET": "s"},
            "The inbox cannot be used",
        ),
    ],
)
def test_a_bad_setting_is_one_clear_line(
    arguments: tuple[str, ...], variables: dict[str, str], said: str, tmp_path: Path
) -> None:
    done = webhooks("serve", "--port", str(free_port()), *arguments, **variables)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "very-secret" not in done.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [({"anonymize": True}, "anonymize"), ({"journey_stages": ["F1"]}, "journey_stages")],
)
def test_settings_that_events_cannot_keep_to_end_the_stream(
    box: Box, more: dict[str, Any], said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path}/inbox.db"
    code, _ = run_tap(box, tmp_path, streams=("events",), inbox_url=url, **more)
    assert code == 1
    assert said in caplog.text


def test_events_of_other_users_are_left_out_where_users_are_chosen(
    box: Box, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/inbox.db"
    with receiving(tmp_path, url) as receiver:
        for name in ("u-1", "u-2"):
            receiver.post(event(user_id=name))
    messages = extract(box, tmp_path, streams=("events",), inbox_url=url, user_ids=["u-2"])
    assert [record["user_id"] for record in records(messages)] == ["u-2"]


def test_the_events_of_a_user_are_erased(
    inbox_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiving(tmp_path, inbox_url) as receiver:
        for user_id in ("u-1", "u-2"):
            receiver.post(event(user_id=user_id))
    audit = ["--inbox-url", inbox_url, "--audit-log", str(tmp_path / "audit.jsonl")]
    capsys.readouterr()
    assert cli.main(["inbox", "erase", "--user-id", "u-1", *audit]) == 0
    assert capsys.readouterr().out == "1 events erased\n"
    assert cli.main(["inbox", "list", "--data", "--inbox-url", inbox_url]) == 0
    left = [json.loads(line)["data"]["user_id"] for line in capsys.readouterr().out.splitlines()]
    assert left == ["u-2"]
    assert "u-1" not in (tmp_path / "audit.jsonl").read_text()
