"""Pipeline and stage of deals, tickets and others, which rules may name by id or by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from reverse_etl.errors import CrmError
from reverse_etl.values import FieldInfo

from target_hubspot.default_options import without_removed

DEFAULT = "default"
"""The id of HubSpot's own pipeline. In a rule it means the pipeline of the settings, if any."""
WON_PROBABILITIES = ("1", "1.0")

Pipeline = Mapping[str, Any]
Stage = Mapping[str, Any]


def pipeline_fields(
    pipeline: FieldInfo, stage: FieldInfo, pipelines: Sequence[Pipeline], wanted: str | None
) -> dict[str, FieldInfo]:
    """The two as fields that take names as well as ids. Raises: CrmError.

    `wanted` is the pipeline of the settings; None for an object that the settings say nothing of,
    whose stages may be those of any pipeline.
    """
    chosen = chosen_pipeline(pipelines, wanted or "")
    every = {str(stage["id"]) for shown in pipelines for stage in stages_of(shown)}
    others = [other for other in pipelines if wanted is None and other is not chosen]
    stages = [stage for shown in (chosen, *others) for stage in stages_of(shown)]
    ids = tuple(str(stage["id"]) for stage in stages)
    place = pipeline_field(pipeline, pipelines, chosen if wanted else None)
    step = choice(stage, ids, stage_names(stages))
    return {
        pipeline.name: without_removed(place, place.options, str(chosen["id"])),
        stage.name: without_removed(step, every, next(iter(ids), "")),
    }


def stages_of(pipeline: Pipeline) -> list[Stage]:
    """The stages of a pipeline, in order."""
    return sorted(pipeline["stages"], key=lambda stage: stage.get("displayOrder", 0))


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
    """Ids of stages by name, with and without spaces; the first stage of a name counts.

    The first won and the first lost stage also go by the names they have in the default pipeline.
    """
    names: dict[str, str] = {}
    for stage in stages:
        label = str(stage["label"]).casefold()
        for name in (label, label.replace(" ", "")):
            names.setdefault(name, str(stage["id"]))
    for stage in stages:
        closed = closed_name(stage)
        if closed:
            names.setdefault(closed, str(stage["id"]))
    return names


def closed_name(stage: Stage) -> str:
    """`closedwon` or `closedlost`; empty for an open stage, and for one of no deal."""
    metadata = stage.get("metadata") or {}
    if str(metadata.get("isClosed", "")).lower() != "true" or "probability" not in metadata:
        return ""
    won = str(metadata["probability"]) in WON_PROBABILITIES
    return "closedwon" if won else "closedlost"
