"""The command `canai-sandbox`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys

from aiohttp import web

from sandbox.app import Sandbox, build_app

HOST = "127.0.0.1"


def parser() -> argparse.ArgumentParser:
    """Arguments of `canai-sandbox`."""
    root = argparse.ArgumentParser(prog="canai-sandbox", description=__doc__)
    commands = root.add_subparsers(dest="command", required=True)
    serve = commands.add_parser(
        "serve", help="serve the export API and the three CRM emulators on 127.0.0.1"
    )
    serve.add_argument("--port", type=int, default=8765)
    serve.add_argument("--users", type=int, default=1000, help="number of users at the source")
    serve.add_argument("--seed", type=int, default=7, help="seed of the source's data")
    serve.add_argument("--latency-ms", type=int, default=0, help="milliseconds every answer waits")
    serve.add_argument(
        "--chunk-bytes", type=int, help="size above which an export comes in chunks (100 MB)"
    )
    serve.add_argument(
        "--async-bytes", type=int, help="size above which an export is answered 202 first (20 MB)"
    )
    return root


async def serve(port: int, sandbox: Sandbox, listener: socket.socket | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    runner = web.AppRunner(
        build_app(sandbox), access_log=None, handler_cancellation=True, shutdown_timeout=1.0
    )
    await runner.setup()
    site = web.SockSite(runner, listener) if listener else web.TCPSite(runner, HOST, port)
    await site.start()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print(f"canai-sandbox: http://{HOST}:{port}/", flush=True)
    await stop.wait()
    await runner.cleanup()


def main(argv: list[str] | None = None) -> int:
    """Entry point; 1 where the port is taken."""
    given = parser().parse_args(argv)
    sandbox = Sandbox(
        users=given.users,
        seed=given.seed,
        port=given.port,
        latency_ms=given.latency_ms,
        chunk_bytes=given.chunk_bytes,
        async_bytes=given.async_bytes,
    )
    try:
        asyncio.run(serve(given.port, sandbox))
    except OSError as error:
        print(
            f"canai-sandbox: port {given.port} cannot be used ({error.strerror}); choose another with PORT=… or --port",
            file=sys.stderr,
        )
        return 1
    return 0
