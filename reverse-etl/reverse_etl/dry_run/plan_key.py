"""The key that signs plans: a private file beside the ledger, so that only its owner signs."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from singer_kit.database import URI_SCHEME, checked_database_url
from singer_kit.private_files import make_private_folder, write_private

from reverse_etl.errors import LedgerError, SettingError

KEY_BYTES = 32
KEY_FILE = "plan-key"


def key_path(ledger_url: str, report_dir: Path) -> Path:
    """Where the key is: beside a ledger in a file, else in the report folder."""
    url = checked_database_url(ledger_url, "ledger_url", LedgerError)
    if url.get_backend_name() != "sqlite":
        return report_dir / KEY_FILE
    ledger = Path(str(url.database).removeprefix(URI_SCHEME))
    return ledger.with_name(f"{ledger.stem}.{KEY_FILE}")


def signing_key(path: Path) -> bytes:
    """The key, which is made if there is none. Raises: SettingError."""
    try:
        make_private_folder(path.parent)
        with suppress(FileExistsError):
            write_private(path, secrets.token_bytes(KEY_BYTES))
        return path.read_bytes()
    except OSError as error:
        raise SettingError(
            f"The key that signs plans cannot be kept beside the ledger ({error.strerror}).",
            "Make its folder writable.",
        ) from None


def known_key(path: Path) -> bytes:
    """The key that signed plans were made with; empty if there is none."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
