"""The audit log: every export, nobody's id, a chain that shows any change, twelve months."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support import Box, extract
from tap_canai.audit import AuditLog
from tap_canai.errors import TapError

EVENT = {"event": "export", "export_type": "user_data", "filters": {"user_ids": ["user-1"], "journey_stages": ["F1"]}, "records": 3}


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_export_is_noted_with_its_filter_and_counts_and_no_user_id(box: Box, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    someone = box.objects("canai", "users")[0]["id"]
    extract(box, tmp_path, audit_log=str(path), user_ids=[someone], window_days=30)
    told = lines(path)
    exports = [line for line in box.log("canai") if line["method"] == "POST"]
    assert len(told) == 1 + len(exports)
    assert {"at", "who", "export_type", "date_range", "filters", "request_id", "export_id", "records", "chain"} <= set(told[-1])
    assert someone not in path.read_text()
    assert "@" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert AuditLog(path).verify() == len(told)


@pytest.mark.parametrize("change", ["edit", "remove", "insert", "swap"])
def test_any_change_shows(tmp_path: Path, change: str) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(4):
        log.write({**EVENT, "records": number})
    assert log.verify() == 5
    text = log.path.read_text().splitlines(keepends=True)
    text = {
        "edit": [text[0], text[1], text[2].replace('"records": 1', '"records": 9'), *text[3:]],
        "remove": [*text[:2], *text[3:]],
        "insert": [*text[:2], text[1], *text[2:]],
        "swap": [text[0], text[2], text[1], *text[3:]],
    }[change]
    log.path.write_text("".join(text))
    with pytest.raises(TapError, match="line"):
        log.verify()


def test_what_is_older_than_twelve_months_gives_way_to_a_checkpoint_that_carries_the_chain(tmp_path: Path) -> None:
    moment = [datetime(2025, 1, 1, tzinfo=UTC)]
    log = AuditLog(tmp_path / "audit.jsonl", now=lambda: moment[0])
    for _ in range(5):
        log.write(EVENT)
        moment[0] += timedelta(days=100)
    log.write(EVENT)
    told = lines(log.path)
    assert told[0]["event"] == "checkpoint"
    assert told[0]["removed"] == 3
    assert log.verify() == len(told)
    log.path.write_text(log.path.read_text().replace('"records": 3', '"records": 4', 1))
    with pytest.raises(TapError):
        log.verify()


def test_several_writers_keep_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: AuditLog(path).write(EVENT), range(40)))
    assert AuditLog(path).verify() == 41
