"""One origin for all: finds the emulator by its prefix, keeps the log, strikes faults, answers.

Everything runs on one event loop and every handler is plain code on memory, so a request is never half done.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import defaultdict
from typing import Any

import psutil
from aiohttp import web

from sandbox.canai.api import CanAI
from sandbox.canai.events import Happening
from sandbox.clock import Clock, iso
from sandbox.control import control_routes
from sandbox.emulator import Emulator
from sandbox.faults import Entry, Fault
from sandbox.http import Call, Reply
from sandbox.hubspot.api import HubSpot
from sandbox.pipedrive.api import Pipedrive
from sandbox.salesforce.api import Salesforce
from sandbox.webhooks import Webhooks

MAX_BODY_BYTES = 200 * 1024 * 1024
NO_ANSWER_S = 300.0
"""How long a `timeout` keeps a client waiting before the connection is closed."""


class Sandbox:
    """The state of the whole sandbox."""

    def __init__(
        self,
        *,
        users: int,
        seed: int,
        port: int,
        latency_ms: int = 0,
        chunk_bytes: int | None = None,
        async_bytes: int | None = None,
    ) -> None:
        self.clock = Clock()
        self.latency_s = latency_ms / 1000
        sizes = {
            name: value
            for name, value in (("chunk_bytes", chunk_bytes), ("async_bytes", async_bytes))
            if value is not None
        }
        canai = CanAI(
            self.clock, users=users, seed=seed, origin=f"http://127.0.0.1:{port}", **sizes
        )
        self.emulators: dict[str, Emulator] = {
            "canai": canai,
            "hubspot": HubSpot(self.clock),
            "pipedrive": Pipedrive(self.clock),
            "salesforce": Salesforce(self.clock),
        }
        self.canai = canai
        self.webhooks = Webhooks(Happening(canai.source))
        self.tap_pid: int | None = None
        self.log: dict[str, list[Entry]] = defaultdict(list)
        self.faults: list[Fault] = []
        self._seq = 0

    def reset(self) -> None:
        """Data of the seed, empty CRMs with new account ids, log, faults and clock as at start."""
        self.clock.reset()
        self.log.clear()
        self.faults.clear()
        self._seq = 0
        self.webhooks.reset()
        for emulator in self.emulators.values():
            emulator.reset()

    def entry(self, crm: str, method: str, path: str, kind: str, client: str, rows: int) -> Entry:
        """A new line in the log."""
        self._seq += 1
        line = Entry(self._seq, iso(self.clock.now()), method, path, kind, client, rows=rows)
        self.log[crm].append(line)
        return line

    def strike(self, crm: str, method: str, path: str, body: bytes) -> Fault | None:
        """The first armed fault that this request meets; every fault counts the request."""
        text = body.decode("utf-8", "replace") if self.faults else ""
        struck = [fault for fault in self.faults if fault.strikes(crm, method, path, text)]
        for late in struck[1:]:
            late.struck -= 1
        return struck[0] if struck else None


def find_emulator(sandbox: Sandbox, path: str) -> tuple[Emulator, str, str] | None:
    """The emulator for a path, the prefix it was reached by, and the path below it."""
    if path.startswith("/storage/"):
        return sandbox.emulators["canai"], "", path
    if path.startswith("/services/"):
        return sandbox.emulators["salesforce"], "", path
    name = path.split("/", 2)[1]
    if name in sandbox.emulators and path.startswith(f"/{name}/"):
        return sandbox.emulators[name], f"/{name}", path[len(name) + 1 :]
    return None


def peer_pid(request: web.Request) -> int | None:
    """The process at the other end of a loopback connection.

    Both ends are compared: another process may use the same port towards another server.
    """
    peer = request.transport.get_extra_info("peername") if request.transport else None
    here = request.transport.get_extra_info("sockname") if request.transport else None
    if not peer or not here:
        return None
    return next(
        (
            one.pid
            for one in psutil.net_connections(kind="tcp")
            if is_other_end(one, peer[1], here[1])
        ),
        None,
    )


def is_other_end(connection: Any, peer_port: int, own_port: int) -> bool:
    """Whether a connection, as psutil lists it, is the client's end of the one between these ports."""
    if not connection.laddr or not connection.raddr or connection.pid in (None, os.getpid()):
        return False
    return bool(connection.laddr.port == peer_port and connection.raddr.port == own_port)


