"""Streams that no rule maps: warnings about them, and the part of the STATE that goes out.

A rule that is written later must see such a stream from its beginning. So the stream's bookmark is
taken out of the STATE, unless the setting `ignore_streams` names the stream.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from reverse_etl.errors import SettingError
from reverse_etl.mapping.rules import Rule

logger = logging.getLogger(__name__)

BOOKMARKS = "bookmarks"
"""Where a STATE keeps what belongs to a stream, by the stream's name.

Source: https://sdk.meltano.com/en/latest/implementation/state.html, read 2026-11-29.
"""


@dataclass(slots=True)
class StreamChoice:
    """Which streams of a run are mapped, ignored on purpose, or neither."""

    mapped: frozenset[str]
    """Streams that a rule maps."""
    ignored: Sequence[str] = ()
    """Names, or patterns with `*`, of streams that no rule maps on purpose."""
    fail: bool = False
    """True if a stream that is neither ends the run."""
    seen: set[str] = field(default_factory=set)
    """Mapped streams that came."""
    skipped: set[str] = field(default_factory=set)
    """Streams that came and are neither mapped nor ignored."""
    renamed: set[str] = field(default_factory=set)
    """Streams that the SDK's stream maps turn into mapped or ignored ones."""
    _reported: bool = False

    def __post_init__(self) -> None:
        for stream in sorted(self.mapped.intersection(self.ignored)):
            logger.warning(
                "ignore_streams names %s, which a rule maps: it is delivered. If it was ignored "
                "before, its earlier records come only with a full refresh; then take it out of "
                "ignore_streams",
                stream,
            )

    @classmethod
    def of(cls, config: Mapping[str, Any], rules: Iterable[Rule]) -> StreamChoice:
        """The choice that settings and rules make."""
        return cls(
            frozenset(rule.stream for rule in rules),
            config.get("ignore_streams") or (),
            fail=config.get("on_unmapped_stream") == "fail",
        )

    def is_mapped(self, stream: str) -> bool:
        """Note that a stream came; returns True if a rule maps it.

        Raises: SettingError if it is unmapped and unmapped streams must not come.
        """
        if stream in self.mapped:
            self.seen.add(stream)
            return True
        if self._is_ignored(stream):
            return False
        if self.fail:
            raise SettingError(
                f"No rule maps the stream {stream!r}.",
                "Add a rule, deselect the stream, name it in ignore_streams, or set "
                "on_unmapped_stream: skip.",
            )
        if stream not in self.skipped:
            self.skipped.add(stream)
            logger.warning(
                "no rule maps the stream %s: its records are counted and skipped, and its bookmark "
                "is taken out of the STATE. Add a rule, deselect it, or name it in ignore_streams",
                stream,
            )
        return False

    def comes_as(self, stream: str, aliases: Iterable[str]) -> None:
        """Note the names that stream maps give a stream: its bookmark has the source's name."""
        if any(alias in self.mapped or self._is_ignored(alias) for alias in aliases):
            self.renamed.add(stream)

    @property
    def may_acknowledge(self) -> bool:
        """True unless only streams came that nobody wants: then no STATE may go out."""
        return bool(self.seen) or not self.skipped

    def check(self) -> None:
        """The end of the input. Raises: SettingError if no stream of the run is mapped."""
        if not self.may_acknowledge:
            raise SettingError(
                f"No rule maps any stream of this run: {named(self.skipped)}.",
                f"The mapping has rules for {named(self.mapped)}. Check the setting mapping and "
                "the tap's selection, or name the streams in ignore_streams.",
            )

    def without_unmapped(self, state: Any) -> Any:
        """A STATE without the bookmarks of streams that are neither mapped nor ignored."""
        bookmarks = state.get(BOOKMARKS) if isinstance(state, Mapping) else None
        if not isinstance(bookmarks, Mapping):
            self._report_other_shape()
            return state
        kept = {
            stream: bookmark
            for stream, bookmark in bookmarks.items()
            if stream in self.mapped or stream in self.renamed or self._is_ignored(stream)
        }
        return {**state, BOOKMARKS: kept}

    def _is_ignored(self, stream: str) -> bool:
        return any(fnmatchcase(stream, pattern) for pattern in self.ignored)

    def _report_other_shape(self) -> None:
        if self.skipped and not self._reported:
            self._reported = True
            logger.warning(
                "the STATE has no bookmarks by stream, so it goes out whole: a rule for %s that is "
                "written later needs a full refresh",
                named(self.skipped),
            )


def named(streams: Iterable[str]) -> str:
    """Streams as a sentence lists them."""
    return ", ".join(sorted(streams)) or "no stream"
