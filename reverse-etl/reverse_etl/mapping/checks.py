"""The second ring of checks: do the rules make sense, each by itself and all of them together?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from singer_kit.words import nearest, suggestion

from reverse_etl.mapping.content import content_hash
from reverse_etl.mapping.link_rules import LinkRule
from reverse_etl.mapping.rules import Rule

LONGEST_LINK_NAME = 80
"""Characters of a link's name in the ledger."""


def check_rules(
    rules: Sequence[Rule],
    objects: Iterable[str] | None = None,
    known_objects: Callable[[], Iterable[str]] = tuple,
) -> list[Rule]:
    """The rules, parents first, each link with the key field of its other end.

    `objects` are the only ones that can be mapped; None if the CRM says later what it has.
    `known_objects` is called if a name is wrong, to suggest the one that was meant.

    Raises: MappingError.
    """
    check_distinct(rules)
    key_fields = upsert_keys(rules)
    for rule in rules:
        if objects is not None:
            check_object(rule, objects)
        check_fields(rule)
        check_links(rule, rules, known_objects)
    return parents_first([with_key_fields(rule, key_fields) for rule in rules])


def with_settings(rule: Rule, settings: Mapping[str, str]) -> Rule:
    """The rule with the links whose key is the value of a setting, as far as they are set.

    Raises: MappingError for a setting that the target does not have.
    """
    for link in rule.links:
        if link.setting and link.setting not in settings:
            hint = suggestion(link.setting, sorted(settings))
            raise rule.error(f"unknown setting {link.setting!r}.", link.line, hint)
    links = (
        replace(link, fixed=settings[link.setting]) if link.setting else link for link in rule.links
    )
    return replace(rule, links=tuple(link for link in links if link.fixed or link.paths))


def check_distinct(rules: Sequence[Rule]) -> None:
    """Raises: MappingError if two rules say the same: every record would be planned twice."""
    known: dict[str, Rule] = {}
    for rule in rules:
        twin = known.setdefault(content_hash(replace(rule, name="")), rule)
        if twin is not rule:
            raise rule.error(
                f"says the same as {twin.file}.",
                "stream",
                "Remove one of the two, or name its folder once in `mapping`.",
            )


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


def check_links(
    rule: Rule, rules: Sequence[Rule], known_objects: Callable[[], Iterable[str]] = tuple
) -> None:
    """Raises: MappingError if a link's other end cannot be found, or two links are the same."""
    mapped = {other.object for other in rules}
    names: set[str] = set()
    for link in rule.links:
        if link.to not in mapped and not link.by:
            existing = {*known_objects()}
            check_spelling(link.to, rules, existing)
            raise rule.error(
                f"links to {link.to!r}, which no rule maps.",
                link.line,
                unmapped_hint(link.to, mapped | existing),
            )
        if len(link.paths) > 1 and link.join is None:
            raise rule.error(
                "a key of several properties needs `join`.", link.line, 'For example `join: "-"`.'
            )
        if len(link.paths) < 2 and link.join is not None:
            raise rule.error(
                "`join` has no effect on a key of one property.", link.line, "Leave `join` out."
            )
        if link.name in names:
            raise rule.error(
                f"links to {link.to!r} twice.",
                link.line,
                "Give each link its `field`, or its `label`.",
            )
        if len(link.name) > LONGEST_LINK_NAME:
            raise rule.error(
                f"the link's name has more than {LONGEST_LINK_NAME} characters.",
                link.line,
                "Use a shorter label.",
            )
        names.add(link.name)


def check_spelling(to: str, rules: Sequence[Rule], existing: Collection[str]) -> None:
    """Raises: MappingError if a rule that was to map an existing object spells it wrongly."""
    if to not in existing:
        return
    for rule in rules:
        if rule.object not in existing and nearest(rule.object, [to]):
            message = f"unknown object {rule.object!r}."
            raise rule.error(message, "object", nearest(rule.object, [to]))


def unmapped_hint(to: str, objects: Collection[str]) -> str:
    """What to do about a link to an object that no rule maps; `objects`: those that exist."""
    meant = "" if to in objects else nearest(to, sorted(objects))
    return meant or "Add a rule for it, or name the field by which the CRM finds it (`by`)."


def with_key_fields(rule: Rule, key_fields: Mapping[str, str]) -> Rule:
    """The rule, each of its links with the upsert key of the object it links to."""
    links = (replace(link, key_field=key_fields.get(link.to, "")) for link in rule.links)
    return replace(rule, links=tuple(with_wait(link) for link in links))


def with_wait(link: LinkRule) -> LinkRule:
    """The link with what waits: nobody may ever bring a record that no rule of ours writes."""
    return replace(link, wait=link.wait or ("link" if link.found_by else "record"))


def parents_first(rules: Sequence[Rule]) -> list[Rule]:
    """The rules, ordered so that each comes after those of the objects it links to.

    Where links form a circle, a rule goes first whose links can wait for the others.
    """
    ordered: list[Rule] = []
    remaining = list(rules)
    while remaining:
        waiting = {rule.object for rule in remaining}
        ready = [rule for rule in remaining if not parents(rule) & waiting]
        if not ready:
            # Records that wait for each other as a whole would wait for ever.
            first = min(remaining, key=lambda rule: len(parents(rule) & waiting))
            remaining.remove(first)
            ordered.append(with_waiting_links(first, waiting))
            continue
        ordered += ready
        remaining = [rule for rule in remaining if rule not in ready]
    return [with_waiting_links(rule, {rule.object}) for rule in ordered]


def with_waiting_links(rule: Rule, objects: Iterable[str]) -> Rule:
    """The rule, with links to these objects that wait by themselves."""
    waiting = set(objects)
    links = (replace(link, wait="link") if link.to in waiting else link for link in rule.links)
    return replace(rule, links=tuple(links))


def parents(rule: Rule) -> set[str]:
    """The other objects whose records a rule's records need; a link to the same has no order."""
    return {link.to for link in rule.links if not link.found_by} - {rule.object}
