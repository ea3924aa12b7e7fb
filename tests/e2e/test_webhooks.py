"""The receiver: what is answered 200 is in the inbox once and for good; nothing else is stored, whatever is sent."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from receiver import TOKEN, Receiver, event, hook, receiver, sent, settled, wait_for
from source import KINDS, facts_differ
from support import BIN, Box, clean_environment, deliver, extract, free_port
from tap_canai.webhooks.inbox import Inbox

GUIDE = {
    "event": "user.journey_stage_completed",
    "timestamp": "2024-12-15T10:30:00Z",
    "data": {
        "user_id": "user_uuid_123", "email": "sarah@sprinklehaven.com", "stage_completed": "F7", "stage_name": "Deliverable Generation",
        "completion_time_ms": 1847, "trust_delta": 4.3, "emotional_resonance": 0.82,
        "deliverable_metadata": {"product_track": "business_builder", "word_count": 753, "pdf_url": "https://storage.supabase.co/plan.pdf"},
    },
}  # fmt: skip
"""The export guide's example payload."""


@pytest.fixture(params=["sqlite", "postgresql"])
def inbox_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An inbox in SQLite, then one in PostgreSQL, empty."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/inbox.db"
        return
    url = str(request.getfixturevalue("postgres_url"))
    with Inbox.open(url) as inbox, inbox.engine.begin() as connection:
        connection.exec_driver_sql("TRUNCATE webhook_inbox, webhook_reader")
    yield url


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Receiver]:
    with receiver(tmp_path, f"sqlite:///{tmp_path}/inbox.db", "--body-timeout-s", "0.6") as running:
        yield running


def rows(url: str) -> list[Any]:
    with Inbox.open(url) as inbox:
        return inbox.read(0, 100_000)


def test_the_guides_example_is_taken_with_any_valid_token_and_written_once(one: Receiver) -> None:
    assert one.post(GUIDE) == (200, {"received": True})
    assert one.post(GUIDE, token="old-secret") == (200, {"received": True})
    reordered = {key: GUIDE[key] for key in ("data", "timestamp", "event")}
    body = json.dumps(reordered, indent=3).replace("1847", "1847.0").encode()
    assert one.post(body, headers={"Content-Type": "application/json; charset=utf-8"}) == (
        200,
        {"received": True},
    )
    (row,) = rows(one.inbox_url)
    canonical = json.dumps(
        GUIDE, sort_keys=True, separators=(",", ":")
    )  # for these values it is RFC 8785
    assert row.event_id == hashlib.sha256(canonical.encode()).hexdigest()
    assert [row.event, row.at, row.data] == [
        GUIDE["event"],
        "2024-12-15T10:30:00.000000Z",
        GUIDE["data"],
    ]
    assert one.post({**GUIDE, "timestamp": "2024-12-15T10:30:01Z"})[0] == 200
    assert len(rows(one.inbox_url)) == 2


def test_what_is_no_event_gets_its_status_and_stores_nothing(one: Receiver) -> None:
    good = event()
    deep = json.dumps(event(deliverable="DEEP")).replace('"DEEP"', "[" * 1000 + "]" * 1000).encode()
    cases: list[tuple[int, tuple[int, Any]]] = [
        (401, one.post(good, token="wrong")),
        (401, one.post(good, headers={"Authorization": ""})),
        (401, one.post(good, headers={"Authorization": f"Basic {TOKEN}"})),
        (413, one.post(json.dumps(event(comment="x" * 2_000_000)).encode())),
        (415, one.post(good, headers={"Content-Type": "text/plain"})),
        (415, one.post(good, headers={"Content-Type": ""})),
        (415, one.post(good, headers={"Content-Encoding": "gzip"})),
        (422, one.post({**good, "event": "user.vanished"})),
        (422, one.post({**good, "event": ["user.registered"]})),
        (422, one.post({**good, "timestamp": "yesterday"})),
        (422, one.post({**good, "timestamp": None})),
        (422, one.post({**good, "timestamp": 1769853600})),
        (422, one.post({**good, "data": []})),
        (422, one.post({"event": good["event"]})),
        (422, one.post(b"{no json")),
        (422, one.post(b"")),
        (422, one.post(b"[]")),
        (422, one.post(b'"text"')),
        (422, one.post(b"\xff\xfe")),
        (422, one.post(deep)),
        (422, one.post(("[" * 100_000).encode())),
        (422, one.post(event(referrals_made=2**70))),
        (422, one.post(event(user_id=""))),
        (422, one.post(event(user_id="  "))),
        (422, one.post(event(user_id=None))),
        (422, one.post(event(user_id="a\x00b"))),
        (422, one.post(event(referrals_made="many"))),
        (422, one.post(event(referrals_made=-1))),
        (422, one.post(json.dumps(event(user_id="\ud800")).encode())),
        (422, one.post(event("user.journey_stage_completed", stage_completed="F12"))),
        (422, one.post(event("payment.completed", amount=5))),
        (422, one.post(b'{"event": "user.referred_signup", "timestamp": "2026-01-31T10:00:00Z", "data": {"user_id": "u", "referrals_made": NaN}}')),
    ]  # fmt: skip
    wrong = [
        (wanted, found)
        for wanted, found in cases
        if found[0] != wanted or found[1]["received"] is not False or not found[1]["error"]
    ]
    assert wrong == []
    assert one.get("/nowhere")[0] == 404
    assert one.get("/webhooks/canai")[0] == 405
    assert rows(one.inbox_url) == []
    assert one.get("/healthz") == (200, '{"alive":true}')
    assert one.post(good)[0] == 200
    assert (
        one.post(event(unheard_of=2**70))[0] == 200
    )  # what the schema does not name may come later
    log = one.log.read_text()
    assert "ann@example.com" not in log
    assert TOKEN not in log
    assert "Traceback" not in log
    assert all(json.loads(line) for line in log.splitlines())


