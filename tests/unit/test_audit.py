"""The audit log: every export, no ids of users, a chain that shows any change, twelve months."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text
from tap_canai.audit import AuditLog, open_audit_log
from tap_canai.audit.file import AuditFile
from tap_canai.audit.rows import NO_CHAIN, chained
from tap_canai.cli import main as run_tap
from tap_canai.errors import FatalError

from box import Box
from support import extract, tap_config, written

EVENT = {
    "event": "export",
    "export_type": "user_data",
    "filters": {"user_ids": ["user-1"], "journey_stages": ["F1"]},
    "records": 3,
}


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine = create_engine(url)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


@pytest.fixture(params=["file", "sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """What the setting `audit_log` may name, empty."""
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgres_url"))
        yield url
    else:
        yield (
            str(tmp_path / "audit.jsonl")
            if request.param == "file"
            else f"sqlite:///{tmp_path}/audit.db"
        )


def rows_of(place: str) -> list[str]:
    """The rows as text, without their chain."""
    if "://" not in place:
        return Path(place).read_text().splitlines()
    with connected(place) as connection:
        return list(
            connection.execute(text("SELECT event FROM export_audit ORDER BY id")).scalars()
        )


def test_every_export_is_noted_with_its_filter_and_counts_and_no_user_id(
    box: Box, tmp_path: Path
) -> None:
    path = tmp_path / "audit.jsonl"
    someone = box.objects("canai", "users")[0]["id"]
    extract(box, tmp_path, audit_log=str(path), user_ids=[someone], window_days=30)
    noted = lines(path)
    exports = [line for line in box.log("canai") if line["method"] == "POST"]
    assert len(noted) == 1 + len(exports)
    assert {
        "at",
        "who",
        "export_type",
        "date_range",
        "filters",
        "request_id",
        "export_id",
        "records",
        "chain",
    } <= set(noted[-1])
    assert someone not in path.read_text()
    assert "@" not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert AuditFile(path).verify() == len(noted)


CHANGES: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "edit": (
        lambda text: [*text[:2], text[2].replace('"records": 1', '"records": 9'), *text[3:]],
        "UPDATE export_audit SET event = replace(event, '\"records\": 1', '\"records\": 9')"
        " WHERE id = 3",
    ),
    "remove": (lambda text: [*text[:2], *text[3:]], "DELETE FROM export_audit WHERE id = 3"),
    "insert": (
        lambda text: [*text[:2], text[1], *text[2:]],
        "INSERT INTO export_audit (id, at, event, chain)"
        " SELECT 99, at, event, chain FROM export_audit WHERE id = 2",
    ),
    "swap": (
        lambda text: [text[0], text[2], text[1], *text[3:]],
        "UPDATE export_audit SET id = CASE id WHEN 2 THEN -2 ELSE id END",
    ),
    "cut at the beginning": (lambda text: text[1:], "DELETE FROM export_audit WHERE id = 1"),
    "cut at the end": (lambda text: text[:-1], "DELETE FROM export_audit WHERE id = 5"),
    "nothing left but the first": (lambda text: text[:1], "DELETE FROM export_audit WHERE id > 1"),
    "all removed": (lambda text: [], "DELETE FROM export_audit"),
    "another chain": (
        lambda text: [*text[:4], text[4].replace('"chain": "', '"chain": "0')],
        "UPDATE export_audit SET chain = '0' WHERE id = 5",
    ),
    "another salt": (
        lambda text: [text[0].replace('"salt": "', '"salt": "0'), *text[1:]],
        'UPDATE export_audit SET event = replace(event, \'"salt": "\', \'"salt": "0\')',
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_shows(place: str, change: str) -> None:
    with open_audit_log(place) as log:
        for number in range(4):
            log.write({**EVENT, "records": number})
        assert log.verify() == 5
        change_rows(place, change)
        with pytest.raises(FatalError, match="audit log was changed"):
            log.verify()


def change_rows(place: str, change: str) -> None:
    """Change a log as anyone who can write it would."""
    if "://" in place:
        with connected(place) as connection:
            connection.execute(text(CHANGES[change][1]))
    else:
        rows = Path(place).read_text().splitlines(keepends=True)
        Path(place).write_text("".join(CHANGES[change][0](rows)))


def remove_head(place: str) -> None:
    if "://" in place:
        with connected(place) as connection:
            connection.execute(text("DELETE FROM export_audit_head"))
    else:
        Path(f"{place}.head").unlink()


CUTS = ["cut at the end", "nothing left but the first", "all removed", "head removed"]


@pytest.mark.parametrize("change", CUTS)
def test_a_cut_still_shows_after_the_next_export(place: str, change: str) -> None:
    with open_audit_log(place) as log:
        for number in range(4):
            log.write({**EVENT, "records": number})
        if change == "head removed":
            remove_head(place)
        else:
            change_rows(place, change)
        for _ in range(2):
            with pytest.raises(FatalError, match="missing"):
                log.verify()
            log.write(EVENT)
        with pytest.raises(FatalError, match="notes that rows before it were missing"):
            log.verify()
    assert sum(json.loads(row)["event"] == "rows_missing" for row in rows_of(place)) == 1


def test_a_log_of_an_older_version_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    begin = {"at": "2026-01-01T00:00:00.000000Z", "event": "begin", "salt": "00"}
    path.write_text(json.dumps({**begin, "chain": chained(NO_CHAIN, begin)}) + "\n")
    log = AuditFile(path, now=lambda: datetime(2026, 2, 1, tzinfo=UTC))
    assert log.verify() == 1
    log.write(EVENT)
    assert log.verify() == 2
    path.write_text(path.read_text().splitlines(keepends=True)[0])
    with pytest.raises(FatalError, match="rows are missing at its end"):
        log.verify()


def test_a_row_whose_writer_was_killed_before_the_head_does_not_count_as_a_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, head = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.head"
    log = AuditFile(path)
    log.write(EVENT)
    before = head.read_text()
    log.write(EVENT)
    head.write_text(before)
    assert log.verify() == 3
    monkeypatch.setattr(AuditFile, "_write_head", lambda *_: monkeypatch.undo())
    log.write(EVENT)
    log.write(EVENT)
    assert log.verify() == 5
    assert stat.S_IMODE(head.stat().st_mode) == 0o600


def at_moments(log: AuditLog, moment: list[datetime]) -> AuditLog:
    log.now = lambda: moment[0]  # type: ignore[attr-defined]
    return log


def test_what_is_older_than_twelve_months_gives_way_to_a_checkpoint_that_carries_the_chain(
    place: str,
) -> None:
    moment = [datetime(2025, 1, 1, tzinfo=UTC)]
    with at_moments(open_audit_log(place), moment) as log:
        for number in range(5):
            log.write({**EVENT, "records": number})
            moment[0] += timedelta(days=100)
        log.write(EVENT)
        kept = [json.loads(row) for row in rows_of(place)]
        assert kept[0]["event"] == "checkpoint"
        assert kept[0]["removed"] == 3
        assert [row["records"] for row in kept[1:]] == [2, 3, 4, 3]
        assert log.verify() == len(kept)
        moment[0] += timedelta(days=1000)
        log.write(EVENT)
        kept = [json.loads(row) for row in rows_of(place)]
        assert [kept[0]["removed"], len(kept)] == [7, 2]
        assert log.verify() == 2


PRUNED_CHANGES: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "checkpoint edited": (
        lambda text: [text[0].replace('"removed": 3', '"removed": 2'), *text[1:]],
        "UPDATE export_audit SET event = replace(event, '\"removed\": 3', '\"removed\": 2')",
    ),
    "checkpoint removed": (
        lambda text: text[1:],
        "DELETE FROM export_audit WHERE id = (SELECT min(id) FROM export_audit)",
    ),
    "row after it removed": (
        lambda text: [text[0], *text[2:]],
        "DELETE FROM export_audit WHERE id = (SELECT min(id) + 3 FROM export_audit)",
    ),
    "cut at the end": (
        lambda text: text[:-1],
        "DELETE FROM export_audit WHERE id = (SELECT max(id) FROM export_audit)",
    ),
}


@pytest.mark.parametrize("change", PRUNED_CHANGES)
def test_any_change_shows_after_pruning_too(
    place: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CHANGES, change, PRUNED_CHANGES[change])
    moment = [datetime(2025, 1, 1, tzinfo=UTC)]
    with at_moments(open_audit_log(place), moment) as log:
        for number in range(6):
            log.write({**EVENT, "records": number})
            moment[0] += timedelta(days=100)
        before = rows_of(place)
        assert json.loads(before[0])["removed"] == 3
        assert log.verify() == len(before)
        change_rows(place, change)
        assert rows_of(place) != before
        with pytest.raises(FatalError, match="audit log was changed"):
            log.verify()


def test_writers_that_wait_while_a_log_is_pruned_write_into_the_new_one(place: str) -> None:
    moment = [datetime(2025, 1, 1, tzinfo=UTC)]
    with at_moments(open_audit_log(place), moment) as log:
        for _ in range(20):
            log.write(EVENT)
    moment[0] += timedelta(days=400)

    def write(_: int) -> None:
        with at_moments(open_audit_log(place), moment) as late:
            late.write(EVENT)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(16)))
    with open_audit_log(place) as log:
        assert log.verify() == 17


def test_several_writers_keep_one_chain(place: str) -> None:
    def write(_: int) -> None:
        with open_audit_log(place) as log:
            log.write(EVENT)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    with open_audit_log(place) as log:
        assert log.verify() == 41


def test_the_table_keeps_what_the_file_keeps_and_the_command_verifies_it(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    someone = box.objects("canai", "users")[0]["id"]
    place = f"sqlite:///{tmp_path}/audit.db"
    extract(box, tmp_path, audit_log=place, user_ids=[someone])
    exports = [line for line in box.log("canai") if line["method"] == "POST"]
    assert len(rows_of(place)) == 1 + len(exports)
    assert someone.encode() not in (tmp_path / "audit.db").read_bytes()
    assert stat.S_IMODE((tmp_path / "audit.db").stat().st_mode) == 0o600
    config = str(written(tmp_path, "tap.json", {**tap_config(box, tmp_path), "audit_log": place}))
    capsys.readouterr()
    assert run_tap(["audit", "verify", "--config", config]) == 0
    assert f"{1 + len(exports)} rows" in capsys.readouterr().out
    with connected(place) as connection:
        connection.exec_driver_sql(
            "UPDATE export_audit SET event = replace(event, 'user_data', 'sessions') WHERE id = 2"
        )
    assert run_tap(["audit", "verify", "--config", config]) == 1
    assert "line 2 does not fit" in caplog.text


@pytest.mark.parametrize(
    "bad",
    [
        "mysql://h/x",
        "nothing://x",
        "sqlite:////nowhere/at/all.db",
        "postgresql+psycopg://u:secret@127.0.0.1:1/x",
    ],
)
def test_a_log_that_cannot_be_written_says_so_without_its_password(bad: str) -> None:
    with pytest.raises(FatalError, match="audit_log") as error, open_audit_log(bad) as log:
        log.write(EVENT)
    assert "secret" not in str(error.value)
