"""The Singer target for HubSpot."""

from __future__ import annotations

from typing import ClassVar

from reverse_etl.crm.adapter import Adapter, CallCount
from reverse_etl.crm.http import CrmHttp
from reverse_etl.crm.oauth import OAuth
from reverse_etl.errors import SettingError
from reverse_etl.singer import cli as commands
from reverse_etl.singer.settings import COMMON, checked_url
from reverse_etl.singer.target import CrmTarget
from singer_sdk import typing as th

from target_hubspot.adapter import HubSpotAdapter
from target_hubspot.api import DEFAULT_URL, DEFAULT_VERSION, Pace, Paths, meaning
from target_hubspot.objects import OBJECTS

TIMEOUT_S = 30.0


HINT = (
    "Check `client_id`, `client_secret` and `refresh_token`, and that the app is still installed."
)


class TargetHubSpot(CrmTarget):
    """Contacts and deals in HubSpot."""

    name = "target-hubspot"
    package_name = "target-hubspot"
    crm = "hubspot"
    objects = OBJECTS
    function_modules = ("canai_rules",)
    default_concurrency = 4
    regress_setting = "lifecycle_regress"
    secret_env: ClassVar = {"access_token": "HUBSPOT_API_KEY"}
    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_url",
            th.StringType,
            default=DEFAULT_URL,
            title="API URL",
            description="Host of HubSpot's API, without version.",
        ),
        th.Property(
            "access_token",
            th.StringType,
            secret=True,
            title="Access token",
            description="A service key or private-app token; also read from HUBSPOT_API_KEY.",
        ),
        th.Property(
            "client_id",
            th.StringType,
            title="Client id",
            description="Of an OAuth app, with client_secret and refresh_token.",
        ),
        th.Property(
            "client_secret",
            th.StringType,
            secret=True,
            title="Client secret",
            description="Of that app.",
        ),
        th.Property(
            "refresh_token",
            th.StringType,
            secret=True,
            title="Refresh token",
            description="Of that app's installation.",
        ),
        th.Property(
            "pipeline",
            th.StringType,
            title="Pipeline",
            description="Name or id of the pipeline that deals are made in; by default HubSpot's first. Stages may be named, too.",
        ),
        th.Property(
            "lifecycle_regress",
            th.BooleanType,
            default=False,
            title="Lifecycle regress",
            description="Let the lifecycle stage go back when the source's does: it is cleared, then set. Otherwise it only moves forward.",
        ),
        *COMMON,
    ).to_dict()

    def build_adapter(self) -> Adapter:
        """HubSpot behind these settings. Raises: SettingError."""
        url = checked_url(str(self.config.get("api_url") or DEFAULT_URL), "api_url")
        version = str(self.config.get("api_version") or DEFAULT_VERSION)
        own = {
            name: str(self.config.get(name) or "")
            for name in ("client_id", "client_secret", "refresh_token")
        }
        oauth = OAuth(
            "HubSpot",
            url + Paths(version).token(),
            lambda: {"grant_type": "refresh_token", **own},
            HINT,
        )
        given = self.setting("access_token")
        if not given and not all(own.values()):
            raise SettingError(
                "The setting 'access_token' is missing.",
                "Set it, or HUBSPOT_API_KEY, to a service key or private-app token; or client_id, client_secret and refresh_token.",
            )
        pace = Pace()
        http = CrmHttp(
            url,
            "HubSpot",
            headers=lambda: {"Authorization": f"Bearer {given or oauth.token()}"},
            renew=None if given else oauth.renew,
            pace_s=pace.pace_s,
            window_s=pace.window_s,
            meaning=meaning,
            calls=CallCount(),
            timeout_s=TIMEOUT_S,
            user_agent=f"{self.name}/{self.plugin_version}",
        )
        return HubSpotAdapter(http, version, str(self.config.get("pipeline") or ""))


def main() -> int:
    """Entry point of `target-hubspot`."""
    return commands.main(TargetHubSpot)
