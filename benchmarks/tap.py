"""What the tap costs per record, beside a tap as the SDK's docs teach it, on the same records.

python benchmarks/tap.py [RECORDS]     prints CPU microseconds per record, and their ratio to `u`

`u` is what orjson needs to decode and encode the RECORD line of the same record once: a unit that
survives a change of machine. CPU is what the kernel charged to the process. Start-up is left out:
each command also runs with few records, and the difference counts.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
sys.path.insert(0, str(ROOT / "tests"))

from sandbox.canai.files import write  # noqa: E402
from tap_canai.schema_files import load_schema  # noqa: E402

from support import catalog  # noqa: E402  # the tests' own parts

ROUNDS = 5
FEW = 1000
FORMATS = ("json", "csv", "xml")
NOW = "2026-01-31T00:00:00.000000Z"
PLAIN_TAP = Path(__file__).parent / "plain_tap.py"
UNIT = """
import resource, sys
import orjson
lines = open(sys.argv[1], "rb").read().splitlines()
before = resource.getrusage(resource.RUSAGE_SELF)
for _ in range(int(sys.argv[2])):
    for line in lines:
        orjson.dumps(orjson.loads(line))
after = resource.getrusage(resource.RUSAGE_SELF)
spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(spent / len(lines) / int(sys.argv[2]))
"""


class Row(NamedTuple):
    """A measured line."""

    work: str
    microseconds: float
    units: float
    """Microseconds in units of `u`."""


def people(count: int) -> list[dict[str, Any]]:
    """Users of 30 properties, of some 1,000 bytes as RECORD."""
    draw = random.Random(16)
    return [person(draw, number) for number in range(count)]


def person(draw: random.Random, number: int) -> dict[str, Any]:
    """A user."""
    stage = draw.randrange(1, 10)
    return {
        "user_id": f"user_{number:08d}",
        "email": f"person.{number}@example.org",
        "first_name": draw.choice(("Ann", "Björn", "Chloë", "Dana")),
        "last_name": draw.choice(("Meyer", "Øst", "Garcia", "Lee")),
        "phone": f"+1555{number:07d}",
        "created_at": moment(draw),
        "last_active_at": moment(draw),
        "current_journey_stage": f"F{stage}",
        "stages_completed": [f"F{done}" for done in range(1, stage)],
        "journey_completion_percentage": round(stage / 9 * 100, 2),
        "business_type": draw.choice(("bakery", "consulting", "software")),
        "business_description": "A small firm that sells bread and cakes to cafés nearby.",
        "location": draw.choice(("Berlin", "Austin, TX", None)),
        "funding_goal": draw.choice((None, 5000, 12500.5)),
        "preferred_product_track": draw.choice(("business_builder", "site_audit", None)),
        "trust_delta_average": round(draw.uniform(0, 5), 2),
        "emotional_resonance_average": round(draw.random(), 3),
        "deliverables_generated": draw.randrange(20),
        "sparks_generated": draw.randrange(40),
        "total_sessions": draw.randrange(100),
        "total_time_spent_seconds": draw.randrange(100_000),
        "last_login": moment(draw),
        "subscription_tier": draw.choice(("standard", "premium", None)),
        "total_spent": round(draw.uniform(0, 500), 2),
        "lifetime_value": round(draw.uniform(0, 2000), 2),
        "nps_score": draw.choice((None, 7, 9)),
        "average_rating": draw.choice((None, 4.5, 3.25)),
        "feedback_count": draw.randrange(9),
        "referrals_made": draw.randrange(9),
        "referral_conversions": draw.randrange(5),
    }


def moment(draw: random.Random) -> str:
    """A time of 2025, in the form of the export guide's examples."""
    return (
        f"2025-{draw.randrange(1, 13):02d}-{draw.randrange(1, 29):02d}T{draw.randrange(24):02d}:"
        f"{draw.randrange(60):02d}:{draw.randrange(60):02d}.{draw.randrange(10**6):06d}Z"
    )


