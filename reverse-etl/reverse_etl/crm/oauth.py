"""OAuth 2 sign-in: a token from a grant, kept until shortly before it expires.

It is renewed earlier if the CRM no longer accepts it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from singer_kit.certificates import HINT as CERTIFICATE_HINT
from singer_kit.certificates import certificate_fault
from singer_kit.http import new_session, redirect_of
from singer_kit.scrub import scrub
from singer_kit.urls import shown_url

from reverse_etl.errors import CrmError, redirected

ATTEMPTS = 4
TIMEOUT_S = 30.0
MARGIN_S = 60.0
"""How long before it expires a token is renewed."""
PASSING = frozenset({429, 500, 502, 503, 504})
NO_ANSWER = (
    requests.exceptions.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.Timeout,
)


@dataclass(slots=True)
class OAuth:
    """One grant of one account; safe to use from several threads."""

    name: str
    """The CRM's name in messages."""
    url: str
    form: Callable[[], Mapping[str, str]]
    """The grant, built for each sign-in: an assertion expires, and a secret's file may change."""
    hint: str
    """What to do if the sign-in is refused."""
    basic: Callable[[], tuple[str, str]] | None = None
    """Client id and secret, for a token endpoint that takes them in the header."""
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    answer: dict[str, Any] = field(default_factory=dict)
    """The token endpoint's last answer."""
    _expires_at: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def token(self) -> str:
        """A token that has not expired. Raises: CrmError."""
        # under the lock: threads that find the token expired sign in once, not once each
        with self._lock:
            if not self.answer or self._is_expiring():
                self._sign_in()
            return str(self.answer["access_token"])

    def renew(self) -> bool:
        """Sign in again, since the CRM refuses the token; returns True. Raises: CrmError."""
        with self._lock:
            self._sign_in()
        return True

    def _is_expiring(self) -> bool:
        return self._expires_at is not None and self.monotonic() > self._expires_at - MARGIN_S

    def _sign_in(self) -> None:
        response = self._respond()
        if place := redirect_of(response):
            raise redirected(f"{self.name}'s sign-in", place)
        body = json_object(response)
        if response.status_code != 200 or not body.get("access_token"):
            code = str(body.get("error") or body.get("status") or "")
            said = scrub(str(body.get("error_description") or body.get("message") or ""))
            reason = f"{response.status_code} {code}".strip() + (f": {said}" if said else "")
            raise CrmError(f"{self.name} refuses the sign-in ({reason}).", self.hint)
        self.answer = body
        try:
            self._expires_at = self.monotonic() + float(body["expires_in"])
        except (KeyError, TypeError, ValueError):
            self._expires_at = None

    def _respond(self) -> requests.Response:
        """The token endpoint's response, after any retries. Raises: CrmError."""
        form = dict(self.form())
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                response = self._post(form)
            except NO_ANSWER as error:
                # retried like a passing status; after the last attempt the error below
                if fault := certificate_fault(error):
                    message = f"{self.name}'s certificate {fault}."
                    raise CrmError(message, CERTIFICATE_HINT) from None
            else:
                if last or response.status_code not in PASSING:
                    return response
            if not last:
                self.sleep(2.0 ** (attempt - 1))
        raise CrmError(
            f"{self.name} cannot be reached at {shown_url(self.url)}.",
            "Check the URL settings and the network, then run again.",
        )

    def _post(self, form: Mapping[str, str]) -> requests.Response:
        """Raises: requests.RequestException."""
        basic = self.basic() if self.basic else None
        with new_session(self.url) as session:
            return session.post(
                self.url, data=form, auth=basic, timeout=TIMEOUT_S, allow_redirects=False
            )


def json_object(response: requests.Response) -> dict[str, Any]:
    """The JSON object of a body; empty if the body is anything else."""
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
