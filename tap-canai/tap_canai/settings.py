"""The tap's settings: declared once here, and read through `Settings`.

meltano.yml, the README table and .env.example are generated from `CONFIG_SCHEMA`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from singer_kit.settings import checked_url
from singer_kit.times import parse_utc
from singer_sdk import typing as th

from tap_canai.errors import SettingError
from tap_canai.secret_list import secret_list

CONNECTION = (
    th.Property(
        "api_key",
        th.StringType,
        secret=True,
        title="API key",
        description="A key with export permission, or a JSON list of keys, tried in order; "
        "also read from CANAI_API_KEY.",
    ),
    th.Property(
        "api_url",
        th.StringType,
        default="https://canai-router.onrender.com",
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
)
RANGE = (
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
        description="Days that one export spans; the state is written after each.",
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
        description="Exports that are prepared at a time, within the pace.",
    ),
    th.Property(
        "sweep_days",
        th.NumberType(exclusive_minimum=0),
        default=7,
        title="Sweep days",
        description="How often, in days, users and deliverables are read from start_date again: "
        "refunds, tiers and ratings change rows without any activity.",
    ),
)
FILTERS = (
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
)
PRIVACY = (
    th.Property(
        "anonymize",
        th.BooleanType,
        default=False,
        title="Anonymize",
        description="Request exports without personal data, and stop if one contains any.",
    ),
    th.Property(
        "compliance_mode",
        th.StringType,
        allowed_values=["gdpr_export", "ccpa_export"],
        title="Compliance mode",
        description="Marks exports made for a data subject's request.",
    ),
)
OPERATION = (
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
        description="Where every export is recorded, hash-chained, for 12 months: a file of JSON "
        "lines, or a database (sqlite:///FILE, postgresql+psycopg://…; table export_audit). "
        "By default .meltano/run/tap-canai/audit.jsonl, outside Meltano ./audit-tap-canai.jsonl.",
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
        description="Where canai-webhooks keeps its events, sqlite:///FILE or "
        "postgresql+psycopg://…; setting it adds the stream `events`.",
    ),
)
CONFIG_SCHEMA: dict[str, Any] = th.PropertiesList(
    *CONNECTION, *RANGE, *FILTERS, *PRIVACY, *OPERATION
).to_dict()
FILTER_NAMES = tuple(setting.name for setting in FILTERS)


@dataclass(frozen=True, slots=True)
class Settings:
    """A validated configuration, each setting with its type. What is not valid raises when read."""

    config: Mapping[str, Any]

    @property
    def api_url(self) -> str:
        """Base URL of the API. Raises: SettingError."""
        return checked_url(str(self.config["api_url"]), "api_url")

    @property
    def api_version(self) -> str:
        """Version of the API."""
        return str(self.config["api_version"])

    @property
    def api_keys(self) -> tuple[str, ...]:
        """One key, or those of a JSON list, in order. Raises: SettingError."""
        text = str(self.config.get("api_key") or os.environ.get("CANAI_API_KEY") or "")
        if not text:
            raise SettingError(
                "The setting 'api_key' is missing.",
                "Set it, or CANAI_API_KEY, to a key with export permission.",
            )
        try:
            return secret_list(text)
        except ValueError:
            raise SettingError(
                "api_key is not a valid JSON list of keys.",
                'Give one key, or a list as in ["new", "old"].',
            ) from None

    @property
    def start_date(self) -> datetime:
        """The earliest moment that is read. Raises: SettingError."""
        return self._moment("start_date")

    @property
    def end_date(self) -> datetime | None:
        """Where every stream ends; None for the API's present time. Raises: SettingError."""
        return self._moment("end_date") if self.config.get("end_date") else None

    @property
    def window(self) -> timedelta:
        """The time that one export spans."""
        return timedelta(days=float(self.config["window_days"]))

    @property
    def sweep_interval(self) -> timedelta:
        """The time between two sweeps."""
        return timedelta(days=float(self.config["sweep_days"]))

    def lookback(self, stream: str, default_s: float) -> timedelta:
        """How far before its bookmark a stream begins to read."""
        by_stream = self.config.get("lookback_seconds") or {}
        return timedelta(seconds=float(by_stream.get(stream, default_s)))

    @property
    def file_format(self) -> str:
        """Format of the export files."""
        return str(self.config["format"])

    @property
    def parallel_exports(self) -> int:
        """Exports that are prepared at a time."""
        return int(self.config["parallel_exports"])

    @property
    def filters(self) -> dict[str, list[str]]:
        """`user_filters` of exports whose records belong to a user."""
        return {name: sorted(self.config[name]) for name in FILTER_NAMES if self.config.get(name)}

    @property
    def filter_hash(self) -> str:
        """What the state remembers of the filters; empty if there are none."""
        filters: dict[str, Any] = dict(self.filters)
        if self.anonymize:
            filters["anonymize"] = True
        if not filters:
            return ""
        return hashlib.sha256(json.dumps(filters, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def anonymize(self) -> bool:
        """Whether exports are requested without personal data."""
        return bool(self.config.get("anonymize"))

    @property
    def compliance_mode(self) -> str:
        """What exports are marked with; empty for nothing."""
        return str(self.config.get("compliance_mode") or "")

    @property
    def requests_per_minute(self) -> int:
        """The pace the tap keeps to."""
        return int(self.config["requests_per_minute"])

    @property
    def request_timeout_s(self) -> float:
        """Seconds that the API or the storage may stay silent."""
        return float(self.config["request_timeout"])

    @property
    def allow_private_hosts(self) -> bool:
        """Whether files may be downloaded from this machine or a private network."""
        return bool(self.config["allow_private_download_hosts"])

    @property
    def audit_log(self) -> str:
        """File or database URL of the audit log; empty for the default file."""
        return str(self.config.get("audit_log") or "")

    @property
    def inbox_url(self) -> str:
        """Database URL of the inbox; empty if there is none."""
        return str(self.config.get("inbox_url") or "")

    def _moment(self, name: str) -> datetime:
        try:
            return parse_utc(str(self.config[name]))
        except ValueError:
            raise SettingError(
                f"{name} is not a valid timestamp.", "Use ISO 8601, as in 2026-01-31T00:00:00Z."
            ) from None
