"""Answers of an export API, or of another server at its address, that are not in the guide."""

from __future__ import annotations

import gzip
import json
import socket
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from singer_kit.errors import FatalError
from tap_canai.api import ApiAccess, Clock, ExportApi
from tap_canai.decoders.blocks import Block
from tap_canai.errors import ExportBrokenError
from tap_canai.export_reader import ExportReader, FileContent
from tap_canai.exports import ExportClient
from tap_canai.schema_files import load_schema

from odd_server import OddServer, Reply, odd_server

KEY = "sk-secret-key"
MEGABYTE = 1024 * 1024
REQUEST = {
    "export_type": "users",
    "date_range": {},
    "data_fields": [],
    "format": "json",
    "anonymize_data": False,
}
FILE = b'{"users": [{"user_id": "1"}, {"user_id": "2"}]}'


@pytest.fixture
def server() -> Iterator[OddServer]:
    with odd_server() as odd:
        yield odd


class FakeTime:
    """A clock that only sleep moves."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def now(self) -> float:
        return sum(self.slept)


def client(server: OddServer, fake: FakeTime | None = None) -> ExportClient:
    """A client of the odd server, whose waits take no time."""
    fake = fake or FakeTime()
    access = ApiAccess(server.url, "v1", (KEY,), "tap", 1_000_000, 5.0)
    clock = Clock(fake.sleep, time.monotonic, lambda: 1.0)
    return ExportClient(ExportApi(access, clock), allow_private_hosts=True)


def answer(server: OddServer, **data: Any) -> dict[str, Any]:
    """The guide's answer to a request for users."""
    filled = {
        "export_id": "exp-1",
        "download_url": f"{server.url}/file?signature=hidden",
        "record_count": 2,
        "file_size_bytes": len(FILE),
        "expires_at": "2026-02-01T00:00:00Z",
        "format": "json",
    }
    made = {"export_created_at": "2026-01-31T00:00:00Z", "request_id": "r"}
    return {"data": filled | data, "metadata": made, "error": None}


def read(server: OddServer, body: object, *files: Reply) -> list[dict[str, Any]]:
    """The records of an export that is answered so. Raises: FatalError."""
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    server.replies["/v1/export"] = [Reply(body=encoded)]
    server.replies["/file"] = list(files) or [Reply(body=FILE)]
    made = client(server)
    content = FileContent("users", load_schema("users"), "json")
    rows = ExportReader("users", made, content).rows(made.create(REQUEST))
    return [row for row in rows if not isinstance(row, Block)]


def one_line(error: BaseException) -> str:
    """The error's message, checked: one line of bounded length that shows no secret."""
    text = str(error)
    assert "\n" not in text
    assert "\x1b" not in text
    assert len(text) < 900
    for secret in (KEY, "signature", "hidden", "ann@example.org"):
        assert secret not in text
    return text


def test_the_guides_answer_is_read(server: OddServer) -> None:
    assert [row["user_id"] for row in read(server, answer(server))] == ["1", "2"]
    assert [
        row["user_id"]
        for row in read(server, b"\xef\xbb\xbf" + json.dumps(answer(server)).encode())
    ]


ODD_DATA: list[dict[str, Any]] = [
    {"export_id": None},
    {"export_id": ""},
    {"export_id": ["x"]},
    {"export_id": "x" * 5000},
    {"download_url": None},
    {"download_url": 5},
    {"download_url": ""},
    {"download_url": " "},
    {"download_url": "https://[::1/x"},
    {"download_url": "https://a..b/x"},
    {"download_url": "https://h:99999/x"},
    {"download_url": "https://" + "a" * 70 + ".example/x"},
    {"download_url": "file:///etc/passwd"},
    {"download_url": "ftp://127.0.0.1/x"},
    {"download_url": "https://\x00/x"},
    {"record_count": None},
    {"record_count": "2"},
    {"record_count": -1},
    {"record_count": 2.5},
    {"record_count": 10**30},
    {"record_count": True},
    {"file_size_bytes": "many"},
    {"file_size_bytes": [1]},
    {"expires_at": None},
    {"expires_at": "soon"},
    {"expires_at": 1},
    {"expires_at": "0001-01-01T00:00:00+23:59"},
    {"expires_at": "99999-01-01"},
    {"format": "csv"},
    {"format": None},
    {"format": "\n\x1b[31mjson ann@example.org"},
    {"chunks": {"a": 1}},
    {"chunks": ["x"]},
    {"chunks": [{}]},
    {"chunks": [{"download_url": "x", "record_count": 1}]},
    {"status": "failed"},
    {"status": "failed", "export_id": "\nann@example.org"},
    {"status": "processing", "export_id": ".."},
    {"status": "processing", "export_id": ""},
    {"status": 7},
]