def kill(sandbox: Sandbox, request: web.Request, wanted: object) -> None:
    """SIGKILL to the process that a `kill_pid` fault names."""
    pid = (
        sandbox.tap_pid
        if wanted == "tap-canai"
        else peer_pid(request)
        if wanted == "client"
        else wanted
    )
    if isinstance(pid, int):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def to_response(reply: Reply, date: str) -> web.Response:
    """A reply as aiohttp sends it."""
    headers = {"Date": date, **reply.headers}
    if isinstance(reply.body, bytes):
        headers.setdefault("Content-Type", "application/octet-stream")
        return web.Response(status=reply.status, body=reply.body, headers=headers)
    if reply.body is None:
        return web.Response(status=reply.status, headers=headers)
    headers.setdefault("Content-Type", "application/json")
    return web.Response(status=reply.status, body=json.dumps(reply.body).encode(), headers=headers)


def hang_up(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def fault_pid(sandbox: Sandbox, request: web.Request, call: Call, emulator: Emulator) -> None:
    """Remember the tap's process while a fault waits that names it."""
    armed = any(
        fault.fault == "kill_pid" and fault.args.get("pid") == "tap-canai"
        for fault in sandbox.faults
    )
    if (
        emulator.name == "canai"
        and armed
        and call.headers.get("User-Agent", "").startswith("tap-canai")
    ):
        sandbox.tap_pid = peer_pid(request)


async def struck_response(
    sandbox: Sandbox,
    request: web.Request,
    call: Call,
    emulator: Emulator,
    fault: Fault,
    line: Entry,
) -> web.Response | None:
    """What a struck request gets; None where it goes on as usual."""
    line.fault = fault.fault
    delay_s = fault.args.get("delay_ms", 0) / 1000
    if fault.fault == "slow":
        await asyncio.sleep(delay_s or 2.0)
        return None
    if fault.fault == "timeout":
        await asyncio.sleep(delay_s or NO_ANSWER_S)
        return hang_up(request)
    if fault.fault == "drop_before_commit":
        return hang_up(request)
    if fault.fault == "late_commit":

        async def later() -> None:
            await asyncio.sleep(delay_s or 2.0)
            emulator.handle(call)

        request.app["later"].add(asyncio.get_running_loop().create_task(later()))
        return hang_up(request)
    if fault.fault in ("drop_after_commit", "kill_pid"):
        emulator.handle(call)
        if fault.fault == "kill_pid":
            kill(sandbox, request, fault.args.get("pid"))
        return hang_up(request)
    reply = emulator.fault_reply(fault.fault, call, fault.args)
    line.status = reply.status
    return to_response(reply, sandbox.clock.http_date())


async def serve(request: web.Request) -> web.StreamResponse:
    """Every request that is not the control plane's or the page's."""
    sandbox: Sandbox = request.app["sandbox"]
    found = find_emulator(sandbox, request.path)
    full_path = request.raw_path
    if found is None:
        return web.json_response({"error": f"nothing is emulated at {request.path}"}, status=501)
    emulator, prefix, _ = found
    body = await request.read()
    raw = full_path.split("?", 1)[0]
    call = Call(
        method=request.method,
        path=raw[len(prefix) :] if prefix else raw,
        query=request.query,
        headers=request.headers,
        body=body,
        base_url=f"{request.scheme}://{request.host}{prefix}",
    )
    kind, rows = emulator.inspect(call)
    line = sandbox.entry(
        emulator.name, call.method, full_path, kind, request.headers.get("User-Agent", ""), rows
    )
    if sandbox.latency_s:
        await asyncio.sleep(sandbox.latency_s)
    fault_pid(sandbox, request, call, emulator)
    fault = sandbox.strike(emulator.name, call.method, full_path, body)
    if fault is not None:
        response = await struck_response(sandbox, request, call, emulator, fault, line)
        if response is not None:
            return response
    reply = emulator.handle(call)
    line.status = reply.status
    if reply.rows is not None:
        line.rows = reply.rows
    return to_response(reply, sandbox.clock.http_date())


def build_app(sandbox: Sandbox) -> web.Application:
    """The aiohttp application."""
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app["sandbox"] = sandbox
    app["later"] = set()
    control_routes(app)
    app.router.add_route("*", "/{path:.*}", serve)
    return app
