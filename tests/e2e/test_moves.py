"""E-mail addresses that move between people: the source and the CRM are equal after one run."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.crm.adapter import RowResult
from reverse_etl.errors import BudgetSpentError, CrmError, RowError
from reverse_etl.records import Write
from target_hubspot.write import Writer
from target_salesforce.write import Writer as SalesforceWriter

from box import Box
from crms import HUBSPOT, PIPEDRIVE, SALESFORCE, Crm, each_portal
from support import (
    Message,
    Result,
    deliver,
    later,
    record_message,
    schema_message,
    state,
    target_command,
    user,
    wait_for,
    written,
)

MOVES = {
    "swap": {1: "b", 2: "a"},
    "circle of three": {1: "b", 2: "c", 3: "a"},
    "chain": {1: "b", 2: "c", 3: "z"},
    "chain, the other way": {3: "z", 2: "c", 1: "b"},
    "freed before it is taken": {1: "z", 4: "a"},
    "taken before it is freed": {4: "a", 1: "z"},
}
"""Addresses by user, in the order in which they come; at first users 1 to 3 have a, b and c. All of
these happen at once, each among users and addresses of its own."""

UNIQUE_CODES = {
    "hubspot": ("products", "item_id", "item_code", "name"),
    "salesforce": ("Product2", "Item_ID__c", "Item_Code__c", "Name"),
}
"""A product and its key, a field without which no two are equal, and its name, by CRM."""


def put_unique_code(box: Box, crm: Crm) -> None:
    """Create the unique field of products by hand."""
    if crm is HUBSPOT:
        described = {"type": "string", "fieldType": "text", "groupName": "contactinformation"}
        body = {"name": "item_code", "label": "Code", "hasUniqueValue": True, **described}
        box.call("POST", "/hubspot/crm/v3/properties/products", body, crm.headers())
        return
    body = {"type": "Text", "label": "Code", "length": 20, "unique": True, "caseSensitive": True}
    path = "/salesforce/services/data/v67.0/tooling/sobjects/CustomField"
    named = {"FullName": "Product2.Item_Code__c", "Metadata": body}
    box.call("POST", path, named, crm.headers())


def code_messages(crm: Crm, folder: Path, day: int, codes: str) -> tuple[list[Message], str]:
    """A product for each of these codes, and the folder of their mapping."""
    kind, key, code, name = UNIQUE_CODES[crm.name]
    rule = {
        "stream": "items",
        "object": kind,
        "upsert_key": key,
        "fields": {key: "id", name: "name", code: "code"},
    }
    written(folder / "rules", "items.product.yml", rule)
    text = {"type": ["string", "null"]}
    schema = {"type": "object", "properties": dict.fromkeys(("id", "name", "code"), text)}
    described = {"type": "SCHEMA", "stream": "items", "key_properties": ["id"], "schema": schema}
    rows = [
        later(record_message("items", {"id": f"{place}", "name": f"{day}", "code": held}), day)
        for place, held in enumerate(codes)
    ]
    return [described, *rows], str(folder / "rules")


def deliver_codes(box: Box, crm: Crm, folder: Path, day: int, codes: str, **more: Any) -> Result:
    """Deliver a product for each of these codes."""
    messages, mapping = code_messages(crm, folder, day, codes)
    return deliver(box, crm, messages, folder, mapping=mapping, **more)


def codes_held(box: Box, crm: Crm) -> str:
    """The codes of all products, which one run has written last."""
    kind, key, code, name = UNIQUE_CODES[crm.name]
    rows = {row["properties"][key]: row["properties"] for row in box.objects(crm, kind)}
    assert len({row[name] for row in rows.values()}) == 1
    return "".join(rows[place][code] for place in sorted(rows))


def address(letter: str) -> str:
    return f"{letter}@example.com"


def people(letters: Mapping[int, str], day: int = 3, **more: Any) -> list[dict[str, Any]]:
    """The schema, and users with these addresses."""
    each = (user(number, email=address(letter), **more) for number, letter in letters.items())
    return [schema_message(), *(later(one, day) for one in each)]


def at_first() -> Iterator[tuple[int, int, str]]:
    """The number of each move, and who has which address before it."""
    for move in range(len(MOVES)):
        yield from ((move, user, held) for user, held in enumerate("abc", start=1))


def first(box: Box, crm: Crm, folder: Path) -> None:
    assert deliver(box, crm, people({1: "a", 2: "b", 3: "c"}, 2), folder).code == 0


def addresses(box: Box, crm: Crm) -> dict[int, list[str]]:
    """All addresses of each person, by the number of the user."""
    held = {}
    for row in box.people(crm):
        value = row["properties"].get(crm.email_field) or ""
        entries = [each["value"] for each in value] if isinstance(value, list) else [value]
        number = int(row["properties"][crm.person_key].removeprefix("user-"))
        held[number] = [entry.partition("@")[0] for entry in entries]
    return held


def expected(moved: dict[int, str]) -> dict[int, list[str]]:
    return {number: [held] for number, held in ({1: "a", 2: "b", 3: "c"} | moved).items()}


def no_network(self: Writer, kind: str, key: str, writes: Sequence[Write]) -> list[RowResult]:
    raise CrmError("the network is gone")


def letters(result: Result, crm: Crm) -> list[tuple[str, str]]:
    rule = crm.person_rule.removesuffix(".yml")
    return [(each["key"], each["code"]) for each in result.letters if each["rule"] == rule]


@each_portal
@pytest.mark.parametrize("rows", [None, 1], ids=["in a block", "across blocks"])
def test_addresses_move(
    box: Box, tmp_path: Path, crm: Crm, trace_ids: bool, rows: int | None
) -> None:
    first_of_all = {10 * move + user: f"{held}{move}" for move, user, held in at_first()}
    moved = {
        10 * move + user: f"{wanted}{move}"
        for move, users in enumerate(MOVES.values())
        for user, wanted in users.items()
    }
    assert deliver(box, crm, people(first_of_all, 2), tmp_path).code == 0
    result = deliver(box, crm, people(moved), tmp_path, batch_size_rows=rows)
    assert result.code == 0
    wanted = first_of_all | moved
    assert addresses(box, crm) == {number: [held] for number, held in wanted.items()}
    assert letters(result, crm) == []
    created = len(moved.keys() - first_of_all.keys())
    updated = len(moved) - created
    counts = {"planned": len(moved), "created": created, "updated": updated}
    assert result.counts(crm.people) == counts
    again = deliver(box, crm, people(moved), tmp_path)
    assert again.counts(crm.people) == {"planned": len(moved), "unchanged": len(moved)}


@pytest.mark.parametrize("trace_ids", [True, False], indirect=True)
def test_a_conflict_that_remains_costs_the_field_until_it_passes(
    box: Box, tmp_path: Path, trace_ids: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """User 1 wants the address that user 2 keeps; the rest of user 1 is written."""
    first(box, HUBSPOT, tmp_path)
    wanted = people({1: "b"}, business_type="florist")
    result = deliver(box, HUBSPOT, wanted, tmp_path)
    assert result.code == 0
    assert result.counts("contacts") == {"planned": 1, "updated": 1}
    assert letters(result, HUBSPOT) == [("user-1", "identity_conflict")]
    (letter,) = result.letters
    assert "only email is left out" in letter["hint"]
    assert address("b") not in str(letter)
    assert "1 × users.contact send/identity_conflict" in caplog.text
    assert addresses(box, HUBSPOT) == expected({})
    businesses = {row["properties"]["canai_business_type"] for row in box.people(HUBSPOT)}
    assert businesses == {"bakery", "florist"}

    again = deliver(box, HUBSPOT, wanted, tmp_path)  # its letter, then the record
    assert again.counts("contacts") == {"planned": 2, "kept_by_crm": 2}
    assert letters(again, HUBSPOT) == [("user-1", "identity_conflict")]
    passed = deliver(box, HUBSPOT, people({2: "z"}, 4), tmp_path)
    assert addresses(box, HUBSPOT) == expected({1: "b", 2: "z"})
    assert letters(passed, HUBSPOT) == []


def test_an_address_that_comes_back_ends_the_conflict(box: Box, tmp_path: Path) -> None:
    first(box, HUBSPOT, tmp_path)
    deliver(box, HUBSPOT, people({1: "b"}), tmp_path)
    result = deliver(box, HUBSPOT, people({1: "a"}, 4), tmp_path)
    assert letters(result, HUBSPOT) == []
    assert addresses(box, HUBSPOT) == expected({})


def test_an_address_that_was_emptied_comes_back_after_a_kill(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run ends between emptying one address of a circle and writing it, then it moves back."""
    first(box, HUBSPOT, tmp_path)
    write = Writer.write

    def killed(self: Writer, kind: str, key: str, writes: Sequence[Write]) -> list[RowResult]:
        if kind == "contacts" and all(each.fields.get("email") for each in writes):
            raise CrmError("the network is gone")
        return write(self, kind, key, writes)

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "write", killed)
        assert deliver(box, HUBSPOT, people({1: "b", 2: "a"}), tmp_path).code == 1
    assert addresses(box, HUBSPOT) == expected({1: ""})
    result = deliver(box, HUBSPOT, people({1: "a", 2: "b"}, 4), tmp_path)
    assert result.code == 0
    assert addresses(box, HUBSPOT) == expected({})


