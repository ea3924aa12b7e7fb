"""What passes between server and emulator: a `Call` in, a `Reply` out, joined by a `Router`."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote


class BadJsonError(Exception):
    """The body is not valid JSON; the emulator answers in its vendor's words."""


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
        """The parsed body, None if it is empty.

        Raises: BadJsonError.
        """
        if not self.body:
            return None

        try:
            return json.loads(self.body)
        except ValueError as error:
            raise BadJsonError(str(error)) from error

    def form(self) -> dict[str, str]:
        """The first value of each field of a URL-encoded body."""
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    @property
    def bearer(self) -> str | None:
        """The token of an `Authorization: Bearer` header."""
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" and token else None

    @property
    def basic(self) -> tuple[str, str] | None:
        """User and password of an `Authorization: Basic` header."""
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None

        user, _, password = base64.b64decode(encoded).decode().partition(":")
        return user, password


@dataclass(slots=True)
class Reply:
    """A response. `body` is JSON unless it is bytes; the request log counts `rows` for a read."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    rows: int | None = None


Handler = Callable[..., Reply]
"""Called with the call, the account, and the parameters of the path by name."""


class Route:
    """A method and a path such as `/crm/v3/objects/{kind}`, and the handler they lead to.

    `fixed` are parameters that the path does not spell out, such as the `kind` of `/api/v2/deals`.
    """

    def __init__(self, method: str, template: str, handler: Handler, **fixed: str) -> None:
        self.method, self.template, self.handler, self.fixed = method, template, handler, fixed
        self.pattern = re.compile("^" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template) + "/?$")

    @property
    def summary(self) -> str:
        """The first paragraph of the handler's docstring, on one line."""
        paragraph = (self.handler.__doc__ or "").strip().split("\n\n")[0]
        return " ".join(paragraph.split())


class Router:
    """The routes of an emulator. The first route that matches a path answers it."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)

    @property
    def listed(self) -> list[tuple[str, str, str]]:
        """Method, path and summary of every route, in the order of the table."""
        return [(route.method, route.template, route.summary) for route in self.routes]

    def methods(self, path: str) -> list[str]:
        """The methods that are emulated at a path."""
        return [route.method for route in self.routes if route.pattern.match(path)]

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        """The handler and its parameters, or None if the call is not emulated."""
        for route in self.routes:
            match = route.pattern.match(path) if route.method == method else None
            if match:
                named = {name: unquote(value) for name, value in match.groupdict().items()}
                return route.handler, named | route.fixed
        return None
