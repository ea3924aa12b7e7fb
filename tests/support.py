"""A sandbox on a free port, and targets and the tap run against it: in this process, or as real pipes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reverse_etl.singer import cli as commands
from tap_canai.cli import main as run_tap
from tap_canai.tap import TapCanAI
from target_hubspot.target import TargetHubSpot
from target_pipedrive.target import TargetPipedrive
from target_salesforce.target import TargetSalesforce

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
TARGETS = {"hubspot": TargetHubSpot, "pipedrive": TargetPipedrive, "salesforce": TargetSalesforce}
PEOPLE = {"hubspot": "contacts", "pipedrive": "persons", "salesforce": "Contact"}
DEALS = {"hubspot": "deals", "pipedrive": "deals", "salesforce": "Opportunity"}
PERSON_KEY = {
    "hubspot": "canai_user_id",
    "pipedrive": "canai_user_id",
    "salesforce": "CanAI_User_ID__c",
}
DEAL_KEY = {
    "hubspot": "canai_deal_id",
    "pipedrive": "canai_deal_id",
    "salesforce": "CanAI_Payment_ID__c",
}
VOLATILE = {
    "hs_object_id", "createdate", "lastmodifieddate", "CreatedDate", "LastModifiedDate", "SystemModstamp", "add_time", "update_time",
    "stage_change_time", "person_id", "ContactId", "OwnerId",
}  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Box:
    """A running sandbox."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(
            self.url + path, data=data, method=method, headers=headers or {}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def objects(self, crm: str, name: str, account: str = "") -> list[dict[str, Any]]:
        return self.call(
            "GET", f"/_sandbox/objects/{crm}/{name}{f'?account={account}' if account else ''}"
        )

    def log(self, crm: str) -> list[dict[str, Any]]:
        return self.call("GET", f"/_sandbox/requests/{crm}")

    def writes(self, crm: str) -> list[dict[str, Any]]:
        """Write calls on records: those that create fields are not counted."""
        setup = ("/properties/", "Fields", "/tooling/", "PermissionSet", "/groups")
        plain = [
            line
            for line in self.log(crm)
            if line["kind"] == "write" and not any(part in line["path"] for part in setup)
        ]
        return [
            line
            for line in plain
            if not (line["path"].endswith("/composite/sobjects") and line["method"] == "POST")
        ]

    def forget_log(self) -> None:
        for crm in ("canai", *TARGETS):
            self.call("DELETE", f"/_sandbox/requests/{crm}")

    def fault(self, crm: str, fault: str, **more: Any) -> None:
        self.call("POST", "/_sandbox/faults", {"crm": crm, "fault": fault, **more})

    def reset(self) -> None:
        self.call("POST", "/_sandbox/reset")


