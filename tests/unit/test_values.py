"""Canonical values: one form for what is sent and what a CRM gives back."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reverse_etl.errors import NotRepresentableError
from reverse_etl.hashes import hash_value, hash_values
from reverse_etl.values import FieldInfo, canonical, plain_number, same
from singer_kit.scrub import scrub
from singer_kit.times import parse_utc, utc_text


@pytest.mark.parametrize(
    ("kind", "given_value", "expected"),
    [
        ("text", "", None),
        ("text", 5, "5"),
        ("text", Decimal("99.50"), "99.5"),
        ("number", "1.500", Decimal("1.5")),
        ("number", 1e3, 1000),
        ("integer", 7.0, 7),
        ("boolean", "TRUE", True),
        ("date", "2026-01-31", "2026-01-31"),
        ("date", "2026-01-31T23:30:00-02:00", "2026-02-01"),
        ("date", date(2026, 1, 31), "2026-01-31"),
        ("datetime", "2026-01-31T01:00:00+01:00", "2026-01-31T00:00:00.000000Z"),
        ("choices", ["b", None, "a", "b", 3.0], ("3", "a", "b")),
        ("choices", [], None),
        ("choices", "a", ("a",)),
        ("text", ["b", None, 1.0, True], "b;1;true"),
        ("text", [], None),
    ],
)
def test_canonical(kind: Any, given_value: object, expected: object) -> None:
    assert canonical(FieldInfo("f", kind), given_value) == expected


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        ("number", "many"),
        ("number", "NaN"),
        ("number", "1e5000"),
        ("integer", 1.5),
        ("boolean", 2),
        ("date", "soon"),
        ("datetime", "2026-13-01T00:00:00"),
        ("text", [[1]]),
        ("text", [Decimal("1e5000")]),
    ],
)
def test_what_a_field_cannot_hold_names_the_field_and_never_the_value(
    kind: Any, bad: object
) -> None:
    with pytest.raises(NotRepresentableError) as error:
        canonical(FieldInfo("score", kind), bad)
    assert "score" in error.value.message
    assert str(bad) not in error.value.message


def test_digits_are_those_the_crm_keeps() -> None:
    assert (
        canonical(FieldInfo("f", "datetime", scale=0), "2026-01-31T00:00:00.987654Z")
        == "2026-01-31T00:00:00Z"
    )
    assert canonical(FieldInfo("f", "number", scale=2), "2.005") == Decimal("2.01")


def test_a_number_too_large_for_its_field_is_its_rows_fault() -> None:
    info = FieldInfo("amount", "number", scale=4, digits=14)
    assert canonical(info, 10**14 - 1) == 10**14 - 1
    assert canonical(info, 0) == 0
    for value in (10**14, -(10**14), "99999999999999.99999"):
        with pytest.raises(NotRepresentableError, match="at most 14 digits before the point"):
            canonical(info, value)


def test_a_number_of_more_digits_than_can_be_rounded_is_its_rows_fault() -> None:
    with pytest.raises(NotRepresentableError, match="score"):
        canonical(FieldInfo("score", "number", scale=2), 10**27)


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=6
    )
)
def test_a_number_and_its_text_are_the_same(number: Decimal) -> None:
    info = FieldInfo("f", "number")
    assert canonical(info, number) == canonical(info, plain_number(number))
    assert "E" not in plain_number(number)


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)))
def test_a_moment_and_its_text_are_the_same(moment: datetime) -> None:
    assert parse_utc(utc_text(moment)) == moment


@given(st.text(), st.text())
def test_hashes_tell_values_apart(left: str, right: str) -> None:
    assert (hash_value(left) == hash_value(right)) == (left == right)
    assert len(hash_value(left)) == 8


def test_hashes_tell_kinds_and_names_apart() -> None:
    assert len({hash_value(value) for value in (None, "", "1", 1, True, ("1",))}) == 6
    assert hash_value(1) == hash_value(Decimal("1.0"))
    assert hash_values([("a", "bc"), ("d", "e")]) != hash_values([("a", "b"), ("cd", "e")])


def test_case_is_folded_where_the_crm_does() -> None:
    assert same(FieldInfo("e", "text", folds_case=True), "A@b.co", "a@B.co")
    assert not same(FieldInfo("n", "text"), "A", "a")


def test_scrubbing_takes_out_values_addresses_and_numbers() -> None:
    message = (
        "Ann Lee <ann@example.com> and bob@x.org at +1 555 000 1234:"
        " value Ann Lee is wrong in field email"
    )
    scrubbed = scrub(message, {"name": "Ann Lee", "n": 5})
    assert (
        scrubbed
        == "<value> <<e-mail>> and <e-mail> at <number>: value <value> is wrong in field email"
    )
