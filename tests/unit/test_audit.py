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
}


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_shows(place: str, change: str) -> None:
    with open_audit_log(place) as log:
        for number in range(4):
            log.write({**EVENT, "records": number})
        assert log.verify() == 5
        if "://" in place:
            with connected(place) as connection:
                connection.execute(text(CHANGES[change][1]))
        else:
            rows = Path(place).read_text().splitlines(keepends=True)
            Path(place).write_text("".join(CHANGES[change][0](rows)))
        with pytest.raises(FatalError, match="line"):
            log.verify()


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
