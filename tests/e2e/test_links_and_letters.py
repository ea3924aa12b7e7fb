"""What an unchanged record still needs: a link or a file that was not made, a letter to close."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from box import Box
from crms import HUBSPOT, Crm, each_crm
from support import deliver, later, record_message, schema_message, user, written

TEXT = {"type": ["string", "null"]}
CONTACT = """
stream: people
object: contacts
upsert_key: canai_user_id
fields: {canai_user_id: id, email: email}
"""
DEAL = """
stream: sales
object: deals
upsert_key: canai_deal_id
fields:
  canai_deal_id: id
  dealname: name
  dealstage: {value: closedwon}
  pipeline: {value: default}
links: [{to: contacts, key: parent}]
"""


def schema(stream: str, *names: str) -> dict[str, Any]:
    properties = dict.fromkeys(("id", *names), TEXT)
    keys = {"type": "SCHEMA", "stream": stream, "key_properties": ["id"]}
    return {**keys, "schema": {"type": "object", "properties": properties}}


def person(key: str) -> dict[str, Any]:
    return record_message("people", {"id": key, "email": f"{key}@example.com"})


def sale(parent: str) -> dict[str, Any]:
    return record_message("sales", {"id": "d1", "name": "D", "parent": parent})


def test_a_changed_link_that_failed_is_made_when_the_unchanged_record_comes_again(
    box: Box, tmp_path: Path
) -> None:
    rules = tmp_path / "rules"
    written(rules, "people.contact.yml", CONTACT)
    written(rules, "sales.deal.yml", DEAL)
    schemas = [schema("people", "email"), schema("sales", "name", "parent")]
    first = [*schemas, person("a"), person("b"), sale("a")]
    assert deliver(box, HUBSPOT, first, tmp_path, mapping=str(rules)).report["links"]["made"] == 1
    changed = [*schemas, later(sale("b"), 5)]
    box.fault(HUBSPOT, "403_permission", match="associations", times=99)
    assert deliver(box, HUBSPOT, changed, tmp_path, mapping=str(rules)).code == 1
    box.call("DELETE", "/_sandbox/faults")
    again = deliver(box, HUBSPOT, changed, tmp_path, mapping=str(rules))
    assert again.counts("deals") == {"planned": 1, "unchanged": 1}
    assert again.report["links"]["made"] == 1
    (deal,) = box.objects(HUBSPOT, "deals")
    people = {
        row["id"]: row["properties"]["canai_user_id"] for row in box.objects(HUBSPOT, "contacts")
    }
    assert [people[str(link["id"])] for link in deal["links"]] == ["b"]


def test_a_link_that_waits_is_not_counted_as_kept_when_the_record_comes_again(
    box: Box, tmp_path: Path
) -> None:
    rules = tmp_path / "rules"
    written(rules, "people.contact.yml", CONTACT)
    written(rules, "sales.deal.yml", DEAL)
    schemas = [schema("people", "email"), schema("sales", "name", "parent")]
    deliver(box, HUBSPOT, [*schemas, person("a"), sale("a")], tmp_path, mapping=str(rules))
    relinked = [*schemas, later(sale("missing"), 5)]
    for _ in range(2):
        result = deliver(box, HUBSPOT, relinked, tmp_path, mapping=str(rules))
        assert result.report["links"] == {
            "wanted": 1, "made": 0, "kept": 0, "waiting": 1, "dead": 0,
        }  # fmt: skip


@each_crm
def test_a_record_that_arrived_closes_the_letter_of_an_older_version_in_its_block(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    good, bad = user(1), user(1, email=5)
    deliver(box, crm, [schema_message(), good], tmp_path)
    block = [schema_message(), later(bad, 3), later(good, 4)]
    result = deliver(box, crm, block, tmp_path)
    assert result.counts(crm.people) == {"planned": 2, "dead": 1, "unchanged": 1}
    rule = crm.person_rule.removesuffix(".yml")
    assert rule not in {letter["rule"] for letter in result.report["dead_letters"]}
    newer = deliver(box, crm, [schema_message(), later(good, 5), later(bad, 6)], tmp_path)
    assert rule in {letter["rule"] for letter in newer.report["dead_letters"]}
