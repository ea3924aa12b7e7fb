"""A CRM that refuses every row stops the run; rows that are bad by themselves are dead letters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import HUBSPOT, SALESFORCE, Crm, each_crm, each_portal
from support import deliver, state, users

MANY_CALLS = 3000
WHY: Mapping[Crm, str] = {
    HUBSPOT: "Some required properties were not set",
    SALESFORCE: "REQUIRED_FIELD_MISSING",
}


def spoil(messages: list[dict[str, Any]], every: int, first: int = 0) -> list[dict[str, Any]]:
    """Give every n-th user an e-mail that no CRM takes."""
    for message in messages[1 + first :: every]:
        message["record"]["email"] = "no address"
    return messages


@each_portal
def test_a_crm_that_refuses_every_row_stops_the_run_and_none_is_lost(
    box: Box, crm: Crm, trace_ids: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    messages = [*users(300), state(1)]
    box.fault(crm, "refuse_all", match=crm.person_writes, times=MANY_CALLS)
    first = deliver(box, crm, messages, tmp_path)
    assert first.code == 1
    assert first.states == []
    assert first.letters == []
    assert first.counts(crm.people) == {"planned": 300, "not_attempted": 300}
    assert len(box.log(crm, crm.person_writes)) <= 23
    assert WHY.get(crm, "must be given") in caplog.text
    assert "Traceback" not in caplog.text

    box.clear_faults()
    second = deliver(box, crm, messages, tmp_path)
    assert second.code == 0
    assert second.states == [messages[-1]["value"]]
    assert second.letters == []
    assert len(box.people(crm)) == 300


@each_crm
def test_a_refusal_is_noticed_across_small_blocks(box: Box, crm: Crm, tmp_path: Path) -> None:
    messages = users(30)
    messages[12:12] = [state(1)]
    box.fault(crm, "refuse_all", match=crm.person_writes, times=MANY_CALLS)
    result = deliver(box, crm, messages, tmp_path, batch_size_rows=8)
    assert result.code == 1
    assert result.states == []
    assert result.letters == []


@each_portal
def test_fewer_than_twenty_refused_rows_are_dead_letters_with_a_warning(
    box: Box, crm: Crm, trace_ids: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    messages = [*users(19), state(1)]
    box.fault(crm, "refuse_all", match=crm.person_writes, times=MANY_CALLS)
    result = deliver(box, crm, messages, tmp_path, batch_size_rows=5)
    assert result.code == 0
    assert result.states == [messages[-1]["value"]]
    assert result.counts(crm.people) == {"planned": 19, "dead": 19}
    (reason,) = result.report["opened_letters"]
    rule = crm.person_rule.removesuffix(".yml")
    assert reason["rule"] == rule
    assert reason["letters"] == 19
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any(f"19 × {rule} send/" in line for line in warnings)

    # What was refused before says nothing new about the rule.
    again = deliver(box, crm, messages, tmp_path, batch_size_rows=5)
    assert again.code == 0


def test_the_message_names_what_all_refused_rows_have_in_common(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    args = {"rule": "A person needs a cost center.", "field": "Cost_Center__c"}
    box.fault(SALESFORCE, "refuse_all", match=SALESFORCE.person_writes, times=MANY_CALLS, args=args)
    assert deliver(box, SALESFORCE, users(25), tmp_path).code == 1
    line = "all with FIELD_CUSTOM_VALIDATION_EXCEPTION at Cost_Center__c"
    assert f"{line} (A person needs a cost center)" in caplog.text


def test_a_bulk_job_whose_rows_are_all_refused_stops_the_run(box: Box, tmp_path: Path) -> None:
    messages = [*users(300), state(1)]
    box.fault(SALESFORCE, "refuse_all", match="/jobs/ingest", times=MANY_CALLS)
    first = deliver(box, SALESFORCE, messages, tmp_path, bulk_threshold=10)
    assert first.code == 1
    assert first.states == []
    assert first.letters == []
    assert first.counts("Contact") == {"planned": 300, "not_attempted": 300}

    box.clear_faults()
    second = deliver(box, SALESFORCE, messages, tmp_path, bulk_threshold=10)
    assert second.code == 0
    assert len(box.people(SALESFORCE)) == 300


def test_a_bulk_row_that_cannot_be_read_costs_one_row(box: Box, tmp_path: Path) -> None:
    box.fault(
        SALESFORCE, "unreadable_rows", match="/jobs/ingest", times=MANY_CALLS, args={"rows": [7]}
    )
    result = deliver(box, SALESFORCE, [*users(30), state(1)], tmp_path, bulk_threshold=10)
    assert result.code == 0
    assert result.counts("Contact") == {"planned": 30, "created": 29, "dead": 1}
    (letter,) = result.letters
    assert letter["code"] == "INVALID_FIELD"
    assert len(box.people(SALESFORCE)) == 29


@each_portal
def test_bad_values_among_many_rows_are_bad_rows_and_no_refusal(
    box: Box, crm: Crm, trace_ids: bool, tmp_path: Path
) -> None:
    messages = [*spoil(users(1000), every=20), state(1)]
    result = deliver(box, crm, messages, tmp_path)
    bad = result.counts(crm.people).get("dead", 0)
    assert result.code == 0
    assert result.states == [messages[-1]["value"]]
    assert bad == 50


@each_crm
def test_too_many_rejected_rows_end_the_run_with_exit_code_3(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    messages = [*users(2000), state(1)]
    for message in messages[1:2001:10] + messages[4:2001:10] + messages[8:2001:10]:
        message["record"]["email"] = "no address"
    result = deliver(box, crm, messages, tmp_path)
    assert result.code == 3
    assert result.report["exit_code"] == 3
    assert result.states == []
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "max_rejected" in errors[0]
    assert errors[-1] == "exit code 3"


@each_crm
def test_a_share_is_of_all_records_seen_not_of_those_that_were_sent_before(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    """A block's mapping rejects its rows before the first of it is sent."""
    messages = [*users(1200), state(1)]
    for message in messages[1:56]:
        message["record"]["user_id"] = "x" * 300
    result = deliver(box, crm, messages, tmp_path)
    assert result.code == 0
    assert result.counts(crm.people)["created"] == 1145