CIRCLE = ["bca", "cab", "abc"]
"""The addresses of users 1 to 3, turn by turn: from each to the next is a circle."""


def at_turn(turn: int) -> dict[int, str]:
    """The address of each user."""
    return dict(enumerate(CIRCLE[turn % 3], start=1))


def each_budget(whole: Result) -> Iterator[int]:
    """Budgets that end with each call beyond setting up, but the last, of a run like this one."""
    calls = whole.report["calls"]
    assert calls["made"] >= 3
    return iter(range(calls["setup"] + 1, calls["setup"] + calls["made"]))


@pytest.mark.parametrize(
    ("crm", "rows"),
    [(HUBSPOT, None), pytest.param(HUBSPOT, 1, marks=pytest.mark.soak), (PIPEDRIVE, None)],
    ids=str,
)
def test_a_circle_that_the_budget_cuts_is_finished_by_the_next_run(
    box: Box, tmp_path: Path, crm: Crm, rows: int | None
) -> None:
    """Whatever call is the last; each time the addresses move on."""
    first(box, crm, tmp_path)
    whole = deliver(box, crm, people(at_turn(0)), tmp_path, batch_size_rows=rows)
    for turn, calls in enumerate(each_budget(whole), start=1):
        moved = people(at_turn(turn), 3 + turn)
        cut = deliver(box, crm, moved, tmp_path, max_api_calls=calls, batch_size_rows=rows)
        assert (cut.code, "max_api_calls" in cut.report["message"]) == (0, True)
        result = deliver(box, crm, moved, tmp_path, batch_size_rows=rows)
        at_last = (addresses(box, crm), letters(result, crm))
        assert at_last == (expected(at_turn(turn)), []), f"cut after {calls} calls"