@pytest.mark.parametrize("data", ODD_DATA, ids=lambda data: json.dumps(data)[:60])
def test_odd_data_is_one_line(server: OddServer, data: dict[str, Any]) -> None:
    with pytest.raises(FatalError) as error:
        read(server, answer(server, **data))
    one_line(error.value)


ODD_BODIES = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"5",
    b"{}",
    b"<html>proxy</html>",
    b'{"data": []}',
    b'{"data": "x", "metadata": {}}',
    b'{"data": {}, "metadata": []}',
    b'{"data": null, "metadata": null}',
    b'{"data": {"record_count": 1e400}}',
    b'{"data": {"record_count": 1e99999999}}',
    b'{"data": {"export_id": "\xff"}}',
    b'{"data": {"export_id": "\\ud800"}}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"data": {"export_id": "x"',
    b"\x00" * 100,
    b"\xff\xfe{\x00}\x00",
    b'{"data": NaN}',
]


@pytest.mark.parametrize("body", ODD_BODIES, ids=range(len(ODD_BODIES)))
def test_an_odd_body_is_one_line(server: OddServer, body: bytes) -> None:
    with pytest.raises(FatalError) as error:
        read(server, body)
    one_line(error.value)


ODD_ERRORS: list[Any] = [
    None,
    "text",
    ["list"],
    5,
    {"code": None, "message": None},
    {"code": 5, "message": {"a": 1}},
    {"code": "x", "details": "text"},
    {"code": "x", "details": ["unknown_fields"]},
    {"code": "x", "details": {"unknown_fields": "text"}},
    {"code": "x", "details": {"unknown_fields": {"a": 1}}},
    {"code": "x", "details": {"unknown_fields": [1, None, {"a": 1}]}},
    {"code": "x", "details": {"unknown_fields": ["ann@example.org", "a\nb"]}},
    {"message": "no user ann@example.org\nERROR forged line\x1b[2J"},
    {"message": "call +49 170 1234567 at https://storage.example/x?signature=hidden"},
    {"message": "m" * 900_000},
    {"code": "c" * 10_000},
]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 418, 422, 301, 307])
@pytest.mark.parametrize("error", ODD_ERRORS, ids=range(len(ODD_ERRORS)))
def test_an_odd_error_is_one_line_without_personal_data(
    server: OddServer, error: object, status: int
) -> None:
    body = json.dumps({"data": None, "error": error}).encode()
    server.replies["*"] = [Reply(status, body, {"Location": "http://elsewhere.example/"})]
    with pytest.raises(FatalError) as raised:
        client(server).create(REQUEST)
    text = one_line(raised.value)
    assert "1234567" not in text
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "date", ["", "soon", "Sat, 99 Jan 2026", "Fri, 31 Dec 9999 23:59:59 -2359"]
)
def test_an_odd_date_is_one_line(server: OddServer, date: str) -> None:
    server.replies["*"] = [Reply(404, b"{}", {"Date": date})]
    with pytest.raises(FatalError, match="Date header") as error:
        client(server).now()
    one_line(error.value)


@pytest.mark.parametrize("wait", ["inf", "-inf", "nan", "-5", "1e999", "soon", "", "0x10", "1_0"])
def test_an_odd_retry_after_is_waited_like_none(server: OddServer, wait: str) -> None:
    fake = FakeTime()
    good = json.dumps(answer(server)).encode()
    server.replies["*"] = [Reply(429, b"", {"Retry-After": wait}), Reply(body=good)]
    assert client(server, fake).create(REQUEST).export_id == "exp-1"
    assert all(0 <= seconds <= 60 for seconds in fake.slept)


@pytest.mark.parametrize("wait", ["3601", "1e12", "Sun, 01 Feb 2026 00:00:00 GMT"])
def test_a_wait_of_hours_ends_with_the_time_to_come_again(server: OddServer, wait: str) -> None:
    fake = FakeTime()
    server.replies["*"] = [Reply(429, b"", {"Retry-After": wait})]
    with pytest.raises(FatalError, match=r"Run again after \d{4}-\d\d-\d\d") as error:
        client(server, fake).create(REQUEST)
    one_line(error.value)
    assert fake.slept == []


# Bodies without an end


def drip(connection: socket.socket) -> None:
    """A byte each moment, and no end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nDate: Sat, 31 Jan 2026 00:00:00 GMT\r\n\r\n")
    with suppress(OSError):
        while True:
            connection.sendall(b" ")
            time.sleep(0.01)


def blanks(connection: socket.socket) -> None:
    """800 MB of blanks."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    with suppress(OSError):
        for _ in range(800):
            connection.sendall(b" " * MEGABYTE)


def test_an_answer_without_an_end_is_refused(server: OddServer) -> None:
    server.replies["*"] = [Reply(raw=blanks)]
    tracemalloc.start()
    try:
        with pytest.raises(FatalError, match="more than 1048576 bytes"):
            client(server).create(REQUEST)
        assert tracemalloc.get_traced_memory()[1] < 10 * MEGABYTE
    finally:
        tracemalloc.stop()


