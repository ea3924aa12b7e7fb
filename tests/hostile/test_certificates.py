"""A server whose certificate is wrong: reported at once in one line, and asked for nothing."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from reverse_etl.crm.download import Fetcher
from reverse_etl.crm.http import SETUP, CrmHttp
from reverse_etl.crm.oauth import OAuth
from reverse_etl.errors import CrmError, RowError
from singer_kit.certificates import certificate_fault
from tap_canai.api import ApiAccess, Clock, ExportApi
from tap_canai.errors import ApiUnavailableError
from tap_canai.exports import ExportClient

from box import Box
from certificates import faulty
from crms import SALESFORCE, Crm, each_crm
from odd_server import OddServer, Reply, odd_server
from support import deliver, users

FAULTS = ("is not trusted", "has expired", "is of another host")
each_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.replace(" ", "-"))


@pytest.fixture(scope="module")
def certificates(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, dict[str, ssl.SSLContext]]:
    return faulty(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def server(
    fault: str,
    certificates: tuple[Path, dict[str, ssl.SSLContext]],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[OddServer]:
    """A server with that fault; the good authority is trusted."""
    bundle, contexts = certificates
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("NO_PROXY", "*")
    with odd_server(contexts[fault]) as odd:
        odd.replies["*"] = [Reply(body=b'{"access_token": "t"}')]
        yield odd


def never(seconds: float) -> None:
    """A wait that must not come. Raises: AssertionError."""
    raise AssertionError("it was tried again")


def client(server: OddServer) -> ExportClient:
    access = ApiAccess(server.url, "v1", ("key",), "tap", 1_000_000, 5.0)
    return ExportClient(ExportApi(access, Clock(never)), allow_private_hosts=True)


@each_fault
def test_the_export_api(server: OddServer, fault: str) -> None:
    with pytest.raises(ApiUnavailableError, match=f"The certificate of https://.* {fault}"):
        client(server).api.call("GET", "/x")
    assert server.asked == []


@each_fault
def test_the_storage_host(server: OddServer, fault: str) -> None:
    with pytest.raises(ApiUnavailableError, match=f"The certificate of the storage host {fault}"):
        client(server)._download_response(f"{server.url}/file?signature=s")
    assert server.asked == []


@each_fault
def test_the_host_of_a_records_file(server: OddServer, fault: str) -> None:
    with pytest.raises(RowError, match=f"the certificate of the file's host {fault}"):
        Fetcher(allow_private_hosts=True, sleep=never).fetch(f"{server.url}/file")
    assert server.asked == []


@each_fault
def test_a_sign_in(server: OddServer, fault: str) -> None:
    oauth = OAuth("CRM", f"{server.url}/token", lambda: {"a": "b"}, "hint", sleep=never)
    with pytest.raises(CrmError, match=f"CRM's certificate {fault}"):
        oauth.token()
    assert server.asked == []


@each_fault
def test_a_write_that_must_not_be_repeated_is_not_in_doubt(server: OddServer, fault: str) -> None:
    crm = CrmHttp(server.url, "CRM", headers=dict, sleep=never)
    with pytest.raises(CrmError, match=f"CRM's certificate {fault}"):
        crm.call("POST", "/x", SETUP, repeatable=False)
    assert server.asked == []


@each_crm
@each_fault
def test_a_run_ends_with_one_line(
    server: OddServer, fault: str, box: Box, crm: Crm, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    place = "login_url" if crm is SALESFORCE else "api_url"
    assert deliver(box, crm, users(1), tmp_path, **{place: server.url}).code == 1
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert [fault in line for line in errors] == [True, False]  # the error, then the exit code
    assert "\n" not in errors[0]
    assert "waiting" not in caplog.text
    assert server.asked == []


@pytest.mark.parametrize("fault", [""], ids=["none"])
def test_a_good_certificate(server: OddServer) -> None:
    assert CrmHttp(server.url, "CRM", headers=dict, sleep=never).call("GET", "/x", SETUP).ok
    Fetcher(allow_private_hosts=True, sleep=never).fetch(f"{server.url}/file").close()
    assert len(server.asked) == 2


def test_a_handshake_that_just_ends_says_nothing_of_the_certificate() -> None:
    with odd_server() as plain, pytest.raises(requests.exceptions.SSLError) as error:
        requests.get(plain.url.replace("http://", "https://"), timeout=5)
    assert certificate_fault(error.value) is None
