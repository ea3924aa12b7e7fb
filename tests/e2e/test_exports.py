"""The export side over HTTP: formats, chunks, asynchronous exports, filters, anonymised exports, sweeps, and what goes wrong."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support import (
    BIN,
    DEALS,
    PEOPLE,
    PERSON_KEY,
    TARGETS,
    Box,
    catalog,
    contents,
    deliver,
    sandbox,
    tap_config,
    written,
)
from tap_canai.cli import main as run_tap

ALL = (
    "users",
    "payments",
    "deliverables",
    "analytics",
    "journey_analytics",
    "revenue_analytics",
    "feedback",
    "sessions",
)
FORMATS = ("json", "csv", "xml")
FULL = {"user_id", "email", "first_name", "last_name", "phone"}


@pytest.fixture(scope="session")
def chunked_box() -> Iterator[Box]:
    """A sandbox whose exports come in chunks, after a 202."""
    with sandbox(60, "--chunk-bytes", "9000", "--async-bytes", "9000") as box:
        yield box


def run(
    box: Box, folder: Path, *more: str, streams: tuple[str, ...] = ("users",), **config: Any
) -> tuple[int, list[dict[str, Any]]]:
    arguments = [
        "--config",
        str(written(folder, "tap.json", tap_config(box, **config))),
        "--catalog",
        str(catalog(folder, streams)),
        *more,
    ]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = run_tap(arguments)
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


def records(messages: list[dict[str, Any]], stream: str = "users") -> list[dict[str, Any]]:
    return [
        one["record"] for one in messages if one["type"] == "RECORD" and one["stream"] == stream
    ]


def last_state(messages: list[dict[str, Any]]) -> Any:
    return [one["value"] for one in messages if one["type"] == "STATE"][-1]


def test_every_stream_is_the_same_in_every_format_whole_and_in_chunks(
    box: Box, chunked_box: Box, tmp_path: Path
) -> None:
    chunked_box.reset()
    seen = {}
    for where, name in ((box, "whole"), (chunked_box, "chunks")):
        for one in FORMATS:
            where.call("POST", "/_sandbox/limits", {"crm": "canai", "calls": 100_000, "per_s": 1})
            code, messages = run(
                where,
                tmp_path,
                streams=ALL,
                format=one,
                end_date="2026-01-31T00:00:00Z",
                requests_per_minute=100_000,
                window_days=100,
            )
            assert code == 0
            found = {stream: sorted(map(json.dumps, records(messages, stream))) for stream in ALL}
            seen[name, one] = json.loads(
                json.dumps(found).replace(where.url, "")
            )  # where the PDFs lie
            where.reset()
    assert all(one == seen["whole", "json"] for one in seen.values())
    assert all(seen["whole", "json"].values())


def test_an_export_that_takes_time_is_polled_for(chunked_box: Box, tmp_path: Path) -> None:
    chunked_box.reset()
    code, messages = run(chunked_box, tmp_path)
    assert code == 0
    assert len(records(messages)) == 60
    assert 202 in {line["status"] for line in chunked_box.log("canai")}
    assert [
        line
        for line in chunked_box.log("canai")
        if line["method"] == "GET" and "/v1/export/exp_" in line["path"]
    ]
    assert len([line for line in chunked_box.log("canai") if "/storage/" in line["path"]]) > 3


@pytest.mark.parametrize("match", ["/v1/export/exp_", "/storage"])
def test_an_export_that_is_gone_is_asked_for_once_more(
    chunked_box: Box, tmp_path: Path, match: str
) -> None:
    chunked_box.reset()
    chunked_box.fault("canai", "gone_export", match=match, times=1)
    code, messages = run(chunked_box, tmp_path)
    assert code == 0
    assert {one["user_id"] for one in records(messages)} == {
        row["id"] for row in chunked_box.objects("canai", "users")
    }


@pytest.mark.parametrize(
    ("fault", "match", "told"),
    [
        ("wrong_count", "/v1/export", "is incomplete"),
        ("processing_failed", "/v1/export", "could not create the export"),
        ("truncate", "/storage", "complete JSON document"),
        ("expired_url", "/storage", "unavailable twice"),
    ],
)
def test_what_is_not_as_announced_is_an_error_and_never_a_short_sync(
    box: Box, tmp_path: Path, fault: str, match: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    box.fault("canai", fault, match=match, times=99)
    code, messages = run(box, tmp_path)
    assert code == 1
    assert told in caplog.text
    assert "Traceback" not in caplog.text
    assert [
        one
        for one in messages
        if one["type"] == "STATE" and "replication_key_value" in json.dumps(one)
    ] == []


def test_filters_go_to_every_export_whose_records_have_a_user(box: Box, tmp_path: Path) -> None:
    code, messages = run(
        box, tmp_path, streams=ALL, journey_stages=["F8", "F9"], requests_per_minute=1000
    )
    assert code == 0
    wanted = {
        row["id"]
        for row in box.objects("canai", "users")
        if row["properties"]["current_journey_stage"] in ("F8", "F9")
    }
    for stream in ("users", "payments", "deliverables", "feedback", "sessions"):
        found = {one["user_id"] for one in records(messages, stream)}
        assert found
        assert found <= wanted
    assert {one["user_id"] for one in records(messages)} == wanted
    assert len(records(messages, "analytics")) == 60


def test_a_changed_filter_starts_its_streams_afresh(box: Box, tmp_path: Path) -> None:
    _, first = run(box, tmp_path, subscription_tiers=["premium"])
    state = str(written(tmp_path, "state.json", last_state(first)))
    box.call("POST", "/_sandbox/clock", {"advance_s": 5})
    _, same = run(box, tmp_path, "--state", state, subscription_tiers=["premium"])
    assert records(same) == []
    _, other = run(box, tmp_path, "--state", state)
    assert len(records(other)) == 60


def test_an_anonymised_sync_holds_nothing_personal_and_stops_where_the_api_sends_some(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, messages = run(box, tmp_path, streams=("users", "payments", "feedback"), anonymize=True)
    assert code == 0
    people = records(messages)
    assert len(people) == 60
    assert all(
        one["user_id"].startswith("anon_") and not set(one) & (FULL - {"user_id"}) for one in people
    )
    assert "@" not in json.dumps(messages)
    from tap_canai.export_stream import ExportStream

    real = ExportStream.request

    def leaky(self: ExportStream, start: Any, end: Any) -> dict[str, Any]:
        request = real(self, start, end)
        return {
            **request,
            "anonymize_data": False,
            "data_fields": [*request["data_fields"], "email"],
        }

    monkeypatch.setattr(ExportStream, "request", leaky)
    code, messages = run(box, tmp_path, anonymize=True)
    assert code == 1
    assert records(messages) == []
    assert "An anonymised export of users contains email" in caplog.text


def test_a_key_that_is_no_longer_good_gives_way_to_the_next(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code, messages = run(box, tmp_path, api_key='["rotated-out", "sandbox-key"]')
    assert code == 0
    assert len(records(messages)) == 60
    assert "rotated-out" not in caplog.text


def test_optional_properties_that_the_api_does_not_have_are_null(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from tap_canai.errors import UnknownFieldsError
    from tap_canai.exports import Export, ExportClient

    real = ExportClient.create

    def older(self: ExportClient, request: Any) -> Export:
        unknown = [name for name in request["data_fields"] if name in ("phone", "first_name")]
        if unknown:
            raise UnknownFieldsError(
                "The export API does not know some fields (400).", "", tuple(unknown)
            )
        return real(self, request)

    monkeypatch.setattr(ExportClient, "create", older)
    code, messages = run(box, tmp_path)
    assert code == 0
    assert {(one["phone"], one["first_name"]) for one in records(messages)} == {(None, None)}
    assert any(one["last_name"] for one in records(messages))
    assert caplog.text.count("does not have first_name, phone") <= 2


def test_a_field_the_api_does_not_know_is_named(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tap_canai.streams import Users

    real = Users.request
    monkeypatch.setattr(
        Users,
        "request",
        lambda self, *window: {**real(self, *window), "data_fields": ["user_id", "shoe_size"]},
    )
    code, _ = run(box, tmp_path)
    assert code == 1
    assert "does not know the fields shoe_size (400)" in caplog.text


def test_every_error_of_the_api_has_a_text_of_its_own(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = set()
    for fault in (
        "401",
        "403_permission",
        "403_address",
        "unnamed_400",
        "processing_failed",
        "wrong_count",
    ):
        box.reset()
        box.fault("canai", fault, match="/v1/export", times=99)
        caplog.clear()
        assert run(box, tmp_path)[0] == 1
        texts.add(
            next(
                record.getMessage().split(". ")[0]
                for record in caplog.records
                if record.levelname == "ERROR"
            )
        )
    assert len(texts) == 6


@pytest.mark.parametrize("crm", sorted(TARGETS))
def test_changes_that_move_no_activity_come_with_the_next_sweep_and_cost_no_call_before(
    box: Box, crm: str, tmp_path: Path
) -> None:
    streams = ("users", "payments")
    _, first = run(box, tmp_path, streams=streams)
    deliver(box, crm, first, tmp_path)
    payment = next(
        row
        for row in box.objects("canai", "payments")
        if row["properties"]["status"] == "succeeded"
    )
    box.call(
        "POST",
        "/_sandbox/mutate",
        {
            "stream": "payments",
            "ids": [payment["id"]],
            "set": {"status": "refunded", "refunded_amount": payment["properties"]["amount"]},
        },
    )
    payer = payment["properties"]["user_id"]
    box.call(
        "POST",
        "/_sandbox/mutate",
        {"stream": "users", "ids": [payer], "set": {"total_spent": 1}, "touch": False},
    )
    rated = [row["id"] for row in box.objects("canai", "users")[:5]]
    box.call(
        "POST",
        "/_sandbox/mutate",
        {"stream": "users", "ids": rated, "set": {"average_rating": 1.5}, "touch": False},
    )
    box.call("POST", "/_sandbox/clock", {"advance_s": 5})
    box.forget_log()
    _, soon = run(
        box,
        tmp_path,
        "--state",
        str(written(tmp_path, "s.json", last_state(first))),
        streams=streams,
    )
    assert records(soon) == []
    assert [one["payment_id"] for one in records(soon, "payments")] == [payment["id"]]
    deliver(box, crm, soon, tmp_path)
    if crm == "salesforce":
        stage = next(
            row["properties"]["StageName"]
            for row in box.objects(crm, DEALS[crm])
            if row["properties"]["CanAI_Payment_ID__c"] == payment["id"]
        )
        assert stage == "Closed Lost"
    else:
        assert box.writes(crm) == []
    box.call("POST", "/_sandbox/clock", {"advance_s": 8 * 86_400})
    before = contents(box, crm)
    _, sweep = run(
        box,
        tmp_path,
        "--state",
        str(written(tmp_path, "s2.json", last_state(soon))),
        streams=streams,
    )
    assert len(records(sweep)) == 60
    result = deliver(box, crm, sweep, tmp_path)
    changed = {
        key
        for key, rows in contents(box, crm).items()
        if key.startswith(PEOPLE[crm]) and rows != before[key]
    }
    assert changed == {f"{PEOPLE[crm]}/{key}" for key in {payer, *rated}}
    assert result.counts(PEOPLE[crm])["unchanged"] == 60 - len(changed)
    marks = [
        one["bookmarks"]["users"]["replication_key_value"]
        for one in (last_state(soon), last_state(sweep))
    ]
    assert marks == sorted(marks)


@pytest.mark.parametrize("wrong_by_s", [-600, 600])
def test_a_machine_whose_clock_is_wrong_loses_and_doubles_nothing(
    box: Box, tmp_path: Path, wrong_by_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + wrong_by_s)
    _, first = run(box, tmp_path)
    changed = box.call("POST", "/_sandbox/mutate", {"users": 4})
    box.call("POST", "/_sandbox/clock", {"advance_s": 400})
    _, second = run(box, tmp_path, "--state", str(written(tmp_path, "s.json", last_state(first))))
    assert sorted(one["user_id"] for one in records(second)) == sorted(changed)
    box.call("POST", "/_sandbox/clock", {"advance_s": 400})
    _, third = run(box, tmp_path, "--state", str(written(tmp_path, "s3.json", last_state(second))))
    assert records(third) == []


@pytest.mark.parametrize("crm", TARGETS)
def test_a_backfill_killed_at_random_moments_goes_on_at_its_last_window(
    box: Box, crm: str, tmp_path: Path
) -> None:
    rng = random.Random(crm)
    audit = tmp_path / "audit.jsonl"
    state: Any = None
    kills = 0
    for attempt in range(60):
        config = tap_config(
            box,
            window_days=2.6,
            requests_per_minute=10_000,
            parallel_exports=1,
            audit_log=str(audit),
        )
        arguments = [
            "--config",
            str(written(tmp_path, "tap.json", config)),
            "--catalog",
            str(catalog(tmp_path, ("users",))),
        ]
        if state is not None:
            arguments += ["--state", str(written(tmp_path, "state.json", state))]
        box.call("POST", "/_sandbox/limits", {"crm": "canai", "calls": 100_000, "per_s": 1})
        before = exports_noted(audit)
        process = subprocess.Popen(
            [str(BIN / "tap-canai"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        limit = rng.randint(2, 9) if kills < 10 else 10**9
        lines = []
        for number, line in enumerate(process.stdout):
            lines.append(line)
            if number == limit:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
                break
        process.stdout.close()
        code = process.wait()
        asked = exports_noted(audit)[len(before) :]
        if state is not None and asked:
            reached = datetime.fromisoformat(state["bookmarks"]["users"]["sweep_from"])
            assert datetime.fromisoformat(asked[0]["date_range"]["start"]) >= reached - timedelta(
                seconds=300
            )
        delivered = deliver(
            box, crm, written(tmp_path, f"attempt-{attempt}.jsonl", "".join(lines)), tmp_path
        )
        assert delivered.code == 0
        state = delivered.states[-1] if delivered.states else state
        if code == 0:
            break
    assert kills == 10
    assert len({one["date_range"]["end"] for one in exports_noted(audit)}) >= 24
    keys = sorted(row["properties"][PERSON_KEY[crm]] for row in box.objects(crm, PEOPLE[crm]))
    assert keys == sorted(row["id"] for row in box.objects("canai", "users"))


def exports_noted(audit: Path) -> list[dict[str, Any]]:
    """The audit log's exports."""
    told = [json.loads(line) for line in audit.read_text().splitlines()] if audit.exists() else []
    return [line for line in told if line["event"] == "export"]


