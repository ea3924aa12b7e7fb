"""Objects that no package of ours names: the wholesaler of examples/wholesale, into each CRM."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from box import Box
from crms import CRMS, HUBSPOT, PIPEDRIVE, SALESFORCE, Crm, each_crm
from support import ROOT, Result, deliver

EXAMPLE = ROOT / "examples" / "wholesale"
MESSAGES = [json.loads(line) for line in (EXAMPLE / "wholesale.jsonl").read_text().splitlines()]


def run(box: Box, crm: Crm, folder: Path, messages: Sequence[Mapping[str, Any]] = ()) -> Result:
    mapping = str(EXAMPLE / crm.name)
    return deliver(box, crm, list(messages or MESSAGES), folder, mapping=mapping)


@each_crm
def test_the_example_arrives_whole_and_a_second_run_writes_nothing(
    box: Box, crm: Crm, tmp_path: Path
) -> None:
    first = run(box, crm, tmp_path)
    assert (first.code, first.letters) == (0, [])
    assert first.report["objects"] != {}
    box.forget_log()
    second = run(box, crm, tmp_path)
    assert (second.code, box.writes(crm)) == (0, [])
