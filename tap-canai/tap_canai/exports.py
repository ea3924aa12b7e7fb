"""The export API: ask for an export, download its file, keep the pace, tell errors apart.

Source: the platform's CRM export guide (v2.0.0, June 2025): `POST /v1/export`, 100 requests a minute per key, URLs
that expire after 24 hours.
"""

from __future__ import annotations

import ipaddress
import logging
import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests

from tap_canai.errors import (
    ApiRefused,
    ApiUnavailable,
    ExportBroken,
    ExportFailed,
    ExportGone,
    SettingError,
    UnknownFields,
)
from tap_canai.times import parse_utc

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 7
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
CONNECT_TIMEOUT_S = 10.0
MINUTE_S = 60.0
ASKED_AGAIN = 1
FIRST_POLL_S, LONGEST_POLL_S = 1.0, 15.0
LONGEST_PROCESSING_S = 3600.0
EXPIRY_MARGIN = timedelta(seconds=60)
"""A download that begins this close to its URL's end is not begun."""
NO_EXPORT = "00000000-0000-0000-0000-000000000000"
"""An id that no export has: asking for it costs little and tells the API's time."""
GONE = frozenset({400, 403, 404, 410})
"""Answers of the storage that mean the URL or the file is no longer good."""


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One complete file of an export."""

    url: str
    records: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Export:
    """A finished export."""

    export_id: str
    files: tuple[ExportFile, ...]
    expires_at: datetime
    records: int
    bytes: int
    created_at: datetime
    """`export_created_at`: when the source was seen to hold the files' values."""


