"""The word `parse`: text in given formats."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reverse_etl.errors import RowError
from reverse_etl.mapping.parsing import BadFormatError, field_parser, parse_rule

BERLIN = {"datetime": "%d/%m/%Y %H:%M", "zone": "Europe/Berlin"}
GERMAN = {"number": {"decimal": ",", "group": "."}}
YES_NO = {"boolean": {"yes": ["ja", "y", 1], "no": ["nein", "n"]}}


@pytest.mark.parametrize(
    ("word", "value", "expected"),
    [
        ("number", " 1234.50 ", Decimal("1234.5")),
        ("number", "-7", Decimal(-7)),
        ("number", ".5", Decimal("0.5")),
        ("number", "1e-3", Decimal("0.001")),
        ("number", 12.5, 12.5),
        ("number", None, None),
        ("number", "  ", None),
        (GERMAN, "1.234.567,89", Decimal("1234567.89")),
        (GERMAN, "1234567,8", Decimal("1234567.8")),
        (GERMAN, "-0,5", Decimal("-0.5")),
        ({"number": {"decimal": ",", "group": " "}}, "1\u202f234,5", Decimal("1234.5")),
        ({"number": {"group": ","}}, "12,34,567.8", Decimal("1234567.8")),
        ("boolean", "Yes", True),
        ("boolean", 0, False),
        ("boolean", True, True),
        (YES_NO, "JA", True),
        (YES_NO, "1", True),
        (YES_NO, "nein", False),
        ("date", "2026-01-31", date(2026, 1, 31)),
        ({"date": "%d.%m.%Y"}, "31.01.2026", date(2026, 1, 31)),
        ({"date": "%d.%m.%Y"}, date(2026, 1, 31), date(2026, 1, 31)),
        ("datetime", "2026-01-31T01:00:00+01:00", datetime(2026, 1, 31, tzinfo=UTC)),
        ("datetime", "2026-01-31T00:00:00", datetime(2026, 1, 31, tzinfo=UTC)),
        (BERLIN, "01/07/2026 14:30", datetime(2026, 7, 1, 12, 30, tzinfo=UTC)),
        (BERLIN, "25/10/2026 02:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        (
            {"datetime": "%Y-%m-%d %H:%M %z", "zone": "Europe/Berlin"},
            "2026-01-31 00:00 +0000",
            datetime(2026, 1, 31, tzinfo=UTC),
        ),
    ],
)
def test_parse(word: Any, value: object, expected: object) -> None:
    assert field_parser("f", parse_rule(word))(value) == expected


@pytest.mark.parametrize(
    ("word", "value", "format_"),
    [
        ("number", "12,5", "1234.5"),
        ("number", "many", "1234.5"),
        ("number", True, "1234.5"),
        ("number", "-", "1234.5"),
        ("number", "１２", "1234.5"),
        (GERMAN, "1.5", "1.234,5"),
        (GERMAN, "1.2345", "1.234,5"),
        (YES_NO, "maybe", "ja/y/1/nein/n"),
        ({"date": "%d.%m.%Y"}, "01/31/2026", "%d.%m.%Y"),
        ("date", "soon", "ISO 8601"),
        (BERLIN, "1 July", "%d/%m/%Y %H:%M"),
        ("number", ["12"], "1234.5"),
    ],
)
def test_what_does_not_parse_names_field_and_format_and_never_the_value(
    word: Any, value: object, format_: str
) -> None:
    with pytest.raises(RowError) as error:
        field_parser("amount", parse_rule(word))(value)
    assert error.value.code == "not_parseable"
    assert "amount" in error.value.message
    assert error.value.message.endswith(f"in the format {format_}")
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ({"date": "%d.%m"}, "lacks the day, the month or the year"),
        ({"date": "%Q"}, "not a format that can be read"),
        ({"datetime": "%H:%M"}, "lacks the day"),
        ({"datetime": "%Y-%m-%d", "zone": "Europe/Berln"}, "unknown time zone 'Europe/Berln'"),
        ({"datetime": "%Y-%m-%d", "zone": "../etc"}, "unknown time zone"),
        ({"number": {"decimal": ",", "group": ","}}, "the same"),
        ({"boolean": {"yes": ["x"], "no": ["X"]}}, "means both yes and no"),
        ({"date": "%Y-%m-%d", "number": {}}, "exactly one of"),
        ({"zone": "UTC"}, "exactly one of"),
        ({"date": "%Y-%m-%d", "zone": "UTC"}, "only a datetime has a zone"),
    ],
)
def test_a_format_that_cannot_be_used_is_an_error(word: Any, message: str) -> None:
    with pytest.raises(BadFormatError) as error:
        field_parser("f", parse_rule(word))
    assert message in error.value.message


def test_a_typo_in_a_time_zone_names_the_nearest() -> None:
    with pytest.raises(BadFormatError) as error:
        field_parser("f", parse_rule({"datetime": "%Y-%m-%d", "zone": "Europe/Berln"}))
    assert error.value.hint == "Did you mean 'Europe/Berlin'?"


@given(
    st.decimals(min_value=-(10**12), max_value=10**12, places=2),
    st.sampled_from([(",", "."), (".", ","), (".", "'"), (",", " ")]),
)
def test_a_number_is_read_as_it_was_written(number: Decimal, signs: tuple[str, str]) -> None:
    decimal, group = signs
    text = f"{number:,.2f}".translate(str.maketrans(",.", group + decimal))
    parse = field_parser("f", parse_rule({"number": {"decimal": decimal, "group": group}}))
    assert parse(text) == number


@given(
    st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(9000, 1, 1)),
    st.sampled_from(["%d.%m.%Y %H:%M:%S.%f", "%Y%m%dT%H%M%S%f", "%b %d %Y, %I:%M:%S.%f %p"]),
)
def test_a_moment_is_read_as_it_was_written(moment: datetime, format_: str) -> None:
    parse = field_parser("f", parse_rule({"datetime": format_}))
    assert parse(moment.strftime(format_)) == moment.replace(tzinfo=UTC)


@given(st.text(), st.sampled_from(["number", "boolean", "date", "datetime"]))
def test_any_text_parses_or_is_its_rows_error(text: str, kind: str) -> None:
    with suppress(RowError):
        field_parser("f", parse_rule(kind))(text)
