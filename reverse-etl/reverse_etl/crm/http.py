"""HTTP to a CRM: pace, retries with backoff, renewed tokens. What is left goes to the adapter.

Invariant: a write that the CRM would repeat is never sent twice here. If it may or may not have
happened, `AmbiguousAnswerError` leaves this module, and the caller looks the record up.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import IO, Any, Literal

import requests
from singer_kit.certificates import HINT as CERTIFICATE_HINT
from singer_kit.certificates import certificate_fault
from singer_kit.http import http_date, new_session, redirect_of, retry_after_s
from singer_kit.urls import shown_url

from reverse_etl.crm.call_count import CallCount, CallLimits
from reverse_etl.crm.calls import (
    SETUP,
    Answer,
    Call,
    Purpose,
    Upload,
    answer,
    content_of,
    never_connected,
    receive,
)
from reverse_etl.errors import AmbiguousAnswerError, BudgetSpentError, CrmError, redirected

__all__ = ["SETUP", "Answer", "CrmHttp", "Meaning", "Purpose", "Upload"]

logger = logging.getLogger(__name__)

RETRIABLE = frozenset({500, 502, 503, 504, 520, 521, 522, 523, 524})
"""Statuses that do not say whether the call was carried out: only a repeatable one is retried."""
REFUSED = frozenset({429})
"""Statuses that say the call was not carried out, so any call is retried.

An adapter's `meaning` may know others.
"""
LOST_CONNECTION = (
    requests.exceptions.ConnectionError,
    requests.exceptions.ChunkedEncodingError,  # the connection ended in the middle of a body
)
MAX_ATTEMPTS = 7
UNREACHABLE_ATTEMPTS = 4
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
LONGEST_RETRY_AFTER_S = 300.0
"""What a CRM may ask a run to wait. More than that ends its calls, as a spent budget does."""
CONNECT_TIMEOUT_S = 10.0
MOST_CONNECTIONS = 32

Meaning = Literal["spent", "again", "expired", ""]
"""What a refusal means beyond its status.

