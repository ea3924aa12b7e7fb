"""Decodes a file of users that is generated as it is read: `decode_big_file.py FORMAT MEGABYTES`.

Prints the megabytes read, and the most that the process took.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from sandbox.canai.files import write
from tap_canai.decoders import DECODERS
from tap_canai.decoders.reader import CountingReader
from tap_canai.normal_form import normal
from tap_canai.schema_files import load_schema

SCHEMA = load_schema("users")["properties"]


def cut(form: str) -> tuple[bytes, bytes, bytes, bytes]:
    """A file of a thousand users, cut: its head, the users, what is between them, its tail."""
    user = {
        name: "x" * 20 if "string" in str(kind["type"]) else 7
        for name, kind in SCHEMA.items()
        if "array" not in kind["type"]
    }
    file = write({"users": [user] * 1000}, form, {"users": list(user)}, None)
    if form == "json":
        head, tail = b'{"users": [', b"]}"
        return head, file[len(head) : -len(tail)], b", ", tail
    if form == "csv":
        head, _, users = file.partition(b"\r\n")
        return head + b"\r\n", users, b"", b""
    start, end = file.index(b"<users>") + len(b"<users>"), file.index(b"</users>")
    return file[:start], file[start:end], b"", file[end:]


class Generated(io.RawIOBase):
    """A file of parts that come one after another."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self.parts, self.left = parts, b""

    def read(self, size: int = -1, /) -> bytes:
        if not self.left:
            self.left = next(self.parts, b"") or next(self.parts, b"")
        taken, self.left = self.left[:size], self.left[size:]
        return taken


def parts_of(form: str, times: int) -> Iterator[bytes]:
    head, users, between, tail = cut(form)
    yield head
    for number in range(times):
        yield (between if number else b"") + users
    yield tail


def main(form: str, megabytes: int) -> None:
    times = megabytes * 1_000_000 // len(cut(form)[1])
    reader = CountingReader(Generated(parts_of(form, times)))
    count = 0
    for record in DECODERS[form](reader, "users", load_schema("users")):
        for name in SCHEMA:
            normal(record.get(name), {}, name)
        count += 1
    reader.drain()
    assert count == times * 1000, (count, times * 1000)
    status = Path("/proc/self/status").read_text()  # ru_maxrss would begin with the parent's
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    print(reader.bytes // 1_000_000, int(peak.split()[1]) // 1024)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
