"""Targets and the tap, run against a sandbox: in this process, or as real pipes."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reverse_etl.singer import cli as commands
from tap_canai import cli as tap_commands
from tap_canai.schema_files import load_schema
from tap_canai.tap import TapCanAI

from box import BIN, Box
from crms import SALESFORCE, Crm

ROOT = Path(__file__).parent.parent
STREAMS = (
    "users",
    "payments",
    "deliverables",
    "analytics",
    "journey_analytics",
    "revenue_analytics",
    "feedback",
    "sessions",
)
"""The streams that exports bring."""
Message = dict[str, Any]


# Settings


def target_config(
    box: Box, crm: Crm, folder: Path, account: str = "", **more: Any
) -> dict[str, Any]:
    """Settings of a target that keeps ledger and reports in a folder."""
    return {
        **crm.credentials(box.url, account),
        "ledger_url": f"sqlite:///{folder}/{crm}.db",
        "report_dir": f"{folder}/reports-{crm}",
        "provision": True,
        **more,
    }


def tap_config(box: Box, folder: Path, **more: Any) -> dict[str, Any]:
    """Settings of a tap that keeps its audit log in a folder."""
    return {
        "audit_log": f"{folder}/audit.jsonl",
        "api_key": "sandbox-key",
        "api_url": f"{box.url}/canai",
        "start_date": "2025-12-01T00:00:00Z",
        "allow_private_download_hosts": True,
        **more,
    }


def written(folder: Path, name: str, content: object) -> Path:
    """A file with this text, or this JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def lines_of(folder: Path, messages: Iterable[object], name: str = "messages.jsonl") -> Path:
    """A file of messages."""
    return written(folder, name, "".join(json.dumps(message) + "\n" for message in messages))


def catalog(folder: Path, streams: Iterable[str]) -> Path:
    """A catalog with just these streams selected."""
    tap = TapCanAI(config={"api_key": "none", "inbox_url": "sqlite:///none"})
    entries = []
    for entry in tap.catalog_dict["streams"]:
        for metadata in entry["metadata"]:
            if metadata["breadcrumb"] in ([], ()):
                metadata["metadata"]["selected"] = entry["tap_stream_id"] in streams
        entries.append(entry)
    return written(folder, "catalog.json", {"streams": entries})


# Runs


@contextlib.contextmanager
def log_handlers_kept() -> Iterator[None]:
    """Remove the log handlers that a run adds.

    The SDK adds one each time, so that after many runs in one process each line goes out as often.
    """
    root = logging.getLogger()
    before = root.handlers[:]
    try:
        yield
    finally:
        root.handlers[:] = before


@dataclass
class Result:
    """How a run ended."""

    code: int
    states: list[Any]
    stderr: str
    """What a process of its own wrote there."""
    report: dict[str, Any] = field(default_factory=dict)

    def counts(self, kind: str) -> dict[str, int]:
        """Counts of an object that are not 0."""
        counted = self.report["objects"][kind]
        plain = {name: value for name, value in counted.items() if isinstance(value, int)}
        assert plain.pop("rejected") == plain["dead"]  # two names of one count, for one version
        return {name: value for name, value in (plain | counted["skipped"]).items() if value}

    @property
    def letters(self) -> list[dict[str, Any]]:
        """The open dead letters."""
        letters: list[dict[str, Any]] = self.report["dead_letters"]
        return letters


def deliver(
    box: Box,
    crm: Crm,
    messages: Iterable[object] | Path,
    folder: Path,
    **config: Any,
) -> Result:
    """Run a target in this process over messages, or over a file of them."""
    config_file = written(folder, f"{crm}.json", target_config(box, crm, folder, **config))
    lines = messages if isinstance(messages, Path) else lines_of(folder, messages)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), log_handlers_kept():
        code = commands.main(crm.target, ["--config", str(config_file), "--input", str(lines)])
    check_ledger(folder / f"{crm}.db")
    return Result(
        code,
        [json.loads(line) for line in out.getvalue().splitlines()],
        "",
        report_of(folder, crm),
    )


