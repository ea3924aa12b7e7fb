"""XML files: `<export><users><user>…`, lists as `<item>`, maps as `<entry key="…">`.

Null is `nil="true"`. A DTD is refused and no entity is resolved, so no file can expand in memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element, ParseError  # nosec B405  # defusedxml parses

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from tap_canai.decoders.depth import DEEPEST, too_deep
from tap_canai.decoders.reader import LONGEST_NAME, GapGuard, Readable
from tap_canai.errors import CONTACT_SUPPORT, TRY_AGAIN, ExportBrokenError
from tap_canai.normal_form import types_of

RECORD_DEPTH = 3
MOST_ELEMENTS = 50_000
"""Elements of a record. Each takes some 100 times its bytes in memory."""


def records(
    source: Readable, record_set: str, schema: Mapping[str, Any]
) -> Generator[dict[str, Any], None, None]:
    """The records of one set. Raises: ExportBrokenError."""
    guard = GapGuard(source)
    properties = schema.get("properties", {})
    try:
        yield from guard.passed(
            record(element, properties) for element in record_elements(guard, record_set)
        )
    except DefusedXmlException as error:
        raise ExportBrokenError(
            f"The XML file is not safe to read ({type(error).__name__}).", TRY_AGAIN
        ) from None
    except (ParseError, ValueError, LookupError):  # a ValueError or LookupError is an encoding's
        raise ExportBrokenError("The file is not a complete XML document.", TRY_AGAIN) from None


def record(element: Element, properties: Mapping[str, Any]) -> dict[str, Any]:
    """What a record's element holds. Raises: ExportBrokenError."""
    found = {child.tag: content(child, properties.get(child.tag, {})) for child in element}
    if len(found) < len(element):
        names = [child.tag for child in element]
        twice = next(name for name in found if names.count(name) > 1)
        raise ExportBrokenError(
            f"A record of the XML file has {twice[:LONGEST_NAME]} twice.", TRY_AGAIN
        )
    return found


def record_elements(source: Readable, record_set: str) -> Iterator[Element]:
    """Each record's element; it is dropped from memory once the next one is asked for.

    Raises: ParseError, DefusedXmlException.
    """
    path: list[Element] = []
    elements = 0
    for event, element in iterparse(source, events=("start", "end"), forbid_dtd=True):
        if event == "start":
            path.append(element)
            elements += 1
            if len(path) > DEEPEST:
                raise too_deep("XML")
            if elements > MOST_ELEMENTS:
                raise ExportBrokenError(
                    f"A record of the XML file has more than {MOST_ELEMENTS} elements.",
                    CONTACT_SUPPORT,
                )
            continue
        path.pop()
        if len(path) == RECORD_DEPTH - 1:
            if path[-1].tag == record_set:
                yield element
            path[-1].remove(element)
            elements = 0


def content(element: Element, schema: Mapping[str, Any]) -> Any:
    """What an element holds; an empty one is what the schema says is empty."""
    if element.get("nil") == "true":
        return None
    children = list(element)
    types = types_of(schema)
    if (children and children[0].tag == "entry") or (not children and "object" in types):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        rest = others if isinstance(others, Mapping) else {}
        keys = [child.get("key", "") for child in children]
        return {
            key: content(child, known.get(key, rest))
            for key, child in zip(keys, children, strict=True)
        }
    if children or "array" in types:
        return [content(child, schema.get("items", {})) for child in children]
    return element.text or ""
