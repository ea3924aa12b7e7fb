"""Drawn rows of the streams, and what damages a file of them."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st
from tap_canai.normal_form import types_of
from tap_canai.schema_files import load_schema

LEGAL = st.characters(
    exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff", include_characters="\n\r\t"
)
"""What XML 1.0 can hold."""
odd = st.sampled_from(
    [
        "",
        " ",
        "a,b",
        'say "yes"',
        "<b>&amp;</b>",
        "line\r\nbreak",
        "]]>",
        "null",
        "true",
        "12",
        "1e5",
        "=1+1",
        "ünï çødé",
        "\t",
    ]
)
texts = st.text(LEGAL, max_size=30) | odd
keys = st.sampled_from(["POST /v1/export", "F1_to_F2", 'a "b"', "<k>&", "ü", "a,b"]) | st.text(
    LEGAL, min_size=1, max_size=10
)
numbers = st.integers(-(10**12), 10**12) | st.floats(-1e9, 1e9, allow_nan=False).map(
    lambda value: round(value, 6)
)


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values a schema allows."""
    types = types_of(schema)
    if schema.get("enum"):
        return st.sampled_from(schema["enum"])
    if schema.get("format") == "date-time":
        made: st.SearchStrategy[Any] = st.datetimes().map(lambda value: value.isoformat() + "Z")
    elif "string" in types:
        made = texts if "null" in types else st.text(LEGAL, min_size=1, max_size=20)
    elif "boolean" in types:
        made = st.booleans()
    elif "integer" in types:
        made = st.integers(-(10**12), 10**12)
    elif "number" in types:
        made = numbers
    elif "array" in types:
        made = st.lists(values(schema.get("items", {})), max_size=3)
    else:
        inner = schema.get("additionalProperties", {})
        made = st.dictionaries(
            keys,
            values(inner if isinstance(inner, dict) else {})
            if inner not in ({}, True)
            else texts | numbers | st.booleans() | st.none(),
            max_size=3,
        )
    return st.none() | made if "null" in types else made


def rows(stream: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    schema = load_schema(stream)
    return st.lists(
        st.fixed_dictionaries({name: values(kind) for name, kind in schema["properties"].items()}),
        max_size=4,
    )


PIECES = [
    b"",
    b"\x00",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b'"',
    b"\\",
    b"\\ud800",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b":",
    b"\r\n",
    b"<",
    b"</",
    b"<a>",
    b"<!--",
    b"<![CDATA[",
    b"&amp;",
    b"&#0;",
    b"&x;",
    b'<?xml version="1.0" encoding="utf-7"?>',
    b"null",
    b"NaN",
    b"-",
    b"1e999999999",
    b"9" * 3000,
    b"1" * 5000,
    b"a" * 70_000,
    b"[" * 200,
]
edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 30), st.sampled_from(PIECES) | st.binary(max_size=8)),
    min_size=1,
    max_size=4,
)


def some_edits(chance: random.Random) -> list[tuple[float, int, bytes]]:
    """One to four changes."""

    def piece() -> bytes:
        return chance.choice(PIECES) if chance.random() < 0.5 else chance.randbytes(8)

    number = chance.randrange(1, 5)
    return [(chance.random(), chance.randrange(31), piece()) for _ in range(number)]


def edited(file: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """The file, each change of which puts bytes in the place of some others."""
    for place, length, piece in changes:
        at = int(place * len(file))
        file = file[:at] + piece + file[at + length :]
    return file
