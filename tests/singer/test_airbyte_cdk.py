"""Airbyte's own standard tests pass: `SourceTestSuiteBase` of airbyte-cdk runs the executable."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from box import BIN, Box
from support import ROOT, clean_environment, tap_config, written

PACKAGES = ("airbyte-cdk==7.39.*", "pytest")
pytestmark = pytest.mark.heavy

SUITE = '''
import os
import subprocess

import pytest
from airbyte_cdk.models import AirbyteMessageSerializer
from airbyte_cdk.test import entrypoint_wrapper
from airbyte_cdk.test.standard_tests import SourceTestSuiteBase


class Executable:
    """What the suite takes for a connector."""

    def spec(self, logger):
        raise AssertionError("the command runner runs the executable")


def run(source, args, *, expected_outcome=None):
    command = [os.environ["EXECUTABLE"], *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    error = None if done.returncode == 0 else RuntimeError(f"exit code {done.returncode}")
    return entrypoint_wrapper.EntrypointOutput(
        messages=done.stdout.splitlines(), uncaught_exception=error
    )


@pytest.fixture(autouse=True)
def executable(monkeypatch):
    monkeypatch.setattr(entrypoint_wrapper, "_run_command", run)


class TestSourceCanai(SourceTestSuiteBase):
    connector = Executable
'''


@pytest.fixture(scope="module")
def python(disk_folder: Path) -> Path:
    """An environment with airbyte-cdk."""
    folder = disk_folder / "cdk"
    subprocess.run([str(BIN / "uv"), "venv", "--quiet", str(folder)], check=True, cwd=ROOT)
    install = [
        str(BIN / "uv"),
        "pip",
        "install",
        "--quiet",
        "--python",
        str(folder / "bin" / "python"),
        *PACKAGES,
    ]
    done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder / "bin" / "python"


def test_the_standard_suite_passes(box: Box, python: Path, tmp_path: Path) -> None:
    root = tmp_path / "source-canai"
    shutil.copytree(ROOT / "tap-canai" / "airbyte", root)
    config = tap_config(box, tmp_path)
    written(root / "secrets", "config.json", config)
    written(root / "secrets", "bad_config.json", {**config, "api_key": "a-bad-key"})
    executable = str(BIN / "source-canai")
    out = subprocess.run(
        [executable, "discover", "--config", str(root / "secrets" / "config.json")],
        capture_output=True,
        text=True,
        check=True,
    )
    streams = next(
        json.loads(line)["catalog"]["streams"]
        for line in out.stdout.splitlines()
        if '"CATALOG"' in line[:20]
    )
    chosen = [
        {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
        for stream in streams
    ]
    written(root, "configured_catalog.json", {"streams": chosen})
    written(root, "test_standard.py", SUITE)
    written(
        root, "conftest.py", 'pytest_plugins = ["airbyte_cdk.test.standard_tests.pytest_hooks"]'
    )
    command = [
        str(python),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-k",
        "not docker",
        "test_standard.py",
    ]
    environment = {**clean_environment(), "EXECUTABLE": executable, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    passed = int(done.stdout.rpartition(" passed")[0].rpartition(" ")[2].rpartition("\n")[2])
    assert passed >= 5, done.stdout
