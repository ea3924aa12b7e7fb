"""Calls to the export API: the pace, retries with backoff, several keys, and the API's clock.

Source: the platform's CRM export guide (v2.0.0, June 2025): 100 requests a minute per key.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import requests
from singer_kit.http import (
    BROKEN_OFF,
    TooMuchError,
    body_of,
    http_date,
    new_session,
    retry_after_s,
)
from singer_kit.urls import shown_url

from tap_canai.answers import LONGEST_S, MOST_BYTES, Answer, Reply, decode
from tap_canai.api_keys import ApiKeys
from tap_canai.errors import ApiUnavailableError, ExportBrokenError
from tap_canai.refusals import refusal

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 7
UNREACHABLE_ATTEMPTS = 4
"""Attempts without any connection; a wrong host would keep the user waiting otherwise."""
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
LONGEST_RETRY_AFTER_S = 3600.0
"""A longer wait ends the run, which names the time to come again."""
LONGEST_NAMED_S = 10 * 365 * 86_400.0
"""A time that far ahead can still be named."""
CONNECT_TIMEOUT_S = 10.0
MINUTE_S = 60.0
NO_EXPORT = "00000000-0000-0000-0000-000000000000"
"""An id that no export has: requesting it costs little and gives the API's time."""
LATER = "Run again later: the state is at the last window."


@dataclass(frozen=True, slots=True)
class ApiAccess:
    """Where the API is, and how it is called."""

    url: str
    version: str
    keys: tuple[str, ...]
    """Keys in the order in which they are tried: a 401 moves on to the next."""
    user_agent: str
    requests_per_minute: int
    timeout_s: float
    read_keys: Callable[[], tuple[str, ...]] | None = None
    """Reads the keys again after a 401, since their file may have changed."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as the calls see it."""

    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random

    def wait_before_retry(self, attempt: int, headers: Mapping[str, str], reason: str) -> None:
        """Wait as long as Retry-After says, else with exponential backoff.

        Raises: ApiUnavailableError if that is too long to wait.
        """
        backoff = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempt - 1))
        wait_s = retry_after_s(headers, datetime.now(UTC))
        if wait_s is None:
            wait_s = backoff * (0.5 + self.jitter() / 2)
        if wait_s > LONGEST_RETRY_AFTER_S:
            again = datetime.now(UTC) + timedelta(seconds=min(wait_s, LONGEST_NAMED_S))
            raise ApiUnavailableError(
                f"{reason}, and asks for a wait of {wait_s:.0f} s.",
                f"Run again after {again:%Y-%m-%d %H:%M} UTC: the state is at the last window.",
            )
        logger.info("%s; waiting %.1f s (attempt %d of %d)", reason, wait_s, attempt, MAX_ATTEMPTS)
        self.sleep(wait_s)


@dataclass(slots=True)
class Pace:
    """Keeps to a number of calls per minute; safe to use from several threads."""

    per_minute: int
    clock: Clock
    _times: deque[float] = field(default_factory=deque)
    """When the calls of the last minute were made."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self) -> None:
        """Wait until one more call fits, and count it."""
        with self._lock:
            while self._times and self._times[0] <= self.clock.monotonic() - MINUTE_S:
                self._times.popleft()
            if len(self._times) >= self.per_minute:
                wait_s = self._times.popleft() + MINUTE_S - self.clock.monotonic()
                if wait_s > 0:
                    logger.info(
                        "waiting %.1f s to keep to %d requests a minute", wait_s, self.per_minute
                    )
                    self.clock.sleep(wait_s)
            self._times.append(self.clock.monotonic())


class ExportApi:
    """Calls to the export API; safe to use from several threads."""

    def __init__(
        self,
        access: ApiAccess,
        clock: Clock | None = None,
        session: requests.Session | None = None,
    ) -> None:
        self.access = access
        self.clock = clock or Clock()
        self.session = session or new_session(access.url)
        self._pace = Pace(access.requests_per_minute, self.clock)
        self._keys = ApiKeys(access.keys, access.read_keys)
        self._api_time: tuple[datetime, float] | None = None

    def close(self) -> None:
        """Close the connections."""
        self.session.close()

    def now(self) -> datetime:
        """The API's clock: the first response's `Date` and the time passed since here.

        Raises: FatalError.
        """
        if self._api_time is None:
            decode(self.call("GET", f"/export/{NO_EXPORT}", good=(200, 404)), Answer)
        if self._api_time is None:
            raise ApiUnavailableError(
                "The export API's responses carry no valid Date header.",
                "Check `api_url`, and proxies on the way.",
            )
        moment, at = self._api_time
        return moment + timedelta(seconds=self.clock.monotonic() - at)

    def call(
        self, method: str, path: str, *, json: object = None, good: tuple[int, ...] = (200,)
    ) -> bytes:
        """The body of a good response, after any retries. Raises: FatalError."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            self._pace.wait()
            key = self._keys.current
            reply = self._reply(method, path, json, key, attempt)
            if reply is None:
                continue
            if reply.status in good:
                return reply.body
            if reply.status == 401 and self._keys.after_refusal(key):
                continue
            if not is_passing(reply.status):
                raise refusal(reply)
            self.clock.wait_before_retry(
                attempt, reply.headers, f"The export API answered {reply.status}"
            )
        raise ApiUnavailableError(
            f"The export API still fails after {MAX_ATTEMPTS} attempts.", LATER
        )

    def _reply(self, method: str, path: str, json: object, key: str, attempt: int) -> Reply | None:
        """The reply to one attempt; None, after a wait, if there is none.

        Raises: ApiUnavailableError after several attempts without any connection, or at once if
        the certificate is not trusted; ExportBrokenError if the body has no end.
        """
        try:
            with self.session.request(
                method,
                f"{self.access.url}/{self.access.version}{path}",
                json=json,
                headers=self._headers(key),
                timeout=(CONNECT_TIMEOUT_S, self.access.timeout_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                body = body_of(response, MOST_BYTES, LONGEST_S, self.clock.monotonic)
        except TooMuchError as error:
            raise ExportBrokenError(
                f"The export API's response {error}.", "Check `api_url`, and proxies on the way."
            ) from None
        except BROKEN_OFF as error:
            self._after_no_reply(error, attempt)
            return None
        self._note_time(response.headers)
        return Reply(response.status_code, response.headers, body)

    def _after_no_reply(self, error: Exception, attempt: int) -> None:
        """Wait before the next attempt. Raises: ApiUnavailableError."""
        if isinstance(error, requests.exceptions.SSLError):
            raise ApiUnavailableError(
                f"The certificate of {shown_url(self.access.url)} is not trusted.",
                "Check `api_url` and this machine's certificates.",
            ) from None
        if attempt >= UNREACHABLE_ATTEMPTS and "NewConnectionError" in repr(error):
            raise ApiUnavailableError(
                f"The export API cannot be reached at {shown_url(self.access.url)}.",
                "Check `api_url` and the network, then run again.",
            ) from None
        self.clock.wait_before_retry(attempt, {}, "The export API cannot be reached")

    def _headers(self, key: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "X-API-Version": self.access.version,
            "User-Agent": self.access.user_agent,
        }

    def _note_time(self, headers: Mapping[str, str]) -> None:
        moment = http_date(headers.get("Date"))
        if self._api_time is None and moment is not None:
            self._api_time = (moment, self.clock.monotonic())


def is_passing(status: int) -> bool:
    """Returns True if a later attempt may succeed."""
    return status == 429 or status >= 500
