"""Fields that two processes created at the same time: Pipedrive lets fields share a name.

A lease in the ledger keeps two runs of one ledger apart. Runs with ledgers of their own are not, so
each process that has created a field lists the fields again. The oldest field of a name stays.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reverse_etl.crm.http import SETUP
from reverse_etl.errors import CrmError

from target_pipedrive.api import PipedriveApi
from target_pipedrive.errors import message_of

logger = logging.getLogger(__name__)

GONE = 404
"""The status of a deletion that is repeated, since its response was lost."""
PAUSES_S = (0.5, 1.0, 2.0, 4.0)
"""Waits for another process to remove its copy, before each further look."""


@dataclass(frozen=True, slots=True)
class FieldCopies:
    """Removes fields of this process whose names another process has used before."""

    api: PipedriveApi

    def remove(self, list_name: str, codes: Mapping[str, str]) -> None:
        """Leave one field of each name. `codes`: of the fields that were created, by name.

        Later copies are removed by the process that created them; this one waits for that, as long
        as `PAUSES_S` says. Raises: CrmError.
        """
        for pause_s in (*PAUSES_S, None):
            copies = self._copies(list_name, codes)
            if not copies:
                return
            for name, same in copies.items():
                if codes[name] in same[1:]:
                    self._delete(list_name, name, codes[name])
            if pause_s is not None:
                self.api.http.sleep(pause_s)

    def _copies(self, list_name: str, codes: Mapping[str, str]) -> dict[str, Sequence[str]]:
        """The codes of fields that share a name, oldest first, by name.

        Lists of fields are in the order of ids: their cursors say so.
        Source: the example of `next_cursor` in Pipedrive openapi-v2 (2026-08), GET /personFields.
        """
        same: dict[str, list[str]] = {name: [] for name in codes}
        for item in self.api.pages(f"/api/v2/{list_name}"):
            if item.get("is_custom_field") and item["field_name"] in same:
                same[item["field_name"]].append(str(item["field_code"]))
        return {name: found for name, found in same.items() if len(found) > 1}

    def _delete(self, list_name: str, name: str, code: str) -> None:
        """Delete a field that was just created. Raises: CrmError."""
        answer = self.api.http.call("DELETE", f"/api/v2/{list_name}/{code}", SETUP)
        if not answer.ok and answer.status != GONE:
            raise CrmError(
                f"Pipedrive has two fields named {name!r}, since another process created one at "
                f"the same time, and did not delete ours ({answer.status}): "
                f"{message_of(answer.body)}",
                f"Delete the later one ({code}) in Pipedrive.",
            )
        logger.info("another process created %s first: our copy of it is deleted", name)
