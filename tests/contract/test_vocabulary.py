"""Words of the mapping that a CRM has a part in end alike in all three."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import Crm, each_crm
from support import Message, by_key, deliver, record_message, written

pytestmark = each_crm

SCHEMA: Message = {
    "type": "SCHEMA",
    "stream": "guests",
    "key_properties": ["id"],
    "schema": {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "shop": {"type": "integer"},
            "name": {
                "type": "object",
                "properties": {"given": {"type": "string"}, "family": {"type": "string"}},
            },
            "diets": {"type": ["array", "null"], "items": {"enum": ["vegan", "kosher", "halal"]}},
            "tags": {"type": ["array", "null"], "items": {"type": "string"}},
            "since": {"type": ["string", "null"]},
            "spent": {"type": ["string", "null"]},
            "currency": {"type": ["string", "null"]},
        },
    },
}
RULE = """\
stream: guests
object: {object}
upsert_key: {key}
fields:
  {key}: {{from: [shop, id], join: "-"}}
  {name}: name.family
  {diets}: diets
  {tags}: tags
  {hobbies}: {{from: tags, options: [tennis, chess]}}
  {since}: {{from: since, parse: {{date: "%d.%m.%Y"}}}}
  {spent}: {{from: spent, parse: {{number: {{decimal: ",", group: "."}}}}}}
"""
FIELDS = ("diets", "tags", "hobbies", "since", "spent")


def names(crm: Crm) -> dict[str, str]:
    """The names of the rule's fields in a CRM."""
    custom = {name: crm.custom_field(f"guest_{name}") for name in FIELDS}
    return {**custom, "object": crm.people, "key": crm.person_key, "name": crm.name_fields[-1]}


def guest(number: int, **more: Any) -> Message:
    record = {
        "id": f"g{number}",
        "shop": 7,
        "name": {"given": "Ada", "family": "King"},
        "diets": ["kosher", "vegan"],
        "tags": ["chess", "tennis"],
        "since": "31.01.2026",
        "spent": "1.234,50",
        **more,
    }
    return record_message("guests", record)


def mapping(crm: Crm, folder: Path, extra: str = "") -> str:
    """A folder with the rule."""
    text = RULE.format(**names(crm)) + extra.format(**names(crm))
    written(folder / "rules", "guests.yml", text)
    return str(folder / "rules")


def held(box: Box, crm: Crm, key: str = "7-g1") -> dict[str, Any]:
    """The fields of a guest, by the names of this file."""
    row = by_key(box, crm, crm.people, crm.person_key)[key]
    values = {name: row["properties"].get(names(crm)[name]) for name in FIELDS}
    for name in ("diets", "hobbies"):
        values[name] = chosen(values[name])
    values["spent"] = values["spent"] and float(values["spent"])
    return values


def chosen(value: Any) -> set[str]:
    """The values of a multi-select field, which some CRMs keep as text."""
    return set(value.split(";") if value and isinstance(value, str) else value or ())


