"""The Singer target for Pipedrive: its settings and its entry point."""

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

from target_pipedrive.adapter import PipedriveAdapter
from target_pipedrive.api import (
    DEFAULT_URL,
    DEFAULT_VERSION,
    OAUTH_URL,
    limits,
    meaning,
    pace_s,
    tokens,
)
from target_pipedrive.objects import OBJECTS

TIMEOUT_S = 30.0
HINT = (
    "Check `client_id`, `client_secret` and `refresh_token`: "
    "a refresh token expires after 60 days without use."
)


class TargetPipedrive(CrmTarget):
    """Any object of Pipedrive."""

    name = "target-pipedrive"
    package_name = "target-pipedrive"
    crm = "pipedrive"
    objects = OBJECTS
    default_concurrency = 4
    secret_env: ClassVar = {"api_token": "PIPEDRIVE_API_TOKEN"}  # nosec B105  # a variable's name
    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_url",
            th.StringType,
            default=DEFAULT_URL,
            title="API URL",
            description="Host of Pipedrive's API, without a version.",
        ),
        *secret_settings(
            "api_token",
            title="API token",
            description="An API token; also read from PIPEDRIVE_API_TOKEN.",
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
            "stage_ids",
            th.ArrayType(th.IntegerType),
            title="Stage IDs",
            description="IDs of the stages that journey stages F3 to F9 are spread over; "
            "by default the stages of the pipeline, in order.",
        ),
        th.Property(
            "pipeline",
            th.StringType,
            title="Pipeline",
            description="Name or ID of the pipeline whose stages deals are spread over; "
            "by default the first.",
        ),
        th.Property(
            "merge_duplicates",
            th.BooleanType,
            default=False,
            title="Merge duplicates",
            description="Merge persons, deals and organizations that were created twice because a "
            "response was lost. Otherwise they become dead letters.",
        ),
        *other_names(Path(__file__).with_name("mappings")),
        *COMMON,
    ).to_dict()

    def build_adapter(self) -> Adapter:
        """Pipedrive as these settings reach it. Raises: SettingError, CrmError."""
        version = str(self.config.get("api_version") or DEFAULT_VERSION)
        if version != DEFAULT_VERSION:
            raise SettingError(
                f"api_version {version} is not supported.",
                f"Use {DEFAULT_VERSION}, or leave it unset.",
            )
        url = checked_url(str(self.config.get("api_url") or DEFAULT_URL), "api_url")
        stage_ids = self.config.get("stage_ids") or ()
        pipeline = str(self.config.get("pipeline") or "")
        return PipedriveAdapter(self._http(url, self._oauth(url)), stage_ids, pipeline)

    def _oauth(self, url: str) -> OAuth | None:
        """The sign-in; None if `api_token` is set. Raises: SettingError if nothing is."""
        if self.secret("api_token"):
            return None

        if not all((*self._client(), self.secret("refresh_token"))):
            raise SettingError(
                "The setting 'api_token' is missing.",
                "Set it, or PIPEDRIVE_API_TOKEN, to an API token; "
                "or set client_id, client_secret and refresh_token.",
            )

        def form() -> dict[str, str]:
            return {"grant_type": "refresh_token", "refresh_token": self.secret("refresh_token")}

        token_url = OAUTH_URL if url == DEFAULT_URL else f"{url}/oauth/token"
        sleep = self.control.sleep
        return OAuth("Pipedrive", token_url, form, HINT, basic=self._client, sleep=sleep)

    def _client(self) -> tuple[str, str]:
        """Id and secret of the OAuth app. Raises: SettingError."""
        return str(self.config.get("client_id") or ""), self.secret("client_secret")

    def _http(self, url: str, oauth: OAuth | None) -> CrmHttp:
        """Raises: CrmError."""
        stored = StoredToken(lambda: self.secret("api_token"))
        if oauth is not None:
            oauth.token()  # signs in: the answer names the company's own host
            url = str(oauth.answer.get("api_domain") or url).rstrip("/")

        def headers() -> dict[str, str]:
            if oauth is None:
                return {"x-api-token": stored.value}
            return {"Authorization": f"Bearer {oauth.token()}"}

        return CrmHttp(
            url,
            "Pipedrive",
            headers=headers,
            renew=oauth.renew if oauth else stored.renew,
            pace_s=pace_s,
            meaning=meaning,
            limits=limits,
            cost=tokens,
            calls=CallCount(),
            timeout_s=TIMEOUT_S,
            sleep=self.control.sleep,
            user_agent=f"{self.name}/{self.plugin_version}",
        )


def main() -> int:
    """Entry point of `target-pipedrive`."""
    return run_target(TargetPipedrive)
