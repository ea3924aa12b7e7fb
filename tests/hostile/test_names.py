"""Names of hosts that lead elsewhere a moment after they were checked."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.crm.download import Fetcher
from reverse_etl.errors import RowError
from singer_kit import downloads
from singer_kit.downloads import UnsafeUrlError, check_url
from tap_canai.api import ApiAccess, Clock, ExportApi
from tap_canai.errors import SettingError
from tap_canai.exports import ExportClient

from certificates import Authority
from odd_server import OddServer, Reply, odd_server

NAME = "files.example.com"
PUBLIC = "203.0.114.7"
HERE = "127.0.0.1"
INSIDE = [
    "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "0.0.0.1", "224.0.0.1", "::1",
    "fe80::1", "fc00::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::",
]  # fmt: skip


class Resolver:
    """Answers for the name with these addresses in turn, the last one for ever."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked = 0
        self._resolve = socket.getaddrinfo

    def __call__(self, host: str, *arguments: Any, **more: Any) -> Any:
        if host == NAME:
            self.asked += 1
            host = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return self._resolve(host, *arguments, **more)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OddServer]:
    """A server on this machine that has a good certificate for the name."""
    authority = Authority.make(tmp_path / "trusted")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    monkeypatch.setenv("NO_PROXY", "*")
    with odd_server(authority.server(NAME)) as odd:
        odd.replies["*"] = [Reply(body=b"a file")]
        yield odd


def resolve(monkeypatch: pytest.MonkeyPatch, *answers: str) -> Resolver:
    resolver = Resolver(*answers)
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    return resolver


def url_at(server: OddServer) -> str:
    return f"https://{NAME}:{server.url.rpartition(':')[2]}/file?signature=s"


def client() -> ExportClient:
    access = ApiAccess("https://api.example", "v1", ("key",), "tap", 1_000_000, 5.0)
    return ExportClient(ExportApi(access, Clock(lambda seconds: None)))


def test_a_records_file_is_not_fetched_from_where_the_name_leads_later(
    server: OddServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve(monkeypatch, PUBLIC, HERE)
    with pytest.raises(RowError, match="on this machine or a private network") as error:
        Fetcher().fetch(url_at(server))
    assert error.value.code == "private_file_host"
    assert server.asked == []


def test_an_export_is_not_fetched_from_where_the_name_leads_later(
    server: OddServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve(monkeypatch, PUBLIC, HERE)
    check_url(url_at(server), allow_private=False)
    with pytest.raises(SettingError, match="on this machine or a private network"):
        client()._download_response(url_at(server))
    assert server.asked == []


def test_a_connection_goes_to_the_address_that_was_checked(
    server: OddServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificate and `Host` are still the name's, and nothing resolves it in between."""
    resolver = resolve(monkeypatch, HERE, PUBLIC)
    monkeypatch.setattr(downloads, "is_public", lambda address: True)
    with client()._download_response(url_at(server)) as response:
        assert response.content == b"a file"
    assert resolver.asked == 1
    ((_, headers),) = server.asked
    assert headers["Host"] == url_at(server).split("/")[2]


def test_the_certificate_has_to_be_the_names(
    server: OddServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "is_public", lambda address: True)
    with pytest.raises(RowError, match="certificate of the file's host is of another host"):
        Fetcher().fetch(url_at(server).replace(NAME, HERE))
    assert server.asked == []


def test_one_private_address_among_several_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(socket.AF_INET, 1, 6, "", (address, 0)) for address in (PUBLIC, HERE)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: answers)
    with pytest.raises(UnsafeUrlError):
        check_url(f"https://{NAME}/", allow_private=False)


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not downloads.is_public(ip_address(address))


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700::1", "64:ff9b::808:808"])
def test_addresses_that_are_public(address: str) -> None:
    assert downloads.is_public(ip_address(address))
