"""The streams that are read from exports: each class says which export it is."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, cast

from tap_canai.export_stream import ExportStream
from tap_canai.schema_files import load_schema

DAY_S = 86_400


class Users(ExportStream):
    """Users, by their last activity."""

    name = "users"
    export_type = "user_data"
    record_set = "users"
    primary_keys: ClassVar = ["user_id"]
    replication_key = "last_active_at"
    swept = True
    optional_fields = frozenset({"first_name", "last_name", "phone", "preferred_product_track"})


class Payments(ExportStream):
    """Payments, by their last change.

    The export guide names the category but no export type: the full platform contains them.
    """

    name = "payments"
    export_type = "full_platform"
    record_set = "payments"
    primary_keys: ClassVar = ["payment_id"]
    replication_key = "updated_at"


class Deliverables(ExportStream):
    """Deliverables, by their creation."""

    name = "deliverables"
    export_type = "deliverables"
    record_set = "deliverables"
    primary_keys: ClassVar = ["deliverable_id"]
    replication_key = "created_at"
    default_lookback_s = 7 * DAY_S
    swept = True


class Analytics(ExportStream):
    """One record for each whole UTC day."""

    name = "analytics"
    export_type = "analytics"
    record_set = "analytics"
    primary_keys: ClassVar = ["period_start", "period_end"]
    replication_key = "period_end"
    default_lookback_s = 3 * DAY_S
    of_users = False


class JourneyAnalytics(Analytics):
    """The journey's measures, one record for each whole UTC day."""

    name = "journey_analytics"


class RevenueAnalytics(Analytics):
    """The revenue's measures, one record for each whole UTC day."""

    name = "revenue_analytics"


class Feedback(ExportStream):
    """Ratings, comments, NPS and support requests, by their submission."""

    name = "feedback"
    export_type = "full_platform"
    record_set = "feedback"
    primary_keys: ClassVar = ["feedback_id"]
    replication_key = "submitted_at"


class Sessions(ExportStream):
    """Sessions, by their beginning."""

    name = "sessions"
    export_type = "full_platform"
    record_set = "sessions"
    primary_keys: ClassVar = ["session_id"]
    replication_key = "started_at"


STREAMS: tuple[type[ExportStream], ...] = (
    Users,
    Payments,
    Deliverables,
    Analytics,
    JourneyAnalytics,
    RevenueAnalytics,
    Feedback,
    Sessions,
)
"""In the order in which they are read: people come before what links to them."""
STREAM_NAMES: tuple[str, ...] = tuple(cast(Any, stream).name for stream in STREAMS)


def catalog_entry(name: str, *, selected: bool, fields: Collection[str]) -> dict[str, Any]:
    """A stream's entry of a Singer catalog; of its properties, `fields` and the keys are selected.

    No fields mean all.
    """
    stream: Any = STREAMS[STREAM_NAMES.index(name)]
    schema = load_schema(name)
    wanted = {*fields, *stream.primary_keys, stream.replication_key}
    metadata: list[dict[str, Any]] = [{"breadcrumb": [], "metadata": {"selected": selected}}]
    for field in schema["properties"]:
        is_selected = not fields or field in wanted
        metadata.append(
            {"breadcrumb": ["properties", field], "metadata": {"selected": is_selected}}
        )
    return {
        "tap_stream_id": name,
        "stream": name,
        "schema": schema,
        "metadata": metadata,
        "key_properties": list(stream.primary_keys),
        "replication_key": stream.replication_key,
        "replication_method": "INCREMENTAL",
    }
