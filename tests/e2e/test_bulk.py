"""Salesforce Bulk API 2.0: many rows as jobs, adopted after a kill, locked rows sent again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from target_salesforce import bulk

from box import Box, sandbox
from crms import SALESFORCE
from crms.salesforce import DATA
from support import (
    Message,
    by_key,
    deliver,
    later,
    lines_of,
    lose_ledger,
    payment,
    report_of,
    schema_message,
    state,
    target_command,
    user,
    users,
    wait_for,
    written,
)

MANY = int(os.environ.get("BULK_ROWS", "3000"))
"""100000 for the long version."""
PEAK_OF = """
import sys
import time
from reverse_etl.singer.cli import main
from target_salesforce.target import TargetSalesforce

code = main(TargetSalesforce, sys.argv[1:])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("PEAK", int(peak.split()[1]) // 1024, file=sys.stderr)
sys.exit(code)
"""


def people(count: int, **more: Any) -> Iterator[Message]:
    """Users, and the STATE behind them."""
    yield from users(count, **more)
    yield state(count)


def all_keys(count: int) -> list[str]:
    return sorted(f"user-{number}" for number in range(count))


def paths(box: Box) -> list[str]:
    """Method and resource of each call, without sign-in and set-up."""
    resources = ("/jobs/", "/composite", "/query")
    return [
        f"{line['method']} {line['path'].removeprefix(DATA).partition('?')[0]}"
        for line in box.log(SALESFORCE)
        if any(resource in line["path"] for resource in resources)
    ]


def contacts(box: Box, account: str = "") -> dict[str, dict[str, Any]]:
    """Properties of the contacts by key; no key occurs twice."""
    rows = by_key(box, SALESFORCE, "Contact", "CanAI_User_ID__c", account)
    return {key: row["properties"] for key, row in rows.items()}


def uploads(box: Box) -> list[int]:
    """Rows of each upload of a job."""
    return [line["rows"] for line in box.log(SALESFORCE) if line["method"] == "PUT"]


def test_many_new_contacts_take_few_calls_and_flat_memory(tmp_path: Path) -> None:
    lines = written(tmp_path, "many.jsonl", "")
    with lines.open("w") as file:
        file.writelines(json.dumps(message) + "\n" for message in people(MANY))
    with sandbox(1) as box:
        deliver(box, SALESFORCE, [schema_message()], tmp_path)  # provisions
        box.forget_log(SALESFORCE)
        _, *arguments = target_command(box, SALESFORCE, lines, tmp_path)
        command = [sys.executable, "-c", PEAK_OF, *arguments]
        child = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        assert child.returncode == 0, child.stderr[-2000:]
        report = report_of(tmp_path, SALESFORCE)
        assert report["objects"]["Contact"]["created"] == MANY
        assert json.loads(child.stdout.splitlines()[-1])["bookmarks"]["users"]["at"] == MANY
        calls = [line for line in box.log(SALESFORCE) if line["kind"] != "auth"]
        polls = [line for line in calls if line["method"] == "GET" and "/jobs/" in line["path"]]
        peak = int(child.stderr.rpartition("PEAK ")[2])
        counted = len(calls) - len(polls)
        print(f"{MANY} contacts: {counted} calls, {len(polls)} polls and results, peak {peak} MB")
        assert counted <= 20
        assert peak < 300
        assert len(contacts(box)) == MANY
        again = deliver(box, SALESFORCE, lines, tmp_path)
        assert again.counts("Contact") == {"planned": MANY, "unchanged": MANY}
        lose_ledger(tmp_path, SALESFORCE)
        box.forget_log(SALESFORCE)
        lost = deliver(box, SALESFORCE, lines, tmp_path)
        assert lost.counts("Contact") == {"planned": MANY, "unchanged": MANY}
        assert [path for path in paths(box) if not path.startswith("GET")] == ["POST /jobs/query"]


ODD = [
    'quote " and, comma',
    "two\nlines",
    "  spaces ",
    "Zoë 東京 🙂",
    "#N/A",
    "#n/a",
    "'",
    "\\",
    "a\r\nb",
    "=1+1",
    "null",
]


def held_after(box: Box, folder: Path, blocks: list[list[Message]], threshold: int) -> Any:
    """What contacts hold after blocks in an account of their own, without what the org sets."""
    account = f"threshold-{threshold}-{len(blocks)}"
    for messages in blocks:
        result = deliver(
            box,
            SALESFORCE,
            messages,
            folder / account,
            account=account,
            bulk_threshold=threshold,
        )
        assert result.code == 0
    assert result.counts("Contact").keys() == {
        "planned",
        "created" if len(blocks) == 1 else "updated",
    }
    return {
        key: {name: value for name, value in held.items() if name not in SALESFORCE.volatile}
        for key, held in contacts(box, account).items()
    }


def test_what_a_job_writes_is_what_collections_write(box: Box, tmp_path: Path) -> None:
    texts = [
        schema_message(),
        *(user(number, business_type=text) for number, text in enumerate(ODD)),
    ]
    nulls = users(len(ODD), business_type=None, total_spent=12.5, average_rating=4.25)
    jobs = held_after(box, tmp_path, [texts, nulls], 1)
    assert "PUT" in " ".join(paths(box))
    assert jobs == held_after(box, tmp_path, [texts, nulls], 2000)
    once = held_after(box, tmp_path, [texts], 1)
    shown = [once[f"user-{number}"]["Business_Type__c"] for number in range(len(ODD))]
    assert shown == [text.strip() for text in ODD]


RULE = """\
stream: users
object: Contact
upsert_key: CanAI_User_ID__c
match_by: [Email]
fields:
  CanAI_User_ID__c: user_id
  LastName: last_name
  Email: email
  Location__c: {from: location, when_null: clear}
"""


def test_a_field_that_is_cleared_is_cleared_by_a_job(box: Box, tmp_path: Path) -> None:
    written(tmp_path / "mapping", "users.contact.yml", RULE)
    settings = {"mapping": str(tmp_path / "mapping"), "bulk_threshold": 2}
    for location in ("Bern", None):
        messages = [
            schema_message(),
            *(user(number, location=location if number % 2 else "Ulm") for number in range(4)),
        ]
        assert deliver(box, SALESFORCE, messages, tmp_path, **settings).code == 0
    held = [contacts(box)[key]["Location__c"] for key in all_keys(4)]
    assert held == ["Ulm", None, "Ulm", None]
    assert paths(box).count("POST /jobs/ingest") == 2


def test_a_bad_row_of_a_job_is_one_dead_letter(box: Box, tmp_path: Path) -> None:
    bad = {3: {"email": "no address"}, 7: {"business_type": "x" * 300}}
    messages = [schema_message(), *(user(number, **bad.get(number, {})) for number in range(20))]
    result = deliver(box, SALESFORCE, messages, tmp_path, bulk_threshold=5)
    assert result.counts("Contact") == {"planned": 20, "created": 18, "dead": 2}
    letters = {letter["key"]: letter for letter in result.letters}
    assert letters["user-3"]["code"] == "INVALID_EMAIL_ADDRESS"
    assert "Email" in letters["user-3"]["hint"]
    assert "no address" not in json.dumps(result.report)


def test_a_large_upload_is_cut_into_jobs_that_run_side_by_side(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "UPLOAD_BYTES", 8_000)
    result = deliver(box, SALESFORCE, list(people(400)), tmp_path, bulk_threshold=100)
    assert result.counts("Contact") == {"planned": 400, "created": 400}
    assert len(uploads(box)) > 4
    assert sum(uploads(box)) == 400
    assert sorted(contacts(box)) == all_keys(400)


PAYMENTS, PARENTS = (80_000, 1_000) if MANY >= 100_000 else (2_500, 40)


def test_payments_of_few_contacts_all_arrive_while_rows_are_locked(tmp_path: Path) -> None:
    uneven = (  # the first contact has many
        payment(number, number % PARENTS if number % 49 else 0) for number in range(PAYMENTS)
    )
    both = chain(people(PARENTS), [schema_message("payments", "payment_id")], uneven)
    with sandbox(1) as box:
        box.fault(SALESFORCE, "locked_rows", match="/jobs/ingest/", times=6)
        box.fault(SALESFORCE, "locked_rows", match="/composite/sobjects/Opportunity", times=2)
        result = deliver(box, SALESFORCE, list(both), tmp_path)
        assert result.code == 0
        assert result.counts("Opportunity") == {"planned": PAYMENTS, "created": PAYMENTS}
        rows = by_key(box, SALESFORCE, "Opportunity", "CanAI_Payment_ID__c")
        assert rows.keys() == {f"pay-{number}" for number in range(PAYMENTS)}
        assert all(row["links"] for row in rows.values())
        log = box.log(SALESFORCE, "/jobs/ingest")
        sent = sum(line["rows"] for line in log if line["kind"] == "write")
        again = [line for line in box.log(SALESFORCE, "PATCH") if "Opportunity" in line["path"]]
        assert sent >= PAYMENTS
        assert again or sent > PAYMENTS + PARENTS  # some were locked, and only those went again
        assert sum(line["rows"] for line in again) < PAYMENTS / 2


@pytest.mark.parametrize(
    "place", ["/jobs/ingest", "/batches", "/jobs/ingest/750", "successfulResults"]
)
def test_a_killed_run_leaves_a_job_that_the_next_run_completes(
    box: Box, tmp_path: Path, place: str
) -> None:
    lines = lines_of(tmp_path, people(300))
    after = 1 if place == "/jobs/ingest/750" else 0
    box.fault(SALESFORCE, "kill_pid", match=place, after=after, args={"pid": "client"})
    command = target_command(box, SALESFORCE, lines, tmp_path, bulk_threshold=50)
    killed = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert killed.returncode == -9
    assert killed.stdout == b""
    box.clear_faults()
    box.forget_log(SALESFORCE)
    second = deliver(box, SALESFORCE, lines, tmp_path, bulk_threshold=50)
    assert second.code == 0
    assert sorted(contacts(box)) == all_keys(300)
    assert second.counts("Contact") == {"planned": 300, "created": 300}
    made = paths(box)
    if place != "/jobs/ingest":  # there the kill came before the job's id could be known
        assert made[0].startswith("GET /jobs/ingest/750")
    if place in ("/jobs/ingest/750", "successfulResults"):  # its rows had been written
        assert not [path for path in made if path.startswith(("PUT", "POST /jobs/ingest"))]
    third = deliver(box, SALESFORCE, lines, tmp_path, bulk_threshold=50)
    assert third.counts("Contact") == {"planned": 300, "unchanged": 300}


def test_the_same_key_in_two_blocks_is_written_twice_and_in_order(box: Box, tmp_path: Path) -> None:
    messages = [schema_message()]
    for day in (2, 3, 4):
        trade = {"business_type": f"trade {day}"}
        messages += [later(user(number, **trade), day) for number in range(20)]
    result = deliver(box, SALESFORCE, messages, tmp_path, bulk_threshold=10, batch_size_rows=20)
    assert result.counts("Contact") == {"planned": 60, "created": 20, "updated": 40}
    assert {held["Business_Type__c"] for held in contacts(box).values()} == {"trade 4"}


def test_state_waits_for_what_is_spooled(box: Box, tmp_path: Path) -> None:
    """Blocks are gathered for one job; a STATE between them waits for all before it."""
    messages = [schema_message()]
    for block in range(3):
        messages += [user(number) for number in range(block * 10, block * 10 + 10)]
        messages.append(state(block))
    box.fault(SALESFORCE, "403_permission", match="/batches")
    failed = deliver(box, SALESFORCE, messages, tmp_path, bulk_threshold=20)
    assert failed.code == 1
    assert failed.states == []
    assert failed.counts("Contact") == {"planned": 30, "not_attempted": 30}
    good = deliver(box, SALESFORCE, messages, tmp_path, bulk_threshold=20)
    assert good.states[-1]["bookmarks"]["users"]["at"] == 2
    assert good.counts("Contact") == {"planned": 30, "created": 30}


def test_rows_that_a_failed_job_did_not_come_to_are_sent_again(box: Box, tmp_path: Path) -> None:
    start = f"PATCH {DATA}/jobs/ingest"
    box.fault(SALESFORCE, "job_failed", match=start, args={"after_rows": 120})
    result = deliver(box, SALESFORCE, list(people(300)), tmp_path, bulk_threshold=100)
    assert result.code == 0
    assert result.counts("Contact") == {"planned": 300, "created": 300}
    assert uploads(box) == [300, 180]
    assert sorted(contacts(box)) == all_keys(300)


def test_a_key_that_comes_again_while_it_is_spooled_is_written_in_order(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reverse_etl.singer.sink.CrmSink.MAX_SIZE_DEFAULT", 20)
    messages = users(40)
    messages += [later(user(number, business_type="museum"), 5) for number in (3, 35)]
    messages += [user(number) for number in range(40, 70)]
    result = deliver(box, SALESFORCE, messages, tmp_path, bulk_threshold=10)
    assert result.counts("Contact") == {"planned": 72, "created": 70, "updated": 2}
    trades = {key: held["Business_Type__c"] for key, held in contacts(box).items()}
    assert {key for key, trade in trades.items() if trade == "museum"} == {"user-3", "user-35"}
    assert sum(uploads(box)) >= 70
    assert len(uploads(box)) <= 4  # gathered, not one job per block


def test_a_child_stream_drains_its_parents_spool_first(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reverse_etl.singer.sink.CrmSink.MAX_SIZE_DEFAULT", 10)
    both = [schema_message(), schema_message("payments", "payment_id")]
    for number in range(50):
        both += [user(number), payment(number, number)]
    result = deliver(box, SALESFORCE, both, tmp_path, bulk_threshold=15)
    assert result.code == 0
    assert result.counts("Opportunity") == {"planned": 50, "created": 50}
    assert result.report["links"] == {"wanted": 50, "made": 50, "kept": 0, "waiting": 0, "dead": 0}
    assert all(row["links"] for row in box.objects(SALESFORCE, "Opportunity"))


def test_sigterm_while_a_job_works_ends_with_its_number_and_keeps_state_back(
    box: Box, tmp_path: Path
) -> None:
    lines = lines_of(tmp_path, people(300))
    polls = f"GET {DATA}/jobs/ingest"
    box.fault(SALESFORCE, "slow", match=polls, args={"delay_ms": 2000})
    command = target_command(box, SALESFORCE, lines, tmp_path, bulk_threshold=50)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: box.struck(SALESFORCE, "slow"))
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err.decode()
    assert out == b""
    report = report_of(tmp_path, SALESFORCE)
    assert report["exit_code"] == 143
    assert report["objects"]["Contact"]["planned"] == 300
    second = deliver(box, SALESFORCE, lines, tmp_path, bulk_threshold=50)
    assert second.code == 0
    assert sorted(contacts(box)) == all_keys(300)
    assert second.counts("Contact")["planned"] == 300
    assert len(uploads(box)) == 1
