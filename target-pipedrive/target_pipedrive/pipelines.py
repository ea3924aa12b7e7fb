"""The pipeline whose stages deals are spread over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reverse_etl.errors import CrmError

from target_pipedrive.api import PipedriveApi


@dataclass(slots=True)
class Pipelines:
    """Pipelines of one company."""

    api: PipedriveApi
    wanted: str
    """The pipeline of the settings, by name or id; empty for the first."""
    stages: tuple[int, ...]
    """The stages of the settings; empty for those of the pipeline."""

    def stage_ids(self) -> tuple[int, ...]:
        """Ids of the stages, in order. Raises: CrmError."""
        if not self.stages:
            stages = [
                stage for stage in self.api.pages("/api/v2/stages") if not stage.get("is_deleted")
            ]
            pipeline = self._wanted_id() if self.wanted else first_pipeline(stages)
            stages = [stage for stage in stages if stage["pipeline_id"] == pipeline]
            stages.sort(key=lambda stage: stage["order_nr"])
            self.stages = tuple(int(stage["id"]) for stage in stages)
        return self.stages

    def _wanted_id(self) -> int:
        """Raises: CrmError if there is no such pipeline."""
        names = []
        for pipeline in self.api.pages("/api/v2/pipelines"):
            if pipeline.get("is_deleted"):
                continue
            names.append(str(pipeline["name"]))
            if self.wanted.casefold() in (str(pipeline["id"]), names[-1].casefold()):
                return int(pipeline["id"])
        raise CrmError(
            "Pipedrive has no pipeline with the name or id set in `pipeline`.",
            f"Known pipelines: {', '.join(names)}.",
        )


def first_pipeline(stages: list[Any]) -> int | None:
    """The pipeline with the lowest id; None if there are no stages."""
    return min((stage["pipeline_id"] for stage in stages), default=None)
