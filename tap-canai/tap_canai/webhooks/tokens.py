"""Who may send: the bearer tokens that are valid."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import time
from collections.abc import Callable

from singer_kit.secret_files import secret_of

from tap_canai.errors import SettingError
from tap_canai.secret_list import secret_list

logger = logging.getLogger(__name__)

VARIABLE = "WEBHOOK_SECRET"
READ_EVERY_S = 1.0
"""How often a refused token may have the file read again."""


class Tokens:
    """Valid tokens, as digests; read again when a token is refused, since their file may change."""

    def __init__(
        self, read: Callable[[], str], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._read, self._monotonic = read, monotonic
        self._digests = digests_of(read())
        self._read_at = monotonic()

    @classmethod
    def from_environment(cls) -> Tokens:
        """The tokens of WEBHOOK_SECRET, or of the file WEBHOOK_SECRET_FILE. Raises: SettingError.

        They are not options: every user of the machine can see a process's arguments.
        """
        return cls(lambda: secret_of(os.environ, VARIABLE))

    def accept(self, authorization: bytes) -> bool:
        """Returns True if an Authorization header holds a valid token."""
        return self._matches(authorization) or (self._changed() and self._matches(authorization))

    def _matches(self, authorization: bytes) -> bool:
        """Compare with every token, so that the time taken does not say which one matched."""
        scheme, _, token = authorization.partition(b" ")
        digest = hashlib.sha256(token.strip()).digest()
        matched = False
        for valid in self._digests:
            matched |= hmac.compare_digest(valid, digest)
        return matched and scheme.lower() == b"bearer"

    def _changed(self) -> bool:
        """Read the tokens again, unless that was just done. Returns True if they changed."""
        now = self._monotonic()
        if now < self._read_at + READ_EVERY_S:
            return False
        self._read_at = now
        try:
            digests = digests_of(self._read())
        except SettingError as error:  # perhaps it is being written
            logger.warning("%s The tokens stay what they were.", error)
            return False
        changed = digests != self._digests
        if changed:
            logger.info("the file of tokens has changed: its tokens are valid from now on")
        self._digests = digests
        return changed


def digests_of(secret: str) -> tuple[bytes, ...]:
    """The digests of one token, or of those of a JSON list. Raises: SettingError."""
    try:
        tokens = secret_list(secret)
    except ValueError:
        raise SettingError(
            "WEBHOOK_SECRET is missing, or is not a valid token.",
            'Set it to one token, or to a list as in ["new", "old"]; or set WEBHOOK_SECRET_FILE.',
        ) from None
    return tuple(hashlib.sha256(token.encode()).digest() for token in tokens)
