"""One record of the CRM has one key, whichever way the source spells it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from box import Box
from crms import HUBSPOT, SALESFORCE, Crm, each_crm
from support import deliver, later, payment, schema_message, user

FOLDING = {
    "FullName": "Contact.CanAI_User_ID__c",
    "Metadata": {
        "type": "Text",
        "label": "CanAI User ID",
        "length": 100,
        "externalId": True,
        "unique": True,
        "caseSensitive": False,
    },
}
"""The key field as earlier versions provisioned it."""
CONTACT = """
stream: users
object: contacts
upsert_key: {}
fields: {{canai_user_id: user_id, email: email}}
"""


def in_ledger(folder: Path, crm: Crm, statement: str, **values: Any) -> list[Any]:
    """Rows of a statement on the ledger that `deliver` keeps."""
    engine = sa.create_engine(f"sqlite:///{folder}/{crm}.db")
    with engine.begin() as connection:
        result = connection.execute(sa.text(statement), values)
        rows = list(result) if result.returns_rows else []
    engine.dispose()
    return rows


def put_folding_key(box: Box) -> None:
    """Create the key field of contacts without case, and grant it."""
    path = "/salesforce/services/data/v67.0/tooling/sobjects/CustomField"
    box.call("POST", path, FOLDING, SALESFORCE.headers())


def keys_and_ids(folder: Path, crm: Crm) -> dict[str, str]:
    rows = in_ledger(
        folder, crm, "SELECT key, crm_id FROM entry WHERE object = :kind", kind=crm.people
    )
    return dict(tuple(row) for row in rows)


@each_crm
def test_keys_that_differ_in_case_are_two_records_where_case_matters_to_the_crm(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    people = [user(1), user(2, user_id="USER-1")]
    result = deliver(box, crm, [schema_message(), *people], tmp_path)
    assert result.counts(crm.people) == {"planned": 2, "created": 2}
    assert set(keys_and_ids(tmp_path, crm)) == {"user-1", "USER-1"}
    held = {row["properties"][crm.person_key] for row in box.people(crm)}
    assert held == {"user-1", "USER-1"}


def test_keys_that_differ_in_case_are_one_record_where_the_crm_ignores_case(
    box: Box, tmp_path: Path
) -> None:
    put_folding_key(box)
    first = [schema_message(), user(1, user_id="User-1", business_type="bakery")]
    deliver(box, SALESFORCE, first, tmp_path)
    second = [schema_message(), later(user(1, user_id="USER-1", business_type="florist"))]
    result = deliver(box, SALESFORCE, second, tmp_path)
    assert result.counts("Contact") == {"planned": 1, "updated": 1}
    (contact,) = box.people(SALESFORCE)
    assert contact["properties"]["Business_Type__c"] == "florist"
    assert list(keys_and_ids(tmp_path, SALESFORCE)) == ["user-1"]


def test_two_spellings_in_one_block_are_versions_of_one_record(box: Box, tmp_path: Path) -> None:
    put_folding_key(box)
    block = [later(user(1, user_id="USER-1", business_type="florist")), user(1)]
    result = deliver(box, SALESFORCE, [schema_message(), *block], tmp_path)
    assert result.counts("Contact") == {"planned": 2, "created": 1, "collapsed": 1}
    (contact,) = box.people(SALESFORCE)
    assert contact["properties"]["Business_Type__c"] == "florist"


def test_a_ledger_with_other_spellings_goes_on_without_a_call(box: Box, tmp_path: Path) -> None:
    """As an earlier version left it: each spelling had an entry, both with one contact."""
    put_folding_key(box)
    messages = [schema_message(), user(1, user_id="User-1")]
    deliver(box, SALESFORCE, messages, tmp_path)
    for statement in (
        "UPDATE entry SET key = 'User-1'",
        "INSERT INTO entry (crm, account, object, key, crm_id, state, fields, run_id) "
        "SELECT crm, account, object, 'USER-1', crm_id, state, fields, run_id FROM entry",
        "DELETE FROM object_keys",
    ):
        in_ledger(tmp_path, SALESFORCE, statement)
    again = deliver(box, SALESFORCE, messages, tmp_path)
    assert again.counts("Contact") == {"planned": 1, "unchanged": 1}
    assert list(keys_and_ids(tmp_path, SALESFORCE)) == ["user-1"]


def test_a_link_finds_its_record_under_another_spelling(box: Box, tmp_path: Path) -> None:
    put_folding_key(box)
    block = [
        schema_message(),
        user(1, user_id="User-1"),
        schema_message("payments", "payment_id"),
        payment(1, 1, user_id="USER-1"),
    ]
    result = deliver(box, SALESFORCE, block, tmp_path)
    assert result.counts("Opportunity") == {"planned": 1, "created": 1}
    (contact,) = box.people(SALESFORCE)
    (deal,) = box.objects(SALESFORCE, "Opportunity")
    assert deal["properties"]["ContactId"] == contact["id"]


@each_crm
def test_a_record_that_another_key_holds_is_a_conflict(box: Box, tmp_path: Path, crm: Crm) -> None:
    """A record that was synced has been given another key by hand."""
    deliver(box, crm, [schema_message(), user(1)], tmp_path)
    (person,) = box.people(crm)
    crm.edit(box, crm.people, str(person["id"]), {crm.person_key: "user-2"})
    result = deliver(
        box, crm, [schema_message(), later(user(2, email="user1@example.com"))], tmp_path
    )
    assert result.counts(crm.people) == {"planned": 1, "dead": 1}
    rule = crm.person_rule.removesuffix(".yml")
    (letter,) = (letter for letter in result.letters if letter["rule"] == rule)
    assert (letter["code"], letter["key"]) == ("identity_conflict", "user-2")
    assert keys_and_ids(tmp_path, crm).get("user-2") is None


def test_a_changed_upsert_key_looks_every_record_up_again(box: Box, tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    for key, expected in (("canai_user_id", "created"), ("email", "unchanged")):
        (rules / "users.contact.yml").write_text(CONTACT.format(key))
        result = deliver(box, HUBSPOT, [schema_message(), user(1)], tmp_path, mapping=str(rules))
        assert result.counts("contacts") == {"planned": 1, expected: 1}
    assert list(keys_and_ids(tmp_path, HUBSPOT)) == ["user1@example.com"]
