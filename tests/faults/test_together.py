"""Several processes on one account and one ledger: nothing twice, nothing lost, and nobody waits for a process that is gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.ledger.claims import LEASE_S, place
from reverse_etl.ledger.tables import ClaimRow
from sqlalchemy import select, update
from support import (
    BIN,
    PEOPLE,
    PERSON_KEY,
    Box,
    deliver,
    report_of,
    schema_message,
    state,
    target_config,
    user,
    written,
)

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


class Moving:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def both(ledger_url: str) -> tuple[Ledger, Ledger, Moving]:
    clock = Moving()
    engine = Ledger.open(ledger_url)
    account = os.urandom(4).hex()
    return (
        Ledger(engine, Scope("crm", account, "run-a"), clock),
        Ledger(engine, Scope("crm", account, "run-b"), clock),
        clock,
    )


def test_a_key_is_one_runs_at_a_time(both: tuple[Ledger, Ledger, Moving]) -> None:
    one, other, _ = both
    assert one.claims.take("thing", ["a", "b"]) == {"a", "b"}
    assert other.claims.take("thing", ["b", "c"]) == {"c"}
    assert one.claims.take("thing", ["a"]) == {"a"}
    assert other.claims.take("another", ["a"]) == {"a"}
    one.claims.release("thing", ["b"])
    assert other.claims.take("thing", ["a", "b"]) == {"b"}
    assert one.claims.works("run-b")
    one.claims.end()
    assert other.claims.take("thing", ["a"]) == {"a"}
    other.claims.end()
    assert not one.claims.works("run-b")


def test_a_claim_ends_with_its_lease(both: tuple[Ledger, Ledger, Moving]) -> None:
    one, other, clock = both
    one.claims.take("thing", ["a"])
    clock.now += timedelta(seconds=LEASE_S - 1)
    assert other.claims.take("thing", ["a"]) == set()
    clock.now += timedelta(seconds=2)
    assert other.claims.take("thing", ["a"]) == {"a"}
    assert one.claims.take("thing", ["a"]) == set()
    one.claims.end()
    other.claims.end()


@pytest.mark.parametrize(("where", "free"), [("here", True), ("elsewhere", False)])
def test_a_claim_of_a_process_that_is_gone_is_taken_at_once_where_that_can_be_known(
    both: tuple[Ledger, Ledger, Moving], where: str, free: bool
) -> None:
    one, other, _ = both
    one.claims.take("thing", ["a"])
    owner = f"{place() if where == 'here' else 'another-host'}/{dead_pid()}/run-a"
    with one.engine.begin() as connection:
        connection.execute(
            update(ClaimRow).where(ClaimRow.owner == one.claims.owner).values(owner=owner)
        )
    assert other.claims.take("thing", ["a"]) == ({"a"} if free else set())
    assert other.claims.works("run-a") is not free
    one.claims.end()
    other.claims.end()


@pytest.mark.parametrize("crm", ["pipedrive", "hubspot"])
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_two_runs_over_the_same_people_make_each_person_once(
    box: Box, crm: str, backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Pipedrive keeps no key unique: without claims both runs would look, find nobody, and create."""
    url = (
        f"sqlite:///{tmp_path}/both.db"
        if backend == "sqlite"
        else str(request.getfixturevalue("postgres_url"))
    )
    deliver(box, crm, [schema_message()], tmp_path, ledger_url=url)  # provisions
    box.call("DELETE", f"/_sandbox/requests/{crm}")
    people = [schema_message(), *(user(number) for number in range(60))]
    runs = []
    for name, lines in (("a", people), ("b", [people[0], *reversed(people[1:])])):
        folder = tmp_path / name
        messages = written(
            folder, "messages.jsonl", "".join(json.dumps(line) + "\n" for line in lines)
        )
        config = written(
            folder,
            "config.json",
            target_config(box, crm, folder, ledger_url=url, batch_size_rows=20),
        )
        command = [str(BIN / f"target-{crm}"), "--config", str(config), "--input", str(messages)]
        runs.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
    told = [run.communicate(timeout=120)[1].decode() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], told
    keys = Counter(row["properties"][PERSON_KEY[crm]] for row in box.objects(crm, PEOPLE[crm]))
    assert keys == Counter({f"user-{number}": 1 for number in range(60)})
    counted = [report_of(tmp_path / name, crm)["objects"][PEOPLE[crm]] for name in ("a", "b")]
    assert sum(one["created"] for one in counted) == 60
    assert sum(one["unchanged"] for one in counted) == 60
    with Ledger.open(url).connect() as connection:
        assert connection.execute(select(ClaimRow.key).where(ClaimRow.crm == crm)).all() == []
    again = deliver(box, crm, people, tmp_path, ledger_url=url)
    assert again.counts(PEOPLE[crm]) == {"planned": 60, "unchanged": 60}


