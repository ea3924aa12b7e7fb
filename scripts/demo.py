"""What `make demo`, `make sync`, `make stop` and `make forget` do.

The sandbox runs detached; its process id and port are in `.meltano/run/sandbox.json`. The port is
also written into `.env`, where Meltano finds it, so that a plain `meltano run to-hubspot` reaches
the same sandbox.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
BIN = ROOT / ".venv" / "bin"
RUN = ROOT / ".meltano" / "run"
PID_FILE = RUN / "sandbox.json"
CRMS = ("salesforce", "hubspot", "pipedrive")
HOST = "127.0.0.1"
START_WAIT_S = 30.0
COLUMNS = (
    "planned",
    "created",
    "updated",
    "unchanged",
    "skipped",
    "waiting",
    "rejected",
    "calls",
    "least",
)


class DemoError(Exception):
    """An error you need to fix; printed in one line."""


def port() -> int:
    """The port in PORT, or 8765. Raises: DemoError."""
    number = os.environ.get("PORT") or "8765"
    if not number.isdigit() or not 0 < int(number) < 65_536:
        raise DemoError(f"PORT={number} is not a valid port number.")
    return int(number)


def ours(at: int) -> bool:
    """Returns True if a sandbox answers on this port."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{at}/_sandbox/faults", timeout=5) as answer:
            return answer.status == 200 and isinstance(json.load(answer), list)
    except (OSError, ValueError):
        return False


def taken(at: int) -> bool:
    """Returns True if anything listens on this port."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((HOST, at)) == 0


def stop() -> bool:
    """Stop the sandbox that this workspace started. Returns True if one was running."""
    try:
        sandbox = json.loads(PID_FILE.read_text())
    except (OSError, ValueError):
        return False
    PID_FILE.unlink()
    try:
        os.kill(sandbox["pid"], signal.SIGTERM)
    except ProcessLookupError:
        return False
    for _ in range(100):
        if not taken(sandbox["port"]):
            return True
        time.sleep(0.1)
    raise DemoError(f"The sandbox (process {sandbox['pid']}) does not stop.")


def start(at: int) -> None:
    """Start the sandbox in the background. Raises: DemoError."""
    if taken(at):
        raise DemoError(
            f"Port {at} is in use. Choose another, as in `make demo PORT=8799`, "
            "or stop the process that uses it."
        )
    RUN.mkdir(parents=True, exist_ok=True)
    log = RUN / "sandbox.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [str(BIN / "canai-sandbox"), "serve", "--port", str(at)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=ROOT,
        )
    PID_FILE.write_text(json.dumps({"pid": process.pid, "port": at}))
    deadline = time.monotonic() + START_WAIT_S
    while not ours(at):
        if process.poll() is not None or time.monotonic() > deadline:
            raise DemoError(f"The sandbox did not start; see {log.relative_to(ROOT)}.")
        time.sleep(0.1)


def remember_port(at: int) -> None:
    """Write the port into .env, where Meltano reads it."""
    path = ROOT / ".env"
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if not line.startswith("CANAI_SANDBOX_PORT=")]
    text = "\n".join([*kept, f"CANAI_SANDBOX_PORT={at}"]) + "\n"
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
        path.chmod(0o600)


def forget() -> None:
    """Delete the three ledgers."""
    for crm in CRMS:
        for file in (RUN / f"target-{crm}").glob("ledger.db*"):
            file.unlink()


def sync(at: int, *, full: bool) -> int:
    """Run the three jobs. Returns the exit code: 1 if a job failed."""
    failed = [crm for crm in CRMS if not run_job(crm, at, full=full)]
    print(table(), flush=True)
    for crm in failed:
        print(f"FAILED: to-{crm}; the messages are above", file=sys.stderr)
    return 1 if failed else 0


def run_job(crm: str, at: int, *, full: bool) -> bool:
    """Run one job. Returns True if it succeeded."""
    refresh = ["--full-refresh"] if full else []
    print(" ".join(["== meltano run", *refresh, f"tap-canai target-{crm}"]), flush=True)
    report_of(crm).unlink(missing_ok=True)
    environment = {
        **os.environ,
        "CANAI_SANDBOX_PORT": str(at),
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        "NO_COLOR": "1",
    }
    command = [str(BIN / "meltano"), "run", *refresh, f"to-{crm}"]
    done = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False)
    return done.returncode == 0


def report_of(crm: str) -> Path:
    """The file of a target's last run report."""
    return RUN / f"target-{crm}" / "reports" / "latest.json"


