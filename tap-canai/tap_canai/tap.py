"""The Singer tap: settings, streams, and errors that end as one line."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import IO, Any, cast

import click
from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError

from tap_canai.audit import AuditLog, audit_log
from tap_canai.commands import command_named
from tap_canai.errors import SettingError, TapError
from tap_canai.exports import ExportClient
from tap_canai.streams import STREAM_ORDER, STREAMS, ExportStream
from tap_canai.times import parse_utc
from tap_canai.webhooks.stream import Events

DEFAULT_URL = "https://canai-router.onrender.com"
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
SETTING_NAME = re.compile(r"in config\['?(\w+)'?\]|'(\w+)' is a required property")


class StreamsFailedError(TapError):
    """Some streams failed; the others were read."""


class TapCanAI(Tap):
    """Users, payments, deliverables and analytics of the CanAI platform."""

    name = "tap-canai"
    package_name = "tap-canai"
    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_key",
            th.StringType,
            secret=True,
            title="API key",
            description="A key with export permission, or a JSON list of keys, tried in order; also read from CANAI_API_KEY.",
        ),
        th.Property(
            "api_url",
            th.StringType,
            default=DEFAULT_URL,
            title="API URL",
            description="Host of the export API, without version.",
        ),
        th.Property(
            "api_version",
            th.StringType,
            default="v1",
            title="API version",
            description="Version in the path and the X-API-Version header.",
        ),
        th.Property(
            "start_date",
            th.DateTimeType,
            default="2024-01-01T00:00:00Z",
            title="Start date",
            description="Where the first run begins, and the earliest any run reads.",
        ),
        th.Property(
            "end_date",
            th.DateTimeType,
            title="End date",
            description="Where runs end; by default the API's present time.",
        ),
        th.Property(
            "window_days",
            th.NumberType(exclusive_minimum=0),
            default=30,
            title="Window days",
            description="Days that one export spans; the state goes out after each.",
        ),
        th.Property(
            "lookback_seconds",
            th.ObjectType(additional_properties=th.NumberType(minimum=0)),
            title="Lookback seconds",
            description="Seconds before the bookmark that are read again, by stream "
            "(users and payments 300, deliverables 7 days, analytics 3 days).",
        ),
        th.Property(
            "format",
            th.StringType,
            default="json",
            allowed_values=["json", "csv", "xml"],
            title="Format",
            description="Format of the export files; the records are the same.",
        ),
        th.Property(
            "parallel_exports",
            th.IntegerType(minimum=1, maximum=16),
            default=2,
            title="Parallel exports",
            description="Exports that are being prepared at a time, within the pace.",
        ),
        th.Property(
            "sweep_days",
            th.NumberType(exclusive_minimum=0),
            default=7,
            title="Sweep days",
            description="Every so many days users and deliverables are read from start_date again, "
            "since refunds, tiers and ratings change rows without any activity.",
        ),
        th.Property(
            "user_ids",
            th.ArrayType(th.StringType),
            title="User ids",
            description="Only what belongs to these users.",
        ),
        th.Property(
            "subscription_tiers",
            th.ArrayType(th.StringType(allowed_values=["standard", "premium"])),
            title="Subscription tiers",
            description="Only what belongs to users of these tiers.",
        ),
        th.Property(
            "journey_stages",
            th.ArrayType(th.StringType(allowed_values=[f"F{number}" for number in range(1, 10)])),
            title="Journey stages",
            description="Only what belongs to users in these stages.",
        ),
        th.Property(
            "product_tracks",
            th.ArrayType(
                th.StringType(allowed_values=["business_builder", "social_email", "site_audit"])
            ),
            title="Product tracks",
            description="Only what belongs to users of these tracks.",
        ),
        th.Property(
            "anonymize",
            th.BooleanType,
            default=False,
            title="Anonymize",
            description="Ask for exports without personal data, and stop where one holds any.",
        ),
        th.Property(
            "compliance_mode",
            th.StringType,
            allowed_values=["gdpr_export", "ccpa_export"],
            title="Compliance mode",
            description="Marks exports made for a data subject's request.",
        ),
        th.Property(
            "requests_per_minute",
            th.IntegerType(minimum=1),
            default=90,
            title="Requests per minute",
            description="The tap's own pace; the API allows 100 a minute for a key.",
        ),
        th.Property(
            "request_timeout",
            th.NumberType(exclusive_minimum=0),
            default=300,
            title="Request timeout",
            description="Seconds that the API or the storage may stay silent.",
        ),
        th.Property(
            "audit_log",
            th.StringType,
            title="Audit log",
            secret=True,
            description="Where every export is noted, hash-chained, for 12 months: a file of JSON lines, or a database "
            "(sqlite:///FILE, postgresql+psycopg://…; table export_audit). By default "
            ".meltano/run/tap-canai/audit.jsonl, outside Meltano ./audit-tap-canai.jsonl.",
        ),
        th.Property(
            "allow_private_download_hosts",
            th.BooleanType,
            default=False,
            title="Allow private download hosts",
            description="Whether files may be downloaded from this machine or a private network.",
        ),
        th.Property(
            "inbox_url",
            th.StringType,
            secret=True,
            title="Inbox URL",
            description="Where canai-webhooks keeps its events, sqlite:///FILE or postgresql+psycopg://…; "
            "with it there is the stream `events`.",
        ),
    ).to_dict()

    def discover_streams(self) -> Sequence[Stream]:
        """Every stream, `events` only where there is an inbox; needs no call."""
        streams: list[Stream] = [stream(self) for stream in STREAMS]
        if self.config.get("inbox_url"):
            streams.append(Events(self))
        return streams

    def export_stream(self, name: str) -> ExportStream:
        """A stream by its name."""
        return cast(ExportStream, self.streams[name])

    @cached_property
    def client(self) -> ExportClient:
        """The export API behind these settings. Raises: SettingError."""
        key = self.config.get("api_key") or os.environ.get("CANAI_API_KEY")
        if not key:
            raise SettingError(
                "The setting 'api_key' is missing.",
                "Set it, or CANAI_API_KEY, to a key with export permission.",
            )
        url = str(self.config["api_url"]).rstrip("/")
        scheme, _, rest = url.partition("://")
        host = re.sub(r":\d+$", "", rest.split("/")[0])
        if scheme not in ("http", "https") or not host:
            raise SettingError("api_url is no http(s) URL.", "Give the host without version.")
        if scheme == "http" and host not in LOOPBACK:
            raise SettingError(
                "api_url uses plain http to a host that is not this machine.", "Use https://."
            )
        return ExportClient(
            api_url=url,
            api_version=str(self.config["api_version"]),
            api_keys=self._keys(str(key)),
            user_agent=f"{self.name}/{self.plugin_version}",
            requests_per_minute=int(self.config["requests_per_minute"]),
            timeout_s=float(self.config["request_timeout"]),
            allow_private_hosts=bool(self.config["allow_private_download_hosts"]),
            audit=self.audit_log.write,
        )

    @cached_property
    def audit_log(self) -> AuditLog:
        """Where exports are noted. Raises: SettingError."""
        return audit_log(self.config.get("audit_log"))

    @staticmethod
    def _keys(given: str) -> tuple[str, ...]:
        """One key, or those of a JSON list. Raises: SettingError."""
        if not given.lstrip().startswith("["):
            return (given,)
        try:
            keys = json.loads(given)
        except ValueError:
            keys = None
        if (
            not isinstance(keys, list)
            or not keys
            or not all(isinstance(key, str) and key for key in keys)
        ):
            raise SettingError(
                "api_key is no JSON list of keys.", 'Give one key, or a list as in ["new", "old"].'
            )
        return tuple(keys)

    @property
    def format(self) -> str:
        """Format of the files."""
        return str(self.config["format"])

    @property
    def anonymize(self) -> bool:
        """Whether exports are asked for without personal data."""
        return bool(self.config.get("anonymize"))

    @cached_property
    def filters(self) -> dict[str, list[str]]:
        """`user_filters` of exports whose records have a user."""
        names = ("user_ids", "subscription_tiers", "journey_stages", "product_tracks")
        return {name: sorted(self.config[name]) for name in names if self.config.get(name)}

    @cached_property
    def filter_hash(self) -> str:
        """What the state remembers of the filters; empty for none."""
        told = {**self.filters, **({"anonymize": True} if self.anonymize else {})}
        return (
            hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
            if told
            else ""
        )

    @cached_property
    def start_date(self) -> datetime:
        """The earliest moment that is read. Raises: SettingError."""
        return self._moment("start_date")

    @cached_property
    def end_date(self) -> datetime:
        """The end of every stream's range: the setting, or the API's clock. Raises: TapError."""
        return self._moment("end_date") if self.config.get("end_date") else self.client.now()

    def _moment(self, name: str) -> datetime:
        try:
            return parse_utc(str(self.config[name]))
        except ValueError:
            raise SettingError(
                f"{name} is no timestamp.", "Give ISO 8601, as in 2026-01-31T00:00:00Z."
            ) from None

    def sync_streams(self) -> None:
        """Read every selected stream; one that fails does not keep the others from being read. Raises: TapError."""
        self._reset_state_progress_markers()
        self._set_compatible_replication_methods()
        failed: dict[str, TapError] = {}
        for name in (*STREAM_ORDER, Events.name):
            stream = self.streams.get(name)
            if stream is None or not stream.selected:
                continue
            try:
                stream.sync()
                stream.finalize_state_progress_markers()
            except TapError as error:
                failed[stream.name] = error
                self.logger.error("%s: %s", stream.name, error)
        if len(failed) == 1:
            raise next(iter(failed.values()))
        if failed:
            raise StreamsFailedError(
                f"Streams failed: {', '.join(failed)}.", "Look at the messages above."
            )

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: Any = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,
    ) -> None:
        """Read the streams from the command line. Raises: TapError."""
        if about:
            cls.print_about(output_format=about_format)
            return
        cls.print_version(print_fn=cls.logger.info)
        environment = cls._env_var_config if config and config.parse_env else {}
        try:
            tap = cls(
                config=coerced(
                    {**(config.config or {}), **environment} if config else {},
                    cls.config_jsonschema,
                ),
                state=json.load(state) if state else None,
                catalog=json.load(catalog) if catalog else None,
            )
        except ConfigValidationError as error:
            raise bad_setting(error.errors) from None
        tap.sync_streams()


def coerced(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with numbers, booleans, lists and objects that came as text (from the environment, or Meltano) converted.

    Text that is none of these stays as it is, and the validation that follows tells it by name.
    """
    made = dict(config)
    for name, value in config.items():
        types = schema["properties"].get(name, {}).get("type", [])
        wanted = {types} if isinstance(types, str) else set(types)
        if not isinstance(value, str) or "string" in wanted:
            continue
        if not value.strip():
            made.pop(name)
            continue
        try:
            made[name] = json.loads(value.lower() if "boolean" in wanted else value)
        except ValueError:
            continue
    return made


