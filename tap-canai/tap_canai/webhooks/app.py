"""The receiver: an ASGI application with one way in, and what those who run it need to see.

`POST /webhooks/canai` answers 200 once the event is committed; 401, 408, 413, 415, 422 and 429 store nothing, 503 says that
the inbox cannot be written, so that the sender tries again. Logs and metrics hold no value of a payload.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tap_canai.webhooks.delivering import Deliverer
from tap_canai.webhooks.events import KINDS, NotAnEventError, parse
from tap_canai.webhooks.inbox import Inbox, InboxError
from tap_canai.webhooks.limits import Allowance, Tokens, header
from tap_canai.webhooks.openapi import PATH, document
from tap_canai.webhooks.writer import FullError, Writer

logger = logging.getLogger(__name__)

RECEIVED = JSONResponse({"received": True})
DRAINED_BYTES = 16 * 1024 * 1024
"""How much of a body that is too large is read away, so that the sender hears the answer."""
FAILURES_A_SECOND = 1.0
"""Requests without a valid token that are answered with 401, of one sender; ten at once, then 429."""


class RefusedError(Exception):
    """A request that stores nothing."""

    def __init__(self, status: int, error: str, retry_after_s: int = 0) -> None:
        super().__init__(error)
        self.status, self.error, self.retry_after_s = status, error, retry_after_s


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take."""

    body_bytes: int = 1024 * 1024
    body_s: float = 10.0
    """Seconds in which a body has to arrive."""
    sender_a_second: float = 1000.0
    """Events a second of one sender."""


