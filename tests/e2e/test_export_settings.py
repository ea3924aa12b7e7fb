"""What the settings of the tap ask exports for: filters, anonymised data, properties, lookback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tap_canai import cli
from tap_canai.errors import UnknownFieldsError
from tap_canai.export_stream import ExportStream
from tap_canai.exports import Export, ExportClient
from tap_canai.schema_files import load_schema
from tap_canai.streams import Users

from box import Box
from support import (
    STREAMS,
    catalog,
    exports_noted,
    last_state,
    records,
    run_tap,
    tap_config,
    written,
)

PERSONAL = {"email", "first_name", "last_name", "phone"}


def test_filters_go_to_every_export_whose_records_have_a_user(box: Box, tmp_path: Path) -> None:
    code, messages = run_tap(
        box, tmp_path, streams=STREAMS, journey_stages=["F8", "F9"], requests_per_minute=1000
    )
    assert code == 0
    wanted = {
        row["id"]
        for row in box.objects("canai", "users")
        if row["properties"]["current_journey_stage"] in ("F8", "F9")
    }
    for stream in ("users", "payments", "deliverables", "feedback", "sessions"):
        found = {record["user_id"] for record in records(messages, stream)}
        assert found
        assert found <= wanted
    assert {record["user_id"] for record in records(messages, "users")} == wanted
    assert len(records(messages, "analytics")) == 60


def test_a_changed_filter_starts_its_streams_from_the_beginning(box: Box, tmp_path: Path) -> None:
    _, first = run_tap(box, tmp_path, subscription_tiers=["premium"])
    state = last_state(first)
    box.advance(5)
    _, same = run_tap(box, tmp_path, state=state, subscription_tiers=["premium"])
    assert records(same) == []
    _, other = run_tap(box, tmp_path, state=state)
    assert len(records(other)) == 60


def test_an_anonymised_sync_holds_nothing_personal_and_stops_where_the_api_sends_some(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, messages = run_tap(
        box, tmp_path, streams=("users", "payments", "feedback"), anonymize=True
    )
    assert code == 0
    people = records(messages, "users")
    assert len(people) == 60
    assert all(person["user_id"].startswith("anon_") for person in people)
    assert not any(PERSONAL & person.keys() for person in people)
    assert "@" not in json.dumps(messages)
    real = ExportStream.request

    def leaky(self: ExportStream, start: Any, end: Any) -> dict[str, Any]:
        request = real(self, start, end)
        return {
            **request,
            "anonymize_data": False,
            "data_fields": [*request["data_fields"], "email"],
        }

    monkeypatch.setattr(ExportStream, "request", leaky)
    code, messages = run_tap(box, tmp_path, anonymize=True)
    assert code == 1
    assert records(messages) == []
    assert "An anonymised export of users contains email" in caplog.text


def test_optional_properties_that_the_api_does_not_have_are_null(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = ExportClient.create

    def older(self: ExportClient, request: Any) -> Export:
        unknown = [name for name in request["data_fields"] if name in ("phone", "first_name")]
        if unknown:
            raise UnknownFieldsError(
                "The export API does not know some fields (400).", "", tuple(unknown)
            )
        return real(self, request)

    monkeypatch.setattr(ExportClient, "create", older)
    code, messages = run_tap(box, tmp_path)
    assert code == 0
    unknown = {(record["phone"], record["first_name"]) for record in records(messages)}
    assert unknown == {(None, None)}
    assert any(record["last_name"] for record in records(messages))
    assert caplog.text.count("does not have first_name, phone") <= 2


def test_a_property_that_is_new_is_reported_once_and_dropped(
    box: Box,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = Users.request
    monkeypatch.setattr(
        Users, "request", lambda self, *window: {**real(self, *window), "data_fields": ["all"]}
    )
    entries = json.loads(catalog(tmp_path, ["users"]).read_text())
    entry = next(entry for entry in entries["streams"] if entry["tap_stream_id"] == "users")
    entry["schema"]["properties"].pop("location")
    config = str(written(tmp_path, "tap.json", tap_config(box, tmp_path)))
    whole = load_schema("users")
    whole["properties"].pop("location")
    monkeypatch.setattr("tap_canai.stream.load_schema", lambda name: whole)
    chosen = str(written(tmp_path, "chosen.json", entries))
    assert cli.main(["--config", config, "--catalog", chosen]) == 0
    lines = capsys.readouterr().out.splitlines()
    users = records(json.loads(line) for line in lines)
    assert len(users) == 60
    assert "location" not in users[0]
    dropped = "users: the property location is not in the schema and is dropped"
    assert [line.getMessage() for line in caplog.records].count(dropped) == 1


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
    assert run_tap(box, tmp_path, **bad)[0] == 1
    assert next(iter(bad)) in caplog.text
    assert box.log("canai") == []


def test_lookback_is_per_stream_and_exports_ahead_keep_their_order(
    box: Box, tmp_path: Path
) -> None:
    more: dict[str, Any] = {
        "window_days": 5,
        "parallel_exports": 4,
        "requests_per_minute": 95,
        "lookback_seconds": {"users": 86_400},
    }
    code, messages = run_tap(box, tmp_path, **more)
    assert code == 0
    marks = [
        message["value"]["bookmarks"]["users"]["replication_key_value"]
        for message in messages
        if message["type"] == "STATE"
    ]
    assert marks == sorted(marks)
    box.advance(60)
    before = len(exports_noted(tmp_path))
    run_tap(box, tmp_path, state=last_state(messages), **more)
    (again,) = exports_noted(tmp_path)[before:]
    assert again["date_range"]["start"].startswith("2026-01-30T00:00")
