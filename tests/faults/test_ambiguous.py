"""Pipedrive keeps no key unique and takes no idempotency key.

A lost response must never leave two records, or the report must say so.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from box import Box
from crms import PIPEDRIVE
from support import deliver, users, wait_for

PEOPLE = users(20)
CREATES = "POST /pipedrive/api/v2/persons"
ONE_EACH = Counter({f"user-{number}": 1 for number in range(20)})
LOOK_UP_DELAYS_S = "reverse_etl.pipeline.send.LOOK_UP_DELAYS_S"


def keys(box: Box) -> Counter[str]:
    return Counter(row["properties"]["canai_user_id"] for row in box.people(PIPEDRIVE))


@pytest.mark.parametrize("fault", ["drop_after_commit", "late_commit"])
@pytest.mark.usefixtures("real_sleep")
def test_twenty_creates_without_an_answer_leave_no_duplicate(
    box: Box, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOOK_UP_DELAYS_S, (0.1, 0.4, 0.8))
    deliver(box, PIPEDRIVE, PEOPLE[:1], tmp_path)  # provisions
    box.fault(PIPEDRIVE, fault, match=CREATES, times=20, args={"delay_ms": 700})
    result = deliver(box, PIPEDRIVE, PEOPLE, tmp_path, max_concurrency=8)
    assert result.code == 0
    assert [line["method"] for line in box.struck(PIPEDRIVE, fault)].count("POST") == 20
    assert result.counts("persons") == {"planned": 20, "created": 20}
    assert keys(box) == ONE_EACH


@pytest.mark.parametrize(("always", "code"), [(False, 0), (True, 1)])
def test_a_create_whose_answers_all_get_lost_is_set_aside_and_asked_for_at_the_end(
    box: Box, always: bool, code: int, tmp_path: Path
) -> None:
    """Sent three times in vain it waits for the others.

    Only where it stays unknown then, the run ends, and the next one looks it up.
    """
    deliver(box, PIPEDRIVE, PEOPLE[:1], tmp_path)  # provisions
    args = {"row": "user-7"} if always else {}
    box.fault(PIPEDRIVE, "drop_before_commit", match=CREATES, times=3, args=args)
    first = deliver(box, PIPEDRIVE, PEOPLE, tmp_path, max_concurrency=1)
    assert first.code == code
    lost = {"not_attempted": 1} if code else {}
    assert first.counts("persons") == {"planned": 20, "created": 20 - code, **lost}
    assert sum(keys(box).values()) == 20 - code
    box.clear_faults()
    assert deliver(box, PIPEDRIVE, PEOPLE, tmp_path).code == 0
    assert keys(box) == ONE_EACH


@pytest.mark.parametrize("merge", [True, False])
def test_a_write_that_is_carried_out_after_it_was_sent_again_is_found_and_merged_or_reported(
    box: Box, merge: bool, tmp_path: Path
) -> None:
    deliver(box, PIPEDRIVE, PEOPLE[:1], tmp_path)
    for after in (0, 4, 8):  # the first time each; sent again, it is taken
        args = {"delay_ms": 3000}
        box.fault(PIPEDRIVE, "late_commit", match=CREATES, after=after, args=args)
    first = deliver(box, PIPEDRIVE, PEOPLE, tmp_path, merge_duplicates=merge, max_concurrency=1)
    assert first.code == 0
    wait_for(lambda: sum(keys(box).values()) == 23)  # they came after all
    second = deliver(box, PIPEDRIVE, PEOPLE, tmp_path, merge_duplicates=merge)
    assert second.code == 0
    if merge:
        assert keys(box) == ONE_EACH
        assert second.letters == []
        assert box.log(PIPEDRIVE, "/merge")
    else:
        twice = {(key, "duplicate") for key, count in keys(box).items() if count > 1}
        assert {(letter["key"], letter["code"]) for letter in second.letters} == twice
        assert all("merge" in letter["hint"] for letter in second.letters)
        third = deliver(box, PIPEDRIVE, PEOPLE, tmp_path, merge_duplicates=True)
        assert keys(box) == ONE_EACH
        assert third.counts("persons") == {"planned": 20, "unchanged": 20}
    calls = len(box.log(PIPEDRIVE))
    deliver(box, PIPEDRIVE, PEOPLE, tmp_path, merge_duplicates=merge)
    last = deliver(box, PIPEDRIVE, PEOPLE, tmp_path, merge_duplicates=merge)
    assert last.letters == []
    assert [line for line in box.log(PIPEDRIVE)[calls:] if line["kind"] == "write"] == []
    assert last.report["calls"]["made"] == 0  # nothing is in doubt