def test_a_circle_of_codes_that_the_budget_cuts_is_finished_by_the_next_run(
    box: Box, tmp_path: Path
) -> None:
    """In Salesforce addresses need not be unique, but codes may be."""
    put_unique_code(box, SALESFORCE)
    deliver_codes(box, SALESFORCE, tmp_path, 2, "abc")
    whole = deliver_codes(box, SALESFORCE, tmp_path, 3, CIRCLE[0])
    for turn, calls in enumerate(each_budget(whole), start=1):
        codes = CIRCLE[turn % 3]
        deliver_codes(box, SALESFORCE, tmp_path, 3 + turn, codes, max_api_calls=calls)
        result = deliver_codes(box, SALESFORCE, tmp_path, 3 + turn, codes)
        at_last = (codes_held(box, SALESFORCE), result.letters)
        assert at_last == (codes, []), f"cut after {calls} calls"


def test_a_circle_that_a_kill_cut_before_an_address_was_emptied_closes(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger has forgotten an address that HubSpot still holds."""
    first(box, HUBSPOT, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Writer, "write", no_network)
        assert deliver(box, HUBSPOT, people({1: "b", 2: "c", 3: "a"}), tmp_path).code == 1
    assert addresses(box, HUBSPOT) == expected({})
    result = deliver(box, HUBSPOT, people({1: "b", 2: "c", 3: "a"}), tmp_path)
    assert (addresses(box, HUBSPOT), result.letters) == (expected({1: "b", 2: "c", 3: "a"}), [])


def test_a_circle_that_does_not_close_leaves_no_address_empty(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users 1 and 2 swap, but HubSpot refuses user 2 for another reason."""
    first(box, HUBSPOT, tmp_path)
    write = Writer.write

    def refused(self: Writer, kind: str, key: str, writes: Sequence[Write]) -> list[RowResult]:
        if kind == "contacts" and [each.key for each in writes] == ["user-2"]:
            return [RowResult(fault=RowError("INVALID_DATE", "no date"))]
        return write(self, kind, key, writes)

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "write", refused)
        result = deliver(box, HUBSPOT, people({1: "b", 2: "a"}), tmp_path)
    assert addresses(box, HUBSPOT) == expected({})
    codes = [("user-1", "identity_conflict"), ("user-2", "INVALID_DATE")]
    assert sorted(letters(result, HUBSPOT)) == codes
    result = deliver(box, HUBSPOT, people({1: "b", 2: "a"}, 4), tmp_path)
    assert (addresses(box, HUBSPOT), result.letters) == (expected({1: "b", 2: "a"}), [])


