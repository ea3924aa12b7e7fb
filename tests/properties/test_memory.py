"""Memory stays flat whatever a file's size: decoded from a file that is made as it is read, and the whole tap over HTTP.

BIG_FILE_MB=300 gives the long version of both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import Box, catalog, sandbox, tap_config, written

pytestmark = pytest.mark.process
MEGABYTES = int(os.environ.get("BIG_FILE_MB", "24"))
LIMIT_MB = 150
OVER_HTTP_MB = int(os.environ.get("BIG_FILE_MB", "8"))
USER_BYTES = {"json": 900, "csv": 340, "xml": 1300}
"""At least so many bytes has a user of the sandbox."""
PEAK_OF = """
import sys
from tap_canai.cli import main

code = main(sys.argv[1:])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # ru_maxrss would begin with the parent's
print("PEAK", int(peak.split()[1]) // 1024, file=sys.stderr)
sys.exit(code)
"""

CHILD = """
import io, sys
from sandbox.canai.files import write
from tap_canai.decoders import DECODERS
from tap_canai.decoders.reader import CountingReader
from tap_canai.normal_form import normal
from tap_canai.schema_files import load_schema

form, megabytes = sys.argv[1], int(sys.argv[2])
schema = load_schema("users")
row = {name: "x" * 20 if "string" in str(one["type"]) else 7 for name, one in schema["properties"].items() if "array" not in one["type"]}
whole = write({"users": [row] * 1000}, form, {"users": list(row)}, None)
if form == "json":
    head, body, tail = b'{"users": [', whole[len(b'{"users": ['):-2], b"]}"
    between = b", "
elif form == "csv":
    head, _, body = whole.partition(b"\\r\\n")
    head, tail, between = head + b"\\r\\n", b"", b""
else:
    start, end = whole.index(b"<users>") + 7, whole.index(b"</users>")
    head, body, tail, between = whole[:start], whole[start:end], whole[end:], b""
times = megabytes * 1_000_000 // len(body)

class Made(io.RawIOBase):
    def __init__(self):
        self.parts = self.made()
        self.left = b""
    def made(self):
        yield head
        for number in range(times):
            yield (between if number else b"") + body
        yield tail
    def read(self, size=-1):
        if not self.left:
            self.left = next(self.parts, b"") or next(self.parts, b"")
        taken, self.left = self.left[:size], self.left[size:]
        return taken

reader = CountingReader(Made())
count = 0
for record in DECODERS[form](reader, "users", schema):
    for name, one in schema["properties"].items():
        normal(record.get(name), {}, name)
    count += 1
reader.drain()
assert count == times * 1000, (count, times * 1000)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # ru_maxrss would begin with the parent's
print(reader.bytes // 1_000_000, int(peak.split()[1]) // 1024)
"""


@pytest.mark.parametrize("file_format", ["json", "csv", "xml"])
def test_a_big_file_passes_in_flat_memory(file_format: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, file_format, str(MEGABYTES)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    read, peak = map(int, done.stdout.split())
    assert read >= MEGABYTES - 1
    assert peak < LIMIT_MB, f"{peak} MB for a file of {read} MB"


@pytest.mark.parametrize("chunks", [False, True], ids=["one file", "chunks"])
@pytest.mark.parametrize("file_format", ["json", "csv", "xml"])
def test_the_tap_takes_a_big_export_in_flat_memory(
    file_format: str, chunks: bool, tmp_path: Path
) -> None:
    size = OVER_HTTP_MB * 1_000_000
    with sandbox(
        size // USER_BYTES[file_format], "--chunk-bytes", str(size // 8 if chunks else 10**12)
    ) as box:
        count, peak, export, downloads = big_sync(box, file_format, tmp_path)
    print(
        f"{file_format}: {export['bytes'] / 1e6:.0f} MB in {downloads} files, {count} records, peak {peak} MB"
    )
    assert count == export["records"]
    assert export["bytes"] >= size
    assert (downloads > 3) == chunks
    assert peak < LIMIT_MB


def big_sync(box: Box, file_format: str, tmp_path: Path) -> tuple[int, int, dict[str, Any], int]:
    """Records that came, the tap's peak in MB, its audit row, and how many files were downloaded."""
    audit = tmp_path / "audit.jsonl"
    config = tap_config(box, format=file_format, window_days=90, audit_log=str(audit))
    arguments = [
        "--config",
        str(written(tmp_path, "tap.json", config)),
        "--catalog",
        str(catalog(tmp_path, ("users",))),
    ]
    command = [sys.executable, "-c", PEAK_OF, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        count = sum('"RECORD"' in line[:40] for line in child.stdout)
        said = child.stderr.read()
    assert child.returncode == 0, said[-2000:]
    peak = int(said.rpartition("PEAK ")[2])
    (export,) = (json.loads(line) for line in audit.read_text().splitlines()[1:])
    return count, peak, export, sum("/storage" in line["path"] for line in box.log("canai"))
