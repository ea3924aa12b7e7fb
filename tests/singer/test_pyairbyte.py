"""PyAirbyte runs `source-canai` locally: check, discover, read into DuckDB, then what changed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from box import BIN, Box
from support import ROOT, clean_environment, tap_config

PACKAGE = "airbyte==0.71.*"
pytestmark = [pytest.mark.heavy, pytest.mark.soak]

SCRIPT = """
import json, os, urllib.request
import airbyte as ab

config = json.loads(os.environ["CONFIG"])
where = {"local_executable": os.environ["EXECUTABLE"]}


def call(path, body):
    url, data = os.environ["URL"] + path, json.dumps(body).encode()
    return json.load(urllib.request.urlopen(urllib.request.Request(url, data=data, method="POST")))


def said(name, value):
    print("SAID " + json.dumps({name: value}))


cache = ab.new_local_cache(cache_name="canai", cache_dir=os.environ["CACHE"])
source = ab.get_source("source-canai", config=config, streams="*", **where)
source.check()
said("streams", list(source.get_available_streams()))
first = source.read(cache=cache)
said("first", {name: len(list(first.streams[name])) for name in source.get_available_streams()})
call("/_sandbox/clock", {"advance_s": 3600})
people = ab.get_source("source-canai", config=config, streams=["users", "payments"], **where)
people.read(cache=cache)
call("/_sandbox/clock", {"advance_s": 3600})
call("/_sandbox/mutate", {"users": 4})
call("/_sandbox/clock", {"advance_s": 2})
said("second", people.read(cache=cache).processed_records)
wrong = {**config, "api_key": "a-bad-key"}
bad = ab.get_source("source-canai", config=wrong, streams=["users"], **where)
try:
    bad.check()
except ab.exceptions.AirbyteConnectorCheckFailedError as error:
    said("bad", type(error).__name__)
    assert "a-bad-key" not in str(error)
"""


@pytest.fixture(scope="module")
def python(disk_folder: Path) -> Path:
    """An environment with PyAirbyte."""
    folder = disk_folder / "pyairbyte"
    subprocess.run([str(BIN / "uv"), "venv", "--quiet", str(folder)], check=True, cwd=ROOT)
    install = [
        str(BIN / "uv"),
        "pip",
        "install",
        "--quiet",
        "--python",
        str(folder / "bin" / "python"),
        PACKAGE,
    ]
    done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder / "bin" / "python"


def test_pyairbyte_reads_every_stream_then_only_what_changed(
    box: Box, python: Path, tmp_path: Path
) -> None:
    config = tap_config(box, tmp_path)
    environment = {
        **clean_environment(),
        "CONFIG": json.dumps(config),
        "CACHE": str(tmp_path / "cache"),
        "EXECUTABLE": str(BIN / "source-canai"),
        "URL": box.url,
        "AIRBYTE_OFFLINE_MODE": "1",
        "DO_NOT_TRACK": "1",
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        [str(python), "-c", SCRIPT],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said: dict[str, object] = {}
    for line in done.stdout.splitlines():
        if line.startswith("SAID "):
            said |= json.loads(line.removeprefix("SAID "))
    first = said["first"]
    assert isinstance(first, dict)
    for name in ("users", "payments", "deliverables", "feedback", "sessions"):
        assert first[name] == len(box.objects("canai", name))
    assert all(first[name] for name in ("analytics", "journey_analytics", "revenue_analytics"))
    assert said["second"] == 4
    assert said["bad"] == "AirbyteConnectorCheckFailedError"
    assert "a-bad-key" not in done.stdout
    assert "sandbox-key" not in done.stdout + done.stderr
