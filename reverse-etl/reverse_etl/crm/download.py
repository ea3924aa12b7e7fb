"""Files that go with records: fetched from where the source keeps them, into a file without a name.

No credential goes with the call and no redirect is followed. A host on this machine or a private network is refused
unless that is allowed.
"""

from __future__ import annotations

import ipaddress
import socket
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import urlsplit

import requests

from reverse_etl.errors import RowError

LARGEST_FILE_BYTES = 35 * 1000 * 1000
"""A file is held in memory while it is sent, and not every CRM takes more."""
ATTEMPTS = 4
TIMEOUT_S = (10.0, 60.0)
CHUNK_BYTES = 256 * 1024


@dataclass(slots=True)
class Fetcher:
    """Fetches files."""

    allow_private_hosts: bool = False
    user_agent: str = "reverse-etl"
    sleep: Callable[[float], None] = time.sleep
    session: requests.Session = field(default_factory=requests.Session)

    def fetch(self, url: str) -> IO[bytes]:
        """The file, from its beginning. Raises: RowError."""
        self._check_host(url)
        self.session.trust_env = not url.startswith("http://")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.session.get(
                    url,
                    headers={"User-Agent": self.user_agent},
                    stream=True,
                    timeout=TIMEOUT_S,
                    allow_redirects=False,
                ) as answer:
                    if answer.status_code == 200:
                        return received(answer)
                    if answer.status_code != 429 and answer.status_code < 500:
                        hint = "look whether the source still has the file, and sync again with a full refresh"
                        raise RowError(
                            "file_gone", f"the file's host answered {answer.status_code}", hint
                        )
            except (
                requests.exceptions.ConnectionError,
                requests.exceptions.Timeout,
                requests.exceptions.ChunkedEncodingError,
            ):
                pass  # tried again like a 5xx; after the last attempt the fault below tells it
            self.sleep(0.5 * 2**attempt)
        raise RowError(
            "file_unreachable",
            f"the file's host gave no file in {ATTEMPTS} attempts",
            "sync again later with a full refresh",
        )

    def _check_host(self, url: str) -> None:
        """Raises: RowError for a URL that is not to be fetched from."""
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise RowError(
                "bad_file_url", "the file's URL is no http(s) URL", "mend the URL at the source"
            )
        if self.allow_private_hosts:
            return
        if parts.scheme != "https":
            hint = "mend the URL at the source, or set allow_private_download_hosts: true where it is meant"
            raise RowError("bad_file_url", "the file's URL is not https", hint)
        try:
            addresses = {info[4][0] for info in socket.getaddrinfo(parts.hostname, None)}
        except OSError:
            raise RowError(
                "file_unreachable", "the file's host has no address", "mend the URL at the source"
            ) from None
        if any(not ipaddress.ip_address(address).is_global for address in addresses):
            hint = "if that is meant, set allow_private_download_hosts: true"
            raise RowError(
                "private_file_host", "the file's host is on this machine or a private network", hint
            )


def received(answer: requests.Response) -> IO[bytes]:
    """The body in a file. Raises: RowError for one that is too large."""
    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # the caller closes it
    for chunk in answer.iter_content(CHUNK_BYTES):
        file.write(chunk)
        if file.tell() > LARGEST_FILE_BYTES:
            file.close()
            raise RowError(
                "file_too_large",
                f"the file has more than {LARGEST_FILE_BYTES} bytes",
                "no CRM would take it: attach it by hand",
            )
    file.seek(0)
    return file
