"""The words of a field: what each gives, in combination, and what is wrong with one of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reverse_etl.crm.adapter import Currencies
from reverse_etl.errors import MappingError, NotRepresentableError, RowError
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.mapping.compiler import RuleCompiler
from reverse_etl.mapping.examples import check_examples
from reverse_etl.mapping.functions import describe
from reverse_etl.mapping.load import load_rule
from reverse_etl.mapping.rules import Rule
from reverse_etl.mapping.schemas import stream_properties
from reverse_etl.objects import ObjectSpec
from reverse_etl.records import CrmRecord, SourceRecord
from reverse_etl.values import FieldInfo, Kind, canonical, unknown_options

from support import written

SCHEMA: dict[str, Any] = {
    "properties": {
        "id": {"type": "string"},
        "shop": {"type": ["integer", "null"]},
        "name": {
            "type": "object",
            "properties": {"given": {"type": "string"}, "family": {"type": ["string", "null"]}},
        },
        "addresses": {
            "type": "array",
            "items": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
        "tags": {"type": ["array", "null"], "items": {"type": "string"}},
        "colours": {"type": "array", "items": {"enum": ["red", "green", "blue"]}},
        "amount": {"type": "string"},
        "currency": {"type": ["string", "null"]},
        "since": {"type": "string"},
        "paid": {"type": "string"},
    }
}
PROPERTIES = stream_properties(SCHEMA)
SPEC = ObjectSpec("thing", (), upserts=True, unique_keys=False, find_rows_a_call=1)
HEAD = "stream: things\nobject: thing\nupsert_key: key\nfields:\n"
EUROS = Currencies("EUR", frozenset({"EUR", "USD"}))


def rule_of(folder: Path, fields: str) -> Rule:
    """A rule with these fields; the first is in the file's line 5."""
    return load_rule(written(folder, "things.thing.yml", f"{HEAD}{fields}"))


def compiled(
    rule: Rule, kinds: dict[str, Any] | None = None, currencies: Currencies | None = None
) -> CompiledRule:
    """The rule for a CRM whose fields are text but for these kinds, or whole fields."""
    infos = {name: FieldInfo(name, "text") for name in rule.field_names}
    for name, kind in (kinds or {}).items():
        infos[name] = kind if isinstance(kind, FieldInfo) else FieldInfo(name, kind)
    compiler = RuleCompiler({}, {}, currencies)
    compiler.check_properties(rule, PROPERTIES)
    return compiler.compile(rule, SPEC, PROPERTIES, infos, ())


def mapped(rule: CompiledRule, **values: object) -> CrmRecord:
    record = rule.map(SourceRecord("things", "key", {"id": "t1", **values}, 0))
    assert record is not None
    return record


# Sources


def test_a_field_of_several_parts_leaves_nulls_out(tmp_path: Path) -> None:
    rule = compiled(
        rule_of(tmp_path, "  key: id\n  full: {from: [name.given, name.family], join: ' '}\n")
    )
    assert mapped(rule, name={"given": "Ada", "family": "King"}).fields["full"] == "Ada King"
    assert mapped(rule, name={"given": "Ada", "family": None}).fields["full"] == "Ada"
    assert mapped(rule, name={}).fields["full"] is None


def test_an_upsert_key_of_several_parts_needs_all_of_them(tmp_path: Path) -> None:
    rule = compiled(rule_of(tmp_path, "  key: {from: [shop, id], join: '-'}\n"))
    assert mapped(rule, shop=7.0).key == "7-t1"
    with pytest.raises(RowError) as error:
        mapped(rule, shop=None)
    assert error.value.code == "no_key"


def test_the_composite_key_of_the_docs_page(tmp_path: Path) -> None:
    text = (
        "stream: lines\nobject: thing\nupsert_key: order_line_id\nfields:\n"
        '  order_line_id: {from: [order_id, line], join: "-"}\n'
    )
    rule = load_rule(written(tmp_path, "lines.thing.yml", text))
    info = FieldInfo("order_line_id", "text")
    thing = RuleCompiler({}, {}).compile(
        rule, SPEC, {"order_id": {}, "line": {}}, {info.name: info}, ()
    )
    assert mapped(thing, order_id=1007.0, line=2).key == "1007-2"


def test_nested_values_and_entries_of_lists(tmp_path: Path) -> None:
    rule = compiled(
        rule_of(tmp_path, "  key: id\n  city: addresses.0.city\n  last: addresses.-1.city\n")
    )
    record = mapped(rule, addresses=[{"city": "London"}, {"city": "Paris"}])
    assert (record.fields["city"], record.fields["last"]) == ("London", "Paris")
    assert mapped(rule, addresses=[]).fields["city"] is None


