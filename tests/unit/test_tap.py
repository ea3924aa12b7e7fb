"""The tap: windows, state, the API's clock, integrity, pace, and errors a person can act on."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from tap_canai import cli
from tap_canai.api import ApiAccess, Clock, ExportApi, Pace
from tap_canai.errors import FatalError, StreamsFailedError
from tap_canai.exports import Export, ExportClient
from tap_canai.tap import TapCanAI

from box import Box
from support import STREAMS, catalog, extract, records, run_tap, tap_config, written


def test_every_record_of_every_stream_comes_exactly_once_as_it_is_at_the_source(
    box: Box, tmp_path: Path
) -> None:
    code, messages = run_tap(box, tmp_path, streams=STREAMS, window_days=7)
    assert code == 0
    for stream in STREAMS:
        source = "analytics" if stream.endswith("analytics") else stream
        truth = [row["properties"] for row in box.objects("canai", source)]
        if source == "analytics":
            truth = [row for row in truth if row["period_end"] >= "2025-12-01T00:00:00"]
        read = records(messages, stream)
        assert sorted(map(json.dumps, read)) == sorted(
            json.dumps({name: whole(row[name]) for name in read[0]}) for row in truth
        )


def whole(value: Any) -> Any:
    """A value with whole numbers without a point."""
    if isinstance(value, dict):
        return {name: whole(part) for name, part in value.items()}
    if isinstance(value, list):
        return [whole(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def test_state_goes_out_after_every_window_and_never_moves_back(box: Box, tmp_path: Path) -> None:
    _, messages = run_tap(box, tmp_path, window_days=10)
    states = [
        message["value"]["bookmarks"]["users"]["replication_key_value"]
        for message in messages
        if message["type"] == "STATE"
    ]
    assert len(set(states)) == 7
    assert states == sorted(states)
    exports = [line for line in box.log("canai") if line["method"] == "POST"]
    assert len(exports) == 7


def test_the_range_ends_at_the_apis_clock_and_the_next_begins_at_the_bookmark_minus_the_lookback(
    box: Box, tmp_path: Path
) -> None:
    box.advance(3600)
    _, messages = run_tap(box, tmp_path)
    state = messages[-1]["value"]
    bookmark = datetime.fromisoformat(state["bookmarks"]["users"]["replication_key_value"])
    assert abs(bookmark - datetime(2026, 1, 31, 1, tzinfo=UTC)) < timedelta(seconds=60)
    changed = box.mutate(users=1, late_s=240)
    box.advance(5)
    _, again = run_tap(box, tmp_path, state=state)
    assert [record["user_id"] for record in records(again)] == changed


@pytest.mark.parametrize(
    "notation",
    ["2026-01-20T00:00:00Z", "2026-01-20T01:00:00+01:00", "2026-01-20T00:00:00", "2026-01-20"],
)
def test_an_old_state_in_another_notation_is_understood(
    box: Box, tmp_path: Path, notation: str
) -> None:
    state = {
        "bookmarks": {
            "users": {"replication_key": "last_active_at", "replication_key_value": notation}
        }
    }
    _, messages = run_tap(box, tmp_path, state=state, sweep_days=365)
    expected = {
        row["id"]
        for row in box.objects("canai", "users")
        if row["properties"]["last_active_at"] >= "2026-01-19T23:55:00"
    }
    assert {record["user_id"] for record in records(messages)} == expected
    assert expected


def test_only_selected_properties_and_keys_are_asked_for(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []
    real = ExportClient.create

    def note(self: ExportClient, request: Any) -> Export:
        asked.append(dict(request))
        return real(self, request)

    monkeypatch.setattr(ExportClient, "create", note)
    entries = json.loads(catalog(tmp_path, ["payments"]).read_text())
    payments = next(
        stream for stream in entries["streams"] if stream["tap_stream_id"] == "payments"
    )
    for metadata in payments["metadata"]:
        if len(metadata["breadcrumb"]) == 2 and metadata["breadcrumb"][1] not in ("amount",):
            metadata["metadata"]["selected"] = False
    arguments = [
        "--config",
        str(written(tmp_path, "tap.json", tap_config(box, tmp_path))),
        "--catalog",
        str(written(tmp_path, "c.json", entries)),
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        assert cli.main(arguments) == 0
    assert {tuple(request["data_fields"]) for request in asked} == {
        ("payments.payment_id", "payments.amount", "payments.updated_at")
    }
    assert asked[0]["export_type"] == "full_platform"


@pytest.mark.parametrize(
    ("fault", "match", "said"),
    [
        ("401", "/export", "does not accept the API key (401). Set `api_key`"),
        ("403_permission", "/export", "no export permission (403)"),
        ("403_address", "/export", "this machine's address (403)"),
        ("unnamed_400", "/v1/export", "refuses the request (400"),
    ],
)
def test_a_refusal_is_one_line_that_says_what_to_do(
    box: Box, tmp_path: Path, fault: str, match: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    box.fault("canai", fault, match=match, times=99)
    code, messages = run_tap(box, tmp_path)
    assert code == 1
    assert said in caplog.text
    assert "Traceback" not in caplog.text
    assert "sandbox-key" not in caplog.text
    assert records(messages) == []


def test_limits_and_outages_are_waited_out(box: Box, tmp_path: Path) -> None:
    box.fault("canai", "429", match="/v1/export", times=1, args={"retry_after_s": 1})
    box.fault("canai", "503", match="/v1/export", after=2, times=1)
    box.fault("canai", "500", match="/storage", times=1)
    code, messages = run_tap(box, tmp_path)
    assert code == 0
    assert len(records(messages)) == 60


def test_an_unreachable_api_is_a_clear_error(
    tmp_path: Path, box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    code, _ = run_tap(box, tmp_path, api_url="http://127.0.0.1:9")
    assert code == 1
    assert "cannot be reached" in caplog.text
    assert "Traceback" not in caplog.text


def test_downloads_from_private_hosts_are_refused_unless_allowed(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code, messages = run_tap(box, tmp_path, allow_private_download_hosts=False)
    assert code == 1
    assert records(messages) == []
    assert "https" in caplog.text


@pytest.mark.parametrize(("field", "off"), [("records", 1), ("bytes", -1)])
def test_a_file_that_is_not_as_announced_is_an_error_and_its_window_gives_no_state(
    box: Box,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    field: str,
    off: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real = ExportClient.create

    def wrong(self: ExportClient, request: Any) -> Export:
        export = real(self, request)
        values = {name: getattr(export, name) for name in Export.__slots__}
        return Export(**{**values, field: values[field] + off})

    monkeypatch.setattr(ExportClient, "create", wrong)
    code, messages = run_tap(box, tmp_path)
    assert code == 1
    assert "is incomplete" in caplog.text
    assert not [
        message
        for message in messages
        if message["type"] == "STATE"
        and "replication_key_value" in message["value"]["bookmarks"].get("users", {})
    ]


def test_a_stream_that_fails_does_not_keep_the_others_from_being_read(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box.mutate(stream="users", n=1, set={"total_sessions": "many"})
    box.advance(5)
    code, messages = run_tap(box, tmp_path, streams=("users", "payments"))
    assert code == 1
    assert "users.total_sessions should be integer, but the API sent text" in caplog.text
    assert len(records(messages, "payments")) == len(box.objects("canai", "payments"))


def test_the_key_goes_to_the_api_alone(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, bool]] = []
    real = requests.Session.send

    def note(self: requests.Session, request: Any, **more: Any) -> Any:
        sent.append((request.path_url, "Authorization" in request.headers))
        return real(self, request, **more)

    monkeypatch.setattr(requests.Session, "send", note)
    run_tap(box, tmp_path)
    assert {with_key for path, with_key in sent if path.startswith("/canai/")} == {True}
    assert {with_key for path, with_key in sent if path.startswith("/storage/")} == {False}


def clock() -> tuple[Clock, list[float]]:
    """A clock that only sleeping moves, and how long each sleep was."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)

    return Clock(sleep, monotonic=lambda: sum(slept), jitter=lambda: 1.0), slept


