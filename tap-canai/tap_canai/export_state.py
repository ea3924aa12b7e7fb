"""The state of an export stream: the bookmark, how far a sweep has come, and the filters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from singer_kit.times import CLOCK_SKEW, parse_utc, utc_text

from tap_canai.errors import SettingError

BOOKMARK = "replication_key_value"


@dataclass(frozen=True, slots=True)
class ExportState:
    """A stream's part of the tap's state; `values` is changed in place."""

    stream: str
    values: dict[str, Any]

    @property
    def bookmark(self) -> datetime | None:
        """How far the stream was read; None at first. Raises: SettingError."""
        return self._moment(BOOKMARK)

    @property
    def sweep_from(self) -> datetime | None:
        """How far an unfinished sweep has come; None without one. Raises: SettingError."""
        return self._moment("sweep_from")

    def sweep_is_due(self, now: datetime, interval: timedelta) -> bool:
        """Returns True if a sweep is unfinished, or the last is too old. Raises: SettingError."""
        if self.sweep_from is not None:
            return True
        last = self._moment("swept_at") or self.bookmark
        # a sweep of the future never was
        return last is None or now - last >= interval or last > now + CLOCK_SKEW

    def set_filters(self, filter_hash: str) -> bool:
        """Note the filters; other ones than before start the stream from its beginning.

        Returns True if that throws a bookmark away.
        """
        restarts = False
        if self.values.get("filter", "") != filter_hash:
            restarts = bool(self.values.get(BOOKMARK))
            for name in (BOOKMARK, "swept_at", "sweep_from"):
                self.values.pop(name, None)
        if filter_hash:
            self.values["filter"] = filter_hash
        else:
            self.values.pop("filter", None)
        return restarts

    def note_sweep(self, reached: datetime, *, finished_at: datetime | None) -> None:
        """Note how far a sweep has come, or when it was finished."""
        if finished_at is None:
            self.values["sweep_from"] = utc_text(reached)
        else:
            self.values.pop("sweep_from", None)
            self.values["swept_at"] = utc_text(finished_at)

    def _moment(self, name: str) -> datetime | None:
        value = self.values.get(name)
        if not value:
            return None
        try:
            return parse_utc(str(value))
        except ValueError:
            raise SettingError(
                f"The state of {self.stream} holds a {name} that is not a valid timestamp.",
                "Fix the state, or run with a full refresh.",
            ) from None
