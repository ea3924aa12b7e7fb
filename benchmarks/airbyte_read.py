"""How fast `source-canai read` is compared with the tap's Singer output, on the same stream.

python benchmarks/airbyte_read.py [USERS]    prints records per second of both, and their ratio
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
sys.path.insert(0, str(ROOT / "tests"))

from box import sandbox  # noqa: E402
from support import catalog, tap_config  # noqa: E402  # the tests' own parts

ROUNDS = 3


def seconds(command: list[str]) -> tuple[float, int]:
    """How long a command took, and the records it wrote."""
    began = time.perf_counter()
    out = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    ).stdout
    return time.perf_counter() - began, sum(b'"RECORD"' in line[:20] for line in out.splitlines())


def configured(config: Path, folder: Path) -> Path:
    """A configured catalog with the users."""
    out = subprocess.run(
        [str(BIN / "source-canai"), "discover", "--config", str(config)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    streams = next(
        json.loads(line)["catalog"]["streams"]
        for line in out.splitlines()
        if '"CATALOG"' in line[:20]
    )
    chosen = [
        {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
        for stream in streams
        if stream["name"] == "users"
    ]
    path = folder / "configured.json"
    path.write_text(json.dumps({"streams": chosen}))
    return path


def main(users: int) -> None:
    """Measure in turns; start-up is part of both."""
    with tempfile.TemporaryDirectory() as name, sandbox(users) as box:
        folder = Path(name)
        box.call("POST", "/_sandbox/limits", {"crm": "canai", "calls": 100_000, "per_s": 1})
        config = folder / "config.json"
        config.write_text(
            json.dumps(
                tap_config(box, folder, window_days=90, audit_log=str(folder / "audit.jsonl"))
            )
        )
        singer = [
            str(BIN / "tap-canai"),
            "--config",
            str(config),
            "--catalog",
            str(catalog(folder, ("users",))),
        ]
        airbyte = [
            str(BIN / "source-canai"),
            "read",
            "--config",
            str(config),
            "--catalog",
            str(configured(config, folder)),
        ]
        rates: dict[str, list[float]] = {"singer": [], "airbyte": []}
        for _ in range(ROUNDS):
            for kind, command in (("singer", singer), ("airbyte", airbyte)):
                taken, records = seconds(command)
                if records != users:
                    raise SystemExit(f"{kind}: {records} records of {users}")
                rates[kind].append(records / taken)
        best = {kind: statistics.median(found) for kind, found in rates.items()}
        for kind, rate in best.items():
            print(f"{kind:8} {rate:10,.0f} records/s (median of {ROUNDS})")
        print(f"airbyte / singer: {best['airbyte'] / best['singer']:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40_000)
