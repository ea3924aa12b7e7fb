"""A small SOQL: SELECT fields or COUNT() FROM object WHERE conditions ORDER BY field LIMIT n."""

from __future__ import annotations

import operator as operators
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

TOKEN = re.compile(
    r"\s*(?:('(?:\\.|[^'\\])*')"  # text
    r"|([A-Za-z_][\w.]*(?:\(\))?)"  # a name, a word, or COUNT()
    r"|(!=|<=|>=|=|<|>|\(|\)|,)"
    r"|(-?[\d][\w:.+-]*))"  # a number, a date or a date-time
)
WORDS = {"true": True, "false": False, "null": None}
Test = Callable[[dict[str, Any]], bool]
OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operators.eq,
    "!=": operators.ne,
    ">": operators.gt,
    "<": operators.lt,
    ">=": operators.ge,
    "<=": operators.le,
}
EQUALITY = ("=", "!=")
"""Operators that compare an empty field too."""


class MalformedQueryError(ValueError):
    """A query the parser does not accept."""


@dataclass(slots=True)
class Query:
    """A parsed query; `fields` is empty for COUNT()."""

    fields: list[str]
    sobject: str
    test: Test
    names: set[str]
    """Fields that the conditions name."""
    quoted: Mapping[str, bool]
    """Those that a literal is compared with, and whether it is in quotes."""
    exact: set[str]
    """Fields compared with case: the caller adds the case-sensitive ones before it tests rows."""
    limit: int | None = None
    order_by: str | None = None


def tokens(text: str) -> list[str]:
    """The words of a query.

    Raises: MalformedQueryError.
    """
    words, place = [], 0
    text = text.strip()
    while place < len(text):
        match = TOKEN.match(text, place)
        if not match:
            raise MalformedQueryError(f"unexpected token: {text[place : place + 20]}")
        words.append(match.group().strip())
        place = match.end()
    return words


def literal(token: str) -> Any:
    """The value of a literal."""
    if token.startswith("'"):
        return re.sub(r"\\(.)", r"\1", token[1:-1])
    if token.lower() in WORDS:
        return WORDS[token.lower()]
    try:
        return float(token)
    except ValueError:
        return token


def folded(value: Any) -> Any:
    """Text in lower case, since it compares without case; other values as they are."""
    return value.lower() if isinstance(value, str) else value


def like(name: str, pattern: str) -> Test:
    """The test of a field against a pattern with `%` and `_`."""
    text = re.escape(pattern).replace("%", ".*").replace("_", ".")
    compiled = re.compile(f"^{text}$", re.IGNORECASE)
    return lambda row: bool(compiled.match(str(row.get(name) or "")))


def always(row: dict[str, Any]) -> bool:
    """The test of a query without conditions."""
    return True


class Parser:
    """Recursive descent over the tokens. Every method raises MalformedQueryError."""

    def __init__(self, text: str) -> None:
        self.words, self.place, self.names = tokens(text), 0, set[str]()
        self.quoted: dict[str, bool] = {}
        self.exact: set[str] = set()

    def peek(self) -> str:
        """The next word in upper case, empty at the end."""
        return self.words[self.place].upper() if self.place < len(self.words) else ""

    def take(self, expected: str | None = None) -> str:
        """Consume a word."""
        if self.place >= len(self.words) or (expected and self.peek() != expected):
            wanted, present = expected or "more", self.peek() or "the end"
            raise MalformedQueryError(f"expecting {wanted}, found {present}")
        self.place += 1
        return self.words[self.place - 1]

    def skip(self, *words: str) -> bool:
        """Consume the next word if it is one of these; returns True if it was."""
        if self.peek() not in words:
            return False
        self.take()
        return True

    def query(self) -> Query:
        """The whole query."""
        self.take("SELECT")
        fields = [self.take()]
        while self.skip(","):
            fields.append(self.take())
        self.take("FROM")
        sobject = self.take()
        test = self.either() if self.skip("WHERE") else always

        counts = fields[0].upper() == "COUNT()"
        query = Query([] if counts else fields, sobject, test, self.names, self.quoted, self.exact)
        if self.skip("ORDER"):
            self.take("BY")
            query.order_by = self.take()
            self.skip("ASC", "DESC")
        if self.skip("LIMIT"):
            query.limit = int(self.take())

        if self.place < len(self.words):
            raise MalformedQueryError(f"unexpected token: {self.words[self.place]}")
        return query

    def either(self) -> Test:
        """Conditions joined by OR."""
        parts = [self.both()]
        while self.skip("OR"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def both(self) -> Test:
        """Conditions joined by AND."""
        parts = [self.condition()]
        while self.skip("AND"):
            parts.append(self.condition())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def condition(self) -> Test:
        """One comparison, a negation, or a group in parentheses."""
        if self.skip("("):
            inner = self.either()
            self.take(")")
            return inner
        if self.skip("NOT"):
            negated = self.condition()
            return lambda row: not negated(row)

        name = self.take()
        self.names.add(name)
        operator = self.take().upper()
        if operator in ("IN", "NOT"):
            return self.membership(name, wanted=operator == "IN")
        value = self.value(name)
        if operator == "LIKE":
            return like(name, str(value))
        return self.comparison(name, operator, value)

    def membership(self, name: str, *, wanted: bool) -> Test:
        """The list of an IN, or of a NOT IN after its first word."""
        if not wanted:
            self.take("IN")
        self.take("(")
        values = {self.value(name)}
        while self.skip(","):
            values.add(self.value(name))
        self.take(")")
        without_case = {folded(value) for value in values}

        def test(row: dict[str, Any]) -> bool:
            known = values if name in self.exact else without_case
            return (self.compared(name, row.get(name)) in known) == wanted

        return test

    def comparison(self, name: str, operator: str, value: Any) -> Test:
        """The test of a field against a value."""
        if operator not in OPERATORS:
            raise MalformedQueryError(f"unexpected operator: {operator}")
        holds = OPERATORS[operator]

        def test(row: dict[str, Any]) -> bool:
            held = row.get(name)
            if held is None and operator not in EQUALITY:
                return False
            return bool(holds(self.compared(name, held), self.compared(name, value)))

        return test

    def compared(self, name: str, value: Any) -> Any:
        """A value as a field compares it: text without case, unless the field is case-sensitive.

        Source: Salesforce, SOQL and SOSL Reference, Comparison Operators, read 2026-11-29.
        """
        return value if name in self.exact else folded(value)

    def value(self, name: str) -> Any:
        """A literal that a field is compared with."""
        token = self.take()
        if token.lower() != "null":
            self.quoted[name] = self.quoted.get(name, False) or token.startswith("'")
        return literal(token)


def parse(text: str) -> Query:
    """A parsed query.

    Raises: MalformedQueryError.
    """
    return Parser(text).query()
