"""Who is signed in: the org and the user behind the session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reverse_etl.crm.adapter import Account
from reverse_etl.crm.http import SETUP

from target_salesforce.api import SalesforceApi
from target_salesforce.errors import json_object

ORG_PREFIX, USER_PREFIX = "00D", "005"
"""How ids of an org and of a user begin."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Read from the sign-in's answer; asked for where a token came from the settings."""

    api: SalesforceApi

    def account(self) -> Account:
        """The org. Raises: CrmError."""
        session = self.api.session
        session.headers()  # signs in, if that has not happened yet
        parts = session.identity_url.rstrip("/").split("/")
        if len(parts) >= 2 and parts[-2].startswith(ORG_PREFIX):
            return Account(parts[-2], session.instance_url)
        return Account(str(self._userinfo()["organization_id"]), session.instance_url)

    def user_id(self) -> str:
        """The id of the running user. Raises: CrmError."""
        last_part = self.api.session.identity_url.rstrip("/").rpartition("/")[2]
        if last_part.startswith(USER_PREFIX):
            return last_part
        return str(self._userinfo()["user_id"])

    def _userinfo(self) -> Mapping[str, Any]:
        answer = self.api.get("/services/oauth2/userinfo", SETUP)
        return json_object(answer, "userinfo", "Check `instance_url` and the access token.")
