"""Streams that no rule maps: nothing of them is lost in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import HUBSPOT, Crm, each_crm
from support import Message, deliver, report_of, user, users


def other(*ids: int) -> list[Message]:
    """The SCHEMA of a stream that no rule maps, and its records."""
    schema = {
        "type": "SCHEMA",
        "stream": "other",
        "schema": {"properties": {"id": {"type": "integer"}}},
        "key_properties": ["id"],
    }
    return [schema, *({"type": "RECORD", "stream": "other", "record": {"id": id_}} for id_ in ids)]


def state_of(*streams: str, **more: Any) -> Message:
    return {"type": "STATE", "value": {"bookmarks": {name: {"at": 1} for name in streams}, **more}}


@each_crm
def test_a_run_in_which_no_stream_is_mapped_fails_before_any_state(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = deliver(box, crm, [*other(1, 2), state_of("other")], tmp_path)
    assert (result.code, result.states) == (1, [])
    assert "No rule maps any stream of this run: other" in caplog.text
    assert "ignore_streams" in caplog.text
    assert "Traceback" not in caplog.text
    assert result.report["exit_code"] == 1
    assert result.report["received"] == {"other": 2}


@each_crm
def test_a_rule_written_later_begins_at_the_beginning_of_its_stream(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    messages = [*other(1), state_of("other"), *users([1]), state_of("other", "users")]
    result = deliver(box, crm, messages, tmp_path)
    assert result.code == 0
    assert result.states == [{"bookmarks": {}}, {"bookmarks": {"users": {"at": 1}}}]
    assert caplog.text.count("no rule maps the stream other") == 1


def test_the_bookmark_of_a_stream_that_comes_later_does_not_go_out_early(
    box: Box, tmp_path: Path
) -> None:
    messages = [*users([1]), state_of("users", "other"), *other(1), state_of("users", "other")]
    result = deliver(box, HUBSPOT, messages, tmp_path, batch_size_rows=1)
    assert {"bookmarks": {"users": {"at": 1}}} in result.states
    assert all("other" not in state["bookmarks"] for state in result.states)


@pytest.mark.parametrize("ignored", [["other"], ["*"], ["x", "oth*"], '["other"]'])
def test_ignored_streams_keep_their_bookmarks(box: Box, tmp_path: Path, ignored: object) -> None:
    messages = [*other(1), *users([1]), state_of("other", "users")]
    result = deliver(box, HUBSPOT, messages, tmp_path, ignore_streams=ignored)
    assert (result.code, result.states) == (0, [messages[-1]["value"]])
    alone = [*other(1), state_of("other")]
    result = deliver(
        box, HUBSPOT, alone, tmp_path, ignore_streams=ignored, on_unmapped_stream="fail"
    )
    assert (result.code, result.states) == (0, [alone[-1]["value"]])


def test_a_mapped_stream_is_delivered_though_it_is_ignored_and_the_log_says_so(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = deliver(box, HUBSPOT, users([1]), tmp_path, ignore_streams=["users"])
    assert result.counts("contacts") == {"planned": 1, "created": 1}
    assert "ignore_streams names users, which a rule maps" in caplog.text


@pytest.mark.parametrize("value", [{"users": 1}, {"bookmarks": []}, "here", None])
def test_a_state_without_bookmarks_by_stream_passes_and_the_log_says_so(
    box: Box, tmp_path: Path, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    messages = [*other(1), *users([1]), {"type": "STATE", "value": value}]
    result = deliver(box, HUBSPOT, messages, tmp_path)
    assert (result.code, result.states) == (0, [value])
    assert "has no bookmarks by stream" in caplog.text


def test_input_without_a_stream_ends_well(box: Box, tmp_path: Path) -> None:
    result = deliver(box, HUBSPOT, [state_of("users")], tmp_path)
    assert (result.code, result.states) == (0, [state_of("users")["value"]])
    assert report_of(tmp_path, HUBSPOT)["objects"] == {}


def test_other_parts_of_a_state_stay(box: Box, tmp_path: Path) -> None:
    message = state_of("other", "users", currently_syncing="other")
    result = deliver(box, HUBSPOT, [*other(1), *users([1]), user(2), message], tmp_path)
    assert result.states == [{"bookmarks": {"users": {"at": 1}}, "currently_syncing": "other"}]


def test_a_stream_that_a_stream_map_renames_keeps_its_bookmark(box: Box, tmp_path: Path) -> None:
    messages = [{**message, "stream": "people"} for message in users([1])]
    maps = {"people": {"__alias__": "users"}}
    result = deliver(box, HUBSPOT, [*messages, state_of("people")], tmp_path, stream_maps=maps)
    assert result.counts("contacts") == {"planned": 1, "created": 1}
    assert result.states == [state_of("people")["value"]]
