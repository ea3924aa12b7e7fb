"""The keys of the export API: the next one after a refusal, and a new one once its file changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)


class ApiKeys:
    """Keys in the order in which they are tried; safe to use from several threads."""

    def __init__(
        self, keys: tuple[str, ...], read: Callable[[], tuple[str, ...]] | None = None
    ) -> None:
        self._keys, self._read = keys, read
        self._position = 0
        self._lock = threading.Lock()

    @property
    def current(self) -> str:
        """The key that the next call carries."""
        with self._lock:
            return self._keys[self._position]

    def after_refusal(self, refused: str) -> bool:
        """Move on from a refused key. Returns False if there is no other.

        Raises: SettingError if their file can no longer be read.
        """
        with self._lock:
            # another thread's call may have been refused for the same key
            return self._keys[self._position] != refused or self._changed(refused) or self._next()

    def _changed(self, refused: str) -> bool:
        """Read the keys again. Returns True if they changed and begin with another key."""
        keys = self._read() if self._read else self._keys
        if keys == self._keys:
            return False
        logger.warning("the export API does not accept a key; api_key_file holds another by now")
        self._keys, self._position = keys, 0
        return keys[0] != refused

    def _next(self) -> bool:
        if self._position + 1 >= len(self._keys):
            return False
        self._position += 1
        logger.warning(
            "the export API does not accept key %d of %d; using the next",
            self._position,
            len(self._keys),
        )
        return True
