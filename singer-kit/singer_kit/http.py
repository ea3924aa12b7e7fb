"""HTTP as tap and targets use it: nothing but what the caller sends goes along, and what comes back
is bounded."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import cast
from urllib.parse import urljoin

import requests
import urllib3
from requests.adapters import HTTPAdapter

from singer_kit.urls import shown_url

REDIRECTS = frozenset({301, 302, 303, 307, 308})
BLOCK_BYTES = 64 * 1024
BROKEN_OFF = (
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    urllib3.exceptions.HTTPError,
    ConnectionError,
)
"""What sending a request and reading its answer raise if the other side, or the way, fails."""


class TooMuchError(Exception):
    """A body has more bytes than it may have, or takes longer than it may take."""


def no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leaves a request as it is. As `auth` it keeps requests from using the user's .netrc."""
    return request


class Session(requests.Session):
    """A session that follows no redirect, and does not even read where it leads.

    requests would, also if it does not follow it, and ends with a ValueError at an odd address.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere."""


def new_session(url: str, connections: int = 10) -> requests.Session:
    """A session for one origin, without cookies and without the user's .netrc.

    A proxy of the environment is used for https alone: plain http goes to this machine, which a
    proxy would not reach.
    """
    session = Session()
    session.auth = no_credentials
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.trust_env = not url.startswith("http://")
    pool = HTTPAdapter(pool_connections=4, pool_maxsize=connections)
    session.mount("https://", pool)
    session.mount("http://", pool)
    return session


def body_of(
    response: requests.Response,
    most_bytes: int,
    longest_s: float,
    monotonic: Callable[[], float] = time.monotonic,
) -> bytes:
    """The body of a streamed response. Raises: TooMuchError, and those of BROKEN_OFF."""
    raw = cast("urllib3.HTTPResponse", response.raw)
    body = bytearray()
    end = monotonic() + longest_s
    while block := raw.read1(BLOCK_BYTES, decode_content=True):
        body += block
        if len(body) > most_bytes:
            raise TooMuchError(f"has more than {most_bytes} bytes")
        if monotonic() > end:
            raise TooMuchError(f"takes longer than {longest_s:.0f} s")
    return bytes(body)


def redirect_of(response: requests.Response) -> str:
    """The host that a response redirects to, as a URL for messages; empty if it does not.

    The path stays out: it may name a record.
    """
    location = response.headers.get("Location", "")
    if response.status_code not in REDIRECTS or not location:
        return ""
    try:
        return shown_url(urljoin(urljoin(response.url, location), "/"))
    except ValueError:  # a bracket without its pair
        return shown_url("")


def http_date(text: str | None) -> datetime | None:
    """A `Date` header in UTC; None if it is missing or not a date."""
    try:
        moment = parsedate_to_datetime(text or "")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The seconds of a `Retry-After` header; None if there is none that can be read.

    A date is taken from the sender's own `Date`, or else from `now`.
    """
    text = headers.get("Retry-After", "")
    try:
        seconds = float(text)
    except ValueError:
        moment, since = http_date(text), http_date(headers.get("Date")) or now
        if moment is None or since is None:
            return None
        seconds = (moment - since).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
