"""Hashes of canonical values, by which the ledger knows what a CRM holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache

from reverse_etl.values import Value, plain_number

HASH_BYTES = 8
HASHES = 8192
"""Hashes that are remembered, since the values of most fields repeat."""


@lru_cache(HASHES, typed=True)
def hash_value(value: Value) -> bytes:
    """Eight bytes for a canonical value; the value cannot be read back from them."""
    return hash_text(_tagged(value))


def hash_values(parts: Iterable[tuple[str, Value]]) -> bytes:
    """One fingerprint of named values, in their order."""
    return hash_text("".join([named_part(name, value) for name, value in parts]))


def hash_text(text: str) -> bytes:
    """Eight bytes for a text, whatever characters are in it."""
    return hashlib.blake2b(encoded(text), digest_size=HASH_BYTES).digest()


def named_part(name: str, value: Value) -> str:
    """What a named value adds to a fingerprint."""
    tagged = _tagged(value)
    # with its length, so that no value can end where the next one begins
    return f"{name}\x00{len(encoded(tagged))}\x00{tagged}"


def encoded(text: str) -> bytes:
    """Text as UTF-8; half a surrogate pair, which JSON can hold, passes."""
    return text.encode("utf-8", "surrogatepass")


def _tagged(value: Value) -> str:
    """Text that differs for values of different kinds: 1, "1", True and ("1",) are not the same."""
    if isinstance(value, str):
        return f"s{value}"
    if value is None:
        return "n"
    if isinstance(value, bool):
        return "b1" if value else "b0"
    if isinstance(value, (int, Decimal)):
        return f"d{plain_number(Decimal(value))}"
    return "l" + "\x1f".join(value)
