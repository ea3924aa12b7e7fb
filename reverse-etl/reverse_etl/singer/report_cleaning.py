"""What an erasure leaves out of the files in `report_dir`: letters in reports, and plans."""

from __future__ import annotations

import json
from pathlib import Path

from reverse_etl.errors import SettingError
from reverse_etl.ledger import Ledger
from reverse_etl.ledger.personal import LETTERS, without_letters
from reverse_etl.singer.run_report import REPORT_FILE, RunReport

DRY_RUNS = "dry-run"
"""The folder of dry runs in `report_dir`."""


def clean_files(folder: Path, ledger: Ledger) -> int:
    """Take letters that no longer exist out of the report, and delete plans.

    A plan holds values of any record, and can be made again. Returns the number of files changed.
    Raises: SettingError, LedgerError.
    """
    try:
        return clean_report(folder, ledger) + delete_plans(folder / DRY_RUNS)
    except OSError as error:
        raise SettingError(
            f"A report in report_dir cannot be cleaned ({error.strerror}).",
            "Let this user write the folder, then run `erase` again: it continues.",
        ) from None


def clean_report(folder: Path, ledger: Ledger) -> int:
    """Returns 1 if the report listed letters that are no longer open. Raises: OSError."""
    try:
        report = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return 0
    known = {(letter.rule, letter.key) for letter in ledger.letters.open()}
    listed = {(letter["rule"], letter["key"]) for letter in report.get(LETTERS) or []}
    cleaned = without_letters(report, listed - known)
    if cleaned is not None:
        RunReport.save(cleaned, folder)
    return int(cleaned is not None)


def delete_plans(folder: Path) -> int:
    """Returns the number of files deleted. Raises: OSError."""
    files = [path for path in folder.glob("*") if path.is_file()]
    for path in files:
        path.unlink()
    return len(files)
