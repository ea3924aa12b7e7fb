"""PyAirbyte runs `source-canai` as a local executable: check, discover, read into DuckDB, then only what changed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from support import BIN, ROOT, Box, clean_environment, tap_config

PACKAGE = "airbyte==0.71.*"
pytestmark = pytest.mark.heavy

SCRIPT = """
import json, os, urllib.request
import airbyte as ab

config = json.loads(os.environ["CONFIG"])
where = {"local_executable": os.environ["EXECUTABLE"]}


def call(path, body):
    request = urllib.request.Request(os.environ["URL"] + path, data=json.dumps(body).encode(), method="POST")
    return json.load(urllib.request.urlopen(request))


def told(name, value):
    print("TOLD " + json.dumps({name: value}))


cache = ab.new_local_cache(cache_name="canai", cache_dir=os.environ["CACHE"])
source = ab.get_source("source-canai", config=config, streams="*", **where)
source.check()
told("streams", list(source.get_available_streams()))
first = source.read(cache=cache)
told("first", {name: len(list(first.streams[name])) for name in source.get_available_streams()})
call("/_sandbox/clock", {"advance_s": 3600})
people = ab.get_source("source-canai", config=config, streams=["users", "payments"], **where)
people.read(cache=cache)
call("/_sandbox/clock", {"advance_s": 3600})
call("/_sandbox/mutate", {"users": 4})
call("/_sandbox/clock", {"advance_s": 2})
told("second", people.read(cache=cache).processed_records)
bad = ab.get_source("source-canai", config={**config, "api_key": "a-bad-key"}, streams=["users"], **where)
try:
    bad.check()
except ab.exceptions.AirbyteConnectorCheckFailedError as error:
    told("bad", type(error).__name__)
    assert "a-bad-key" not in str(error)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with PyAirbyte."""
    folder = tmp_path_factory.mktemp("pyairbyte") / "env"
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
    config = tap_config(box, audit_log=str(tmp_path / "audit.jsonl"))
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
    told: dict[str, object] = {}
    for line in done.stdout.splitlines():
        if line.startswith("TOLD "):
            told |= json.loads(line.removeprefix("TOLD "))
    first = told["first"]
    assert isinstance(first, dict)
    assert {
        name: first[name] for name in ("users", "payments", "deliverables", "feedback", "sessions")
    } == {
        name: len(box.objects("canai", name))
        for name in ("users", "payments", "deliverables", "feedback", "sessions")
    }
    assert all(first[name] for name in ("analytics", "journey_analytics", "revenue_analytics"))
    assert told["second"] == 4
    assert told["bad"] == "AirbyteConnectorCheckFailedError"
    assert "a-bad-key" not in done.stdout
    assert "sandbox-key" not in done.stdout + done.stderr
