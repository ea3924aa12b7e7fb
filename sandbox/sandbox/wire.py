"""How replies go out over aiohttp, or do not."""

from __future__ import annotations

import json

from aiohttp import web

from sandbox.http import Reply


def to_response(reply: Reply, date: str) -> web.Response:
    """A reply as aiohttp sends it."""
    headers = {"Date": date, **reply.headers}
    if reply.body is None:
        return web.Response(status=reply.status, headers=headers)
    if isinstance(reply.body, bytes):
        headers.setdefault("Content-Type", "application/octet-stream")
        return web.Response(status=reply.status, body=reply.body, headers=headers)

    headers.setdefault("Content-Type", "application/json")
    return web.Response(status=reply.status, body=json.dumps(reply.body).encode(), headers=headers)


def hang_up(request: web.Request) -> web.Response:
    """Close the connection; the response is for aiohttp only, it is not sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
