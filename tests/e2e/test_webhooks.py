"""The receiver: an event that got a 200 is in the inbox once, and nothing else is stored."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from tap_canai.webhooks.events import parse
from tap_canai.webhooks.inbox import Inbox

from box import Box, free_port
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm
from receiver import TOKEN, Receiver, event, hook, receiving, sent, stored
from source import KINDS, facts_differ
from support import deliver, extract, wait_for

GUIDE = {
    "event": "user.journey_stage_completed",
    "timestamp": "2024-12-15T10:30:00Z",
    "data": {
        "user_id": "user_uuid_123",
        "email": "sarah@sprinklehaven.com",
        "stage_completed": "F7",
        "stage_name": "Deliverable Generation",
        "completion_time_ms": 1847,
        "trust_delta": 4.3,
        "emotional_resonance": 0.82,
        "deliverable_metadata": {
            "product_track": "business_builder",
            "word_count": 753,
            "pdf_url": "https://storage.supabase.co/plan.pdf",
        },
    },
}
"""The export guide's example payload."""


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(
        tmp_path, f"sqlite:///{tmp_path}/inbox.db", "--body-timeout-s", "0.6"
    ) as running:
        yield running


def test_the_guides_example_is_taken_with_any_valid_token_and_written_once(
    receiver: Receiver,
) -> None:
    assert receiver.post(GUIDE) == (200, {"received": True})
    assert receiver.post(GUIDE, token="old-secret") == (200, {"received": True})
    reordered = {key: GUIDE[key] for key in ("data", "timestamp", "event")}
    body = json.dumps(reordered, indent=3).replace("1847", "1847.0").encode()
    assert receiver.post(body, headers={"Content-Type": "application/json; charset=utf-8"}) == (
        200,
        {"received": True},
    )
    (row,) = stored(receiver.inbox_url)
    canonical = json.dumps(
        GUIDE, sort_keys=True, separators=(",", ":")
    )  # for these values it is RFC 8785
    assert row.event_id == hashlib.sha256(canonical.encode()).hexdigest()
    assert [row.event, row.at, row.data] == [
        GUIDE["event"],
        "2024-12-15T10:30:00.000000Z",
        GUIDE["data"],
    ]
    assert receiver.post({**GUIDE, "timestamp": "2024-12-15T10:30:01Z"})[0] == 200
    assert len(stored(receiver.inbox_url)) == 2


def test_what_is_not_an_event_gets_its_status_and_stores_nothing(receiver: Receiver) -> None:
    good = event()
    deep = json.dumps(event(deliverable="DEEP")).replace('"DEEP"', "[" * 1000 + "]" * 1000).encode()
    nan = json.dumps(event(referrals_made=float("nan"))).encode()
    cases: list[tuple[int, tuple[int, Any]]] = [
        (401, receiver.post(good, token="wrong")),
        (401, receiver.post(good, headers={"Authorization": ""})),
        (401, receiver.post(good, headers={"Authorization": f"Basic {TOKEN}"})),
        (413, receiver.post(json.dumps(event(comment="x" * 2_000_000)).encode())),
        (415, receiver.post(good, headers={"Content-Type": "text/plain"})),
        (415, receiver.post(good, headers={"Content-Type": ""})),
        (415, receiver.post(good, headers={"Content-Encoding": "gzip"})),
        (422, receiver.post({**good, "event": "user.vanished"})),
        (422, receiver.post({**good, "event": ["user.registered"]})),
        (422, receiver.post({**good, "timestamp": "yesterday"})),
        (422, receiver.post({**good, "timestamp": None})),
        (422, receiver.post({**good, "timestamp": 1769853600})),
        (422, receiver.post({**good, "data": []})),
        (422, receiver.post({"event": good["event"]})),
        (422, receiver.post(b"{no json")),
        (422, receiver.post(b"")),
        (422, receiver.post(b"[]")),
        (422, receiver.post(b'"text"')),
        (422, receiver.post(b"\xff\xfe")),
        (422, receiver.post(deep)),
        (422, receiver.post(("[" * 100_000).encode())),
        (422, receiver.post(event(referrals_made=2**70))),
        (422, receiver.post(event(user_id=""))),
        (422, receiver.post(event(user_id="  "))),
        (422, receiver.post(event(user_id=None))),
        (422, receiver.post(event(user_id="a\x00b"))),
        (422, receiver.post(event(referrals_made="many"))),
        (422, receiver.post(event(referrals_made=-1))),
        (422, receiver.post(json.dumps(event(user_id="\ud800")).encode())),
        (422, receiver.post(event("user.journey_stage_completed", stage_completed="F12"))),
        (422, receiver.post(event("payment.completed", amount=5))),
        (422, receiver.post(nan)),
    ]
    for wanted, (status, body) in cases:
        assert [status, body["received"]] == [wanted, False]
        assert body["error"]
    assert receiver.get("/nowhere")[0] == 404
    assert receiver.get("/webhooks/canai")[0] == 405
    assert stored(receiver.inbox_url) == []
    assert receiver.get("/healthz") == (200, '{"alive":true}')
    assert receiver.post(good)[0] == 200
    # What the schema does not name may come later.
    assert receiver.post(event(unheard_of=2**70))[0] == 200
    log = receiver.log.read_text()
    assert "ann@example.com" not in log
    assert TOKEN not in log
    assert "Traceback" not in log
    assert all(json.loads(line) for line in log.splitlines())


