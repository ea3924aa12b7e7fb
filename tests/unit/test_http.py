"""Connections that fail: what is retried, what is ambiguous, and the error that you see."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterator

import pytest
from reverse_etl.crm.call_count import CallCount
from reverse_etl.crm.http import SETUP, CrmHttp
from reverse_etl.crm.oauth import OAuth
from reverse_etl.errors import AmbiguousAnswerError, CrmError

BODY = b'{"access_token": "t"}'
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + BODY[:9]
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(BODY) + BODY


@pytest.fixture
def cutting() -> Iterator[str]:
    """The URL of a server whose first answer ends in the middle of its body."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for response in (CUT, WHOLE):
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(response)

        listener.settimeout(5)
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.close()
        thread.join()


def http(url: str) -> CrmHttp:
    return CrmHttp(url, "CRM", dict, lambda headers: 0.0, CallCount(), 5, sleep=lambda _: None)


def test_a_read_that_is_cut_off_in_the_middle_is_sent_again(cutting: str) -> None:
    crm = http(cutting)
    assert crm.call("GET", "/x", SETUP).body == {"access_token": "t"}
    assert crm.calls.total == 2


def test_a_file_that_is_cut_off_in_the_middle_starts_again(cutting: str) -> None:
    file = io.BytesIO()
    http(cutting).call("GET", "/x", SETUP, into=file)
    assert file.read() == BODY


def test_a_write_whose_answer_is_cut_off_is_ambiguous(cutting: str) -> None:
    crm = http(cutting)
    with pytest.raises(AmbiguousAnswerError, match="closed the connection"):
        crm.call("POST", "/x", SETUP, repeatable=False)
    assert crm.calls.total == 1
    crm.call("GET", "/x", SETUP)


def test_a_sign_in_whose_answer_is_cut_off_is_sent_again(cutting: str) -> None:
    assert OAuth("CRM", cutting, dict, "", sleep=lambda _: None).token() == "t"


def test_a_write_to_a_host_that_does_not_exist_was_never_sent() -> None:
    crm = http("http://nowhere.invalid")
    with pytest.raises(CrmError, match=r"cannot be reached at http://nowhere\.invalid"):
        crm.call("POST", "/x", SETUP, repeatable=False)
    assert crm.calls.total == 4
