"""XML files: `<export><users><user>…`, lists as `<item>`, maps as `<entry key="…">`, null as `nil="true"`.

No DTD is taken and no entity resolved, so there is no bomb to go off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from tap_canai.decoders.reader import GapGuard, Readable
from tap_canai.errors import ExportBroken
from tap_canai.normalising import types_of

RECORD_DEPTH = 3
AGAIN = "Run again; if it stays, tell CanAI's support."


def records(
    source: Readable, record_set: str, schema: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The records of one set. Raises: ExportBroken."""
    guard = GapGuard(source)
    yield from guard.passed(elements(guard, record_set, schema))


def elements(
    source: Readable, record_set: str, schema: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """The content of each record's element. Raises: ExportBroken."""
    properties = schema.get("properties", {})
    path: list[Element] = []
    try:
        for event, element in iterparse(source, events=("start", "end"), forbid_dtd=True):
            if event == "start":
                path.append(element)
                continue
            path.pop()
            if len(path) == RECORD_DEPTH - 1:
                if path[-1].tag == record_set:
                    yield {
                        child.tag: content(child, properties.get(child.tag, {}))
                        for child in element
                    }
                path[-1].remove(element)
    except DefusedXmlException as error:
        raise ExportBroken(
            f"The XML file is not safe to read ({type(error).__name__}).", AGAIN
        ) from None
    except (ParseError, RecursionError):
        raise ExportBroken("The file is no whole XML document.", AGAIN) from None


def content(element: Element, schema: Mapping[str, Any]) -> Any:
    """What an element holds; an empty one is what the schema says is empty."""
    if element.get("nil") == "true":
        return None
    children = list(element)
    types = types_of(schema)
    if (children and children[0].tag == "entry") or (not children and "object" in types):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        inner = others if isinstance(others, Mapping) else {}
        return {
            child.get("key", ""): content(child, known.get(child.get("key", ""), inner))
            for child in children
        }
    if children or "array" in types:
        return [content(child, schema.get("items", {})) for child in children]
    return element.text or ""