@contextlib.contextmanager
def sandbox(users: int, *options: str) -> Iterator[Box]:
    port = free_port()
    command = [
        str(BIN / "canai-sandbox"),
        "serve",
        "--port",
        str(port),
        "--users",
        str(users),
        *options,
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    box = Box(port, process)
    try:
        for _ in range(200 + users // 100):
            with contextlib.suppress(OSError):
                box.log("canai")
                break
            assert process.poll() is None, "the sandbox ended"
            time.sleep(0.05)
        yield box
    finally:
        process.terminate()
        process.wait(10)


@dataclass
class Result:
    """How a run ended."""

    code: int
    states: list[Any]
    stderr: str
    report: dict[str, Any] = field(default_factory=dict)

    def counts(self, name: str) -> dict[str, int]:
        """Counts of an object that are not 0."""
        one = self.report["objects"][name]
        flat = {key: value for key, value in one.items() if isinstance(value, int)} | one["skipped"]
        assert flat.pop("rejected") == flat["dead"]  # two names of one count, for one version
        return {key: value for key, value in flat.items() if value}


def target_config(
    box: Box, crm: str, folder: Path, account: str = "", **more: Any
) -> dict[str, Any]:
    suffix = f"-{account}" if account else ""
    own: dict[str, Any] = {
        "hubspot": {"api_url": f"{box.url}/hubspot", "access_token": f"sandbox-token{suffix}"},
        "pipedrive": {"api_url": f"{box.url}/pipedrive", "api_token": f"sandbox-token{suffix}"},
        "salesforce": {
            "login_url": f"{box.url}/salesforce",
            "client_id": f"sandbox{suffix}",
            "client_secret": f"sandbox{suffix}",
        },
    }[crm]
    place = {
        "ledger_url": f"sqlite:///{folder}/{crm}.db",
        "report_dir": f"{folder}/reports-{crm}",
        "provision": True,
    }
    return {**own, **place, **more}


def tap_config(box: Box, **more: Any) -> dict[str, Any]:
    url = f"{box.url}/canai"
    audit = f"{tempfile.gettempdir()}/canai-test-audit-{os.getpid()}.jsonl"
    return {
        "audit_log": audit,
        "api_key": "sandbox-key",
        "api_url": url,
        "start_date": "2025-12-01T00:00:00Z",
        "allow_private_download_hosts": True,
        **more,
    }


def written(folder: Path, name: str, content: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def deliver(
    box: Box,
    crm: str,
    messages: Iterable[object] | Path,
    folder: Path,
    caplog: Any = None,
    **config: Any,
) -> Result:
    """Run a target in this process over messages, or over a file of them."""
    config_file = written(folder, f"{crm}.json", target_config(box, crm, folder, **config))
    lines = (
        messages
        if isinstance(messages, Path)
        else written(folder, "messages.jsonl", "".join(json.dumps(one) + "\n" for one in messages))
    )
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = commands.main(TARGETS[crm], ["--config", str(config_file), "--input", str(lines)])
    return Result(
        code,
        [json.loads(line) for line in out.getvalue().splitlines()],
        caplog.text if caplog else "",
        report_of(folder, crm),
    )


def report_of(folder: Path, crm: str) -> dict[str, Any]:
    path = folder / f"reports-{crm}" / "latest.json"
    return json.loads(path.read_text()) if path.exists() else {}


def extract(
    box: Box,
    folder: Path,
    state: Any = None,
    streams: Iterable[str] = ("users", "payments"),
    **config: Any,
) -> Path:
    """Run the tap in this process; the file of its messages."""
    arguments = [
        "--config",
        str(written(folder, "tap.json", tap_config(box, **config))),
        "--catalog",
        str(catalog(folder, streams)),
    ]
    box.call(
        "POST", "/_sandbox/clock", {"advance_s": 2}
    )  # a Date header has whole seconds: what is younger comes next time
    if state is not None:
        arguments += ["--state", str(written(folder, "state.json", state))]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run_tap(arguments)
    assert code == 0
    return written(folder, f"out-{time.monotonic_ns()}.jsonl", out.getvalue())


def catalog(folder: Path, streams: Iterable[str]) -> Path:
    """A catalog with just these streams selected."""
    entries = []
    for entry in TapCanAI(config={"api_key": "none", "inbox_url": "sqlite:///none"}).catalog_dict[
        "streams"
    ]:
        for metadata in entry["metadata"]:
            if metadata["breadcrumb"] in ([], ()):
                metadata["metadata"]["selected"] = entry["tap_stream_id"] in streams
        entries.append(entry)
    return written(folder, "catalog.json", {"streams": entries})


def pipe(box: Box, crm: str, folder: Path, state: Any = None, **config: Any) -> Result:
    """`tap | target` as real processes; the last STATE is the run's state, as Meltano would keep it."""
    config_file = written(folder, f"{crm}.json", target_config(box, crm, folder, **config))
    tap_file = written(folder, "tap.json", tap_config(box))
    streams = ("users", "payments") if crm == "salesforce" else ("users",)
    tap_command = [
        str(BIN / "tap-canai"),
        "--config",
        str(tap_file),
        "--catalog",
        str(catalog(folder, streams)),
    ]
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


def contents(box: Box, crm: str, account: str = "") -> dict[str, Any]:
    """What a CRM holds, by key, without what differs between equal runs."""
    people = box.objects(crm, PEOPLE[crm], account)
    by_id = {str(one["id"]): one["properties"].get(PERSON_KEY[crm]) for one in people}
    held: dict[str, Any] = {}
    for name, key, rows in (
        (PEOPLE[crm], PERSON_KEY[crm], people),
        (DEALS[crm], DEAL_KEY[crm], box.objects(crm, DEALS[crm], account)),
    ):
        for row in rows:
            values = {
                field: value for field, value in row["properties"].items() if field not in VOLATILE
            }
            links = sorted(
                str(by_id.get(str(link["id"])))
                for link in row["links"]
                if link["object"] == PEOPLE[crm]
            )
            held.setdefault(f"{name}/{row['properties'].get(key)}", []).append(
                {"values": values, "links": links}
            )
    return held


def users_schema() -> dict[str, Any]:
    from tap_canai.schema_files import load_schema

    return load_schema("users")


def schema_message(stream: str = "users", key: str = "user_id") -> dict[str, Any]:
    from tap_canai.schema_files import load_schema

    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": load_schema(stream),
        "key_properties": [key],
    }


def user(number: int, **more: Any) -> dict[str, Any]:
    """A RECORD of a user that every CRM takes."""
    record = {
        "user_id": f"user-{number}", "email": f"user{number}@example.com", "first_name": "Ann", "last_name": f"Lee{number}",
        "last_active_at": "2026-01-01T00:00:00.000000Z", "current_journey_stage": "F4", "business_type": "bakery", "total_spent": 0,
        "total_sessions": 1, "trust_delta_average": 3.5, "subscription_tier": "standard", **more,
    }  # fmt: skip
    return {
        "type": "RECORD",
        "stream": "users",
        "record": record,
        "time_extracted": "2026-01-02T00:00:00.000000Z",
    }


def state(value: object) -> dict[str, Any]:
    return {"type": "STATE", "value": {"bookmarks": {"users": {"at": value}}}}


def has_node() -> bool:
    return shutil.which("node") is not None and shutil.which("npm") is not None


def clean_environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TAP_", "TARGET_", "CANAI_", "MELTANO_"))
    }
