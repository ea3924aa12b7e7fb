"""Values of unique fields that move between records, such as e-mail addresses: in which order.

A CRM refuses a value that another record holds. So the record that gives a value up is written
before the record that takes it. In a circle, or a long chain, the field of one record is emptied
first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reverse_etl.hashes import hash_value
from reverse_etl.mapping.compiled import CompiledRule
from reverse_etl.records import Write
from reverse_etl.values import Value

LONGEST_CHAIN = 3
"""Steps that a chain of moves takes, a call each at least; a longer chain is cut by emptying."""


@dataclass(frozen=True, slots=True)
class Need:
    """A value that a record takes from the record that holds it."""

    name: str
    holder: str
    """The key of the record that gives it up."""


Needs = Mapping[str, Sequence[Need]]
"""What records take from others of the block, by key."""


@dataclass(frozen=True, slots=True)
class Order:
    """The writes of a block in steps, of which each may take what those before it gave up."""

    steps: Sequence[Sequence[Write]]
    emptied: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Fields to be emptied before the first step, by key."""


def unique_fields(rule: CompiledRule) -> set[str]:
    """Fields of a rule, besides its key, of which no two records may hold the same value."""
    names = {name for name, mapped in rule.fields.items() if mapped.info.no_two_hold}
    return names - {rule.upsert_key}


def hashes_of(value: Value) -> set[bytes]:
    """The hashes that a value may have where it is held now: as it is, or in lower case."""
    return {hash_value(value), hash_value(value.lower() if isinstance(value, str) else value)}


def in_order(names: Collection[str], writes: Sequence[Write]) -> Order:
    """The order in which writes find the values of these fields free, if they only move."""
    needs = needs_of(names, writes)
    if not needs:
        return Order([writes])
    ranks, cut = ranked(needs)
    steps: list[list[Write]] = [[] for _ in range(max(ranks.values()) + 1)]
    for write in writes:
        steps[ranks.get(write.key, 0)].append(write)
    emptied: dict[str, set[str]] = {}
    for need in cut:
        emptied.setdefault(need.holder, set()).add(need.name)
    return Order([step for step in steps if step], emptied)


def needs_of(names: Collection[str], writes: Sequence[Write]) -> Needs:
    """What each write takes from another."""
    holders = {
        (name, write.replaces[name]): write.key
        for write in writes
        for name in names
        if name in write.replaces
    }
    needs: dict[str, list[Need]] = {}
    for write in writes if holders else ():
        for name in names & write.fields.keys():
            value = write.fields[name]
            for known in hashes_of(value) if value is not None else ():
                holder = holders.get((name, known), write.key)
                if holder != write.key:
                    needs.setdefault(write.key, []).append(Need(name, holder))
                    break
    return needs


def with_unknown_values(names: Collection[str], writes: Sequence[Write]) -> list[Write]:
    """Updates that take a value from another, while nothing says which value they give up.

    The ledger has forgotten it if a run was cut off while it emptied the field.
    """
    needs = needs_of(names, writes)
    return [
        write
        for write in writes
        if write.crm_id
        and any(need.name not in write.replaces for need in needs.get(write.key, ()))
    ]


def ranked(needs: Needs) -> tuple[dict[str, int], list[Need]]:
    """The step of each record, and the needs that are cut: in circles and in long chains."""
    ranks: dict[str, int] = {}
    cut: list[Need] = []
    opened: set[str] = set()
    """Records whose chain is being followed, until they have a step: to meet one is a circle."""
    for start in needs:
        chain = [] if start in ranks else [start]
        while chain:
            key = chain[-1]
            opened.add(key)
            further = next(unfollowed(needs.get(key, ()), ranks, opened), None)
            if further is not None:
                chain.append(further)
                continue
            chain.pop()
            step = 0
            for need in needs.get(key, ()):
                before = ranks.get(need.holder, LONGEST_CHAIN)
                if before + 1 < LONGEST_CHAIN:
                    step = max(step, before + 1)
                else:
                    cut.append(need)
            ranks[key] = step
    return ranks, cut


def unfollowed(
    needs: Sequence[Need], ranks: Mapping[str, int], opened: Collection[str]
) -> Iterator[str]:
    """Holders whose own needs are not known yet."""
    return (need.holder for need in needs if need.holder not in ranks and need.holder not in opened)


def gives_up(write: Write, name: str, value: Value) -> bool:
    """Returns True if a write takes a value out of a field."""
    return name in write.fields and hashes_of(value).isdisjoint(hashes_of(write.fields[name]))
