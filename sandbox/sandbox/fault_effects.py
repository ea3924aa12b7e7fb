"""What a fault does to the request it strikes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from sandbox.emulator import Emulator
from sandbox.faults import Fault
from sandbox.http import Call
from sandbox.peer import kill, peer_pid
from sandbox.request_log import LogEntry
from sandbox.state import Sandbox
from sandbox.wire import hang_up, to_response

DELAY_S = 2.0
NO_ANSWER_S = 300.0
"""How long a `timeout` keeps a client waiting before the connection is closed."""
TAP = "tap-canai"


@dataclass(frozen=True, slots=True)
class Request:
    """A request, the emulator it is for, and its entry in the log."""

    sandbox: Sandbox
    raw: web.Request
    emulator: Emulator
    call: Call
    entry: LogEntry


async def strike(request: Request, fault: Fault) -> web.Response | None:
    """The response to a struck request, None if it goes on as usual."""
    request.entry.fault = fault.fault
    delay_s = fault.args.get("delay_ms", 0) / 1000
    match fault.fault:
        case "slow":
            await asyncio.sleep(delay_s or DELAY_S)
            return None
        case "timeout":
            await asyncio.sleep(delay_s or NO_ANSWER_S)
        case "drop_before_commit":
            pass
        case "drop_after_commit":
            request.emulator.handle(request.call)
        case "late_commit":
            commit_later(request, delay_s or DELAY_S)
        case "kill_pid":
            request.emulator.handle(request.call)
            kill_named(request, fault.args.get("pid"))
        case _:
            return answer(request, fault)
    return hang_up(request.raw)


def answer(request: Request, fault: Fault) -> web.Response:
    """The fault in the vendor's words."""
    reply = request.emulator.fault_reply(fault.fault, request.call, fault.args)
    request.entry.status = reply.status
    return to_response(reply, request.sandbox.clock.http_date())


def commit_later(request: Request, delay_s: float) -> None:
    """Carry a request out after its connection was closed."""

    async def commit() -> None:
        await asyncio.sleep(delay_s)
        request.emulator.handle(request.call)

    # asyncio keeps weak references only, so the application holds the task.
    request.raw.app["later"].add(asyncio.get_running_loop().create_task(commit()))


def kill_named(request: Request, name: object) -> None:
    """Kill the process a fault names: the client, the tap, or a number."""
    pid: object = name
    if name == TAP:
        pid = request.sandbox.tap_pid
    elif name == "client":
        pid = peer_pid(request.raw)
    if isinstance(pid, int):
        kill(pid)


def remember_tap(request: Request) -> None:
    """Remember the tap's process while a fault that kills it is registered."""
    registered = any(
        fault.fault == "kill_pid" and fault.args.get("pid") == TAP
        for fault in request.sandbox.faults
    )
    client = request.call.headers.get("User-Agent", "")
    if registered and request.emulator.name == "canai" and client.startswith(TAP):
        request.sandbox.tap_pid = peer_pid(request.raw)
