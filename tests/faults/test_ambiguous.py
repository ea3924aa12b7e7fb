"""Pipedrive keeps no key unique and takes no idempotency key: lost answers must leave no two records, or say that they did."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest
from support import Box, deliver, schema_message, user

PEOPLE = [schema_message(), *(user(number) for number in range(20))]


def keys(box: Box) -> Counter[str]:
    return Counter(
        row["properties"]["canai_user_id"] for row in box.objects("pipedrive", "persons")
    )


ONE_EACH = Counter({f"user-{number}": 1 for number in range(20)})


@pytest.mark.parametrize("fault", ["drop_after_commit", "late_commit"])
def test_twenty_creates_without_an_answer_leave_no_duplicate(
    box: Box, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reverse_etl.pipeline.send.LOOK_UP_DELAYS_S", (0.1, 0.4, 0.8))
    deliver(box, "pipedrive", PEOPLE[:1], tmp_path)  # provisions
    box.fault(
        "pipedrive", fault, match="POST /pipedrive/api/v2/persons", times=20, args={"delay_ms": 700}
    )
    result = deliver(box, "pipedrive", PEOPLE, tmp_path, max_concurrency=8)
    assert result.code == 0
    struck = [line for line in box.log("pipedrive") if line["fault"] == fault]
    assert [line["method"] for line in struck].count("POST") == 20
    assert result.counts("persons") == {"planned": 20, "created": 20}
    assert keys(box) == ONE_EACH


@pytest.mark.parametrize(("always", "code"), [(False, 0), (True, 1)])
def test_a_create_whose_answers_all_get_lost_is_set_aside_and_asked_for_once_more(
    box: Box, always: bool, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent three times in vain it waits for the others; only where it stays unknown then, the run ends, and the next looks it up."""
    monkeypatch.setattr("reverse_etl.pipeline.send.LOOK_UP_DELAYS_S", (0.05,))
    deliver(box, "pipedrive", PEOPLE[:1], tmp_path)  # provisions
    args = {"row": "user-7"} if always else {}
    box.fault(
        "pipedrive",
        "drop_before_commit",
        match="POST /pipedrive/api/v2/persons",
        times=3,
        args=args,
    )
    first = deliver(box, "pipedrive", PEOPLE, tmp_path, max_concurrency=1)
    assert first.code == code
    assert first.counts("persons") == {
        "planned": 20,
        "created": 20 - code,
        **({"not_attempted": 1} if code else {}),
    }
    assert sum(keys(box).values()) == 20 - code
    box.call("DELETE", "/_sandbox/faults")
    assert deliver(box, "pipedrive", PEOPLE, tmp_path).code == 0
    assert keys(box) == ONE_EACH


@pytest.mark.parametrize("merge", [True, False])
def test_a_write_that_is_carried_out_after_it_was_sent_again_is_found_and_merged_or_told(
    box: Box, merge: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reverse_etl.pipeline.send.LOOK_UP_DELAYS_S", (0.05,))
    deliver(box, "pipedrive", PEOPLE[:1], tmp_path)
    for after in (0, 4, 8):  # the first time each; sent again, it is taken
        box.fault(
            "pipedrive",
            "late_commit",
            match="POST /pipedrive/api/v2/persons",
            after=after,
            args={"delay_ms": 3000},
        )
    first = deliver(box, "pipedrive", PEOPLE, tmp_path, merge_duplicates=merge, max_concurrency=1)
    assert first.code == 0
    time.sleep(3.2)
    assert sum(keys(box).values()) > 20  # they came after all
    second = deliver(box, "pipedrive", PEOPLE, tmp_path, merge_duplicates=merge)
    assert second.code == 0
    if merge:
        assert keys(box) == ONE_EACH
        assert second.report["dead_letters"] == []
        assert len([line for line in box.log("pipedrive") if line["path"].endswith("/merge")]) >= 1
    else:
        twice = {key for key, count in keys(box).items() if count > 1}
        assert {(one["key"], one["code"]) for one in second.report["dead_letters"]} == {
            (key, "duplicate") for key in twice
        }
        assert all("merge" in one["hint"] for one in second.report["dead_letters"])
        third = deliver(box, "pipedrive", PEOPLE, tmp_path, merge_duplicates=True)
        assert keys(box) == ONE_EACH
        assert third.counts("persons") == {"planned": 20, "unchanged": 20}
    calls = len(box.log("pipedrive"))
    deliver(box, "pipedrive", PEOPLE, tmp_path, merge_duplicates=merge)
    last = deliver(box, "pipedrive", PEOPLE, tmp_path, merge_duplicates=merge)
    assert last.report["dead_letters"] == []
    assert [line for line in box.log("pipedrive")[calls:] if line["kind"] == "write"] == []
    assert last.report["calls"]["made"] == 0  # nothing is in doubt any more
