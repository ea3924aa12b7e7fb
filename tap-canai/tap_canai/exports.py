"""Exports: submit a request, poll until it is ready, download its files.

Source: the platform's CRM export guide (v2.0.0, June 2025): `POST /v1/export`, download URLs that
expire after 24 hours.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import requests
from singer_kit.downloads import UnsafeUrlError, check_url, get
from singer_kit.http import BROKEN_OFF, new_session, redirect_of
from singer_kit.scrub import scrub
from singer_kit.times import parse_utc

from tap_canai.answers import FinishedExport, Poll, decode, not_an_export
from tap_canai.api import (
    CONNECT_TIMEOUT_S,
    LATER,
    MAX_ATTEMPTS,
    MINUTE_S,
    ExportApi,
    is_passing,
)
from tap_canai.errors import (
    CONTACT_SUPPORT,
    TRY_AGAIN,
    ApiUnavailableError,
    ExportBrokenError,
    ExportFailedError,
    ExportGoneError,
    FatalError,
    SettingError,
)

logger = logging.getLogger(__name__)

MAX_REQUESTS = 2
"""An export that is gone before it is ready is requested again, but not forever."""
FIRST_POLL_S, LONGEST_POLL_S = 1.0, 15.0
POLL_GROWTH = 1.5
LONGEST_PROCESSING_S = 3600.0
LONGEST_SHOWN = 60
"""Characters of an id in a message."""
EXPIRY_MARGIN = timedelta(seconds=60)
"""No download begins this close to the end of its URL's life."""
GONE = frozenset({400, 403, 404, 410})
"""Statuses by which the storage says that a URL has expired or its file is deleted."""


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A complete file of an export."""

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
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class ExportClient:
    """Makes exports and downloads their files."""

    api: ExportApi
    allow_private_hosts: bool = False
    audit: Callable[[Mapping[str, Any]], None] = lambda event: None
    """Called with every finished export."""
    storage: requests.Session = field(default_factory=lambda: new_session("https://"))
    """Downloads are the storage host's alone: they share no connection with the API."""

    def now(self) -> datetime:
        """The API's clock. Raises: FatalError."""
        return self.api.now()

    def create(self, request: Mapping[str, Any]) -> Export:
        """The export of a request, once it is ready. Raises: FatalError."""
        for _ in range(MAX_REQUESTS):
            body = self.api.call("POST", "/export", json=request, good=(200, 202))
            try:
                response = self._ready(body)
            except ExportGoneError:
                continue
            export = export_of(response, str(request["format"]))
            self.audit(audit_event(request, export))
            return export
        raise ExportBrokenError("An export was gone before it was ready, twice.", TRY_AGAIN)

    def _ready(self, body: bytes) -> bytes:
        """The answer of a finished export, polled for while it is processing.

        Raises: ExportGoneError, FatalError.
        """
        wait_s = FIRST_POLL_S
        waited_s = said_s = 0.0
        while (export_id := processing(decode(body, Poll))) is not None:
            if waited_s > LONGEST_PROCESSING_S:
                raise ExportFailedError(
                    f"The export {shown(export_id)} is not ready after {waited_s:.0f} s.",
                    "Make window_days smaller.",
                )
            if waited_s >= said_s + MINUTE_S:
                said_s = waited_s
                logger.info("an export is being prepared, for %.0f s now", waited_s)
            self.api.clock.sleep(wait_s)
            waited_s += wait_s
            wait_s = min(LONGEST_POLL_S, wait_s * POLL_GROWTH)
            # quoted, so that an id cannot send the key to another place of the API
            path = f"/export/{quote(export_id, safe='')}"
            body = self.api.call("GET", path, good=(200, 202, 404))
            if decode(body, Poll).error:
                raise ExportGoneError
        return body

    @contextmanager
    def download(self, export: Export, file: ExportFile) -> Iterator[requests.Response]:
        """The file as a stream; the API key does not go with the request.

        Raises: ExportGoneError, FatalError.
        """
        if self.now() > export.expires_at - EXPIRY_MARGIN:
            raise ExportGoneError
        try:
            check_url(file.url, allow_private=self.allow_private_hosts)
        except UnsafeUrlError as error:
            raise unsafe_url(error) from None
        with self._download_response(file.url) as response:
            yield response

    def _download_response(self, url: str) -> requests.Response:
        """The storage's good response, after any retries. Raises: ExportGoneError, FatalError."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            response = self._attempt(url)
            if response is None:
                self.api.clock.wait_before_retry(attempt, {}, "The storage cannot be reached")
                continue
            if response.status_code == 200:
                return response
            response.close()
            if response.status_code in GONE:
                raise ExportGoneError
            if place := redirect_of(response):
                raise ExportBrokenError(
                    f"The storage redirects a download to {place}; redirects are not followed.",
                    CONTACT_SUPPORT,
                )
            if not is_passing(response.status_code):
                raise ExportBrokenError(
                    f"The storage answered {response.status_code} to a download.", TRY_AGAIN
                )
            self.api.clock.wait_before_retry(
                attempt, response.headers, f"The storage answered {response.status_code}"
            )
        raise ApiUnavailableError(
            f"The storage did not serve a file in {MAX_ATTEMPTS} attempts.", LATER
        )

    def _attempt(self, url: str) -> requests.Response | None:
        """The storage's response; None if there is none. Raises: ApiUnavailableError."""
        access = self.api.access
        timeout_s = (CONNECT_TIMEOUT_S, access.timeout_s)
        self.storage.trust_env = not url.startswith("http://")
        try:
            return get(self.storage, url, user_agent=access.user_agent, timeout_s=timeout_s)
        except requests.exceptions.SSLError:
            raise ApiUnavailableError(
                "The certificate of the storage host is not trusted.",
                "Check this machine's certificates, or contact CanAI support.",
            ) from None
        except BROKEN_OFF:
            return None
        except requests.exceptions.RequestException:  # a URL that requests itself refuses
            raise ExportBrokenError("The download URL is not valid.", CONTACT_SUPPORT) from None


