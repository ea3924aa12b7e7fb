"""JSON Schemas, each from its file under `schemas/`."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def load_schema(name: str) -> dict[str, Any]:
    """The schema of a stream, or of an event's data as in `events/payment.completed`."""
    file = resources.files("tap_canai") / "schemas" / f"{name}.json"
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return schema
