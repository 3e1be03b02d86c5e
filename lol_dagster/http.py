"""The one way out: every HTTP call of this project, with an end to it.

A timeout of requests bounds one wait on a socket, not the call: a server that drips a byte now and
then holds it forever (psf/requests#4276). Here a watchdog shuts the socket down at the deadline,
which ends a TLS handshake, a header, a body and an endless row of `100 Continue` alike; names are
looked up in a thread of their own, as getaddrinfo cannot be interrupted.

What belongs here is transport only: no retries, no redirects, no cookies, no proxies and nothing
from the environment. What an answer means is decided by whoever makes the call.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import requests
import requests.utils
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from lol_dagster.http_terms import MaybeSent, NotSent, TransportError

if TYPE_CHECKING:
    _AnyConnection = HTTPConnection
else:
    _AnyConnection = object

CONNECT_TIMEOUT_S = 3.0
_CHUNK = 65_536


@dataclass(frozen=True)
class Response:
    """A complete answer."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: bytes
    """Complete as far as the server declared a length, and decompressed."""
    elapsed_s: float


class DeadlineSession:
    """Makes calls that end by their deadline. Safe to share between threads."""

    def __init__(
        self,
        user_agent: str,
        *,
        guard: Callable[[], object],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """
        Args:
            user_agent: Sent with every call.
            guard: Called before each call; what it raises keeps the call from being made. The
                application's is `storage.database.assert_no_open_write`.
            tls: Whom to trust; by default the certificate authorities that come with requests.
        """
        # urllib3 logs whole URLs: at DEBUG each one, at WARNING those with a malformed answer.
        for name in ("urllib3.connection", "urllib3.connectionpool"):
            logging.getLogger(name).addFilter(_drop)
        self._tls = tls or _authorities()
        self._user_agent = user_agent
        self._guard = guard
        self._kept_alive = _GuardedAdapter(self._tls)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        data: bytes | None = None,
        deadline: float,
        max_body: int,
    ) -> Response:
        """Make one call and read its answer to the end, whatever its status.

        Only a GET may travel on a connection that was used before: a server that closes an idle
        connection in the moment of a POST would leave its fate open.

        Args:
            deadline: Seconds for all of it: name, connection, TLS, header and body.
            max_body: Most bytes of a (decompressed) body to take.

        Raises:
            NotSent: nothing of the request left; it may be repeated whatever its method.
            MaybeSent: anything else went wrong: deadline, reset, half a body, too large a body.
            RuntimeError: the guard refuses, as a writing transaction is open.
        """
        self._guard()
        sent_headers = {
            "User-Agent": self._user_agent,
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
            **(headers or {}),
        }
        adapter = self._kept_alive if method == "GET" else _GuardedAdapter(self._tls)
        with _Call(f"{method} {_host(url)}", deadline) as call:
            # Distinguished from here on by what `call` saw, and raised outside of the handler: the
            # library's errors quote the URL, and a chained one would be logged with ours.
            try:
                prepared = requests.Request(
                    method, url, headers=sent_headers, params=params, json=json, data=data
                ).prepare()
                answer = adapter.send(prepared, timeout=(deadline, deadline))
                try:
                    body = _read(answer, max_body)
                except BaseException:
                    answer.close()
                    raise
                failure = call.expiry()
            except (requests.RequestException, HTTPError, HTTPException, OSError, ValueError) as e:
                failure = call.failure(e)
            finally:
                if adapter is not self._kept_alive:
                    adapter.close()
        if failure is not None:
            raise failure
        return Response(answer.status_code, answer.headers, body, call.elapsed())

    def close(self) -> None:
        """Close the idle connections."""
        self._kept_alive.close()


class _TooLarge(HTTPException):
    pass


@cache
def _authorities() -> ssl.SSLContext:
    """Trust in the authorities that come with requests: to read them takes tens of milliseconds."""
    return ssl.create_default_context(cafile=requests.utils.DEFAULT_CA_BUNDLE_PATH)


def _drop(_record: logging.LogRecord) -> bool:
    return False


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "(no host)"
    except ValueError:
        return "(malformed URL)"


def _read(answer: requests.Response, max_body: int) -> bytes:
    body = bytearray()
    for chunk in answer.raw.stream(_CHUNK, decode_content=True):
        body += chunk
        if len(body) > max_body:
            raise _TooLarge(f"the answer is larger than {max_body} bytes")
    return bytes(body)


