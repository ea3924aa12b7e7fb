"""examples/target-tiny: its emulator in a process of its own."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from box import free_port
from support import ROOT, wait_for

TINY = ROOT / "examples" / "target-tiny"


@dataclass(frozen=True)
class Tiny:
    """A running emulator."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that open its account."""
        return {"api_url": self.url, "token": "tiny"}

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/{path}", timeout=10) as answer:
            return json.load(answer)

    def next_upsert(self, fate: str) -> None:
        """Decide what becomes of the next upsert: `drop` its answer, or `deny` it."""
        path = f"{self.url}/next/{fate}"
        with urllib.request.urlopen(path, data=b"", timeout=10) as answer:
            assert answer.status == 200

    def is_up(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.get("calls") == [])
        return False


@contextlib.contextmanager
def tiny_emulator() -> Iterator[Tiny]:
    """An emulator with an empty account."""
    tiny = Tiny(free_port())
    process = subprocess.Popen([sys.executable, str(TINY / "emulator.py"), str(tiny.port)])
    try:
        wait_for(tiny.is_up)
        yield tiny
    finally:
        process.terminate()
        process.wait(10)
