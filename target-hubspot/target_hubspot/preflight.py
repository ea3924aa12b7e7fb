"""What a portal says before a run: its kind, its daily limit, and scopes that are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reverse_etl.crm.http import SETUP
from reverse_etl.crm.preflight import AccountState, PreflightAdapter, Problem
from reverse_etl.errors import CrmError

from target_hubspot.api import ACCOUNT, HubSpotApi
from target_hubspot.errors import body_of, check

DAILY_LEFT = "X-HubSpot-RateLimit-Daily-Remaining"
NO_RECORD = "0"
"""An id that no record has: reading it needs the same scope as any other."""


@dataclass(frozen=True, slots=True)
class Preflight(PreflightAdapter):
    """Reads one portal."""

    api: HubSpotApi

    def state(self) -> AccountState:
        """The portal's domain and type, such as STANDARD, SANDBOX or DEVELOPER_TEST.

        Source: HubSpot, Account information guide, read 2026-11-30. Raises: CrmError.
        """
        answer = check(self.api.http.call("GET", ACCOUNT, SETUP))
        body = body_of(answer)
        left = str(answer.headers.get(DAILY_LEFT, ""))
        kind = str(body.get("accountType", "")).lower().replace("_", " ")
        name = str(body.get("portalName") or body.get("uiDomain", ""))
        return AccountState(name, kind, int(left) if left.isdigit() else None)

    def problems(
        self, objects: Sequence[str], missing: Mapping[str, Sequence[str]]
    ) -> Iterator[Problem]:
        """Scopes for reading; those for writing show at the first write only."""
        for name in objects:
            body = {"properties": [], "inputs": [{"id": NO_RECORD}]}
            try:
                self.api.post(self.api.paths.objects(name, "batch/read"), SETUP, body)
            except CrmError as error:
                yield Problem(f"{name}: {error.message}", error.hint)
