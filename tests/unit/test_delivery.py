"""Rows, messages and states through one target: outcomes, policies, dead letters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import HUBSPOT, SALESFORCE, Crm, each_portal
from support import (
    Message,
    by_key,
    deliver,
    later,
    lose_ledger,
    schema_message,
    state,
    user,
    users,
    written,
)

RULE = """\
stream: users
object: contacts
upsert_key: canai_user_id
match_by: [email]
fields:
  canai_user_id: user_id
  email: email
"""


def with_rule(folder: Path, more: str = "", rule: str = RULE) -> dict[str, Any]:
    written(folder / "rules", "users.contact.yml", rule + more)
    return {"mapping": str(folder / "rules")}


def contact(box: Box, key: str = "user-1") -> dict[str, Any]:
    """Properties of a contact."""
    properties: dict[str, Any] = row_of(box, key)["properties"]
    return properties


def row_of(box: Box, key: str) -> dict[str, Any]:
    return by_key(box, HUBSPOT, "contacts", "canai_user_id")[key]


def patch(box: Box, key: str, properties: dict[str, str]) -> None:
    """Change a contact by hand."""
    HUBSPOT.edit(box, "contacts", str(row_of(box, key)["id"]), properties)


def changed(message: Message, day: int = 3) -> list[Message]:
    """A later observation of a user."""
    return [schema_message(), later(message, day)]


def test_an_invalid_record_is_dead_once_for_each_rule_and_the_others_pass(
    box: Box, tmp_path: Path
) -> None:
    messages = [
        schema_message(),
        user(1),
        user(2, total_sessions="many"),
        user(3, user_id=None),
        state(9),
    ]
    result = deliver(box, HUBSPOT, messages, tmp_path)
    assert result.code == 0
    assert result.counts("contacts") == {"planned": 3, "created": 1, "dead": 2}
    assert result.counts("deals") == {"planned": 3, "filtered": 1, "dead": 2}
    letters = {(letter["key"], letter["rule"]): letter for letter in result.letters}
    letter = letters[("user-2", "users.contact")]
    assert (letter["stage"], letter["code"]) == ("receive", "invalid_record")
    assert "total_sessions" in letter["message"]
    assert "many" not in json.dumps(result.report)
    assert result.states[-1] == messages[-1]["value"]


def test_a_bad_timestamp_costs_its_record_only(box: Box, tmp_path: Path) -> None:
    messages = [schema_message(), user(1), user(2, last_active_at="2026-13-45T99:00:00Z"), user(3)]
    result = deliver(box, HUBSPOT, messages, tmp_path)
    assert result.code == 0
    assert result.counts("contacts") == {"planned": 3, "created": 2, "dead": 1}


def test_a_key_that_is_too_long_is_a_dead_letter(box: Box, tmp_path: Path, ledger_url: str) -> None:
    messages = [schema_message(), user(1, user_id="k" * 256), user(2)]
    result = deliver(box, HUBSPOT, messages, tmp_path, ledger_url=ledger_url)
    assert result.counts("contacts") == {"planned": 2, "created": 1, "dead": 1}


def test_a_value_longer_than_its_field_is_a_dead_letter_never_cut(box: Box, tmp_path: Path) -> None:
    messages = [schema_message(), user(1, last_name="x" * 81), user(2)]
    result = deliver(box, SALESFORCE, messages, tmp_path)
    assert result.counts("Contact") == {"planned": 2, "created": 1, "dead": 1}
    (letter,) = result.letters
    assert (letter["stage"], letter["code"]) == ("map", "too_long")
    assert "LastName" in letter["hint"]


def test_the_same_key_twice_is_collapsed_to_the_newest_observation(
    box: Box, tmp_path: Path
) -> None:
    messages = [
        schema_message(),
        later(user(1, business_type="newest"), 9),
        user(1, business_type="older"),
    ]
    result = deliver(box, HUBSPOT, messages, tmp_path)
    assert result.counts("contacts") == {"planned": 2, "created": 1, "collapsed": 1}
    assert contact(box)["canai_business_type"] == "newest"


def test_an_older_observation_never_overwrites_a_newer_one(box: Box, tmp_path: Path) -> None:
    deliver(box, HUBSPOT, changed(user(1, business_type="new"), 9), tmp_path)
    result = deliver(box, HUBSPOT, users([1], business_type="old"), tmp_path)
    assert result.counts("contacts") == {"planned": 1, "superseded": 1}
    assert contact(box)["canai_business_type"] == "new"


@pytest.mark.parametrize("trace_ids", [True, False], indirect=True)
def test_a_newer_accepted_record_closes_the_dead_letter(
    box: Box, trace_ids: bool, tmp_path: Path
) -> None:
    first = deliver(box, HUBSPOT, users([1], email="no address"), tmp_path)
    assert [letter["key"] for letter in first.letters] == ["user-1"]
    second = deliver(box, HUBSPOT, changed(user(1)), tmp_path)
    # a row of an answer has a code that can pass, so the letter itself was tried first
    tried = {"planned": 2, "created": 1, "dead": 1}
    assert second.counts("contacts") == (tried if trace_ids else {"planned": 1, "created": 1})
    assert second.letters == []


@pytest.mark.parametrize("trace_ids", [True, False], indirect=True)
def test_a_dead_record_that_comes_again_is_planned_again(
    box: Box, trace_ids: bool, tmp_path: Path
) -> None:
    deliver(box, HUBSPOT, users([1], email="no address"), tmp_path)
    again = deliver(box, HUBSPOT, users([1], email="no address"), tmp_path)
    times = 2 if trace_ids else 1  # the letter itself was tried first, see above
    assert again.counts("contacts") == {"planned": times, "dead": times}


@each_portal
def test_two_users_with_one_email_are_a_conflict_not_a_duplicate(
    box: Box, crm: Crm, trace_ids: bool, tmp_path: Path
) -> None:
    messages = [*users([1]), user(2, email="USER1@example.com")]
    result = deliver(box, crm, messages, tmp_path)
    letters = [letter for letter in result.letters if "deal" not in letter["rule"]]
    assert [(letter["key"], letter["code"]) for letter in letters] == [
        ("user-2", "identity_conflict")
    ]


def test_if_empty_and_on_create_leave_what_people_wrote(box: Box, tmp_path: Path) -> None:
    config = with_rule(
        tmp_path,
        "  phone: {from: phone, write: if_empty}\n"
        "  city: {from: location, write: on_create}\n"
        "  company: {from: business_type, write: if_empty}\n",
    )
    deliver(box, HUBSPOT, users([1], phone="1", location="Bern"), tmp_path, **config)
    assert contact(box)["city"] == "Bern"
    patch(box, "user-1", {"phone": "", "company": "Hand made"})
    edited = changed(user(1, phone="2", location="Rome", business_type="museum"))
    result = deliver(box, HUBSPOT, edited, tmp_path, **config)
    assert result.counts("contacts") == {"planned": 1, "updated": 1, "fields_kept_back": 1}
    held = contact(box)
    assert (held["phone"], held["city"], held["company"]) == ("2", "Bern", "Hand made")


def test_a_lifecycle_only_moves_forward(box: Box, tmp_path: Path) -> None:
    deliver(box, HUBSPOT, users([1], current_journey_stage="F7"), tmp_path)
    assert contact(box)["lifecyclestage"] == "customer"
    back = deliver(box, HUBSPOT, changed(user(1, current_journey_stage="F2")), tmp_path)
    assert back.counts("contacts") == {"planned": 1, "updated": 1, "fields_kept_back": 1}
    assert contact(box)["lifecyclestage"] == "customer"
    assert contact(box)["canai_journey_stage"] == "F2"
    deliver(box, HUBSPOT, changed(user(1, current_journey_stage="F9"), 4), tmp_path)
    assert contact(box)["lifecyclestage"] == "evangelist"


def test_null_keeps_or_clears(box: Box, tmp_path: Path) -> None:
    config = with_rule(tmp_path, "  phone: phone\n  city: {from: location, when_null: clear}\n")
    deliver(box, HUBSPOT, users([1], phone="1", location="Bern"), tmp_path, **config)
    deliver(
        box,
        HUBSPOT,
        changed(user(1, phone=None, location=None)),
        tmp_path,
        **config,
    )
    held = contact(box)
    assert held["phone"] == "1"
    assert not held.get("city")


def test_a_row_that_leaves_its_where_is_set_as_the_rule_says(box: Box, tmp_path: Path) -> None:
    config = with_rule(
        tmp_path,
        "  jobtitle: business_type\n"
        "where: (total_spent or 0) > 0\n"
        "on_leave: {set: {jobtitle: former}}\n",
    )
    first = deliver(
        box, HUBSPOT, [schema_message(), user(1, total_spent=5), user(2)], tmp_path, **config
    )
    assert first.counts("contacts") == {"planned": 2, "created": 1, "filtered": 1}
    second = deliver(
        box,
        HUBSPOT,
        [schema_message(), later(user(1, total_spent=0)), later(user(2))],
        tmp_path,
        **config,
    )
    assert second.counts("contacts") == {"planned": 2, "updated": 1, "filtered": 1}
    assert contact(box)["jobtitle"] == "former"
    third = deliver(box, HUBSPOT, changed(user(1, total_spent=0), 5), tmp_path, **config)
    assert third.counts("contacts") == {"planned": 1, "filtered": 1}


@pytest.mark.parametrize(
    ("mode", "counts"),
    [("update_only", {"planned": 1, "mode": 1}), ("create_only", {"planned": 1, "created": 1})],
)
def test_modes(box: Box, tmp_path: Path, mode: str, counts: dict[str, int]) -> None:
    config = with_rule(tmp_path, f"  jobtitle: business_type\nmode: {mode}\n")
    first = deliver(box, HUBSPOT, users([1]), tmp_path, **config)
    assert first.counts("contacts") == counts
    later_on = changed(user(1, business_type="museum"))
    second = deliver(box, HUBSPOT, later_on, tmp_path, **config)
    assert second.counts("contacts") == {"planned": 1, "mode": 1}


FUNCTIONS = """\
def shout(text: str | None) -> str | None:
    return text and text.upper()


