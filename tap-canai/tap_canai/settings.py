"""The tap's settings, each with its type; they are declared in `config_schema`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from singer_kit.secret_files import secret_of
from singer_kit.settings import checked_url
from singer_kit.times import parse_utc

from tap_canai.config_schema import FILTER_NAMES
from tap_canai.errors import SettingError
from tap_canai.secret_list import secret_list


@dataclass(frozen=True, slots=True)
class Settings:
    """A validated configuration, each setting with its type. What is not valid raises when read."""

    config: Mapping[str, Any]

    @property
    def api_url(self) -> str:
        """Base URL of the API. Raises: SettingError."""
        return checked_url(str(self.config["api_url"]), "api_url")

    @property
    def api_version(self) -> str:
        """Version of the API."""
        return str(self.config["api_version"])

    @property
    def api_keys(self) -> tuple[str, ...]:
        """One key, or those of a JSON list, in order, as they are now. Raises: SettingError."""
        text = secret_of(self.config, "api_key", "CANAI_API_KEY")
        if not text:
            raise SettingError(
                "The setting 'api_key' is missing.",
                "Set it, api_key_file or CANAI_API_KEY, for a key with export permission.",
            )
        try:
            return secret_list(text)
        except ValueError:
            raise SettingError(
                "api_key is not a valid key, nor a valid JSON list of keys.",
                'Give one key, or a list as in ["new", "old"].',
            ) from None

    @property
    def start_date(self) -> datetime:
        """The earliest moment that is read. Raises: SettingError."""
        return self._moment("start_date")

    @property
    def end_date(self) -> datetime | None:
        """Where every stream ends; None for the API's present time. Raises: SettingError."""
        return self._moment("end_date") if self.config.get("end_date") else None

    @property
    def window(self) -> timedelta:
        """The time that one export spans."""
        return timedelta(days=float(self.config["window_days"]))

    @property
    def sweep_interval(self) -> timedelta:
        """The time between two sweeps."""
        return timedelta(days=float(self.config["sweep_days"]))

    def lookback(self, stream: str, default_s: float) -> timedelta:
        """How far before its bookmark a stream begins to read."""
        by_stream = self.config.get("lookback_seconds") or {}
        return timedelta(seconds=float(by_stream.get(stream, default_s)))

    @property
    def file_format(self) -> str:
        """Format of the export files."""
        return str(self.config["format"])

    @property
    def parallel_exports(self) -> int:
        """Exports that are prepared at a time."""
        return int(self.config["parallel_exports"])

    @property
    def filters(self) -> dict[str, list[str]]:
        """`user_filters` of exports whose records belong to a user."""
        return {name: sorted(self.config[name]) for name in FILTER_NAMES if self.config.get(name)}

    @property
    def filter_hash(self) -> str:
        """What the state remembers of the filters; empty if there are none."""
        filters: dict[str, Any] = dict(self.filters)
        if self.anonymize:
            filters["anonymize"] = True
        if not filters:
            return ""
        return hashlib.sha256(json.dumps(filters, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def anonymize(self) -> bool:
        """Returns True if exports are requested without personal data."""
        return bool(self.config.get("anonymize"))

    @property
    def compliance_mode(self) -> str:
        """What exports are marked with; empty for nothing."""
        return str(self.config.get("compliance_mode") or "")

    @property
    def requests_per_minute(self) -> int:
        """The pace the tap keeps to."""
        return int(self.config["requests_per_minute"])

    @property
    def request_timeout_s(self) -> float:
        """Seconds that the API or the storage may stay silent."""
        return float(self.config["request_timeout"])

    @property
    def allow_private_hosts(self) -> bool:
        """Returns True if files may be downloaded from this machine or a private network."""
        return bool(self.config["allow_private_download_hosts"])

    @property
    def audit_log(self) -> str:
        """File or database URL of the audit log; empty for the default file."""
        return str(self.config.get("audit_log") or "")

    @property
    def inbox_url(self) -> str:
        """Database URL of the inbox; empty if there is none."""
        return str(self.config.get("inbox_url") or "")

    def _moment(self, name: str) -> datetime:
        try:
            return parse_utc(str(self.config[name]))
        except ValueError:
            raise SettingError(
                f"{name} is not a valid timestamp.", "Use ISO 8601, as in 2026-01-31T00:00:00Z."
            ) from None