@pytest.mark.parametrize("part", ["connection", "head", "body", "trickle"])
def test_a_slow_sender_is_told_so_and_keeps_nobody_waiting(one: Receiver, part: str) -> None:
    body = json.dumps(event()).encode()
    head = f"POST /webhooks/canai HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n".encode()
    length = f"Content-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", one.port), 10) as slow:
        slow.sendall(
            {
                "connection": b"",
                "head": head,
                "body": head + length + body[:-5],
                "trickle": head + length,
            }[part]
        )
        stop = threading.Event()

        def trickle() -> None:
            for place in range(len(body) - 1):
                if stop.wait(0.1):
                    return
                try:
                    slow.sendall(body[place : place + 1])
                except OSError:
                    return

        if part == "trickle":
            threading.Thread(target=trickle, daemon=True).start()
        assert one.post(event(user_id="quick"))[0] == 200
        answer = slow.recv(4096)
        stop.set()
    assert answer.startswith(b"HTTP/1.1 408")
    assert [row.data["user_id"] for row in rows(one.inbox_url)] == ["quick"]


def test_one_sender_cannot_flood_and_one_without_a_token_cannot_guess(tmp_path: Path) -> None:
    with receiver(tmp_path, f"sqlite:///{tmp_path}/inbox.db", "--sender-limit", "0.5") as one:
        found = [one.post(event(user_id=f"u-{number}"))[0] for number in range(12)]
        assert found[:5] == [200] * 5
        assert found[-1] == 429
        taken = found.count(200)
        guesses = Counter(one.post(event(), token=f"guess-{number}")[0] for number in range(30))
        assert guesses[401] >= 10
        assert guesses[429] >= 10
    assert len(rows(one.inbox_url)) == taken


def test_metrics_and_readiness_tell_what_is_going_on(one: Receiver) -> None:
    one.post(GUIDE)
    one.post(GUIDE)
    one.post(event(), token="wrong")
    told = one.get("/metrics")[1]
    assert 'canai_webhooks_events_total{event="user.journey_stage_completed"} 2.0' in told
    assert "canai_webhooks_written 1.0" in told
    assert "canai_webhooks_repeated 1.0" in told
    assert 'canai_webhooks_refused_total{status="401"} 1.0' in told
    assert one.get("/readyz") == (200, '{"ready":true}')


def test_an_inbox_that_cannot_be_written_is_told_and_nothing_is_taken(tmp_path: Path) -> None:
    with receiver(tmp_path, f"sqlite:///{tmp_path}/inbox.db") as one:
        with Inbox.open(one.inbox_url) as inbox, inbox.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE webhook_inbox RENAME TO elsewhere")
        status, answer = one.post(event())
        assert [status, answer["received"]] == [503, False]
        assert one.get("/readyz")[0] == 503
        with Inbox.open(one.inbox_url) as inbox, inbox.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE webhook_inbox")
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO webhook_inbox")
        assert one.post(event())[0] == 200
        assert one.get("/readyz")[0] == 200
    assert len(rows(one.inbox_url)) == 1


