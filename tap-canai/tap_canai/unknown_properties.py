"""Properties that a stream's schema does not know: named once, and not all of many."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from singer_kit.scrub import scrub

MOST_NAMED = 10
LONGEST_NAME = 60
"""Characters of a property's name in a message."""


@dataclass(slots=True)
class UnknownProperties:
    """Those of one stream."""

    stream: str
    logger: logging.Logger | logging.LoggerAdapter[logging.Logger]
    _known: set[str] = field(default_factory=set)
    _named: int = 0
    _others_said: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Names of those that are remembered."""
        return frozenset(self._known)

    def note(self, row: Mapping[str, object], schema: Mapping[str, object]) -> None:
        """Log the properties of a row that the schema does not know, and no row before had."""
        new = row.keys() - schema.keys() - self._known
        if not new:
            return
        if not self._others_said:  # beyond that they need not be remembered
            self._known |= new
        for name in sorted(new)[: MOST_NAMED - self._named]:
            self._named += 1
            self.logger.warning(
                "%s: the property %s is not in the schema and is dropped",
                self.stream,
                scrub(name)[:LONGEST_NAME],
            )
        if len(self._known) > MOST_NAMED and not self._others_said:
            self._others_said = True
            self.logger.warning(
                "%s: more properties are not in the schema and are dropped; they are not named",
                self.stream,
            )
