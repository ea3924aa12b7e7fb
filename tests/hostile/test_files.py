"""Export files that were made to do harm, or that a fault made odd."""

from __future__ import annotations

import contextlib
import io
import json
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from tap_canai.decoders import DECODERS
from tap_canai.decoders.reader import BUFFER_BYTES, CountingReader
from tap_canai.errors import ExportBrokenError, SchemaDriftError
from tap_canai.normal_form import normal
from tap_canai.schema_files import load_schema

MEGABYTE = 1024 * 1024
PEAK_BYTES = 100 * MEGABYTE
SCHEMA: dict[str, Any] = load_schema("users")


def decoded(form: str, file: bytes) -> list[dict[str, Any]]:
    """The users of a file, in normal form."""
    properties = SCHEMA["properties"]
    source = CountingReader(io.BytesIO(file))
    with contextlib.closing(DECODERS[form](source, "users", SCHEMA)) as rows:
        return [
            {name: normal(value, properties.get(name, {}), name) for name, value in row.items()}
            for row in rows
        ]


def users(*values: dict[str, Any]) -> bytes:
    return json.dumps({"users": [{"user_id": str(n)} | v for n, v in enumerate(values)]}).encode()


class Endless(io.RawIOBase):
    """A file that goes on for N bytes, made as it is read."""

    def __init__(self, head: bytes, body: bytes, length: int) -> None:
        super().__init__()
        self._head, self._body, self._left = head, body * (BUFFER_BYTES // len(body) + 1), length

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        chunk = self._body[: min(BUFFER_BYTES, self._left)]
        self._left -= len(chunk)
        return chunk


# Text is text


@pytest.mark.parametrize(
    "text", ["see [1", "{{{", "]]]}}}", '\\"[', "\\", '"', "a\\\\[", "\\u005b["]
)
def test_brackets_in_text_are_not_nesting(text: str) -> None:
    rows = decoded("json", users(*[{"business_description": text}] * 4000))
    assert [row["business_description"] for row in rows] == [text] * 4000


@pytest.mark.parametrize("boundary", range(BUFFER_BYTES - 12, BUFFER_BYTES + 2))
def test_text_that_crosses_a_block_is_text(boundary: int) -> None:
    text = '\\"[[' * 200
    before = {"business_type": "x" * (boundary - len(users({"business_type": ""})) - 30)}
    rows = decoded("json", users(before, {"business_description": text}))
    assert rows[1]["business_description"] == text


@pytest.mark.parametrize("form", ["json", "csv", "xml"])
def test_a_byte_order_mark_is_not_content(form: str) -> None:
    files = {
        "json": users({}),
        "csv": b"user_id\r\n0\r\n",
        "xml": b"<export><users><user><user_id>0</user_id></user></users></export>",
    }
    assert decoded(form, b"\xef\xbb\xbf" + files[form]) == [{"user_id": "0"}]


# Nesting and size


def nested(form: str, depth: int) -> bytes:
    """A user with a property that is nested so deep."""
    lists = b"[" * depth + b"]" * depth
    match form:
        case "json":
            return b'{"users": [{"user_id": "1", "stages_completed": %s}]}' % lists
        case "csv":
            return b'user_id,stages_completed\r\n1,"%s"\r\n' % lists
        case _:
            inner = b"<item>" * depth + b"</item>" * depth
            return (
                b"<export><users><user><user_id>1</user_id><stages_completed>%s"
                b"</stages_completed></user></users></export>" % inner
            )


@pytest.mark.parametrize("form", ["json", "csv", "xml"])
@pytest.mark.parametrize("depth", [101, 900, 5_000, 300_000])
def test_deep_nesting_is_one_line(form: str, depth: int) -> None:
    with pytest.raises(ExportBrokenError, match="nested too deep"):
        decoded(form, nested(form, depth))


@pytest.mark.parametrize("form", ["json", "csv", "xml"])
def test_ninety_levels_are_read(form: str) -> None:
    rows = DECODERS[form](CountingReader(io.BytesIO(nested(form, 90))), "users", SCHEMA)
    assert next(iter(rows))["user_id"] == "1"


ENDLESS = {
    "json text": ("json", b'{"users": [{"user_id": "', b"a"),
    "json members": ("json", b'{"users": [{"a": 1', b', "b": [{}]'),
    "json blanks": ("json", b'{"users": [', b" "),
    "json open lists": ("json", b'{"users": [', b"["),
    "json before the set": ("json", b'{"metadata": "', b"a"),
    "csv cell": ("csv", b'user_id\r\n"', b"a"),
    "csv cells": ("csv", b"user_id\r\n", b"a,"),
    "csv lines in a row": ("csv", b'user_id\r\n"', b"aaaaaaaaaaaaaaaaaaaaa\r\n"),
    "csv header": ("csv", b"", b"user_id,"),
    "xml text": ("xml", b"<export><users><user><user_id>", b"a"),
    "xml elements": ("xml", b"<export><users><user>", b"<a/>"),
    "xml open elements": ("xml", b"<export><users><user>", b"<a>"),
    "xml attributes": ("xml", b"<export><users><user ", b"a='1' b='2' "),
    "xml name": ("xml", b"<export><users><", b"a"),
    "xml comments": ("xml", b"<export><users><!--", b"a"),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_a_record_without_an_end_is_refused_in_flat_memory(case: str) -> None:
    form, head, body = ENDLESS[case]
    source = CountingReader(Endless(head, body, 64 * MEGABYTE))
    tracemalloc.start()
    try:
        with pytest.raises(ExportBrokenError):
            list(DECODERS[form](source, "users", SCHEMA))
        assert tracemalloc.get_traced_memory()[1] < PEAK_BYTES
    finally:
        tracemalloc.stop()


# Numbers

HUGE = ["1e99999999", "-1e99999999", "1e400", "1e30000", "1e309", "9" * 5000]


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize("form", ["json", "csv", "xml"])
@pytest.mark.parametrize("name", ["total_spent", "total_sessions"])
def test_a_number_out_of_range_is_one_line_that_names_the_place(
    form: str, name: str, number: str
) -> None:
    with pytest.raises((SchemaDriftError, ExportBrokenError)) as error:
        decoded(form, file_with(form, name, number))
    assert number not in str(error.value)


@pytest.mark.parametrize(
    "word", ["NaN", "Infinity", "-Infinity", "nan", "inf", "0x10", "1_000", "１２"]
)
@pytest.mark.parametrize("form", ["json", "csv", "xml"])
def test_what_is_not_a_number_is_refused(form: str, word: str) -> None:
    with pytest.raises((SchemaDriftError, ExportBrokenError)):
        decoded(form, file_with(form, "total_spent", word))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12345678901234.56", 12345678901234.56),
        ("0." + "1" * 1500, 0.1111111111111111),
        ("1234567890123456.78", Decimal("1234567890123456.78")),
        ("0.1", 0.1),
        ("10.50", 10.5),
        ("1e2", 100),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("-18446744073709551616", -18446744073709551616),
    ],
)
@pytest.mark.parametrize("form", ["json", "csv", "xml"])
def test_numbers_are_exact(form: str, text: str, expected: object) -> None:
    (row,) = decoded(form, file_with(form, "total_spent", text))
    assert row["total_spent"] == expected
    assert str(row["total_spent"]) == str(expected)


