"""How much one sender may send, and who may send at all."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tap_canai.errors import SettingError

MOST_SENDERS = 10_000
"""Senders that are remembered; the one not heard of for longest is forgotten first."""
BURST_S = 10.0
"""Seconds' worth of events that a sender may send at once."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The bearer tokens that are valid, as digests."""

    digests: tuple[bytes, ...]

    @classmethod
    def of(cls, secret: str) -> Tokens:
        """One token, or those of a JSON list. Raises: SettingError."""
        given: object = secret.strip()
        if secret.lstrip().startswith("["):
            try:
                given = json.loads(secret)
            except ValueError:
                given = None
        tokens = [given] if isinstance(given, str) else given
        if (
            not isinstance(tokens, list)
            or not tokens
            or not all(isinstance(one, str) and one for one in tokens)
        ):
            raise SettingError(
                "WEBHOOK_SECRET is missing, or is no token.",
                'Set it to one token, or to a list as in ["new", "old"].',
            )
        return cls(tuple(hashlib.sha256(str(one).encode()).digest() for one in tokens))

    def accept(self, authorization: bytes) -> bool:
        """Whether an Authorization header holds one of them; takes as long whichever it is."""
        scheme, _, given = authorization.partition(b" ")
        digest = hashlib.sha256(given.strip()).digest()
        matched = False
        for one in self.digests:
            matched |= hmac.compare_digest(one, digest)
        return matched and scheme.lower() == b"bearer"


@dataclass(slots=True)
class Allowance:
    """So many a second of each sender, and BURST_S as many at once."""

    a_second: float
    monotonic: Callable[[], float] = time.monotonic
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)
    """By sender: what was left, and when."""

    def left(self, sender: str) -> float:
        """What a sender may send at this moment."""
        most = self.a_second * BURST_S
        left, at = self._left.get(sender, (most, 0.0))
        return min(most, left + (self.monotonic() - at) * self.a_second)

    def take(self, sender: str) -> bool:
        """Take one; False where none is left."""
        left = self.left(sender)
        if left < 1:
            return False
        self._left[sender] = (left - 1, self.monotonic())
        self._left.move_to_end(sender)
        if len(self._left) > MOST_SENDERS:
            self._left.popitem(last=False)
        return True

    def wait_s(self, sender: str) -> int:
        """Whole seconds until a sender may send again."""
        return max(1, round((1 - self.left(sender)) / self.a_second + 0.5))


def header(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> bytes:
    """A header's value; empty where it is absent."""
    return next((value for key, value in headers if key == name), b"")
