"""A token that the settings hold, as its value or in a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class StoredToken:
    """The token as it was last read."""

    read: Callable[[], str]
    """Reads the setting, or its file. Raises: SettingError."""
    value: str = field(init=False)

    def __post_init__(self) -> None:
        self.value = self.read()

    def renew(self) -> bool:
        """Read it again, since the CRM refuses it; returns True if it was changed.

        Raises: SettingError.
        """
        refused, self.value = self.value, self.read()
        return self.value != refused
