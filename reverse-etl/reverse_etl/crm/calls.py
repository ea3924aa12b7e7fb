"""What goes to a CRM and what comes back: a call, its purpose and body, and the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import requests
from urllib3.exceptions import NewConnectionError

CHUNK_BYTES = 256 * 1024
TEXT_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is not retried."""

    status: int
    body: Any
    """Parsed JSON; None if the body is not JSON."""
    headers: Mapping[str, str]
    text: str = ""
    """The body if it is not JSON, up to TEXT_BYTES."""

    @property
    def ok(self) -> bool:
        """Returns True if the status is a success."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a call is counted as: an object, and `find`, `read`, `write`, `link` or `setup`."""

    object_name: str
    name: str


SETUP = Purpose("", "setup")


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that is not JSON, built for each attempt: bytes or a file, or the parts of a form."""

    body: Callable[[], bytes | IO[bytes]] = lambda: b""
    headers: Mapping[str, str] = field(default_factory=dict)
    files: Callable[[], Mapping[str, Any]] | None = None
    """The parts as requests takes them."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to the CRM, however many attempts it takes; see `CrmHttp.call`."""

    method: str
    path: str
    purpose: Purpose
    json: object
    params: Mapping[str, str] | None
    repeatable: bool
    upload: Upload | None
    into: IO[bytes] | None
    final: frozenset[int]

    def body(self) -> dict[str, Any]:
        """What requests sends, built for each attempt: a file has been read by the last one."""
        if self.upload is None:
            return {"json": self.json}
        if self.upload.files is not None:
            return {"files": self.upload.files()}
        return {"data": self.upload.body()}


def never_connected(error: Exception) -> bool:
    """Returns True if there was no connection, so that nothing can have been sent."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    # requests tells a refused connection from a lost one only by the urllib3 error inside
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


def receive(response: requests.Response, into: IO[bytes]) -> None:
    """Stream a body into a file, over what an earlier attempt left there."""
    into.seek(0)
    into.truncate()
    for chunk in response.iter_content(CHUNK_BYTES):
        into.write(chunk)
    into.seek(0)


def answer(call: Call, response: requests.Response) -> Answer:
    """A response as the adapter gets it, without a body that went into a file."""
    in_file = call.into is not None and response.ok
    body = None if in_file else parsed(response)
    text = "" if in_file or body is not None else text_of(response)
    return Answer(response.status_code, body, response.headers, text)


def text_of(response: requests.Response) -> str:
    """A body as text, up to TEXT_BYTES."""
    return response.content[:TEXT_BYTES].decode("utf-8", "replace")


def content_of(response: requests.Response) -> Any:
    """The JSON of a body; its text if it is not JSON."""
    body = parsed(response)
    return text_of(response) if body is None else body


def parsed(response: requests.Response) -> Any:
    """The JSON of a body; None if it is not JSON (an edge server's HTML page, for example)."""
    if not response.content:
        return None
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None
