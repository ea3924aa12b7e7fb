"""A sandbox in a process of its own: calls to it, its control plane, and its log."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crms import CRMS, Crm

BIN = Path(sys.executable).parent
SETS_UP = ("/properties/", "Fields", "/tooling/", "PermissionSet", "/groups")
"""Parts of the paths of writes that create fields, not records."""
LIMITED = ("canai", "hubspot", "pipedrive")
"""What the sandbox limits by itself."""


def free_port() -> int:
    """A port that nobody listens on.

    It is drawn from below those that the kernel gives to outgoing connections, one of which could
    else take it first; and not from `random`, which every worker seeds alike.
    """
    while True:
        port = secrets.choice(range(10_000, 32_000))
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Box:
    """A running sandbox."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The JSON of a response; None if it is empty."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(
            self.url + path, data=data, method=method, headers=dict(headers or {})
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    # Records

    def objects(self, place: Crm | str, kind: str, account: str = "") -> list[dict[str, Any]]:
        """Records of a CRM's account, or of the source `canai`."""
        query = f"?account={account}" if account else ""
        rows: list[dict[str, Any]] = self.call("GET", f"/_sandbox/objects/{place}/{kind}{query}")
        return rows

    def people(self, crm: Crm, account: str = "") -> list[dict[str, Any]]:
        """The people of a CRM."""
        return self.objects(crm, crm.people, account)

    # Calls

    def log(self, place: Crm | str, match: str = "") -> list[dict[str, Any]]:
        """Calls so far; of `match`, as in a fault, those whose method and path contain it."""
        lines: list[dict[str, Any]] = self.call("GET", f"/_sandbox/requests/{place}")
        return [line for line in lines if match in f"{line['method']} {line['path']}"]

    def writes(self, crm: Crm) -> list[dict[str, Any]]:
        """Calls that write records; neither those that create fields, nor contact roles."""
        return [
            line
            for line in self.log(crm)
            if line["kind"] == "write"
            and not any(part in line["path"] for part in SETS_UP)
            and not (line["path"].endswith("/composite/sobjects") and line["method"] == "POST")
        ]

    def struck(self, place: Crm | str, fault: str) -> list[dict[str, Any]]:
        """Calls that a fault struck."""
        return [line for line in self.log(place) if line["fault"] == fault]

    def forget_log(self, *places: Crm | str) -> None:
        """Empty the log of these, by default of all."""
        for place in places or ("canai", *CRMS):
            self.call("DELETE", f"/_sandbox/requests/{place}")

    # Control

    def fault(self, place: Crm | str, fault: str, **more: Any) -> None:
        self.call("POST", "/_sandbox/faults", {"crm": str(place), "fault": fault, **more})

    def clear_faults(self) -> None:
        self.call("DELETE", "/_sandbox/faults")

    def limit(self, place: Crm | str, **limits: Any) -> None:
        """Change a vendor's limit, or one of its switches."""
        self.call("POST", "/_sandbox/limits", {"crm": str(place), **limits})

    def lift_limits(self) -> None:
        """Let calls come as fast as they can: a test that is about a limit sets its own."""
        for place in LIMITED:
            self.limit(place, calls=1_000_000, per_s=1)

    def by_hand(self, place: Crm | str, action: str, kind: str, **what: str) -> None:
        """Do what people do by hand in a CRM."""
        body = {"crm": str(place), "action": action, "object": kind, **what}
        self.call("POST", "/_sandbox/by_hand", body)

    def advance(self, seconds: float) -> None:
        """Move the source's clock."""
        self.call("POST", "/_sandbox/clock", {"advance_s": seconds})

    def mutate(self, **what: Any) -> list[str]:
        """Change records at the source; their ids."""
        ids: list[str] = self.call("POST", "/_sandbox/mutate", what)
        return ids

    def happen(self, kind: str, **what: Any) -> set[str]:
        """Let an event happen to users, and send it; their ids."""
        return set(self.call("POST", "/_sandbox/events", {"event": kind, **what}))

    def reset(self) -> None:
        """Everything as at start, without limits."""
        self.call("POST", "/_sandbox/reset")
        self.lift_limits()


@contextlib.contextmanager
def sandbox(users: int, *options: str, port: int = 0) -> Iterator[Box]:
    """A sandbox, on a free port where none is named."""
    box = Box(port or free_port())
    command = [str(BIN / "canai-sandbox"), "serve", "--port", str(box.port)]
    command += ["--users", str(users), *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60 + users / 200  # a busy machine makes users slowly
        while True:
            with contextlib.suppress(OSError):
                box.lift_limits()
                break
            assert process.poll() is None, "the sandbox ended"
            assert time.monotonic() < deadline, "the sandbox did not start"
            time.sleep(0.05)
        yield box
    finally:
        process.terminate()
        process.wait(10)
