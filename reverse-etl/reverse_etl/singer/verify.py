"""`ledger verify`: keys that are on more than one record of the CRM.

Two ledgers on one account do not know of each other's creates. A CRM that keeps no key unique
then has a record twice, and no run can tell: each ledger knows one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reverse_etl.crm.adapter import Adapter, ListAdapter
from reverse_etl.errors import CrmError, NoSuchObjectError
from reverse_etl.mapping.rules import Rule
from reverse_etl.singer.target import CrmTarget


@dataclass(frozen=True, slots=True)
class Repeated:
    """A key, and the records that have it."""

    object: str
    key: str
    crm_ids: tuple[str, ...]

    def __str__(self) -> str:
        ids = ", ".join(self.crm_ids)
        return f"{self.object}  {self.key}: {len(self.crm_ids)} records: {ids}"

    def report(self) -> dict[str, Any]:
        """The key as a JSON object."""
        return asdict(self)


def repeated_keys(target: CrmTarget) -> list[Repeated]:
    """Every key of a mapped object that is on more than one record. Raises: FatalError."""
    adapter = target.open_adapter()
    listing = adapter.listing
    if listing is None:
        raise CrmError(f"{target.name} cannot list records.", "Look for duplicates in the CRM.")
    return [
        repeated
        for object_name, key_field in keyed_objects(target.rules)
        for repeated in repeated_in(adapter, listing, object_name, key_field)
    ]


def keyed_objects(rules: Iterable[Rule]) -> Sequence[tuple[str, str]]:
    """The objects that rules map onto, and the fields of their keys."""
    return sorted({(rule.object, rule.upsert_key) for rule in rules})


def repeated_in(
    adapter: Adapter, listing: ListAdapter, object_name: str, key_field: str
) -> Iterator[Repeated]:
    """The repeated keys of one object; none if the account does not have it, or the field."""
    try:
        info = adapter.describe(object_name).get(key_field)
    except NoSuchObjectError:
        return
    if info is None:
        return
    ids: dict[str, tuple[str, ...]] = {}
    for key, crm_id in listing.keys(object_name, key_field):
        known = key.casefold() if info.folds_case else key
        ids[known] = (*ids.get(known, ()), crm_id)
    for key, crm_ids in ids.items():
        distinct = tuple(dict.fromkeys(crm_ids))  # pages overlap where records are added meanwhile
        if len(distinct) > 1:
            yield Repeated(object_name, key, distinct)