def test_a_bomb_is_refused(server: OddServer) -> None:
    packer = zlib.compressobj(wbits=31)
    pieces = [packer.compress(b" " * MEGABYTE) for _ in range(100)]  # made in little memory
    bomb = b"".join([*pieces, packer.flush()])
    server.replies["*"] = [Reply(body=bomb, headers={"Content-Encoding": "gzip"})]
    with pytest.raises(FatalError, match="more than 1048576 bytes"):
        client(server).create(REQUEST)


def test_an_answer_that_drips_is_refused(
    server: OddServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_canai.api.LONGEST_S", 0.3)
    server.replies["*"] = [Reply(raw=drip)]
    with pytest.raises(FatalError, match="takes longer than"):
        client(server).create(REQUEST)


def test_a_download_that_drips_is_refused(
    server: OddServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_canai.decoders.reader.LONGEST_DOWNLOAD_S", 0.3)
    with pytest.raises(FatalError, match="A download has taken"):
        read(server, answer(server, file_size_bytes=MEGABYTE), Reply(raw=drip))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"record_count": 1}, "more than the 1 records"),
        ({"file_size_bytes": 20}, "more than the 20 bytes"),
        ({"record_count": 3}, "incomplete"),
        ({"file_size_bytes": 2000}, "incomplete"),
    ],
)
def test_a_file_is_as_long_as_announced(server: OddServer, data: dict[str, Any], said: str) -> None:
    with pytest.raises(ExportBrokenError, match=said) as error:
        read(server, answer(server, **data))
    one_line(error.value)


ZIPPED = gzip.compress(FILE)
HEAD = b"HTTP/1.1 200 OK\r\nDate: Sat, 31 Jan 2026 00:00:00 GMT\r\n"
CUT = {
    "length": HEAD + b"Content-Length: 500\r\n\r\n" + FILE[:10],
    "chunked": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n" + FILE[:5] + b"\r\n50\r\nab",
    "chunk size": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "gzip": HEAD
    + b"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n"
    + b"not gzip at all.....",
    "status": b"HTTP/1.1 abc\r\n\r\n",
    "nothing": b"",
    "not http": b"SSH-2.0-OpenSSH\r\n",
    "headers": HEAD + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("case", CUT)
def test_an_answer_that_breaks_off_is_requested_again(server: OddServer, case: str) -> None:
    good = json.dumps(answer(server)).encode()
    server.replies["*"] = [Reply(raw=CUT[case]), Reply(body=good)]
    assert client(server).create(REQUEST).export_id == "exp-1"


@pytest.mark.parametrize("case", CUT)
def test_an_answer_that_always_breaks_off_is_one_line(server: OddServer, case: str) -> None:
    server.replies["*"] = [Reply(raw=CUT[case])]
    with pytest.raises(FatalError) as error:
        client(server).create(REQUEST)
    one_line(error.value)


def test_a_zipped_answer_and_file_are_read(server: OddServer) -> None:
    zipped = {"Content-Encoding": "gzip"}
    body = gzip.compress(json.dumps(answer(server)).encode())
    server.replies["/v1/export"] = [Reply(body=body, headers=zipped)]
    assert client(server).create(REQUEST).export_id == "exp-1"
    rows = read(server, answer(server), Reply(body=ZIPPED, headers=zipped))
    assert len(rows) == 2


def test_an_id_cannot_lead_the_key_out_of_its_path(server: OddServer) -> None:
    path = "../../internal?x=1#y"
    waiting = json.dumps({"data": {"export_id": path, "status": "processing"}}).encode()
    server.replies["/v1/export"] = [Reply(202, waiting)]
    server.replies["*"] = [Reply(body=json.dumps(answer(server)).encode())]
    client(server).create(REQUEST)
    assert server.asked[-1][0] == "/v1/export/..%2F..%2Finternal%3Fx%3D1%23y"


def test_the_users_netrc_and_cookies_go_nowhere(
    server: OddServer, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login user password netrc-password\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    made = client(server)
    made.api.session.trust_env = True  # as for https
    good = json.dumps(answer(server)).encode()
    server.replies["/v1/export"] = [Reply(body=good, headers={"Set-Cookie": "a=b"})]
    server.replies["/file"] = [Reply(body=FILE, headers={"Set-Cookie": "c=d"})]
    reader = ExportReader("users", made, FileContent("users", load_schema("users"), "json"))
    for _ in range(2):
        assert len(list(reader.rows(made.create(REQUEST)))) == 2
    for path, headers in server.asked:
        expected = f"Bearer {KEY}" if path == "/v1/export" else None
        assert headers.get("Authorization") == expected
        assert "Cookie" not in headers