@dataclass(slots=True)
class ExportClient:
    """One API key's calls."""

    api_url: str
    api_version: str
    api_keys: tuple[str, ...]
    """Keys in the order in which they are tried: a 401 moves on to the next."""
    user_agent: str
    requests_per_minute: int
    timeout_s: float
    allow_private_hosts: bool = False
    audit: Callable[[Mapping[str, Any]], None] = lambda event: None
    """Is told of every export."""
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    session: requests.Session = field(default_factory=requests.Session)
    _asked: deque[float] = field(default_factory=deque)
    _key: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _api_time: tuple[datetime, float] | None = None

    def __post_init__(self) -> None:
        self.session.trust_env = not self.api_url.startswith("http://")

    def now(self) -> datetime:
        """The API's clock: the `Date` of a first cheap request plus the time passed here. Raises: TapError."""
        if self._api_time is None:
            self._call("GET", f"/export/{NO_EXPORT}", good=(200, 404))
        if self._api_time is None:
            raise ApiUnavailable(
                "The export API's answers carry no Date header.",
                "Check `api_url`, and proxies on the way.",
            )
        moment, at = self._api_time
        return moment + timedelta(seconds=self.monotonic() - at)

    def create(self, request: Mapping[str, Any]) -> Export:
        """Ask for an export and wait until it is ready. Raises: TapError."""
        body = self._call("POST", "/export", json=request, good=(200, 202))
        for _ in range(ASKED_AGAIN + 1):
            try:
                answer = self._ready(body)
            except ExportGone:
                body = self._call("POST", "/export", json=request, good=(200, 202))
                continue
            export = self._export(answer, request)
            self.audit(audited(request, answer, export))
            return export
        raise ExportBroken(
            "An export was gone before it was ready, twice.",
            "Run again; if it stays, tell CanAI's support.",
        )

    def _ready(self, body: Any) -> Any:
        """The answer of a finished export, polled for where it is being made. Raises: ExportGone, TapError."""
        wait_s = FIRST_POLL_S
        waited_s = 0.0
        while True:
            data = body.get("data") if isinstance(body, dict) else None
            status = data.get("status", "ready") if isinstance(data, dict) else None
            if status == "failed":
                hint = "Run again; if it stays, make window_days smaller or tell CanAI's support, with the id."
                raise (
                    ExportFailed(
                        f"The export API could not make the export {data['export_id']}.", hint
                    )
                    if data
                    else ExportGone
                )
            if status != "processing" or data is None:
                return body
            if waited_s > LONGEST_PROCESSING_S:
                raise ExportFailed(
                    f"The export {data['export_id']} is not ready after {waited_s:.0f} s.",
                    "Make window_days smaller.",
                )
            self.sleep(wait_s)
            waited_s += wait_s
            wait_s = min(LONGEST_POLL_S, wait_s * 1.5)
            polled = self._call("GET", f"/export/{data['export_id']}", good=(200, 202, 404))
            if isinstance(polled, dict) and polled.get("error"):
                raise ExportGone
            body = polled

    def _export(self, body: Any, request: Mapping[str, Any]) -> Export:
        """The export that an answer describes. Raises: ExportBroken."""
        try:
            data, meta = body["data"], body["metadata"]
            parts = data.get("chunks") or [data]
            export = Export(
                str(data["export_id"]),
                tuple(
                    ExportFile(
                        str(one["download_url"]),
                        int(one["record_count"]),
                        int(one["file_size_bytes"]),
                    )
                    for one in parts
                ),
                parse_utc(data["expires_at"]),
                int(data["record_count"]),
                int(data["file_size_bytes"]),
                parse_utc(meta["export_created_at"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ExportBroken(
                f"The export API's answer is not an ExportResponse ({error}).",
                "Check `api_url` and `api_version`.",
            ) from None
        if data.get("format") != request["format"]:
            raise ExportBroken(
                f"Asked for {request['format']}, the export is {data.get('format')!r}.",
                "Tell CanAI's support, with the export's id.",
            )
        return export

    @contextmanager
    def download(self, export: Export, file: ExportFile) -> Iterator[requests.Response]:
        """The file, streamed; the API key does not go with it. Raises: ExportGone, TapError."""
        if self.now() > export.expires_at - EXPIRY_MARGIN:
            raise ExportGone
        self._check_host(file.url)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                response = self.session.get(
                    file.url,
                    headers={"User-Agent": self.user_agent},
                    stream=True,
                    timeout=(CONNECT_TIMEOUT_S, self.timeout_s),
                    allow_redirects=False,
                )
            except (requests.exceptions.ConnectionError, requests.exceptions.Timeout):
                self._wait(attempt, {}, "The storage cannot be reached")
                continue
            with response:
                if response.status_code == 200:
                    yield response
                    return
                if response.status_code in GONE:
                    raise ExportGone
                if response.status_code == 429 or response.status_code >= 500:
                    self._wait(
                        attempt, response.headers, f"The storage answered {response.status_code}"
                    )
                    continue
                raise ExportBroken(
                    f"The storage answered {response.status_code} to a download.",
                    "Run again; if it stays, tell CanAI's support.",
                )
        raise ApiUnavailable(
            f"The storage did not give a file in {MAX_ATTEMPTS} attempts.",
            "Run again later: the state stands at the last window.",
        )

    def _check_host(self, url: str) -> None:
        """Raises: SettingError for a download from this machine or a private network."""
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ExportBroken("The download URL is no http(s) URL.", "Tell CanAI's support.")
        if self.allow_private_hosts:
            return
        if parts.scheme != "https":
            raise ExportBroken("The download URL is not https.", "Tell CanAI's support.")
        try:
            addresses = {info[4][0] for info in socket.getaddrinfo(parts.hostname, None)}
        except OSError:
            raise ApiUnavailable(
                f"The storage host {parts.hostname} has no address.", "Check the network."
            ) from None
        if any(not ipaddress.ip_address(address).is_global for address in addresses):
            hint = "If that is meant, set allow_private_download_hosts: true."
            raise SettingError(
                f"The storage host {parts.hostname} is on this machine or a private network.", hint
            )

    def _call(
        self, method: str, path: str, *, json: object = None, good: tuple[int, ...] = (200,)
    ) -> Any:
        """The JSON of a good answer, after any retries. Raises: TapError."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            self._keep_pace()
            try:
                response = self.session.request(
                    method,
                    f"{self.api_url}/{self.api_version}{path}",
                    json=json,
                    headers=self._headers(),
                    timeout=(CONNECT_TIMEOUT_S, self.timeout_s),
                    allow_redirects=False,
                )
            except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
                if attempt >= 4 and "NewConnectionError" in repr(error):
                    hint = "Check `api_url` and the network, then run again."
                    raise ApiUnavailable(
                        f"The export API cannot be reached at {self.api_url}.", hint
                    ) from None
                self._wait(attempt, {}, "The export API cannot be reached")
                continue
            self._note_time(response.headers)
            if response.status_code in good:
                return parsed(response)
            if response.status_code == 401 and self._next_key():
                continue
            if response.status_code == 429 or response.status_code >= 500:
                self._wait(
                    attempt, response.headers, f"The export API answered {response.status_code}"
                )
                continue
            raise refusal(response)
        raise ApiUnavailable(
            f"The export API did not answer well in {MAX_ATTEMPTS} attempts.",
            "Run again later: the state stands at the last window.",
        )

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self.api_keys[self._key]}",
            "Content-Type": "application/json",
            "X-API-Version": self.api_version,
            "User-Agent": self.user_agent,
        }

    def _next_key(self) -> bool:
        """Move on to the next key; False where there is none."""
        if self._key + 1 >= len(self.api_keys):
            return False
        self._key += 1
        logger.warning(
            "the export API does not accept key %d of %d; using the next",
            self._key,
            len(self.api_keys),
        )
        return True

    def _note_time(self, headers: Mapping[str, str]) -> None:
        if self._api_time is None and headers.get("Date"):
            moment = parsedate_to_datetime(headers["Date"])
            self._api_time = (moment.astimezone(UTC), self.monotonic())

    def _keep_pace(self) -> None:
        """Wait until the request fits into `requests_per_minute`; safe from several threads."""
        with self._lock:
            while self._asked and self._asked[0] <= self.monotonic() - MINUTE_S:
                self._asked.popleft()
            if len(self._asked) >= self.requests_per_minute:
                wait_s = self._asked[0] + MINUTE_S - self.monotonic()
                if wait_s > 0:
                    logger.info(
                        "waiting %.1f s to keep to %d requests a minute",
                        wait_s,
                        self.requests_per_minute,
                    )
                    self.sleep(wait_s)
                self._asked.popleft()
            self._asked.append(self.monotonic())

    def _wait(self, attempt: int, headers: Mapping[str, str], why: str) -> None:
        backoff = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (attempt - 1)) * (0.5 + self.jitter() / 2)
        try:
            wait_s = max(0.0, float(headers.get("Retry-After", "")))
        except ValueError:
            wait_s = backoff
        logger.info("%s; waiting %.1f s (attempt %d of %d)", why, wait_s, attempt, MAX_ATTEMPTS)
        self.sleep(wait_s)


def audited(
    request: Mapping[str, Any], answer: Mapping[str, Any], export: Export
) -> dict[str, Any]:
    """What the audit log keeps of an export."""
    return {
        "event": "export",
        "export_type": request["export_type"],
        "date_range": request["date_range"],
        "fields": len(request["data_fields"]),
        "filters": request.get("user_filters") or {},
        "format": request["format"],
        "anonymized": request["anonymize_data"],
        "compliance_mode": request.get("compliance_mode"),
        "request_id": answer["metadata"].get("request_id"),
        "export_id": export.export_id,
        "records": export.records,
        "bytes": export.bytes,
    }


def parsed(response: requests.Response) -> Any:
    """JSON of an answer. Raises: ApiUnavailable."""
    try:
        return response.json()
    except ValueError:
        raise ApiUnavailable(
            "The export API's answer is no JSON.", "Check `api_url`, and proxies on the way."
        ) from None


def refusal(response: requests.Response) -> ApiRefused:
    """What a 4xx says, and what to do."""
    try:
        error = response.json().get("error") or {}
    except (ValueError, AttributeError):
        error = {}
    code, status = str(error.get("code", "")), response.status_code
    if status == 400:
        unknown = (error.get("details") or {}).get("unknown_fields") or []
        if unknown:
            names = ", ".join(map(str, unknown))
            hint = "Deselect them, or update tap-canai."
            return UnknownFields(
                f"The export API does not know the fields {names} (400).",
                hint,
                tuple(map(str, unknown)),
            )
        return ApiRefused(
            f"The export API refuses the request (400 {code}): {error.get('message', '')}",
            "Check start_date, end_date and the selection.",
        )
    if status == 401:
        return ApiRefused(
            "The export API does not accept the API key (401).",
            "Set `api_key`, or CANAI_API_KEY, to a valid key.",
        )
    if status == 403 and "address" in code:
        return ApiRefused(
            "The export API refuses this machine's address (403).",
            "Add it to the key's list of allowed addresses.",
        )
    if status == 403:
        return ApiRefused(
            "The API key has no export permission (403).", "Grant it in the CanAI platform."
        )
    if status == 404:
        return ApiRefused(
            "The export API has no such call (404).", "Check `api_url` and `api_version`."
        )
    return ApiRefused(
        f"The export API answered {status} {code}.",
        "Check the settings; if it stays, tell CanAI's support.",
    )
