"""The tap's settings as the SDK takes them, declared once.

meltano.yml, the README's table and .env.example are generated from `CONFIG_SCHEMA`.
"""

from __future__ import annotations

from typing import Any

from singer_kit.secret_files import secret_settings
from singer_sdk import typing as th

LEAST_DAYS: Any = 0.001  # the SDK's type wants an int, JSON Schema does not
"""A minute and a half: shorter windows would be exports without end."""
MOST_DAYS = 36_500
"""A hundred years: more days than a date can be moved by are a mistake."""
CONNECTION = (
    *secret_settings(
        "api_key",
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
        th.NumberType(minimum=LEAST_DAYS, maximum=MOST_DAYS),
        default=30,
        title="Window days",
        description="Days that one export spans; the state is written after each.",
    ),
    th.Property(
        "lookback_seconds",
        th.ObjectType(additional_properties=th.NumberType(minimum=0, maximum=MOST_DAYS * 86_400)),
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
        th.NumberType(minimum=LEAST_DAYS, maximum=MOST_DAYS),
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
        th.NumberType(exclusive_minimum=0, maximum=86_400),
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
        description="Allow downloads from this machine or a private network.",
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
