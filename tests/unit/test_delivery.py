"""Rows, messages and states through one target: fates, policies, dead letters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.singer import cli as commands
from support import TARGETS, Box, deliver, schema_message, state, target_config, user, written

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
    return next(
        row["properties"]
        for row in box.objects("hubspot", "contacts")
        if row["properties"].get("canai_user_id") == key
    )


def patch(box: Box, key: str, properties: dict[str, str]) -> None:
    crm_id = next(
        row["id"]
        for row in box.objects("hubspot", "contacts")
        if row["properties"].get("canai_user_id") == key
    )
    body = {"properties": properties}
    box.call(
        "PATCH",
        f"/hubspot/crm/v3/objects/contacts/{crm_id}",
        body,
        {"Authorization": "Bearer sandbox-token"},
    )


def later(message: dict[str, Any], day: int = 3) -> dict[str, Any]:
    return {**message, "time_extracted": f"2026-01-{day:02d}T00:00:00Z"}


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
    result = deliver(box, "hubspot", messages, tmp_path)
    assert result.code == 0
    assert result.counts("contacts") == {"planned": 3, "created": 1, "dead": 2}
    assert result.counts("deals") == {"planned": 3, "filtered": 1, "dead": 2}
    letters = {(one["key"], one["rule"]): one for one in result.report["dead_letters"]}
    letter = letters[("user-2", "users.contact")]
    assert (letter["stage"], letter["code"]) == ("receive", "invalid_record")
    assert "total_sessions" in letter["message"]
    assert "many" not in json.dumps(result.report)
    assert result.states[-1] == messages[-1]["value"]


def test_a_bad_timestamp_costs_its_record_only(box: Box, tmp_path: Path) -> None:
    messages = [schema_message(), user(1), user(2, last_active_at="2026-13-45T99:00:00Z"), user(3)]
    result = deliver(box, "hubspot", messages, tmp_path)
    assert result.code == 0
    assert result.counts("contacts") == {"planned": 3, "created": 2, "dead": 1}


def test_a_key_that_is_too_long_is_a_dead_letter(box: Box, tmp_path: Path, ledger_url: str) -> None:
    messages = [schema_message(), user(1, user_id="k" * 256), user(2)]
    result = deliver(box, "hubspot", messages, tmp_path, ledger_url=ledger_url)
    assert result.counts("contacts") == {"planned": 2, "created": 1, "dead": 1}


def test_a_value_longer_than_its_field_is_a_dead_letter_never_cut(box: Box, tmp_path: Path) -> None:
    messages = [schema_message(), user(1, last_name="x" * 81), user(2)]
    result = deliver(box, "salesforce", messages, tmp_path)
    assert result.counts("Contact") == {"planned": 2, "created": 1, "dead": 1}
    (letter,) = result.report["dead_letters"]
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
    result = deliver(box, "hubspot", messages, tmp_path)
    assert result.counts("contacts") == {"planned": 2, "created": 1, "collapsed": 1}
    assert contact(box)["canai_business_type"] == "newest"


def test_an_older_observation_never_overwrites_a_newer_one(box: Box, tmp_path: Path) -> None:
    deliver(box, "hubspot", [schema_message(), later(user(1, business_type="new"), 9)], tmp_path)
    result = deliver(box, "hubspot", [schema_message(), user(1, business_type="old")], tmp_path)
    assert result.counts("contacts") == {"planned": 1, "superseded": 1}
    assert contact(box)["canai_business_type"] == "new"


def test_a_newer_accepted_record_closes_the_dead_letter(box: Box, tmp_path: Path) -> None:
    first = deliver(box, "hubspot", [schema_message(), user(1, email="no address")], tmp_path)
    assert [one["key"] for one in first.report["dead_letters"]] == ["user-1"]
    second = deliver(box, "hubspot", [schema_message(), later(user(1))], tmp_path)
    assert second.counts("contacts") == {"planned": 1, "created": 1}
    assert second.report["dead_letters"] == []


def test_a_dead_record_that_comes_again_is_planned_afresh(box: Box, tmp_path: Path) -> None:
    deliver(box, "hubspot", [schema_message(), user(1, email="no address")], tmp_path)
    again = deliver(box, "hubspot", [schema_message(), user(1, email="no address")], tmp_path)
    assert again.counts("contacts") == {"planned": 1, "dead": 1}


def test_two_users_with_one_email_are_a_conflict_not_a_duplicate(box: Box, tmp_path: Path) -> None:
    for crm in TARGETS:
        messages = [schema_message(), user(1), user(2, email="USER1@example.com")]
        result = deliver(box, crm, messages, tmp_path / crm)
        assert [
            (one["key"], one["code"])
            for one in result.report["dead_letters"]
            if "deal" not in one["rule"]
        ] == [("user-2", "identity_conflict")]


def test_if_empty_and_on_create_leave_what_people_wrote(box: Box, tmp_path: Path) -> None:
    more = "  phone: {from: phone, write: if_empty}\n  city: {from: location, write: on_create}\n  company: {from: business_type, write: if_empty}\n"
    config = with_rule(tmp_path, more)
    deliver(
        box, "hubspot", [schema_message(), user(1, phone="1", location="Bern")], tmp_path, **config
    )
    assert contact(box)["city"] == "Bern"
    patch(box, "user-1", {"phone": "", "company": "Hand made"})
    changed = later(user(1, phone="2", location="Rome", business_type="museum"))
    result = deliver(box, "hubspot", [schema_message(), changed], tmp_path, **config)
    assert result.counts("contacts") == {"planned": 1, "updated": 1, "fields_kept_back": 1}
    held = contact(box)
    assert (held["phone"], held["city"], held["company"]) == ("2", "Bern", "Hand made")


def test_a_lifecycle_only_moves_forward(box: Box, tmp_path: Path) -> None:
    deliver(box, "hubspot", [schema_message(), user(1, current_journey_stage="F7")], tmp_path)
    assert contact(box)["lifecyclestage"] == "customer"
    back = deliver(
        box, "hubspot", [schema_message(), later(user(1, current_journey_stage="F2"))], tmp_path
    )
    assert back.counts("contacts") == {"planned": 1, "updated": 1, "fields_kept_back": 1}
    assert contact(box)["lifecyclestage"] == "customer"
    assert contact(box)["canai_journey_stage"] == "F2"
    deliver(
        box, "hubspot", [schema_message(), later(user(1, current_journey_stage="F9"), 4)], tmp_path
    )
    assert contact(box)["lifecyclestage"] == "evangelist"


def test_null_keeps_or_clears(box: Box, tmp_path: Path) -> None:
    config = with_rule(tmp_path, "  phone: phone\n  city: {from: location, when_null: clear}\n")
    deliver(
        box, "hubspot", [schema_message(), user(1, phone="1", location="Bern")], tmp_path, **config
    )
    deliver(
        box,
        "hubspot",
        [schema_message(), later(user(1, phone=None, location=None))],
        tmp_path,
        **config,
    )
    held = contact(box)
    assert held["phone"] == "1"
    assert not held.get("city")


def test_a_row_that_leaves_its_where_is_set_as_told(box: Box, tmp_path: Path) -> None:
    more = "  jobtitle: business_type\nwhere: (total_spent or 0) > 0\non_leave: {set: {jobtitle: former}}\n"
    config = with_rule(tmp_path, more)
    first = deliver(
        box, "hubspot", [schema_message(), user(1, total_spent=5), user(2)], tmp_path, **config
    )
    assert first.counts("contacts") == {"planned": 2, "created": 1, "filtered": 1}
    second = deliver(
        box,
        "hubspot",
        [schema_message(), later(user(1, total_spent=0)), later(user(2))],
        tmp_path,
        **config,
    )
    assert second.counts("contacts") == {"planned": 2, "updated": 1, "filtered": 1}
    assert contact(box)["jobtitle"] == "former"
    third = deliver(
        box, "hubspot", [schema_message(), later(user(1, total_spent=0), 5)], tmp_path, **config
    )
    assert third.counts("contacts") == {"planned": 1, "filtered": 1}


@pytest.mark.parametrize(
    ("mode", "counts"),
    [("update_only", {"planned": 1, "mode": 1}), ("create_only", {"planned": 1, "created": 1})],
)
def test_modes(box: Box, tmp_path: Path, mode: str, counts: dict[str, int]) -> None:
    config = with_rule(tmp_path, f"  jobtitle: business_type\nmode: {mode}\n")
    assert (
        deliver(box, "hubspot", [schema_message(), user(1)], tmp_path, **config).counts("contacts")
        == counts
    )
    changed = deliver(
        box,
        "hubspot",
        [schema_message(), later(user(1, business_type="museum"))],
        tmp_path,
        **config,
    )
    assert changed.counts("contacts") == {"planned": 1, "mode": 1}


def test_a_mapping_of_ones_own_with_functions_of_ones_own(box: Box, tmp_path: Path) -> None:
    functions = 'def shout(text: str | None) -> str | None:\n    return text and text.upper()\n\n\n__all__ = ["shout"]\n'
    config = with_rule(
        tmp_path,
        "  jobtitle: {from: business_type, as: shout}\n  city: {from: location, mask: hash}\n",
    )
    transforms = str(written(tmp_path, "mine.py", functions))
    deliver(
        box,
        "hubspot",
        [schema_message(), user(1, location="Bern")],
        tmp_path,
        transforms=transforms,
        **config,
    )
    assert contact(box)["jobtitle"] == "BAKERY"
    assert len(contact(box)["city"]) == 64


def test_force_sends_every_field_again(box: Box, tmp_path: Path) -> None:
    messages = [schema_message(), user(1)]
    deliver(box, "hubspot", messages, tmp_path)
    patch(box, "user-1", {"firstname": "By hand"})
    assert deliver(box, "hubspot", messages, tmp_path, force=True).counts("contacts") == {
        "planned": 1,
        "updated": 1,
    }
    assert contact(box)["firstname"] == "Ann"


def test_unmapped_streams_are_skipped_or_fail(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    schema = {
        "type": "SCHEMA",
        "stream": "other",
        "schema": {"properties": {"id": {"type": "integer"}}},
        "key_properties": ["id"],
    }
    messages = [schema, {"type": "RECORD", "stream": "other", "record": {"id": 1}}, state(1)]
    assert deliver(box, "hubspot", messages, tmp_path).states == [messages[-1]["value"]]
    assert (
        deliver(box, "hubspot", messages, tmp_path, caplog=caplog, on_unmapped_stream="fail").code
        == 1
    )
    assert "No rule maps the stream 'other'" in caplog.text


def test_state_goes_out_only_when_everything_before_it_is_settled(box: Box, tmp_path: Path) -> None:
    messages = [schema_message(), user(1), user(2), state(1), user(3), state(2), user(4), state(3)]
    result = deliver(box, "hubspot", messages, tmp_path, batch_size_rows=3)
    assert result.states == [messages[3]["value"], messages[5]["value"], messages[7]["value"]]
    box.fault("hubspot", "403_permission", match="/batch/upsert", after=1, times=99)
    box.call("POST", "/_sandbox/clock", {"advance_s": 1})
    for file in tmp_path.glob("hubspot.db*"):
        file.unlink()
    more = [
        schema_message(),
        *(user(n) for n in range(10, 14)),
        state(1),
        *(user(n) for n in range(20, 24)),
        state(2),
    ]
    failed = deliver(box, "hubspot", more, tmp_path, batch_size_rows=4)
    assert failed.code == 1
    assert failed.states == [more[5]["value"]]


def test_a_line_cut_off_by_a_killed_tap_is_told_without_its_content(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = json.dumps(schema_message()) + "\n" + json.dumps(user(1))[:80]
    result = deliver(box, "hubspot", written(tmp_path, "cut.jsonl", text), tmp_path, caplog=caplog)
    assert result.code == 1
    assert "cut off" in caplog.text
    assert "user-1" not in caplog.text


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("max_concurrency", "four", "'max_concurrency' is not valid"),
        ("provision", "perhaps", "'provision' is not valid"),
        ("link_wait_days", "-1", "'link_wait_days' is not valid"),
        ("on_unmapped_stream", "explode", "'on_unmapped_stream' is not valid"),
        ("access_token", 12345, "'access_token' is not valid"),
        ("api_url", "http://crm.example.com", "plain http"),
        ("api_url", "hubspot", "not a valid http(s) URL"),
        ("access_token", "", "'access_token' is missing"),
        ("transforms", "no_such_module", "no module no_such_module"),
        ("mapping", "/nowhere", "does not exist"),
        ("ledger_url", "mysql://x", "cannot be a mysql database"),
    ],
)
def test_a_bad_setting_is_one_clear_line(
    box: Box,
    tmp_path: Path,
    setting: str,
    value: object,
    told: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    result = deliver(
        box, "hubspot", [schema_message(), user(1)], tmp_path, caplog=caplog, **{setting: value}
    )
    assert result.code == 1
    assert told in caplog.text
    assert "Traceback" not in caplog.text
    assert "12345" not in caplog.text
    assert "sandbox-token" not in caplog.text


def test_settings_that_come_as_text_are_converted(box: Box, tmp_path: Path) -> None:
    text: dict[str, Any] = {
        "max_concurrency": "2",
        "provision": "True",
        "batch_size_rows": "1",
        "link_wait_days": "0.5",
        "force": "",
    }
    assert deliver(box, "hubspot", [schema_message(), user(1)], tmp_path, **text).code == 0


def test_the_guides_environment_variable_gives_the_token(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBSPOT_API_KEY", "sandbox-token")
    assert deliver(box, "hubspot", [schema_message(), user(1)], tmp_path, access_token="").code == 0


def test_commands_list_dead_letters_and_the_ledger(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(box, "hubspot", [schema_message(), user(1), user(2, email="no address")], tmp_path)
    config = str(written(tmp_path, "c.json", target_config(box, "hubspot", tmp_path)))
    assert (
        commands.main(TARGETS["hubspot"], ["dead-letters", "list", "--json", "--config", config])
        == 0
    )
    (letter,) = json.loads(capsys.readouterr().out)
    assert letter["key"] == "user-2"
    assert letter["record"]["email"] == "no address"
    assert {"rule", "stage", "code", "message", "hint", "times", "account"} <= set(letter)
    assert commands.main(TARGETS["hubspot"], ["dead-letters", "list", "--config", config]) == 0
    assert "1 open dead letters" in capsys.readouterr().out
    assert commands.main(TARGETS["hubspot"], ["ledger", "status", "--config", config]) == 0
    (account,) = json.loads(capsys.readouterr().out).values()
    assert account["entries"]["contacts"] == {"settled": 1, "dead": 1}
    assert account["last_run"]["exit_code"] == 0
    assert commands.main(TARGETS["hubspot"], ["mapping", "check", "--config", config]) == 0
    assert "examples are right" in capsys.readouterr().out
