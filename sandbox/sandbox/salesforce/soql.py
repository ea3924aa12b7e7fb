"""A small SOQL: SELECT fields or COUNT() FROM object WHERE conditions ORDER BY field LIMIT n."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TOKEN = re.compile(
    r"\s*(?:('(?:\\.|[^'\\])*')|([A-Za-z_][\w.]*(?:\(\))?)|(!=|<=|>=|=|<|>|\(|\)|,)|(-?[\d][\w:.+-]*))"
)
Test = Callable[[dict[str, Any]], bool]


class MalformedQuery(ValueError):
    """A query the parser does not take."""


@dataclass(slots=True)
class Query:
    """A parsed query; `fields` is empty for COUNT()."""

    fields: list[str]
    sobject: str
    test: Test
    names: set[str]
    limit: int | None = None
    order_by: str | None = None


def tokens(text: str) -> list[str]:
    """The words of a query. Raises: MalformedQuery."""
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if not match:
            raise MalformedQuery(f"unexpected token: {text[at : at + 20]}")
        found.append(match.group().strip())
        at = match.end()
    return found


def literal(token: str) -> Any:
    """The value of a literal."""
    if token.startswith("'"):
        return re.sub(r"\\(.)", r"\1", token[1:-1])
    words = {"true": True, "false": False, "null": None}
    if token.lower() in words:
        return words[token.lower()]
    try:
        return float(token)
    except ValueError:
        return token


def folded(value: Any) -> Any:
    """Text compares without case."""
    return value.lower() if isinstance(value, str) else value


class Parser:
    """Recursive descent over the tokens."""

    def __init__(self, text: str) -> None:
        self.words, self.at, self.names = tokens(text), 0, set[str]()

    def peek(self) -> str:
        """The next word, upper case; empty at the end."""
        return self.words[self.at].upper() if self.at < len(self.words) else ""

    def take(self, expected: str | None = None) -> str:
        """Consume a word. Raises: MalformedQuery."""
        if self.at >= len(self.words) or (expected and self.peek() != expected):
            raise MalformedQuery(
                f"expecting {expected or 'more'}, found {self.peek() or 'the end'}"
            )
        self.at += 1
        return self.words[self.at - 1]

    def query(self) -> Query:
        """The whole query."""
        self.take("SELECT")
        fields = [self.take()]
        while self.peek() == ",":
            self.take()
            fields.append(self.take())
        self.take("FROM")
        sobject = self.take()
        test: Test = lambda row: True  # noqa: E731
        if self.peek() == "WHERE":
            self.take()
            test = self.either()
        parsed = Query([] if fields[0].upper() == "COUNT()" else fields, sobject, test, self.names)
        if self.peek() == "ORDER":
            self.take()
            self.take("BY")
            parsed.order_by = self.take()
            if self.peek() in ("ASC", "DESC"):
                self.take()
        if self.peek() == "LIMIT":
            self.take()
            parsed.limit = int(self.take())
        if self.at < len(self.words):
            raise MalformedQuery(f"unexpected token: {self.words[self.at]}")
        return parsed

    def either(self) -> Test:
        """Conditions joined by OR."""
        parts = [self.both()]
        while self.peek() == "OR":
            self.take()
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def both(self) -> Test:
        """Conditions joined by AND."""
        parts = [self.condition()]
        while self.peek() == "AND":
            self.take()
            parts.append(self.condition())
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def condition(self) -> Test:
        """One comparison, or a group in parentheses."""
        if self.peek() == "(":
            self.take()
            inner = self.either()
            self.take(")")
            return inner
        if self.peek() == "NOT":
            self.take()
            negated = self.condition()
            return lambda row: not negated(row)
        name = self.take()
        self.names.add(name)
        operator = self.take().upper()
        if operator in ("IN", "NOT"):
            if operator == "NOT":
                self.take("IN")
            self.take("(")
            values = {folded(literal(self.take()))}
            while self.peek() == ",":
                self.take()
                values.add(folded(literal(self.take())))
            self.take(")")
            return lambda row: (folded(row.get(name)) in values) == (operator == "IN")
        value = folded(literal(self.take()))
        if operator == "LIKE":
            pattern = re.compile(
                "^" + re.escape(str(value)).replace("%", ".*").replace("_", ".") + "$",
                re.IGNORECASE,
            )
            return lambda row: bool(pattern.match(str(row.get(name) or "")))
        tests: dict[str, Test] = {
            "=": lambda row: folded(row.get(name)) == value,
            "!=": lambda row: folded(row.get(name)) != value,
            ">": lambda row: row.get(name) is not None and folded(row[name]) > value,
            "<": lambda row: row.get(name) is not None and folded(row[name]) < value,
            ">=": lambda row: row.get(name) is not None and folded(row[name]) >= value,
            "<=": lambda row: row.get(name) is not None and folded(row[name]) <= value,
        }
        if operator not in tests:
            raise MalformedQuery(f"unexpected operator: {operator}")
        return tests[operator]


def parse(text: str) -> Query:
    """A parsed query. Raises: MalformedQuery."""
    return Parser(text).query()