def test_lists_formats_and_composite_keys_end_alike_and_a_second_run_writes_nothing(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    folder = mapping(crm, tmp_path)
    first = deliver(box, crm, [SCHEMA, guest(1)], tmp_path, mapping=folder)
    assert first.counts(crm.people) == {"planned": 1, "created": 1}
    assert held(box, crm) == {
        "diets": {"vegan", "kosher"},
        "tags": "chess;tennis",
        "hobbies": {"tennis", "chess"},
        "since": "2026-01-31",
        "spent": 1234.5,
    }
    box.forget_log()
    (tmp_path / f"{crm}.db").unlink()  # so that the CRM is asked what it holds
    again = guest(1, diets=["vegan", "kosher", "vegan"])
    second = deliver(box, crm, [SCHEMA, again], tmp_path, mapping=folder)
    assert second.counts(crm.people) == {"planned": 1, "unchanged": 1}
    assert box.writes(crm) == []


@pytest.mark.parametrize("tags", [["golf"], ["chess", "golf"], ["chess;tennis"]])
def test_a_value_that_is_not_an_option_is_its_rows_dead_letter(
    box: Box, crm: Crm, tmp_path: Path, tags: list[str]
) -> None:
    folder = mapping(crm, tmp_path)
    messages = [SCHEMA, guest(1), guest(2, tags=tags), guest(3)]
    result = deliver(box, crm, messages, tmp_path, mapping=folder)
    assert result.counts(crm.people) == {"planned": 3, "created": 2, "dead": 1}
    (letter,) = result.letters
    assert (letter["code"], letter["stage"]) == ("unknown_option", "map")
    assert names(crm)["hobbies"] in letter["message"]
    assert "golf" not in str(letter)


def test_an_emptied_list_empties_the_field(box: Box, crm: Crm, tmp_path: Path) -> None:
    folder = mapping(crm, tmp_path, "when_null: clear\n")
    deliver(box, crm, [SCHEMA, guest(1)], tmp_path, mapping=folder)
    deliver(box, crm, [SCHEMA, guest(1, diets=[], tags=[])], tmp_path, mapping=folder)
    fields = held(box, crm)
    assert not fields["diets"]
    assert not fields["hobbies"]
    assert not fields["tags"]


def test_options_that_come_up_are_added_where_the_setting_allows_it(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    folder = mapping(crm, tmp_path)
    config = {"mapping": folder, "add_options": True}
    messages = [SCHEMA, guest(1, tags=["golf"]), guest(2, tags=["chess", "golf", "polo"])]
    result = deliver(box, crm, messages, tmp_path, **config)
    assert result.counts(crm.people) == {"planned": 2, "created": 2, "options_added": 2}
    assert held(box, crm, "7-g2")["hobbies"] == {"chess", "golf", "polo"}
    box.forget_log()
    again = deliver(box, crm, messages, tmp_path, **config)
    assert again.counts(crm.people) == {"planned": 2, "unchanged": 2}
    assert box.writes(crm) == []


def test_what_lacked_an_option_is_delivered_once_the_setting_is_on(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    folder = mapping(crm, tmp_path)
    messages = [SCHEMA, guest(1, tags=["golf"]), guest(2, tags=["chess;tennis"])]
    refused = deliver(box, crm, messages, tmp_path, mapping=folder)
    assert [letter["code"] for letter in refused.letters] == ["unknown_option"] * 2
    assert "`add_options`" in refused.letters[0]["hint"]
    again = deliver(box, crm, [SCHEMA], tmp_path, mapping=folder)
    assert again.counts(crm.people) == {}
    added = deliver(box, crm, [SCHEMA], tmp_path, mapping=folder, add_options=True)
    assert added.counts(crm.people) == {"planned": 1, "created": 1, "options_added": 1}
    assert [letter["times"] for letter in added.letters] == [1]  # what can be no option
    assert held(box, crm)["hobbies"] == {"golf"}


def test_text_that_does_not_parse_is_its_rows_dead_letter(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    folder = mapping(crm, tmp_path)
    messages = [SCHEMA, guest(1, since="2026-01-31"), guest(2, spent="1.5")]
    result = deliver(box, crm, messages, tmp_path, mapping=folder)
    assert [letter["code"] for letter in result.letters] == ["not_parseable"] * 2
    assert "%d.%m.%Y" in str(result.letters)
    assert "2026-01-31" not in str(result.letters)


def test_a_currency_that_the_account_does_not_hold_is_its_rows_dead_letter(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    text = RULE.replace('group: "."}}}}}}', 'group: "."}}}}, currency: currency}}')
    written(tmp_path / "rules", "guests.yml", text.format(**names(crm)))
    messages = [SCHEMA, guest(1, currency=None), guest(2, currency="XTS")]
    result = deliver(box, crm, messages, tmp_path, mapping=str(tmp_path / "rules"))
    assert [(letter["code"], letter["stage"]) for letter in result.letters] == [("currency", "map")]
    assert result.counts(crm.people) == {"planned": 2, "created": 1, "dead": 1}


def test_a_mistyped_part_of_a_path_is_one_line_before_the_first_record(
    box: Box, crm: Crm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = mapping(crm, tmp_path)
    file = Path(folder) / "guests.yml"
    file.write_text(file.read_text().replace("name.family", "name.famly"))
    result = deliver(box, crm, [SCHEMA, guest(1)], tmp_path, mapping=folder)
    assert result.code == 1
    line = "guests.yml:6: name has no property 'famly'. Did you mean 'family'?"
    assert line in caplog.text
    assert box.people(crm) == []
