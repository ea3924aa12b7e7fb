"""HTTP to a CRM: pace, retries with backoff, renewed tokens; an answer that is not retriable goes to the adapter.

Invariant: a write that the CRM would repeat is never sent twice here. Where its fate is unknown, `AmbiguousAnswerError`
leaves and the caller looks the record up.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import IO, Any, Literal

import requests
from requests.adapters import HTTPAdapter

from reverse_etl.crm.adapter import CallCount
from reverse_etl.errors import AmbiguousAnswerError, BudgetSpentError, CrmError

logger = logging.getLogger(__name__)

RETRIABLE = frozenset({500, 502, 503, 504, 520, 521, 522, 523, 524})
"""Answers after which a repeatable call is sent again."""
REFUSED = frozenset({429})
"""Answers that say the call was not carried out: any call is sent again. An adapter's `meaning` may know others."""
MAX_ATTEMPTS = 7
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
LONGEST_RETRY_AFTER_S = 3600.0
CONNECT_TIMEOUT_S = 10.0
CHUNK_BYTES = 256 * 1024
TEXT_BYTES = 256 * 1024
UNREACHABLE_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that will not be retried."""

    status: int
    body: Any
    """Parsed JSON, or None where there is none."""
    headers: Mapping[str, str]
    text: str = ""
    """The body where it is no JSON, as far as TEXT_BYTES."""

    @property
    def ok(self) -> bool:
        """Whether the status says success."""
        return 200 <= self.status < 300


@dataclass(slots=True)
class Purpose:
    """What a call is for, so that it can be counted: an object and `find`, `read`, `write`, `link` or `setup`."""

    object_name: str
    name: str


SETUP = Purpose("", "setup")


Meaning = Literal["spent", "again", ""]


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is no JSON, made anew for each attempt: bytes or a file, or the parts of a form."""

    body: Callable[[], bytes | IO[bytes]] = lambda: b""
    headers: Mapping[str, str] = field(default_factory=dict)
    files: Callable[[], Mapping[str, Any]] | None = None
    """The parts as requests takes them."""