def bad_setting(messages: Sequence[str]) -> SettingError:
    """The SDK's validation errors as one, without the values they quote, which may be secrets."""
    names = [
        next((group for group in match.groups() if group), "")
        for one in messages
        if (match := SETTING_NAME.search(one))
    ]
    told = f"Not valid: {', '.join(names)}." if names else "A setting is not valid."
    return SettingError(told, "The README says what each setting takes.")


def configured(given: Mapping[str, Any], catalog: Mapping[str, Any] | None = None) -> TapCanAI:
    """The tap with settings as given, and over them those of the environment. Raises: SettingError."""
    config = coerced({**given, **TapCanAI._env_var_config}, TapCanAI.config_jsonschema)
    try:
        return TapCanAI(config=config, catalog=dict(catalog) if catalog else None)
    except ConfigValidationError as error:
        raise bad_setting(error.errors) from None


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of `tap-canai`: errors a person can act on are one line, without a traceback."""
    log = logging.getLogger("tap-canai")
    arguments: list[Any] = list(sys.argv[1:] if argv is None else argv)
    try:
        command = command_named(arguments)
        if command is None:
            code = TapCanAI.cli(args=arguments, prog_name=TapCanAI.name, standalone_mode=False)
        else:
            code = command(
                args=arguments, prog_name=TapCanAI.name, standalone_mode=False, obj=configured
            )
    except TapError as error:
        log.error("%s", error)
        return 1
    except click.ClickException as error:
        error.show()
        return 1
    return code if isinstance(code, int) else 0
