"""The other ends of links: CRM ids by key, from the ledger, or where no rule writes them the CRM.

Invariant: the CRM is asked for a key at most twice in a run, the second time at its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reverse_etl.crm.adapter import Adapter, Hit, Lookup
from reverse_etl.errors import GONE_HINT, RowError
from reverse_etl.ledger import Ledger
from reverse_etl.objects import LinkForm
from reverse_etl.pipeline.outcomes import Outcomes
from reverse_etl.records import WantedLink

Ids = Mapping[tuple[str, str], str]
"""CRM ids by the link's name and the other record's key."""


@dataclass(slots=True)
class Parents:
    """Finds the records that links lead to."""

    adapter: Adapter
    ledger: Ledger
    outcomes: Outcomes
    _found: dict[tuple[str, str, str], tuple[str, ...]] = field(default_factory=dict)
    """By object, field and value: the ids of the records that the CRM found; empty for none."""

    def of(self, object_name: str, links: Iterable[WantedLink]) -> Ids:
        """The CRM ids of the other ends of an object's links, as far as they exist.

        One that the CRM has several times is left out. Raises: CrmError.
        """
        wanted: dict[LinkForm, dict[str, None]] = {}
        for link in links:
            wanted.setdefault(link.form, {})[link.to_key] = None
        ids: dict[tuple[str, str], str] = {}
        for form, keys in wanted.items():
            for key, crm_id in self._ids(object_name, form, keys).items():
                ids[(form.name, key)] = crm_id
        return ids

    def _ids(self, object_name: str, form: LinkForm, keys: Iterable[str]) -> Mapping[str, str]:
        if not form.found_by:
            return self.ledger.crm_ids(form.to, keys)
        self._look_up(object_name, form, keys)
        found = {key: self._found[(form.to, form.found_by, key)] for key in keys}
        return {key: crm_ids[0] for key, crm_ids in found.items() if len(crm_ids) == 1}

    def _look_up(self, object_name: str, form: LinkForm, keys: Iterable[str]) -> None:
        """Ask the CRM for keys that this run has not asked for yet. Raises: CrmError."""
        unknown = [key for key in keys if (form.to, form.found_by, key) not in self._found]
        if not unknown:
            return
        hits: Mapping[str, list[Hit]] = self.adapter.find(
            form.to, form.found_by, [Lookup(key, {}) for key in unknown], [form.found_by]
        )
        self.outcomes.of(object_name).worked("looked_up_links", len(unknown))
        for key in unknown:
            crm_ids = tuple(dict.fromkeys(hit.crm_id for hit in hits.get(key, ())))
            self._found[(form.to, form.found_by, key)] = crm_ids

    def fault(self, link: WantedLink) -> RowError | None:
        """Why a link can never be made as it is; None if its other end may still come."""
        form = link.form
        if not form.found_by and self.ledger.whereabouts.is_gone(form.to, link.to_key):
            return RowError(
                "link_end_gone",
                f"the {form.to} that it links to was deleted or merged in the CRM",
                GONE_HINT,
            )
        if len(self._found.get((form.to, form.found_by, link.to_key), ())) < 2:
            return None
        return RowError(
            "ambiguous_link",
            f"more than one record of {form.to} has the {form.found_by} that it links to",
            "merge them in the CRM, or link by a field whose values differ",
        )

    def forget_missing(self) -> None:
        """Ask again for what was not found: it may have come in the meantime."""
        self._found = {key: crm_ids for key, crm_ids in self._found.items() if crm_ids}
