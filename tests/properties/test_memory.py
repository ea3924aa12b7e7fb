"""Memory stays flat whatever a file's size: a child process decodes a file that is made as it is read."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

MEGABYTES = int(os.environ.get("BIG_FILE_MB", "24"))
"""300 for the long version."""
LIMIT_MB = 150

CHILD = """
import io, sys
from sandbox.canai.files import write
from tap_canai.decoders import DECODERS
from tap_canai.decoders.reader import CountingReader
from tap_canai.normalising import normal
from tap_canai.streams import load_schema

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
        [sys.executable, "-c", CHILD, file_format, str(MEGABYTES)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    read, peak = map(int, done.stdout.split())
    assert read >= MEGABYTES - 1
    assert peak < LIMIT_MB, f"{peak} MB for a file of {read} MB"