def test_commits_of_sqlite_reach_the_disk(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/inbox.db"
    with Inbox.open(url) as inbox, inbox.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    assert (tmp_path / "inbox.db").stat().st_mode & 0o077 == 0


def test_a_kill_right_after_the_answer_loses_nothing(inbox_url: str, tmp_path: Path) -> None:
    answered: set[str] = set()
    one = Receiver(free_port(), inbox_url, tmp_path / "receiver.log")
    for turn in range(4):
        one.start()
        assert one.process is not None
        pid = one.process.pid

        def post(number: int, turn: int = turn) -> str | None:
            name = f"u-{turn}-{number}"
            try:
                return name if one.post(event(user_id=name))[0] == 200 else None
            except (OSError, HTTPException):
                return None

        with ThreadPoolExecutor(8) as pool:
            coming = [pool.submit(post, number) for number in range(60)]
            while not any(future.done() and future.result() for future in coming):
                time.sleep(0.001)
            os.kill(pid, signal.SIGKILL)
            answered |= {name for future in coming if (name := future.result())}
        one.process.wait(10)
    assert answered
    held = [row.data["user_id"] for row in rows(inbox_url)]
    assert len(held) == len(set(held))
    assert answered <= set(held)


def test_a_stop_answers_what_is_in_flight_and_ends(inbox_url: str, tmp_path: Path) -> None:
    with receiver(tmp_path, inbox_url) as one, ThreadPoolExecutor(8) as pool:

        def post(number: int) -> int:
            try:
                return one.post(event(user_id=f"u-{number}"))[0]
            except (OSError, HTTPException):
                return 0

        coming = [pool.submit(post, number) for number in range(300)]
        while sum(done.done() for done in coming) < 20:
            time.sleep(0.001)
        assert one.stop() == -signal.SIGTERM  # it ends as asked, once its work is done
        answers = Counter(done.result() for done in coming)
    assert set(answers) <= {200, 0}
    assert len(rows(inbox_url)) >= answers[200] > 0
    assert len(rows(inbox_url)) <= answers[200] + 8


@pytest.mark.parametrize(
    ("crm", "users"), [("hubspot", 1000), ("pipedrive", 400), ("salesforce", 500)]
)
def test_events_sent_twice_and_shuffled_over_three_kills_are_all_there_once_and_newest(
    big_box: Box, crm: str, users: int, tmp_path: Path
) -> None:
    """5,000 events for HubSpot; fewer for the others, to keep the suite short."""
    big_box.reset()
    big_box.call("POST", "/_sandbox/limits", {"crm": "pipedrive", "calls": 100_000, "per_s": 1})
    url = f"sqlite:///{tmp_path}/inbox.db"
    if crm != "pipedrive":
        assert deliver(big_box, crm, extract(big_box, tmp_path), tmp_path).code == 0
    one = Receiver(free_port(), url, tmp_path / "receiver.log")
    one.start()
    hook(big_box, one)
    for kind in KINDS:
        big_box.call(
            "POST",
            "/_sandbox/events",
            {"event": kind, "users": users, "shuffle": True, "duplicate": True},
        )
    for _ in range(3):
        before = len(rows(url))
        while len(rows(url)) < min(before + users * 0.4, users * 4.5):
            time.sleep(0.01)
        one.kill()
        time.sleep(0.2)
        one.start()
    delivered = sent(big_box, 120)
    one.stop()
    assert len(delivered) == 10 * users
    assert max(line["attempts"] for line in delivered) > 1, "no sending was cut off"
    assert {line["status"] for line in delivered} == {200}
    found = Counter((row.event, row.data["user_id"]) for row in rows(url))
    assert found == Counter({(line["event"], line["user_id"]): 1 for line in delivered})
    touched = {line["user_id"] for line in delivered}
    at_once = deliver(
        big_box, crm, extract(big_box, tmp_path, streams=("events",), inbox_url=url), tmp_path
    )
    assert at_once.code == 0
    assert at_once.report["dead_letters"] == []
    told = facts_differ(big_box, crm, touched)
    if (
        crm == "pipedrive"
    ):  # nobody was there before, so that a person has just what the events told
        several = {
            one for one, count in Counter(user for _, user in found).items() if count == len(KINDS)
        }
        told = [line for line in told if line[0] in several]
    assert told == []
    if crm == "salesforce":
        paid = [
            row["properties"]["CanAI_Payment_ID__c"] for row in big_box.objects(crm, "Opportunity")
        ]
        assert len(paid) == len(set(paid))
    night = deliver(big_box, crm, extract(big_box, tmp_path, streams=("users",)), tmp_path)
    assert night.code == 0
    assert facts_differ(big_box, crm, touched) == []


def test_receivers_side_by_side_never_hide_an_event_from_a_reader(inbox_url: str) -> None:
    """A reader goes on behind the last sequence it saw, so none may appear below it later."""
    from tap_canai.webhooks.events import parse

    writers, done = 4, threading.Event()
    seen: list[str] = []

    def write(number: int) -> None:
        with Inbox.open(inbox_url) as inbox:
            for turn in range(40):
                users = [f"u-{number}-{turn}-{part}" for part in range(5)]
                inbox.add([parse(json.dumps(event(user_id=user)).encode()) for user in users])

    def read() -> None:
        reached = 0
        with Inbox.open(inbox_url) as inbox:
            while True:
                last_time = done.is_set()
                page = inbox.read(reached)
                seen.extend(row.data["user_id"] for row in page)
                reached = page[-1].sequence if page else reached
                if last_time and not page:
                    return

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    done.set()
    reader.join(30)
    assert Counter(seen) == Counter(
        {
            f"u-{number}-{turn}-{part}": 1
            for number in range(writers)
            for turn in range(40)
            for part in range(5)
        }
    )


SCRIPT = """
import pathlib, sys, time
log = pathlib.Path(sys.argv[1])
runs = log.read_text().count("begin") if log.exists() else 0
with log.open("a") as file:
    file.write("begin\\n")
    file.flush()
    time.sleep(0.5)
    file.write("end\\n")
sys.exit(1 if runs < 1 else 0)
"""


def test_the_command_runs_one_at_a_time_again_after_a_failure_and_for_what_came_meanwhile(
    tmp_path: Path,
) -> None:
    script, log = tmp_path / "deliver.py", tmp_path / "runs.log"
    script.write_text(SCRIPT)
    with receiver(
        tmp_path, f"sqlite:///{tmp_path}/inbox.db", "--deliver", f"{sys.executable} {script} {log}"
    ) as one:
        for number in range(5):
            assert one.post(event(user_id=f"u-{number}"))[0] == 200
        wait_for(
            lambda: log.exists() and log.read_text().count("end") == 2
        )  # the first failed, the second did it
        assert "canai_webhooks_undelivered 0.0" in settled(one)
        assert log.read_text().count("begin") == 2
        one.post(event(user_id="u-6"))
        wait_for(lambda: log.read_text().count("begin") == 3)
        one.post(event(user_id="u-7"))  # while the third works
        wait_for(lambda: log.read_text().count("end") == 4)
        told = settled(one)
        assert 'canai_webhooks_deliveries{ended="failed"} 1.0' in told
        assert 'canai_webhooks_deliveries{ended="succeeded"} 3.0' in told
    assert log.read_text().split() == ["begin", "end"] * 4


def test_a_stop_asks_the_command_to_end_and_waits_for_it(tmp_path: Path) -> None:
    log = tmp_path / "runs.log"
    command = f"sh -c 'trap \"echo stopped >> {log}; exit 0\" TERM; echo begin >> {log}; while :; do sleep 0.1; done'"
    with receiver(tmp_path, f"sqlite:///{tmp_path}/inbox.db", "--deliver", command) as one:
        one.post(event())
        wait_for(lambda: log.exists())
        one.stop()
    assert log.read_text().split() == ["begin", "stopped"]


def test_a_command_that_hangs_is_ended_and_tried_again(tmp_path: Path) -> None:
    log = tmp_path / "runs.log"
    command = f"sh -c 'echo begin >> {log}; test $(wc -l < {log}) -gt 1 || exec sleep 600'"
    with receiver(
        tmp_path, f"sqlite:///{tmp_path}/inbox.db", "--deliver", command, "--deliver-timeout-s", "1"
    ) as one:
        one.post(event())
        wait_for(lambda: log.exists() and log.read_text().count("begin") == 2)
        told = settled(one)
        assert 'canai_webhooks_deliveries{ended="failed"} 1.0' in told
        assert 'canai_webhooks_deliveries{ended="succeeded"} 1.0' in told
        assert "the delivery command hangs" in one.log.read_text()


def test_a_command_that_is_not_there_is_told_and_tried_again(tmp_path: Path) -> None:
    with receiver(
        tmp_path, f"sqlite:///{tmp_path}/inbox.db", "--deliver", "no-such-command"
    ) as one:
        assert one.post(event())[0] == 200
        wait_for(lambda: "cannot be started" in one.log.read_text())
        assert one.post(event(user_id="u-2"))[0] == 200
    assert len(rows(one.inbox_url)) == 2


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
    box: Box, inbox_url: str, tmp_path: Path
) -> None:
    with receiver(tmp_path, inbox_url) as one:
        for number in range(4):
            one.post(event(user_id=f"u-{number}"))
    url = ("--inbox-url", inbox_url)
    listed = [json.loads(line) for line in webhooks("inbox", "list", *url).stdout.splitlines()]
    assert [line["delivered"] for line in listed] == [False] * 4
    assert "ann@example.com" not in str(listed)
    assert "ann@example.com" in webhooks("inbox", "list", *url, "--data").stdout
    assert "nothing pruned" in webhooks("inbox", "prune", *url, "--days", "0").stdout
    messages = extract(box, tmp_path, streams=("events",), inbox_url=inbox_url)
    state = last_state(messages)
    assert (
        "0 events pruned, 4 left" in webhooks("inbox", "prune", *url, "--days", "0").stdout
    )  # read, and not known to be delivered
    assert records(extract(box, tmp_path, state, streams=("events",), inbox_url=inbox_url)) == []
    assert [
        json.loads(line)["delivered"]
        for line in webhooks("inbox", "list", *url).stdout.splitlines()
    ] == [True] * 4
    assert (
        "1 events will be read again"
        in webhooks("inbox", "resend", *url, "--id", listed[-1]["event_id"]).stdout
    )
    again = extract(box, tmp_path, state, streams=("events",), inbox_url=inbox_url)
    assert [line["user_id"] for line in records(again)] == ["u-0"]
    assert "4 events pruned, 0 left" not in webhooks("inbox", "prune", *url, "--days", "1").stdout
    assert "3 events pruned, 1 left" in webhooks("inbox", "prune", *url, "--days", "0").stdout
    with receiver(tmp_path, inbox_url) as one:
        assert one.post(event(user_id="u-9"))[0] == 200
    newest = extract(box, tmp_path, last_state(again), streams=("events",), inbox_url=inbox_url)
    assert [line["user_id"] for line in records(newest)] == [
        "u-9"
    ]  # a sequence is never used again
    assert webhooks("inbox", "resend", *url).returncode == 1
    assert "is not a valid timestamp" in webhooks("inbox", "resend", *url, "--since", "soon").stderr