__all__ = ["shout"]
"""


def test_a_custom_mapping_with_custom_functions(box: Box, tmp_path: Path) -> None:
    config = with_rule(
        tmp_path,
        "  jobtitle: {from: business_type, as: shout}\n  city: {from: location, mask: hash}\n",
    )
    transforms = str(written(tmp_path, "mine.py", FUNCTIONS))
    deliver(
        box,
        HUBSPOT,
        users([1], location="Bern"),
        tmp_path,
        transforms=transforms,
        **config,
    )
    assert contact(box)["jobtitle"] == "BAKERY"
    assert len(contact(box)["city"]) == 64


def test_force_sends_every_field_again(box: Box, tmp_path: Path) -> None:
    messages = users([1])
    deliver(box, HUBSPOT, messages, tmp_path)
    patch(box, "user-1", {"firstname": "By hand"})
    forced = deliver(box, HUBSPOT, messages, tmp_path, force=True)
    assert forced.counts("contacts") == {"planned": 1, "updated": 1}
    assert contact(box)["firstname"] == "Ann"


def test_unmapped_streams_may_fail(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    schema = {
        "type": "SCHEMA",
        "stream": "other",
        "schema": {"properties": {"id": {"type": "integer"}}},
        "key_properties": ["id"],
    }
    failed = deliver(box, HUBSPOT, [*users([1]), schema], tmp_path, on_unmapped_stream="fail")
    assert failed.code == 1
    assert "No rule maps the stream 'other'" in caplog.text


def test_state_goes_out_only_when_everything_before_it_is_settled(box: Box, tmp_path: Path) -> None:
    messages = [schema_message(), user(1), user(2), state(1), user(3), state(2), user(4), state(3)]
    result = deliver(box, HUBSPOT, messages, tmp_path, batch_size_rows=3)
    assert result.states == [messages[3]["value"], messages[5]["value"], messages[7]["value"]]
    box.fault(HUBSPOT, "403_permission", match="/batch/upsert", after=1, times=99)
    box.advance(1)
    lose_ledger(tmp_path, HUBSPOT)
    more = [
        schema_message(),
        *(user(n) for n in range(10, 14)),
        state(1),
        *(user(n) for n in range(20, 24)),
        state(2),
    ]
    failed = deliver(box, HUBSPOT, more, tmp_path, batch_size_rows=4)
    assert failed.code == 1
    assert failed.states == [more[5]["value"]]


def test_a_line_cut_off_by_a_killed_tap_is_reported_without_its_content(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = json.dumps(schema_message()) + "\n" + json.dumps(user(1))[:80]
    result = deliver(box, HUBSPOT, written(tmp_path, "cut.jsonl", text), tmp_path)
    assert result.code == 1
    assert "cut off" in caplog.text
    assert "user-1" not in caplog.text