def check_ledger(path: Path) -> None:
    """Assert that no CRM record is under two keys."""
    if not path.is_file():
        return
    query = (
        "SELECT account, object, crm_id FROM entry WHERE state = 'settled' "
        "GROUP BY account, object, crm_id HAVING count(*) > 1"
    )
    with contextlib.closing(sqlite3.connect(path)) as base, contextlib.suppress(sqlite3.Error):
        assert base.execute(query).fetchall() == []


def target_command(
    box: Box, crm: Crm, messages: Iterable[object] | Path, folder: Path, **config: Any
) -> list[str]:
    """The command that runs a target in a process of its own."""
    config_file = written(folder, f"{crm}.json", target_config(box, crm, folder, **config))
    lines = messages if isinstance(messages, Path) else lines_of(folder, messages)
    return [str(BIN / f"target-{crm}"), "--config", str(config_file), "--input", str(lines)]


def report_of(folder: Path, crm: Crm) -> dict[str, Any]:
    """The latest report of a target; empty before the first."""
    path = folder / f"reports-{crm}" / "latest.json"
    return json.loads(path.read_text()) if path.exists() else {}


def lose_ledger(folder: Path, crm: Crm) -> None:
    """Delete the ledger that `deliver` keeps."""
    for file in folder.glob(f"{crm}.db*"):
        file.unlink()


def run_tap(
    box: Box,
    folder: Path,
    *more: str,
    state: Any = None,
    streams: Iterable[str] = ("users",),
    **config: Any,
) -> tuple[int, list[Message]]:
    """Run the tap in this process; its exit code and messages."""
    arguments = ["--config", str(written(folder, "tap.json", tap_config(box, folder, **config)))]
    arguments += ["--catalog", str(catalog(folder, streams)), *more]
    if state is not None:
        arguments += ["--state", str(written(folder, "state.json", state))]
    out = io.StringIO()
    with contextlib.redirect_stdout(out), log_handlers_kept():
        code = tap_commands.main(arguments)
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


def exports_noted(folder: Path) -> list[dict[str, Any]]:
    """The exports in the audit log that the tap keeps in a folder."""
    audit = folder / "audit.jsonl"
    lines = audit.read_text().splitlines() if audit.exists() else []
    return [line for line in map(json.loads, lines) if line["event"] == "export"]


def extract(
    box: Box,
    folder: Path,
    state: Any = None,
    streams: Iterable[str] = ("users", "payments"),
    **config: Any,
) -> Path:
    """Run the tap in this process; the file of its messages."""
    box.advance(2)  # a Date header has whole seconds: what is younger comes next time
    code, messages = run_tap(box, folder, state=state, streams=streams, **config)
    assert code == 0
    return lines_of(folder, messages, f"out-{time.monotonic_ns()}.jsonl")


def pipeline_streams(crm: Crm) -> tuple[str, ...]:
    """The streams that people and deals of a CRM come from."""
    return ("users", "payments") if crm is SALESFORCE else ("users",)


def pipe(box: Box, crm: Crm, folder: Path, state: Any = None, **config: Any) -> Result:
    """`tap | target` as real processes; the last STATE is the run's, as Meltano would keep it."""
    config_file = written(folder, f"{crm}.json", target_config(box, crm, folder, **config))
    tap_command = [str(BIN / "tap-canai"), "--config"]
    tap_command += [str(written(folder, "tap.json", tap_config(box, folder)))]
    tap_command += ["--catalog", str(catalog(folder, pipeline_streams(crm)))]
    if state is not None:
        tap_command += ["--state", str(written(folder, "state.json", state))]
    with open(folder / "tap.err", "wb") as tap_err:
        tap = subprocess.Popen(tap_command, stdout=subprocess.PIPE, stderr=tap_err)
        target = subprocess.Popen(
            [str(BIN / f"target-{crm}"), "--config", str(config_file)],
            stdin=tap.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert tap.stdout is not None
        tap.stdout.close()
        out, err = target.communicate(timeout=180)
        tap_code = tap.wait(30)
    states = [json.loads(line) for line in out.decode().splitlines()]
    return Result(target.returncode or tap_code, states, err.decode(), report_of(folder, crm))


# What a CRM holds


def contents(box: Box, crm: Crm, account: str = "") -> dict[str, Any]:
    """What a CRM holds, by key, without what differs between equal runs."""
    people = box.people(crm, account)
    by_id = {str(row["id"]): row["properties"].get(crm.person_key) for row in people}
    held: dict[str, Any] = {}
    for kind, key, rows in (
        (crm.people, crm.person_key, people),
        (crm.deals, crm.deal_key, box.objects(crm, crm.deals, account)),
    ):
        for row in rows:
            properties = row["properties"]
            values = {name: value for name, value in properties.items() if name not in crm.volatile}
            links = sorted(str(by_id.get(end)) for end in linked(row, crm.people))
            held.setdefault(f"{kind}/{properties.get(key)}", []).append(
                {"values": values, "links": links}
            )
    return held


def linked(row: Mapping[str, Any], kind: str) -> list[str]:
    """Ids of the records of an object that a record is linked to."""
    return [str(link["id"]) for link in row["links"] if link["object"] == kind]


def by_key(box: Box, crm: Crm, kind: str, key: str, account: str = "") -> dict[str, dict[str, Any]]:
    """Records of an object by their key; no key occurs twice."""
    rows = box.objects(crm, kind, account)
    found = {str(row["properties"].get(key)): row for row in rows}
    assert len(found) == len(rows)
    return found


# Messages


def schema_message(stream: str = "users", key: str = "user_id") -> Message:
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": load_schema(stream),
        "key_properties": [key],
    }


