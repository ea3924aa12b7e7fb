"""The Singer target for Salesforce."""

from __future__ import annotations

from reverse_etl.crm.adapter import Adapter, CallCount
from reverse_etl.crm.http import CrmHttp
from reverse_etl.singer import cli as commands
from reverse_etl.singer.settings import COMMON, checked_url
from reverse_etl.singer.target import CrmTarget
from singer_sdk import typing as th

from target_salesforce.adapter import SalesforceAdapter
from target_salesforce.api import DEFAULT_LOGIN_URL, DEFAULT_VERSION, LimitWatch, meaning
from target_salesforce.objects import DEFAULT_BULK_THRESHOLD, OBJECTS
from target_salesforce.session import open_session

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
            "client_id",
            th.StringType,
            title="Client id",
            description="Consumer key of an External Client App.",
        ),
        th.Property(
            "client_secret",
            th.StringType,
            secret=True,
            title="Client secret",
            description="Consumer secret, for client credentials.",
        ),
        th.Property(
            "username",
            th.StringType,
            title="Username",
            description="The user to act as, for the JWT bearer flow.",
        ),
        th.Property(
            "private_key",
            th.StringType,
            secret=True,
            title="Private key",
            description="PEM text of the RSA key whose certificate the app has, for the JWT bearer flow.",
        ),
        th.Property(
            "refresh_token",
            th.StringType,
            secret=True,
            title="Refresh token",
            description="A refresh token of the app.",
        ),
        th.Property(
            "access_token",
            th.StringType,
            secret=True,
            title="Access token",
            description="A session's token instead of signing in.",
        ),
        th.Property(
            "bulk_threshold",
            th.IntegerType(minimum=1),
            default=DEFAULT_BULK_THRESHOLD,
            title="Bulk threshold",
            description="Writes, or look-ups, of one object from which Bulk API 2.0 is used.",
        ),
        th.Property(
            "allow_duplicates_save",
            th.BooleanType,
            default=False,
            title="Allow duplicates save",
            description="Save rows that a duplicate rule of the org only warns of (not by Bulk API 2.0); otherwise they are dead letters.",
        ),
        *COMMON,
    ).to_dict()

    def build_adapter(self) -> Adapter:
        """Salesforce behind these settings. Raises: SettingError."""
        login_url = checked_url(str(self.config.get("login_url") or DEFAULT_LOGIN_URL), "login_url")
        names = (
            "client_id",
            "client_secret",
            "username",
            "private_key",
            "refresh_token",
            "access_token",
            "instance_url",
        )
        given = {name: str(self.config.get(name) or "") for name in names}
        if given["instance_url"]:
            given["instance_url"] = checked_url(given["instance_url"], "instance_url")
        session = open_session(given, login_url)
        http = CrmHttp(
            given["instance_url"] or login_url,
            "Salesforce",
            headers=session.headers,
            pace_s=LimitWatch().pace_s,
            calls=CallCount(),
            timeout_s=TIMEOUT_S,
            meaning=meaning,
            renew=session.renew,
            user_agent=f"{self.name}/{self.plugin_version}",
        )
        version = str(self.config.get("api_version") or DEFAULT_VERSION)
        allow = bool(self.config.get("allow_duplicates_save"))
        return SalesforceAdapter(
            http, session, version, int(self.config["bulk_threshold"]), allow_duplicates=allow
        )


def main() -> int:
    """Entry point of `target-salesforce`."""
    return commands.main(TargetSalesforce)
