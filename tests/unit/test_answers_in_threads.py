"""Answers that several threads are the first to read."""

from __future__ import annotations

import subprocess
import sys

import pytest

FIRST_READS = """
import importlib, sys, threading
from tap_canai import answers

BODY = (
    b'{"data": {"export_id": "e", "record_count": 1, "file_size_bytes": 1, "expires_at": "t",'
    b' "format": "json", "chunks": [{"download_url": "u", "record_count": 1,'
    b' "file_size_bytes": 1}]}, "metadata": {"export_created_at": "t"}}'
)
sys.setswitchinterval(1e-6)
for _ in range(150):
    importlib.reload(answers)  # its shapes are new, as in a process that begins
    start = threading.Barrier(4)

    def read():
        start.wait()
        answers.decode(BODY, answers.FinishedExport)
        answers.decode(BODY, answers.Poll)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


@pytest.mark.process
def test_threads_that_read_their_first_answers_at_once_end_well() -> None:
    command = [sys.executable, "-c", FIRST_READS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
