"""The order in which values of unique fields move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reverse_etl.hashes import hash_value
from reverse_etl.pipeline.moves import LONGEST_CHAIN, Order, in_order
from reverse_etl.records import Write

EMAIL, CODE = "email", "code"
Held = Mapping[str, Mapping[str, str | None]]
"""Values by key of the record and field."""


def planned(before: Held, after: Held) -> list[Write]:
    """The writes that lead from one state to another."""
    writes = []
    for key, values in after.items():
        known = before.get(key, {})
        changed = {name: value for name, value in values.items() if known.get(name) != value}
        replaces = {name: hash_value(known[name]) for name in changed if known.get(name)}
        kind = "update" if key in before else "create"
        writes.append(SimpleNamespace(key=key, kind=kind, fields=changed, replaces=replaces))
    return cast("list[Write]", writes)


def carried_out(before: Held, order: Order) -> Held:
    """What the records hold after the writes; no step may take what another record holds."""
    held: dict[str, dict[str, Any]] = {key: dict(values) for key, values in before.items()}
    for key, names in order.emptied.items():
        held[key] |= dict.fromkeys(names)
    for step in order.steps:
        for write in step:
            for name, value in write.fields.items():
                others = (held[key].get(name) for key in held if key != write.key)
                assert value is None or value not in others
        for write in step:
            held.setdefault(write.key, {}).update(write.fields)
    return held


def emails(values: Iterable[str | None]) -> Held:
    return {f"user-{number}": {EMAIL: value} for number, value in enumerate(values)}


@pytest.mark.parametrize(
    ("before", "after", "steps", "emptied"),
    [
        ("abc", "xyz", 1, 0),
        ("ab", "ba", 2, 1),
        ("abc", "bca", 3, 1),
        ("abc", "bcz", 3, 0),
        ("abc", "zab", 3, 0),
        ("abcdefgh", "bcdefghz", LONGEST_CHAIN, 2),
        ("abcdef", "badcfe", 2, 3),
        ("a", "za", 2, 0),
    ],
)
def test_a_value_is_free_before_it_is_taken(
    before: str, after: str, steps: int, emptied: int
) -> None:
    order = in_order({EMAIL}, planned(emails(before), emails(after)))
    assert carried_out(emails(before), order) == emails(after)
    assert (len(order.steps), len(order.emptied)) == (steps, emptied)


def test_a_value_held_in_lower_case_is_found() -> None:
    order = in_order({EMAIL}, planned(emails(["ann@x.org", "b"]), emails(["c", "Ann@x.org"])))
    assert [[write.key for write in step] for step in order.steps] == [["user-0"], ["user-1"]]


def test_a_long_chain_takes_no_deep_stack() -> None:
    before = [str(number) for number in range(5_000)]
    after = [*before[1:], "last"]
    order = in_order({EMAIL}, planned(emails(before), emails(after)))
    assert len(order.steps) == LONGEST_CHAIN


@given(st.permutations(range(7)), st.permutations(range(7)), st.lists(st.none(), max_size=2))
def test_any_moves_of_two_fields_end_as_wanted(
    codes: list[int], addresses: list[int], nothing: list[None]
) -> None:
    """Seven records exchange both values as they like; some give one up for nothing."""
    before = {str(key): {EMAIL: f"e{key}", CODE: f"c{key}"} for key in range(6)}
    after: dict[str, dict[str, str | None]] = {
        str(key): {EMAIL: f"e{addresses[key]}", CODE: f"c{codes[key]}"} for key in range(7)
    }
    for key, value in enumerate(nothing):
        after[str(key)][EMAIL] = value
    order = in_order({EMAIL, CODE}, planned(before, after))
    assert carried_out(before, order) == after