def test_the_tap_keeps_to_its_own_pace() -> None:
    ours, slept = clock()
    pace = Pace(2, ours)
    for _ in range(5):
        pace.wait()
    assert slept == [60.0, 60.0]


def test_waiting_grows_and_keeps_retry_after() -> None:
    ours, slept = clock()
    for attempt in (1, 2, 3):
        ours.wait_before_retry(attempt, {}, "why")
    ours.wait_before_retry(1, {"Retry-After": "17"}, "why")
    assert slept == [1.0, 2.0, 4.0, 17.0]


def test_calls_refused_at_the_same_time_move_on_by_one_key() -> None:
    """Several exports are requested at a time, so the same key may be refused to each of them."""
    both_sent = threading.Barrier(2, timeout=10)
    keys: list[str] = []

    class Session(requests.Session):
        def request(self, *_: Any, headers: Any = None, **__: Any) -> requests.Response:
            response = requests.Response()
            response.status_code = 401 if headers["Authorization"] == "Bearer old" else 200
            response.raw = urllib3.HTTPResponse(io.BytesIO(b"{}"), preload_content=False)
            keys.append(headers["Authorization"])
            if response.status_code == 401:
                both_sent.wait()
            return response

    access = ApiAccess("http://127.0.0.1:9", "v1", ("old", "new"), "tap", 100, 1.0)
    api = ExportApi(access, session=Session())
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: api.call("GET", "/x"), range(2))) == [b"{}", b"{}"]
    assert sorted(keys) == ["Bearer new"] * 2 + ["Bearer old"] * 2


def test_invalid_settings_are_named(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for bad in (
        {"api_key": ""},
        {"window_days": 0},
        {"start_date": "soon"},
        {"api_url": "http://canai.example.com"},
        {"api_key": 12345},
    ):
        caplog.clear()
        code, _ = run_tap(box, tmp_path, **bad)
        assert code == 1, bad
        assert next(iter(bad)) in caplog.text
        assert "12345" not in caplog.text
        assert "Traceback" not in caplog.text


def test_discovery_needs_no_call_and_schemas_are_described() -> None:
    for stream in TapCanAI(config={"api_key": "none"}).streams.values():
        for name, schema in stream.schema["properties"].items():
            assert schema["description"], name
            assert schema["type"], name
        for key in stream.primary_keys:
            assert stream.schema["properties"][key]["type"] == "string"


def test_an_extract_of_nothing_new_is_empty(box: Box, tmp_path: Path) -> None:
    first = extract(box, tmp_path)
    state = [json.loads(line) for line in first.read_text().splitlines()][-1]["value"]
    again = [
        json.loads(line) for line in extract(box, tmp_path, state=state).read_text().splitlines()
    ]
    assert [message for message in again if message["type"] == "RECORD"] == []


def test_errors_are_of_one_tree() -> None:
    assert issubclass(StreamsFailedError, FatalError)
