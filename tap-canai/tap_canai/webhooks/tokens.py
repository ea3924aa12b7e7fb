"""Who may send: the bearer tokens that are valid."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Self

from tap_canai.errors import SettingError
from tap_canai.secret_list import secret_list


@dataclass(frozen=True, slots=True)
class Tokens:
    """Valid tokens, as digests."""

    digests: tuple[bytes, ...]

    @classmethod
    def of(cls, secret: str) -> Self:
        """One token, or those of a JSON list. Raises: SettingError."""
        try:
            tokens = secret_list(secret)
        except ValueError:
            raise SettingError(
                "WEBHOOK_SECRET is missing, or is not a valid token.",
                'Set it to one token, or to a list as in ["new", "old"].',
            ) from None
        return cls(tuple(hashlib.sha256(token.encode()).digest() for token in tokens))

    def accept(self, authorization: bytes) -> bool:
        """Returns True if an Authorization header holds a valid token.

        Every token is compared, so that the time taken does not say which one matched.
        """
        scheme, _, token = authorization.partition(b" ")
        digest = hashlib.sha256(token.strip()).digest()
        matched = False
        for valid in self.digests:
            matched |= hmac.compare_digest(valid, digest)
        return matched and scheme.lower() == b"bearer"
