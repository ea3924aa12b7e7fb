"""Downloads of files whose URL came from outside: no credentials go along, no redirect is followed.

A host on this machine or a private network is refused unless that is allowed, so that a URL in a
record cannot be used to read what only this machine can reach.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Literal
from urllib.parse import SplitResult, urlsplit

import requests

from singer_kit.http import no_credentials

Refusal = Literal["invalid", "not_https", "unknown_host", "private_host"]


class UnsafeUrlError(Exception):
    """A URL that must not be downloaded from, or whose host has no address.

    `refusal` is `invalid` (not an http(s) URL), `not_https`, `unknown_host` or `private_host`.
    The message names at most the host, never the URL, which may be signed.
    """

    def __init__(self, refusal: Refusal, message: str, host: str = "") -> None:
        super().__init__(message)
        self.refusal, self.host = refusal, host


def check_url(url: str, *, allow_private: bool) -> None:
    """Check where a download would go. Raises: UnsafeUrlError."""
    parts = parts_of(url)
    host = parts.hostname
    if parts.scheme not in ("https", "http") or not host:
        raise UnsafeUrlError("invalid", "not a valid http(s) URL")
    if allow_private:
        return
    if parts.scheme != "https":
        raise UnsafeUrlError("not_https", "not an https URL", host)
    # every address counts: a public name may resolve to a private address as well
    if not all(address.is_global for address in addresses_of(host)):
        raise UnsafeUrlError(
            "private_host", f"{host} is on this machine or a private network", host
        )


def parts_of(url: str) -> SplitResult:
    """The parts of a URL as it would be requested. Raises: UnsafeUrlError."""
    try:
        # by requests itself, so that whatever passes here can be sent
        parts = urlsplit(requests.Request("GET", url).prepare().url or "")
        parts.port  # noqa: B018  # a number beyond 65535 raises
    except (requests.exceptions.RequestException, ValueError):
        raise UnsafeUrlError("invalid", "not a valid http(s) URL") from None
    return parts


def addresses_of(host: str) -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses that a host's name resolves to. Raises: UnsafeUrlError if it has none."""
    try:
        return {ipaddress.ip_address(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):  # a label too long for a host name is a UnicodeError
        raise UnsafeUrlError("unknown_host", f"{host} has no address", host) from None


def get(
    session: requests.Session, url: str, *, user_agent: str, timeout_s: tuple[float, float]
) -> requests.Response:
    """The response to a GET, its body still to be read; the caller has checked the URL.

    `timeout_s` are the seconds to connect and between two reads.

    Raises: requests.RequestException.
    """
    return session.get(
        url,
        headers={"User-Agent": user_agent},
        stream=True,
        timeout=timeout_s,
        allow_redirects=False,
        auth=no_credentials,
    )
