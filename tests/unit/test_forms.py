"""A value takes its form by one definition, whether it is plain, odd, or has come before."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reverse_etl.errors import NotRepresentableError
from reverse_etl.hashes import hash_text, hash_values, named_part
from reverse_etl.mapping.forms import form_of
from reverse_etl.values import FieldInfo, Value, canonical

FIELDS = (
    FieldInfo("text", "text"),
    FieldInfo("shört", "text", max_length=3, trims=True),
    FieldInfo("integer", "integer", digits=5),
    FieldInfo("number", "number", scale=2),
    FieldInfo("boolean", "boolean"),
    FieldInfo("date", "date"),
    FieldInfo("datetime", "datetime", scale=3),
    FieldInfo("choice", "choice", options=("a", "b"), strict_options=True, aliases={"alpha": "a"}),
    FieldInfo("choices", "choices", options=("b", "a")),
)
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, 1, -1, True, False, 1.0, Decimal(1), Decimal("1.10"), Decimal("sNaN")]),
    st.decimals(),
    st.floats(),
    st.text(st.characters(), max_size=5),
    st.sampled_from(["a", "Alpha", " a ", "", " ", "2026-01-05", "2026-01-05T10:00:00Z", "\ud800"]),
    st.just(datetime(2026, 1, 5, tzinfo=UTC)),
    st.just(date(2026, 1, 5)),
)
ANYTHING = st.one_of(PLAIN, st.lists(PLAIN, max_size=2), st.dictionaries(st.text(), PLAIN))
FORMS = {info.name: form_of(info) for info in FIELDS}
"""Made once, as in a run: what was remembered of one value must not be taken for another."""


def outcome(call: Any, *arguments: object) -> tuple[Value, str] | str:
    try:
        held: Value = call(*arguments)
    except NotRepresentableError as error:
        return str(error)
    return held, type(held).__name__


@pytest.mark.parametrize("info", FIELDS, ids=lambda info: info.name)
@given(values=st.lists(ANYTHING, min_size=1, max_size=4))
def test_a_form_is_the_canonical_value_and_its_part_of_the_fingerprint(
    info: FieldInfo, values: list[Any]
) -> None:
    form = FORMS[info.name]
    for value in (*values, *values):
        expected = outcome(canonical, info, value)
        assert outcome(lambda given_value: form(given_value)[0], value) == expected
        if isinstance(expected, tuple):
            assert form(value)[1] == named_part(info.name, expected[0])


def test_a_fingerprint_is_the_one_that_earlier_versions_stored() -> None:
    parts: list[tuple[str, Value]] = [
        ("name", "Zoë"), ("nothing", None), ("number", Decimal("1.5")), ("yes", True),
        ("list", ("a", "b")),
    ]  # fmt: skip
    stored = bytes.fromhex("effce649019e2a66")
    assert hash_values(parts) == stored
    assert hash_text("".join(named_part(name, value) for name, value in parts)) == stored
