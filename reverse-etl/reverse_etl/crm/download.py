"""Files that go with records, downloaded from where the source keeps them.

The URL comes from a record: no credentials go along and no redirect is followed. A host on this
machine or a private network is refused unless that is allowed.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO

import requests
from singer_kit.downloads import Refusal, UnsafeUrlError, check_url, get
from singer_kit.http import BROKEN_OFF, new_session, redirect_of

from reverse_etl.errors import RowError

LARGEST_FILE_BYTES = 35 * 1000 * 1000
"""A file is held in memory while it is sent, and not every CRM takes more."""
ATTEMPTS = 4
TIMEOUT_S = (10.0, 60.0)
"""To connect, and between two reads."""
CHUNK_BYTES = 256 * 1024
ALLOW = "set allow_private_download_hosts: true"
REFUSALS: dict[Refusal, tuple[str, str, str]] = {
    "invalid": (
        "bad_file_url",
        "the file's URL is not a valid http(s) URL",
        "fix the URL at the source",
    ),
    "not_https": (
        "bad_file_url",
        "the file's URL is not https",
        f"fix the URL at the source; if plain http is intended, {ALLOW}",
    ),
    "unknown_host": (
        "file_unreachable",
        "the file's host has no address",
        "fix the URL at the source",
    ),
    "private_host": (
        "private_file_host",
        "the file's host is on this machine or a private network",
        f"if that is intended, {ALLOW}",
    ),
}
"""Code, message and hint of the dead letter for each reason not to download."""


@dataclass(slots=True)
class Fetcher:
    """Downloads files."""

    allow_private_hosts: bool = False
    user_agent: str = "reverse-etl"
    sleep: Callable[[float], None] = time.sleep
    session: requests.Session = field(default_factory=lambda: new_session("https://"))

    def fetch(self, url: str) -> IO[bytes]:
        """The file, at its beginning, without a name on the disk. Raises: RowError."""
        self._check(url)
        # plain http is for this machine only, which a proxy of the environment would not reach
        self.session.trust_env = not url.startswith("http://")
        for attempt in range(1, ATTEMPTS + 1):
            file = self._attempt(url)
            if file is not None:
                return file
            if attempt < ATTEMPTS:
                self.sleep(0.5 * 2**attempt)
        raise RowError(
            "file_unreachable",
            f"the file's host returned no file in {ATTEMPTS} attempts",
            "sync again later with a full refresh",
        )

    def _check(self, url: str) -> None:
        """Raises: RowError for a URL that must not be downloaded from."""
        try:
            check_url(url, allow_private=self.allow_private_hosts)
        except UnsafeUrlError as error:
            raise RowError(*REFUSALS[error.refusal]) from None

    def _attempt(self, url: str) -> IO[bytes] | None:
        """The file; None if another attempt may succeed. Raises: RowError."""
        try:
            with get(
                self.session, url, user_agent=self.user_agent, timeout_s=TIMEOUT_S
            ) as response:
                if response.status_code == 200:
                    return saved(response)
                if response.status_code == 429 or response.status_code >= 500:
                    return None
        except BROKEN_OFF:
            return None
        if place := redirect_of(response):
            raise RowError(
                "file_redirected",
                f"the file's host redirects to {place}; redirects are not followed",
                "put the file's own URL into the source",
            )
        raise RowError(
            "file_gone",
            f"the file's host answered {response.status_code}",
            "check that the source still has the file, and sync again with a full refresh",
        )


def saved(response: requests.Response) -> IO[bytes]:
    """The body in a file. Raises: RowError if it is too large."""
    with ExitStack() as on_error:
        file: IO[bytes] = on_error.enter_context(tempfile.TemporaryFile())
        for chunk in response.iter_content(CHUNK_BYTES):
            file.write(chunk)
            if file.tell() > LARGEST_FILE_BYTES:
                raise RowError(
                    "file_too_large",
                    f"the file has more than {LARGEST_FILE_BYTES} bytes",
                    "attach it by hand: no CRM would take it",
                )
        file.seek(0)
        on_error.pop_all()  # the caller closes it
    return file
