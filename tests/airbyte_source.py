"""`source-canai` in a process of its own, and its messages."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from airbyte_protocol.models import AirbyteMessage, ConfiguredAirbyteCatalog

from box import BIN, Box
from support import STREAMS, Message, clean_environment, tap_config, written

KEYS = {
    "RECORD": "record",
    "STATE": "state",
    "TRACE": "trace",
    "LOG": "log",
    "SPEC": "spec",
    "CATALOG": "catalog",
    "CONNECTION_STATUS": "connectionStatus",
}


def source(folder: Path, *arguments: str) -> tuple[int, list[Message]]:
    """Exit code and messages; each is one of the protocol, and nothing else is on stdout."""
    done = subprocess.run(
        [str(BIN / "source-canai"), *arguments],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    for message in messages:
        AirbyteMessage.model_validate(message)
    assert "Traceback" not in done.stderr
    return done.returncode, messages


def read(
    folder: Path, config: str, chosen: str, state: str | None = None
) -> tuple[int, list[Message]]:
    """What `read` answers to a catalog, from a state."""
    more = ("--state", state) if state is not None else ()
    return source(folder, "read", "--config", config, "--catalog", chosen, *more)


def config(box: Box, folder: Path, **more: Any) -> str:
    """A file of settings."""
    return str(written(folder, "config.json", tap_config(box, folder, **more)))


@cache
def discovered() -> dict[str, dict[str, Any]]:
    """The source's streams by name, asked for once: they depend on nothing."""
    with tempfile.TemporaryDirectory() as folder:
        settings = written(Path(folder), "any.json", {"api_key": "none"})
        _, messages = source(Path(folder), "discover", "--config", str(settings))
    return {stream["name"]: stream for stream in of(messages, "CATALOG")[0]["streams"]}


def catalog(folder: Path, streams: Sequence[str] = STREAMS, mode: str = "incremental") -> str:
    """A file of a configured catalog of these streams."""
    chosen = [
        {"stream": discovered()[name], "sync_mode": mode, "destination_sync_mode": "append"}
        for name in streams
    ]
    ConfiguredAirbyteCatalog.model_validate({"streams": chosen})
    return str(written(folder, f"catalog-{mode}.json", {"streams": chosen}))


def of(messages: list[Message], kind: str) -> list[dict[str, Any]]:
    """What the messages of a kind carry."""
    return [message[KEYS[kind]] for message in messages if message["type"] == kind]


def stream_of(state: dict[str, Any]) -> str:
    """The stream of a state."""
    return str(state["stream"]["stream_descriptor"]["name"])


def statuses(messages: list[Message], stream: str) -> list[str]:
    """The statuses of a stream, in order."""
    traces = of(messages, "TRACE")
    found = [trace["stream_status"] for trace in traces if trace["type"] == "STREAM_STATUS"]
    return [status["status"] for status in found if status["stream_descriptor"]["name"] == stream]


def errors(messages: list[Message]) -> list[dict[str, Any]]:
    """The errors, in order."""
    return [trace["error"] for trace in of(messages, "TRACE") if trace["type"] == "ERROR"]
