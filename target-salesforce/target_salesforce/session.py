"""Signing in to Salesforce: client credentials, JWT bearer, refresh token, or a token that is given."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import jwt
from reverse_etl.crm.oauth import OAuth
from reverse_etl.errors import CrmError, SettingError

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105  # a path
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
JWT_LIFETIME_S = 180
"""An assertion may be good for 3 to 5 minutes. Source: Salesforce, OAuth 2.0 JWT Bearer Flow, read 2026-11-23."""
HINT = "Check `client_id`, its secret, key or refresh token, and `login_url`, and that the app allows this flow."


@dataclass(slots=True)
class Session:
    """A token and where it is good."""

    oauth: OAuth | None
    given_url: str = ""
    given_token: str = ""

    @property
    def access_token(self) -> str:
        """A token. Raises: CrmError."""
        return self.oauth.token() if self.oauth else self.given_token

    def headers(self) -> dict[str, str]:
        """The header of every call. Raises: CrmError."""
        return {"Authorization": f"Bearer {self.access_token}"}

    def renew(self) -> bool:
        """A new token after INVALID_SESSION_ID; False where only a given one is known. Raises: CrmError."""
        return self.oauth.renew() if self.oauth else False

    @property
    def instance_url(self) -> str:
        """The org's own URL, as the sign-in tells it. Raises: CrmError."""
        if self.oauth is None:
            return self.given_url
        self.oauth.token()
        url = str(self.oauth.answer.get("instance_url") or self.given_url).rstrip("/")
        if not url:
            raise CrmError(
                "Salesforce's sign-in names no instance URL.",
                "Set `instance_url` to the org's own URL.",
            )
        return url

    @property
    def identity_url(self) -> str:
        """The `id` of the sign-in's answer, which ends in /ORG_ID/USER_ID; empty for a given token."""
        return str(self.oauth.answer.get("id", "")) if self.oauth else ""


def grant(given: Mapping[str, str], audience: str) -> Mapping[str, str] | None:
    """The form of the grant that the settings allow; None where they allow none. Raises: SettingError."""
    own = {"client_id": given["client_id"]} | (
        {"client_secret": given["client_secret"]} if given["client_secret"] else {}
    )
    if given["client_id"] and given["refresh_token"]:
        return {"grant_type": "refresh_token", "refresh_token": given["refresh_token"], **own}
    if given["client_id"] and given["username"] and given["private_key"]:
        return {"grant_type": JWT_GRANT, "assertion": assertion(given, audience)}
    if given["client_id"] and given["client_secret"]:
        return {"grant_type": "client_credentials", **own}
    return None


def assertion(given: Mapping[str, str], audience: str) -> str:
    """A signed statement of who signs in. Raises: SettingError."""
    claims = {
        "iss": given["client_id"],
        "sub": given["username"],
        "aud": audience,
        "exp": int(time.time()) + JWT_LIFETIME_S,
    }
    try:
        return jwt.encode(claims, given["private_key"].replace("\\n", "\n"), algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError):
        raise SettingError(
            "private_key is no RSA key.",
            "Give the PEM text of the key whose certificate the app has.",
        ) from None


def audience_of(login_url: str) -> str:
    """Whom an assertion is for: Salesforce's own login host, also where the org's My Domain is signed in to."""
    host = urlsplit(login_url).hostname or ""
    if not host.endswith(".salesforce.com"):
        return login_url
    return (
        "https://test.salesforce.com"
        if host.startswith("test.") or ".sandbox." in host
        else "https://login.salesforce.com"
    )


def open_session(given: Mapping[str, str], login_url: str) -> Session:
    """The session that the settings allow. Raises: SettingError."""
    audience = audience_of(login_url)
    if grant(given, audience) is not None:
        oauth = OAuth(
            "Salesforce", f"{login_url}{TOKEN_PATH}", lambda: grant(given, audience) or {}, HINT
        )
        return Session(oauth, given["instance_url"])
    if not given["access_token"]:
        raise SettingError(
            "No credentials are set.",
            "Set client_id with client_secret, with username and private_key, or with refresh_token; or access_token with instance_url.",
        )
    if not given["instance_url"]:
        raise SettingError(
            "The setting 'instance_url' is missing.",
            "Set the org's own URL together with access_token.",
        )
    return Session(None, given["instance_url"], given["access_token"])
