"""Pipeline and stage of deals, tickets and others, which rules may name by id or by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reverse_etl.errors import CrmError
from reverse_etl.values import FieldInfo

DEFAULT = "default"
"""The id of HubSpot's own pipeline. In a rule it means the pipeline of the settings, if any."""
WON_PROBABILITIES = ("1", "1.0")

Pipeline = Mapping[str, Any]
Stage = Mapping[str, Any]


def pipeline_fields(
    pipeline: FieldInfo, stage: FieldInfo, pipelines: Sequence[Pipeline], wanted: str
) -> dict[str, FieldInfo]:
    """The two as fields that take names as well as ids. Raises: CrmError."""
    chosen = chosen_pipeline(pipelines, wanted)
    stages = sorted(chosen["stages"], key=lambda stage: stage.get("displayOrder", 0))
    ids = tuple(str(stage["id"]) for stage in stages)
    return {
        pipeline.name: pipeline_field(pipeline, pipelines, chosen if wanted else None),
        stage.name: choice(stage, ids, stage_names(stages)),
    }


def chosen_pipeline(pipelines: Sequence[Pipeline], wanted: str) -> Pipeline:
    """A pipeline by id or name; the first if none is wanted. Raises: CrmError."""
    ordered = sorted(
        pipelines,
        key=lambda pipeline: (str(pipeline["id"]) != DEFAULT, pipeline.get("displayOrder", 0)),
    )
    for pipeline in ordered:
        names = (str(pipeline["id"]).casefold(), str(pipeline["label"]).casefold())
        if not wanted or wanted.casefold() in names:
            return pipeline

    known = ", ".join(str(pipeline["label"]) for pipeline in ordered)
    raise CrmError(
        "HubSpot has no deal pipeline with the name or id set in `pipeline`.",
        f"Known pipelines: {known}.",
    )


def pipeline_field(
    info: FieldInfo, pipelines: Sequence[Pipeline], chosen: Pipeline | None
) -> FieldInfo:
    """The pipeline; `chosen` is that of the settings."""
    ids = [str(pipeline["id"]) for pipeline in pipelines]
    names = {str(pipeline["label"]).casefold(): str(pipeline["id"]) for pipeline in pipelines}
    if chosen is not None:
        names[DEFAULT] = str(chosen["id"])
    # A name only counts where no option has that value, so `default` must not be an option if it
    # is to mean another pipeline.
    if names.get(DEFAULT, DEFAULT) != DEFAULT:
        ids = [pipeline_id for pipeline_id in ids if pipeline_id != DEFAULT]
    return choice(info, tuple(ids), names)


def choice(info: FieldInfo, ids: tuple[str, ...], names: Mapping[str, str]) -> FieldInfo:
    """A field that takes one of the ids, or a name of one."""
    return replace(info, kind="choice", options=ids, strict_options=True, aliases=names)


def stage_names(stages: Sequence[Stage]) -> dict[str, str]:
    """Ids of stages by name, with and without spaces.

    The first won and the first lost stage also go by the names they have in the default pipeline.
    """
    names: dict[str, str] = {}
    for stage in stages:
        stage_id, label = str(stage["id"]), str(stage["label"]).casefold()
        closed = closed_name(stage)
        if closed:
            names.setdefault(closed, stage_id)
        names[label.replace(" ", "")] = names[label] = stage_id
    return names


def closed_name(stage: Stage) -> str:
    """`closedwon` or `closedlost`; empty for an open stage."""
    metadata = stage.get("metadata") or {}
    if str(metadata.get("isClosed", "")).lower() != "true":
        return ""
    won = str(metadata.get("probability", "")) in WON_PROBABILITIES
    return "closedwon" if won else "closedlost"
