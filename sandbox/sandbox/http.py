"""What passes between the server and an emulator: a `Call` in, a `Reply` out, found by a `Router`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote


class BadJson(Exception):
    """The body is no JSON; the emulator answers in its vendor's words."""


@dataclass(slots=True)
class Call:
    """One request, its path without the vendor's prefix."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base_url: str
    """Origin and prefix under which the vendor was reached, without a trailing slash."""

    def json(self) -> Any:
        """The parsed body; None where it is empty. Raises: BadJson."""
        if not self.body:
            return None
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise BadJson(str(error)) from error

    @property
    def bearer(self) -> str | None:
        """The token of an `Authorization: Bearer` header."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" and token else None


@dataclass(slots=True)
class Reply:
    """An answer. `body` is JSON unless it is bytes; `rows` is what the request log counts for a read."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    rows: int | None = None


Handler = Callable[..., Reply]


class Router:
    """Paths such as `/crm/v3/objects/{type}` to methods of an emulator, in the order they were added."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []
        self.listed: list[tuple[str, str, str]] = []
        """Method, path and first words of every route, in the order they were added."""

    def add(self, method: str, template: str) -> Callable[[Handler], Handler]:
        """Decorator: register a handler for a method and a path template."""
        pattern = re.compile("^" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template) + "/?$")

        def register(handler: Handler) -> Handler:
            self._routes.append((method, pattern, handler))
            self.listed.append((method, template, (handler.__doc__ or "").strip()))
            return handler

        return register

    def methods(self, path: str) -> list[str]:
        """Methods that something is emulated for at a path."""
        return [method for method, pattern, _ in self._routes if pattern.match(path)]

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        """The handler and its path parameters, or None where nothing is emulated there."""
        for route_method, pattern, handler in self._routes:
            if route_method == method and (match := pattern.match(path)):
                return handler, {name: unquote(value) for name, value in match.groupdict().items()}
        return None