def processing(poll: Poll) -> str | None:
    """The id of an export that is still processing; None once it is ready.

    Raises: ExportBrokenError, ExportFailedError.
    """
    progress = poll.data
    if progress is None or progress.status not in ("failed", "processing"):
        return None
    if progress.status == "failed":
        raise ExportFailedError(
            f"The export API could not create the export {shown(progress.export_id)}.",
            "Run again. If the problem persists, make window_days smaller, or contact CanAI "
            "support with the export's id.",
        )
    if progress.export_id in ("", ".", ".."):
        raise not_an_export("an export that is processing has no export_id")
    return progress.export_id


def export_of(body: bytes, file_format: str) -> Export:
    """The export that an answer describes. Raises: ExportBrokenError."""
    answer = decode(body, FinishedExport)
    data, meta = answer.data, answer.metadata
    try:
        expires_at, created_at = parse_utc(data.expires_at), parse_utc(meta.export_created_at)
    except (ValueError, OverflowError):
        raise not_an_export("expires_at or export_created_at is not a timestamp") from None
    if data.format != file_format:
        raise ExportBrokenError(
            f"Asked for {file_format}, the export is {shown(data.format)!r}.",
            "Contact CanAI support with the export's id.",
        )
    return Export(
        export_id=data.export_id,
        files=tuple(
            ExportFile(part.download_url, part.record_count, part.file_size_bytes)
            for part in data.parts()
        ),
        expires_at=expires_at,
        records=data.record_count,
        bytes=data.file_size_bytes,
        created_at=created_at,
        request_id=meta.request_id,
    )


def shown(text: str) -> str:
    """What the API sent, as a message may show it."""
    return scrub(text)[:LONGEST_SHOWN]


def unsafe_url(error: UnsafeUrlError) -> FatalError:
    """What to do about a download URL that is refused."""
    match error.refusal:
        case "private_host":
            return SettingError(
                f"The storage host {error}.",
                "If that is intended, set allow_private_download_hosts: true.",
            )
        case "unknown_host":
            return ApiUnavailableError(f"The storage host {error}.", "Check the network.")
        case _:
            return ExportBrokenError(f"The download URL is {error}.", CONTACT_SUPPORT)


def audit_event(request: Mapping[str, Any], export: Export) -> dict[str, Any]:
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
        "request_id": export.request_id,
        "export_id": export.export_id,
        "records": export.records,
        "bytes": export.bytes,
    }