@dataclass
class Metrics:
    """What Prometheus reads."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        own = self.registry
        self.events = Counter(
            "canai_webhooks_events", "Events answered with 200, by kind.", ["event"], registry=own
        )
        self.refused = Counter(
            "canai_webhooks_refused",
            "Requests that stored nothing, by status.",
            ["status"],
            registry=own,
        )
        self.seconds = Histogram(
            "canai_webhooks_seconds", "From the request's headers to the answer 200.", registry=own,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
        )  # fmt: skip
        self.new = Gauge(
            "canai_webhooks_written", "Events that this process wrote, each once.", registry=own
        )
        self.again = Gauge(
            "canai_webhooks_repeated", "Events that were in the inbox already.", registry=own
        )
        self.commits = Gauge("canai_webhooks_commits", "Commits of the inbox.", registry=own)
        self.commit_s = Gauge(
            "canai_webhooks_commit_seconds", "Seconds spent in commits.", registry=own
        )
        self.runs = Gauge(
            "canai_webhooks_deliveries",
            "Runs of the delivery command, by how they ended.",
            ["ended"],
            registry=own,
        )
        self.behind = Gauge(
            "canai_webhooks_undelivered",
            "1 where events wait for a delivery that succeeds.",
            registry=own,
        )
        for kind in KINDS:
            self.events.labels(kind)


@dataclass
class Receiver:
    """The parts behind the application."""

    inbox: Inbox
    tokens: Tokens
    limits: Limits = field(default_factory=Limits)
    deliverer: Deliverer | None = None
    metrics: Metrics = field(default_factory=Metrics)
    writer: Writer | None = None
    stopping: bool = False

    def __post_init__(self) -> None:
        self.senders = Allowance(self.limits.sender_a_second)
        self.failures = Allowance(FAILURES_A_SECOND)

    @contextlib.asynccontextmanager
    async def running(self, _app: Starlette) -> AsyncIterator[None]:
        """The writer and the deliverer, from the first request to after the last."""
        self.writer = Writer(self.inbox, asyncio.get_running_loop())
        self.writer.start()
        delivering = asyncio.create_task(self.deliverer.run()) if self.deliverer else None
        try:
            yield
        finally:
            self.stopping = True
            await asyncio.to_thread(self.writer.stop)
            if self.deliverer and delivering:
                self.deliverer.stop()
                await delivering

    # The way in

    async def receive(self, request: Request) -> Response:
        """Take an event."""
        began = asyncio.get_running_loop().time()
        try:
            body = await self._checked_body(request)
            try:
                event = parse(body)
            except NotAnEventError as error:
                raise RefusedError(422, str(error)) from None
            assert self.writer is not None
            try:
                await self.writer.write(event, len(body))
            except FullError:
                raise RefusedError(429, "too many events wait for the inbox", 1) from None
            except InboxError:
                raise RefusedError(503, "the inbox cannot be written", 1) from None
        except RefusedError as refused:
            return self._refusal(refused)
        except ClientDisconnect:
            self.metrics.refused.labels("gone").inc()
            return Response(status_code=400)
        self.metrics.events.labels(event.kind).inc()
        self.metrics.seconds.observe(asyncio.get_running_loop().time() - began)
        if self.deliverer:
            self.deliverer.came()
        return RECEIVED

    def _refusal(self, refused: RefusedError) -> Response:
        self.metrics.refused.labels(str(refused.status)).inc()
        logger.warning("refused", extra={"status": refused.status, "reason": refused.error})
        headers = {"Retry-After": str(refused.retry_after_s)} if refused.retry_after_s else {}
        if refused.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if refused.status in (408, 413):
            headers["Connection"] = "close"  # what is left of the body is not read
        return JSONResponse({"received": False, "error": refused.error}, refused.status, headers)

    async def _checked_body(self, request: Request) -> bytes:
        """The body of a request that may be sent. Raises: RefusedError, ClientDisconnect."""
        headers = request.scope["headers"]
        sender = str(request.scope["client"][0]) if request.scope.get("client") else "-"
        refusal: RefusedError | None = None
        if not self.tokens.accept(header(headers, b"authorization")):
            refusal = RefusedError(401, "the bearer token is missing or not valid")
            if not self.failures.take(sender):
                refusal = RefusedError(
                    429, "too many requests without a valid token", self.failures.wait_s(sender)
                )
        elif not self.senders.take(sender):
            refusal = RefusedError(
                429, "too many events of this sender", self.senders.wait_s(sender)
            )
        elif (
            header(headers, b"content-type").partition(b";")[0].strip().lower()
            != b"application/json"
        ):
            refusal = RefusedError(415, "the content type is not application/json")
        elif header(headers, b"content-encoding") not in (b"", b"identity"):
            refusal = RefusedError(415, "the body is encoded; send it as it is")
        limit = DRAINED_BYTES if refusal else self.limits.body_bytes
        try:
            async with asyncio.timeout(self.limits.body_s):
                body = await self._body(request, limit, keep=refusal is None)
        except TimeoutError:
            raise refusal or RefusedError(
                408, f"the body did not arrive within {self.limits.body_s:g} s"
            ) from None
        if refusal:
            raise refusal
        if body is None:
            raise RefusedError(413, f"the body has more than {self.limits.body_bytes} bytes")
        return body

    @staticmethod
    async def _body(request: Request, limit: int, *, keep: bool) -> bytes | None:
        """The body; None where it is larger than the limit, once it, or the most that is read away, has come."""
        parts: list[bytes] = []
        size = 0
        async for part in request.stream():
            size += len(part)
            if keep and size <= limit:
                parts.append(part)
            if size > DRAINED_BYTES:
                break
        return b"".join(parts) if size <= limit else None

    # What those who run it see

    async def alive(self, _request: Request) -> Response:
        """The process answers."""
        return JSONResponse({"alive": True})

    async def ready(self, _request: Request) -> Response:
        """Whether events can be written."""
        problem = "stopping" if self.stopping else ""
        if not problem:
            try:
                await asyncio.to_thread(self.inbox.last)
            except InboxError:
                problem = "the inbox cannot be read"
        if not problem and (self.writer is None or self.writer.failing):
            problem = "the inbox cannot be written"
        return JSONResponse(
            {"ready": not problem, **({"problem": problem} if problem else {})},
            503 if problem else 200,
        )

    async def show_metrics(self, _request: Request) -> Response:
        """Metrics as Prometheus reads them."""
        metrics, writer = self.metrics, self.writer
        if writer:
            metrics.new.set(writer.new)
            metrics.again.set(writer.again)
            metrics.commits.set(writer.commits)
            metrics.commit_s.set(writer.commit_s)
        if self.deliverer:
            for ended, runs in self.deliverer.runs.items():
                metrics.runs.labels(ended).set(runs)
            metrics.behind.set(self.deliverer.waiting)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    async def openapi(self, _request: Request) -> Response:
        """This service's own description."""
        return JSONResponse(document())

    def app(self) -> Starlette:
        """The ASGI application."""
        routes: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("POST", PATH, self.receive),
            ("GET", "/healthz", self.alive),
            ("GET", "/readyz", self.ready),
            ("GET", "/metrics", self.show_metrics),
            ("GET", "/openapi.json", self.openapi),
        ]
        made: list[Any] = [
            Route(path, handler, methods=[method]) for method, path, handler in routes
        ]
        return Starlette(routes=made, lifespan=self.running)