@pytest.mark.parametrize(
    ("crm", "writer"), [(HUBSPOT, Writer), (SALESFORCE, SalesforceWriter)], ids=["hubspot", "sf"]
)
def test_a_code_that_the_budget_left_empty_gets_its_value_once_the_cause_has_passed(
    box: Box,
    tmp_path: Path,
    crm: Crm,
    writer: type[Writer | SalesforceWriter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The circle does not close, and no call is left to write the emptied code back."""
    put_unique_code(box, crm)
    deliver_codes(box, crm, tmp_path, 2, "abc")
    code = UNIQUE_CODES[crm.name][2]
    write = writer.write
    refused_keys: list[str] = []

    def cut_off(self: Any, kind: str, key: str, writes: Sequence[Write]) -> list[RowResult]:
        if all(each.fields.get(code) is None for each in writes):
            return write(self, kind, key, writes)  # it empties a code
        if refused_keys:
            raise BudgetSpentError("max_api_calls is used up.")
        refused_keys.extend(each.key for each in writes)
        return [RowResult(fault=RowError("INVALID_DATE", "no date")) for _ in writes]

    with monkeypatch.context() as patched:
        patched.setattr(writer, "write", cut_off)
        cut = deliver_codes(box, crm, tmp_path, 3, "bac")
    assert (cut.code, cut.report["message"]) == (0, "max_api_calls is used up.")
    assert refused_keys
    held = [row["properties"].get(code) for row in box.objects(crm, UNIQUE_CODES[crm.name][0])]
    assert any(not each for each in held)
    result = deliver_codes(box, crm, tmp_path, 3, "bac")
    assert (codes_held(box, crm), result.letters) == ("bac", [])


EMPTIES = {
    HUBSPOT: "products/batch/update",
    SALESFORCE: "PATCH /salesforce/services/data/v67.0/composite/sobjects",
}
"""The call that empties a code of a circle."""


def stopped_during(
    box: Box, crm: Crm, match: str, messages: list[Message], folder: Path, **config: Any
) -> None:
    """Stop a run while the first call that matches is under way; it writes no STATE."""
    box.fault(crm, "slow", match=match, args={"delay_ms": 700})
    moved = [*messages, state("moved")]
    with subprocess.Popen(
        target_command(box, crm, moved, folder, **config),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        wait_for(lambda: box.struck(crm, "slow"))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (143, b""), err.decode()
    box.clear_faults()


@pytest.mark.parametrize("crm", EMPTIES, ids=str)
def test_a_circle_that_a_signal_cuts_is_closed_by_the_next_run(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    """One code is emptied; none is written yet."""
    put_unique_code(box, crm)
    deliver_codes(box, crm, tmp_path, 2, "abc")
    messages, mapping = code_messages(crm, tmp_path, 3, "bca")
    stopped_during(box, crm, EMPTIES[crm], messages, tmp_path, mapping=mapping)
    kind, _, code, _ = UNIQUE_CODES[crm.name]
    held = [row["properties"].get(code) or "" for row in box.objects(crm, kind)]
    assert sorted(map(len, held)) == [0, 1, 1]
    result = deliver_codes(box, crm, tmp_path, 3, "bca")
    assert (codes_held(box, crm), result.letters) == ("bca", [])


def test_addresses_that_a_signal_cuts_are_moved_by_the_next_run(box: Box, tmp_path: Path) -> None:
    """Pipedrive keeps no address unique, so none is emptied: a person is behind for a run."""
    first(box, PIPEDRIVE, tmp_path)
    moved = people({1: "b", 2: "c", 3: "a"})
    stopped_during(box, PIPEDRIVE, "PATCH /pipedrive/api/v2/persons", moved, tmp_path)
    assert addresses(box, PIPEDRIVE) == expected({1: "b"})
    result = deliver(box, PIPEDRIVE, moved, tmp_path)
    at_last = (addresses(box, PIPEDRIVE), result.letters)
    assert at_last == (expected({1: "b", 2: "c", 3: "a"}), [])


def test_pipedrive_replaces_our_entry_and_keeps_what_people_added(box: Box, tmp_path: Path) -> None:
    first(box, PIPEDRIVE, tmp_path)
    ids = {row["properties"]["canai_user_id"]: str(row["id"]) for row in box.people(PIPEDRIVE)}
    by_hand = {"value": "hand@example.com", "label": "home"}
    ours = {"value": address("a"), "label": "work"}
    for number, (mine, theirs) in {1: (True, False), 2: (False, True)}.items():
        entry = {**ours, "value": address("ab"[number - 1])}
        entries = [{**entry, "primary": mine}, {**by_hand, "primary": theirs}]
        PIPEDRIVE.edit(box, "persons", ids[f"user-{number}"], {"emails": entries})
    assert deliver(box, PIPEDRIVE, people({1: "x", 2: "y"}), tmp_path).code == 0
    assert addresses(box, PIPEDRIVE) == {1: ["x", "hand"], 2: ["y", "hand"], 3: ["c"]}


@pytest.mark.parametrize("crm", [HUBSPOT, SALESFORCE], ids=str)
def test_codes_of_products_move_as_addresses_do(box: Box, tmp_path: Path, crm: Crm) -> None:
    """Any field that the CRM keeps unique; the last product wants a code that is kept."""
    put_unique_code(box, crm)

    def run(day: int, codes: str, **more: Any) -> Result:
        return deliver_codes(box, crm, tmp_path, day, codes, **more)

    assert run(2, "abcd").code == 0
    assert (run(3, "bacd").letters, codes_held(box, crm)) == ([], "bacd")
    assert (run(4, "cbad", batch_size_rows=1).letters, codes_held(box, crm)) == ([], "cbad")
    result = run(5, "cbab")
    assert [letter["code"] for letter in result.letters] == ["identity_conflict"]
    assert codes_held(box, crm) == "cbad"
