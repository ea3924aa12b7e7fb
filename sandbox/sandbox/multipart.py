"""Forms with files, as the vendors' upload calls take them."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP

from sandbox.http import Call


class NoForm(ValueError):
    """The body is no multipart/form-data."""


def form_of(call: Call) -> dict[str, tuple[str, bytes]]:
    """The parts of a multipart body: file name and content by part name. Raises: NoForm."""
    content_type = call.headers.get("Content-Type", "")
    if not content_type.startswith("multipart/form-data"):
        raise NoForm("The request is no multipart/form-data")
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + call.body
    )
    parts: dict[str, tuple[str, bytes]] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        body = part.get_payload(decode=True)
        parts[str(name)] = (
            str(part.get_filename() or ""),
            body if isinstance(body, bytes) else b"",
        )
    return parts
