"""Blocks of an XML file: its records are cut after an end tag.

Only files without a DTD come here: before the root there is nothing but the XML declaration, and
after its beginning no DTD is well-formed. So the parser in C reads them, which cannot refuse DTDs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any
from xml.etree.ElementTree import Element, ParseError, fromstring  # nosec B405  # no DTD

from tap_canai.decoders.blocks import Cut, NotWholeError
from tap_canai.decoders.xml import content
from tap_canai.decoders.xml_pattern import NotPlainError, XmlPattern, xml_pattern
from tap_canai.normal_form import types_of
from tap_canai.typed_form import Records, TypedForm, UnfitError

DECLARATION = rb"""(?:<\?xml version=["']1\.0["'](?: encoding=["'][Uu][Tt][Ff]-8["'])? ?\?>)?"""
SPACE = rb"[ \t\r\n]*"
EMPTY = Element("a")
MOST_CHILDREN = 10_000
"""Elements of a property. The general decoder has a limit for those of a record."""


class XmlFraming:
    """An XML file: a record is an element, inside that of the record set."""

    def __init__(self, record_set: str, schema: Mapping[str, Any]) -> None:
        name = record_set.encode()
        self.opening = b"<export><%b>" % name
        self.closing = b"</%b></export>" % name
        self._head = re.compile(
            SPACE.join((DECLARATION, b"<export>", b"<%b>" % name, rb"(?=<([A-Za-z_]\w*)[ >])"))
        )
        self._end = b""
        self._form: TypedForm | None = None
        self._pattern: XmlPattern | None = None
        self._properties = schema["properties"]

    def begin(self, head: bytes) -> int | None:
        """Where the first record is."""
        found = self._head.match(head)
        if found is None:
            return None
        self._end = b"</%b>" % found.group(1)
        return found.end()

    def cuts(self, pending: bytes) -> Iterator[Cut]:
        """Each end of a record, from the right."""
        at = len(pending)
        while (at := pending.rfind(self._end, 0, at)) >= 0:
            end = at + len(self._end)
            yield end, end

    def decode(self, block: bytes, form: TypedForm) -> Records:
        """The records of a block. Raises: UnfitError, NotWholeError."""
        if form is not self._form:
            self._form = form
            self._pattern = xml_pattern(self._end[2:-1].decode(), form.columns)
        try:
            if self._pattern:
                return form.read(*self._pattern.read(block))
        except NotPlainError:
            pass
        return self._elements(block, form)

    def _elements(self, block: bytes, form: TypedForm) -> Records:
        """The records of a block in any form. Raises: UnfitError, NotWholeError."""
        try:
            elements = fromstring(b"<a>%b</a>" % block)  # noqa: S314  # nosec B314
        except (ParseError, ValueError):
            raise NotWholeError from None
        records: list[Any] = []
        for names, group in groupby(elements, tags):
            if not form.names.issuperset(names) or len(set(names)) < len(names):
                raise UnfitError
            nested = {
                place: self._properties[name]
                for place, name in enumerate(names)
                if name in form.columns and form.columns[name].nested
            }
            rows = [cells(element, nested) for element in group]
            columns = dict(zip(names, zip(*rows, strict=True), strict=True))
            records += form.read(columns, len(rows))
        return records


def tags(element: Element) -> list[str]:
    """Names of a record's properties, in their order."""
    return [child.tag for child in element]


def cells(element: Element, nested: dict[int, Mapping[str, Any]]) -> list[Any]:
    """What a record's properties hold. Raises: UnfitError."""
    children = [*element]
    row: list[Any] = texts(children)
    for place, schema in nested.items():
        child = children[place]
        if child.get("nil") != "true":
            row[place] = nested_cell(child, schema)
        children[place] = EMPTY
    if any(map(len, children)):
        raise UnfitError
    return row


def texts(elements: Iterable[Element]) -> list[str | None]:
    """The texts of elements; null where an element says so."""
    return [each.text if each.get("nil") != "true" else None for each in elements]


def nested_cell(element: Element, schema: Mapping[str, Any]) -> Any:
    """The list or the object that a property holds. Raises: UnfitError."""
    children = [*element]
    if len(children) > MOST_CHILDREN or any(map(len, children)):
        raise UnfitError
    if children and "array" in types_of(schema) and children[0].tag != "entry":
        return texts(children)
    return content(element, schema)
