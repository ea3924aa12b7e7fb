"""The export guide's request examples, and everything on one person."""

from __future__ import annotations

import hashlib
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tap_canai import cli

from box import Box
from support import (
    tap_config,
    written,
)

OF_PEOPLE = ("users", "payments", "deliverables", "feedback", "sessions")
PERSONAL = {"email", "first_name", "last_name", "phone"}
GUIDE_EXAMPLES: dict[str, tuple[dict[str, Any], str]] = {
    "complete user data": (
        {
            "export_type": "user_data",
            "date_range": {"start": "2024-01-01T00:00:00Z", "end": "2026-12-31T23:59:59Z"},
            "data_fields": [
                "user_id",
                "email",
                "registration_date",
                "subscription_tier",
                "journey_progress",
                "total_spent",
                "trust_delta_average",
                "emotional_resonance_scores",
                "spark_selections",
                "deliverables_generated",
                "feedback_ratings",
                "referral_activity",
            ],
            "format": "json",
            "include_metadata": True,
            "anonymize_data": False,
        },
        "users",
    ),
    "business intelligence": (
        {
            "export_type": "analytics",
            "date_range": {"start": "2025-12-01T00:00:00Z", "end": "2026-12-31T23:59:59Z"},
            "data_fields": [
                "daily_active_users",
                "funnel_conversion_rates",
                "average_trust_delta",
                "emotional_resonance_trends",
                "revenue_by_product_track",
                "user_satisfaction_scores",
                "api_performance_metrics",
                "geographic_distribution",
                "referral_conversion_rates",
            ],
            "format": "csv",
            "include_metadata": True,
        },
        "analytics",
    ),
    "portfolio": (
        {
            "export_type": "deliverables",
            "user_filters": {
                "product_tracks": ["business_builder"],
                "journey_stages": ["F7", "F8"],
            },
            "data_fields": [
                "deliverable_id",
                "user_id",
                "product_track",
                "canai_output",
                "word_count",
                "trust_delta",
                "emotional_resonance",
                "user_satisfaction",
                "pdf_url",
                "created_at",
            ],
            "format": "json",
            "include_metadata": True,
            "anonymize_data": True,
        },
        "deliverables",
    ),
    "journey": (
        {
            "export_type": "analytics",
            "data_fields": [
                "stage_completion_rates",
                "average_time_per_stage",
                "drop_off_points",
                "conversion_funnels",
                "user_paths",
                "engagement_patterns",
                "satisfaction_by_stage",
                "trust_delta_progression",
                "emotional_resonance_journey",
            ],
            "date_range": {"start": "2024-01-01T00:00:00Z", "end": "2026-12-31T23:59:59Z"},
            "format": "json",
            "include_metadata": True,
        },
        "analytics",
    ),
    "revenue": (
        {
            "export_type": "analytics",
            "data_fields": [
                "monthly_recurring_revenue",
                "customer_lifetime_value",
                "churn_rates",
                "revenue_by_product_track",
                "upgrade_conversion_rates",
                "refund_rates",
                "geographic_revenue_distribution",
                "customer_acquisition_cost",
                "api_performance_metrics",
                "system_uptime_percentage",
            ],
            "format": "csv",
            "include_metadata": True,
        },
        "analytics",
    ),
    "data subject": (
        {
            "export_type": "user_data",
            "user_filters": {"user_ids": ["specific_user_uuid"]},
            "data_fields": ["all"],
            "format": "json",
            "anonymize_data": False,
            "include_metadata": True,
            "compliance_mode": "gdpr_export",
        },
        "users",
    ),
    "anonymised analytics": (
        {
            "export_type": "analytics",
            "anonymize_data": True,
            "data_fields": [
                "journey_patterns",
                "satisfaction_trends",
                "geographic_insights",
                "product_performance",
            ],
            "format": "csv",
        },
        "analytics",
    ),
}


@pytest.mark.parametrize("name", GUIDE_EXAMPLES)
def test_every_request_example_of_the_guide_is_answered_with_its_fields(
    box: Box, name: str
) -> None:
    request, record_set = GUIDE_EXAMPLES[name]
    answer = box.call("POST", "/canai/v1/export", request, {"Authorization": "Bearer sandbox-key"})
    assert answer["error"] is None
    assert answer["data"]["format"] == request["format"]
    with urllib.request.urlopen(answer["data"]["download_url"]) as download:
        body = download.read()
    assert len(body) == answer["data"]["file_size_bytes"]
    if request["format"] == "csv":
        assert body.decode().splitlines()[0].split(",") == request["data_fields"]
        return
    file = json.loads(body)
    rows = file[record_set]
    assert len(rows) == answer["data"]["record_count"]
    if request["data_fields"] != ["all"]:
        personal = PERSONAL if request.get("anonymize_data") else set()
        assert all(row.keys() == set(request["data_fields"]) - personal for row in rows)


@pytest.mark.parametrize("chunks", [False, True])
def test_everything_on_one_person_is_exported_with_a_manifest(
    box: Box, chunked_box: Box, tmp_path: Path, chunks: bool, caplog: pytest.LogCaptureFixture
) -> None:
    source = chunked_box if chunks else box
    user = next(
        row
        for row in source.objects("canai", "users")
        if row["properties"]["deliverables_generated"]
    )
    config = str(written(tmp_path, "tap.json", tap_config(source, tmp_path)))

    def export(user_id: str, folder: str) -> int:
        arguments = ["--user-id", user_id, "--output", str(tmp_path / folder), "--config", config]
        return cli.main(["export", *arguments])

    assert export(user["id"], "subject") == 0
    folder = tmp_path / "subject"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {(file["stream"], Path(file["file"]).suffix) for file in manifest["files"]} == {
        (stream, suffix) for stream in OF_PEOPLE for suffix in (".json", ".csv")
    }
    for file in manifest["files"]:
        path = folder / file["file"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]
        assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads((folder / "users.json").read_text())["users"] == [user["properties"]]
    payments = (row["properties"] for row in source.objects("canai", "payments"))
    paid = [payment for payment in payments if payment["user_id"] == user["id"]]
    assert json.loads((folder / "payments.json").read_text())["payments"] == paid
    assert export(user["id"], "subject") == 1
    assert "already exists" in caplog.text
    assert export("nobody", "none") == 1
    assert "no data for that user id" in caplog.text
    assert not (tmp_path / "none").exists()
