"""Objects of HubSpot that no rule ships for: mapped by a few lines of YAML, and linked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.crm.adapter import Adapter, Lookup
from reverse_etl.errors import NoSuchLinkError, NoSuchObjectError
from reverse_etl.objects import FieldWanted, LinkWanted
from reverse_etl.values import Kind, Value, canonical

from box import Box
from contract.hubspot_rules import RULES, by_hand, mapping, run
from crms import HUBSPOT
from writes import create


@pytest.fixture
def adapter(box: Box) -> Adapter:
    return HUBSPOT.target(config=HUBSPOT.credentials(box.url)).build_adapter()


def test_rules_are_short() -> None:
    assert max(len(text.strip().splitlines()) for text in RULES.values()) <= 12


def test_any_object_arrives_linked_and_a_second_run_writes_nothing(
    box: Box, tmp_path: Path
) -> None:
    contact = by_hand(box, "contacts", email="a@ann.example")
    deal = by_hand(box, "deals", dealname="Big deal", dealstage="qualifiedtobuy")
    adopted = by_hand(box, "companies", name="Old", domain="ann.example")
    run_1 = run(box, tmp_path)
    assert (run_1.code, run_1.letters) == (0, [])
    assert run_1.report["created_links"] == {
        "companies": ["contacts (Billing contact)"],
        "service_plan": ["companies"],
    }

    def only(kind: str) -> dict[str, Any]:
        (row,) = box.objects(HUBSPOT, kind)
        return row

    firms = {row["properties"]["firm_id"]: row for row in box.objects(HUBSPOT, "companies")}
    assert firms["f1"]["id"] == adopted
    assert firms["f1"]["properties"]["numberofemployees"] == "5"
    labels = [link["label"] for link in firms["f1"]["links"] if link["id"] == contact]
    assert sorted(map(str, labels)) == ["Billing contact", "None"]
    assert only("tickets")["properties"]["hs_pipeline_stage"] == "3"
    assert only("tickets")["properties"]["hs_pipeline"] == "0"
    for kind, end in (("tickets", adopted), ("line_items", deal), ("tasks", adopted)):
        assert end in {link["id"] for link in only(kind)["links"]}
    assert only("products")["properties"]["price"] == "12.5"
    assert only("service_plan")["properties"]["renewed_on"] == "2026-01-05"
    assert [link["id"] for link in only("service_plan")["links"]] == [firms["f2"]["id"]]
    assert only("tasks")["properties"]["hs_task_body"] == "soon<br>todo 1"

    box.forget_log(HUBSPOT)
    run_2 = run(box, tmp_path)
    assert (run_2.code, box.writes(HUBSPOT)) == (0, [])
    assert run_2.report["created_links"] == {}


def test_a_lost_ledger_finds_every_object_again(box: Box, tmp_path: Path) -> None:
    by_hand(box, "contacts", email="a@ann.example")
    by_hand(box, "deals", dealname="Big deal", dealstage="qualifiedtobuy")
    assert run(box, tmp_path / "1").code == 0
    before = {kind: box.objects(HUBSPOT, kind) for kind in ("tasks", "companies", "service_plan")}
    assert run(box, tmp_path / "2").code == 0
    assert {kind: [row["id"] for row in box.objects(HUBSPOT, kind)] for kind in before} == {
        kind: [row["id"] for row in rows] for kind, rows in before.items()
    }


def test_a_link_to_an_object_that_is_yet_to_be_created_is_made_once_it_exists(
    box: Box, tmp_path: Path
) -> None:
    by_hand(box, "companies", name="Ann", domain="ann.example")
    text = RULES["cases.ticket.yml"] + "  - {to: service_plan, key: plan}\n"
    rules = mapping(tmp_path / "later", cases=text)
    assert run(box, tmp_path, "cases", "firms", "plans", rules=rules).code == 0
    (ticket,) = box.objects(HUBSPOT, "tickets")
    (plan,) = box.objects(HUBSPOT, "service_plan")
    assert plan["id"] in {link["id"] for link in ticket["links"]}


@pytest.mark.parametrize(
    ("stream", "old", "new", "words"),
    [
        ("goods", "object: products", "object: prodcts", ("prodcts", "products")),
        ("plans", "to: companies", "to: compnies", ("compnies", "companies")),
        ("firms", "label: Billing contact", "label: Billing contacts", ("Billing contacts",)),
        ("sales", "by: dealname", "by: dealnam", ("dealnam", "dealname")),
    ],
)
def test_a_wrong_name_is_one_line_with_the_nearest(
    box: Box,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    stream: str,
    old: str,
    new: str,
    words: tuple[str, ...],
) -> None:
    name = next(name for name in RULES if name.startswith(stream))
    rules = mapping(tmp_path / "wrong", **{stream: RULES[name].replace(old, new)})
    provision = stream != "firms"
    result = run(box, tmp_path, stream, rules=rules, provision=provision)
    (shown,) = {line.message for line in caplog.records if line.message.startswith(name)}
    assert result.code == 1
    assert re.match(rf"{name}:\d+: ", shown)
    assert all(word in shown for word in words)
    assert box.objects(HUBSPOT, "companies") == []


def test_a_label_is_one_of_the_accounts_unless_it_may_be_created(adapter: Adapter) -> None:
    adapter.describe("companies")
    wanted = LinkWanted("contacts", label="Billing contact")
    with pytest.raises(NoSuchLinkError, match="Billing contact") as caught:
        adapter.link_form("companies", wanted)
    assert "Primary" in caught.value.hint
    form = adapter.link_form("companies", wanted, provision=True)
    assert form.type.startswith("USER_DEFINED/")
    assert adapter.link_form("companies", LinkWanted("contacts")).type == "HUBSPOT_DEFINED/280"
    primary = adapter.link_form("companies", LinkWanted("contacts", label="primary"))
    assert primary.type == "HUBSPOT_DEFINED/2"


def test_types_of_a_pair_are_asked_for_once(box: Box, adapter: Adapter) -> None:
    for _ in range(3):
        adapter.link_form("deals", LinkWanted("companies"))
    assert len(box.log(HUBSPOT, "labels")) == 1


def test_an_object_that_the_account_lacks_is_named_with_the_nearest(adapter: Adapter) -> None:
    with pytest.raises(NoSuchObjectError) as caught:
        adapter.describe("companys")
    assert caught.value.hint == "Did you mean companies?"


def test_a_search_finds_many_records_of_a_value_and_many_values(box: Box, adapter: Adapter) -> None:
    path = "/hubspot/crm/v3/objects/companies/batch/create"
    for start in range(0, 300, 100):
        inputs = [
            {"properties": {"name": f"n{number}", "domain": f"D{number // 2}.example"}}
            for number in range(start, start + 100)
        ]
        box.call("POST", path, {"inputs": inputs}, HUBSPOT.headers())
    box.advance(11)
    adapter.describe("companies")
    lookups = [Lookup(f"d{number}.EXAMPLE", {}) for number in range(150)]
    box.forget_log(HUBSPOT)
    hits = adapter.find("companies", "domain", lookups, ["name"])
    assert {len(found) for found in hits.values()} == {2}
    assert hits.keys() == {lookup.key for lookup in lookups}
    assert len(box.log(HUBSPOT)) == 2


def test_a_page_of_a_search_is_not_all(box: Box, adapter: Adapter) -> None:
    path = "/hubspot/crm/v3/objects/companies/batch/create"
    for _ in range(3):
        inputs = [{"properties": {"name": "n", "domain": "same.example"}} for _ in range(100)]
        box.call("POST", path, {"inputs": inputs}, HUBSPOT.headers())
    box.advance(11)
    adapter.describe("companies")
    hits = adapter.find("companies", "domain", [Lookup("same.example", {})], ["name"])
    assert len(hits["same.example"]) == 300


def test_options_are_added_beside_those_there_are(box: Box, adapter: Adapter) -> None:
    adapter.describe("companies")
    adapter.provision(
        "companies",
        [
            FieldWanted("code", "text", unique=True),
            FieldWanted("regions", "choices", ("north", "south")),
        ],
    )
    assert adapter.describe("companies")["regions"].options == ("north", "south")
    assert adapter.choosing is not None
    info = adapter.choosing.add_options("companies", "regions", ["south", "east", "west"])
    assert info.options == ("north", "south", "east", "west")
    assert adapter.describe("companies")["regions"] == info
    write = create("k", {"name": "x", "code": "k", "regions": ("east", "north")})
    (result,) = adapter.write("companies", "code", [write])
    (hit,) = adapter.read("companies", [str(result.crm_id)], ["regions"]).values()
    regions = hit.values["regions"]
    assert isinstance(regions, tuple)
    assert set(regions) == {"east", "north"}


def test_the_currencies_are_the_accounts(adapter: Adapter) -> None:
    assert adapter.money is not None
    currencies = adapter.money.currencies()
    assert (currencies.default, currencies.active) == ("USD", frozenset({"USD", "EUR"}))


VALUES: Mapping[Kind, object] = {
    "text": "Zoë",
    "integer": 7,
    "number": "12.5",
    "boolean": True,
    "date": "2026-01-05",
    "datetime": "2026-01-05T10:00:00Z",
    "choice": "a",
    "choices": ["a", "b"],
}


def test_every_kind_of_field_is_provisioned_and_comes_back(adapter: Adapter) -> None:
    adapter.describe("products")
    adapter.provision(
        "products",
        [
            FieldWanted("code", "text", unique=True),
            *(
                FieldWanted(f"a_{kind}", kind, ("a", "b") if kind.startswith("choice") else ())
                for kind in VALUES
            ),
        ],
    )
    infos = adapter.describe("products")
    fields: dict[str, Value] = {
        f"a_{kind}": canonical(infos[f"a_{kind}"], value) for kind, value in VALUES.items()
    }
    write = create("k", {"code": "k", "name": "Chair", **fields})
    (result,) = adapter.write("products", "code", [write])
    (hit,) = adapter.read("products", [str(result.crm_id)], list(fields)).values()
    assert hit.values == fields
