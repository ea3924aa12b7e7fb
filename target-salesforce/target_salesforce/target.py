"""The Singer target for Salesforce: its settings and its entry point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from reverse_etl.crm.adapter import Adapter
from reverse_etl.crm.call_count import CallCount
from reverse_etl.crm.http import CrmHttp
from reverse_etl.mapping.rules import Rule
from reverse_etl.singer.cli import main as run_target
from reverse_etl.singer.settings import COMMON, checked_url, other_names
from reverse_etl.singer.target import CrmTarget
from singer_kit.secret_files import secret_settings
from singer_sdk import typing as th

from target_salesforce.adapter import SalesforceAdapter
from target_salesforce.api import DEFAULT_VERSION, LimitWatch, limits, meaning
from target_salesforce.objects import DEFAULT_BULK_THRESHOLD, DEFAULT_OBJECT, OBJECTS
from target_salesforce.session import Credentials, Session, login_place, open_session

TIMEOUT_S = 60.0
PRIVATE_CONTACTS = (
    "Contacts are linked to no Account, so each is visible to its owner and administrators alone. "
    "Set contact_account to link them to one."
)
"""Source: Salesforce Help, Considerations for Sharing and Accessing Contacts, and article
000384762, Unable to See Some Salesforce Contacts, read 2026-11-29."""
UNUSED_ACCOUNT = (
    "contact_account is set, and no rule of Contact links to it. Add the link "
    "{to: Account, setting: contact_account, by: Name, write: if_empty}."
)


class TargetSalesforce(CrmTarget):
    """Contacts, opportunities and any other object of Salesforce."""

    name = "target-salesforce"
    package_name = "target-salesforce"
    crm = "salesforce"
    objects = OBJECTS
    default_object = DEFAULT_OBJECT
    default_concurrency = 2
    config_jsonschema = th.PropertiesList(
        th.Property(
            "login_url",
            th.StringType,
            title="Login URL",
            description="Where to sign in: your org's My Domain, which client credentials need "
            "(default: `instance_url`). Other flows sign in at login.salesforce.com by default.",
        ),
        th.Property(
            "instance_url",
            th.StringType,
            title="Instance URL",
            description="Your org's own URL. Required with access_token; "
            "otherwise the sign-in returns it.",
        ),
        th.Property(
            "client_id",
            th.StringType,
            title="Client ID",
            description="Consumer key of an External Client App.",
        ),
        *secret_settings(
            "client_secret",
            title="Client secret",
            description="Consumer secret of the app, for the client credentials flow.",
        ),
        th.Property(
            "username",
            th.StringType,
            title="Username",
            description="The user to act as, for the JWT bearer flow.",
        ),
        *secret_settings(
            "private_key",
            title="Private key",
            description="PEM text of the RSA key whose certificate the app has, "
            "for the JWT bearer flow.",
        ),
        *secret_settings(
            "refresh_token",
            title="Refresh token",
            description="A refresh token issued to the app.",
        ),
        *secret_settings(
            "access_token",
            title="Access token",
            description="A session's access token, to use instead of signing in.",
        ),
        th.Property(
            "bulk_threshold",
            th.IntegerType(minimum=1),
            default=DEFAULT_BULK_THRESHOLD,
            title="Bulk threshold",
            description="Number of writes, or lookups, of one object from which Bulk API 2.0 "
            "is used.",
        ),
        th.Property(
            "allow_duplicates_save",
            th.BooleanType,
            default=False,
            title="Allow duplicates save",
            description="Save rows that a duplicate rule of your org warns about. Otherwise they "
            "become dead letters, as they always do with Bulk API 2.0.",
        ),
        th.Property(
            "contact_account",
            th.StringType,
            title="Account of contacts",
            description="Name of the Account that contacts without one are linked to. A contact "
            "without an Account is private to its owner.",
        ),
        *other_names(Path(__file__).with_name("mappings")),
        *COMMON,
    ).to_dict()

    def build_adapter(self) -> Adapter:
        """Salesforce as these settings reach it. Raises: SettingError."""
        login_url = login_place(str(self.config.get("login_url") or ""), self._credentials())
        session = open_session(self._credentials, login_url, self.control.sleep)
        return SalesforceAdapter(
            self._http(session.fixed_url or login_url, session),
            session,
            str(self.config.get("api_version") or DEFAULT_VERSION),
            int(self.config["bulk_threshold"]),
            allow_duplicates=bool(self.config.get("allow_duplicates_save")),
            namespace=self.namespace,
        )

    def mapping_notes(self, rules: Sequence[Rule]) -> list[str]:
        """That contacts are private while no rule links them to an Account."""
        contacts = [rule for rule in rules if rule.object == "Contact"]
        if not contacts or any(link.to == "Account" for rule in contacts for link in rule.links):
            return []
        return [UNUSED_ACCOUNT if self.config.get("contact_account") else PRIVATE_CONTACTS]

    def _credentials(self) -> Credentials:
        """The settings as they are now, and files of secrets. Raises: SettingError."""
        settings = {field.name: self.secret(field.name) for field in fields(Credentials)}
        if settings["instance_url"]:
            settings["instance_url"] = checked_url(settings["instance_url"], "instance_url")
        return Credentials(**settings)

    def _http(self, url: str, session: Session) -> CrmHttp:
        return CrmHttp(
            url,
            "Salesforce",
            headers=session.headers,
            renew=session.renew,
            pace_s=LimitWatch().pace_s,
            meaning=meaning,
            limits=limits,
            calls=CallCount(),
            timeout_s=TIMEOUT_S,
            sleep=self.control.sleep,
            user_agent=f"{self.name}/{self.plugin_version}",
        )


def main() -> int:
    """Entry point of `target-salesforce`."""
    return run_target(TargetSalesforce)
