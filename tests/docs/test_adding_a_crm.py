"""docs/adding-a-crm.md: the fourth CRM is installed, run against its emulator, and small."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from box import BIN
from support import ROOT, written
from tiny import TINY, Tiny, tiny_emulator

MOST_LINES = 150


@pytest.fixture
def tiny() -> Iterator[Tiny]:
    with tiny_emulator() as running:
        yield running


@pytest.mark.process
def test_the_fourth_crm_installs_and_keeps_the_promises(tiny: Tiny, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    install = [str(BIN / "uv"), "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    subprocess.run([*install, str(TINY)], check=True, capture_output=True, timeout=120)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    place = {"ledger_url": f"sqlite:///{tmp_path}/tiny.db", "report_dir": str(tmp_path)}
    settings = {**tiny.settings, "provision": True, **place}
    config = str(written(tmp_path, "settings.json", settings))

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(folder / "bin" / "target-tiny"), *arguments, "--config", config]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )

    def objects() -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((tmp_path / "latest.json").read_text())["objects"]
        return loaded

    first = run("--input", str(TINY / "people.jsonl"))
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout.splitlines()[-1]) == {"bookmarks": {"users": 3}}
    assert [objects()["people"][name] for name in ("planned", "created", "dead")] == [3, 2, 1]
    assert [objects()["visits"][name] for name in ("planned", "created", "waiting")] == [2, 1, 1]
    people = {row["external_id"]: row for row in tiny.get("people")}
    assert people.keys() == {"u1", "u3"}
    (visit,) = tiny.get("visits")
    assert visit["person"] == people["u1"]["id"]
    (letter,) = json.loads(run("dead-letters", "list", "--json").stdout)
    assert [letter["key"], letter["code"]] == ["u2", "bad_mail"]
    written_so_far = len(tiny.get("calls"))
    again = run("--input", str(TINY / "people.jsonl"))
    assert again.returncode == 0
    assert objects()["people"]["unchanged"] == 2
    fixed = written(
        tmp_path,
        "fixed.jsonl",
        (TINY / "people.jsonl").read_text().replace("nothing", "bo@example.com"),
    )
    assert run("--input", str(fixed)).returncode == 0
    assert len(tiny.get("people")) == 3
    assert len(tiny.get("visits")) == 2
    (tmp_path / "tiny.db").unlink()
    assert run("--input", str(fixed)).returncode == 0
    assert objects()["people"]["unchanged"] == 3
    assert len(tiny.get("people")) == 3
    assert [path for path in tiny.get("calls")[written_so_far:] if path.endswith("/upsert")] != []
    assert run("mapping", "check").returncode == 0


def test_it_is_as_small_as_the_page_says_and_the_page_quotes_it() -> None:
    source = (TINY / "target_tiny" / "__init__.py").read_text()
    assert len(source.splitlines()) <= MOST_LINES
    page = (ROOT / "docs" / "adding-a-crm.md").read_text()
    quoted = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(quoted) >= 4
    assert all(block in source for block in quoted)
