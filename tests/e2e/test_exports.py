"""The export side over HTTP: formats, chunks, asynchronous exports, and what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tap_canai.streams import Users

from box import Box
from support import (
    STREAMS,
    records,
    run_tap,
)

FORMATS = ("json", "csv", "xml")


def test_every_stream_is_the_same_in_every_format_whole_and_in_chunks(
    box: Box, chunked_box: Box, tmp_path: Path
) -> None:
    end = {"end_date": "2026-01-31T00:00:00Z", "window_days": 100}
    exports = []
    for form in FORMATS:
        for source in (box, chunked_box):
            code, messages = run_tap(source, tmp_path, streams=STREAMS, format=form, **end)
            assert code == 0
            exports.append(
                {
                    stream: sorted(
                        json.dumps(record).replace(source.url, "")  # the URLs of PDFs begin with it
                        for record in records(messages, stream)
                    )
                    for stream in STREAMS
                }
            )
    assert all(export == exports[0] for export in exports)
    assert all(exports[0].values())


def test_an_export_that_takes_time_is_polled_for(chunked_box: Box, tmp_path: Path) -> None:
    code, messages = run_tap(chunked_box, tmp_path)
    assert code == 0
    assert len(records(messages)) == 60
    assert 202 in {line["status"] for line in chunked_box.log("canai")}
    assert chunked_box.log("canai", "GET /canai/v1/export/exp_")
    assert len(chunked_box.log("canai", "/storage/")) > 3


@pytest.mark.parametrize("match", ["/v1/export/exp_", "/storage"])
def test_an_export_that_is_gone_is_requested_again(
    chunked_box: Box, tmp_path: Path, match: str
) -> None:
    chunked_box.fault("canai", "gone_export", match=match, times=1)
    code, messages = run_tap(chunked_box, tmp_path)
    assert code == 0
    assert {record["user_id"] for record in records(messages)} == {
        row["id"] for row in chunked_box.objects("canai", "users")
    }


@pytest.mark.parametrize(
    ("fault", "match", "said"),
    [
        ("wrong_count", "/v1/export", "is incomplete"),
        ("processing_failed", "/v1/export", "could not create the export"),
        ("truncate", "/storage", "complete JSON document"),
        ("expired_url", "/storage", "unavailable twice"),
    ],
)
def test_what_is_not_as_announced_is_an_error_and_never_a_short_sync(
    box: Box, tmp_path: Path, fault: str, match: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    box.fault("canai", fault, match=match, times=99)
    code, messages = run_tap(box, tmp_path)
    assert code == 1
    assert said in caplog.text
    assert "Traceback" not in caplog.text
    states = [json.dumps(message) for message in messages if message["type"] == "STATE"]
    assert not any("replication_key_value" in state for state in states)


def test_a_key_that_is_no_longer_good_gives_way_to_the_next(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code, messages = run_tap(box, tmp_path, api_key='["rotated-out", "sandbox-key"]')
    assert code == 0
    assert len(records(messages)) == 60
    assert "rotated-out" not in caplog.text


def test_a_field_the_api_does_not_know_is_named(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Users.request
    monkeypatch.setattr(
        Users,
        "request",
        lambda self, *window: {**real(self, *window), "data_fields": ["user_id", "shoe_size"]},
    )
    code, _ = run_tap(box, tmp_path)
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
        assert run_tap(box, tmp_path)[0] == 1
        errors = [line.getMessage() for line in caplog.records if line.levelname == "ERROR"]
        texts.add(errors[0].split(". ")[0])
    assert len(texts) == 6


def test_another_format_than_asked_is_an_error(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = Users.request
    monkeypatch.setattr(Users, "request", lambda self, *window: Wrong(real(self, *window)))
    assert run_tap(box, tmp_path)[0] == 1
    assert "Asked for xml, the export is 'json'" in caplog.text


class Wrong(dict[str, Any]):
    """A request that says xml once json was sent."""

    def __getitem__(self, name: str) -> Any:
        return "xml" if name == "format" else super().__getitem__(name)
