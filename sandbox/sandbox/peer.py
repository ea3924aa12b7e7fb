"""The process at the other end of a connection on this machine."""

from __future__ import annotations

import os
import signal
from typing import Any

import psutil
from aiohttp import web


def peer_pid(request: web.Request) -> int | None:
    """The process that sent a request."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    here = request.transport.get_extra_info("sockname") if request.transport else None
    if not peer or not here:
        return None

    for connection in psutil.net_connections(kind="tcp"):
        if is_other_end(connection, peer[1], here[1]):
            return connection.pid
    return None


def is_other_end(connection: Any, peer_port: int, own_port: int) -> bool:
    """Returns True if a connection of psutil's list is the client's end of ours.

    Both ports are compared: another process may use the same port towards another server.
    """
    if not connection.laddr or not connection.raddr or connection.pid in (None, os.getpid()):
        return False
    return bool(connection.laddr.port == peer_port and connection.raddr.port == own_port)


def kill(pid: int) -> None:
    """SIGKILL a process, which may have ended already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
