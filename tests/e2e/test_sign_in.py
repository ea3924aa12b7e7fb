"""Every way to sign in, and tokens that end on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from support import PEOPLE, Box, deliver, schema_message, user

MESSAGES = [schema_message(), *(user(number) for number in range(5))]
NONE = {
    "salesforce": {"client_id": None, "client_secret": None},
    "hubspot": {"access_token": None},
    "pipedrive": {"api_token": None},
}


def key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "Salesforce client credentials": (
        "salesforce",
        {"client_id": "sandbox-x", "client_secret": "sandbox-x"},
    ),
    "Salesforce JWT bearer": (
        "salesforce",
        {"client_id": "sandbox-x", "username": "sync@example.com", "private_key": key()},
    ),
    "Salesforce JWT bearer, key in one line": (
        "salesforce",
        {
            "client_id": "sandbox-x",
            "username": "sync@example.com",
            "private_key": key().replace("\n", "\\n"),
        },
    ),
    "Salesforce refresh token": (
        "salesforce",
        {"client_id": "sandbox-x", "client_secret": "sandbox-x", "refresh_token": "r"},
    ),
    "Salesforce given token": (
        "salesforce",
        {"access_token": "sandbox-x", "instance_url": "{url}/salesforce"},
    ),
    "HubSpot refresh token": (
        "hubspot",
        {
            "client_id": "sandbox-x",
            "client_secret": "sandbox-x",
            "refresh_token": "sandbox-refresh",
        },
    ),
    "HubSpot v3 refresh token": (
        "hubspot",
        {
            "client_id": "sandbox-x",
            "client_secret": "sandbox-x",
            "refresh_token": "sandbox-refresh",
            "api_version": "v3",
        },
    ),
    "Pipedrive refresh token": (
        "pipedrive",
        {
            "client_id": "sandbox-x",
            "client_secret": "sandbox-x",
            "refresh_token": "sandbox-refresh",
        },
    ),
}


def settings(box: Box, crm: str, given: dict[str, Any]) -> dict[str, Any]:
    return {
        **NONE[crm],
        **{name: str(value).replace("{url}", box.url) for name, value in given.items()},
    }


@pytest.mark.parametrize("way", WAYS)
def test_each_way_opens_its_account(box: Box, way: str, tmp_path: Path) -> None:
    crm, given = WAYS[way]
    result = deliver(box, crm, MESSAGES, tmp_path, **settings(box, crm, given))
    assert result.code == 0
    assert len(box.objects(crm, PEOPLE[crm], "x")) == 5
    assert box.objects(crm, PEOPLE[crm]) == []


@pytest.mark.parametrize("way", [way for way in WAYS if "given" not in way])
def test_a_token_that_ends_on_the_way_is_renewed_once_and_nothing_is_lost(
    box: Box, way: str, tmp_path: Path
) -> None:
    crm, given = WAYS[way]
    match = {"salesforce": "/composite", "hubspot": "/batch/upsert", "pipedrive": "/persons"}[crm]
    box.fault(crm, "expired_token", match=match)
    result = deliver(box, crm, MESSAGES, tmp_path, **settings(box, crm, given))
    assert result.code == 0
    assert [line["kind"] for line in box.log(crm)].count("auth") == 2
    assert len(box.objects(crm, PEOPLE[crm], "x")) == 5


@pytest.mark.parametrize("way", WAYS)
def test_wrong_credentials_are_one_line_without_a_secret(
    box: Box, way: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    crm, given = WAYS[way]
    secret = next(
        name
        for name in ("refresh_token", "private_key", "client_secret", "access_token")
        if name in given
    )
    wrong = {**given, secret: "nothing-that-is-known"}
    if secret == "refresh_token" and crm == "salesforce":
        wrong["client_secret"] = (
            "nothing-that-is-known"  # the sandbox takes any refresh token of a good client
        )
        wrong["client_id"] = "unknown"
    result = deliver(box, crm, MESSAGES, tmp_path, **settings(box, crm, wrong))
    assert result.code == 1
    errors = [
        line
        for line in caplog.text.splitlines()
        if line.startswith("ERROR") and "exit code" not in line
    ]
    assert len(errors) == 1
    assert "nothing-that-is-known" not in caplog.text
    assert any(
        word in errors[0]
        for word in (
            "refuses the sign-in",
            "private_key is not a valid RSA key",
            "refused the call",
            "does not accept",
        )
    )


@pytest.mark.parametrize("crm", ["hubspot", "pipedrive", "salesforce"])
def test_no_credentials_name_the_ways_there_are(
    box: Box, crm: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert deliver(box, crm, MESSAGES, tmp_path, **NONE[crm]).code == 1
    assert "refresh_token" in caplog.text
