"""One origin for all: finds the emulator by its prefix, keeps the log, strikes faults, answers.

Everything runs on one event loop and every handler is plain code on memory, so no request is ever
half done.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from sandbox.control import control_routes
from sandbox.fault_effects import Request, remember_tap, strike
from sandbox.http import Call
from sandbox.state import Sandbox
from sandbox.wire import to_response

MAX_BODY_BYTES = 200 * 1024 * 1024


async def serve(raw: web.Request) -> web.StreamResponse:
    """Answer every request that is not for the control plane or the page."""
    sandbox: Sandbox = raw.app["sandbox"]
    address = sandbox.address(raw.path)
    if address is None:
        return web.json_response({"error": f"nothing is emulated at {raw.path}"}, status=501)

    emulator = address.emulator
    call = await read_call(raw, address.prefix)
    entry = sandbox.record(emulator, call, raw.raw_path)
    if sandbox.latency_s:
        await asyncio.sleep(sandbox.latency_s)

    request = Request(sandbox, raw, emulator, call, entry)
    remember_tap(request)
    fault = sandbox.strike(emulator, call, raw.raw_path)
    if fault is not None:
        response = await strike(request, fault)
        if response is not None:
            return response
    return answer(request)


async def read_call(raw: web.Request, prefix: str) -> Call:
    """A request as an emulator sees it, its path still encoded."""
    return Call(
        method=raw.method,
        path=raw.raw_path.split("?", 1)[0].removeprefix(prefix),
        query=raw.query,
        headers=raw.headers,
        body=await raw.read(),
        base_url=f"{raw.scheme}://{raw.host}{prefix}",
    )


def answer(request: Request) -> web.Response:
    """The emulator's reply, noted in the log."""
    reply = request.emulator.handle(request.call)
    request.entry.status = reply.status
    if reply.rows is not None:
        request.entry.rows = reply.rows
    return to_response(reply, request.sandbox.clock.http_date())


def build_app(sandbox: Sandbox) -> web.Application:
    """The aiohttp application."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app["sandbox"] = sandbox
    app["later"] = set()
    control_routes(app)
    app.router.add_route("*", "/{path:.*}", serve)
    return app
