"""The beginning of a rule: each property of a stream with the field of the CRM it is named like."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from reverse_etl.errors import CrmError, FatalError
from reverse_etl.mapping.kinds import ACCEPTS, SourceKind, source_kind
from reverse_etl.mapping.load import schema
from reverse_etl.mapping.rules import FieldRule
from reverse_etl.near_names import digits, letters
from reverse_etl.objects import FieldWanted
from reverse_etl.singer.field_list import DescribedObject
from reverse_etl.singer.sample_messages import SampleMessages
from reverse_etl.values import FieldInfo

ALIKE = 0.8
"""Similarity from which on two names may mean the same, as `mail` and `email` do."""
PLAIN = re.compile(r"[A-Za-z_][\w.-]*")
"""Text that YAML takes for text without quotes."""
WORDS = ("true", "false", "null", "yes", "no", "on", "off")
"""Plain text that some readers of YAML take for something else."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A property, and what the rule says about it."""

    path: str
    field: str = ""
    """The field of the CRM; empty if none fits."""
    note: str = ""


def new_rule(described: DescribedObject, samples: SampleMessages, stream: str | None) -> str:
    """The text of a rule for a stream. Raises: FatalError."""
    if described.spec.marker_in:
        raise FatalError(
            f"{described.name} has no key field, so its rules need a marker and a link.",
            "Begin with a rule that the target ships.",
        )
    chosen = chosen_stream(samples, stream)
    properties = samples.schemas.get(chosen, {})
    keys = [key for key in samples.keys.get(chosen, ()) if key in properties]
    keys = keys or list(properties)[:1] or ["id"]
    upsert_key = described.key or key_field(described, keys)
    proposals = proposed(described, properties, {upsert_key}, keys)
    lines = [
        f"# yaml-language-server: $schema={schema()['$id']}",
        f"stream: {scalar(chosen)}",
        f"object: {scalar(described.name)}",
        f"upsert_key: {scalar(upsert_key)}",
        "fields:",
        f"  {scalar(upsert_key)}: {key_source(keys)}",
        *field_lines(proposals),
        *required_lines(described, {upsert_key, *(entry.field for entry in proposals)}),
    ]
    return "\n".join(lines) + "\n"


def chosen_stream(samples: SampleMessages, stream: str | None) -> str:
    """The stream to map. Raises: FatalError if the input does not say which."""
    known = list(samples.schemas)
    if stream is not None:
        if known and stream not in known:
            raise FatalError(f"the input has no stream {stream!r}.", f"It has {', '.join(known)}.")
        return stream
    if len(known) == 1:
        return known[0]
    what = "several streams" if known else "no SCHEMA message"
    names = f": {', '.join(known)}" if known else ""
    raise FatalError(f"the input has {what}{names}.", "Choose the stream with --stream.")


def key_field(described: DescribedObject, keys: Sequence[str]) -> str:
    """A unique field that is named like the key, else a new field. Raises: FatalError."""
    unique = [info for info in described.fields.values() if info.unique and info.writable]
    for info in unique:
        if letters(info.name) == letters("".join(keys)):
            return info.name
    base = re.sub(r"\W+", "_", "_".join(["source", *keys])).strip("_")
    for name in (base, f"{base.title()}__c"):  # some CRMs mark custom fields by this ending
        wanted = FieldWanted(name, "text", unique=True)
        try:
            described.adapter.check_creatable(described.name, [wanted])
        except CrmError:
            continue
        return name
    if unique:
        return unique[0].name
    raise FatalError(
        f"{described.name} has no unique field, and none can be created.",
        "Name the object's `key` in objects.yml.",
    )


def key_source(keys: Sequence[str]) -> str:
    """Where the key's value comes from."""
    if len(keys) == 1:
        return scalar(keys[0])
    return f'{{from: [{", ".join(scalar(key) for key in keys)}], join: "-"}}'


def proposed(
    described: DescribedObject,
    properties: Mapping[str, Any],
    used: set[str],
    keys: Sequence[str],
) -> list[Proposal]:
    """Each property but the key's; equal names come before those that are only alike."""
    left = {name: info for name, info in described.fields.items() if name not in used}
    sources = {
        path: source_kind(FieldRule("", 1, (path,)), properties, {})
        for path in properties
        if path not in keys
    }
    found: dict[str, Proposal] = {}
    for least in (1.0, ALIKE):
        for path, source in sources.items():
            if path in found or source.structured:
                continue
            info = best_field(path, source, left.values(), least)
            if info is not None:
                note = "" if least == 1.0 else "only a similar name"
                found[path] = Proposal(path, info.name, note)
                del left[info.name]
    return [
        found.get(path) or Proposal(path, note=source.structured or "no field is named like it")
        for path, source in sources.items()
    ]


def best_field(
    path: str, source: SourceKind, infos: Iterable[FieldInfo], least: float
) -> FieldInfo | None:
    """The writable field that is named most like a property, and takes its kind of value."""
    best: tuple[float, FieldInfo | None] = (0.0, None)
    for info in infos:
        fits = source.kind is None or source.kind in ACCEPTS[info.kind]
        if not fits or not info.writable or info.refers:
            continue
        score = max(likeness(path, info.name), likeness(path, info.label))
        if score >= least and score > best[0]:
            best = (score, info)
    return best[1]


def likeness(path: str, name: str) -> float:
    """How alike two names are, from 0 to 1; names with other digits are not."""
    if not letters(name) or digits(path) != digits(name):
        return 0.0
    return SequenceMatcher(None, letters(path), letters(name), autojunk=False).ratio()


def field_lines(proposals: Sequence[Proposal]) -> Iterator[str]:
    """The fields, then what is left for people to decide on."""
    for entry in proposals:
        if entry.field:
            note = f"  # {entry.note}" if entry.note else ""
            yield f"  {scalar(entry.field)}: {scalar(entry.path)}{note}"
    for entry in proposals:
        if not entry.field:
            yield f"  # {scalar(entry.path)}: {entry.note}"


def required_lines(described: DescribedObject, given: set[str]) -> Iterator[str]:
    """What every new record needs, and the stream does not have."""
    for name, info in sorted(described.fields.items()):
        if described.requires(info) and name not in given:
            yield f"  # {scalar(name)} is required: give it a path, or {{value: …}}"


def scalar(text: str) -> str:
    """Text as YAML writes it."""
    plain = PLAIN.fullmatch(text) and text.casefold() not in WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)
