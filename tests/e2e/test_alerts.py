"""A chat is notified when the state that runs end in changes, and only then."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.singer import cli
from reverse_etl.singer.alerts import Alerts

from box import Box
from crms import Crm, each_crm
from odd_server import OddServer, Reply, odd_server
from support import Result, deliver, state, users

WHERE = "/services/T0/B0/secret-of-the-chat"


@pytest.fixture
def chat() -> Iterator[OddServer]:
    with odd_server() as server:
        server.replies["*"] = [Reply(200, b"ok")]
        yield server


def texts(chat: OddServer) -> list[str]:
    """What the chat was sent, one text each."""
    sent = [json.loads(body) for body in chat.bodies]
    assert all(list(message) == ["text"] for message in sent)
    return [message["text"] for message in sent]


@each_crm
def test_failure_part_and_recovery_are_sent_once_each(
    box: Box, crm: Crm, chat: OddServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = chat.url + WHERE

    def run(messages: list[Any], **config: Any) -> Result:
        return deliver(box, crm, messages, tmp_path, alert_url=url, **config)

    good = [*users(3), state(1)]
    assert run(good).code == 0
    assert texts(chat) == []
    for _ in range(2):
        assert run(good, on_unmapped_stream="fail", ignore_streams=[], mapping="nowhere").code == 1
    (failed,) = texts(chat)
    assert failed.startswith(f"target-{crm} failed: ")
    assert "exit code 1" in failed
    bad = [*users(3), state(1)]
    bad[1]["record"]["user_id"] = "x" * 300
    for _ in range(2):
        assert run(bad).code == 0
    _, part = texts(chat)
    assert f"target-{crm} delivered in part: " in part
    assert "dead letters are open" in part
    assert "x" * 300 not in part
    assert good[1]["record"]["email"] not in part
    assert run(good).letters != []  # that of the bad row is still open
    assert len(texts(chat)) == 2
    config = str(tmp_path / f"{crm}.json")
    assert cli.main(crm.target, ["dead-letters", "close", "--all", "--config", config]) == 0
    assert run(good).letters == []
    *_, over = texts(chat)
    assert over.startswith(f"target-{crm} delivers everything again (exit code 0, run ")
    assert len(texts(chat)) == 3
    assert "secret-of-the-chat" not in caplog.text
    kept = tmp_path / f"reports-{crm}" / "alert.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "secret-of-the-chat" not in kept.read_text()


@each_crm
def test_a_dry_run_sends_nothing(box: Box, crm: Crm, chat: OddServer, tmp_path: Path) -> None:
    bad = [*users(2), state(1)]
    bad[1]["record"]["user_id"] = "x" * 300
    url = chat.url + WHERE
    assert deliver(box, crm, bad, tmp_path, dry_run=True, alert_url=url).code == 0
    assert chat.bodies == []


@pytest.mark.parametrize("reply", [Reply(500), Reply(302, headers={"Location": "/x"}), None])
def test_an_alert_that_is_not_accepted_is_sent_again_by_the_next_run(
    chat: OddServer, reply: Reply | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chat.replies["*"] = [reply or Reply(raw=b""), Reply(200)]
    alerts = Alerts(chat.url + WHERE, "target-x", tmp_path)
    alerts.after(ended(1, "The token is not accepted (401)."))
    alerts.after(ended(1, "The token is not accepted (401)."))
    alerts.after(ended(1, "The token is not accepted (401)."))
    assert len(texts(chat)) == 2
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert "sends it again" in warnings[0]
    assert "secret" not in caplog.text


def test_another_cause_is_sent_and_another_count_is_not(chat: OddServer, tmp_path: Path) -> None:
    alerts = Alerts(chat.url, "target-x", tmp_path)
    for message in ("12 rows were refused", "15 rows were refused", "the token was refused"):
        alerts.after(ended(3, message))
    assert [text.split(" (")[0] for text in texts(chat)] == [
        "target-x failed: 12 rows were refused",
        "target-x failed: the token was refused",
    ]


def test_a_run_that_was_stopped_changes_nothing(chat: OddServer, tmp_path: Path) -> None:
    alerts = Alerts(chat.url, "target-x", tmp_path)
    alerts.after(ended(1, "down"))
    alerts.after(ended(143, "stopped"))
    alerts.after(ended(1, "down"))
    assert len(texts(chat)) == 1


@each_crm
def test_an_empty_input_says_nothing_of_the_account(
    box: Box, crm: Crm, chat: OddServer, tmp_path: Path
) -> None:
    url = chat.url + WHERE
    wrong = dict.fromkeys(crm.credentials(box.url), "wrong") | {crm.url_setting: None}
    wrong = {name: value for name, value in wrong.items() if value}
    assert deliver(box, crm, users(1), tmp_path, alert_url=url, **wrong).code == 1
    assert deliver(box, crm, [], tmp_path, alert_url=url, **wrong).code == 0
    assert len(texts(chat)) == 1


def test_a_source_that_is_silent_is_reported_once_and_its_return_too(
    chat: OddServer, tmp_path: Path
) -> None:
    alerts = Alerts(chat.url, "target-x", tmp_path, silence_h=72)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    alerts.after(ended(0, "", received=5), begin)
    for hours in (24, 71):
        alerts.after(ended(0, ""), begin + timedelta(hours=hours))
    assert texts(chat) == []
    for hours in (72, 96):
        alerts.after(ended(0, ""), begin + timedelta(hours=hours))
    (silent,) = texts(chat)
    assert "has sent no record since 2026-01-01T00:00 UTC" in silent
    alerts.after(ended(0, "", received=1), begin + timedelta(hours=120))
    assert len(texts(chat)) == 2
    Alerts(chat.url, "target-x", tmp_path, silence_h=0).after(
        ended(0, ""), begin + timedelta(days=90)
    )
    assert len(texts(chat)) == 2


def test_a_damaged_state_file_counts_as_none(chat: OddServer, tmp_path: Path) -> None:
    alerts = Alerts(chat.url, "target-x", tmp_path)
    for content in ("", "[]", '{"kind": "failed"}', '{"kind":"ok","cause":"","received_at":"x"}'):
        (tmp_path / "alert.json").write_text(content)
        alerts.after(ended(1, "down"))
    assert len(texts(chat)) == 4


@each_crm
@pytest.mark.parametrize(
    "url", ["hooks.example.com/x", "ftp://example.com/x", "https://[::1/x", "http://example.com/x"]
)
def test_a_url_that_cannot_be_posted_to_ends_the_run_before_a_record(
    box: Box, crm: Crm, url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert deliver(box, crm, users(2), tmp_path, alert_url=url).code == 1
    assert "alert_url" in caplog.text
    assert url not in caplog.text
    assert "was not accepted" not in caplog.text, "it was tried anyway"
    assert box.log(crm) == []


def ended(code: int, message: str, received: int = 0) -> dict[str, Any]:
    """The report of a run without dead letters."""
    return {
        "exit_code": code,
        "message": message,
        "run_id": "r1",
        "received": {"users": received},
        "objects": {},
        "dead_letters": [],
    }
