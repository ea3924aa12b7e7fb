"""`keep_calls_free`: a part of the CRM's day is left to other apps, by the CRM's own headers."""

from __future__ import annotations

from pathlib import Path

import pytest

from box import Box
from crms import HUBSPOT, Crm, each_crm
from support import Message, deliver, schema_message, state, user

DAY, KEPT, PEOPLE = 40, 8, 35


def people(number: int) -> list[Message]:
    """Users, and a STATE after each."""
    messages = [schema_message()]
    for n in range(number):
        messages += [user(n), state(n)]
    return messages


@each_crm
def test_the_run_stops_writing_where_the_reserve_begins_and_ends_as_with_a_spent_budget(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    box.limit(crm, calls=1_000_000, per_s=1, daily=DAY)
    messages = people(PEOPLE)
    result = deliver(box, crm, messages, tmp_path, keep_calls_free="20%", batch_size_rows=1)
    assert result.code == 0
    used = len([line for line in box.log(crm) if line["kind"] != "auth"])
    assert DAY - KEPT <= used <= DAY - KEPT + 1
    counts = result.counts(crm.people)
    assert counts["not_attempted"] == PEOPLE - counts["created"] > 0
    assert "keep_calls_free keeps" in result.report["message"]
    assert result.states[-1]["bookmarks"]["users"]["at"] < counts["created"]
    box.limit(crm, calls=1_000_000, per_s=1)
    assert deliver(box, crm, messages, tmp_path, keep_calls_free=KEPT).code == 0
    assert len(box.people(crm)) == PEOPLE


def test_a_crm_that_names_no_limit_of_the_day_is_a_warning(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert deliver(box, HUBSPOT, people(2), tmp_path, keep_calls_free="20%").code == 0
    assert "keep_calls_free had no effect" in caplog.text
    assert deliver(box, HUBSPOT, people(2), tmp_path, keep_calls_free="much").code == 1
    assert "keep_calls_free is not a valid limit: 'much'." in caplog.text
