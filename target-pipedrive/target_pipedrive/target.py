"""The Singer target for Pipedrive."""

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

from target_pipedrive.adapter import PipedriveAdapter
from target_pipedrive.api import DEFAULT_URL, DEFAULT_VERSION, OAUTH_URL, meaning, pace_s, tokens
from target_pipedrive.objects import OBJECTS

TIMEOUT_S = 30.0
HINT = "Check `client_id`, `client_secret` and `refresh_token`: a refresh token dies after 60 idle days."


class TargetPipedrive(CrmTarget):
    """Persons and deals in Pipedrive."""

    name = "target-pipedrive"
    package_name = "target-pipedrive"
    crm = "pipedrive"
    objects = OBJECTS
    function_modules = ("canai_rules",)
    default_concurrency = 4
    secret_env: ClassVar = {"api_token": "PIPEDRIVE_API_TOKEN"}
    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_url",
            th.StringType,
            default=DEFAULT_URL,
            title="API URL",
            description="Host of Pipedrive's API, without version.",
        ),
        th.Property(
            "api_token",
            th.StringType,
            secret=True,
            title="API token",
            description="An API token; also read from PIPEDRIVE_API_TOKEN.",
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
            "stage_ids",
            th.ArrayType(th.IntegerType),
            title="Stage ids",
            description="Stages that journey stages F3 to F9 are spread over; by default those of the first pipeline, in order.",
        ),
        th.Property(
            "pipeline",
            th.StringType,
            title="Pipeline",
            description="Name or id of the pipeline whose stages deals are spread over; by default the first.",
        ),
        th.Property(
            "merge_duplicates",
            th.BooleanType,
            default=False,
            title="Merge duplicates",
            description="Merge persons and deals that were made twice because an answer was lost; otherwise they are dead letters.",
        ),
        *COMMON,
    ).to_dict()

    def build_adapter(self) -> Adapter:
        """Pipedrive behind these settings. Raises: SettingError."""
        url = checked_url(str(self.config.get("api_url") or DEFAULT_URL), "api_url")
        token = self.setting("api_token")
        own = {
            name: str(self.config.get(name) or "")
            for name in ("client_id", "client_secret", "refresh_token")
        }
        if not token and not all(own.values()):
            raise SettingError(
                "The setting 'api_token' is missing.",
                "Set it, or PIPEDRIVE_API_TOKEN, to an API token; or client_id, client_secret and refresh_token.",
            )
        form = {"grant_type": "refresh_token", "refresh_token": own["refresh_token"]}
        sign_in = OAUTH_URL if url == DEFAULT_URL else f"{url}/oauth/token"
        oauth = OAuth(
            "Pipedrive", sign_in, lambda: form, HINT, basic=(own["client_id"], own["client_secret"])
        )
        if not token:
            oauth.token()
            url = str(oauth.answer.get("api_domain") or url).rstrip("/")
        version = str(self.config.get("api_version") or DEFAULT_VERSION)
        if version != DEFAULT_VERSION:
            raise SettingError(
                f"api_version {version} is not supported.", "Pipedrive is spoken in v2."
            )
        http = CrmHttp(
            url,
            "Pipedrive",
            headers=lambda: (
                {"x-api-token": str(token)}
                if token
                else {"Authorization": f"Bearer {oauth.token()}"}
            ),
            renew=None if token else oauth.renew,
            pace_s=pace_s,
            meaning=meaning,
            cost=tokens,
            calls=CallCount(),
            timeout_s=TIMEOUT_S,
            user_agent=f"{self.name}/{self.plugin_version}",
        )
        return PipedriveAdapter(
            http, self.config.get("stage_ids") or (), str(self.config.get("pipeline") or "")
        )


def main() -> int:
    """Entry point of `target-pipedrive`."""
    return commands.main(TargetPipedrive)
