"""What `make demo`, `make sync`, `make stop` and `make forget` do.

The sandbox runs detached; its process id and port are in `.meltano/run/sandbox.json`. The port is also written into
`.env`, where Meltano finds it, so that a plain `meltano run to-hubspot` reaches the same sandbox.
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
    """Something a person has to mend; told in one line."""


def port() -> int:
    """The port asked for by PORT, else 8765. Raises: DemoError."""
    given = os.environ.get("PORT") or "8765"
    if not given.isdigit() or not 0 < int(given) < 65_536:
        raise DemoError(f"PORT={given} is no port number.")
    return int(given)


def ours(at: int) -> bool:
    """Whether a sandbox answers there."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{at}/_sandbox/faults", timeout=5) as answer:
            return answer.status == 200 and isinstance(json.load(answer), list)
    except (OSError, ValueError):
        return False


def taken(at: int) -> bool:
    """Whether anything listens there."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((HOST, at)) == 0


def stop() -> bool:
    """Stop the sandbox that this workspace started; whether there was one."""
    try:
        known = json.loads(PID_FILE.read_text())
    except (OSError, ValueError):
        return False
    PID_FILE.unlink()
    try:
        os.kill(known["pid"], signal.SIGTERM)
    except ProcessLookupError:
        return False
    for _ in range(100):
        if not taken(known["port"]):
            return True
        time.sleep(0.1)
    raise DemoError(f"The sandbox (process {known['pid']}) does not stop.")


def start(at: int) -> None:
    """Start the sandbox in the background. Raises: DemoError."""
    if taken(at):
        raise DemoError(
            f"Port {at} is in use. Choose another, as in `make demo PORT=8799`, or stop what listens there."
        )
    RUN.mkdir(parents=True, exist_ok=True)
    log = RUN / "sandbox.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            [str(BIN / "canai-sandbox"), "serve", "--port", str(at)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=ROOT,
        )  # fmt: skip
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
    """Run the three jobs; 1 where one failed."""
    environment = {
        **os.environ,
        "CANAI_SANDBOX_PORT": str(at),
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        "NO_COLOR": "1",
    }
    failed = []
    for crm in CRMS:
        print(
            f"== meltano run {'--full-refresh ' if full else ''}tap-canai target-{crm}", flush=True
        )
        (RUN / f"target-{crm}" / "reports" / "latest.json").unlink(missing_ok=True)
        command = [str(BIN / "meltano"), "run", *(["--full-refresh"] if full else []), f"to-{crm}"]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode:
            failed.append(crm)
    print(table(), flush=True)
    for crm in failed:
        print(f"FAILED: to-{crm}; the messages are above", file=sys.stderr)
    return 1 if failed else 0


def table() -> str:
    """What the last runs did, per CRM and object."""
    rows: list[tuple[str, ...]] = [("CRM", "object", *COLUMNS)]
    notes: list[str] = []
    for crm in CRMS:
        path = RUN / f"target-{crm}" / "reports" / "latest.json"
        if not path.exists():
            rows.append((crm, "no report", *("–" for _ in COLUMNS)))
            continue
        report: dict[str, Any] = json.loads(path.read_text())
        for name, one in report["objects"].items():
            calls = report["calls"]["objects"][name]
            cells = (
                one["planned"], one["created"], one["updated"], one["unchanged"], sum(one["skipped"].values()), one["waiting"],
                one["dead"] + one["not_attempted"], calls["made"], calls["least"],
            )  # fmt: skip
            rows.append((crm, name, *(f"{cell:,}" for cell in cells)))
        if not report["objects"]:
            rows.append((crm, "nothing new", *("0" for _ in COLUMNS)))
        links = report["links"]
        if links["wanted"]:
            told = ", ".join(
                f"{links[name]:,} {name}" for name in ("made", "kept", "waiting", "dead")
            )
            notes.append(f"{crm}: {links['wanted']:,} links: {told}")
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(["", lines[0], "-" * len(lines[0]), *lines[1:], *notes, ""])


def demo() -> int:
    """Everything afresh: the sandbox, the ledgers, a full sync, the table."""
    stop()
    at = port()
    start(at)
    remember_port(at)
    forget()
    code = sync(at, full=True)
    print(f"See what is in each CRM: http://{HOST}:{at}/   (make stop ends the sandbox)")
    return code


def candidates() -> list[int]:
    """Where the sandbox may be: PORT alone where it is set, else where it was started or last used, else 8765."""
    if os.environ.get("PORT"):
        return [port()]
    found = [json.loads(PID_FILE.read_text())["port"]] if PID_FILE.exists() else []
    if (ROOT / ".env").exists():
        lines = (ROOT / ".env").read_text().splitlines()
        found += [
            int(line.split("=", 1)[1]) for line in lines if line.startswith("CANAI_SANDBOX_PORT=")
        ]
    return [*found, port()]


def sync_running() -> int:
    """The jobs on the running sandbox. Raises: DemoError where there is none."""
    at = next((one for one in candidates() if ours(one)), None)
    if at is None:
        at = port()
        raise DemoError(
            f"No sandbox answers on port {at}. Run `make demo`, or `make sandbox` in another terminal."
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