@pytest.mark.parametrize("part", ["connection", "head", "body", "trickle"])
def test_a_slow_sender_gets_a_408_and_keeps_nobody_waiting(receiver: Receiver, part: str) -> None:
    body = json.dumps(event()).encode()
    head = (
        b"POST /webhooks/canai HTTP/1.1\r\nHost: x\r\n"
        b"Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
    ) % TOKEN.encode()
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    with socket.create_connection(("127.0.0.1", receiver.port), 10) as slow:
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
        assert receiver.post(event(user_id="quick"))[0] == 200
        answer = slow.recv(4096)
        stop.set()
    assert answer.startswith(b"HTTP/1.1 408")
    assert [row.data["user_id"] for row in stored(receiver.inbox_url)] == ["quick"]


def test_one_sender_cannot_flood_and_one_without_a_token_cannot_guess(tmp_path: Path) -> None:
    with receiving(tmp_path, f"sqlite:///{tmp_path}/inbox.db", "--sender-limit", "0.5") as receiver:
        statuses = [receiver.post(event(user_id=f"u-{number}"))[0] for number in range(12)]
        assert statuses[:5] == [200] * 5
        assert statuses[-1] == 429
        taken = statuses.count(200)
        guesses = Counter(
            receiver.post(event(), token=f"guess-{number}")[0] for number in range(30)
        )
        assert guesses[401] >= 10
        assert guesses[429] >= 10
    assert len(stored(receiver.inbox_url)) == taken


def test_metrics_and_readiness_say_what_is_going_on(receiver: Receiver) -> None:
    receiver.post(GUIDE)
    receiver.post(GUIDE)
    receiver.post(event(), token="wrong")
    metrics = receiver.get("/metrics")[1]
    assert 'canai_webhooks_events_total{event="user.journey_stage_completed"} 2.0' in metrics
    assert "canai_webhooks_written 1.0" in metrics
    assert "canai_webhooks_repeated 1.0" in metrics
    assert 'canai_webhooks_refused_total{status="401"} 1.0' in metrics
    assert receiver.get("/readyz") == (200, '{"ready":true}')


def test_an_inbox_that_cannot_be_written_shows_and_nothing_is_taken(tmp_path: Path) -> None:
    with receiving(tmp_path, f"sqlite:///{tmp_path}/inbox.db") as receiver:
        with Inbox.open(receiver.inbox_url) as inbox, inbox.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE webhook_inbox RENAME TO elsewhere")
        status, answer = receiver.post(event())
        assert [status, answer["received"]] == [503, False]
        assert receiver.get("/readyz")[0] == 503
        with Inbox.open(receiver.inbox_url) as inbox, inbox.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE webhook_inbox")
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO webhook_inbox")
        assert receiver.post(event())[0] == 200
        assert receiver.get("/readyz")[0] == 200
    assert len(stored(receiver.inbox_url)) == 1


