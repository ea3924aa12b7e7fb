"""Every way to sign in, and tokens that end on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from box import Box
from crms import CRMS, SALESFORCE, Crm, each_crm
from crms.salesforce import private_key
from support import deliver, users

MESSAGES = users(5)
SECRETS = ("refresh_token", "private_key", "client_secret", "access_token")
UNKNOWN = "nothing-that-is-known"
WAYS = {way: crm for crm in CRMS for way in crm.sign_ins()}
RENEWABLE = [way for way in WAYS if "given" not in way]


def settings(box: Box, way: str, **changed: str) -> dict[str, Any]:
    """Settings that sign in this way, and in no other."""
    crm = WAYS[way]
    given = {**crm.sign_ins()[way], **changed}
    filled = {name: str(value).replace("{url}", box.url) for name, value in given.items()}
    return {**crm.no_credentials, **filled}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_opens_its_account(box: Box, way: str, tmp_path: Path) -> None:
    crm = WAYS[way]
    result = deliver(box, crm, MESSAGES, tmp_path, **settings(box, way))
    assert result.code == 0
    assert len(box.people(crm, "x")) == 5
    assert box.people(crm) == []


@pytest.mark.parametrize("way", RENEWABLE)
def test_a_token_that_ends_on_the_way_is_renewed_once_and_nothing_is_lost(
    box: Box, way: str, tmp_path: Path
) -> None:
    crm = WAYS[way]
    box.fault(crm, "expired_token", match=crm.person_writes)
    result = deliver(box, crm, MESSAGES, tmp_path, **settings(box, way))
    assert result.code == 0
    assert [line["kind"] for line in box.log(crm)].count("auth") == 2
    assert len(box.people(crm, "x")) == 5


@pytest.mark.parametrize("way", WAYS)
def test_wrong_credentials_are_one_line_without_a_secret(
    box: Box, way: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    crm = WAYS[way]
    given = crm.sign_ins()[way]
    wrong = {next(name for name in SECRETS if name in given): UNKNOWN}
    if "refresh_token" in wrong:  # the sandbox takes any refresh token of a good client
        wrong |= {"client_id": "unknown", "client_secret": UNKNOWN}
    result = deliver(box, crm, MESSAGES, tmp_path, **settings(box, way, **wrong))
    assert result.code == 1
    errors = [
        line
        for line in caplog.text.splitlines()
        if line.startswith("ERROR") and "exit code" not in line
    ]
    assert len(errors) == 1
    assert UNKNOWN not in caplog.text
    reasons = (
        "refuses the sign-in",
        "private_key is not a valid",
        "refused the call",
        "does not accept",
    )
    assert any(reason in errors[0] for reason in reasons)


@pytest.mark.parametrize(
    "place", [None, "https://login.salesforce.com", "https://test.salesforce.com/"]
)
def test_client_credentials_are_sent_to_no_host_but_the_orgs_own(
    box: Box, place: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = {"login_url": place, "instance_url": None}
    assert deliver(box, SALESFORCE, MESSAGES, tmp_path, **config).code == 1
    assert "login_url" in caplog.text
    assert "https://acme.my.salesforce.com" in caplog.text
    assert box.log(SALESFORCE) == []


def test_a_public_key_cannot_sign(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    private = load_pem_private_key(private_key().encode(), None)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    given = settings(box, "Salesforce JWT bearer", private_key=public.decode())
    assert deliver(box, SALESFORCE, MESSAGES, tmp_path, **given).code == 1
    assert "private_key is not a valid RSA key" in caplog.text


def test_client_credentials_sign_in_at_the_instance_url_by_default(
    box: Box, tmp_path: Path
) -> None:
    own = SALESFORCE.credentials(box.url)["login_url"]
    config = {"login_url": None, "instance_url": own}
    assert deliver(box, SALESFORCE, MESSAGES, tmp_path, **config).code == 0


def test_what_a_sign_in_says_is_shown(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = SALESFORCE.credentials(box.url)["login_url"]
    config = {"login_url": f"{own}/login.salesforce.com"}
    assert deliver(box, SALESFORCE, MESSAGES, tmp_path, **config).code == 1
    said = "(400 invalid_grant: request not supported on this domain)"
    assert f"Salesforce refuses the sign-in {said}" in caplog.text


@each_crm
def test_no_credentials_name_the_ways_there_are(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert deliver(box, crm, MESSAGES, tmp_path, **crm.no_credentials).code == 1
    assert "refresh_token" in caplog.text
