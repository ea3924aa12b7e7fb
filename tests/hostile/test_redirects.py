"""Redirects are not followed; the message names the host and nothing else of the address."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from reverse_etl.crm.download import Fetcher
from reverse_etl.crm.http import SETUP, CrmHttp
from reverse_etl.crm.oauth import OAuth
from reverse_etl.errors import CrmError, RowError

from odd_server import OddServer, Reply, odd_server

STATUSES = [301, 302, 303, 307, 308]
PLACES = {
    "https://other.example/a/user-1?token=secret": "https://other.example/",
    "https://name:secret@other.example:8443/x": "https://other.example:8443/",
    "//other.example/user-1": "http://other.example/",
    "https://[secret": "<not a valid URL>",
}


@pytest.fixture
def server() -> Iterator[OddServer]:
    with odd_server() as odd:
        yield odd


def redirect(server: OddServer, status: int, place: str) -> None:
    server.replies["*"] = [Reply(status, headers={"Location": place})]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("place", PLACES)
def test_a_crms_redirect_is_one_line(server: OddServer, status: int, place: str) -> None:
    redirect(server, status, place)
    crm = CrmHttp(server.url, "CRM", headers=lambda: {"x-api-token": "t"})
    for repeatable in (True, False):
        with pytest.raises(CrmError, match="redirects to") as error:
            crm.call("POST", "/people/user-1", SETUP, json={}, repeatable=repeatable)
        assert PLACES[place] in str(error.value)
        assert "secret" not in str(error.value)
        assert "user-1" not in str(error.value)
    assert len(server.asked) == 2


def test_a_redirect_on_the_same_host_is_one_line(server: OddServer) -> None:
    redirect(server, 302, "/login")
    with pytest.raises(CrmError, match=f"redirects to {re.escape(server.url)}/, and"):
        CrmHttp(server.url, "CRM", headers=dict).call("GET", "/x", SETUP)


def test_a_300_with_choices_is_the_adapters(server: OddServer) -> None:
    server.replies["*"] = [Reply(300, b'["/a", "/b"]', {"Location": "/a"})]
    answer = CrmHttp(server.url, "CRM", headers=dict).call("GET", "/x", SETUP)
    assert (answer.status, answer.body) == (300, ["/a", "/b"])


def test_a_sign_ins_redirect_is_one_line(server: OddServer) -> None:
    redirect(server, 302, "https://other.example/?secret")
    oauth = OAuth("CRM", f"{server.url}/token", dict, "hint")
    with pytest.raises(CrmError, match=r"CRM's sign-in redirects to https://other\.example/, and"):
        oauth.token()


def test_a_files_redirect_is_a_dead_letter(server: OddServer) -> None:
    redirect(server, 302, "https://other.example/ann?secret")
    with pytest.raises(RowError) as error:
        Fetcher(allow_private_hosts=True).fetch(f"{server.url}/file")
    assert error.value.code == "file_redirected"
    assert "https://other.example/" in error.value.message
    assert "ann" not in error.value.message
