"""Third-party targets, in environments of their own, take the tap's output of every stream."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa

from box import BIN, Box
from support import ROOT, STREAMS, extract, written

PACKAGES = {
    "target-postgres": "meltanolabs-target-postgres==0.8.1",
    "target-jsonl": "target-jsonl==0.1.4",
}
pytestmark = pytest.mark.heavy


@pytest.fixture(scope="session")
def others(disk_folder: Path) -> dict[str, Path]:
    """Commands of third-party targets, each in its own environment."""
    commands = {}
    for command, package in PACKAGES.items():
        folder = disk_folder / command
        subprocess.run(
            [str(BIN / "uv"), "venv", "--quiet", str(folder / "env")], check=True, cwd=ROOT
        )
        install = [
            str(BIN / "uv"),
            "pip",
            "install",
            "--quiet",
            "--python",
            str(folder / "env" / "bin" / "python"),
            package,
        ]
        done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        commands[command] = folder / "env" / "bin" / command
    return commands


@pytest.fixture
def messages(box: Box, tmp_path: Path) -> Path:
    return extract(box, tmp_path, streams=STREAMS)


def counts(box: Box) -> dict[str, int]:
    """Records at the source, by stream; analytics from the first of December."""
    found = {
        stream: len(box.objects("canai", stream))
        for stream in STREAMS
        if not stream.endswith("analytics")
    }
    days = [
        row
        for row in box.objects("canai", "analytics")
        if row["properties"]["period_end"] >= "2025-12-01T00:00:00"
    ]
    return found | {stream: len(days) for stream in STREAMS if stream.endswith("analytics")}


def test_target_postgres(
    box: Box, tmp_path: Path, messages: Path, others: dict[str, Path], postgres_url: str
) -> None:
    url = postgres_url.replace("postgresql+psycopg://", "postgresql://", 1)
    config = written(
        tmp_path,
        "pg.json",
        {
            "sqlalchemy_url": url,
            "default_target_schema": "canai",
            "dialect+driver": "postgresql+psycopg",
        },
    )
    with open(messages, "rb") as lines:
        done = subprocess.run(
            [str(others["target-postgres"]), "--config", str(config)],
            stdin=lines,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    with sa.create_engine(postgres_url, poolclass=sa.NullPool).connect() as connection:
        found = {
            stream: connection.scalar(sa.text(f'SELECT count(*) FROM canai."{stream}"'))
            for stream in STREAMS
        }
    assert found == counts(box)


def test_target_jsonl(box: Box, tmp_path: Path, messages: Path, others: dict[str, Path]) -> None:
    folder = tmp_path / "jsonl"
    folder.mkdir()
    config = written(
        tmp_path, "jsonl.json", {"destination_path": str(folder), "do_timestamp_file": False}
    )
    with open(messages, "rb") as lines:
        done = subprocess.run(
            [str(others["target-jsonl"]), "--config", str(config)],
            stdin=lines,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    found = {
        file.stem.split("-")[0]: [json.loads(line) for line in file.read_text().splitlines()]
        for file in folder.glob("*.jsonl")
    }
    assert {stream: len(rows) for stream, rows in found.items()} == counts(box)
