"""Scrubbing: what another system says leaves the process without personal data and secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

EMAIL = re.compile(r"[^\s\"'<>:,;=]+@[^\s\"'<>:,;=]+\.[A-Za-z]{2,}")
NUMBER = re.compile(r"\+?\d[\d\s().-]{6,}\d")
URL = re.compile(r"https?://\S+")
SHORTEST_VALUE = 3
"""Shorter values would take parts out of unrelated words."""
LONGEST_MESSAGE = 400
LONGEST_READ = 2_000
"""Characters that are searched: in a message of megabytes the patterns would take minutes."""


def scrub(message: str, record: Mapping[str, Any] = MappingProxyType({})) -> str:
    """A message in one line, without the record's values, e-mail addresses and long numbers."""
    values = {
        value
        for value in record.values()
        if isinstance(value, str) and len(value) >= SHORTEST_VALUE
    }
    # the longest first: a value may be part of another one
    for value in sorted(values, key=len, reverse=True):
        message = re.sub(re.escape(value), "<value>", message, flags=re.IGNORECASE)
    message = URL.sub("<url>", message[:LONGEST_READ])
    message = NUMBER.sub("<number>", EMAIL.sub("<e-mail>", message))
    # a line break would let the message forge a line of the log, an escape recolour the terminal
    return "".join(sign if sign.isprintable() else " " for sign in message)[:LONGEST_MESSAGE]
