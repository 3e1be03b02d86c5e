"""The server of raw sockets, on which other tests rely."""

from __future__ import annotations

import socket

import pytest

from lol_dagster_tests._support.raw_server import Connection, Request, raw_server


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_handler_that_fails_ends_its_connection() -> None:
    """Or whoever has asked would wait out a deadline for what a test has not foreseen."""

    def fail(request: Request, connection: Connection) -> None:
        raise AssertionError(request.target)

    with (
        raw_server(fail) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=60) as client,
    ):
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(1) == b""
