"""Signing in by OAuth 2: a token from a grant, kept until shortly before it ends, renewed when the CRM no longer takes it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from reverse_etl.errors import CrmError

ATTEMPTS = 4
TIMEOUT_S = 30.0
MARGIN_S = 60.0
"""A token is renewed so long before its end."""
PASSING = frozenset({429, 500, 502, 503, 504})


@dataclass(slots=True)
class OAuth:
    """One grant of one account; safe to use from several threads."""

    name: str
    """How the CRM is called in messages."""
    url: str
    form: Callable[[], Mapping[str, str]]
    """The grant, made anew for each sign-in, since an assertion ages."""
    hint: str
    """What to do where the sign-in is refused."""
    basic: tuple[str, str] | None = None
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    answer: dict[str, Any] = field(default_factory=dict)
    """What the token endpoint answered last."""
    _ends_at: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def token(self) -> str:
        """A token that is good for a while. Raises: CrmError."""
        with self._lock:
            if not self.answer or (self._ends_at is not None and self.monotonic() > self._ends_at):
                self._sign_in()
            return str(self.answer["access_token"])

    def renew(self) -> bool:
        """A new token, since the CRM does not take the one there is. Raises: CrmError."""
        with self._lock:
            self._sign_in()
        return True

    def _sign_in(self) -> None:
        response = self._asked()
        try:
            body = response.json()
        except ValueError:
            body = None
        body = body if isinstance(body, dict) else {}
        if response.status_code != 200 or not body.get("access_token"):
            code = str(body.get("error") or body.get("status") or "")
            raise CrmError(
                f"{self.name} refuses the sign-in ({' '.join(filter(None, (str(response.status_code), code)))}).",
                self.hint,
            )
        self.answer = body
        try:
            self._ends_at = self.monotonic() + float(body["expires_in"]) - MARGIN_S
        except (KeyError, TypeError, ValueError):
            self._ends_at = None

    def _asked(self) -> requests.Response:
        """The token endpoint's answer, after any retries. Raises: CrmError."""
        form = dict(self.form())
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with requests.Session() as http:
                    http.trust_env = self.url.startswith("https://")
                    answer = http.post(
                        self.url,
                        data=form,
                        auth=self.basic,
                        timeout=TIMEOUT_S,
                        allow_redirects=False,
                    )
            except (requests.exceptions.ConnectionError, requests.exceptions.Timeout):
                answer = None
            if answer is not None and (answer.status_code not in PASSING or attempt == ATTEMPTS):
                return answer
            if attempt < ATTEMPTS:
                self.sleep(2.0 ** (attempt - 1))
        raise CrmError(
            f"{self.name} cannot be reached at {self.url}.",
            "Check the URL settings and the network, then run again.",
        )
