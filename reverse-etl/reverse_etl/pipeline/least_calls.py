"""The least number of calls that a run's work could have taken, to show beside the calls made."""

from __future__ import annotations

import math
from collections.abc import Mapping

from reverse_etl.objects import ObjectSpec
from reverse_etl.pipeline.batch import choose_lane
from reverse_etl.records import KINDS


def least_calls(spec: ObjectSpec, work: Mapping[str, int]) -> int:
    """Calls for what was looked up, read, verified, sent (by kind), linked and attached."""
    calls = _find_calls(spec, work)
    for kind in KINDS:
        if rows := work.get(kind, 0):
            lane = choose_lane(spec, rows)
            calls += math.ceil(rows / lane.rows_a_call) * lane.calls

    if verified := work.get("verified", 0):
        calls += math.ceil(verified / spec.locate_rows_a_call)
    rows_a_link_call = max((form.rows_a_call for form in spec.links.values()), default=1)
    for purpose in ("linked", "unlinked"):
        calls += math.ceil(work.get(purpose, 0) / rows_a_link_call)
    return calls + sum(math.ceil(work.get("attached", 0) / files) for files in spec.file_rows)


def _find_calls(spec: ObjectSpec, work: Mapping[str, int]) -> int:
    """Calls that look records up, and read those whose policies depend on what the CRM holds."""
    looked_up = work.get("looked_up", 0)
    calls = math.ceil(looked_up / spec.find_rows_a_call) * spec.find_calls
    if spec.find_job and looked_up >= spec.find_job[0]:
        calls = min(calls, spec.find_job[1])
    for purpose in ("read", "looked_up_links"):
        calls += math.ceil(work.get(purpose, 0) / spec.find_rows_a_call)
    if spec.finds_match_apart:
        calls += math.ceil(work.get("matched", 0) / spec.find_rows_a_call)
    return calls
