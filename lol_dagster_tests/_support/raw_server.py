"""An HTTP server of raw sockets, whose every byte is the test's to choose."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """What came in, as it came in."""

    method: str
    target: str
    """Path and query, still encoded."""
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@dataclass
class Connection:
    """The server's end of one connection."""

    sock: socket.socket
    closing: threading.Event
    """Set when the test is over: what drips stops dripping."""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, every: float = 0.05) -> None:
        """Send `data` again and again until the client hangs up."""
        while not self.closing.wait(every):
            self.send(data)

    def hang(self) -> None:
        """Say nothing more."""
        self.closing.wait()

    def reset(self) -> None:
        """End the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Handler = Callable[[Request, Connection], None]


@dataclass
class RawServer:
    """Accepts connections and hands each request to the handler; keeps what came in."""

    port: int
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    received: int = 0
    """Bytes, whether or not they made a request; under TLS, decrypted ones."""

    def url(self, path: str = "/", scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"


def answer(
    status: int = 200, body: bytes | str = b"", headers: dict[str, str] | None = None
) -> bytes:
    """A whole answer with its length."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} Whatever"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"Content-Length: {len(content)}", "", ""]
    return "\r\n".join(lines).encode() + content


@contextlib.contextmanager
def raw_server(handler: Handler, *, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """A server on a free port; ended, with its connections, when the block ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    server = RawServer(port=listener.getsockname()[1])
    closing = threading.Event()
    threads: list[threading.Thread] = []
    open_sockets: list[socket.socket] = []

    def serve(sock: socket.socket) -> None:
        try:
            with contextlib.suppress(OSError):
                if tls is not None:
                    sock = tls.wrap_socket(sock, server_side=True)
                    open_sockets.append(sock)
                while (request := _read_request(sock, server)) is not None:
                    server.requests.append(request)
                    handler(request, Connection(sock, closing))
        finally:  # or the client would wait out its deadline for a handler that has failed
            with contextlib.suppress(OSError):
                sock.close()

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            server.connections += 1
            open_sockets.append(sock)
            thread = threading.Thread(target=serve, args=(sock,), daemon=True)
            threads.append(thread)
            thread.start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield server
    finally:
        closing.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(5)
        for sock in open_sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)
        for sock in open_sockets:
            sock.close()


def _read_request(sock: socket.socket, server: RawServer) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(65_536)
        if not chunk:
            return None
        server.received += len(chunk)
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        chunk = sock.recv(65_536)
        if not chunk:
            return None
        server.received += len(chunk)
        body += chunk
    return Request(method, target, headers, body)
