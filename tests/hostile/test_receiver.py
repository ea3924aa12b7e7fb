"""Senders without a token who would shut others out of the receiver."""

from __future__ import annotations

import contextlib
import re
import resource
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from crms import SOAK
from receiver import Receiver, event, receiving

pytestmark = pytest.mark.process
FLOODER = "127.0.0.2"
LIMIT = 100
HEAD = b"POST /webhooks/canai HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    folder = tmp_path_factory.mktemp("receiver")
    url = f"sqlite:///{folder}/inbox.db"
    options = ("--body-timeout-s", "5", "--host", "0.0.0.0")  # noqa: S104
    with receiving(folder, url, *options) as running:
        yield running


def connect(receiver: Receiver, address: str) -> socket.socket:
    """A connection from one of this machine's addresses."""
    return socket.create_connection(("127.0.0.1", receiver.port), 10, source_address=(address, 0))


def answer(connection: socket.socket) -> bytes:
    """The first line of what comes back; empty if the connection only ends."""
    with contextlib.suppress(ConnectionError):
        return connection.recv(4096).partition(b"\r\n")[0]
    return b""


def test_one_address_has_a_limited_number_of_connections(receiver: Receiver) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(LIMIT):
            stack.enter_context(connect(receiver, FLOODER))
        for _ in range(1500):
            with connect(receiver, FLOODER) as refused:
                refused.settimeout(5)
                assert answer(refused) in (b"HTTP/1.1 503 Service Unavailable", b"")
        began = time.monotonic()
        assert receiver.post(event())[0] == 200
        assert time.monotonic() - began < 1
    with connect(receiver, FLOODER) as again:
        time.sleep(0.2)
        again.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer(again) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("piece", [b"X: " + b"a" * 17_000 + b"\r\n", b"X: aaaaaaaaaa\r\n"])
def test_a_large_head_is_refused(receiver: Receiver, piece: bytes) -> None:
    with connect(receiver, "127.0.0.1") as sender:
        sender.sendall(HEAD)
        with contextlib.suppress(ConnectionError):
            for _ in range(2_000):
                sender.sendall(piece)
        assert answer(sender) in (b"HTTP/1.1 431 Request Header Fields Too Large", b"")
    assert receiver.post(event())[0] == 200


def test_a_large_head_in_one_piece_is_refused(receiver: Receiver) -> None:
    with connect(receiver, "127.0.0.1") as sender:
        sender.sendall(HEAD + b"X: " + b"a" * 20_000 + b"\r\nContent-Length: 0\r\n\r\n")
        assert answer(sender) == b"HTTP/1.1 431 Request Header Fields Too Large"


def test_a_public_address_without_a_certificate_is_warned_of(receiver: Receiver) -> None:
    assert "without a certificate" in receiver.log.read_text()


class Flood(threading.Thread):
    """Holds many connections of one address open, without a token, and makes new ones."""

    def __init__(self, receiver: Receiver, connections: int, pause_s: float) -> None:
        super().__init__(daemon=True)
        self.made, self._pause_s = 0, pause_s
        self._receiver, self._open = receiver, deque[socket.socket](maxlen=connections)
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(self._pause_s):
            with contextlib.suppress(OSError):
                self._replace_oldest(HEAD if self.made % 2 else HEAD + b"Content-Length: 9\r\n\r\n")

    def _replace_oldest(self, head: bytes) -> None:
        connection = connect(self._receiver, FLOODER)
        self.made += 1
        if len(self._open) == self._open.maxlen:
            self._open[0].close()
        self._open.append(connection)
        connection.sendall(head)

    def end(self) -> None:
        self._ended.set()
        self.join(30)
        for connection in self._open:
            connection.close()


def peak_bytes(receiver: Receiver) -> int:
    """The most memory that the receiver has used."""
    assert receiver.process is not None
    status = Path(f"/proc/{receiver.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


@pytest.mark.parametrize(
    ("connections", "seconds", "pause_s"),
    [(300, 3, 0.002), pytest.param(2000, 60, 0, marks=SOAK)],
    ids=["some", "many"],
)
def test_a_flood_of_one_address_does_not_slow_down_another(
    receiver: Receiver, connections: int, seconds: float, pause_s: float
) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 10_000), most))
    flood = Flood(receiver, connections, pause_s)
    flood.start()
    times: list[float] = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        began = time.monotonic()
        assert receiver.post(event(referrals_made=len(times)))[0] == 200
        times.append(time.monotonic() - began)
        time.sleep(0.03)
    flood.end()
    assert flood.made >= connections
    assert len(times) > seconds
    assert sorted(times)[int(len(times) * 0.95)] < 1
    assert peak_bytes(receiver) < 150_000_000