def table() -> str:
    """What the last runs did, per CRM and object, and notes below."""
    rows: list[tuple[str, ...]] = [("CRM", "object", *COLUMNS)]
    notes: list[str] = []
    for crm in CRMS:
        if not report_of(crm).exists():
            rows.append((crm, "no report", *("–" for _ in COLUMNS)))
            continue
        report: dict[str, Any] = json.loads(report_of(crm).read_text())
        rows += rows_of(crm, report)
        notes += notes_of(crm, report)
    lines = aligned(rows)
    return "\n".join(["", lines[0], "-" * len(lines[0]), *lines[1:], *notes, ""])


def rows_of(crm: str, report: dict[str, Any]) -> list[tuple[str, ...]]:
    """A report's rows of the table."""
    rows = []
    for name, counts in report["objects"].items():
        calls = report["calls"]["objects"][name]
        cells = (
            counts["planned"],
            counts["created"],
            counts["updated"],
            counts["unchanged"],
            sum(counts["skipped"].values()),
            counts["waiting"],
            counts["rejected"],
            calls["made"],
            calls["least"],
        )
        rows.append((crm, name, *(f"{cell:,}" for cell in cells)))
    return rows or [(crm, "nothing new", *("0" for _ in COLUMNS))]


def notes_of(crm: str, report: dict[str, Any]) -> list[str]:
    """What the table does not show: links, and records that were not attempted."""
    notes = [
        f"{crm}: {counts['not_attempted']:,} {name} were not attempted"
        for name, counts in report["objects"].items()
        if counts["not_attempted"]
    ]
    links = report["links"]
    if links["wanted"]:
        names = ("made", "kept", "waiting", "dead")
        counts = ", ".join(f"{links[name]:,} {name}" for name in names)
        notes.append(f"{crm}: {links['wanted']:,} links: {counts}")
    return notes


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Rows as lines: two columns of text to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def demo() -> int:
    """Start from scratch: a new sandbox, no ledgers, a full sync, the table."""
    stop()
    at = port()
    start(at)
    remember_port(at)
    forget()
    code = sync(at, full=True)
    print(f"See what is in each CRM: http://{HOST}:{at}/   (make stop ends the sandbox)")
    return code


def candidates() -> list[int]:
    """Ports to look for the sandbox on: PORT if it is set, else the last ones used, then 8765."""
    if os.environ.get("PORT"):
        return [port()]
    ports = [json.loads(PID_FILE.read_text())["port"]] if PID_FILE.exists() else []
    if (ROOT / ".env").exists():
        lines = (ROOT / ".env").read_text().splitlines()
        ports += [
            int(line.split("=", 1)[1]) for line in lines if line.startswith("CANAI_SANDBOX_PORT=")
        ]
    return [*ports, port()]


def sync_running() -> int:
    """Run the jobs on the running sandbox. Raises: DemoError if none is running."""
    at = next((candidate for candidate in candidates() if ours(candidate)), None)
    if at is None:
        raise DemoError(
            f"No sandbox answers on port {port()}. "
            "Run `make demo`, or `make sandbox` in another terminal."
        )
    remember_port(at)
    return sync(at, full=os.environ.get("FULL", "") not in ("", "0"))


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["demo", "sync", "stop", "forget"])
    command = parser.parse_args().command
    try:
        if command == "demo":
            return demo()
        if command == "sync":
            return sync_running()
        if command == "forget":
            forget()
            print("The three ledgers are deleted.")
            return 0
        print("The sandbox is stopped." if stop() else "No sandbox of this workspace was running.")
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
