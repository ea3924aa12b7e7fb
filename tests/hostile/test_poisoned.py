"""Poisoned records among good ones: each costs at most itself, and nothing stays unsettled.

Each record has one nasty value in one property. All of them go through the target's own reader and
adapter to the CRM, in one run for each stream. `make soak` takes every value in every property.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import CRMS, PIPEDRIVE, SALESFORCE, SOAK, Crm
from poison import (
    METRICS,
    PAYMENTS,
    POISONABLE,
    USERS,
    Stream,
    good_keys,
    good_lines,
    good_user,
    poisoned,
)
from support import Result, deliver, record_message, state, written

EVERY = 6
"""Of a property's nasty values, one in this many; the next property has others of them."""
UNMAPPED = [(crm, PAYMENTS) for crm in CRMS if crm is not SALESFORCE] + [(PIPEDRIVE, METRICS)]
each_stream = pytest.mark.parametrize(
    ("crm", "stream"),
    [(crm, stream) for crm in CRMS for stream in POISONABLE if (crm, stream) not in UNMAPPED],
    ids=lambda part: getattr(part, "name", ""),
)
MOST_READS = 25
"""Calls of a run in which nothing is new: set-up, and look-ups of letters and of links."""


def run(box: Box, crm: Crm, lines: Iterable[str], folder: Path) -> Result:
    """A run over lines, of which any number may be rejected."""
    file = written(folder, "lines.jsonl", "".join(line + "\n" for line in lines))
    files = {"attach_deliverables": True, "allow_private_download_hosts": True}
    return deliver(box, crm, file, folder, max_rejected="1000000", **files)


def arrived(result: Result) -> Counter[str]:
    """Records that the CRM holds, by object."""
    count: Counter[str] = Counter()
    for kind in result.report["objects"]:
        counts = result.counts(kind)
        count[kind] = sum(counts.get(name, 0) for name in ("created", "updated", "unchanged"))
    return count


def reasons(result: Result) -> Counter[tuple[str, str]]:
    """Open dead letters by rule and code."""
    return Counter((letter["rule"], letter["code"]) for letter in result.letters)


@pytest.mark.parametrize("every", [EVERY, pytest.param(1, marks=SOAK)], ids=["some", "all"])
@each_stream
def test_a_poisoned_record_costs_at_most_itself(
    box: Box, crm: Crm, stream: Stream, every: int, tmp_path: Path
) -> None:
    poison = list(poisoned(stream, every))
    assert len(poison) > 90
    ends = [*good_lines(USERS)] if stream is not USERS else []
    lines = [json.dumps(USERS.schema), *ends, json.dumps(stream.schema)]
    lines += [*good_lines(stream), *poison, json.dumps(state(1))]
    first = run(box, crm, lines, tmp_path)
    assert first.code == 0
    assert len(first.states) == 1
    assert "internal" not in {letter["code"] for letter in first.letters}
    assert good_keys(stream).isdisjoint(letter["key"] for letter in first.letters)
    for kind in first.report["objects"]:
        counts = first.counts(kind)
        assert counts["planned"] >= len(good_lines(stream)) or counts["planned"] == len(ends)
        assert "not_attempted" not in counts

    box.forget_log(crm)
    second = run(box, crm, lines, tmp_path)
    assert second.code == 0
    assert arrived(second) == arrived(first)
    assert reasons(second) == reasons(first)
    assert not any({"created", "updated"} & {*second.counts(kind)} for kind in arrived(second))

    box.forget_log(crm)
    empty = [json.dumps(stream.schema), json.dumps(state(2))]
    assert run(box, crm, empty, tmp_path).code == 0
    assert len([call for call in box.log(crm) if call["kind"] == "read"]) <= MOST_READS


@pytest.mark.parametrize("one_in", [70, pytest.param(9, marks=SOAK)])
@pytest.mark.parametrize("crm", CRMS, ids=str)
def test_after_one_poisoned_record_a_second_run_makes_no_call(
    box: Box, crm: Crm, one_in: int, tmp_path: Path
) -> None:
    """None for a record: setting up is counted apart."""
    for number, poison in enumerate(list(poisoned(USERS, EVERY))[::one_in]):
        box.reset()
        folder = tmp_path / str(number)
        folder.mkdir()
        lines = [json.dumps(USERS.schema), *good_lines(USERS), poison, json.dumps(state(1))]
        first = run(box, crm, lines, folder)
        assert (first.code, len(first.states)) == (0, 1)
        assert run(box, crm, lines, folder).report["calls"]["made"] == 0


@pytest.mark.parametrize("crm", CRMS, ids=str)
def test_a_nasty_time_of_observation_costs_nothing(box: Box, crm: Crm, tmp_path: Path) -> None:
    times: list[Any] = [
        None, 0, True, [], {}, "", "x", "2026-02-30", "2999-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1" * 4000,
    ]  # fmt: skip
    records = [record_message("users", good_user(number)) for number in range(len(times))]
    for record, moment in zip(records, times, strict=True):
        record["time_extracted"] = moment
    lines = [json.dumps(line) for line in (USERS.schema, *records, state(1))]
    result = run(box, crm, lines, tmp_path)
    assert result.code == 0
    assert len(result.states) == 1
    assert result.counts(crm.people)["created"] == len(times)
