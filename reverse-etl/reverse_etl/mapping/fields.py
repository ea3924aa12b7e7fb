"""The fields of a rule, from the words of its YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reverse_etl.errors import MappingError
from reverse_etl.mapping.parsing import BadFormatError, field_parser, parse_rule
from reverse_etl.mapping.paths import as_paths
from reverse_etl.mapping.rules import CurrencyRule, FieldRule, ParseRule, WritePolicy
from reverse_etl.mapping.yaml_files import Lines
from reverse_etl.values import plain_text


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part of a rule is."""

    file: str
    lines: Lines
    path: str

    @property
    def line(self) -> int:
        """The line where it begins."""
        return self.lines.get(self.path, 1)

    def error(self, word: str, message: str, hint: str = "") -> MappingError:
        """An error in one of its words."""
        line = self.lines.get(f"{self.path}/{word}", self.line)
        return MappingError(message, file=self.file, line=line, hint=hint)


def build_field(
    name: str, source: str | Mapping[str, Any], rule: Mapping[str, Any], place: Place
) -> FieldRule:
    """A field; values at the rule's level are its defaults. Raises: MappingError."""
    words: Mapping[str, Any] = {"from": source} if isinstance(source, str) else source
    write: WritePolicy = words.get("write", rule.get("write", "always"))
    if "value" in words:
        return FieldRule(name, place.line, constant=words["value"], write=write)
    # a path may be "." only in the long form; the short form takes it as a property's name
    whole_record = words["from"] == "." and not isinstance(source, str)
    paths = () if whole_record else as_paths(words["from"])
    check_sources(name, words, paths, place)
    when_null = words.get("when_null", rule.get("when_null", "keep"))
    return FieldRule(
        name,
        place.line,
        paths=paths,
        whole_record=whole_record,
        function=words.get("as"),
        join=words.get("join"),
        parse=build_parse(name, words, place),
        table=build_table(words),
        default=words.get("default"),
        max_length=words.get("max_length"),
        write=write,
        clear_on_null=when_null == "clear",
        wait_on_null=when_null == "wait",
        mask="mask" in words,
        options=tuple(words.get("options", ())),
        currency=build_currency(words),
    )


def check_sources(
    name: str, words: Mapping[str, Any], paths: tuple[str, ...], place: Place
) -> None:
    """Raises: MappingError if it is not clear how one value is made of what `from` names."""
    if "as" in words and "join" in words:
        raise place.error(
            "join", f"{name} has both `as` and `join`.", "A function joins its sources by itself."
        )
    if "as" in words:
        return
    if not paths:
        raise place.error("from", f"{name} takes the whole record.", "Name a function with `as`.")
    if len(paths) > 1 and "join" not in words:
        raise place.error(
            "from",
            f"{name} has several sources, but no word says how they become one value.",
            "Use `join` (text in between) or `as` (a function).",
        )


def build_parse(name: str, words: Mapping[str, Any], place: Place) -> ParseRule | None:
    """How text becomes another kind; None if it stays text. Raises: MappingError."""
    if "parse" not in words:
        return None
    try:
        rule = parse_rule(words["parse"])
        field_parser(name, rule)
    except BadFormatError as error:
        raise place.error("parse", f"{name}: {error.message}", error.hint) from None
    return rule


def build_table(words: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The word `map`, its keys as text: YAML reads some as numbers or booleans."""
    table = words.get("map")
    return None if table is None else {plain_text(key): value for key, value in table.items()}


def build_currency(words: Mapping[str, Any]) -> CurrencyRule | None:
    """The currency of an amount; None if the rule names none."""
    currency = words.get("currency")
    if isinstance(currency, str):
        return CurrencyRule(path=currency)
    return None if currency is None else CurrencyRule(value=currency["value"])
