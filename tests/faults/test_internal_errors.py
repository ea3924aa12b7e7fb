"""A bug met at one record costs that record; many in a row stop the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from reverse_etl.crm.download import Fetcher
from reverse_etl.mapping.compiled import CompiledRule

from box import Box
from crms import HUBSPOT, Crm, each_crm
from support import Message, deliver, later, record_message, schema_message, state, users

BROKEN = "broken"
"""The business type of the users at which mapping fails."""


@pytest.fixture
def bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in the core that some users trigger."""
    values_of = CompiledRule._values

    def fail(self: CompiledRule, source: Any) -> Any:
        if source.values.get("business_type") == BROKEN:
            raise RuntimeError(source.values["email"])
        return values_of(self, source)

    monkeypatch.setattr(CompiledRule, "_values", fail)


def broken_users(good: int, broken: int) -> list[Message]:
    """Good users, then those that trigger the bug."""
    messages = users(good + broken)
    for message in messages[good + 1 :]:
        message["record"]["business_type"] = BROKEN
    return messages


@each_crm
@pytest.mark.usefixtures("bug")
def test_fifty_internal_errors_in_a_row_stop_the_run(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert deliver(box, crm, [*users(3), state(1)], tmp_path).code == 0
    messages = [*map(later, broken_users(3, 50)), state(2)]
    result = deliver(box, crm, messages, tmp_path, max_rejected="1000")
    assert result.code == 1
    assert result.states == []
    assert result.letters == []
    assert result.counts(crm.people) == {"planned": 53, "not_attempted": 53}
    assert "RuntimeError in reverse_etl." in caplog.text
    assert "report this" in caplog.text
    assert "user4@example.com" not in caplog.text


@each_crm
@pytest.mark.usefixtures("bug")
def test_fewer_internal_errors_in_a_row_are_dead_letters(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    messages = [*broken_users(3, 49), *users([900])[1:], state(1)]
    result = deliver(box, crm, messages, tmp_path)
    assert result.code == 0
    assert result.states == [messages[-1]["value"]]
    assert result.counts(crm.people) == {"planned": 53, "created": 4, "dead": 49}
    assert {letter["code"] for letter in result.letters} == {"internal"}


@pytest.mark.usefixtures("bug")
def test_internal_errors_are_counted_across_blocks(box: Box, tmp_path: Path) -> None:
    messages = [*broken_users(3, 60), state(1)]
    result = deliver(box, HUBSPOT, messages, tmp_path, batch_size_rows=20)
    assert result.code == 1
    assert result.states == []


def test_letters_of_a_bug_do_not_count_again_and_are_tried_again_by_the_next_release(
    box: Box, tmp_path: Path, bug: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = broken_users(1, 45)
    assert deliver(box, HUBSPOT, known, tmp_path).code == 0
    again = deliver(box, HUBSPOT, [*map(later, known), *broken_users(0, 50)[46:]], tmp_path)
    assert again.code == 0
    assert len(again.letters) == 49

    monkeypatch.undo()
    assert len(deliver(box, HUBSPOT, users([3])[:1], tmp_path).letters) == 49
    monkeypatch.setattr("reverse_etl.pipeline.letters.RELEASE", "next")
    assert deliver(box, HUBSPOT, users([3])[:1], tmp_path).letters == []
    assert len(box.people(HUBSPOT)) == 50


@each_crm
def test_fifty_files_in_a_row_that_meet_a_bug_stop_the_run(
    box: Box, crm: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Fetcher, url: str) -> None:
        raise RuntimeError(url)

    monkeypatch.setattr(Fetcher, "fetch", fail)
    assert deliver(box, crm, [*users([1]), state(1)], tmp_path).code == 0
    records = [
        record_message(
            "deliverables",
            {
                "deliverable_id": f"d{number}",
                "user_id": "user-1",
                "product_track": "site_audit",
                "canai_output": "text",
                "pdf_url": "https://files.example/x",
                "created_at": "2026-01-01T00:00:00Z",
            },
        )
        for number in range(60)
    ]
    messages = [schema_message("deliverables", "deliverable_id"), *records, state(2)]
    files = {"attach_deliverables": True, "allow_private_download_hosts": True}
    result = deliver(box, crm, messages, tmp_path, max_rejected="1000", **files)
    assert result.code == 1
    assert result.states == []
    assert result.letters == []
