"""Files read in blocks give what they give record by record: the same lines, warnings and errors.

FUZZ=2000 gives the long version.
"""

from __future__ import annotations

import io
import logging
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest
import simplejson  # type: ignore[import-untyped]
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sandbox.canai.files import write
from tap_canai.decoders import blocks
from tap_canai.decoders.blocks import Block
from tap_canai.errors import FatalError
from tap_canai.export_reader import FileContent
from tap_canai.export_stream import ExportStream
from tap_canai.record_lines import record_lines
from tap_canai.schema_files import load_schema
from tap_canai.streams import STREAM_NAMES
from tap_canai.tap import TapCanAI
from tap_canai.unknown_properties import UnknownProperties

from export_rows import edited, edits
from export_rows import rows as good_rows
from nasty import VALUES

FORMATS = ("json", "csv", "xml")
WHOLE_DAYS = ("analytics", "journey_analytics")
"""Streams with properties that may be anything; they have one record a day."""
OBSERVED = datetime(2026, 1, 31, tzinfo=UTC)
FUZZ = os.environ.get("FUZZ")
drawn = settings(
    max_examples=int(FUZZ or 15),
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    derandomize=not FUZZ,
)
ODD_NUMBERS = [
    *("0.0", "-0.0", "5.0", "1e2", "1E-400", "1e-310", "1e30", "1e999", "1" * 50),
    *("12345678901234567890", "9007199254740993", "9007199254740993.0", "1234567890123456e-5"),
    *("4.2333333333333333333", "0.30000000000000004", "0.1000000000000000055"),
]
odd_numbers = st.sampled_from(ODD_NUMBERS).map(simplejson.RawJSON)
ODD_MOMENTS = [
    "2026-01-31T00:00:00Z",
    "2026-01-31T00:00:00.123Z",
    "2026-01-31T01:00:00+01:00",
    "2026-01-31",
    "2026-02-30T00:00:00.000000Z",
    "2026-01-31T24:00:00.000000Z",
    "2026-01-31T00:00:00.000000z",
    "2026-01-31 00:00:00.000000Z",
    "\u0662026-01-31T00:00:00.000000Z",
]
odd_moments = st.sampled_from(ODD_MOMENTS)
odd_values = st.sampled_from(VALUES) | odd_moments
changed_cells = st.lists(
    st.tuples(st.integers(0, 9), st.floats(0, 0.999), odd_values | odd_numbers), max_size=2
)
extra_names = st.lists(
    st.sampled_from(["brand_new", "a b", "x0", "", "a\\b", 'a"b', "a\tb"]), max_size=1
)


BROKEN = "ExportBrokenError: "


@dataclass
class Outcome:
    """What became of a file."""

    lines: bytes = b""
    error: str = ""
    warnings: list[str] = field(default_factory=list)


class Pieces(io.RawIOBase):
    """A file that comes in small pieces."""

    def __init__(self, file: bytes) -> None:
        super().__init__()
        self._file = io.BytesIO(file)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(min(size, 97) if size >= 0 else 97)

    def readinto(self, buffer: Any, /) -> int:
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def outcome(
    stream: ExportStream,
    file: bytes,
    file_format: str,
    log: pytest.LogCaptureFixture,
    *,
    fast: bool,
) -> tuple[Outcome, int]:
    """What becomes of a file, and the records of it that came in blocks."""
    log.clear()
    stream.unknown, stream._position = UnknownProperties(stream.name, stream.logger), 0
    found, in_blocks = Outcome(), 0
    content = FileContent(stream.record_set, stream.schema, file_format)
    rows = content.rows(cast(Any, Pieces(file)), stream.form if fast and stream.form() else None)
    try:
        for row in stream._counted(rows):
            records = row.records if isinstance(row, Block) else [stream.post_process(row)]
            in_blocks += len(records) * isinstance(row, Block)
            found.lines += record_lines(stream.name, records, OBSERVED)
    except (FatalError, UnicodeEncodeError) as error:
        found.error = f"{type(error).__name__}: {error}"
    found.warnings = [record.getMessage() for record in log.records]
    return found, in_blocks


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1500)


def stream_named(name: str, **config: Any) -> ExportStream:
    tap = TapCanAI(config={"api_key": "none", **config})
    return cast(ExportStream, tap.streams[name])


def file_of(stream: ExportStream, rows: list[dict[str, Any]], file_format: str) -> bytes:
    """The rows in a format, whatever is in them."""
    content = {stream.record_set: rows}
    if file_format == "json":
        whole = {**content, "metadata": {"a": [{}, {}]}}
        return str(simplejson.dumps(whole, use_decimal=True, allow_nan=True)).encode()
    names = {stream.record_set: list({name: None for row in rows for name in row})}
    plain = [
        {
            name: value.encoded_json if isinstance(value, simplejson.RawJSON) else value
            for name, value in row.items()
        }
        for row in rows
    ]
    try:
        return write({stream.record_set: plain}, file_format, names, None)
    except UnicodeEncodeError:
        assume(False)
        raise


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("name", [name for name in STREAM_NAMES if name not in WHOLE_DAYS])
def test_records_in_blocks_are_those_of_the_general_way(
    name: str, file_format: str, small_blocks: None, caplog: pytest.LogCaptureFixture
) -> None:
    stream = stream_named(name)
    fields = list(load_schema(name)["properties"])
    came = {"in blocks": 0}

    @drawn
    @given(good_rows(name), changed_cells, extra_names, st.none() | edits)
    def check(
        rows: list[dict[str, Any]],
        changes: list[tuple[int, float, Any]],
        extras: list[str],
        damage: Any,
    ) -> None:
        rows = [{**row, **dict.fromkeys(extras, "x")} for row in rows * 3]
        for number, place, value in changes:
            if number < len(rows):
                rows[number] = {**rows[number], fields[int(place * len(fields))]: value}
        file = file_of(stream, rows, file_format)
        file = edited(file, damage) if damage and damage[0][1] % 3 == 0 else file
        general, _ = outcome(stream, file, file_format, caplog, fast=False)
        fast, in_blocks = outcome(stream, file, file_format, caplog, fast=True)
        came["in blocks"] += in_blocks
        if general.error:  # how many records come before it depends on what was read ahead
            shorter, longer = sorted((fast, general), key=lambda outcome: len(outcome.lines))
            assert longer.lines.startswith(shorter.lines)
            assert set(shorter.warnings) <= set(longer.warnings)
            fast.lines, fast.warnings = general.lines, general.warnings
            if damage and fast.error.startswith(BROKEN) and general.error.startswith(BROKEN):
                fast.error = general.error  # so does which of two faults is met first
        assert fast == general

    check()
    assert came["in blocks"] > 0
