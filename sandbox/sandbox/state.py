"""The whole sandbox: its clock, the emulators, the log, the faults and the webhooks."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from sandbox.canai.events import PlatformEvents
from sandbox.canai.routes import CanAI
from sandbox.canai.state import PlatformSettings
from sandbox.clock import Clock, iso
from sandbox.emulator import Emulator
from sandbox.faults import Fault
from sandbox.http import Call
from sandbox.hubspot.routes import HubSpot
from sandbox.pipedrive.routes import Pipedrive
from sandbox.request_log import LogEntry
from sandbox.salesforce.routes import Salesforce
from sandbox.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Address:
    """The emulator that a path leads to, and the prefix it was reached by."""

    emulator: Emulator
    prefix: str


class Sandbox:
    """What the sandbox holds, and what changes it as a whole."""

    def __init__(self, settings: PlatformSettings, latency_ms: int = 0) -> None:
        self.clock = Clock()
        self.latency_s = latency_ms / 1000
        self.canai = CanAI(self.clock, settings)
        self.emulators: dict[str, Emulator] = {
            "canai": self.canai,
            "hubspot": HubSpot(self.clock),
            "pipedrive": Pipedrive(self.clock),
            "salesforce": Salesforce(self.clock),
        }
        self.webhooks = Webhooks(PlatformEvents(self.canai.platform.source))
        self.log: dict[str, list[LogEntry]] = defaultdict(list)
        self.faults: list[Fault] = []
        self.tap_pid: int | None = None
        """The tap's process, remembered while a fault that kills it is registered."""
        self._seq = 0

    def reset(self) -> None:
        """Return to the start: the seed's data, empty CRMs with new account ids, no faults."""
        self.clock.reset()
        self.log.clear()
        self.faults.clear()
        self._seq = 0
        self.webhooks.reset()
        for emulator in self.emulators.values():
            emulator.reset()

    def address(self, path: str) -> Address | None:
        """Where a path leads, None if nothing is emulated there."""
        if path.startswith("/storage/"):
            return Address(self.canai, "")
        if path.startswith("/services/"):
            return Address(self.emulators["salesforce"], "")

        name = path.split("/", 2)[1]
        if name in self.emulators and path.startswith(f"/{name}/"):
            return Address(self.emulators[name], f"/{name}")
        return None

    def record(self, emulator: Emulator, call: Call, full_path: str) -> LogEntry:
        """Write a call to the log."""
        kind, rows = emulator.inspect(call)
        self._seq += 1
        client = call.headers.get("User-Agent", "")
        at = iso(self.clock.now())
        entry = LogEntry(self._seq, at, call.method, full_path, kind, client, rows=rows)
        self.log[emulator.name].append(entry)
        return entry

    def strike(self, emulator: Emulator, call: Call, full_path: str) -> Fault | None:
        """The first fault that a request meets; every other fault counts the request too."""
        text = call.body.decode("utf-8", "replace") if self.faults else ""
        struck = [
            fault
            for fault in self.faults
            if fault.strikes(emulator.name, call.method, full_path, text)
        ]
        # Only the first one strikes; the others have counted the request but strike later.
        for late in struck[1:]:
            late.struck -= 1
        return struck[0] if struck else None
