"""The port: listens on 127.0.0.1, one thread per connection, HTTP/1.1 keep-alive.

Answers come from one function given from outside; nothing here knows what they mean.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Callable
from threading import Event, Lock, Thread

from lol_dagster.simulator.wire import (
    Answer,
    BadRequestError,
    Request,
    read_request,
    text_answer,
    write_answer,
)

logger = logging.getLogger(__name__)

_IDLE_SECONDS = 60.0


class Server:
    """Serves `handler` on a port (0 = any free one) of this machine alone, by default, from `start` to `stop`."""

    def __init__(
        self, handler: Callable[[Request], Answer], port: int = 0, address: str = "127.0.0.1"
    ) -> None:
        """Bind the port.

        Raises:
            OSError: another program listens there.
        """
        self._handler = handler
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._listener.bind((address, port))
        except OSError as error:
            self._listener.close()
            raise OSError(
                error.errno, f"port {port} of {address} cannot be used: {error.strerror}"
            ) from None
        self._listener.listen(128)
        self.port: int = self._listener.getsockname()[1]
        self.stopping = Event()
        self._connections: set[socket.socket] = set()
        self._lock = Lock()
        self._acceptor = Thread(target=self._accept, name="simulator-accept", daemon=True)

    def start(self) -> None:
        """Begin to answer, in threads of its own."""
        self._acceptor.start()

    def stop(self) -> None:
        """Close the port and every connection, also those that are being answered."""
        self.stopping.set()
        # A thread blocked in accept() is not woken by close() on Linux, but by shutdown().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(timeout=5)

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            Thread(
                target=self._serve, args=(connection,), name="simulator-client", daemon=True
            ).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
        try:
            connection.settimeout(_IDLE_SECONDS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._converse(connection)
        except OSError:
            pass  # the client is gone, or stop() has closed the connection
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _converse(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            keep_alive = True
            while keep_alive and not self.stopping.is_set():
                try:
                    request = read_request(stream, connection)
                except BadRequestError as error:
                    answer = text_answer(400, f"{error}\n")
                    write_answer(connection, answer, keep_alive=False, stopping=self.stopping)
                    return
                if request is None:
                    return
                keep_alive = request.header("connection").lower() != "close"
                answer = self._answer(request)
                keep_alive = write_answer(
                    connection, answer, keep_alive=keep_alive, stopping=self.stopping
                )

    def _answer(self, request: Request) -> Answer:
        try:
            return self._handler(request)
        except OSError:
            raise
        except Exception:
            logger.exception("the simulator failed to answer %s", request.method)
            return text_answer(500, "the simulator itself has failed: see its log\n")
