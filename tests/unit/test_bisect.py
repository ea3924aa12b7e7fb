"""What a refused batch costs until each of its bad rows is found.

The worst cases are computed: `most_calls` follows every way in which a search can go.
"""

from __future__ import annotations

import random
from functools import cache
from itertools import pairwise

import pytest
from reverse_etl.pipeline.bisect import (
    EXTRA_CALLS_A_BATCH,
    Progress,
    group_size,
    part_size,
    scattered,
)

from refusing import RULE, Refusing, cost, proven, writes

ROWS = 100
IMPOSSIBLE = -1000
"""Fewer calls than any: for a number of bad rows that a part of the batch cannot have."""


@cache
def most_calls(part: int, unknown: int, bad: int, left: int, extra: int, proven: bool) -> int:
    """The most calls that the rest of a batch of a hundred can cost.

    `part` rows hold a bad one, `unknown` others may; `left` bad rows are yet to be found.
    """
    if left > part + unknown or (part and not left):
        return IMPOSSIBLE
    if part + unknown == 0:
        return 0
    progress = Progress(ROWS - part - unknown, bad, extra if proven or part == ROWS else 0)
    size = part_size(part, progress) if part else min(unknown, group_size(progress))

    after = (part - size, unknown) if part else (0, unknown - size)
    taken = IMPOSSIBLE
    if part != size:  # what is left of a part holds the bad row
        taken = most_calls(*after, bad, left, extra + size - 1, True)
    others = sum(after)
    if size == 1:
        refused = most_calls(0, others, bad + 1, left - 1, extra, proven) if left else IMPOSSIBLE
    else:
        refused = most_calls(size, others, bad, left, extra - 1, proven)
    return 1 + max(taken, refused)


def worst(bad: int, *, proven: bool = True) -> int:
    """The calls of a batch of a hundred with its bad rows at the worst places."""
    return 1 + most_calls(ROWS, 0, 0, bad, EXTRA_CALLS_A_BATCH - 1, proven)


@pytest.mark.parametrize("proven", [True, False])
@pytest.mark.parametrize(("bad", "calls"), [(1, 15), (2, 23), (3, 31), (4, 39), (5, 46), (6, 107)])
def test_the_worst_cost_of_a_few_bad_rows_wherever_they_are(
    bad: int, calls: int, proven: bool
) -> None:
    assert worst(bad, proven=proven) == calls


@pytest.mark.parametrize("bad", [1, 2, 3, 4, 5])
def test_a_search_never_costs_more_than_the_worst_that_is_computed(bad: int) -> None:
    chance = random.Random(bad)
    costs = [cost(set(chance.sample(range(ROWS), bad))) for _ in range(60)]
    costs += [cost({(first + row) % ROWS for row in range(bad)}) for first in range(0, ROWS, 7)]
    assert max(costs) <= worst(bad)


def test_ten_bad_rows_cost_57_calls_on_average_and_hardly_ever_more_than_72() -> None:
    chance = random.Random(10)
    costs = [cost(set(chance.sample(range(ROWS), 10))) for _ in range(200)]
    assert max(costs) <= 72
    assert 56 <= sum(costs) / len(costs) <= 59


@pytest.mark.parametrize("rows", [1, 2, 3, 10, 60, 100, 200])
def test_no_batch_costs_more_than_7_calls_beside_one_for_each_row(rows: int) -> None:
    chance = random.Random(rows)
    for number in {min(rows, bad) for bad in (0, 1, 2, 7, 15, 25, 50, rows - 1, rows)}:
        bad = set(chance.sample(range(rows), number))
        assert cost(bad, rows) <= rows + EXTRA_CALLS_A_BATCH


@pytest.mark.parametrize(
    "bad", [{0}, {99}, {0, 99}, {1, 2, 3, 50, 51, 98}, set(range(0, 100, 2)), set(range(100))]
)
def test_every_row_has_one_outcome_whatever_is_wrong_with_the_batch(bad: set[int]) -> None:
    (outcomes,) = proven(Refusing(bad)).send(RULE, iter([writes(100)]))
    names = {outcome.source.key: outcome.name for outcome in outcomes}
    assert len(outcomes) == 100
    assert names == {f"k{row}": "rejected" if row in bad else "created" for row in range(100)}


def test_rows_that_go_together_are_far_from_each_other() -> None:
    places = [int(write.key[1:]) for write in scattered(writes(100))]
    assert sorted(places) == list(range(100))
    assert min(abs(one - other) for one, other in pairwise(places)) > 20