class Exports(BaseHTTPRequestHandler):
    """The least export API: one export, with the file that `files` has for a format."""

    protocol_version = "HTTP/1.1"
    files: dict[str, tuple[bytes, int]]

    def do_POST(self) -> None:
        """A finished export."""
        form = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["format"]
        file, count = self.files[form]
        port = self.server.server_address[1]
        data = {
            "export_id": "e1",
            "status": "ready",
            "format": form,
            "record_count": count,
            "file_size_bytes": len(file),
            "expires_at": "2999-01-01T00:00:00Z",
            "download_url": f"http://127.0.0.1:{port}/file.{form}",
        }
        self._send(json.dumps({"data": data, "metadata": {"export_created_at": NOW}}).encode())

    def do_GET(self) -> None:
        """The file, or the clock."""
        form = self.path.rpartition(".")[2]
        self._send(self.files[form][0] if form in self.files else b"{}")

    def do_HEAD(self) -> None:
        """The clock."""
        self.do_GET()

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """No log."""


@contextmanager
def serving(count: int) -> Iterator[str]:
    """The URL of an export API with this many users."""
    users, names = people(count), {"users": list(load_schema("users")["properties"])}
    files = {form: (write({"users": users}, form, names, None), count) for form in FORMATS}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Api", (Exports,), {"files": files}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def cpu_seconds(command: list[str], out: Path) -> float:
    """CPU seconds of a command, as the kernel charged them."""
    with out.open("wb") as file, out.with_suffix(".log").open("wb") as log:
        child = subprocess.Popen(command, stdout=file, stderr=log)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(out.with_suffix(".log").read_text()[-2000:])
    return usage.ru_utime + usage.ru_stime


def command(form: str, url: str, folder: Path) -> list[str]:
    """The tap's command for a format, or the plain tap's."""
    config = {
        "api_key": "none",
        "api_url": url,
        "start_date": "2026-01-01T00:00:00Z",
        "end_date": "2026-01-31T00:00:00Z",
        "window_days": 90,
        "format": form,
        "allow_private_download_hosts": True,
        "audit_log": str(folder / "audit.jsonl"),
    }
    if form == "plain":
        file = folder / f"plain-{url.rpartition(':')[2]}.json"
        file.write_text(json.dumps({"url": f"{url}/file.json"}))
        return [sys.executable, str(PLAIN_TAP), "--config", str(file)]
    file = folder / f"{form}-{url.rpartition(':')[2]}.json"
    file.write_text(json.dumps(config))
    users = str(catalog(folder, ("users",)))
    return [str(BIN / "tap-canai"), "--config", str(file), "--catalog", users]


def rows(count: int = 100_000, rounds: int = ROUNDS) -> list[Row]:
    """The measured lines, each the median of interleaved rounds."""
    spent: dict[str, list[float]] = {name: [] for name in (*FORMATS, "plain", "u")}
    with tempfile.TemporaryDirectory() as name, serving(count) as many, serving(FEW) as few:
        folder, out = Path(name), Path(name) / "out.jsonl"
        for _ in range(rounds):
            for work in (*FORMATS, "plain"):
                start_up = cpu_seconds(command(work, few, folder), out)
                total = cpu_seconds(command(work, many, folder), out)
                spent[work].append((total - start_up) / (count - FEW))
                if work == "json":
                    spent["u"].append(unit(out, folder / "lines.jsonl"))
    u = statistics.median(spent["u"])
    medians = {work: statistics.median(found) for work, found in spent.items()}
    return [Row(work, found * 1e6, found / u) for work, found in medians.items()]


def unit(out: Path, lines: Path) -> float:
    """CPU seconds of one decode and encode of a RECORD line by orjson."""
    with out.open("rb") as file:
        records = [line for line in file if b'"RECORD"' in line[:40]]
    lines.write_bytes(b"".join(records[:10_000]))
    done = subprocess.run(
        [sys.executable, "-c", UNIT, str(lines), "5"], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def main(count: int) -> None:
    """Measure and print."""
    for row in rows(count):
        print(f"{row.work:6} {row.microseconds:8.2f} µs {row.units:7.2f} u")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
