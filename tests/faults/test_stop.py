"""SIGTERM, whatever the target waits for: exit 143 soon, a report of its own, settled STATE out."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.crm.call_count import CallCount
from reverse_etl.crm.http import LONGEST_RETRY_AFTER_S, SETUP, CrmHttp
from reverse_etl.errors import BudgetSpentError, StoppedError
from reverse_etl.pipeline.control import RunControl

from box import Box
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm, each_crm
from support import (
    Message,
    deliver,
    extract,
    pipeline_streams,
    report_of,
    state,
    target_command,
    user,
    users,
    wait_for,
)

LONG_S = 250
"""A wait that a run keeps, and that no test could."""


def people() -> list[Message]:
    """Eight users, and a STATE after each four."""
    first = [*users(4), state("first")]
    return [*first, *(user(number) for number in range(4, 8)), state("second")]


def stopped(
    box: Box, crm: Crm, folder: Path, struck: str, within_s: float = 5, **config: Any
) -> list[Any]:
    """Run the target, stop it once the fault has struck; the STATEs it wrote."""
    command = target_command(box, crm, people(), folder, **{"batch_size_rows": 4} | config)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for(lambda: box.struck(crm, struck))
        time.sleep(0.1)  # the answer has arrived, and the target waits
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err.decode()
    assert time.monotonic() - began < within_s
    assert b"Traceback" not in err
    report = report_of(folder, crm)
    assert (report["exit_code"], report["message"][:20]) == (143, "stopped by signal 15")
    for counts in report["objects"].values():
        outcomes = [value for name, value in counts.items() if name in COUNTS]
        assert counts["planned"] == sum(outcomes) + sum(counts["skipped"].values())
    return [json.loads(line)["bookmarks"]["users"]["at"] for line in out.splitlines()]


COUNTS = ("created", "updated", "unchanged", "waiting", "rejected", "not_attempted")


@each_crm
def test_while_it_waits_to_send_a_write_again(box: Box, crm: Crm, tmp_path: Path) -> None:
    wait = {"retry_after_s": LONG_S}
    box.fault(crm, "429", match=crm.person_writes, after=crm.calls(4), times=9, args=wait)
    assert stopped(box, crm, tmp_path, "429") == ["first"]
    box.clear_faults()
    assert deliver(box, crm, people(), tmp_path).code == 0
    assert len(box.people(crm)) == 8


@each_crm
@pytest.mark.parametrize(
    ("fault", "grace_s"), [("429", 20), pytest.param("slow", 1, marks=pytest.mark.soak)]
)
def test_what_was_gathered_and_not_sent_keeps_its_state_back(
    box: Box, crm: Crm, fault: str, grace_s: int, tmp_path: Path
) -> None:
    """Salesforce gathers people whose payments follow: between spool and call is a moment."""
    messages = extract(box, tmp_path, streams=pipeline_streams(crm))
    wait = {"retry_after_s": LONG_S, "delay_ms": 6000}
    box.fault(crm, fault, match=crm.person_writes, times=99, args=wait)
    command = target_command(box, crm, messages, tmp_path, stop_grace_s=grace_s)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: box.struck(crm, fault))
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert out == b""
    assert report_of(tmp_path, crm)["objects"][crm.people]["not_attempted"] > 0


SET_UPS: dict[Crm, str] = {
    HUBSPOT: "/properties/",
    PIPEDRIVE: "POST /pipedrive/api/v2/personFields",
    SALESFORCE: "/Soap/m/",
}
LOOK_UPS: dict[Crm, str] = {
    HUBSPOT: "contacts/batch/read",
    PIPEDRIVE: "GET /pipedrive/api/v2/persons",
    SALESFORCE: "/composite",
}


@pytest.mark.parametrize("crm", SET_UPS, ids=str)
def test_while_it_creates_fields(box: Box, crm: Crm, tmp_path: Path) -> None:
    box.fault(crm, "429", match=SET_UPS[crm], times=9, args={"retry_after_s": LONG_S})
    assert stopped(box, crm, tmp_path, "429") == []
    box.clear_faults()
    assert deliver(box, crm, people(), tmp_path).code == 0


@pytest.mark.parametrize("crm", LOOK_UPS, ids=str)
def test_while_it_looks_records_up(box: Box, crm: Crm, tmp_path: Path) -> None:
    deliver(box, crm, users([99]), tmp_path)
    box.fault(crm, "429", match=LOOK_UPS[crm], times=9, args={"retry_after_s": LONG_S})
    assert stopped(box, crm, tmp_path, "429") == []
    assert len(box.people(crm)) == 1


@each_crm
def test_while_it_signs_in(box: Box, crm: Crm, tmp_path: Path) -> None:
    _, credentials = next(iter(crm.sign_ins().items()))
    config: dict[str, Any] = {
        name: value.format(url=box.url) if isinstance(value, str) else value
        for name, value in {**crm.no_credentials, **credentials}.items()
    }
    box.fault(crm, "503", match="token", times=9)
    assert stopped(box, crm, tmp_path, "503", **config) == []


def test_while_a_call_is_not_answered(box: Box, tmp_path: Path) -> None:
    box.fault(HUBSPOT, "slow", match=HUBSPOT.person_writes, after=1, args={"delay_ms": 6000})
    began = time.monotonic()
    assert stopped(box, HUBSPOT, tmp_path, "slow", stop_grace_s=1) == ["first"]
    assert time.monotonic() - began < 30
    report = report_of(tmp_path, HUBSPOT)
    assert "took over 1 s" in report["message"]
    assert report["objects"]["contacts"]["not_attempted"] == 4


def test_a_block_that_is_settled_after_the_signal_releases_its_state(
    box: Box, tmp_path: Path
) -> None:
    box.fault(HUBSPOT, "slow", match=HUBSPOT.person_writes, after=1, args={"delay_ms": 1500})
    assert stopped(box, HUBSPOT, tmp_path, "slow") == ["first", "second"]
    assert len(box.people(HUBSPOT)) == 8


@pytest.mark.parametrize("when", ["it begins", "it writes"])
def test_while_another_process_writes_the_ledger(box: Box, when: str, tmp_path: Path) -> None:
    """SQLite has one writer a file, and waits for it in C, where no signal arrives."""
    url = f"sqlite:///{tmp_path}/held.db"
    deliver(box, HUBSPOT, users([99]), tmp_path, ledger_url=url)
    holder = sqlite3.connect(tmp_path / "held.db", isolation_level=None)
    if when == "it begins":
        holder.execute("BEGIN IMMEDIATE")
    box.forget_log(HUBSPOT)
    box.fault(HUBSPOT, "slow", match=HUBSPOT.person_writes, args={"delay_ms": 1000})
    config = {"ledger_url": url, "stop_grace_s": 1}
    command = target_command(box, HUBSPOT, people(), tmp_path, **config)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        if when == "it begins":
            wait_for(lambda: box.log(HUBSPOT))  # it asks whose account it is
        else:
            wait_for(lambda: box.struck(HUBSPOT, "slow"))
            holder.execute("BEGIN IMMEDIATE")
        time.sleep(2)  # the target waits for the lock
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=70)
    holder.execute("ROLLBACK")
    holder.close()
    assert (process.returncode, out) == (143, b""), err.decode()
    assert time.monotonic() - began < 10
    assert report_of(tmp_path, HUBSPOT)["message"].startswith("stopped by signal 15")
    box.clear_faults()
    assert deliver(box, HUBSPOT, people(), tmp_path, ledger_url=url).code == 0
    assert len(box.people(HUBSPOT)) == 9


# Waits that are too long


@each_crm
def test_a_wait_that_is_too_long_ends_the_run_as_a_spent_budget(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    wait = {"retry_after_s": 3600}
    box.fault(crm, "429", match=crm.person_writes, after=crm.calls(4), times=9, args=wait)
    began = time.monotonic()
    result = deliver(box, crm, people(), tmp_path, batch_size_rows=4)
    assert time.monotonic() - began < 30
    assert result.code == 0
    assert "asks for a wait of 3600 s" in result.report["message"]
    assert [line["bookmarks"]["users"]["at"] for line in result.states] == ["first"]
    assert result.counts(crm.people) == {"planned": 8, "created": 4, "not_attempted": 4}
    box.clear_faults()
    assert deliver(box, crm, people(), tmp_path).code == 0
    assert len(box.people(crm)) == 8


def test_a_pause_that_headers_ask_for_is_bounded_too_and_loses_no_answer() -> None:
    http = CrmHttp("http://x", "CRM", dict, sleep=lambda _: None, monotonic=lambda: 0.0)
    http._hold(LONGEST_RETRY_AFTER_S + 1)
    with pytest.raises(BudgetSpentError, match="asks for a wait of 301 s"):
        http.call("GET", "/", SETUP)
    assert http.calls.total == 0


def test_after_a_signal_no_call_goes_out() -> None:
    control, calls = RunControl(), CallCount()
    calls.check = control.check_signal
    calls.add("x", "find")
    control.stop(15)
    with pytest.raises(StoppedError):
        calls.add("x", "find")
    assert calls.total == 1
    began = time.monotonic()
    control.wait(100)
    with pytest.raises(StoppedError):
        control.sleep(100)
    assert time.monotonic() - began < 1
