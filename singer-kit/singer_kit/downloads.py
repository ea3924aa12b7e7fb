"""Downloads of files whose URL came from outside: no credentials go along, no redirect is followed.

A host on this machine or a private network is refused unless that is allowed, so that a URL in a
record cannot be used to read what only this machine can reach. A name is resolved once for each
connection, which goes to the addresses that were checked: a name that leads elsewhere a moment
later changes nothing. Where a proxy of the environment makes the connections, it resolves the name.
"""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from singer_kit.http import new_session, no_credentials

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses that a gateway turns into IPv4. Source: RFC 6052."""
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
    public_addresses(host)


def parts_of(url: str) -> SplitResult:
    """The parts of a URL as it would be requested. Raises: UnsafeUrlError."""
    try:
        # by requests itself, so that whatever passes here can be sent
        parts = urlsplit(requests.Request("GET", url).prepare().url or "")
        parts.port  # noqa: B018  # a number beyond 65535 raises
    except (requests.exceptions.RequestException, ValueError):
        raise UnsafeUrlError("invalid", "not a valid http(s) URL") from None
    return parts


def public_addresses(host: str) -> list[Address]:
    """The addresses of a host that anyone can reach. Raises: UnsafeUrlError."""
    addresses = addresses_of(host)
    # every address counts: a public name may resolve to a private address as well
    if not all(map(is_public, addresses)):
        raise UnsafeUrlError(
            "private_host", f"{host} is on this machine or a private network", host
        )
    return addresses


def addresses_of(host: str) -> list[Address]:
    """The addresses that a host's name resolves to. Raises: UnsafeUrlError if it has none."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), None)
    except (OSError, UnicodeError):  # a label too long for a host name is a UnicodeError
        raise UnsafeUrlError("unknown_host", f"{host} has no address", host) from None
    return [
        ipaddress.ip_address(address) for address in dict.fromkeys(info[4][0] for info in found)
    ]


def is_public(address: Address) -> bool:
    """Returns True for an address of the internet; one that wraps another is as that one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.sixtofour is not None:
            return is_public(address.sixtofour)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast


class PinnedConnection(HTTPSConnection):
    """Goes to an address that was checked; certificate and `Host` are the name's."""

    def _new_conn(self) -> socket.socket:
        # A protected hook of urllib3: it is where a name becomes a connection. A proxy's name is
        # the user's own.
        if self.proxy is not None:
            return super()._new_conn()
        name = self._dns_host
        *others, last = public_addresses(name)
        try:
            for address in others:
                self._dns_host = str(address)
                with suppress(NewConnectionError, ConnectTimeoutError):
                    return super()._new_conn()
            self._dns_host = str(last)
            return super()._new_conn()
        finally:
            self._dns_host = name


class PinnedPool(HTTPSConnectionPool):
    """Connections to one host."""

    ConnectionCls = PinnedConnection


class PinnedAdapter(HTTPAdapter):
    """Makes connections to checked addresses alone."""

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        """Use our pool for https."""
        super().init_poolmanager(*arguments, **more)
        self.poolmanager.pool_classes_by_scheme = {"https": PinnedPool}


def download_session(*, allow_private: bool) -> requests.Session:
    """A session for downloads; unless that is allowed, it reaches public hosts alone, by https."""
    session = new_session("https://")
    if not allow_private:
        session.adapters.clear()
        session.mount("https://", PinnedAdapter())
    return session


def get(
    session: requests.Session, url: str, *, user_agent: str, timeout_s: tuple[float, float]
) -> requests.Response:
    """The response to a GET, its body still to be read; the caller has checked the URL.

    `timeout_s` are the seconds to connect and between two reads. The session is one of
    `download_session`.

    Raises: requests.RequestException; UnsafeUrlError if the host is not public by now.
    """
    return session.get(
        url,
        headers={"User-Agent": user_agent},
        stream=True,
        timeout=timeout_s,
        allow_redirects=False,
        auth=no_credentials,
    )
