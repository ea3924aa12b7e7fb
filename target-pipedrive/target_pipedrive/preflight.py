"""What a company says before a run: its name, its tokens of the day, stages that were deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reverse_etl.crm.http import SETUP
from reverse_etl.crm.preflight import AccountState, PreflightAdapter, Problem
from reverse_etl.errors import CrmError

from target_pipedrive.api import PipedriveApi
from target_pipedrive.errors import check
from target_pipedrive.pipelines import Pipelines

TOKENS_LEFT = "x-daily-ratelimit-token-remaining"


@dataclass(frozen=True, slots=True)
class Preflight(PreflightAdapter):
    """Reads one company."""

    api: PipedriveApi
    pipelines: Pipelines

    def state(self) -> AccountState:
        """The company's name; Pipedrive does not say whether it is a sandbox. Raises: CrmError."""
        answer = check(self.api.http.call("GET", "/api/v1/users/me", SETUP))
        data = (answer.body or {}).get("data") or {}
        left = str(answer.headers.get(TOKENS_LEFT, ""))
        name = str(data.get("company_name", ""))
        return AccountState(name, "", int(left) if left.isdigit() else None, "tokens")

    def problems(
        self, objects: Sequence[str], missing: Mapping[str, Sequence[str]]
    ) -> Iterator[Problem]:
        """A pipeline or stages of the settings that were deleted."""
        try:
            self.pipelines.stage_ids()
        except CrmError as error:
            yield Problem(error.message, error.hint)
        if self.pipelines.deleted:
            ids = ", ".join(map(str, self.pipelines.deleted))
            yield Problem(f"stage_ids: Pipedrive no longer has stage {ids}.", "Take it out.")
