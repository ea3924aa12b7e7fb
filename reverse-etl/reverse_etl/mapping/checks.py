"""The second ring of checks: do the rules make sense, each by itself and all of them together?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from reverse_etl.mapping.rules import Rule, nearest, suggestion


def check_rules(rules: Sequence[Rule], linkable: Mapping[str, Iterable[str]]) -> list[Rule]:
    """The rules, parents first, each link with the key field of its other end.

    `linkable` gives, by object, the objects it can be linked to.

    Raises: MappingError.
    """
    key_fields = upsert_keys(rules)
    for rule in rules:
        check_object(rule, linkable)
        check_fields(rule)
        check_links(rule, key_fields, linkable[rule.object])
    return parents_first([with_key_fields(rule, key_fields) for rule in rules])


def upsert_keys(rules: Sequence[Rule]) -> dict[str, str]:
    """The upsert key of every mapped object. Raises: MappingError if rules disagree on it."""
    keys: dict[str, str] = {}
    for rule in rules:
        key = keys.setdefault(rule.object, rule.upsert_key)
        if rule.upsert_key != key:
            raise rule.error(
                f"another rule of {rule.object} has the upsert_key {key!r}.",
                "upsert_key",
                "All rules of an object need the same upsert_key: the ledger knows records by it.",
            )
    return keys


def check_object(rule: Rule, objects: Iterable[str]) -> None:
    """Raises: MappingError if the CRM's target has no such object."""
    known = list(objects)
    if rule.object not in known:
        raise rule.error(
            f"unknown object {rule.object!r}.", "object", suggestion(rule.object, known)
        )


def check_fields(rule: Rule) -> None:
    """Raises: MappingError if a key is not among the fields, or a field waits that must not."""
    names = rule.field_names
    if rule.upsert_key not in names:
        raise rule.error(
            f"the upsert_key {rule.upsert_key!r} is not among the fields.",
            "upsert_key",
            nearest(rule.upsert_key, names),
        )
    for field in rule.fields:
        if field.wait_on_null and field.name != rule.upsert_key:
            raise rule.error(
                "only the upsert_key can wait.",
                f"fields/{field.name}/when_null",
                "Use `keep` or `clear` for other fields.",
            )
    for name in rule.match_by:
        if name not in names:
            raise rule.error(
                f"match_by names {name!r}, which is not among the fields.",
                "match_by",
                nearest(name, names),
            )


def check_links(rule: Rule, mapped: Iterable[str], linkable: Iterable[str]) -> None:
    """Raises: MappingError if a link's other end is not mapped, or cannot be linked to."""
    known = list(mapped)
    for link in rule.links:
        if link.to not in known:
            hint = nearest(link.to, known) or "Add a rule for it."
            raise rule.error(f"links to {link.to!r}, which no rule maps.", link.line, hint)
        if link.to not in linkable:
            raise rule.error(f"{rule.object} cannot be linked to {link.to}.", link.line)


def with_key_fields(rule: Rule, key_fields: Mapping[str, str]) -> Rule:
    """The rule, each of its links with the upsert key of the object it links to."""
    links = (replace(link, key_field=key_fields[link.to]) for link in rule.links)
    return replace(rule, links=tuple(links))


def parents_first(rules: Sequence[Rule]) -> list[Rule]:
    """The rules, ordered so that each comes after those of the objects it links to.

    Raises: MappingError if the links form a circle.
    """
    ordered: list[Rule] = []
    remaining = list(rules)
    while remaining:
        waiting = {rule.object for rule in remaining}
        ready = [rule for rule in remaining if not parents(rule) & waiting]
        if not ready:
            rule = remaining[0]
            raise rule.error(
                "the links form a circle.", rule.links[0].line, "Remove one of the links."
            )
        ordered += ready
        remaining = [rule for rule in remaining if rule not in ready]
    return ordered


def parents(rule: Rule) -> set[str]:
    """The other objects that a rule links to; a link to the same object has no order."""
    return {link.to for link in rule.links} - {rule.object}