def records(messages: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in messages.read_text().splitlines()]
    return [line["record"] for line in lines if line["type"] == "RECORD"]


def last_state(messages: Path) -> Any:
    return [
        json.loads(line)["value"]
        for line in messages.read_text().splitlines()
        if '"STATE"' in line[:20]
    ][-1]


def test_another_inbox_is_read_from_its_beginning(box: Box, tmp_path: Path) -> None:
    states = None
    for name in ("first", "second"):
        url = f"sqlite:///{tmp_path}/{name}.db"
        with receiver(tmp_path, url) as one:
            one.post(event(user_id=name))
        messages = extract(box, tmp_path, states, streams=("events",), inbox_url=url)
        assert [line["user_id"] for line in records(messages)] == [name]
        states = last_state(messages)


def test_what_to_register_is_printed_as_the_guide_has_it() -> None:
    done = webhooks("config", "--url", "https://hooks.example.com")
    told = json.loads(done.stdout)
    assert told["url"] == "https://hooks.example.com/webhooks/canai"
    assert told["auth"] == {"type": "bearer", "token": "${WEBHOOK_SECRET}"}
    assert len(told["events"]) == 6
    assert webhooks("config", "--url", "http://hooks.example.com").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "variables", "told"),
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
    arguments: tuple[str, ...], variables: dict[str, str], told: str, tmp_path: Path
) -> None:
    done = webhooks("serve", "--port", str(free_port()), *arguments, **variables)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "very-secret" not in done.stderr


@pytest.mark.parametrize(
    ("more", "told"),
    [({"anonymize": True}, "anonymize"), ({"journey_stages": ["F1"]}, "journey_stages")],
)
def test_settings_that_events_cannot_keep_to_end_the_stream(
    box: Box, more: dict[str, Any], told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(AssertionError):
        extract(
            box, tmp_path, streams=("events",), inbox_url=f"sqlite:///{tmp_path}/inbox.db", **more
        )
    assert told in caplog.text


def test_events_of_other_users_are_left_out_where_users_are_chosen(
    box: Box, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/inbox.db"
    with receiver(tmp_path, url) as one:
        for name in ("u-1", "u-2"):
            one.post(event(user_id=name))
    messages = extract(box, tmp_path, streams=("events",), inbox_url=url, user_ids=["u-2"])
    assert [line["user_id"] for line in records(messages)] == ["u-2"]
