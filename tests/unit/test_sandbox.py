"""The sandbox's own parts, where no call from outside can show them."""

from __future__ import annotations

import socket

import psutil
from sandbox.peer import is_other_end

from box import Box


def test_a_kill_finds_the_client_and_not_another_that_uses_the_same_port() -> None:
    """Two clients may have the same port towards two servers; one is this connection's end."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_server(("127.0.0.1", 0)) as other,
        socket.socket() as client,
    ):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind(("127.0.0.1", 0))
        client.connect(server.getsockname())
        accepted, _ = server.accept()
        port = client.getsockname()[1]
        listed = [
            connection
            for connection in psutil.net_connections(kind="tcp")
            if connection.laddr and connection.laddr.port == port
        ]
        ours = [connection._replace(pid=1) for connection in listed]
        assert any(is_other_end(connection, port, server.getsockname()[1]) for connection in ours)
        assert not any(
            is_other_end(connection, port, other.getsockname()[1]) for connection in ours
        )
        accepted.close()


def test_after_a_reset_events_happen_at_the_present_again(box: Box) -> None:
    """However far the clock was moved before."""
    box.advance(10 * 86_400)
    box.happen("user.referred_signup", users=1)
    box.reset()
    (key,) = box.happen("user.referred_signup", users=1)
    users = {row["id"]: row["properties"] for row in box.objects("canai", "users")}
    assert users[key]["last_active_at"] < "2026-01-31T01"
