"""What Prometheus reads of a receiver; no metric holds a value of a payload."""

from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from tap_canai.webhooks.deliverer import Deliverer
from tap_canai.webhooks.events import KINDS
from tap_canai.webhooks.writer import Writer

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


@dataclass
class Metrics:
    """One receiver's metrics."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        registry = self.registry
        self.events = Counter(
            "canai_webhooks_events",
            "Events answered with 200, by kind.",
            ["event"],
            registry=registry,
        )
        self.refused = Counter(
            "canai_webhooks_refused",
            "Requests that stored nothing, by status.",
            ["status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "canai_webhooks_seconds",
            "From the request's headers to the response 200.",
            registry=registry,
            buckets=BUCKETS_S,
        )
        self._written = self._gauge("written", "Events that this process wrote, each once.")
        self._repeated = self._gauge("repeated", "Events that were in the inbox already.")
        self._commits = self._gauge("commits", "Commits of the inbox.")
        self._commit_seconds = self._gauge("commit_seconds", "Seconds spent in commits.")
        self._undelivered = self._gauge(
            "undelivered", "1 where events wait for a delivery that succeeds."
        )
        self._deliveries = Gauge(
            "canai_webhooks_deliveries",
            "Runs of the delivery command, by how they ended.",
            ["ended"],
            registry=registry,
        )
        for kind in KINDS:
            self.events.labels(kind)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"canai_webhooks_{name}", text, registry=self.registry)

    def shown(self, writer: Writer | None, deliverer: Deliverer | None) -> bytes:
        """All metrics as Prometheus reads them, with what the workers have counted."""
        if writer:
            self._written.set(writer.new)
            self._repeated.set(writer.again)
            self._commits.set(writer.commits)
            self._commit_seconds.set(writer.commit_s)
        if deliverer:
            for ended, runs in deliverer.runs.items():
                self._deliveries.labels(ended).set(runs)
            self._undelivered.set(deliverer.waiting)
        return generate_latest(self.registry)