def user(number: int, **more: Any) -> Message:
    """A RECORD of a user that every CRM takes."""
    record = {
        "user_id": f"user-{number}",
        "email": f"user{number}@example.com",
        "first_name": "Ann",
        "last_name": f"Lee{number}",
        "last_active_at": "2026-01-01T00:00:00.000000Z",
        "current_journey_stage": "F4",
        "business_type": "bakery",
        "total_spent": 0,
        "total_sessions": 1,
        "trust_delta_average": 3.5,
        "subscription_tier": "standard",
        **more,
    }
    return record_message("users", record)


def users(numbers: int | Iterable[int], **more: Any) -> list[Message]:
    """The SCHEMA of users, and a RECORD for each number."""
    each = range(numbers) if isinstance(numbers, int) else numbers
    return [schema_message(), *(user(number, **more) for number in each)]


def payment(number: int, user_number: int, **more: Any) -> Message:
    """A RECORD of a payment by a user."""
    record = {
        "payment_id": f"pay-{number}",
        "user_id": f"user-{user_number}",
        "user_email": f"user{user_number}@example.com",
        "amount": 10,
        "currency": "USD",
        "status": "succeeded",
        "refunded_amount": 0,
        "product_track": "site_audit",
        "created_at": "2026-01-01T00:00:00.000000Z",
        "updated_at": "2026-01-01T00:00:00.000000Z",
        **more,
    }
    return record_message("payments", record)


def record_message(
    stream: str, record: Mapping[str, Any], at: str = "2026-01-02T00:00:00.000000Z"
) -> Message:
    return {"type": "RECORD", "stream": stream, "record": dict(record), "time_extracted": at}


def later(message: Message, day: int = 3) -> Message:
    """The same record, observed on another day of January."""
    return {**message, "time_extracted": f"2026-01-{day:02d}T00:00:00.000000Z"}


def state(value: object) -> Message:
    return {"type": "STATE", "value": {"bookmarks": {"users": {"at": value}}}}


def records(messages: Iterable[Message] | Path, stream: str = "") -> list[dict[str, Any]]:
    """The records among messages, of one stream or of all."""
    return [
        message["record"]
        for message in messages_of(messages)
        if message["type"] == "RECORD" and stream in ("", message["stream"])
    ]


def last_state(messages: Iterable[Message] | Path) -> Any:
    """The value of the last STATE."""
    return [message["value"] for message in messages_of(messages) if message["type"] == "STATE"][-1]


def messages_of(messages: Iterable[Message] | Path) -> Sequence[Message]:
    if isinstance(messages, Path):
        return [json.loads(line) for line in messages.read_text().splitlines()]
    return list(messages)


# The machine


def wait_for(condition: Callable[[], object], timeout_s: float = 30) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def has_node() -> bool:
    return shutil.which("node") is not None and shutil.which("npm") is not None


def clean_environment() -> dict[str, str]:
    """This process's environment without any setting of ours."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TAP_", "TARGET_", "CANAI_", "MELTANO_"))
    }
