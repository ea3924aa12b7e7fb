"""Memory stays flat whatever a file's size.

Decoded from a file that is generated as it is read, and by the whole tap over HTTP.
BIG_FILE_MB=300 gives the long version of both.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from box import Box, sandbox
from support import catalog, exports_noted, tap_config, written

pytestmark = pytest.mark.process
MEGABYTES = int(os.environ.get("BIG_FILE_MB", "24"))
LIMIT_MB = 150
BIG_EXPORT_MB = {"json": 5, "csv": 2, "xml": 5}
"""Of some 6,000 users, over HTTP; BIG_FILE_MB overrides them."""
USER_BYTES = {"json": 900, "csv": 340, "xml": 1300}
"""The least bytes of a user of the sandbox."""
DECODES = Path(__file__).parent / "decode_big_file.py"
PEAK_OF = """
import sys
from tap_canai.cli import main

code = main(sys.argv[1:])
# ru_maxrss would begin with the parent's.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("PEAK", int(peak.split()[1]) // 1024, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("file_format", ["json", "csv", "xml"])
def test_a_big_file_passes_in_flat_memory(file_format: str) -> None:
    done = subprocess.run(
        [sys.executable, str(DECODES), file_format, str(MEGABYTES)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    read, peak = map(int, done.stdout.split())
    assert read >= MEGABYTES - 1
    assert peak < LIMIT_MB, f"{peak} MB for a file of {read} MB"


@pytest.mark.parametrize(
    "chunks", [pytest.param(False, marks=pytest.mark.soak), True], ids=["one file", "chunks"]
)
@pytest.mark.parametrize("file_format", ["json", "csv", "xml"])
def test_the_tap_takes_a_big_export_in_flat_memory(
    file_format: str, chunks: bool, tmp_path: Path
) -> None:
    size = int(os.environ.get("BIG_FILE_MB", BIG_EXPORT_MB[file_format])) * 1_000_000
    with sandbox(
        size // USER_BYTES[file_format], "--chunk-bytes", str(size // 8 if chunks else 10**12)
    ) as box:
        count, peak, export, downloads = big_sync(box, file_format, tmp_path)
    megabytes = export["bytes"] / 1e6
    print(f"{file_format}: {megabytes:.0f} MB in {downloads} files, {count} records, {peak} MB")
    assert count == export["records"]
    assert export["bytes"] >= size
    assert (downloads > 3) == chunks
    assert peak < LIMIT_MB


def big_sync(box: Box, file_format: str, tmp_path: Path) -> tuple[int, int, dict[str, Any], int]:
    """Records that came, the tap's peak in MB, the export as audited, and files downloaded."""
    config = tap_config(box, tmp_path, format=file_format, window_days=90)
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
        errors = child.stderr.read()
    assert child.returncode == 0, errors[-2000:]
    peak = int(errors.rpartition("PEAK ")[2])
    (export,) = exports_noted(tmp_path)
    return count, peak, export, len(box.log("canai", "/storage"))
