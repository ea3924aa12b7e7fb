"""Forms with files, as the vendors' upload calls accept them."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP

from sandbox.http import Call


class NotMultipartError(ValueError):
    """The body is not multipart/form-data."""


def form_of(call: Call) -> dict[str, tuple[str, bytes]]:
    """The parts of a multipart body: file name and content by part name.

    Raises: NotMultipartError.
    """
    content_type = call.headers.get("Content-Type", "")
    if not content_type.startswith("multipart/form-data"):
        raise NotMultipartError("The request is not multipart/form-data")

    # The e-mail parser reads multipart bodies, but wants the header that HTTP keeps apart.
    header = b"Content-Type: " + content_type.encode() + b"\r\n\r\n"
    message = BytesParser(policy=HTTP).parsebytes(header + call.body)

    parts: dict[str, tuple[str, bytes]] = {}
    for part in message.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        file_name = str(part.get_filename() or "")
        parts[name] = (file_name, content if isinstance(content, bytes) else b"")
    return parts
