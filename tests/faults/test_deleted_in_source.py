"""`_sdc_deleted_at` and ACTIVATE_VERSION are counted and said, and change nothing in the CRM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import HUBSPOT, SALESFORCE, Crm, each_crm
from support import Message, contents, deliver, later, payment, schema_message, state, user, users


def deleted(message: Message, day: int = 3, **only: Any) -> Message:
    """The record as a tap reports its deletion."""
    record = {**(only or message["record"]), "_sdc_deleted_at": "2026-01-03T00:00:00Z"}
    return later({**message, "record": record}, day)


@each_crm
def test_a_deleted_row_is_counted_and_changes_nothing(box: Box, crm: Crm, tmp_path: Path) -> None:
    deliver(box, crm, users(3), tmp_path)
    before = contents(box, crm)
    box.forget_log()
    changed = {**user(1)["record"], "business_type": "other"}
    messages = [
        schema_message(),
        later(user(0)),
        deleted(user(1), **changed),
        deleted(user(2), user_id="user-2"),  # some taps give no more than the key
        deleted(user(7)),
        deleted(user(8), email="no key"),
        state("end"),
    ]
    result = deliver(box, crm, messages, tmp_path)
    assert (result.code, len(result.states)) == (0, 1)
    expected = {"planned": 5, "unchanged": 1, "deleted_in_source": 3, "dead": 1}
    assert result.counts(crm.people) == expected
    assert [letter["code"] for letter in result.letters if letter["stage"] == "receive"]
    assert result.report["received"] == {"users": 5}
    assert contents(box, crm) == before
    assert box.writes(crm) == []


@each_crm
def test_a_null_is_not_a_deletion(box: Box, crm: Crm, tmp_path: Path) -> None:
    messages = [schema_message(), user(1, _sdc_deleted_at=None)]
    assert deliver(box, crm, messages, tmp_path).counts(crm.people)["created"] == 1


@each_crm
def test_an_older_version_of_a_deleted_row_creates_nothing_and_a_newer_one_does(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    deliver(box, crm, [schema_message(), deleted(user(1), 5)], tmp_path)
    assert deliver(box, crm, [schema_message(), later(user(1), 4)], tmp_path).code == 0
    assert box.people(crm) == []
    deliver(box, crm, [schema_message(), later(user(1), 6)], tmp_path)
    assert len(box.people(crm)) == 1


def test_what_waits_of_a_deleted_row_waits_no_longer(box: Box, tmp_path: Path) -> None:
    schema = schema_message("payments", "payment_id")
    first = deliver(box, SALESFORCE, [schema, payment(1, 1)], tmp_path)
    assert first.counts("Opportunity") == {"planned": 1, "waiting": 1}
    second = deliver(box, SALESFORCE, [schema, deleted(payment(1, 1))], tmp_path)
    assert second.counts("Opportunity")["deleted_in_source"] == 1
    deliver(box, SALESFORCE, users([1]), tmp_path)
    assert box.objects(SALESFORCE, "Opportunity") == []


def test_activate_version_is_counted_and_logged_once(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    version = {"type": "ACTIVATE_VERSION", "stream": "users", "version": 1}
    with caplog.at_level("INFO"):
        messages = [schema_message(), version, user(1), {**version, "version": 2}, state("end")]
        result = deliver(box, HUBSPOT, messages, tmp_path)
    assert (result.code, len(result.states)) == (0, 1)
    assert result.report["activate_versions"] == {"users": 2}
    assert caplog.text.count("ACTIVATE_VERSION changes nothing") == 1
    assert len(box.people(HUBSPOT)) == 1
