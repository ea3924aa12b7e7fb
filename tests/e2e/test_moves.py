"""E-mail addresses that move between people: the source and the CRM are equal after one run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import Crm, each_portal
from support import Result, deliver, later, schema_message, user

MOVES = {
    "swap": {1: "b", 2: "a"},
    "circle of three": {1: "b", 2: "c", 3: "a"},
    "chain": {1: "b", 2: "c", 3: "z"},
    "chain, the other way": {3: "z", 2: "c", 1: "b"},
    "freed before it is taken": {1: "z", 4: "a"},
    "taken before it is freed": {4: "a", 1: "z"},
}
"""Addresses by user, in the order in which they come; at first users 1 to 3 have a, b and c."""
each_move = pytest.mark.parametrize("moved", MOVES.values(), ids=MOVES)


def address(letter: str) -> str:
    return f"{letter}@example.com"


def people(letters: Mapping[int, str], day: int = 3, **more: Any) -> list[dict[str, Any]]:
    """The schema, and users with these addresses."""
    each = (user(number, email=address(letter), **more) for number, letter in letters.items())
    return [schema_message(), *(later(one, day) for one in each)]


def first(box: Box, crm: Crm, folder: Path) -> None:
    assert deliver(box, crm, people({1: "a", 2: "b", 3: "c"}, 2), folder).code == 0


def addresses(box: Box, crm: Crm) -> dict[int, list[str]]:
    """All addresses of each person, by the number of the user."""
    held = {}
    for row in box.people(crm):
        value = row["properties"].get(crm.email_field) or ""
        entries = [each["value"] for each in value] if isinstance(value, list) else [value]
        number = int(row["properties"][crm.person_key].removeprefix("user-"))
        held[number] = [entry.partition("@")[0] for entry in entries]
    return held


def expected(moved: Mapping[int, str]) -> dict[int, list[str]]:
    return {number: [held] for number, held in ({1: "a", 2: "b", 3: "c"} | moved).items()}


def letters(result: Result, crm: Crm) -> list[tuple[str, str]]:
    rule = crm.person_rule.removesuffix(".yml")
    return [(each["key"], each["code"]) for each in result.letters if each["rule"] == rule]


@each_portal
@each_move
def test_addresses_move_within_a_block(
    box: Box, tmp_path: Path, crm: Crm, trace_ids: bool, moved: dict[int, str]
) -> None:
    first(box, crm, tmp_path)
    result = deliver(box, crm, people(moved), tmp_path)
    assert result.code == 0
    assert addresses(box, crm) == expected(moved)
    assert letters(result, crm) == []
    created = {"created": 1} if 4 in moved else {}
    counted = {"planned": len(moved), "updated": len(moved) - len(created), **created}
    assert result.counts(crm.people) == counted
    again = deliver(box, crm, people(moved), tmp_path)
    assert again.counts(crm.people) == {"planned": len(moved), "unchanged": len(moved)}


@each_portal
@each_move
def test_addresses_move_across_blocks(
    box: Box, tmp_path: Path, crm: Crm, trace_ids: bool, moved: dict[int, str]
) -> None:
    first(box, crm, tmp_path)
    result = deliver(box, crm, people(moved), tmp_path, batch_size_rows=1)
    assert result.code == 0
    assert addresses(box, crm) == expected(moved)
    assert letters(result, crm) == []
    created = {"created": 1} if 4 in moved else {}
    counted = {"planned": len(moved), "updated": len(moved) - len(created), **created}
    assert result.counts(crm.people) == counted
