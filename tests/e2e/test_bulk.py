"""Salesforce Bulk API 2.0: many rows as jobs, adopted after a kill, joined on the key, locked rows again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from support import (
    BIN,
    Box,
    deliver,
    report_of,
    sandbox,
    schema_message,
    state,
    target_config,
    user,
    written,
)
from target_salesforce import bulk

MANY = int(os.environ.get("BULK_ROWS", "6000"))
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


def people(count: int, **more: Any) -> Iterator[dict[str, Any]]:
    yield schema_message()
    for number in range(count):
        yield user(number, **more)
    yield state(count)


def payment(number: int, users: int, **more: Any) -> dict[str, Any]:
    record = {
        "payment_id": f"pay-{number}", "user_id": f"user-{number % users}", "user_email": f"user{number % users}@example.com",
        "amount": 10 + number % 7, "currency": "USD", "status": "succeeded", "refunded_amount": 0, "product_track": "site_audit",
        "created_at": "2026-01-01T00:00:00.000000Z", "updated_at": "2026-01-01T00:00:00.000000Z", **more,
    }  # fmt: skip
    return {
        "type": "RECORD",
        "stream": "payments",
        "record": record,
        "time_extracted": "2026-01-02T00:00:00.000000Z",
    }


def paths(box: Box) -> list[str]:
    """Method and resource of each call, without sign-in and set-up."""
    resources = ("/jobs/", "/composite", "/query")
    return [
        f"{line['method']} {line['path'].partition('/v67.0')[2].partition('?')[0]}"
        for line in box.log("salesforce")
        if any(one in line["path"] for one in resources)
    ]


def keys(box: Box, name: str, key: str) -> list[str]:
    return sorted(row["properties"][key] for row in box.objects("salesforce", name))


def test_many_new_contacts_take_few_calls_and_flat_memory(tmp_path: Path) -> None:
    lines = written(tmp_path, "many.jsonl", "")
    with lines.open("w") as file:
        file.writelines(json.dumps(one) + "\n" for one in people(MANY))
    with sandbox(1) as box:
        deliver(box, "salesforce", [schema_message()], tmp_path)  # provisions
        box.call("DELETE", "/_sandbox/requests/salesforce")
        config = written(tmp_path, "salesforce.json", target_config(box, "salesforce", tmp_path))
        command = [sys.executable, "-c", PEAK_OF, "--config", str(config), "--input", str(lines)]
        child = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        assert child.returncode == 0, child.stderr[-2000:]
        report = report_of(tmp_path, "salesforce")
        assert report["objects"]["Contact"]["created"] == MANY
        assert json.loads(child.stdout.splitlines()[-1])["bookmarks"]["users"]["at"] == MANY
        calls = [line for line in box.log("salesforce") if line["kind"] != "auth"]
        counted = [
            line for line in calls if not (line["method"] == "GET" and "/jobs/" in line["path"])
        ]
        peak = int(child.stderr.rpartition("PEAK ")[2])
        print(
            f"{MANY} contacts: {len(counted)} calls besides {len(calls) - len(counted)} polls and results, peak {peak} MB"
        )
        assert len(counted) <= 20
        assert peak < 300
        assert len(keys(box, "Contact", "CanAI_User_ID__c")) == MANY
        again = deliver(box, "salesforce", lines, tmp_path)
        assert again.counts("Contact") == {"planned": MANY, "unchanged": MANY}
        (tmp_path / "salesforce.db").unlink()
        box.call("DELETE", "/_sandbox/requests/salesforce")
        lost = deliver(box, "salesforce", lines, tmp_path)
        assert lost.counts("Contact") == {"planned": MANY, "unchanged": MANY}
        assert [path for path in paths(box) if not path.startswith("GET")] == ["POST /jobs/query"]


def test_what_a_job_writes_is_what_collections_write(box: Box, tmp_path: Path) -> None:
    odd = [
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
    first = [
        schema_message(),
        *(user(number, business_type=text) for number, text in enumerate(odd)),
    ]
    nulls = [
        schema_message(),
        *(
            user(number, business_type=None, total_spent=12.5, average_rating=4.25)
            for number in range(len(odd))
        ),
    ]
    held = []
    for threshold, account in ((1, "bulk"), (2000, "calls")):
        folder = tmp_path / account
        folder.mkdir()
        for messages in (first, nulls):
            result = deliver(
                box, "salesforce", messages, folder, account=account, bulk_threshold=threshold
            )
            assert result.code == 0
        assert result.counts("Contact") == {"planned": len(odd), "updated": len(odd)}
        rows = box.objects("salesforce", "Contact", account)
        own = {"CreatedDate", "LastModifiedDate", "SystemModstamp", "OwnerId"}
        held.append(
            {
                row["properties"]["CanAI_User_ID__c"]: {
                    k: v for k, v in row["properties"].items() if k not in own
                }
                for row in rows
            }
        )
        if threshold == 1:
            folder = tmp_path / "first"
            folder.mkdir()
            deliver(box, "salesforce", first, folder, account="once", bulk_threshold=1)
            once = {
                row["properties"]["CanAI_User_ID__c"]: row["properties"]
                for row in box.objects("salesforce", "Contact", "once")
            }
            assert [once[f"user-{number}"]["Business_Type__c"] for number in range(len(odd))] == [
                text.strip() for text in odd
            ]
    assert held[0] == held[1]
    assert "PUT" in " ".join(paths(box))


def test_a_field_that_is_cleared_is_cleared_by_a_job(box: Box, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping"
    mapping.mkdir()
    rule = (
        "stream: users\nobject: Contact\nupsert_key: CanAI_User_ID__c\nmatch_by: [Email]\nfields:\n"
    )
    rule += "  CanAI_User_ID__c: user_id\n  LastName: last_name\n  Email: email\n  Location__c: {from: location, when_null: clear}\n"
    (mapping / "users.contact.yml").write_text(rule)
    for location in ("Bern", None):
        messages = [
            schema_message(),
            *(user(number, location=location if number % 2 else "Ulm") for number in range(4)),
        ]
        assert (
            deliver(
                box, "salesforce", messages, tmp_path, mapping=str(mapping), bulk_threshold=2
            ).code
            == 0
        )
    rows = {
        row["properties"]["CanAI_User_ID__c"]: row["properties"]
        for row in box.objects("salesforce", "Contact")
    }
    assert [rows[f"user-{number}"]["Location__c"] for number in range(4)] == [
        "Ulm",
        None,
        "Ulm",
        None,
    ]
    assert paths(box).count("POST /jobs/ingest") == 2


def test_a_bad_row_of_a_job_is_one_dead_letter(box: Box, tmp_path: Path) -> None:
    bad = {3: {"email": "no address"}, 7: {"business_type": "x" * 300}}
    messages = [schema_message(), *(user(number, **bad.get(number, {})) for number in range(20))]
    result = deliver(box, "salesforce", messages, tmp_path, bulk_threshold=5)
    assert result.counts("Contact") == {"planned": 20, "created": 18, "dead": 2}
    told = {one["key"]: one for one in result.report["dead_letters"]}
    assert told["user-3"]["code"] == "INVALID_EMAIL_ADDRESS"
    assert "Email" in told["user-3"]["hint"]
    assert "no address" not in json.dumps(result.report)


def test_a_large_upload_is_cut_into_jobs_that_run_side_by_side(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "UPLOAD_BYTES", 8_000)
    result = deliver(box, "salesforce", list(people(400)), tmp_path, bulk_threshold=100)
    assert result.counts("Contact") == {"planned": 400, "created": 400}
    uploads = [line for line in box.log("salesforce") if line["method"] == "PUT"]
    assert len(uploads) > 4
    assert sum(line["rows"] for line in uploads) == 400
    assert keys(box, "Contact", "CanAI_User_ID__c") == sorted(
        f"user-{number}" for number in range(400)
    )


PAYMENTS, PARENTS = (80_000, 1_000) if MANY >= 100_000 else (2_500, 40)


def test_payments_of_few_contacts_all_arrive_while_rows_are_locked(tmp_path: Path) -> None:
    uneven = (
        payment(number, PARENTS if number % 49 else 1) for number in range(PAYMENTS)
    )  # one contact has many
    both = chain(people(PARENTS), [schema_message("payments", "payment_id")], uneven)
    with sandbox(1) as box:
        box.fault("salesforce", "locked_rows", match="/jobs/ingest/", times=6)
        box.fault("salesforce", "locked_rows", match="/composite/sobjects/Opportunity", times=2)
        result = deliver(box, "salesforce", list(both), tmp_path)
        assert result.code == 0
        assert result.counts("Opportunity") == {"planned": PAYMENTS, "created": PAYMENTS}
        rows = box.objects("salesforce", "Opportunity")
        assert sorted(row["properties"]["CanAI_Payment_ID__c"] for row in rows) == sorted(
            f"pay-{number}" for number in range(PAYMENTS)
        )
        assert all(row["links"] for row in rows)
        sent = sum(
            line["rows"]
            for line in box.log("salesforce")
            if line["kind"] == "write" and "/jobs/ingest" in line["path"]
        )
        again = [
            line
            for line in box.log("salesforce")
            if line["method"] == "PATCH" and "Opportunity" in line["path"]
        ]
        assert sent >= PAYMENTS
        assert again or sent > PAYMENTS + PARENTS  # some were locked, and only those went again
        assert sum(line["rows"] for line in again) < PAYMENTS / 2


@pytest.mark.parametrize(
    "place", ["/jobs/ingest", "/batches", "/jobs/ingest/750", "successfulResults"]
)
def test_a_killed_run_leaves_a_job_that_the_next_run_sees_to_its_end(
    box: Box, tmp_path: Path, place: str
) -> None:
    config = written(
        tmp_path, "salesforce.json", target_config(box, "salesforce", tmp_path, bulk_threshold=50)
    )
    lines = written(
        tmp_path, "messages.jsonl", "".join(json.dumps(one) + "\n" for one in people(300))
    )
    after = 1 if place == "/jobs/ingest/750" else 0
    box.fault("salesforce", "kill_pid", match=place, after=after, args={"pid": "client"})
    command = [str(BIN / "target-salesforce"), "--config", str(config), "--input", str(lines)]
    killed = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert killed.returncode == -9
    assert killed.stdout == b""
    box.call("DELETE", "/_sandbox/faults")
    box.call("DELETE", "/_sandbox/requests/salesforce")
    second = deliver(box, "salesforce", lines, tmp_path, bulk_threshold=50)
    assert second.code == 0
    assert keys(box, "Contact", "CanAI_User_ID__c") == sorted(
        f"user-{number}" for number in range(300)
    )
    assert second.counts("Contact") == {"planned": 300, "created": 300}
    made = paths(box)
    if place != "/jobs/ingest":  # there the kill came before the job's id could be known
        assert made[0].startswith("GET /jobs/ingest/750")
    if place in ("/jobs/ingest/750", "successfulResults"):  # its rows had been written
        assert not [path for path in made if path.startswith(("PUT", "POST /jobs/ingest"))]
    third = deliver(box, "salesforce", lines, tmp_path, bulk_threshold=50)
    assert third.counts("Contact") == {"planned": 300, "unchanged": 300}


def test_the_same_key_in_two_blocks_is_written_twice_and_in_order(box: Box, tmp_path: Path) -> None:
    messages = [schema_message()]
    for round_number in range(3):
        later = f"2026-01-0{round_number + 2}T00:00:00.000000Z"
        messages += [
            {**user(number, business_type=f"trade {round_number}"), "time_extracted": later}
            for number in range(20)
        ]
    result = deliver(box, "salesforce", messages, tmp_path, bulk_threshold=10, batch_size_rows=20)
    assert result.counts("Contact") == {"planned": 60, "created": 20, "updated": 40}
    assert {
        row["properties"]["Business_Type__c"] for row in box.objects("salesforce", "Contact")
    } == {"trade 2"}


def test_state_waits_for_what_is_spooled(box: Box, tmp_path: Path) -> None:
    """Blocks are gathered for one job; a STATE between them goes out only once all before it is in the CRM."""
    messages = [schema_message()]
    for block in range(3):
        messages += [user(number) for number in range(block * 10, block * 10 + 10)]
        messages.append(state(block))
    box.fault("salesforce", "403_permission", match="/batches")
    failed = deliver(box, "salesforce", messages, tmp_path, bulk_threshold=20)
    assert failed.code == 1
    assert failed.states == []
    assert failed.counts("Contact") == {"planned": 30, "not_attempted": 30}
    good = deliver(box, "salesforce", messages, tmp_path, bulk_threshold=20)
    assert good.states[-1]["bookmarks"]["users"]["at"] == 2
    assert good.counts("Contact") == {"planned": 30, "created": 30}


def test_rows_that_a_failed_job_did_not_come_to_are_sent_again(box: Box, tmp_path: Path) -> None:
    box.fault(
        "salesforce",
        "job_failed",
        match="PATCH /salesforce/services/data/v67.0/jobs/ingest",
        args={"after_rows": 120},
    )
    result = deliver(box, "salesforce", list(people(300)), tmp_path, bulk_threshold=100)
    assert result.code == 0
    assert result.counts("Contact") == {"planned": 300, "created": 300}
    uploads = [line["rows"] for line in box.log("salesforce") if line["method"] == "PUT"]
    assert uploads == [300, 180]
    assert keys(box, "Contact", "CanAI_User_ID__c") == sorted(
        f"user-{number}" for number in range(300)
    )


def test_a_key_that_comes_again_while_it_is_spooled_is_written_in_order(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reverse_etl.singer.sink.CrmSink.MAX_SIZE_DEFAULT", 20)
    messages = [schema_message(), *(user(number) for number in range(40))]
    later = "2026-01-05T00:00:00.000000Z"
    messages += [
        {**user(number, business_type="museum"), "time_extracted": later} for number in (3, 35)
    ]
    messages += [user(number) for number in range(40, 70)]
    result = deliver(box, "salesforce", messages, tmp_path, bulk_threshold=10)
    assert result.counts("Contact") == {"planned": 72, "created": 70, "updated": 2}
    held = {
        row["properties"]["CanAI_User_ID__c"]: row["properties"]["Business_Type__c"]
        for row in box.objects("salesforce", "Contact")
    }
    assert {key for key, value in held.items() if value == "museum"} == {"user-3", "user-35"}
    jobs = [line["rows"] for line in box.log("salesforce") if line["method"] == "PUT"]
    assert sum(jobs) >= 70
    assert len(jobs) <= 4  # gathered, not a job a block


def test_a_child_stream_drains_its_parents_spool_first(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reverse_etl.singer.sink.CrmSink.MAX_SIZE_DEFAULT", 10)
    both: list[Any] = [schema_message(), schema_message("payments", "payment_id")]
    for number in range(50):
        both += [user(number), payment(number, 50)]
    result = deliver(box, "salesforce", both, tmp_path, bulk_threshold=15)
    assert result.code == 0
    assert result.counts("Opportunity") == {"planned": 50, "created": 50}
    assert result.report["links"] == {"wanted": 50, "made": 50, "kept": 0, "waiting": 0, "dead": 0}
    assert all(row["links"] for row in box.objects("salesforce", "Opportunity"))


def test_sigterm_while_a_job_works_ends_with_its_number_and_keeps_state_back(
    box: Box, tmp_path: Path
) -> None:
    config = written(
        tmp_path, "salesforce.json", target_config(box, "salesforce", tmp_path, bulk_threshold=50)
    )
    lines = written(
        tmp_path, "messages.jsonl", "".join(json.dumps(one) + "\n" for one in people(300))
    )
    box.fault(
        "salesforce",
        "slow",
        match="GET /salesforce/services/data/v67.0/jobs/ingest",
        times=1,
        args={"delay_ms": 3000},
    )
    process = subprocess.Popen(
        [str(BIN / "target-salesforce"), "--config", str(config), "--input", str(lines)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    for _ in range(300):
        if any(line["fault"] == "slow" for line in box.log("salesforce")):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err.decode()
    assert out == b""
    report = report_of(tmp_path, "salesforce")
    assert report["exit_code"] == 143
    assert report["objects"]["Contact"]["planned"] == 300
    second = deliver(box, "salesforce", lines, tmp_path, bulk_threshold=50)
    assert second.code == 0
    assert keys(box, "Contact", "CanAI_User_ID__c") == sorted(
        f"user-{number}" for number in range(300)
    )
    assert second.counts("Contact")["planned"] == 300
    assert [line for line in box.log("salesforce") if line["method"] == "PUT"][1:] == []
