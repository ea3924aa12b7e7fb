"""The Singer target for Salesforce."""

from __future__ import annotations

import time

from reverse_etl import commands
from reverse_etl.adapter import Adapter, CallCount
from reverse_etl.errors import SettingError
from reverse_etl.http import CrmHttp
from reverse_etl.settings import COMMON, checked_url
from reverse_etl.target import CrmTarget
from singer_sdk import typing as th

from target_salesforce.adapter import SalesforceAdapter
from target_salesforce.api import DEFAULT_LOGIN_URL, DEFAULT_VERSION, Session, meaning
from target_salesforce.objects import DEFAULT_BULK_THRESHOLD, OBJECTS

TIMEOUT_S = 60.0


class TargetSalesforce(CrmTarget):
    """Contacts and Opportunities in Salesforce."""

    name = "target-salesforce"
    package_name = "target-salesforce"
    crm = "salesforce"
    objects = OBJECTS
    function_modules = ("canai_rules",)
    default_concurrency = 2
    config_jsonschema = th.PropertiesList(
        th.Property(
            "login_url",
            th.StringType,
            default=DEFAULT_LOGIN_URL,
            title="Login URL",
            description="Where to sign in: the org's My Domain, or login.salesforce.com.",
        ),
        th.Property(
            "instance_url",
            th.StringType,
            title="Instance URL",
            description="The org's own URL; needed with access_token, else the sign-in tells it.",
        ),
        th.Property(
            "client_id", th.StringType, title="Client id", description="Consumer key of an External Client App (client credentials)."
        ),
        th.Property("client_secret", th.StringType, secret=True, title="Client secret", description="Consumer secret of that app."),
        th.Property(
            "access_token", th.StringType, secret=True, title="Access token", description="A session's token instead of signing in."
        ),
        th.Property(
            "bulk_threshold",
            th.IntegerType(minimum=1),
            default=DEFAULT_BULK_THRESHOLD,
            title="Bulk threshold",
            description="Writes, or look-ups, of one object from which Bulk API 2.0 is used.",
        ),
        *COMMON,
    ).to_dict()

    def build_adapter(self) -> Adapter:
        """Salesforce behind these settings. Raises: SettingError."""
        login_url = checked_url(str(self.config.get("login_url") or DEFAULT_LOGIN_URL), "login_url")
        given = str(self.config.get("instance_url") or "")
        session = Session(
            login_url,
            checked_url(given, "instance_url") if given else login_url,
            client_id=str(self.config.get("client_id") or ""),
            client_secret=str(self.config.get("client_secret") or ""),
            access_token=str(self.config.get("access_token") or ""),
            sleep=time.sleep,
        )
        if not session.access_token and not (session.client_id and session.client_secret):
            raise SettingError("Credentials are missing.", "Set client_id and client_secret, or access_token with instance_url.")
        if session.access_token and not given:
            raise SettingError("The setting 'instance_url' is missing.", "Set the org's own URL together with access_token.")
        http = CrmHttp(
            session.instance_url,
            "Salesforce",
            headers=session.headers,
            pace_s=lambda _: 0.0,
            calls=CallCount(),
            timeout_s=TIMEOUT_S,
            meaning=meaning,
            renew=session.renew,
            user_agent=f"{self.name}/{self.plugin_version}",
        )
        version = str(self.config.get("api_version") or DEFAULT_VERSION)
        return SalesforceAdapter(http, session, version, int(self.config["bulk_threshold"]))


def main() -> int:
    """Entry point of `target-salesforce`."""
    return commands.main(TargetSalesforce)
