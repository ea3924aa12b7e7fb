"""Values that have broken programs before, for any property of any record."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

TEXTS: list[str] = [
    "",
    " ",
    "\t\n",
    "\x00",
    "\x1b[31m",
    "\u200b",
    "\u202e",
    "\ufeff",
    "\ufffd",
    "\ud800",
    "e\u0301",
    "🤷🏽",
    "null",
    "NaN",
    "Infinity",
    "true",
    "-1",
    "1e99999999",
    "0x10",
    "１２",
    "9" * 400,
    "a" * 300,
    "a" * 40_000,
    "'; DROP TABLE entry; --",
    "<script>alert(1)</script>",
    "=1+1",
    "%s%n{0}{user_id}",
    "../../etc/passwd",
    "a/b",
    "a;b;c",
    "2026-02-30",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2999-01-01T00:00:00Z",
    "https://[::1/x",
    "https://a..b/x",
    "https://h:99999/x",
    "@",
    "a@b@c",
    "ann@example.org\n",
]
NUMBERS: list[Any] = [
    0,
    -1,
    2**63,
    10**40,
    1e308,
    -0.0,
    float("inf"),
    float("nan"),
    Decimal("1E+99999999"),
    Decimal("1E-99999999"),
    Decimal("NaN"),
    Decimal("123456789012345678.99"),
]
OTHERS: list[Any] = [None, True, False, [], {}, [None], [[]], {"a": {}}, {"": ""}, ["a"] * 500]
VALUES: list[Any] = TEXTS + NUMBERS + OTHERS