@each_crm
@pytest.mark.parametrize(("limit", "code"), [("2", 0), ("1", 3), ("10%", 0)])
def test_max_rejected_is_a_number_or_a_share_and_counts_what_is_not_valid(
    box: Box, crm: Crm, limit: str, code: int, tmp_path: Path
) -> None:
    messages = [*users(10), state(1)]
    for message in messages[3:5]:
        message["record"]["user_id"] = None
    rules = list(crm.target.shipped_mapping().glob("users.*.yml"))
    number = limit if limit.endswith("%") else str(int(limit) * len(rules))
    result = deliver(box, crm, messages, tmp_path, max_rejected=number)
    assert result.code == code
    assert bool(result.states) == (code == 0)


@each_crm
def test_a_limit_that_is_not_valid_is_one_clear_line(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box.reset()
    assert deliver(box, crm, users(1), tmp_path, max_rejected="some").code == 1
    assert [call for call in box.log(crm) if call["method"] in ("PUT", "PATCH")] == []
    assert deliver(box, crm, users(1), tmp_path).report["created_fields"]  # none was made before
    assert "max_rejected is not a valid limit: 'some'." in caplog.text


def test_a_number_too_large_for_its_field_is_not_sent(box: Box, tmp_path: Path) -> None:
    messages = users(3)
    messages[1]["record"]["total_spent"] = 10**17
    result = deliver(box, SALESFORCE, messages, tmp_path)
    assert result.code == 0
    assert result.counts("Contact") == {"planned": 3, "created": 2, "dead": 1}
    (letter,) = result.letters
    assert (letter["stage"], letter["code"]) == ("map", "too_large")
    assert "digits before the point" in letter["message"]