def file_with(form: str, name: str, text: str) -> bytes:
    """A file of one user, whose property is this text, unquoted."""
    match form:
        case "json":
            return b'{"users": [{"user_id": "1", "%s": %s}]}' % (name.encode(), text.encode())
        case "csv":
            return f"user_id,{name}\r\n1,{text}\r\n".encode()
        case _:
            return (
                f"<export><users><user><user_id>1</user_id><{name}>{text}</{name}></user>"
                "</users></export>"
            ).encode()


# Names twice


@pytest.mark.parametrize(
    ("form", "file"),
    [
        ("csv", b"user_id,email,user_id\r\n1,a,2\r\n"),
        (
            "xml",
            b"<export><users><user><user_id>1</user_id><user_id>2</user_id></user></users>"
            b"</export>",
        ),
    ],
)
def test_a_property_twice_is_refused(form: str, file: bytes) -> None:
    with pytest.raises(ExportBrokenError, match="user_id"):
        decoded(form, file)


@pytest.mark.parametrize("bits", [b"\xff", b"\xed\xa0\x80", b"\xc3", b"\x80"])
@pytest.mark.parametrize("form", ["json", "csv", "xml"])
def test_text_that_is_not_utf_8_is_refused(form: str, bits: bytes) -> None:
    with pytest.raises(ExportBrokenError):
        decoded(form, file_with(form, "email", '"@"').replace(b"@", bits))


@pytest.mark.parametrize("encoding", ["utf-7", "utf-16", "cp037", "idna", "no-such"])
def test_xml_in_another_encoding_is_one_line(encoding: str) -> None:
    head = f'<?xml version="1.0" encoding="{encoding}"?>'.encode()
    with pytest.raises(ExportBrokenError):
        decoded("xml", head + file_with("xml", "email", "a"))


def cut(form: str) -> Iterator[bytes]:
    file = file_with(form, "email", '"x@example.org"')
    yield from (file[:length] for length in range(0, len(file) - 1, 5))


@pytest.mark.parametrize("form", ["json", "xml"])
def test_a_file_that_is_cut_anywhere_is_refused(form: str) -> None:
    for file in cut(form):
        with pytest.raises(ExportBrokenError):
            decoded(form, file)


@pytest.mark.parametrize("entry", ["1", '"text"', "null", "[]", "[{}]", "true"])
def test_a_record_that_is_not_an_object_is_refused(entry: str) -> None:
    with pytest.raises(ExportBrokenError, match="not an object"):
        decoded("json", b'{"users": [{"user_id": "1"}, %s]}' % entry.encode())