def test_commits_of_sqlite_reach_the_disk(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/inbox.db"
    with Inbox.open(url) as inbox, inbox.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    assert (tmp_path / "inbox.db").stat().st_mode & 0o077 == 0


def test_a_kill_right_after_the_answer_loses_nothing(inbox_url: str, tmp_path: Path) -> None:
    answered: set[str] = set()
    receiver = Receiver(free_port(), inbox_url, tmp_path / "receiver.log")
    for turn in range(4):
        receiver.start()
        assert receiver.process is not None
        pid = receiver.process.pid

        def post(number: int, turn: int = turn) -> str | None:
            name = f"u-{turn}-{number}"
            try:
                return name if receiver.post(event(user_id=name))[0] == 200 else None
            except (OSError, HTTPException):
                return None

        with ThreadPoolExecutor(8) as pool:
            coming = [pool.submit(post, number) for number in range(60)]
            while not any(future.done() and future.result() for future in coming):
                time.sleep(0.001)
            os.kill(pid, signal.SIGKILL)
            answered |= {name for future in coming if (name := future.result())}
        receiver.process.wait(10)
    assert answered
    held = [row.data["user_id"] for row in stored(inbox_url)]
    assert len(held) == len(set(held))
    assert answered <= set(held)


def test_a_stop_answers_what_is_in_flight_and_ends(inbox_url: str, tmp_path: Path) -> None:
    with receiving(tmp_path, inbox_url) as receiver, ThreadPoolExecutor(8) as pool:

        def post(number: int) -> int:
            try:
                return receiver.post(event(user_id=f"u-{number}"))[0]
            except (OSError, HTTPException):
                return 0

        coming = [pool.submit(post, number) for number in range(300)]
        while sum(done.done() for done in coming) < 20:
            time.sleep(0.001)
        assert receiver.stop() == -signal.SIGTERM  # it ends as asked, once its work is done
        answers = Counter(done.result() for done in coming)
    assert set(answers) <= {200, 0}
    assert len(stored(inbox_url)) >= answers[200] > 0
    assert len(stored(inbox_url)) <= answers[200] + 8


def has_stored(url: str, count: float) -> bool:
    return len(stored(url)) >= count


@pytest.mark.parametrize(
    ("crm", "users"),
    [
        (HUBSPOT, 200),
        pytest.param(HUBSPOT, 1000, marks=pytest.mark.soak),
        pytest.param(PIPEDRIVE, 400, marks=pytest.mark.soak),
        pytest.param(SALESFORCE, 500, marks=pytest.mark.soak),
    ],
    ids=str,
)
def test_events_sent_twice_and_shuffled_over_three_kills_are_all_there_once_and_newest(
    big_box: Box, crm: Crm, users: int, tmp_path: Path
) -> None:
    """5,000 events for HubSpot; fewer for the others, to keep the suite short."""
    url = f"sqlite:///{tmp_path}/inbox.db"
    known = crm is not PIPEDRIVE  # there nobody was before: a person has just what events said
    if known:
        assert deliver(big_box, crm, extract(big_box, tmp_path), tmp_path).code == 0
    receiver = Receiver(free_port(), url, tmp_path / "receiver.log")
    receiver.start()
    hook(big_box, receiver)
    for kind in KINDS:
        big_box.happen(kind, users=users, shuffle=True, duplicate=True)
    for _ in range(3):
        enough = min(len(stored(url)) + users * 0.4, users * 4.5)
        wait_for(partial(has_stored, url, enough))
        receiver.kill()
        time.sleep(0.2)
        receiver.start()
    delivered = sent(big_box, 120)
    receiver.stop()
    assert len(delivered) == 10 * users
    assert max(line["attempts"] for line in delivered) > 1, "no sending was cut off"
    assert {line["status"] for line in delivered} == {200}
    held = Counter((row.event, row.data["user_id"]) for row in stored(url))
    assert held == Counter({(line["event"], line["user_id"]): 1 for line in delivered})
    touched = {line["user_id"] for line in delivered}
    events = extract(big_box, tmp_path, streams=("events",), inbox_url=url)
    at_once = deliver(big_box, crm, events, tmp_path)
    assert at_once.code == 0
    assert at_once.letters == []
    of_each_kind = {
        user for user, count in Counter(user for _, user in held).items() if count == len(KINDS)
    }
    assert known or of_each_kind
    assert facts_differ(big_box, crm, touched if known else of_each_kind) == []
    deals = [row["properties"][crm.deal_key] for row in big_box.objects(crm, crm.deals)]
    assert len(deals) == len(set(deals))
    night = deliver(big_box, crm, extract(big_box, tmp_path, streams=("users",)), tmp_path)
    assert night.code == 0
    assert facts_differ(big_box, crm, touched) == []


def test_receivers_side_by_side_never_hide_an_event_from_a_reader(inbox_url: str) -> None:
    """A reader goes on behind the last sequence it saw, so none may appear below it later."""
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
    assert sorted(seen) == sorted(
        f"u-{number}-{turn}-{part}"
        for number in range(writers)
        for turn in range(40)
        for part in range(5)
    )