@pytest.mark.parametrize(
    ("fields", "line", "message"),
    [
        (
            "  key: id\n  last: name.famly\n",
            6,
            "name has no property 'famly'. Did you mean 'family'?",
        ),
        ("  key: id\n  city: addresses.city\n", 6, "addresses is a list"),
        (
            "  key: id\n  full: {from: [name.given, name.famly], join: ' '}\n",
            6,
            "name has no property 'famly'",
        ),
        (
            "  key: id\n  sum: {from: amount, currency: curency}\n",
            6,
            "has no property 'curency'. Did you mean 'currency'?",
        ),
        (
            "  key: id\nlinks:\n  - {to: thing, key: name.famly}\n",
            7,
            "name has no property 'famly'",
        ),
        (
            "  key: id\nlinks:\n  - {to: owner, key: addresses.0.mail}\n",
            7,
            "addresses.0 has no property 'mail'",
        ),
        (
            "  key: id\nattach: {url: addresses.0.cty, name: '{addresses.-1.city}.pdf'}\n",
            6,
            "addresses.0 has no property 'cty'. Did you mean 'city'?",
        ),
    ],
)
def test_a_part_of_a_path_that_the_stream_lacks_is_one_line(
    tmp_path: Path, fields: str, line: int, message: str
) -> None:
    with pytest.raises(MappingError) as error:
        RuleCompiler({}, {}).check_properties(rule_of(tmp_path, fields), PROPERTIES)
    assert str(error.value).startswith(f"things.thing.yml:{line}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


# Errors of shape


@pytest.mark.parametrize(
    ("field", "line", "message"),
    [
        ("{from: [id, shop]}", 6, "no word says how they become one value. Use `join`"),
        ("{from: [id, shop], as: f, join: ''}", 6, "has both `as` and `join`"),
        ("{from: .}", 6, "takes the whole record. Name a function"),
        (
            "\n    from: since\n    parse: {date: '%d.%m'}",
            8,
            "lacks the day, the month or the year",
        ),
        (
            "{from: since, parse: {datetime: '%c', zone: Europe/Berln}}",
            6,
            "unknown time zone 'Europe/Berln'. Did you mean 'Europe/Berlin'?",
        ),
        ("{from: amount, parse: nubmer}", 6, "Did you mean 'number'?"),
        ("{from: amount, parse: {nubmer: {}}}", 6, "unknown word 'nubmer'. Did you mean 'number'?"),
        ("{from: amount, parse: {number: {decmal: ','}}}", 6, "Did you mean 'decimal'?"),
        ("{from: amount, jion: ''}", 6, "unknown word 'jion'. Did you mean 'join'?"),
        ("{from: amount, currency: {value: euro}}", 6, "currency/value"),
    ],
)
def test_a_word_that_is_wrong_is_an_error_with_its_line(
    tmp_path: Path, field: str, line: int, message: str
) -> None:
    with pytest.raises(MappingError) as error:
        rule_of(tmp_path, f"  key: id\n  other: {field}\n")
    assert str(error.value).startswith(f"things.thing.yml:{line}: ")
    assert message in str(error.value)


def test_yes_and_no_are_words_and_true_is_a_boolean(tmp_path: Path) -> None:
    rule = rule_of(
        tmp_path,
        "  key: id\n  paid: {from: paid, parse: {boolean: {yes: [ja, yes], no: [nein, no]}}}\n"
        "  land: {from: since, map: {NO: Norway, true: Yes}}\n  fixed: {value: true}\n",
    )
    thing = compiled(rule, {"paid": "boolean", "fixed": "boolean"})
    fields = mapped(thing, paid="nein", since="NO").fields
    assert (fields["paid"], fields["land"], fields["fixed"]) == (False, "Norway", True)
    assert mapped(thing, paid="YES", since=True).fields["land"] == "Yes"


# Words in combination


def test_words_apply_in_the_order_in_which_they_are_documented(tmp_path: Path) -> None:
    rule = compiled(
        rule_of(
            tmp_path,
            "  key: id\n"
            "  day: {from: since, parse: {date: '%d.%m.%Y'}, default: '2000-01-01'}\n"
            "  grade: {from: amount, parse: number, map: {'1.5': high}, default: unknown,"
            " max_length: 4}\n"
            "  list: {from: tags, map: {a: Alpha, b: Beta}, max_length: 8}\n"
            "  hidden: {from: [id, shop], join: '/', mask: hash}\n",
        ),
        {"day": "date"},
    )
    fields = mapped(rule, since="31.01.2026", amount="1.50", tags=["b", "x", "a"], shop=1).fields
    assert fields["day"] == "2026-01-31"
    assert fields["grade"] == "high"
    assert fields["list"] == "Beta;Alp"
    assert len(str(fields["hidden"])) == 64
    empty = mapped(rule, since="", amount=None, tags=[], shop=None).fields
    assert (empty["day"], empty["grade"], empty["list"]) == ("2000-01-01", "unkn", None)


def test_a_value_that_does_not_parse_is_its_rows_error(tmp_path: Path) -> None:
    rule = compiled(
        rule_of(tmp_path, "  key: id\n  since: {from: since, parse: {date: '%d.%m.%Y'}}\n"),
        {"since": "date"},
    )
    with pytest.raises(RowError, match=r"since is not a date in the format %d.%m.%Y"):
        mapped(rule, since="soon")


@pytest.mark.parametrize(
    ("field", "kind", "options"),
    [
        ("{from: since, parse: {date: '%d.%m.%Y'}}", "date", ()),
        ("{from: amount, parse: number, currency: currency}", "number", ()),
        ("{from: [id, shop], join: '-'}", "text", ()),
        ("shop", "integer", ()),
        ("name.family", "text", ()),
        ("colours", "choices", ("red", "green", "blue")),
        ("tags", "text", ()),
        ("{from: tags, options: [b, a]}", "choices", ("b", "a")),
        ("{from: paid, options: [b, a]}", "choice", ("b", "a")),
        ("{from: tags, map: {x: y}}", "choices", ("y",)),
        ("{from: colours, mask: hash}", "text", ()),
    ],
)
def test_provision_creates_a_field_of_the_kind_that_the_words_give(
    tmp_path: Path, field: str, kind: Kind, options: tuple[str, ...]
) -> None:
    rule = rule_of(tmp_path, f"  key: id\n  other: {field}\n")
    _, wanted = RuleCompiler({}, {}).wanted_fields(rule, PROPERTIES)
    assert (wanted.kind, wanted.options) == (kind, options)
    assert wanted.long_text == (field == "tags")


def test_a_type_that_does_not_fit_is_an_error_for_nested_values_too(tmp_path: Path) -> None:
    rule = rule_of(tmp_path, "  key: id\n  other: name.family\n")
    with pytest.raises(MappingError, match=r"yml:6: other takes a number, the rule gives a text"):
        compiled(rule, {"other": "number"})
    with pytest.raises(MappingError, match=r"yml:6: other: a list cannot be parsed"):
        compiled(
            rule_of(tmp_path, "  key: id\n  other: {from: tags, parse: number}\n"),
            {"other": "number"},
        )


# Lists


COLOURS = FieldInfo(
    "colours",
    "choices",
    options=("red", "green", "blue"),
    strict_options=True,
    aliases={"rot": "red"},
)


def test_a_list_becomes_the_options_in_the_fields_own_order(tmp_path: Path) -> None:
    rule = compiled(rule_of(tmp_path, "  key: id\n  colours: tags\n"), {"colours": COLOURS})
    assert mapped(rule, tags=["blue", None, "Rot", "blue"]).fields["colours"] == ("red", "blue")
    assert mapped(rule, tags=[]).fields["colours"] is None
    assert mapped(rule, tags="green").fields["colours"] == ("green",)


@pytest.mark.parametrize("values", [["pink"], ["red", "pink"], ["red;blue"], "pink"])
def test_a_value_that_is_not_an_option_is_its_rows_error(values: object) -> None:
    with pytest.raises(NotRepresentableError) as error:
        canonical(COLOURS, values)
    assert error.value.code == "unknown_option"
    assert "colours" in error.value.message
    assert "pink" not in error.value.message


@given(st.lists(st.sampled_from([*COLOURS.options, None, "", "Rot"])), st.randoms())
def test_the_order_of_a_list_says_nothing(values: list[str | None], random: Any) -> None:
    before = canonical(COLOURS, values)
    assert canonical(COLOURS, before) == before
    random.shuffle(values)
    assert canonical(COLOURS, values) == before


def test_options_that_a_rule_can_give_are_checked_before_the_first_record(tmp_path: Path) -> None:
    rule = rule_of(tmp_path, "  key: id\n  colours: {from: tags, options: [red, pink]}\n")
    with pytest.raises(MappingError, match=r"yml:6: colours has no option 'pink'"):
        compiled(rule, {"colours": COLOURS})


def test_a_field_of_several_values_has_no_direction(tmp_path: Path) -> None:
    rule = rule_of(tmp_path, "  key: id\n  colours: {from: tags, write: forward_only}\n")
    with pytest.raises(MappingError, match=r"yml:6: colours takes several values, so forward_only"):
        compiled(rule, {"colours": COLOURS})


def test_unknown_options_are_those_that_could_be_added() -> None:
    values = ["pink", "red", "Rot", None, "", "a;b", 3, ["deep"], "pink"]
    assert unknown_options(COLOURS, values) == ["pink", "3"]
    short = FieldInfo("c", "choice", max_length=3)
    assert unknown_options(short, "abcd") == []


def plain() -> list[str]:
    """A function that rules may name."""
    return []


def listed() -> list[Literal["a", "b"]] | None:
    """A function that rules may name."""


def fixed() -> tuple[str, ...]:
    """A function that rules may name."""
    return ()


def mixed() -> tuple[str, int]:
    """A function that rules may name."""
    return "", 0


def deep() -> list[list[str]]:
    """A function that rules may name."""
    return []


def dated() -> list[date]:
    """A function that rules may name."""
    return []


@pytest.mark.parametrize(
    ("function", "kind", "options"),
    [
        (plain, "choices", ()),
        (listed, "choices", ("a", "b")),
        (fixed, "choices", ()),
        (mixed, None, ()),
        (deep, None, ()),
        (dated, None, ()),
    ],
)
def test_functions_may_return_lists(
    function: Any, kind: Kind | None, options: tuple[str, ...]
) -> None:
    described = describe("f", function)
    assert (described.kind, described.options) == (kind, options)


# Money


PRICE = "  key: id\n  price: {from: amount, parse: number, currency: currency}\n"


@pytest.mark.parametrize("currency", [None, "", "EUR", " eur "])
def test_an_amount_in_the_accounts_currency_goes_out(tmp_path: Path, currency: str | None) -> None:
    rule = compiled(rule_of(tmp_path, PRICE), {"price": "number"}, EUROS)
    assert mapped(rule, amount="12.50", currency=currency).fields["price"] is not None


def test_an_amount_in_another_currency_needs_a_field_that_says_so(tmp_path: Path) -> None:
    bare = compiled(rule_of(tmp_path, PRICE), {"price": "number"}, EUROS)
    said = compiled(rule_of(tmp_path, f"{PRICE}  unit: currency\n"), {"price": "number"}, EUROS)
    assert mapped(said, amount="1", currency="USD").fields["price"] == 1
    for rule, currency in ((bare, "USD"), (said, "CHF")):
        with pytest.raises(RowError) as error:
            mapped(rule, amount="1", currency=currency)
        assert error.value.code == "currency"
        assert currency not in error.value.message


def test_no_amount_has_no_currency(tmp_path: Path) -> None:
    rule = compiled(rule_of(tmp_path, PRICE), {"price": "number"}, EUROS)
    assert mapped(rule, amount=None, currency="CHF").fields["price"] is None


def test_a_fixed_currency_is_checked_before_the_first_record(tmp_path: Path) -> None:
    fields = "  key: id\n  price: {from: shop, currency: {value: USD}}\n"
    with pytest.raises(MappingError, match=r"yml:6: price is in USD, which no field of the rule"):
        compiled(rule_of(tmp_path, fields), {"price": "number"}, EUROS)
    compiled(rule_of(tmp_path, f"{fields}  unit: {{value: USD}}\n"), {"price": "number"}, EUROS)


def test_a_crm_without_currencies_takes_no_rule_that_names_one(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match=r"yml:6: price names a currency, and this CRM"):
        compiled(rule_of(tmp_path, PRICE), {"price": "number"})


# Examples


def test_examples_of_rules_may_use_every_word(tmp_path: Path) -> None:
    rule = rule_of(
        tmp_path,
        "  key: {from: [shop, id], join: '-'}\n"
        "  city: addresses.-1.city\n"
        "  tags: {from: tags, options: [b, a]}\n"
        "  price: {from: amount, parse: number, currency: currency}\n"
        "examples:\n"
        "  - record: {id: x, shop: 1, addresses: [{city: Bern}], tags: [a, b], amount: '1.0'}\n"
        "    gives: {key: 1-x, city: Bern, tags: [b, a], price: 1}\n"
        "  - record: {id: x}\n"
        "    error: no_key\n"
        "  - record: {id: x, shop: 1, amount: much}\n"
        "    error: not_parseable\n",
    )
    assert check_examples([rule], {}) == 3
