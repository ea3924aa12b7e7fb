"""Signing in to Salesforce: client credentials, JWT bearer, refresh token, or an access token."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import jwt
from reverse_etl.crm.oauth import OAuth
from reverse_etl.crm.stored_token import StoredToken
from reverse_etl.errors import CrmError, SettingError
from singer_kit.settings import checked_url
from singer_kit.urls import shown_url

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105  # a path  # nosec B105
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GENERIC_LOGIN_URL = "https://login.salesforce.com"
"""Where to sign in to any org, except with client credentials."""
GENERIC_HOSTS = frozenset({"login.salesforce.com", "test.salesforce.com"})
"""Hosts that refuse client credentials: `invalid_grant`, "request not supported on this domain".

Source: pozil/pub-sub-api-node-client issue 58 (2025-02), read 2026-11-30.
"""
MY_DOMAIN_HINT = "Set login_url to your org's My Domain, such as https://acme.my.salesforce.com."
JWT_LIFETIME_S = 180
"""An assertion may be valid for 3 to 5 minutes.
Source: Salesforce, OAuth 2.0 JWT Bearer Flow, read 2026-11-23."""
HINT = (
    "Check `client_id` with its secret, key or refresh token, check `login_url`, "
    "and make sure that the app allows this flow."
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the settings say about signing in; an empty string is not set."""

    client_id: str = ""
    client_secret: str = ""
    username: str = ""
    private_key: str = ""
    refresh_token: str = ""
    access_token: str = ""
    instance_url: str = ""

    @property
    def are_of_client(self) -> bool:
        """Returns True if the app signs in by itself, for no user."""
        for_user = self.refresh_token or (self.username and self.private_key)
        return bool(self.client_id and self.client_secret and not for_user)


@dataclass(slots=True)
class Session:
    """An access token and the instance that accepts it."""

    oauth: OAuth | None
    fixed_url: str = ""
    """`instance_url` of the settings."""
    stored: StoredToken | None = None
    """`access_token` of the settings, used where there is no way to sign in."""

    @property
    def access_token(self) -> str:
        """A valid token. Raises: CrmError."""
        if self.oauth is not None:
            return self.oauth.token()
        return self.stored.value if self.stored is not None else ""

    def headers(self) -> dict[str, str]:
        """The header of every call. Raises: CrmError."""
        return {"Authorization": f"Bearer {self.access_token}"}

    def renew(self) -> bool:
        """Get a new token after INVALID_SESSION_ID. Returns False if the settings hold no other.

        Raises: SettingError, CrmError.
        """
        if self.oauth is not None:
            return self.oauth.renew()
        return self.stored is not None and self.stored.renew()

    @property
    def instance_url(self) -> str:
        """The org's own URL, as the sign-in returned it. Raises: CrmError."""
        if self.oauth is None:
            return self.fixed_url

        self.oauth.token()
        url = str(self.oauth.answer.get("instance_url") or self.fixed_url).rstrip("/")
        if not url:
            raise CrmError(
                "Salesforce's sign-in returned no instance URL.",
                "Set `instance_url` to the org's own URL.",
            )
        return url

    @property
    def identity_url(self) -> str:
        """The `id` that the sign-in returned, ending in /ORG_ID/USER_ID; empty without one."""
        return str(self.oauth.answer.get("id", "")) if self.oauth else ""


def login_place(configured: str, credentials: Credentials) -> str:
    """Where to sign in: `login_url`, if it is set. Raises: SettingError.

    Client credentials are accepted at an org's own URL alone, so it takes the place of a default.
    """
    own = credentials.instance_url if credentials.are_of_client else GENERIC_LOGIN_URL
    url = checked_url(configured, "login_url") if configured else own
    if not url:
        raise SettingError(
            "The setting 'login_url' is missing: client credentials need it.", MY_DOMAIN_HINT
        )
    if credentials.are_of_client and urlsplit(url).hostname in GENERIC_HOSTS:
        raise SettingError(
            f"login_url is {shown_url(url)}, where Salesforce accepts no client credentials.",
            MY_DOMAIN_HINT,
        )
    return url


def open_session(
    read: Callable[[], Credentials], login_url: str, sleep: Callable[[float], None] = time.sleep
) -> Session:
    """The session that the settings allow; `read` reads them, again for each sign-in.

    Raises: SettingError.
    """
    credentials = read()
    audience = audience_of(login_url)
    if grant(credentials, audience) is not None:
        token_url = f"{login_url}{TOKEN_PATH}"

        def form() -> Mapping[str, str]:
            return grant(read(), audience) or {}

        oauth = OAuth("Salesforce", token_url, form, HINT, sleep=sleep)
        return Session(oauth, credentials.instance_url)

    if not credentials.access_token:
        raise SettingError(
            "No credentials are set.",
            "Set client_id with client_secret, with username and private_key, "
            "or with refresh_token; or set access_token with instance_url.",
        )
    if not credentials.instance_url:
        raise SettingError(
            "The setting 'instance_url' is missing.",
            "Set it to the org's own URL: access_token needs it.",
        )
    stored = StoredToken(lambda: read().access_token)
    return Session(None, credentials.instance_url, stored)


def grant(credentials: Credentials, audience: str) -> Mapping[str, str] | None:
    """The form of the grant that the settings allow; None if none. Raises: SettingError."""
    client = {"client_id": credentials.client_id}
    if not credentials.client_id:
        return None
    if credentials.client_secret:
        client["client_secret"] = credentials.client_secret

    if credentials.refresh_token:
        form = {"grant_type": "refresh_token", "refresh_token": credentials.refresh_token}
        return form | client
    if credentials.username and credentials.private_key:
        return {"grant_type": JWT_GRANT, "assertion": assertion(credentials, audience)}
    if credentials.client_secret:
        return {"grant_type": "client_credentials"} | client
    return None


def assertion(credentials: Credentials, audience: str) -> str:
    """A signed statement of who signs in. Raises: SettingError."""
    claims = {
        "iss": credentials.client_id,
        "sub": credentials.username,
        "aud": audience,
        "exp": int(time.time()) + JWT_LIFETIME_S,
    }
    key = credentials.private_key.replace("\\n", "\n")  # one line in an environment variable
    try:
        return jwt.encode(claims, key, algorithm="RS256")
    except (ValueError, TypeError, AttributeError, jwt.PyJWTError):
        # a public key lacks what signing needs, which is an AttributeError
        raise SettingError(
            "private_key is not a valid RSA key.",
            "Set it to the PEM text of the key whose certificate the app has.",
        ) from None


def audience_of(login_url: str) -> str:
    """Who an assertion is for: Salesforce's own login host, even if you sign in at My Domain."""
    host = urlsplit(login_url).hostname or ""
    if not host.endswith(".salesforce.com"):
        return login_url
    if host.startswith("test.") or ".sandbox." in host:
        return "https://test.salesforce.com"
    return GENERIC_LOGIN_URL
