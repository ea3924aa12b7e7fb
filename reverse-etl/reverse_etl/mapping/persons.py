"""Which records belong to a person, as the rules say: by their own key, or by a link."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reverse_etl.mapping.computation import BAD_RECORD, key_computation
from reverse_etl.mapping.link_rules import LinkRule
from reverse_etl.mapping.rules import Rule

Canonical = Callable[[str, str], str]
"""The form in which the ledger has a key of an object."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person in one CRM: the object of their record, and their key."""

    object: str
    key: str


@dataclass(frozen=True, slots=True)
class Belongings:
    """What rules make of a person's source records."""

    rules: Sequence[Rule]
    person: Person
    canonical: Canonical
    keep: frozenset[str] = frozenset()
    """Objects whose records stay, although they are linked to the person."""

    def links(self) -> Iterator[tuple[Rule, LinkRule]]:
        """The links that may lead to the person."""
        for rule in self.rules:
            if rule.object not in self.keep:
                for link in links_to(rule, self.person.object):
                    yield rule, link

    def keyed_alike(self) -> Iterator[Rule]:
        """Rules whose records have the person's key: those of the person, and of what is linked
        to the person by the very properties that make its own key."""
        for rule in self.rules:
            if rule.object == self.person.object:
                yield rule
            elif rule.object not in self.keep:
                paths, key = key_paths(rule), rule.field_named(rule.upsert_key)
                for link in links_to(rule, self.person.object):
                    if link.paths == paths and link.join == key.join:
                        yield rule
                        break

    def holds(self, rule: Rule, records: Iterable[Mapping[str, Any]]) -> bool:
        """Returns True if one of these source records is the person's."""
        probes = [(link.paths, link.join) for link in links_to(rule, self.person.object)]
        if rule.object == self.person.object:
            probes.append((key_paths(rule), rule.field_named(rule.upsert_key).join))
        return any(
            self.is_key(read_key(paths, join, record))
            for paths, join in probes
            if paths
            for record in records
        )

    def is_key(self, key: str | None) -> bool:
        """Returns True if this is the person's key, however it is spelled."""
        return key is not None and self.canonical(self.person.object, key) == self.canonical(
            self.person.object, self.person.key
        )


def links_to(rule: Rule, object_name: str) -> list[LinkRule]:
    """A rule's links to an object by its key."""
    return [link for link in rule.links if link.to == object_name and not link.found_by]


def key_paths(rule: Rule) -> tuple[str, ...]:
    """The properties that make a rule's upsert key; empty if a function makes it."""
    key = rule.field_named(rule.upsert_key)
    return () if key.function or key.parse or key.table or key.mask else key.paths


def read_key(paths: tuple[str, ...], join: str | None, record: Mapping[str, Any]) -> str | None:
    """A key as a record holds it; None if it holds none."""
    try:
        return key_computation(paths, join)(record)
    except BAD_RECORD:
        return None
