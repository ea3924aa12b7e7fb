"""The pipeline whose stages deals are spread over."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from reverse_etl.errors import CrmError

from target_pipedrive.api import PipedriveApi, Record

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Pipelines:
    """Pipelines of one company."""

    api: PipedriveApi
    wanted: str
    """The pipeline of the settings, by name or id; empty for the first."""
    stages: tuple[int, ...]
    """The stages of the settings; empty for those of the pipeline."""
    known: tuple[int, ...] | None = None
    """The stages that exist; None until they have been listed."""
    deleted: tuple[int, ...] = ()
    """The stages of the settings that do not exist."""

    def stage_ids(self) -> tuple[int, ...]:
        """Ids of the stages, in order. Raises: CrmError."""
        if self.known is None:
            listed = [
                stage for stage in self.api.pages("/api/v2/stages") if not stage.get("is_deleted")
            ]
            self.known = self._chosen(listed) or self._of_pipeline(listed)
        return self.known

    def _chosen(self, listed: Sequence[Record]) -> tuple[int, ...]:
        """The stages of the settings; those that were deleted in Pipedrive are left out."""
        live = {int(stage["id"]) for stage in listed}
        self.deleted = tuple(stage for stage in self.stages if stage not in live)
        if self.deleted:
            logger.warning(
                "stage_ids: Pipedrive no longer has stage %s; deals go to the others. "
                "Take it out of stage_ids.",
                ", ".join(map(str, self.deleted)),
            )
        return tuple(stage for stage in self.stages if stage in live)

    def _of_pipeline(self, listed: Sequence[Record]) -> tuple[int, ...]:
        """The stages of the pipeline, in order. Raises: CrmError."""
        pipeline = self._wanted_id() if self.wanted else first_pipeline(listed)
        stages = [stage for stage in listed if stage["pipeline_id"] == pipeline]
        stages.sort(key=lambda stage: stage["order_nr"])
        return tuple(int(stage["id"]) for stage in stages)

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


def first_pipeline(stages: Sequence[Record]) -> int | None:
    """The pipeline with the lowest id; None if there are no stages."""
    return min((stage["pipeline_id"] for stage in stages), default=None)
