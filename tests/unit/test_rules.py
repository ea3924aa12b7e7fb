"""Errors in a mapping: they come before the first record, with file, line and a hint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from reverse_etl.errors import MappingError
from reverse_etl.mapping.checks import check_rules
from reverse_etl.mapping.load import load_rules

from box import Box
from crms import HUBSPOT
from support import deliver, schema_message, user, written

GOOD = """\
stream: users
object: contacts
upsert_key: canai_user_id
match_by: [email]
fields:
  canai_user_id: user_id
  email: email
  canai_score:
    from: .
    as: lead_score
"""
OBJECTS = ("contacts", "deals")
DEAL = """\
stream: users
object: deals
upsert_key: k
fields: {k: user_id}
links:
  - {to: contacts, key: user_id}
"""


def rules(folder: Path, **files: str) -> Any:
    for name, text in files.items():
        written(folder, f"{name.replace('_', '.')}.yml", text)
    return check_rules(load_rules(folder), OBJECTS)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        (
            "upsert_key:",
            "upsert_keys:",
            3,
            "unknown word 'upsert_keys'. Did you mean 'upsert_key'?",
        ),
        ("    as: lead_score", "    az: lead_score", 10, "unknown word 'az'. Did you mean 'as'?"),
        (
            "object: contacts",
            "object: contact",
            2,
            "unknown object 'contact'. Did you mean 'contacts'?",
        ),
        (
            "upsert_key: canai_user_id",
            "upsert_key: canai_user",
            3,
            "not among the fields. Did you mean 'canai_user_id'?",
        ),
        (
            "match_by: [email]",
            "match_by: [mail]",
            4,
            "'mail', which is not among the fields. Did you mean 'email'?",
        ),
        ("stream: users\n", "", 1, "'stream' is missing"),
        (
            "    as: lead_score",
            "    as: lead_score\n    write: allways",
            11,
            "Did you mean 'always'?",
        ),
        ("stream: users", "stream: [users", 2, "not valid YAML"),
        ("  email: email", "  email: email\n  email: phone", 8, "'email' is given twice."),
        ("    from: .", "    from: .\n    from: email", 10, "'from' is given twice."),
    ],
)
def test_a_typo_is_an_error_with_file_line_and_hint(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    with pytest.raises(MappingError) as error:
        rules(tmp_path, users_contact=GOOD.replace(old, new))
    assert str(error.value).startswith(f"users.contact.yml:{line}: ")
    assert message in str(error.value)


def test_a_link_needs_a_rule_or_a_field_to_find_its_other_end_by(tmp_path: Path) -> None:
    with pytest.raises(
        MappingError, match=r"users.deal.yml:6: links to 'contacts', which no rule maps"
    ):
        rules(tmp_path / "a", users_deal=DEAL)
    by_email = DEAL.replace("key: user_id", "key: user_id, by: email")
    (deal,) = rules(tmp_path / "b", users_deal=by_email)
    assert (deal.links[0].found_by, deal.links[0].wait) == ("email", "link")


def test_an_object_that_the_target_knows_is_suggested_for_a_link(tmp_path: Path) -> None:
    written(tmp_path, "users.deal.yml", DEAL.replace("contacts", "contatcs"))
    with pytest.raises(MappingError, match=r"users.deal.yml:6: .* Did you mean 'contacts'\?"):
        check_rules(load_rules(tmp_path), known_objects=lambda: ["contacts"])


def test_an_object_that_exists_and_that_no_rule_maps_is_not_taken_for_a_typo(
    tmp_path: Path,
) -> None:
    written(tmp_path, "users.deal.yml", DEAL.replace("contacts", "contracts"))
    with pytest.raises(MappingError, match=r"which no rule maps\. Add a rule for it"):
        check_rules(load_rules(tmp_path), known_objects=lambda: ["contacts", "contracts"])


def test_a_misspelled_object_is_named_and_not_the_link_that_leads_to_it(tmp_path: Path) -> None:
    written(tmp_path, "users.contact.yml", GOOD.replace("object: contacts", "object: contatcs"))
    written(tmp_path, "users.deal.yml", DEAL)
    message = r"users.contact.yml:2: unknown object 'contatcs'. Did you mean 'contacts'\?"
    with pytest.raises(MappingError, match=message):
        check_rules(load_rules(tmp_path), known_objects=lambda: ["contacts", "deals"])


def test_two_files_that_say_the_same_are_an_error_that_names_both(tmp_path: Path) -> None:
    alone = DEAL.partition("links:")[0]
    # another field, filter or link makes another rule of the same stream and object
    rules(tmp_path, a=alone, b=alone + "where: user_id != 'x'\n")
    with pytest.raises(MappingError, match=r"^c.yml:2: says the same as a.yml\."):
        rules(tmp_path, c=f"# a copy\n{alone}")


def test_join_is_for_keys_of_several_properties(tmp_path: Path) -> None:
    written(
        tmp_path,
        "users.deal.yml",
        DEAL.replace("key: user_id", 'key: user_id, by: email, join: "-"'),
    )
    with pytest.raises(MappingError, match="`join` has no effect on a key of one property"):
        check_rules(load_rules(tmp_path))


def test_links_in_a_circle_wait_by_themselves(tmp_path: Path) -> None:
    circle = GOOD + "links:\n  - {to: deals, key: user_id}\n"
    first, second = rules(tmp_path, users_deal=DEAL, users_contact=circle)
    assert [first.links[0].wait, second.links[0].wait] == ["link", "record"]


def test_two_links_to_one_object_need_a_name_each(tmp_path: Path) -> None:
    twice = DEAL + "  - {to: contacts, key: buyer_id}\n"
    with pytest.raises(MappingError, match=r"users.deal.yml:7: links to 'contacts' twice"):
        rules(tmp_path / "a", users_deal=twice, users_contact=GOOD)
    named = twice.replace("buyer_id", "buyer_id, label: Buyer")
    *_, deal = rules(tmp_path / "b", users_deal=named, users_contact=GOOD)
    assert [link.name for link in deal.links] == ["contacts", "contacts#Buyer"]


def test_an_error_in_a_link_names_its_line_after_a_link_to_owner(tmp_path: Path) -> None:
    owner = "links:\n  - {to: owner, fixed: ada@example.com}\n"
    with pytest.raises(MappingError, match=r"users.deal.yml:7: links to 'contacts'"):
        rules(tmp_path, users_deal=DEAL.replace("links:\n", owner))


def test_parents_come_first_whatever_the_files_are_called(tmp_path: Path) -> None:
    ordered = rules(tmp_path, a=DEAL, b=GOOD)
    assert [rule.object for rule in ordered] == ["contacts", "deals"]


def test_an_empty_or_missing_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="contains no rules"):
        load_rules(tmp_path)
    with pytest.raises(MappingError, match="does not exist"):
        load_rules(tmp_path / "none")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "email: email",
            "email: e_mail",
            "the stream 'users' has no property 'e_mail'. Did you mean 'email'?",
        ),
        (
            "as: lead_score",
            "as: led_score",
            "unknown function 'led_score'. Did you mean 'lead_score'?",
        ),
        (
            "  canai_score:",
            "  lifecyclestage:",
            "lifecyclestage takes a choice, the rule gives a number",
        ),
        ("  canai_score:", "  createdate:", "createdate of contacts cannot be written"),
        (
            "upsert_key: canai_user_id",
            "where: is_lead(record)\nupsert_key: canai_user_id",
            "where: unknown name 'is_lead'",
        ),
        *(
            (
                "upsert_key: canai_user_id",
                f"where: {expression} == 'x'\nupsert_key: canai_user_id",
                "where: the stream has no property 'emial'. Did you mean 'email'?",
            )
            for expression in ("record['emial']", "_.get('emial', '')", "record.emial")
        ),
        (
            "upsert_key: canai_user_id\nmatch_by: [email]",
            "upsert_key: firstname",
            "the upsert_key 'firstname' is not unique in contacts",
        ),
    ],
)
def test_unknown_fields_fail_before_the_first_record(
    box: Box, tmp_path: Path, old: str, new: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    text = GOOD.replace(old, new).replace(
        "  email: email", "  email: email\n  firstname: first_name"
    )
    written(tmp_path / "rules", "users.contact.yml", text)
    result = deliver(
        box,
        HUBSPOT,
        [schema_message(), user(1)],
        tmp_path,
        mapping=str(tmp_path / "rules"),
    )
    assert result.code == 1
    assert message in caplog.text
    assert "users.contact.yml:" in caplog.text
    assert box.objects(HUBSPOT, "contacts") == []


def test_fields_that_are_missing_in_the_crm_are_one_error_without_provision(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = deliver(box, HUBSPOT, [schema_message(), user(1)], tmp_path, provision=False)
    assert result.code == 1
    assert "canai_user_id, canai_journey_stage" in caplog.text
    assert "provision: true" in caplog.text


def test_options_missing_in_the_crm_are_named(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = GOOD + "  hs_lead_status: {value: WARM}\n"
    written(tmp_path / "rules", "users.contact.yml", text)
    result = deliver(
        box,
        HUBSPOT,
        [schema_message(), user(1)],
        tmp_path,
        mapping=str(tmp_path / "rules"),
    )
    assert result.code == 1
    assert "hs_lead_status has no option 'WARM'" in caplog.text
