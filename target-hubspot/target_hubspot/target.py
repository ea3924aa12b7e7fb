"""The Singer target for HubSpot: its settings and its entry point."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from reverse_etl.crm.adapter import Adapter
from reverse_etl.crm.call_count import CallCount
from reverse_etl.crm.http import CrmHttp
from reverse_etl.crm.oauth import OAuth
from reverse_etl.crm.stored_token import StoredToken
from reverse_etl.errors import SettingError
from reverse_etl.singer.cli import main as run_target
from reverse_etl.singer.settings import COMMON, checked_url, other_names
from reverse_etl.singer.target import CrmTarget
from singer_kit.secret_files import secret_settings
from singer_sdk import typing as th

from target_hubspot.adapter import HubSpotAdapter
from target_hubspot.api import DEFAULT_URL, DEFAULT_VERSION, Pace, Paths, limits, meaning
from target_hubspot.objects import ANY_OBJECT, OBJECTS

TIMEOUT_S = 30.0
HINT = (
    "Check `client_id`, `client_secret` and `refresh_token`, and that the app is still installed."
)


class TargetHubSpot(CrmTarget):
    """Contacts, deals and any other object in HubSpot."""

    name = "target-hubspot"
    package_name = "target-hubspot"
    crm = "hubspot"
    objects = OBJECTS
    default_object = ANY_OBJECT
    default_concurrency = 4
    regress_setting = "lifecycle_regress"
    secret_env: ClassVar = {"access_token": "HUBSPOT_API_KEY"}  # nosec B105  # a variable's name
    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_url",
            th.StringType,
            default=DEFAULT_URL,
            title="API URL",
            description="Host of HubSpot's API, without a version.",
        ),
        *secret_settings(
            "access_token",
            title="Access token",
            description="A service key or private-app token; also read from HUBSPOT_API_KEY.",
        ),
        th.Property(
            "client_id",
            th.StringType,
            title="Client ID",
            description="Client ID of an OAuth app; requires client_secret and refresh_token.",
        ),
        *secret_settings(
            "client_secret",
            title="Client secret",
            description="Client secret of the OAuth app.",
        ),
        *secret_settings(
            "refresh_token",
            title="Refresh token",
            description="Refresh token of the OAuth app's installation.",
        ),
        th.Property(
            "pipeline",
            th.StringType,
            title="Pipeline",
            description="Name or ID of the pipeline for new deals; HubSpot's first by default. "
            "Rules may use the names of its stages.",
        ),
        th.Property(
            "lifecycle_regress",
            th.BooleanType,
            default=False,
            title="Lifecycle regress",
            description="Let the lifecycle stage move back when it does so at the source: it is "
            "cleared, then set. By default it only moves forward.",
        ),
        *other_names(Path(__file__).with_name("mappings")),
        *COMMON,
    ).to_dict()

    def build_adapter(self) -> Adapter:
        """HubSpot as these settings reach it. Raises: SettingError."""
        url = checked_url(str(self.config.get("api_url") or DEFAULT_URL), "api_url")
        version = str(self.config.get("api_version") or DEFAULT_VERSION)
        http = self._http(url, self._oauth(url + Paths(version).token()))
        pipeline = str(self.config.get("pipeline") or "")
        return HubSpotAdapter(http, version, pipeline, self.namespace)

    def _oauth(self, token_url: str) -> OAuth | None:
        """The sign-in; None if `access_token` is set. Raises: SettingError if nothing is."""
        if self.secret("access_token"):
            return None

        if not all(self._credentials().values()):
            raise SettingError(
                "The setting 'access_token' is missing.",
                "Set it, or HUBSPOT_API_KEY, to a service key or private-app token; "
                "or set client_id, client_secret and refresh_token.",
            )

        def form() -> dict[str, str]:
            return {"grant_type": "refresh_token", **self._credentials()}

        return OAuth("HubSpot", token_url, form, HINT, sleep=self.control.sleep)

    def _credentials(self) -> dict[str, str]:
        """What the OAuth app signs in with. Raises: SettingError."""
        secrets = {name: self.secret(name) for name in ("client_secret", "refresh_token")}
        return {"client_id": str(self.config.get("client_id") or ""), **secrets}

    def _http(self, url: str, oauth: OAuth | None) -> CrmHttp:
        pace, stored = Pace(), StoredToken(lambda: self.secret("access_token"))

        def headers() -> dict[str, str]:
            return {"Authorization": f"Bearer {oauth.token() if oauth else stored.value}"}

        return CrmHttp(
            url,
            "HubSpot",
            headers=headers,
            renew=oauth.renew if oauth else stored.renew,
            pace_s=pace.pace_s,
            window_s=pace.window_s,
            meaning=meaning,
            limits=limits,
            calls=CallCount(),
            timeout_s=TIMEOUT_S,
            sleep=self.control.sleep,
            user_agent=f"{self.name}/{self.plugin_version}",
        )


def main() -> int:
    """Entry point of `target-hubspot`."""
    return run_target(TargetHubSpot)
