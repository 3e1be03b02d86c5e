"""A wire to PostgreSQL that can be cut at the next COMMIT: before it arrives, or before its answer.

To a client both look the same, which is what makes them hard: the connection is gone, and whether
the transaction was committed only the server knows.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import struct
import tempfile
import threading
from pathlib import Path

from sqlalchemy import make_url

_SOCKET = ".s.PGSQL.5432"


class CuttableWire:
    """Connections of this process to the server, through a Unix socket of its own."""

    def __init__(self, server_url: str) -> None:
        url = make_url(server_url)
        # Short: a socket's path holds 107 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="lol-wire-"))
        self._server = f"{url.query['host']}/{_SOCKET}"
        self._cut: str | None = None
        self.url = url.set(query={"host": str(self._folder)}).render_as_string(False)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self._folder / _SOCKET))
        listener.listen()
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut_at_next_commit(self, *, answer_only: bool) -> None:
        """Lose the next COMMIT, or only what the server answers to it; and then everything."""
        self._cut = "answer" if answer_only else "commit"

    def _accept(self, listener: socket.socket) -> None:
        while True:
            client, _ = listener.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            for target in (self._talk, self._listen):
                threading.Thread(target=target, args=(client, server), daemon=True).start()

    def _talk(self, client: socket.socket, server: socket.socket) -> None:
        """Client to server, message by message; the first has no type."""
        with contextlib.suppress(OSError, EOFError):
            is_first = True
            while True:
                kind = b"" if is_first else _exactly(client, 1)
                length = _exactly(client, 4)
                body = _exactly(client, struct.unpack("!I", length)[0] - 4)
                is_first = False
                is_commit = kind == b"Q" and body.upper().startswith(b"COMMIT")
                if is_commit and self._cut == "commit":
                    break
                if is_commit and self._cut == "answer":
                    self._cut = "answering"
                server.sendall(kind + length + body)
        _close(client, server)
        if self._cut is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _listen(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65_536):
                if self._cut == "answering":
                    break  # the server has done it
                client.sendall(data)
        _close(client, server)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def _close(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
