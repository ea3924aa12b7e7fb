"""How long an event takes from its POST to the CRM, by --deliver and the real `meltano run`.

python benchmarks/latency.py [SECONDS]     prints the median, the 95th percentile and the longest

Events arrive singly, at moments that do not follow the runs. Sandbox, receiver, Meltano, tap and
target share this machine.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from box import BIN, Box, sandbox  # noqa: E402
from receiver import event, receiving  # noqa: E402  # the tests' own parts

PROMISED_S = 10.0
MEAN_PAUSE_S = 0.7
CRM = "hubspot"


def arrivals(
    box: Box, posted: dict[str, float], found: dict[str, float], stop: threading.Event
) -> None:
    """Note when each person's event is first seen in the CRM."""
    while not stop.is_set() or len(found) < len(posted):
        now = time.monotonic()
        for row in box.objects(CRM, "contacts"):
            key = row["properties"].get("canai_user_id")
            if key in posted:
                found.setdefault(key, now - posted[key])
        time.sleep(0.1)


def main(seconds: float) -> int:
    """Measure and print; exit code 1 if the promise is not kept."""
    rng = random.Random(7)
    with tempfile.TemporaryDirectory() as name, sandbox(100) as box:
        folder = Path(name)
        inbox = f"sqlite:///{folder}/inbox.db"
        variables = {
            "CANAI_SANDBOX_PORT": str(box.port),
            "MELTANO_DATABASE_URI": f"sqlite:///{folder}/meltano.db",
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            "TARGET_HUBSPOT_LEDGER_URL": f"sqlite:///{folder}/ledger.db",
            "TARGET_HUBSPOT_REPORT_DIR": f"{folder}/reports",
            "TAP_CANAI_EVENTS_INBOX_URL": inbox,
        }
        command = (
            f"{BIN}/meltano --cwd {ROOT} run --state-id-suffix={uuid.uuid4().hex} events-to-{CRM}"
        )
        posted: dict[str, float] = {}
        found: dict[str, float] = {}
        stop = threading.Event()
        with receiving(folder, inbox, "--deliver", command, **variables) as hooks:
            hooks.post(event(user_id="first", email="first@example.com"))
            time.sleep(15)  # the first run makes fields and ledger
            watcher = threading.Thread(target=arrivals, args=(box, posted, found, stop))
            watcher.start()
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                key = f"user-{len(posted)}"
                posted[key] = time.monotonic()
                status, _ = hooks.post(event(user_id=key, email=f"{key}@example.com"))
                if status != 200:
                    raise SystemExit(f"the receiver answered {status}")
                time.sleep(rng.expovariate(1 / MEAN_PAUSE_S))
            stop.set()
            watcher.join(60)
        waits = sorted(found.values())
        p95 = statistics.quantiles(waits, n=20)[18]
        print(
            f"latency: {len(waits)} of {len(posted)} events, from POST to {CRM} by meltano run: "
            f"median {statistics.median(waits):.1f} s, 95th percentile {p95:.1f} s "
            f"({p95 / PROMISED_S:.2f} of the {PROMISED_S:.0f} s promised), "
            f"longest {waits[-1]:.1f} s"
        )
        return 0 if len(waits) == len(posted) and p95 <= PROMISED_S else 1


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60))
