"""XML records in the plain form that programs write, read by a regular expression.

The expression describes a part of XML: elements without spaces between them, in the schema's
order, each of which may be missing. What it matches to the end is well-formed, and reads three
times as fast as a tree of elements.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tap_canai.columns import Column, NestedColumn, TextsColumn

TEXT = r"[^<\r\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]*"
NIL = ' nil="true"/>'
ITEM, ITEM_END = "<item>", "</item>"
ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
CDATA_END = "]]>"
"""XML forbids it in a text."""


class NotPlainError(Exception):
    """Records in another form."""


class XmlPattern:
    """Reads records of these columns, whose elements have this name."""

    def __init__(self, tag: str, columns: Mapping[str, Column]) -> None:
        fields = (element(name, kind) for name, kind in columns.items())
        self._pattern = re.compile(f"<{tag}>{''.join(fields)}</{tag}>")
        self._columns = columns

    def read(self, block: bytes) -> tuple[dict[str, Sequence[Any]], int]:
        """The cells of each property, and the number of records. Raises: NotPlainError."""
        try:
            text = block.decode()
        except UnicodeDecodeError:
            raise NotPlainError from None
        if CDATA_END in text:
            raise NotPlainError
        rows = self._rows(text)
        cells: dict[str, Sequence[Any]] = dict(
            zip(self._columns, zip(*rows, strict=True), strict=True)
        )
        if "&" in text:
            cells = {name: [*map(unescaped, texts)] for name, texts in cells.items()}
        for name, kind in self._columns.items():
            if kind.nested:
                cells[name] = [*map(items, cells[name])]
        return cells, len(rows)

    def _rows(self, text: str) -> list[tuple[str | None, ...]]:
        """What each record's elements hold. Raises: NotPlainError."""
        rows, at, match = [], 0, self._pattern.match
        while at < len(text):
            found = match(text, at)
            if found is None:
                raise NotPlainError
            rows.append(found.groups())
            at = found.end()
        return rows


def xml_pattern(tag: str, columns: Mapping[str, Column]) -> XmlPattern | None:
    """The pattern for these columns; None if there is an object among them."""
    nested = (kind for kind in columns.values() if isinstance(kind, NestedColumn))
    return XmlPattern(tag, columns) if all(type(kind) is TextsColumn for kind in nested) else None


def element(name: str, kind: Column) -> str:
    """The expression for a property's element, which may be missing."""
    text = f"(?:{ITEM}{TEXT}{ITEM_END})*" if kind.nested else TEXT
    return f"(?:<{name}(?:{NIL}|>({text})</{name}>))?"


def items(text: str | None) -> list[str] | None:
    """The texts of a list's elements."""
    if not text:
        return None if text is None else []
    return text[len(ITEM) : -len(ITEM_END)].split(ITEM_END + ITEM)


def unescaped(text: str | None) -> str | None:
    """A text without entities. Raises: NotPlainError for one that has no name."""
    if text is None or "&" not in text:
        return text
    if ITEM in text:  # its items are not separated yet
        raise NotPlainError
    first, *others = text.split("&")
    parts = [first]
    for other in others:
        name, end, rest = other.partition(";")
        if not end or name not in ENTITIES:
            raise NotPlainError
        parts += [ENTITIES[name], rest]
    return "".join(parts)
