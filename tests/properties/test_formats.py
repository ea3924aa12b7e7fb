"""The three formats hold the same records, whatever is in them."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from sandbox.canai.files import chunks, write
from tap_canai.decoders import DECODERS
from tap_canai.decoders.reader import CountingReader
from tap_canai.errors import ExportBrokenError
from tap_canai.export_stream import ExportStream
from tap_canai.normal_form import normal
from tap_canai.schema_files import load_schema
from tap_canai.streams import STREAMS

from export_rows import rows


def read(
    file: bytes, file_format: str, record_set: str, schema: dict[str, Any]
) -> list[dict[str, Any]]:
    """Records of a file, normalised; every byte is counted."""
    reader = CountingReader(io.BytesIO(file))
    found = list(DECODERS[file_format](reader, record_set, schema))
    reader.drain()
    assert reader.bytes == len(file)
    properties = schema["properties"]
    return [
        {name: normal(row.get(name), properties[name], name) for name in properties}
        for row in found
    ]


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_json_csv_and_xml_give_identical_records(stream: type[ExportStream]) -> None:
    stream_name = str(vars(stream)["name"])
    schema, record_set = load_schema(stream_name), stream.record_set
    names = {record_set: list(schema["properties"])}

    @settings(
        max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(rows(stream_name))
    def check(drawn: list[dict[str, Any]]) -> None:
        content = {record_set: drawn}
        read_back = {
            form: read(write(content, form, names, None), form, record_set, schema)
            for form in DECODERS
        }
        assert read_back["json"] == read_back["csv"] == read_back["xml"]
        assert len(read_back["json"]) == len(drawn)
        for form in DECODERS:
            pieces = list(chunks(content, form, names, 200))
            assert sum(count for _, count in pieces) == len(drawn)
            assert [
                row for file, _ in pieces for row in read(file, form, record_set, schema)
            ] == read_back["json"]

    check()


@pytest.mark.parametrize(
    ("file_format", "file"),
    [
        ("json", b'{"users": [{"user_id": "1"}, {"user'),
        ("json", b"[" * 100_000),
        ("json", b"not json"),
        ("csv", b""),
        ("csv", b"user_id,email\r\n1\r\n"),
        ("csv", b'user_id,email\r\n1,"open'),
        ("csv", b"user_id,email\r\n1,a\0b\r\n"),
        ("csv", b"user_id,email\r\n1,\xff\xfe\r\n"),
        ("csv", b"user_id,stages_completed\r\n1,[1\r\n"),
        ("xml", b"<export><users><user><user_id>1</user_id></user>"),
        (
            "xml",
            b'<!DOCTYPE export [<!ENTITY a "b">]>'
            b"<export><users><user><user_id>&a;</user_id></user></users></export>",
        ),
        ("xml", b'<!DOCTYPE export SYSTEM "http://127.0.0.1/x"><export/>'),
        ("xml", b"no xml"),
    ],
)
def test_a_broken_or_hostile_file_is_one_clear_error(file_format: str, file: bytes) -> None:
    with pytest.raises(ExportBrokenError) as error:
        read(file, file_format, "users", load_schema("users"))
    assert error.value.hint


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file_format", "head"),
    [
        ("csv", b"user_id,email\r\n1,"),
        ("json", b'{"users": [{"user_id": "1"}, {"user_id": "'),
        ("json", b'{"users": [{"user_id": 1'),
        ("json", b'{"'),
        ("xml", b"<export><users><user><user_id>1</user_id></user><user><user_id>"),
        ("xml", b"<export><users><user a='"),
        ("xml", b"<export><users><user><x"),
    ],
)
def test_a_text_without_an_end_is_refused_before_it_fills_the_memory(
    file_format: str, head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = 1024 * 1024  # the parsers need many seconds for the real one
    monkeypatch.setattr("tap_canai.decoders.reader.LONGEST_GAP_BYTES", longest)
    monkeypatch.setattr("tap_canai.decoders.csv.MAX_RECORD_BYTES", longest)

    class Endless(io.RawIOBase):
        sent = 0

        def read(self, size: int = -1, /) -> bytes:
            if not size:  # a reader that only wants to know the type
                return b""
            body = (head if not self.sent else b"") + b"7" * max(size, 1)
            self.sent += len(body)
            assert self.sent < 2 * longest
            return body[:size]

    with pytest.raises(ExportBrokenError, match=r"has more than|number without an end"):
        list(DECODERS[file_format](CountingReader(Endless()), "users", load_schema("users")))


def test_nested_objects_and_normal_forms_are_the_same_in_json() -> None:
    schema = {"type": ["object", "null"], "additionalProperties": {"type": ["number", "null"]}}
    assert normal(json.loads('{"a": 1.0, "b": "2.50", "c": ""}'), schema, "x") == {
        "a": 1,
        "b": 2.5,
        "c": None,
    }
