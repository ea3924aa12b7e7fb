"""Salesforce's sign-in: client credentials, JWT bearer, refresh token."""

from __future__ import annotations

import base64
import json
import re
import time
from typing import Any

from sandbox.http import Call, Reply
from sandbox.salesforce.state import Org

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANTS = ("client_credentials", "refresh_token", JWT_GRANT)
GENERIC_HOST = "/login.salesforce.com/"
"""In a path, since the sandbox has one host: where to sign in to any org."""
JWT_LIFETIME_S = 300
SIGNATURE_LENGTH = 342
"""Characters of an RS256 signature with a 2,048-bit key."""
SOAP_SESSION = re.compile(rb"<(?:\w+:)?sessionId>([^<]*)<")


def credentials(call: Call) -> tuple[str | None, str | None]:
    """Client id and secret, from a Basic header or the form.

    An assertion or a refresh token stands for the secret.
    """
    form = call.form()
    grant = form.get("grant_type")
    if grant == JWT_GRANT:
        issuer = issuer_of(form.get("assertion", ""))
        return issuer, issuer

    client, secret = call.basic or (form.get("client_id"), form.get("client_secret"))
    if grant == "refresh_token":
        secret = client if form.get("refresh_token") else None
    return client, secret


def issuer_of(assertion: str) -> str | None:
    """Who signs in by an assertion: signed, with the claims it needs, valid for 5 minutes at most.

    The sandbox does not have the app's certificate, so it cannot check the signature itself.
    """
    parts = assertion.split(".")
    try:
        head, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in parts[:2])
    except ValueError:
        return None

    left_s = float(claims.get("exp", 0)) - time.time()
    signed = len(parts) == 3 and head.get("alg") == "RS256" and len(parts[2]) >= SIGNATURE_LENGTH
    complete = claims.get("sub") and claims.get("aud")
    return str(claims.get("iss")) if signed and complete and 0 < left_s <= JWT_LIFETIME_S else None


def unsupported_grant() -> Reply:
    """The response to a grant type that is not emulated."""
    message = "grant type not supported"
    return Reply(400, {"error": "unsupported_grant_type", "error_description": message})


def is_refused_here(call: Call) -> bool:
    """Client credentials at the path that stands for the host for every org."""
    return GENERIC_HOST in call.path and call.form().get("grant_type") == "client_credentials"


def not_on_this_domain() -> Reply:
    """The response to client credentials anywhere but at the org's own domain.

    Source: pozil/pub-sub-api-node-client issue 58 (2025-02), read 2026-11-30.
    """
    message = "request not supported on this domain"
    return Reply(400, {"error": "invalid_grant", "error_description": message})


def session_body(call: Call, org: Org, token: str) -> dict[str, Any]:
    """A new session."""
    return {
        "access_token": token,
        "instance_url": call.base_url,
        "id": f"{call.base_url}/id/{org.org_id}/{org.user_id}",
        "token_type": "Bearer",
        "issued_at": str(int(org.clock.now().timestamp() * 1000)),
        "signature": "sandbox",
        "scope": "api",
    }


def token_of(call: Call) -> str | None:
    """The token of a call: a bearer token, or the session header of a SOAP message."""
    if not call.path.startswith("/services/Soap/"):
        return call.bearer

    session = SOAP_SESSION.search(call.body)
    return session.group(1).decode() if session else None
