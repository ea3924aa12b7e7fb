"""HubSpot's associations: one is made only if the answer says so, pair by pair."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from reverse_etl.crm.adapter import Adapter
from reverse_etl.objects import LinkForm, LinkWanted

from box import Box
from crms import HUBSPOT
from support import deliver, record_message, written

PERSON_KEY = "canai_user_id"
RULES = {
    "people.contact.yml": """
stream: people
object: contacts
upsert_key: canai_user_id
fields: {canai_user_id: id, email: email}
""",
    "sales.deal.yml": """
stream: sales
object: deals
upsert_key: canai_deal_id
fields:
  canai_deal_id: id
  dealname: id
  dealstage: {value: closedwon}
  pipeline: {value: default}
links: [{to: contacts, key: parent}]
""",
}
TEXT = {"type": ["string", "null"]}


def schema(stream: str, *names: str) -> dict[str, Any]:
    properties: dict[str, Any] = dict.fromkeys(("id", *names), TEXT)
    keys = {"type": "SCHEMA", "stream": stream, "key_properties": ["id"]}
    return {**keys, "schema": {"type": "object", "properties": properties}}


def people(*keys: str) -> list[dict[str, Any]]:
    rows = [record_message("people", {"id": key, "email": f"{key}@example.com"}) for key in keys]
    return [schema("people", "email"), *rows]


def sales(**parents: str) -> list[dict[str, Any]]:
    rows = [record_message("sales", {"id": key, "parent": end}) for key, end in parents.items()]
    return [schema("sales", "parent"), *rows]


def rules(folder: Path) -> str:
    for name, text in RULES.items():
        written(folder / "rules", name, text)
    return str(folder / "rules")


def contact_ids(box: Box) -> dict[str, str]:
    return {row["properties"][PERSON_KEY]: row["id"] for row in box.people(HUBSPOT)}


def delete_contact(box: Box, crm_id: str) -> None:
    path = f"/hubspot/crm/v3/objects/contacts/{crm_id}"
    box.call("DELETE", path, None, HUBSPOT.headers())


@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
def test_an_association_that_failed_does_not_count_as_made(
    box: Box, named: bool, tmp_path: Path
) -> None:
    mapping = rules(tmp_path)
    deliver(box, HUBSPOT, people("a", "b", "c"), tmp_path, mapping=mapping)
    box.limit(HUBSPOT, association_context=named)
    delete_contact(box, contact_ids(box)["b"])
    result = deliver(box, HUBSPOT, sales(d1="a", d2="b", d3="c"), tmp_path, mapping=mapping)
    assert result.counts("deals") == {"planned": 3, "created": 3}
    links = result.report["links"]
    assert (links["wanted"], links["made"], links["dead"]) == (3, 2, 1)
    (letter,) = result.letters
    assert (letter["key"], letter["stage"]) == ("d2", "link")


@pytest.fixture
def adapter(box: Box) -> Adapter:
    """An adapter that knows contacts and deals with our keys."""
    adapter = HUBSPOT.target(config=HUBSPOT.credentials(box.url)).build_adapter()
    for kind in ("contacts", "deals"):
        adapter.describe(kind)
    return adapter


def made(box: Box, kind: str, count: int) -> list[str]:
    """Ids of new records."""
    values: Mapping[str, Any] = {"lastname": "Lee"} if kind == "contacts" else HUBSPOT.new_deal
    path = f"/hubspot/crm/v3/objects/{kind}/batch/create"
    body = {"inputs": [{"properties": dict(values)} for _ in range(count)]}
    return [row["id"] for row in box.call("POST", path, body, HUBSPOT.headers())["results"]]


@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
def test_each_pair_of_a_batch_has_a_result_of_its_own(
    box: Box, adapter: Adapter, named: bool
) -> None:
    deals, contacts = made(box, "deals", 5), made(box, "contacts", 5)
    form = adapter.link_form("deals", LinkWanted("contacts"))
    gone = (contacts[1], contacts[3])
    for crm_id in gone:
        delete_contact(box, crm_id)
    box.limit(HUBSPOT, association_context=named)
    pairs = [*zip(deals, contacts, strict=True), ("999999999", "999999998")]
    results = adapter.link("deals", form, pairs)
    refused = [pair for pair, result in zip(pairs, results, strict=True) if result.fault]
    assert refused == [pairs[1], pairs[3], pairs[5]]
    assert {deal for deal, _ in HUBSPOT.deal_links(box)} == {deals[0], deals[2], deals[4]}


def test_one_contact_that_is_gone_refuses_each_of_its_pairs_in_one_call(
    box: Box, adapter: Adapter
) -> None:
    deals, (contact,) = made(box, "deals", 3), made(box, "contacts", 1)
    form = adapter.link_form("deals", LinkWanted("contacts"))
    delete_contact(box, contact)
    box.forget_log(HUBSPOT)
    results = adapter.link("deals", form, [(deal, contact) for deal in deals])
    assert all(result.fault for result in results)
    assert len(box.log(HUBSPOT)) == 1


def test_a_type_that_no_longer_exists_is_the_fault_of_every_pair_in_one_call(
    box: Box, adapter: Adapter
) -> None:
    """The errors name the type and no record: nothing would be learned pair by pair."""
    deals, contacts = made(box, "deals", 20), made(box, "contacts", 20)
    form = LinkForm("contacts", "association", type="USER_DEFINED/4711", rows_a_call=2000)
    box.forget_log(HUBSPOT)
    results = adapter.link("deals", form, list(zip(deals, contacts, strict=True)))
    assert all(result.fault for result in results)
    assert len(box.log(HUBSPOT, "associations")) == 1