@pytest.mark.parametrize("stopped", [False, True])
def test_what_another_process_holds_is_taken_at_the_end_and_state_waits_for_it(
    box: Box, stopped: bool, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/held.db"
    deliver(box, "pipedrive", [schema_message()], tmp_path, ledger_url=url)
    account = report_of(tmp_path, "pipedrive")["account"]
    holder = Ledger(Ledger.open(url), Scope("pipedrive", account, "another-run"))
    assert holder.claims.take("persons", ["user-1", "user-2"]) == {"user-1", "user-2"}
    lines = [schema_message(), *(user(number) for number in range(5)), state("after five")]
    messages = written(
        tmp_path, "messages.jsonl", "".join(json.dumps(line) + "\n" for line in lines)
    )
    config = written(
        tmp_path, "config.json", target_config(box, "pipedrive", tmp_path, ledger_url=url)
    )
    command = [str(BIN / "target-pipedrive"), "--config", str(config), "--input", str(messages)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for _ in range(300):
        if len(box.objects("pipedrive", "persons")) == 3:
            break
        time.sleep(0.05)
    assert {row["properties"]["canai_user_id"] for row in box.objects("pipedrive", "persons")} == {
        "user-0",
        "user-3",
        "user-4",
    }
    if stopped:
        time.sleep(1)
        run.send_signal(signal.SIGTERM)
    else:
        time.sleep(1)
        assert run.poll() is None
        holder.claims.release("persons", ["user-1", "user-2"])
    out, err = run.communicate(timeout=60)
    holder.claims.end()
    counts = report_of(tmp_path, "pipedrive")["objects"]["persons"]
    if stopped:
        assert run.returncode == 143, err.decode()
        assert out == b""
        assert [counts["created"], counts["not_attempted"]] == [3, 2]
        assert deliver(box, "pipedrive", lines, tmp_path, ledger_url=url).counts("persons") == {
            "planned": 5,
            "created": 2,
            "unchanged": 3,
        }
    else:
        assert run.returncode == 0, err.decode()
        assert json.loads(out) == {"bookmarks": {"users": {"at": "after five"}}}
        assert [counts["created"], counts["not_attempted"]] == [5, 0]
    assert len(box.objects("pipedrive", "persons")) == 5


def test_a_job_that_another_run_waits_for_is_left_alone_and_one_that_salesforce_forgot_holds_nobody_up(
    box: Box, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    people = [schema_message(), user(1)]
    deliver(box, "salesforce", people[:1], tmp_path, ledger_url=url)
    account = report_of(tmp_path, "salesforce")["account"]
    holder = Ledger(Ledger.open(url), Scope("salesforce", account, "another-run"))
    holder.claims.take("Contact", ["user-9"])
    holder.jobs.begin("Contact", "750000000000001")
    assert deliver(box, "salesforce", people, tmp_path, ledger_url=url).code == 0
    assert not [line for line in box.log("salesforce") if "750000000000001" in line["path"]]
    assert [job.job_id for job in holder.jobs.open()] == ["750000000000001"]
    holder.claims.end()
    assert deliver(box, "salesforce", people, tmp_path, ledger_url=url).code == 0
    assert [line for line in box.log("salesforce") if "750000000000001" in line["path"]]
    assert holder.jobs.open() == []