`spent`: the daily limit is used up. `again`: the call was not carried out. `expired`: the token is
no longer accepted, as after a 401.
"""


@dataclass(slots=True)
class CrmHttp:
    """HTTP to one CRM account; safe to use from several threads."""

    base_url: str
    name: str
    """The CRM's name in messages."""
    headers: Callable[[], Mapping[str, str]]
    pace_s: Callable[[Mapping[str, str]], float] = lambda headers: 0.0
    """Seconds to wait before the next call, from an answer's headers."""
    calls: CallCount = field(default_factory=CallCount)
    timeout_s: float = 30.0
    meaning: Callable[[int, Any, Mapping[str, str]], Meaning] = lambda status, body, headers: ""
    """What a refusal means, from status, body (JSON, or else text) and headers."""
    limits: Callable[[Mapping[str, str]], CallLimits] = lambda headers: CallLimits()
    """What an answer's headers say of the account's limits."""
    window_s: Callable[[], float] = lambda: 0.0
    """Seconds of the CRM's burst window, for a refusal without `Retry-After`."""
    cost: Callable[[str, str], int] = lambda method, path: 0
    """What a call costs in the CRM's own unit, by method and path."""
    renew: Callable[[], bool] | None = None
    """Gets a new token for one that expired; returns False if there is none to get."""
    sleep: Callable[[float], None] = time.sleep
    """`RunControl.sleep` in a run, so that a signal ends the wait. Raises: StoppedError."""
    jitter: Callable[[], float] = random.random
    monotonic: Callable[[], float] = time.monotonic
    user_agent: str = "reverse-etl"
    session: requests.Session = field(init=False)
    _not_before: float = 0.0
    _server_time: tuple[datetime, float] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _renewing: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.session = new_session(self.base_url, connections=MOST_CONNECTIONS)

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
        """The answer to one call, after any retries.

        A call is `repeatable` if the CRM ends up with the same records however often it is sent.
        The body of a success goes into the file `into`, if there is one. An answer whose status is
        in `final` is not retried, whatever its status says.

        Raises: AmbiguousAnswerError (only if not `repeatable`), BudgetSpentError, StoppedError,
        CrmError.
        """
        return self._answer(
            Call(method, path, purpose, json, params, repeatable, upload, into, final)
        )

    def _answer(self, call: Call) -> Answer:
        renewed = False
        for attempt in range(1, MAX_ATTEMPTS + 1):
            response = self._attempt(call, attempt)
            if response is None or self._must_retry(call, response, attempt):
                continue
            if not renewed and self._renew_token(call, response):
                renewed = True  # once a call: a CRM that refuses a new token refuses the account
                continue
            if place := redirect_of(response):
                raise redirected(self.name, place)
            return answer(call, response)
        path = call.path.split("?")[0]
        raise CrmError(
            f"{self.name} did not accept {call.method} {path} in {MAX_ATTEMPTS} attempts.",
            "Run again later. What was delivered is in the ledger, nothing is lost.",
        )

    def now(self) -> datetime:
        """The CRM's clock, from its answers; this machine's clock before the first answer."""
        if self._server_time is None:
            return datetime.now(UTC)
        moment, at = self._server_time
        return moment + timedelta(seconds=self.monotonic() - at)

    # One attempt

    def _attempt(self, call: Call, attempt: int) -> requests.Response | None:
        """The response to one attempt; None after a wait if there was none.

        Raises: AmbiguousAnswerError, BudgetSpentError, CrmError.
        """
        self._wait_for_pace()
        self.calls.add(call.purpose.object_name, call.purpose.name)
        self.calls.cost += self.cost(call.method, call.path)
        try:
            response = self._send(call)
        except LOST_CONNECTION as error:
            self._after_lost_connection(call, error, attempt)
            return None
        except requests.exceptions.Timeout:
            self._after_silence(call, attempt)
            return None
        self.calls.learn(self.limits(response.headers))
        self._keep_pace(response.headers)
        self._note_time(response.headers)
        return response

    def _send(self, call: Call) -> requests.Response:
        """The response, its body read. Raises: requests.RequestException."""
        upload_headers = call.upload.headers if call.upload else {}
        response = self.session.request(
            call.method,
            call.path if call.path.startswith("http") else self.base_url + call.path,
            params=call.params,
            headers={"User-Agent": self.user_agent, **self.headers(), **upload_headers},
            timeout=(CONNECT_TIMEOUT_S, self.timeout_s),
            allow_redirects=False,
            stream=call.into is not None,
            **call.body(),
        )
        # the body is read here, where a connection that ends in the middle counts as lost
        if call.into is not None and response.ok:
            receive(response, call.into)
        else:
            response.content  # noqa: B018
        return response

    def _after_lost_connection(self, call: Call, error: Exception, attempt: int) -> None:
        """Wait before the next attempt. Raises: AmbiguousAnswerError, CrmError."""
        if fault := certificate_fault(error):
            raise CrmError(f"{self.name}'s certificate {fault}.", CERTIFICATE_HINT) from None
        never_sent = never_connected(error)
        if not never_sent and not call.repeatable:
            # the CRM may have carried the write out before the connection ended
            raise AmbiguousAnswerError(
                f"{self.name} closed the connection during a write"
            ) from error
        if never_sent and attempt >= UNREACHABLE_ATTEMPTS:
            raise CrmError(
                f"{self.name} cannot be reached at {shown_url(self.base_url)}.",
                "Check the URL setting and the network, then run again.",
            ) from None
        self._wait(attempt, {}, "cannot be reached" if never_sent else "closed the connection")

    def _after_silence(self, call: Call, attempt: int) -> None:
        """Wait before the next attempt. Raises: AmbiguousAnswerError."""
        if not call.repeatable:
            raise AmbiguousAnswerError(
                f"{self.name} did not answer a write within {self.timeout_s:g} s"
            )
        self._wait(attempt, {}, f"did not answer within {self.timeout_s:g} s")

    # The answer

    def _must_retry(self, call: Call, response: requests.Response, attempt: int) -> bool:
        """Returns True, after a wait, if the call has to be sent again.

        Raises: AmbiguousAnswerError, BudgetSpentError, CrmError.
        """
        if response.ok:
            return False
        status = response.status_code
        refused = self._refused(response)
        if status in call.final or not (refused or status in RETRIABLE):
            return False
        if not refused and not call.repeatable:
            # the CRM may have carried the write out and failed only to say so
            raise AmbiguousAnswerError(f"{self.name} answered {status} to a write")
        if status in REFUSED:
            self._hold_all(response.headers)
        self._wait(attempt, response.headers, f"answered {status}")
        return True

    def _refused(self, response: requests.Response) -> bool:
        """Returns True if the call was surely not carried out. Raises: BudgetSpentError."""
        status = response.status_code
        meaning = self._meaning(response)
        if meaning == "spent":
            raise BudgetSpentError(
                f"The daily limit of calls to {self.name} is used up.",
                "Run again tomorrow, or have the limit raised.",
            )
        return status in REFUSED or meaning == "again"

    def _meaning(self, response: requests.Response) -> Meaning:
        return self.meaning(response.status_code, content_of(response), response.headers)

    def _renew_token(self, call: Call, response: requests.Response) -> bool:
        """Returns True if the CRM refused the token and there is a new one.

        Raises: SettingError, CrmError.
        """
        if response.ok or 401 in call.final or self.renew is None:
            return False
        if response.status_code != 401 and self._meaning(response) != "expired":
            return False
        with self._renewing:
            # another thread's call may have been refused for the same token
            sent = response.request.headers
            if any(sent.get(name) != value for name, value in self.headers().items()):
                return True
            return self.renew()

    # Waiting

    def _wait_for_pace(self) -> None:
        with self._lock:
            wait_s = self._not_before - self.monotonic()
        if wait_s > 0:
            self._check_wait(wait_s)
            self.sleep(wait_s)

    def _keep_pace(self, headers: Mapping[str, str]) -> None:
        self._hold(self.pace_s(headers))

    def _hold_all(self, headers: Mapping[str, str]) -> None:
        """The burst is used up: hold every thread's next call until the window has passed.

        Otherwise each thread would use up the next window in turn, and be refused in turn.
        """
        retry_after = retry_after_s(headers)
        hold_s = self.window_s() if retry_after is None else retry_after
        self._hold(min(hold_s, LONGEST_WAIT_S))

    def _hold(self, seconds: float) -> None:
        """Let no thread call before these seconds have passed; a longer hold stays."""
        if seconds > 0:
            with self._lock:
                self._not_before = max(self._not_before, self.monotonic() + seconds)

    def _wait(self, attempt: int, headers: Mapping[str, str], why: str) -> None:
        """Wait as long as the CRM asks, else with backoff.

        Raises: BudgetSpentError if that is too long, StoppedError after a signal.
        """
        retry_after = retry_after_s(headers)
        # jitter, so that threads that failed together do not call together again
        backoff = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempt - 1)) * (0.5 + self.jitter() / 2)
        wait_s = backoff if retry_after is None else retry_after
        self._check_wait(wait_s)
        message = "%s %s; waiting %.1f s (attempt %d of %d)"
        logger.info(message, self.name, why, wait_s, attempt, MAX_ATTEMPTS)
        self.sleep(wait_s)

    def _check_wait(self, seconds: float) -> None:
        """Raises: BudgetSpentError if a wait is longer than a run should sleep."""
        if seconds > LONGEST_RETRY_AFTER_S:
            raise BudgetSpentError(
                f"{self.name} asks for a wait of {seconds:.0f} s.", "Run again after that time."
            )

    def _note_time(self, headers: Mapping[str, str]) -> None:
        moment = http_date(headers.get("Date"))
        if moment is not None:
            self._server_time = (moment, self.monotonic())