@dataclass(slots=True)
class CrmHttp:
    """One CRM account's HTTP; safe to use from several threads."""

    base_url: str
    name: str
    """How the CRM is called in messages."""
    headers: Callable[[], Mapping[str, str]]
    pace_s: Callable[[Mapping[str, str]], float] = lambda headers: 0.0
    """Seconds to wait before the next call, from an answer's headers."""
    calls: CallCount = field(default_factory=CallCount)
    timeout_s: float = 30.0
    meaning: Callable[[int, Any, Mapping[str, str]], Meaning] = lambda status, body, headers: ""
    """What a refusal means beyond its status: the day's calls are used up, or the call was not carried out."""
    window_s: Callable[[], float] = lambda: 0.0
    """Seconds of the window that a burst is counted in, where a refusal does not say when to come again."""
    cost: Callable[[str, str], int] = lambda method, path: 0
    """What a call costs in the CRM's own unit, by method and path."""
    renew: Callable[[], bool] | None = None
    """Gets a new token after a 401; False where there is none to get."""
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    monotonic: Callable[[], float] = time.monotonic
    user_agent: str = "reverse-etl"
    session: requests.Session = field(default_factory=requests.Session)
    _not_before: float = 0.0
    _server_time: tuple[datetime, float] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        pool = HTTPAdapter(pool_connections=4, pool_maxsize=32)
        self.session.mount("https://", pool)
        self.session.mount("http://", pool)
        self.session.trust_env = not self.base_url.startswith("http://")

    def call(
        self,
        method: str,
        path: str,
        purpose: Purpose,
        *,
        json: object = None,
        params: Mapping[str, str] | None = None,
        repeatable: bool = True,
        upload: Upload | None = None,
        into: IO[bytes] | None = None,
        final: frozenset[int] = frozenset(),
    ) -> Answer:
        """The answer to one call, after any retries; the body of a success goes into the file `into`, where one is given.

        An answer whose status is in `final` is not asked for again, whatever its status says.

        Raises: AmbiguousAnswerError (only where `repeatable` is False), BudgetSpentError, CrmError.
        """
        renewed = False
        for attempt in range(1, MAX_ATTEMPTS + 1):
            self._wait_for_pace()
            self.calls.add(purpose.object_name, purpose.name)
            self.calls.cost += self.cost(method, path)
            try:
                response = self.session.request(
                    method,
                    path if path.startswith("http") else self.base_url + path,
                    json=json,
                    params=params,
                    headers={
                        "User-Agent": self.user_agent,
                        **self.headers(),
                        **(upload.headers if upload else {}),
                    },
                    data=upload.body() if upload and not upload.files else None,
                    files=upload.files() if upload and upload.files else None,
                    timeout=(CONNECT_TIMEOUT_S, self.timeout_s),
                    allow_redirects=False,
                    stream=into is not None,
                )
                if into is not None and response.ok:
                    received(response, into)
            except (
                requests.exceptions.ConnectTimeout,
                requests.exceptions.ConnectionError,
            ) as error:
                self._after_connection_error(error, attempt, repeatable)
                continue
            except requests.exceptions.Timeout:
                self._after_silence(attempt, repeatable)
                continue
            self._keep_pace(response.headers)
            self._note_time(response.headers)
            meaning = (
                ""
                if response.ok
                else self.meaning(response.status_code, parsed(response), response.headers)
            )
            if meaning == "spent":
                raise BudgetSpentError(
                    f"{self.name}'s calls of the day are used up.",
                    "Run again tomorrow, or ask for more.",
                )
            if response.status_code in final:
                return Answer(
                    response.status_code, parsed(response), response.headers, text_of(response)
                )
            if response.status_code in REFUSED:
                self._hold_all(response.headers)
            if response.status_code in REFUSED or meaning == "again":
                self._wait(attempt, response.headers, f"answered {response.status_code}")
                continue
            if response.status_code in RETRIABLE:
                if not repeatable:
                    raise AmbiguousAnswerError(
                        f"{self.name} answered {response.status_code} to a write"
                    )
                self._wait(attempt, response.headers, f"answered {response.status_code}")
                continue
            if (
                response.status_code == 401
                and not renewed
                and self.renew is not None
                and self.renew()
            ):
                renewed = True
                continue
            body = None if into is not None and response.ok else parsed(response)
            text = "" if body is not None or into is not None else text_of(response)
            return Answer(response.status_code, body, response.headers, text)
        raise CrmError(
            f"{self.name} did not take the call {method} {path.split('?')[0]} in {MAX_ATTEMPTS} attempts.",
            "Run again later: what was delivered is in the ledger, nothing is lost.",
        )

    def now(self) -> datetime:
        """The CRM's clock, as its answers tell it; this machine's before the first."""
        if self._server_time is None:
            return datetime.now(UTC)
        moment, at = self._server_time
        return moment + timedelta(seconds=self.monotonic() - at)

    def _note_time(self, headers: Mapping[str, str]) -> None:
        if headers.get("Date"):
            with suppress(ValueError):
                self._server_time = (parsedate_to_datetime(headers["Date"]), self.monotonic())

    def _wait_for_pace(self) -> None:
        with self._lock:
            wait_s = self._not_before - self.monotonic()
        if wait_s > 0:
            self.sleep(wait_s)

    def _keep_pace(self, headers: Mapping[str, str]) -> None:
        wait_s = self.pace_s(headers)
        if wait_s > 0:
            with self._lock:
                self._not_before = max(self._not_before, self.monotonic() + wait_s)

    def _hold_all(self, headers: Mapping[str, str]) -> None:
        """The burst is used up: no call of any thread before it has passed, or they would take turns in being refused."""
        asked = retry_after_s(headers)
        hold_s = self.window_s() if asked is None else asked
        with self._lock:
            self._not_before = max(self._not_before, self.monotonic() + min(hold_s, LONGEST_WAIT_S))

    def _after_connection_error(self, error: Exception, attempt: int, repeatable: bool) -> None:
        never_sent = isinstance(
            error, requests.exceptions.ConnectTimeout
        ) or "NewConnectionError" in repr(error)
        if not never_sent and not repeatable:
            raise AmbiguousAnswerError(
                f"{self.name} closed the connection during a write"
            ) from error
        if isinstance(error, requests.exceptions.SSLError):
            raise CrmError(
                f"{self.name}'s certificate is not trusted.",
                "Check the URL and this machine's certificates.",
            ) from None
        if never_sent and attempt >= UNREACHABLE_ATTEMPTS:
            raise CrmError(
                f"{self.name} cannot be reached at {self.base_url}.",
                "Check the URL setting and the network, then run again.",
            ) from None
        self._wait(attempt, {}, "cannot be reached" if never_sent else "closed the connection")

    def _after_silence(self, attempt: int, repeatable: bool) -> None:
        if not repeatable:
            raise AmbiguousAnswerError(
                f"{self.name} did not answer a write within {self.timeout_s:g} s"
            )
        self._wait(attempt, {}, f"did not answer within {self.timeout_s:g} s")

    def _wait(self, attempt: int, headers: Mapping[str, str], why: str) -> None:
        asked = retry_after_s(headers)
        backoff = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempt - 1)) * (0.5 + self.jitter() / 2)
        wait_s = backoff if asked is None else asked
        if wait_s > LONGEST_RETRY_AFTER_S:
            raise CrmError(
                f"{self.name} asks to wait {wait_s:.0f} s.", "Run again after that time."
            )
        logger.info(
            "%s %s; waiting %.1f s (attempt %d of %d)",
            self.name,
            why,
            wait_s,
            attempt,
            MAX_ATTEMPTS,
        )
        self.sleep(wait_s)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header; None where there is none in seconds."""
    given = headers.get("Retry-After", "")
    try:
        return max(0.0, float(given))
    except ValueError:
        return None


def received(response: requests.Response, into: IO[bytes]) -> None:
    """Stream a body into a file, from its beginning."""
    into.seek(0)
    into.truncate()
    for chunk in response.iter_content(CHUNK_BYTES):
        into.write(chunk)
    into.seek(0)


def text_of(response: requests.Response) -> str:
    """A body as text, as far as TEXT_BYTES."""
    return response.content[:TEXT_BYTES].decode("utf-8", "replace")


def parsed(response: requests.Response) -> Any:
    """The JSON of an answer; None where it is none (an HTML page of an edge server, say)."""
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        return None
