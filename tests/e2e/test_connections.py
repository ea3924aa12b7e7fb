"""Databases are closed after use. SQLite removes its write-ahead log with the last connection."""

from __future__ import annotations

from pathlib import Path

from box import Box
from receiver import event, receiving
from support import extract


def test_the_receiver_closes_the_inbox_when_it_stops(tmp_path: Path) -> None:
    with receiving(tmp_path, f"sqlite:///{tmp_path}/inbox.db") as running:
        assert running.post(event())[0] == 200
        assert (tmp_path / "inbox.db-wal").exists()
        running.stop()
    assert not (tmp_path / "inbox.db-wal").exists()


def test_the_tap_closes_the_audit_log_and_the_inbox(box: Box, tmp_path: Path) -> None:
    databases = {name: f"sqlite:///{tmp_path}/{name}.db" for name in ("audit", "inbox")}
    extract(
        box,
        tmp_path,
        streams=("users", "events"),
        audit_log=databases["audit"],
        inbox_url=databases["inbox"],
    )
    for name in databases:
        assert (tmp_path / f"{name}.db").exists()
        assert not (tmp_path / f"{name}.db-wal").exists()
