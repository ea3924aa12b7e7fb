"""Salesforce's ways to say that a session has ended: each leads to a new session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from target_salesforce.api import meaning

from box import Box
from crms import CRMS, SALESFORCE, Crm
from support import deliver, users

CALLS = {
    "a SOAP call": "/services/Soap/",
    "userinfo": "/services/oauth2/userinfo",
    "a describe": "/sobjects/Contact/describe",
    "a new bulk job": "/jobs/ingest",
    "a bulk upload": "/batches",
    "results of a bulk job": "/successfulResults",
}
REFUSALS = (401, 403, 500)


def new_token(box: Box) -> str:
    """A token of the default account."""
    form = {**SALESFORCE.credentials(box.url), "grant_type": "client_credentials"}
    url = f"{form.pop('login_url')}/services/oauth2/token"
    return str(requests.post(url, data=form, timeout=5).json()["access_token"])


def on_first_refusal(monkeypatch: pytest.MonkeyPatch, path: Path, token: str) -> None:
    """Write another token into a file when a call is refused."""
    send = requests.Session.send

    def observed(session: requests.Session, request: Any, **more: Any) -> requests.Response:
        response = send(session, request, **more)
        if response.status_code in REFUSALS:
            path.write_text(f"{token}\n")
        return response

    monkeypatch.setattr(requests.Session, "send", observed)


BULK = {"bulk_threshold": 2, "provision": True}


@pytest.mark.parametrize("call", CALLS)
def test_a_token_that_ends_at_any_call_is_read_again_from_its_file(
    box: Box, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, second = tmp_path / "token", new_token(box)
    path.write_text(new_token(box))
    path.chmod(0o600)
    on_first_refusal(monkeypatch, path, second)
    box.fault(SALESFORCE, "expired_token", match=CALLS[call])
    files = {"access_token_file": str(path), "instance_url": f"{box.url}/salesforce"}
    config = {**SALESFORCE.no_credentials, **files, **BULK}
    assert deliver(box, SALESFORCE, users(3), tmp_path, **config).code == 0
    faults = [line["path"] for line in box.log(SALESFORCE) if line["fault"]]
    assert len(faults) == 1
    assert CALLS[call] in faults[0]
    assert len(box.people(SALESFORCE)) == 3


@pytest.mark.parametrize("call", [call for call in CALLS if call != "userinfo"])
def test_a_session_that_ends_at_any_call_is_signed_in_again(
    box: Box, call: str, tmp_path: Path
) -> None:
    box.fault(SALESFORCE, "expired_token", match=CALLS[call])
    assert deliver(box, SALESFORCE, users(3), tmp_path, **BULK).code == 0
    assert [line["kind"] for line in box.log(SALESFORCE)].count("auth") == 2
    assert len(box.people(SALESFORCE)) == 3


@pytest.mark.parametrize("call", ["a SOAP call", "userinfo"])
def test_a_token_that_stays_refused_ends_the_run_with_what_to_do(
    box: Box, call: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box.fault(SALESFORCE, "expired_token", match=CALLS[call], times=5)
    given = {"access_token": new_token(box), "instance_url": f"{box.url}/salesforce"}
    config = {**SALESFORCE.no_credentials, **given, **BULK}
    assert deliver(box, SALESFORCE, users(3), tmp_path, **config).code == 1
    assert len([line for line in box.log(SALESFORCE) if line["fault"]]) == 1
    assert "Check the credentials" in caplog.text


SOAP = "<soapenv:Fault><faultcode>{}</faultcode><faultstring>x</faultstring></soapenv:Fault>"
WORDS: list[tuple[int, Any, bool]] = [
    (401, [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}], True),
    (400, {"exceptionCode": "InvalidSessionId", "exceptionMessage": "Invalid session id"}, True),
    (400, '<error xmlns="x"><exceptionCode>InvalidSessionId</exceptionCode></error>', True),
    (500, SOAP.format("sf:INVALID_SESSION_ID"), True),
    (403, "Bad_OAuth_Token", True),
    (403, [{"errorCode": "INSUFFICIENT_ACCESS", "message": "INVALID_SESSION_ID"}], False),
    (400, [{"errorCode": "INVALID_FIELD", "message": "Bad_OAuth_Token"}], False),
    (500, SOAP.format("sf:INVALID_TYPE"), False),
    (500, "<html>INVALID_SESSION_ID</html>", False),
    (404, "", False),
    (500, None, False),
]
"""A refusal's status and body, and whether it says that the session has ended.

Source: Bulk API answers in Apache Camel pull request 826, simple-salesforce issue 619 and
salesforce-bulk issue 44; a SOAP fault in metaforce issue 16; userinfo in Salesforce Mobile SDK for
iOS issue 3398 and jsforce pull request 736; read 2026-11-30.
"""


@pytest.mark.parametrize(("status", "body", "ended"), WORDS)
def test_each_of_salesforces_words_for_an_ended_session(
    status: int, body: Any, ended: bool
) -> None:
    assert (meaning(status, body, {}) == "expired") == ended


@pytest.mark.parametrize("crm", CRMS)
def test_a_body_that_is_not_json_means_nothing_to_a_crm(crm: Crm) -> None:
    assert crm.meaning(500, "<html>down</html>", {}) == ""
