"""Paths into records, and keys of one or several of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from reverse_etl.mapping.computation import BAD_RECORD, key_computation
from reverse_etl.mapping.paths import reader

RECORD: dict[str, Any] = {
    "id": 7.0,
    "name": {"given": "Ada", "family": None},
    "addresses": [{"city": "London"}, {"city": "Paris"}],
    "a.b": "literal",
    "a": {"b": "nested", "c": "nested"},
    "0": "zero",
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", 7.0),
        ("name.given", "Ada"),
        ("name.family", None),
        ("name.given.first", None),
        ("addresses.0.city", "London"),
        ("addresses.-1.city", "Paris"),
        ("addresses.2.city", None),
        ("addresses.-3.city", None),
        ("addresses.city", None),
        ("a.b", "literal"),
        ("a.c", "nested"),
        ("0", "zero"),
        ("absent", None),
        ("absent.deeper", None),
    ],
)
def test_a_path_reads_properties_and_entries_of_lists(path: str, value: object) -> None:
    assert reader(path)(RECORD) == value


def test_a_key_of_several_parts_is_their_plain_text_joined() -> None:
    key = key_computation(["id", "name.given", "flag"], "-")
    assert key({**RECORD, "flag": True}) == "7-Ada-true"
    assert key({**RECORD, "id": Decimal("7.50"), "flag": False}) == "7.5-Ada-false"


def test_a_key_with_an_empty_part_is_no_key() -> None:
    key = key_computation(["id", "name.family"], "-")
    assert key(RECORD) is None
    assert key_computation(["name.given"])({"name": {"given": ""}}) is None


def test_a_key_may_be_joined_by_nothing() -> None:
    assert key_computation(["id", "name.given"], "")(RECORD) == "7Ada"


def test_several_parts_need_a_join_and_a_list_is_not_a_part() -> None:
    with pytest.raises(ValueError, match="join"):
        key_computation(["id", "name"])
    with pytest.raises(BAD_RECORD):
        key_computation(["addresses"])(RECORD)
