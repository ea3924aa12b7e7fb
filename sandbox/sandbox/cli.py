"""The command `canai-sandbox`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from aiohttp import web

from sandbox.app import build_app
from sandbox.canai.state import ASYNC_BYTES, CHUNK_BYTES, PlatformSettings
from sandbox.state import Sandbox

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
        "--chunk-bytes",
        type=int,
        default=CHUNK_BYTES,
        help="size above which an export comes in chunks (100 MB)",
    )
    serve.add_argument(
        "--async-bytes",
        type=int,
        default=ASYNC_BYTES,
        help="size above which an export is answered 202 first (20 MB)",
    )
    return root


async def serve(port: int, sandbox: Sandbox) -> None:
    """Serve until SIGTERM or SIGINT."""
    runner = web.AppRunner(
        build_app(sandbox), access_log=None, handler_cancellation=True, shutdown_timeout=1.0
    )
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    print(f"canai-sandbox: http://{HOST}:{port}/", flush=True)
    await stop.wait()
    await runner.cleanup()


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns 1 if the port cannot be used."""
    options = parser().parse_args(argv)
    settings = PlatformSettings(
        users=options.users,
        seed=options.seed,
        origin=f"http://{HOST}:{options.port}",
        chunk_bytes=options.chunk_bytes,
        async_bytes=options.async_bytes,
    )
    try:
        asyncio.run(serve(options.port, Sandbox(settings, options.latency_ms)))
    except OSError as error:
        message = f"port {options.port} cannot be used ({error.strerror})"
        print(f"canai-sandbox: {message}; choose another with PORT=… or --port", file=sys.stderr)
        return 1
    return 0
