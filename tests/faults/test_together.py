"""Several processes on one account and one ledger.

Nothing twice, nothing lost, and nobody waits for a process that is gone.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from reverse_etl.ledger import Ledger, Scope
from reverse_etl.ledger.claims import LEASE_S, place
from reverse_etl.ledger.entries import Changes
from reverse_etl.ledger.tables import CLAIM
from sqlalchemy import select, update

from box import Box
from crms import PIPEDRIVE, SALESFORCE, Crm, each_pipeline_crm
from support import (
    deliver,
    report_of,
    schema_message,
    state,
    target_command,
    user,
    users,
    wait_for,
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
def both(ledger_url: str) -> Iterator[tuple[Ledger, Ledger, Moving]]:
    clock = Moving()
    engine = Ledger.open(ledger_url)
    account = os.urandom(4).hex()
    yield (
        Ledger(engine, Scope("crm", account, "run-a"), clock),
        Ledger(engine, Scope("crm", account, "run-b"), clock),
        clock,
    )
    engine.dispose()


def test_a_key_is_one_runs_at_a_time(both: tuple[Ledger, Ledger, Moving]) -> None:
    first, other, _ = both
    assert first.claims.take("thing", ["a", "b"]) == {"a", "b"}
    assert other.claims.take("thing", ["b", "c"]) == {"c"}
    assert first.claims.take("thing", ["a"]) == {"a"}
    assert other.claims.take("another", ["a"]) == {"a"}
    first.claims.release("thing", ["b"])
    assert other.claims.take("thing", ["a", "b"]) == {"b"}
    assert first.claims.works("run-b")
    first.claims.end()
    assert other.claims.take("thing", ["a"]) == {"a"}
    other.claims.end()
    assert not first.claims.works("run-b")


def test_a_claim_ends_with_its_lease(both: tuple[Ledger, Ledger, Moving]) -> None:
    first, other, clock = both
    first.claims.take("thing", ["a"])
    clock.now += timedelta(seconds=LEASE_S - 1)
    assert other.claims.take("thing", ["a"]) == set()
    clock.now += timedelta(seconds=2)
    assert other.claims.take("thing", ["a"]) == {"a"}
    assert first.claims.take("thing", ["a"]) == set()
    first.claims.end()
    other.claims.end()


@pytest.mark.parametrize(("where", "free"), [("here", True), ("elsewhere", False)])
def test_a_claim_of_a_process_that_is_gone_is_taken_at_once_where_that_can_be_known(
    both: tuple[Ledger, Ledger, Moving], where: str, free: bool
) -> None:
    first, other, _ = both
    first.claims.take("thing", ["a"])
    owner = f"{place() if where == 'here' else 'another-host'}/{dead_pid()}/run-a"
    with first.engine.begin() as connection:
        connection.execute(
            update(CLAIM).where(CLAIM.c.owner == first.claims.owner).values(owner=owner)
        )
    assert other.claims.take("thing", ["a"]) == ({"a"} if free else set())
    assert other.claims.works("run-a") is not free
    first.claims.end()
    other.claims.end()


@each_pipeline_crm
@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_two_runs_over_the_same_people_make_each_person_once(
    box: Box, crm: Crm, backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Pipedrive keeps no key unique: without claims both runs would find nobody, and create."""
    url = f"sqlite:///{tmp_path}/both.db"
    if backend == "postgresql":
        url = str(request.getfixturevalue("postgres_url"))
    deliver(box, crm, [schema_message()], tmp_path, ledger_url=url)  # provisions
    schema, *people = users(60)
    each_way = {"a": [schema, *people], "b": [schema, *reversed(people)]}
    runs = [
        subprocess.Popen(
            target_command(box, crm, messages, tmp_path / name, ledger_url=url, batch_size_rows=20),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for name, messages in each_way.items()
    ]
    logs = [run.communicate(timeout=120)[1].decode() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], logs
    keys = Counter(row["properties"][crm.person_key] for row in box.people(crm))
    assert keys == Counter({f"user-{number}": 1 for number in range(60)})
    counted = [report_of(tmp_path / name, crm)["objects"][crm.people] for name in each_way]
    assert sum(counts["created"] for counts in counted) == 60
    assert sum(counts["unchanged"] for counts in counted) == 60
    engine = Ledger.open(url)
    with engine.connect() as connection:
        query = select(CLAIM.c.key).where(CLAIM.c.crm == crm.name)
        assert connection.execute(query).all() == []
    engine.dispose()
    again = deliver(box, crm, users(60), tmp_path, ledger_url=url)
    assert again.counts(crm.people) == {"planned": 60, "unchanged": 60}


def held_open(request: pytest.FixtureRequest, url: str, scope: Scope) -> Ledger:
    """The ledger as another run has it open, closed after the test."""
    ledger = Ledger(Ledger.open(url), scope)
    request.addfinalizer(ledger.close)
    return ledger


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_two_processes_write_the_same_rows_in_different_orders(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Filtered rows need no claim. Locks in different orders would be a deadlock in PostgreSQL."""
    url = f"sqlite:///{tmp_path}/orders.db"
    if backend == "postgresql":
        url = str(request.getfixturevalue("postgres_url"))
    ledgers = [held_open(request, url, Scope("crm", "shop", f"run-{name}")) for name in "ab"]
    keys = [f"user-{number}" for number in range(400)]
    orders = [keys, keys[::-1]]
    together = Barrier(2)

    def write(number: int) -> None:
        for turn in range(20):
            filtered = [("users.deal", key, 2 * turn + number) for key in orders[number]]
            together.wait(timeout=60)
            ledgers[number].apply(Changes("deals", filtered=filtered))

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(write, number) for number in (0, 1)]:
            done.result()
    assert set(ledgers[0].filtered.newest("users.deal", keys).values()) == {39}


@pytest.mark.parametrize("stopped", [False, True])
def test_keys_held_by_another_process_are_retried_at_the_end_of_the_run_and_state_waits_for_them(
    box: Box, stopped: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/held.db"
    deliver(box, PIPEDRIVE, [schema_message()], tmp_path, ledger_url=url)
    account = report_of(tmp_path, PIPEDRIVE)["account"]
    holder = held_open(request, url, Scope("pipedrive", account, "another-run"))
    assert holder.claims.take("persons", ["user-1", "user-2"]) == {"user-1", "user-2"}
    messages = [*users(5), state("after five")]
    command = target_command(box, PIPEDRIVE, messages, tmp_path, ledger_url=url)
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: len(box.people(PIPEDRIVE)) == 3)
    free = {"user-0", "user-3", "user-4"}
    assert {row["properties"]["canai_user_id"] for row in box.people(PIPEDRIVE)} == free
    time.sleep(1)
    assert run.poll() is None
    if stopped:
        run.send_signal(signal.SIGTERM)
    else:
        holder.claims.release("persons", ["user-1", "user-2"])
    out, err = run.communicate(timeout=60)
    holder.claims.end()
    counts = report_of(tmp_path, PIPEDRIVE)["objects"]["persons"]
    if stopped:
        assert run.returncode == 143, err.decode()
        assert out == b""
        assert [counts["created"], counts["not_attempted"]] == [3, 2]
        second = deliver(box, PIPEDRIVE, messages, tmp_path, ledger_url=url)
        assert second.counts("persons") == {"planned": 5, "created": 2, "unchanged": 3}
    else:
        assert run.returncode == 0, err.decode()
        assert json.loads(out) == {"bookmarks": {"users": {"at": "after five"}}}
        assert [counts["created"], counts["not_attempted"]] == [5, 0]
    assert len(box.people(PIPEDRIVE)) == 5


def test_a_job_that_another_run_waits_for_is_left_alone_and_a_forgotten_one_holds_nobody_up(
    box: Box, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    people = [schema_message(), user(1)]
    deliver(box, SALESFORCE, people[:1], tmp_path, ledger_url=url)
    account = report_of(tmp_path, SALESFORCE)["account"]
    holder = held_open(request, url, Scope("salesforce", account, "another-run"))
    holder.claims.take("Contact", ["user-9"])
    holder.jobs.begin("Contact", "750000000000001")
    assert deliver(box, SALESFORCE, people, tmp_path, ledger_url=url).code == 0
    assert box.log(SALESFORCE, "750000000000001") == []
    assert [job.job_id for job in holder.jobs.open()] == ["750000000000001"]
    holder.claims.end()
    assert deliver(box, SALESFORCE, people, tmp_path, ledger_url=url).code == 0
    assert box.log(SALESFORCE, "750000000000001")
    assert holder.jobs.open() == []
