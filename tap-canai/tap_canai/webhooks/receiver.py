"""The receiver: an ASGI application with one way in, and what those who run it need to see.

`POST /webhooks/canai` answers 200 once the event is committed; 401, 408, 413, 415, 422 and 429
store nothing; 503 says that the inbox cannot be written, so that the sender tries again. Logs and
metrics hold no value of a payload.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tap_canai.webhooks.deliverer import Deliverer
from tap_canai.webhooks.events import Event, NotAnEventError, at_latest, parse
from tap_canai.webhooks.inbox import Inbox, InboxError
from tap_canai.webhooks.limits import Allowance, Limits
from tap_canai.webhooks.metrics import Metrics
from tap_canai.webhooks.openapi import PATH, document
from tap_canai.webhooks.pruner import Pruner
from tap_canai.webhooks.tokens import Tokens
from tap_canai.webhooks.writer import FullError, Writer

logger = logging.getLogger(__name__)

RECEIVED = JSONResponse({"received": True})
DRAINED_BYTES = 16 * 1024 * 1024
"""How much of a body that is too large is read away, so that the sender hears the response."""
FAILURES_PER_SECOND = 1.0
"""Requests per second per sender that are answered 401; ten at once, then 429."""
ENCODINGS = (b"", b"identity")


class RefusedError(Exception):
    """A request that stores nothing."""

    def __init__(self, status: int, error: str, retry_after_s: int = 0) -> None:
        super().__init__(error)
        self.status, self.error, self.retry_after_s = status, error, retry_after_s


@dataclass
class Receiver:
    """The parts behind the application; the application closes the inbox when it ends."""

    inbox: Inbox
    tokens: Tokens
    limits: Limits = field(default_factory=Limits)
    deliverer: Deliverer | None = None
    pruner: Pruner | None = None
    metrics: Metrics = field(default_factory=Metrics)
    writer: Writer | None = None
    stopping: bool = False
    future_logged: bool = False

    def __post_init__(self) -> None:
        self.senders = Allowance(self.limits.sender_per_second)
        self.failures = Allowance(FAILURES_PER_SECOND)

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route(PATH, self.receive, methods=["POST"]),
            Route("/healthz", self.alive, methods=["GET"]),
            Route("/readyz", self.ready, methods=["GET"]),
            Route("/metrics", self.show_metrics, methods=["GET"]),
            Route("/openapi.json", self.openapi, methods=["GET"]),
        ]
        return Starlette(routes=routes, lifespan=self.running)

    @contextlib.asynccontextmanager
    async def running(self, _app: Starlette) -> AsyncIterator[None]:
        """The writer, the deliverer and the pruner, from before the first request to the end.

        The inbox is closed here and not by the caller: after a signal uvicorn ends the process
        with that signal, and nothing behind it runs.
        """
        self.writer = Writer(self.inbox, asyncio.get_running_loop())
        self.writer.start()
        if self.pruner:
            self.pruner.start()
        delivery = asyncio.create_task(self.deliverer.run()) if self.deliverer else None
        try:
            yield
        finally:
            self.stopping = True
            await asyncio.to_thread(self.writer.stop)
            if self.deliverer and delivery:
                self.deliverer.stop()
                await delivery
            if self.pruner:
                await asyncio.to_thread(self.pruner.stop)
            self.inbox.close()

    # The way in

    async def receive(self, request: Request) -> Response:
        """Take an event."""
        began = asyncio.get_running_loop().time()
        try:
            event = await self._stored(request)
        except RefusedError as refused:
            return self._refusal(refused)
        except ClientDisconnect:
            self.metrics.refused.labels("gone").inc()
            return Response(status_code=400)
        self.metrics.events.labels(event.kind).inc()
        self.metrics.seconds.observe(asyncio.get_running_loop().time() - began)
        if self.deliverer:
            self.deliverer.wake()
        return RECEIVED

    async def _stored(self, request: Request) -> Event:
        """The event of a request, once it is committed. Raises: RefusedError, ClientDisconnect."""
        body = await self._checked_body(request)
        assert self.writer is not None
        try:
            event = self._not_ahead(parse(body))
            await self.writer.write(event, len(body))
        except NotAnEventError as error:
            raise RefusedError(422, str(error)) from None
        except FullError:
            raise RefusedError(429, "too many events wait for the inbox", 1) from None
        except InboxError:
            raise RefusedError(503, "the inbox cannot be written", 1) from None
        return event

    def _not_ahead(self, event: Event) -> Event:
        """The event, not in the future; the log reports the first that was."""
        checked = at_latest(event, datetime.now(UTC))
        if checked.at != event.at and not self.future_logged:
            self.future_logged = True
            logger.warning(
                "an event of the future was received: such events count as happened now. "
                "Check the clocks of the platform and of this machine",
                extra={"timestamp": event.at},
            )
        return checked

    def _refusal(self, refused: RefusedError) -> Response:
        self.metrics.refused.labels(str(refused.status)).inc()
        logger.warning("refused", extra={"status": refused.status, "reason": refused.error})
        headers = {"Retry-After": str(refused.retry_after_s)} if refused.retry_after_s else {}
        if refused.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if refused.status in (408, 413):
            headers["Connection"] = "close"  # the rest of the body is not read
        return JSONResponse({"received": False, "error": refused.error}, refused.status, headers)

    async def _checked_body(self, request: Request) -> bytes:
        """The body of a request that may be sent. Raises: RefusedError, ClientDisconnect.

        The body of a refused request is read as well, or the sender would not hear the response.
        """
        refusal = self._refused_by_headers(request)
        limit = DRAINED_BYTES if refusal else self.limits.body_bytes
        try:
            async with asyncio.timeout(self.limits.body_s):
                body = await read_body(request, limit, keep=refusal is None)
        except TimeoutError:
            raise refusal or RefusedError(
                408, f"the body did not arrive within {self.limits.body_s:g} s"
            ) from None
        if refusal:
            raise refusal
        if body is None:
            raise RefusedError(413, f"the body has more than {self.limits.body_bytes} bytes")
        return body

    def _refused_by_headers(self, request: Request) -> RefusedError | None:
        """Why a request may not be sent; None if it may."""
        headers = dict(reversed(request.scope["headers"]))  # the first of several with a name
        sender = str(request.scope["client"][0]) if request.scope.get("client") else "-"
        if not self.tokens.accept(headers.get(b"authorization", b"")):
            if self.failures.take(sender):
                return RefusedError(401, "the bearer token is missing or not valid")
            wait_s = self.failures.wait_s(sender)
            return RefusedError(429, "too many requests without a valid token", wait_s)
        if not self.senders.take(sender):
            wait_s = self.senders.wait_s(sender)
            return RefusedError(429, "too many events from this sender", wait_s)
        content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if content_type != b"application/json":
            return RefusedError(415, "the content type is not application/json")
        if headers.get(b"content-encoding", b"") not in ENCODINGS:
            return RefusedError(415, "the body is encoded; send it as it is")
        return None

    # What those who run it see

    async def alive(self, _request: Request) -> Response:
        """200, whatever the inbox does: the process responds."""
        return JSONResponse({"alive": True})

    async def ready(self, _request: Request) -> Response:
        """200 if events can be written, else 503 with the problem."""
        problem = await self._problem()
        if problem:
            return JSONResponse({"ready": False, "problem": problem}, 503)
        return JSONResponse({"ready": True})

    async def _problem(self) -> str:
        """Why events cannot be written; empty if they can."""
        if self.stopping:
            return "stopping"
        try:
            await asyncio.to_thread(self.inbox.last)
        except InboxError:
            return "the inbox cannot be read"
        if self.writer is None or self.writer.failing:
            return "the inbox cannot be written"
        return ""

    async def show_metrics(self, _request: Request) -> Response:
        """Metrics as Prometheus reads them."""
        content = self.metrics.shown(self.writer, self.deliverer)
        return Response(content, media_type=CONTENT_TYPE_LATEST)

    async def openapi(self, _request: Request) -> Response:
        """This service's own description."""
        return JSONResponse(document())


async def read_body(request: Request, limit: int, *, keep: bool) -> bytes | None:
    """The body; None if it is larger than the limit. Raises: ClientDisconnect.

    A larger body is read to its end as well, up to DRAINED_BYTES.
    """
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if keep and size <= limit:
            parts.append(part)
        if size > DRAINED_BYTES:
            break
    return b"".join(parts) if size <= limit else None
