"""How deep a created record goes through the code: few enough frames to follow with a finger."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import reverse_etl
from target_hubspot.adapter import HubSpotAdapter

from box import Box
from crms import HUBSPOT, Crm, each_crm
from support import deliver, later, schema_message, user, users

CORE = str(Path(reverse_etl.__file__).parent)
MOST_FRAMES = 8


def frames_of_the_core(frame: FrameType | None) -> list[str]:
    """Functions of the core on a stack, outermost first."""
    return [
        line.name
        for line in traceback.extract_stack(frame)
        if line.filename.startswith(CORE) and not line.name.startswith("<")
    ]


def test_a_write_is_at_most_eight_frames_from_process_batch(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    write = HubSpotAdapter.write

    def watched(self: HubSpotAdapter, name: str, key: str, writes: Sequence[Any]) -> Any:
        # A batch has a thread of its own: its frames follow on those of the thread that waits.
        main = frames_of_the_core(sys._current_frames()[threading.main_thread().ident or 0])
        worker = frames_of_the_core(sys._getframe())
        seen.append([*main[main.index("process_batch") :], *worker, "write"])
        return write(self, name, key, writes)

    monkeypatch.setattr(HubSpotAdapter, "write", watched)
    result = deliver(box, HUBSPOT, users([1]), tmp_path)
    assert result.counts("contacts") == {"planned": 1, "created": 1}
    assert seen
    assert all(len(frames) <= MOST_FRAMES for frames in seen), seen


def test_an_unchanged_block_needs_no_thread_and_no_transaction(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # seen at the same time as before: a later time is remembered, in one statement a block
    messages = [later(message) if message["type"] == "RECORD" else message for message in users(5)]
    deliver(box, HUBSPOT, messages, tmp_path)
    used: list[str] = []

    def watched(name: str, result: object = None) -> Callable[..., object]:
        def call(*_: object, **__: object) -> object:
            used.append(name)
            return result

        return call

    monkeypatch.setattr("reverse_etl.pipeline.send.ThreadPoolExecutor", watched("pool"))
    monkeypatch.setattr("reverse_etl.ledger.store.Ledger._write_entries", watched("entries"))
    monkeypatch.setattr("reverse_etl.ledger.claims.Claims._take", watched("claims", set()))
    result = deliver(box, HUBSPOT, messages, tmp_path)
    assert result.counts("contacts") == {"planned": 5, "unchanged": 5}
    assert used == []


@each_crm
def test_what_only_an_older_version_in_a_block_says_arrives_though_the_newest_is_known(
    box: Box, tmp_path: Path, crm: Crm
) -> None:
    known = user(1, phone=None)
    deliver(box, crm, [schema_message(), known], tmp_path)
    older = {**user(1, phone="+43 1 555 0100"), "time_extracted": "2026-01-03T00:00:00.000000Z"}
    newest = {**known, "time_extracted": "2026-01-04T00:00:00.000000Z"}
    result = deliver(box, crm, [schema_message(), older, newest], tmp_path)
    assert result.counts(crm.people) == {"planned": 2, "updated": 1, "collapsed": 1}
    (person,) = box.objects(crm.name, crm.people)
    assert "555" in str(person["properties"])