def test_a_property_that_is_new_is_said_once_and_dropped(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from tap_canai.streams import Users

    real = Users.request
    monkeypatch.setattr(
        Users, "request", lambda self, *window: {**real(self, *window), "data_fields": ["all"]}
    )
    entries = json.loads(catalog(tmp_path, ["users"]).read_text())
    stream = next(one for one in entries["streams"] if one["tap_stream_id"] == "users")
    stream["schema"]["properties"].pop("location")
    config = str(written(tmp_path, "tap.json", tap_config(box)))
    import tap_canai.stream as module

    whole = module.load_schema("users")
    whole["properties"].pop("location")
    monkeypatch.setattr(module, "load_schema", lambda name: whole)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert (
            run_tap(["--config", config, "--catalog", str(written(tmp_path, "c.json", entries))])
            == 0
        )
    found = records([json.loads(line) for line in out.getvalue().splitlines()])
    assert len(found) == 60
    assert "location" not in found[0]
    assert [record.getMessage() for record in caplog.records].count(
        "users: the property location is not in the schema and is dropped"
    ) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"compliance_mode": "hipaa"},
        {"format": "pdf"},
        {"journey_stages": ["F10"]},
        {"parallel_exports": 0},
    ],
)
def test_a_setting_the_api_would_refuse_is_refused_before_the_call(
    box: Box, tmp_path: Path, bad: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert run(box, tmp_path, **bad)[0] == 1
    assert next(iter(bad)) in caplog.text
    assert box.log("canai") == []


def test_another_format_than_asked_is_an_error(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from tap_canai.streams import Users

    real = Users.request
    monkeypatch.setattr(Users, "request", lambda self, *window: Wrong(real(self, *window)))
    assert run(box, tmp_path)[0] == 1
    assert "Asked for xml, the export is 'json'" in caplog.text


class Wrong(dict[str, Any]):
    """A request that says xml once json was sent."""

    def __getitem__(self, name: str) -> Any:
        return "xml" if name == "format" else super().__getitem__(name)


def test_lookback_is_per_stream_and_exports_ahead_keep_their_order(
    box: Box, tmp_path: Path
) -> None:
    audit = tmp_path / "audit.jsonl"
    more = {
        "audit_log": str(audit),
        "window_days": 5,
        "parallel_exports": 4,
        "requests_per_minute": 95,
    }
    code, messages = run(box, tmp_path, lookback_seconds={"users": 86_400}, **more)
    assert code == 0
    marks = [
        one["value"]["bookmarks"]["users"]["replication_key_value"]
        for one in messages
        if one["type"] == "STATE"
    ]
    assert marks == sorted(marks)
    box.call("POST", "/_sandbox/clock", {"advance_s": 60})
    before = len(exports_noted(audit))
    run(
        box,
        tmp_path,
        "--state",
        str(written(tmp_path, "s.json", last_state(messages))),
        lookback_seconds={"users": 86_400},
        **more,
    )
    (again,) = exports_noted(audit)[before:]
    assert again["date_range"]["start"].startswith("2026-01-30T00:00")


GUIDE_EXAMPLES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "complete user data": (
        {"export_type": "user_data", "date_range": {"start": "2024-01-01T00:00:00Z", "end": "2026-12-31T23:59:59Z"},
         "data_fields": ["user_id", "email", "registration_date", "subscription_tier", "journey_progress", "total_spent", "trust_delta_average",
                         "emotional_resonance_scores", "spark_selections", "deliverables_generated", "feedback_ratings", "referral_activity"],
         "format": "json", "include_metadata": True, "anonymize_data": False}, ["users"]),
    "business intelligence": (
        {"export_type": "analytics", "date_range": {"start": "2025-12-01T00:00:00Z", "end": "2026-12-31T23:59:59Z"},
         "data_fields": ["daily_active_users", "funnel_conversion_rates", "average_trust_delta", "emotional_resonance_trends",
                         "revenue_by_product_track", "user_satisfaction_scores", "api_performance_metrics", "geographic_distribution",
                         "referral_conversion_rates"], "format": "csv", "include_metadata": True}, ["analytics"]),
    "portfolio": (
        {"export_type": "deliverables", "user_filters": {"product_tracks": ["business_builder"], "journey_stages": ["F7", "F8"]},
         "data_fields": ["deliverable_id", "user_id", "product_track", "canai_output", "word_count", "trust_delta", "emotional_resonance",
                         "user_satisfaction", "pdf_url", "created_at"], "format": "json", "include_metadata": True, "anonymize_data": True},
        ["deliverables"]),
    "journey": (
        {"export_type": "analytics",
         "data_fields": ["stage_completion_rates", "average_time_per_stage", "drop_off_points", "conversion_funnels", "user_paths",
                         "engagement_patterns", "satisfaction_by_stage", "trust_delta_progression", "emotional_resonance_journey"],
         "date_range": {"start": "2024-01-01T00:00:00Z", "end": "2026-12-31T23:59:59Z"}, "format": "json", "include_metadata": True},
        ["analytics"]),
    "revenue": (
        {"export_type": "analytics",
         "data_fields": ["monthly_recurring_revenue", "customer_lifetime_value", "churn_rates", "revenue_by_product_track",
                         "upgrade_conversion_rates", "refund_rates", "geographic_revenue_distribution", "customer_acquisition_cost",
                         "api_performance_metrics", "system_uptime_percentage"], "format": "csv", "include_metadata": True}, ["analytics"]),
    "data subject": (
        {"export_type": "user_data", "user_filters": {"user_ids": ["specific_user_uuid"]}, "data_fields": ["all"], "format": "json",
         "anonymize_data": False, "include_metadata": True, "compliance_mode": "gdpr_export"}, ["users"]),
    "anonymised analytics": (
        {"export_type": "analytics", "anonymize_data": True,
         "data_fields": ["journey_patterns", "satisfaction_trends", "geographic_insights", "product_performance"], "format": "csv"},
        ["analytics"]),
}  # fmt: skip


@pytest.mark.parametrize("name", GUIDE_EXAMPLES)
def test_every_request_example_of_the_guide_is_answered_with_its_fields(
    box: Box, name: str
) -> None:
    request, sets = GUIDE_EXAMPLES[name]
    answer = box.call("POST", "/canai/v1/export", request, {"Authorization": "Bearer sandbox-key"})
    assert answer["error"] is None
    assert answer["data"]["format"] == request["format"]
    import urllib.request

    with urllib.request.urlopen(answer["data"]["download_url"]) as download:
        body = download.read()
    assert len(body) == answer["data"]["file_size_bytes"]
    if request["format"] == "csv":
        assert body.decode().splitlines()[0].split(",") == request["data_fields"]
        return
    file = json.loads(body)
    assert len(file[sets[0]]) == answer["data"]["record_count"]
    if request["data_fields"] != ["all"]:
        personal = (
            {"email", "first_name", "last_name", "phone"}
            if request["anonymize_data" if "anonymize_data" in request else "format"] is True
            else set()
        )
        assert all(set(row) == set(request["data_fields"]) - personal for row in file[sets[0]])


@pytest.mark.parametrize("chunks", [False, True])
def test_everything_on_one_person_is_exported_with_a_manifest(
    box: Box, chunked_box: Box, tmp_path: Path, chunks: bool, caplog: pytest.LogCaptureFixture
) -> None:
    where = chunked_box if chunks else box
    where.reset()
    user = next(
        row
        for row in where.objects("canai", "users")
        if row["properties"]["deliverables_generated"]
    )
    config = str(written(tmp_path, "tap.json", tap_config(where)))
    folder = tmp_path / "subject"
    assert (
        run_tap(["export", "--user-id", user["id"], "--output", str(folder), "--config", config])
        == 0
    )
    manifest = json.loads((folder / "manifest.json").read_text())
    assert {(one["stream"], one["file"].rpartition(".")[2]) for one in manifest["files"]} == {
        (stream, form)
        for stream in ("users", "payments", "deliverables", "feedback", "sessions")
        for form in ("json", "csv")
    }
    import hashlib

    for one in manifest["files"]:
        body = (folder / one["file"]).read_bytes()
        assert hashlib.sha256(body).hexdigest() == one["sha256"]
        assert (folder / one["file"]).stat().st_mode & 0o777 == 0o600
    assert json.loads((folder / "users.json").read_text())["users"] == [user["properties"]]
    paid = [
        row["properties"]
        for row in where.objects("canai", "payments")
        if row["properties"]["user_id"] == user["id"]
    ]
    assert json.loads((folder / "payments.json").read_text())["payments"] == paid
    assert (
        run_tap(["export", "--user-id", user["id"], "--output", str(folder), "--config", config])
        == 1
    )
    assert "already exists" in caplog.text
    assert (
        run_tap(
            [
                "export",
                "--user-id",
                "nobody",
                "--output",
                str(tmp_path / "none"),
                "--config",
                config,
            ]
        )
        == 1
    )
    assert "no data for that user id" in caplog.text
    assert not (tmp_path / "none").exists()