class _Call:
    """One call: its clock, its watchdog, and whether a byte of the request has left.

    The watchdog holds a duplicate of the socket. Shutting that down ends the connection for all
    who use it, while TLS wraps the socket anew during the handshake (leaving the first object empty),
    and `SSLSocket.shutdown` itself would let a simultaneous write through in the clear.
    """

    def __init__(self, name: str, deadline: float) -> None:
        self._name = name
        self._deadline = deadline
        self._begin = time.monotonic()
        self._lock = threading.Lock()
        self._guarded: socket.socket | None = None
        self._expired = False
        self._started_sending = False
        self._timer = threading.Timer(deadline, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)
        self._timer.cancel()
        with self._lock:
            if self._guarded is not None:
                self._guarded.close()
                self._guarded = None

    def elapsed(self) -> float:
        return time.monotonic() - self._begin

    def remaining(self) -> float:
        """Seconds left, never quite 0: a socket takes 0 for «do not block»."""
        return max(0.001, self._deadline - self.elapsed())

    def guard(self, sock: socket.socket) -> None:
        """From now on this is the connection to shut down."""
        with self._lock:
            if self._guarded is not None:
                self._guarded.close()
            self._guarded = socket.fromfd(sock.fileno(), sock.family, sock.type)
            if self._expired:
                _shut_down(self._guarded)

    def begin_sending(self) -> None:
        """Noted before the first byte is given to the system.

        Raises:
            TimeoutError: the deadline has passed, and nothing was given.
        """
        with self._lock:
            if self._expired and not self._started_sending:
                raise TimeoutError
            self._started_sending = True

    def _expire(self) -> None:
        with self._lock:
            self._expired = True
            if self._guarded is not None:
                _shut_down(self._guarded)

    def expiry(self) -> TransportError | None:
        """The deadline's error if it has struck: to the reader, the end of a socket that was shut
        down is like the end of a body without declared length.
        """
        with self._lock:
            return self._error("no complete answer in time") if self._expired else None

    def failure(self, error: Exception) -> TransportError:
        """What is to be raised in place of the library's `error`."""
        return self.expiry() or self._error(_explain(error))

    def _error(self, what: str) -> TransportError:
        kind = MaybeSent if self._started_sending else NotSent
        return kind(f"{self._name}: {what} (after {self.elapsed():.1f} s)")


_current: ContextVar[_Call] = ContextVar("lol_http_call")


def _shut_down(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side was faster
        sock.shutdown(socket.SHUT_RDWR)


def _explain(error: BaseException) -> str:
    """What happened, in words that cannot hold a part of the URL or of a header."""
    cause: BaseException | None = error
    seen: set[int] = set()
    found = type(error).__name__
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        match cause:
            case _TooLarge():
                return str(cause)
            case ssl.SSLCertVerificationError():
                return f"the server's certificate is not valid: {cause.verify_message}"
            case socket.gaierror():
                return "no address is known for this host"
            case TimeoutError():
                found = "no answer in time"
            case ssl.SSLError():
                reason = getattr(cause, "reason", None)  # OpenSSL's; Python's own have none
                found = f"TLS failed ({reason or type(cause).__name__})"
            case OSError() if cause.errno is not None:
                found = os.strerror(cause.errno).lower()
            case HTTPException():
                found = f"broken answer ({type(cause).__name__})"
        cause = _beneath(cause)
    return found


def _beneath(error: BaseException) -> BaseException | None:
    """The error that `error` was made of: libraries put it into the arguments, too."""
    if error.__cause__ or error.__context__:
        return error.__cause__ or error.__context__
    return next((part for part in error.args if isinstance(part, BaseException)), None)


def _addresses(host: str, port: int, seconds: float) -> list[tuple[Any, ...]]:
    """Like getaddrinfo, but with an end to it; the thread of a lookup that hangs is left behind.

    Raises:
        OSError: there is no address (gaierror), or none in time (TimeoutError).
    """
    answers: queue.SimpleQueue[list[tuple[Any, ...]] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, UnicodeError):
        raise socket.gaierror
    if isinstance(answer, Exception):
        raise answer
    return answer


def _connect(host: str, port: int, call: _Call) -> socket.socket:
    """Connect to the first address that answers.

    Raises:
        OSError: none does.
    """
    failure: OSError = socket.gaierror()
    for family, kind, protocol, _, address in _addresses(host, port, call.remaining()):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(min(CONNECT_TIMEOUT_S, call.remaining()))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            call.guard(sock)
            return sock
    raise failure


class _Guarded(_AnyConnection):
    """What a connection does so that its call can watch it; goes before urllib3's classes."""

    def _new_conn(self) -> socket.socket:
        # The name with its trailing dot, as in the method that this replaces.
        return _connect(self._dns_host, self.port, _current.get())

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:  # kept alive by an earlier call
            _current.get().guard(self.sock)
        super().request(*args, **kwargs)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        _current.get().begin_sending()
        super().send(data)


class _GuardedHTTPConnection(_Guarded, HTTPConnection):
    pass


class _GuardedHTTPSConnection(_Guarded, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _GuardedHTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPSConnection


class _GuardedAdapter(HTTPAdapter):
    """requests' adapter over guarded connections, with one TLS context for all of them."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        super().__init__(max_retries=0)

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **kwargs: Any
    ) -> None:
        self.poolmanager = PoolManager(
            connections, maxsize=maxsize, block=block, ssl_context=self._tls, **kwargs
        )
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """The context knows whom to trust; reading the authorities again costs 15 ms a call."""
