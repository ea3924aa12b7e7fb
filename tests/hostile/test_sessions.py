"""What goes out with a request is what we send: no .netrc of the user, no cookies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from reverse_etl.crm.download import Fetcher
from reverse_etl.crm.http import SETUP, CrmHttp
from reverse_etl.crm.oauth import OAuth
from singer_kit import http

from odd_server import OddServer, Reply, odd_server

COOKIE = {"Set-Cookie": "tracked=yes; Path=/"}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OddServer]:
    """A server, while the user has a .netrc for every host, and proxies do not matter."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login user password netrc-password\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    new_session = http.new_session

    def as_for_https(url: str, connections: int = 10) -> requests.Session:
        return new_session("https://", connections)

    for user in ("reverse_etl.crm.http", "reverse_etl.crm.oauth", "reverse_etl.crm.download"):
        monkeypatch.setattr(f"{user}.new_session", as_for_https)
    with odd_server() as odd:
        odd.replies["*"] = [Reply(body=b'{"access_token": "t"}', headers=COOKIE)]
        yield odd


def sent(server: OddServer, name: str) -> list[str | None]:
    return [headers.get(name) for _, headers in server.asked]


def test_a_call_carries_the_tokens_header_alone(server: OddServer) -> None:
    crm = CrmHttp(server.url, "CRM", headers=lambda: {"x-api-token": "t"})
    for _ in range(2):
        assert crm.call("GET", "/x", SETUP).ok
    assert sent(server, "Authorization") == [None, None]
    assert sent(server, "Cookie") == [None, None]
    assert sent(server, "x-api-token") == ["t", "t"]


def test_a_bearer_token_stays_what_it_is(server: OddServer) -> None:
    crm = CrmHttp(server.url, "CRM", headers=lambda: {"Authorization": "Bearer t"})
    assert crm.call("GET", "/x", SETUP).ok
    assert sent(server, "Authorization") == ["Bearer t"]


def test_a_sign_in_carries_its_own_credentials_alone(server: OddServer) -> None:
    for basic in (None, lambda: ("id", "secret")):
        oauth = OAuth("CRM", f"{server.url}/token", lambda: {"grant_type": "x"}, "hint", basic)
        assert oauth.token() == "t"
    first, second = sent(server, "Authorization")
    assert first is None
    assert second == "Basic aWQ6c2VjcmV0"


def test_a_file_is_fetched_without_credentials(server: OddServer) -> None:
    fetcher = Fetcher(allow_private_hosts=True)
    for _ in range(2):
        fetcher.fetch(f"{server.url}/file").close()
    assert sent(server, "Authorization") == [None, None]
    assert sent(server, "Cookie") == [None, None]
