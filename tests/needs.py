"""What a test needs, as markers, applied by its folder, its fixtures and its parameters.

A test that needs none of them is `pure`: it runs on what `make test-fast` installs. A guard keeps
that true: a pure test fails if it starts a process.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

TESTS = Path(__file__).parent
NEEDS_OF_FOLDERS = {"e2e": "process", "faults": "process", "singer": "process"}
NEEDS_OF_FIXTURES = {
    "shared_box": "sandbox",
    "shared_big_box": "sandbox",
    "shared_chunked_box": "sandbox",
    "postgres_server": "postgres",
}
NEEDS_OF_PARAMETERS = {"postgresql": "postgres"}
NEEDS = {
    "sandbox": "starts the sandbox",
    "postgres": "starts a PostgreSQL server",
    "process": "starts a process of its own",
    "slow": "takes several seconds of computing",
    "meltano": "runs the real `meltano run` (the workspace has to be set up by make)",
    "node": "drives the emulators with clients from npm",
    "heavy": "installs third-party packages into environments of their own",
    "soak": "takes long, beside a test that always runs: it runs only by `make soak`",
}
SOAK = "SOAK"
"""The environment variable that lets soak tests run."""
SOAK_REASON = "takes long, and a shorter test of the same always runs: `make soak` runs it"


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    config.addinivalue_line("markers", "pure: needs none of the following (set automatically)")
    for name, text in NEEDS.items():
        config.addinivalue_line("markers", f"{name}: {text}")


def needs_of(item: pytest.Item) -> set[str]:
    """What a test needs: what it is marked with, and what its place and arguments show."""
    needs = {marker.name for marker in item.iter_markers()} & NEEDS.keys()
    needs |= {need for name, need in NEEDS_OF_FOLDERS.items() if TESTS / name in item.path.parents}
    fixtures = getattr(item, "fixturenames", ())
    needs |= {need for name, need in NEEDS_OF_FIXTURES.items() if name in fixtures}
    parameters = list(getattr(getattr(item, "callspec", None), "params", {}).values())
    return needs | {need for value, need in NEEDS_OF_PARAMETERS.items() if value in parameters}


# Before pytest's own hook, which deselects by marker.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test with what it needs, or as pure."""
    for item in items:
        needs = needs_of(item)
        for name in needs or {"pure"}:
            item.add_marker(name)
        if "soak" in needs and not os.environ.get(SOAK):
            item.add_marker(pytest.mark.skip(reason=SOAK_REASON))


@pytest.fixture(autouse=True)
def no_process_in_a_pure_test(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep `pure` true: a test that starts a process must say so by a marker."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        pytest.fail("A pure test starts a process. Mark it with @pytest.mark.process.")

    if request.node.get_closest_marker("pure") is not None:
        monkeypatch.setattr(subprocess.Popen, "__init__", refuse)
