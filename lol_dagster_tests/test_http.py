"""The session's promises on real sockets: every call ends by its deadline, and what is said about
whether the request left is true."""

from __future__ import annotations

import errno
import gzip
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import pytest

from lol_dagster import http
from lol_dagster.http import DeadlineSession
from lol_dagster.http_terms import MaybeSent, NotSent, TransportError
from lol_dagster.storage.database import Database, assert_no_open_write
from lol_dagster_tests._support.raw_server import Connection, Handler, Request, answer, raw_server
from lol_dagster_tests._support.waiting import wait_for

# A self-signed certificate of 127.0.0.1, valid until 2120; its key protects nothing.
CERTIFICATE = Path(__file__).with_name("test_only_127.0.0.1.pem")
DEADLINE = 0.3
"""For calls that the other end would never let end: that they end at all is the deadline's doing."""
ENOUGH = 60
"""A deadline that no call needs that works, however busy the machine is."""
SECRET = "/webhooks/1/SECRET-TOKEN"
CAP = 100_000


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[DeadlineSession]:
    for name in ("urllib3.connection", "urllib3.connectionpool"):
        # What other tests' sessions have put there would do for this one.
        monkeypatch.setattr(logging.getLogger(name), "filters", [])
    session = DeadlineSession(
        "test/1",
        guard=assert_no_open_write,
        tls=ssl.create_default_context(cafile=str(CERTIFICATE)),
    )
    yield session
    session.close()


@pytest.fixture
def server_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def say_nothing(_: Request, connection: Connection) -> None:
    connection.hang()


def drip_header(_: Request, connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    connection.drip(b"a")


def drip_body(_: Request, connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    connection.drip(b"a")


def drip_body_of_unknown_length(_: Request, connection: Connection) -> None:
    """To the client, the watchdog's shutdown looks just like this body's regular end."""
    connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    connection.drip(b"a")


def drip_chunks(_: Request, connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    connection.drip(b"1\r\na\r\n")


def continue_forever(_: Request, connection: Connection) -> None:
    connection.drip(b"HTTP/1.1 100 Continue\r\n\r\n", every=0.01)


def reset(_: Request, connection: Connection) -> None:
    connection.reset()


def hang_up(_: Request, connection: Connection) -> None:
    connection.sock.close()


def half_a_body(_: Request, connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    connection.sock.close()


def half_a_chunked_body(_: Request, connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    connection.sock.close()


def no_http(_: Request, connection: Connection) -> None:
    connection.send(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
    connection.sock.close()


def huge_body(_: Request, connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
    connection.drip(b"x" * 50_000, every=0)


def gzip_bomb(_: Request, connection: Connection) -> None:
    packed = gzip.compress(bytes(50_000_000))  # about 50 kB on the wire
    connection.send(answer(200, packed, {"Content-Encoding": "gzip"}))


SLOW: list[Handler] = [
    say_nothing, drip_header, drip_body, drip_body_of_unknown_length, drip_chunks,
    continue_forever,
]  # fmt: skip
BROKEN: list[Handler] = [
    reset, hang_up, half_a_body, half_a_chunked_body, no_http, huge_body, gzip_bomb,
]  # fmt: skip


def named(handler: Handler) -> str:
    return handler.__name__


def end_after_sending(session: DeadlineSession, method: str, url: str) -> None:
    """A call ends by its deadline, after the request left: where a machine is too busy to send it in
    0.3 s it gets more time.
    """
    for deadline in (DEADLINE, 10 * DEADLINE, ENOUGH):
        began = time.monotonic()
        with pytest.raises(TransportError, match=r": no (complete )?answer in time \(") as failure:
            session.request(method, url, deadline=deadline, max_body=CAP)
        assert time.monotonic() - began > deadline * 0.9
        if failure.type is MaybeSent:
            return
    pytest.fail(f"not sent: {failure.value}")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("handler", SLOW, ids=named)
def test_a_slow_server_is_left_at_the_deadline_and_the_request_may_have_arrived(
    session: DeadlineSession, handler: Handler, method: str
) -> None:
    with raw_server(handler) as server:
        end_after_sending(session, method, server.url(SECRET))


@pytest.mark.parametrize("handler", SLOW, ids=named)
def test_tls_changes_nothing_about_the_deadline(
    session: DeadlineSession, server_tls: ssl.SSLContext, handler: Handler
) -> None:
    with raw_server(handler, tls=server_tls) as server:
        end_after_sending(session, "POST", server.url(SECRET, "https"))
        wait_for("request", lambda: server.requests)  # it did arrive: «may have» is true
    assert len(server.requests) == 1


@pytest.mark.parametrize("handler", BROKEN, ids=named)
def test_after_a_broken_answer_the_request_may_have_arrived(
    session: DeadlineSession, handler: Handler
) -> None:
    with raw_server(handler) as server, pytest.raises(MaybeSent):
        session.request("POST", server.url(SECRET), data=b"x", deadline=ENOUGH, max_body=CAP)
    assert len(server.requests) == 1, "no retry either"


def test_an_answer_at_the_cap_is_taken_and_one_byte_more_is_not(session: DeadlineSession) -> None:
    def ten_bytes(_: Request, connection: Connection) -> None:
        connection.send(answer(200, b"0123456789"))

    with raw_server(ten_bytes) as server:
        taken = session.request("GET", server.url(), deadline=ENOUGH, max_body=10)
        with pytest.raises(MaybeSent, match="larger than 9 bytes"):
            session.request("GET", server.url(), deadline=ENOUGH, max_body=9)
    assert taken.body == b"0123456789"


def test_a_refused_connection_means_not_sent(session: DeadlineSession) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSent, match="refused"):
        session.request("POST", f"http://127.0.0.1:{port}{SECRET}", deadline=ENOUGH, max_body=CAP)


def test_an_error_says_which_call_to_whom_what_and_after_how_long(session: DeadlineSession) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSent) as caught:
        session.request("POST", f"http://127.0.0.1:{port}{SECRET}", deadline=ENOUGH, max_body=CAP)
    assert re.fullmatch(
        r"POST 127\.0\.0\.1: connection refused \(after \d+\.\d s\)", str(caught.value)
    )


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (reset, "connection reset by peer"),
        (hang_up, "broken answer (RemoteDisconnected)"),
        (no_http, "broken answer (BadStatusLine)"),
        (half_a_body, "broken answer (IncompleteRead)"),
        (half_a_chunked_body, "ProtocolError"),
        (huge_body, "the answer is larger than 100000 bytes"),
    ],
    ids=lambda each: each if isinstance(each, str) else named(each),
)
def test_an_error_says_what_was_wrong_with_the_answer(
    session: DeadlineSession, handler: Handler, words: str
) -> None:
    with raw_server(handler) as server, pytest.raises(MaybeSent) as caught:
        session.request("GET", server.url(SECRET), deadline=ENOUGH, max_body=CAP)
    assert f": {words} (after" in str(caught.value)


def _beneath(error: BaseException, *, cause: BaseException | None, context: BaseException | None):
    error.__cause__, error.__context__ = cause, context
    return error


def _in_a_circle() -> BaseException:
    first, second = ValueError(), KeyError()
    return _beneath(first, cause=_beneath(second, cause=first, context=None), context=None)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("SECRET"), "ValueError"),
        (TimeoutError("SECRET"), "no answer in time"),
        (socket.gaierror(8, "SECRET"), "no address is known for this host"),
        (ConnectionResetError(errno.ECONNRESET, "SECRET"), "connection reset by peer"),
        (OSError("SECRET"), "OSError"),
        (HTTPException("SECRET"), "broken answer (HTTPException)"),
        (ssl.SSLError("SECRET"), "TLS failed (SSLError)"),  # OpenSSL has named no reason
        # What it was made of says more, whichever way a library has kept that.
        (_beneath(ValueError(), cause=TimeoutError(), context=None), "no answer in time"),
        (_beneath(ValueError(), cause=None, context=TimeoutError()), "no answer in time"),
        (ValueError("SECRET", TimeoutError()), "no answer in time"),
        (_in_a_circle(), "ValueError"),
    ],
    ids=str,
)
def test_an_error_is_named_without_the_words_of_the_library(
    error: BaseException, words: str
) -> None:
    assert http._explain(error) == words


def test_a_server_that_speaks_no_tls_means_not_sent(session: DeadlineSession) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"220 mail.example ESMTP\r\n")
                connection.recv(1)  # until the client has hung up

        server = threading.Thread(target=speak)
        server.start()
        with pytest.raises(NotSent, match=r"TLS failed \(WRONG_VERSION_NUMBER\)"):
            session.request(
                "POST", f"https://127.0.0.1:{listener.getsockname()[1]}/",
                deadline=ENOUGH, max_body=CAP,
            )  # fmt: skip
        server.join()


def test_a_full_backlog_means_not_sent_by_the_deadline(session: DeadlineSession) -> None:
    """Linux drops SYNs to a listener whose backlog is full, as a firewall would."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        began = time.monotonic()
        with pytest.raises(NotSent):
            session.request(
                "POST", f"http://127.0.0.1:{listener.getsockname()[1]}/",
                deadline=DEADLINE, max_body=CAP,
            )  # fmt: skip
        took = time.monotonic() - began
        for filler in fillers:
            filler.close()
    assert took < ENOUGH, "Linux itself gives up after two minutes"


def test_a_connection_that_is_not_taken_is_not_waited_for_until_the_deadline(
    session: DeadlineSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "CONNECT_TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        # Linux itself would try for two minutes, and the call for one.
        with pytest.raises(NotSent, match=": no answer in time \\(after"):
            session.request(
                "POST", f"http://127.0.0.1:{listener.getsockname()[1]}/",
                deadline=ENOUGH, max_body=CAP,
            )  # fmt: skip
        for filler in fillers:
            filler.close()


def test_a_deadline_that_strikes_before_the_first_byte_means_not_sent(
    session: DeadlineSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = http._connect

    def connect_too_late(host: str, port: int, call: http._Call) -> socket.socket:
        connected = connect(host, port, call)
        call._expire()
        return connected

    monkeypatch.setattr(http, "_connect", connect_too_late)
    with raw_server(say_nothing) as server, pytest.raises(NotSent, match="in time"):
        session.request("POST", server.url(SECRET), deadline=ENOUGH, max_body=CAP)
    assert not server.requests


def test_what_is_left_of_a_deadline_is_never_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    call = http._Call("GET example", 10.0)
    for elapsed, left in ((0.0, 10.0), (4.0, 6.0), (10.0, 0.001), (11.0, 0.001)):
        monkeypatch.setattr(call, "elapsed", lambda elapsed=elapsed: elapsed)
        assert call.remaining() == left


def test_a_connection_that_the_other_side_has_ended_can_be_shut_down() -> None:
    with socket.socket() as not_connected:
        http._shut_down(not_connected)


def test_an_unknown_host_means_not_sent(session: DeadlineSession) -> None:
    # RFC 6761: .invalid is never a name.
    with pytest.raises(NotSent, match="no address"):
        session.request("POST", f"http://nowhere.invalid{SECRET}", deadline=ENOUGH, max_body=CAP)


def test_what_can_be_no_host_name_means_not_sent(session: DeadlineSession) -> None:
    too_long = "x" * 64  # RFC 1035: a label has at most 63 octets
    with pytest.raises(NotSent, match=": no address is known for this host \\(after"):
        session.request("POST", f"http://{too_long}.example/", deadline=ENOUGH, max_body=CAP)


def test_a_host_without_addresses_means_not_sent(
    session: DeadlineSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with pytest.raises(NotSent, match=": no address is known for this host \\(after"):
        session.request("POST", "http://host.example/", deadline=ENOUGH, max_body=CAP)


def test_the_first_of_a_hosts_addresses_that_answers_is_taken(
    session: DeadlineSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fine(_: Request, connection: Connection) -> None:
        connection.send(answer(200, "ok"))

    asked: list[tuple[object, ...]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = listener.getsockname()
    with raw_server(fine) as server:

        def two_addresses(host: str, port: int, **how: object) -> list[object]:
            asked.append((host, port, how))
            tcp = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
            return [(*tcp, closed), (*tcp, ("127.0.0.1", server.port))]

        monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
        got = session.request("POST", "http://host.example:81/", deadline=ENOUGH, max_body=CAP)
    assert got.body == b"ok"
    assert asked == [("host.example", 81, {"type": socket.SOCK_STREAM})]
    assert server.requests[0].headers["host"] == "host.example:81"


def test_a_name_server_that_hangs_means_not_sent_by_the_deadline(
    session: DeadlineSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        ended.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(NotSent, match="in time"):
        session.request("POST", "http://host.example/", deadline=DEADLINE, max_body=CAP)
    # What is left behind keeps no process from ending.
    assert [
        each.daemon for each in threading.enumerate() if each.name == "resolve host.example"
    ] == [True]
    ended.set()


def test_a_tls_handshake_that_hangs_means_not_sent_by_the_deadline(
    session: DeadlineSession,
) -> None:
    # A server that reads the ClientHello as an HTTP request waits for its end forever.
    with raw_server(say_nothing) as server, pytest.raises(NotSent, match="in time"):
        session.request("POST", server.url(SECRET, "https"), deadline=DEADLINE, max_body=CAP)
    assert b"SECRET" not in str(server.requests).encode()


def test_a_certificate_that_nobody_vouches_for_means_not_sent(server_tls: ssl.SSLContext) -> None:
    session = DeadlineSession("test/1", guard=assert_no_open_write)  # trusts the public authorities
    with raw_server(say_nothing, tls=server_tls) as server:
        with pytest.raises(NotSent, match="certificate is not valid"):
            session.request("POST", server.url(SECRET, "https"), deadline=ENOUGH, max_body=CAP)
        assert server.received == 0
    session.close()


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("ht!tp://x/SECRET-TOKEN", "POST (no host): "),
        ("http:///SECRET-TOKEN", "POST (no host): "),
        ("http://[SECRET-TOKEN", "POST (malformed URL): "),
        ("", "POST (no host): "),
    ],
)
def test_a_url_that_is_none_means_not_sent(session: DeadlineSession, url: str, named: str) -> None:
    with pytest.raises(NotSent) as caught:
        session.request("POST", url, deadline=ENOUGH, max_body=CAP)
    assert str(caught.value).startswith(named)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("handler", [*SLOW, *BROKEN], ids=named)
def test_no_error_and_no_log_line_holds_the_path_or_a_header(
    session: DeadlineSession, handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with raw_server(handler) as server, pytest.raises(TransportError) as caught:
        session.request(
            "POST", server.url(SECRET + "?wait=SECRET-TOKEN"),
            headers={"Authorization": "Bot SECRET-TOKEN"}, deadline=0.1, max_body=CAP,
        )  # fmt: skip
    assert "127.0.0.1" in str(caught.value)
    assert "SECRET" not in str(caught.value) + caplog.text
    # Nothing beneath that a logged traceback would show with it.
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_a_malformed_answer_does_not_bring_the_url_into_the_log(
    session: DeadlineSession, caplog: pytest.LogCaptureFixture
) -> None:
    """urllib3 warns of malformed headers, and names the whole URL."""

    def malformed(_: Request, connection: Connection) -> None:
        connection.send(b"HTTP/1.1 200 OK\r\nA: b\r\nbroken header\r\n\r\n")
        connection.sock.close()

    caplog.set_level(logging.DEBUG)
    with raw_server(malformed) as server:
        session.request("POST", server.url(SECRET), deadline=ENOUGH, max_body=CAP)
    assert "SECRET" not in caplog.text


def test_a_header_that_cannot_be_sent_is_not_quoted(session: DeadlineSession) -> None:
    with pytest.raises(NotSent) as caught:
        session.request(
            "POST", "http://127.0.0.1/", headers={"Authorization": "SECRET\nTOKEN"},
            deadline=1, max_body=CAP,
        )  # fmt: skip
    assert "SECRET" not in str(caught.value)


def test_an_answer_is_returned_whatever_its_status(session: DeadlineSession) -> None:
    def fail(_: Request, connection: Connection) -> None:
        connection.send(answer(503, "down", {"Retry-After": "7"}))

    with raw_server(fail) as server:
        response = session.request("GET", server.url(), deadline=ENOUGH, max_body=CAP)
    assert (response.status, response.body) == (503, b"down")
    assert response.headers["retry-after"] == "7"
    assert 0 < response.elapsed_s < ENOUGH


def test_the_request_has_what_was_asked_for_and_nothing_from_the_environment(
    session: DeadlineSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def set_cookie(_: Request, connection: Connection) -> None:
        connection.send(answer(200, "{}", {"Set-Cookie": "a=b"}))

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with raw_server(set_cookie) as server:
        for _ in range(2):
            session.request(
                "POST", server.url("/a%2Fb/%C3%A9"), params={"q": "ä b"}, json={"text": "é"},
                headers={"X-Mine": "1"}, deadline=ENOUGH, max_body=CAP,
            )  # fmt: skip
        first, second = server.requests
    assert first.method == "POST"
    assert first.target == "/a%2Fb/%C3%A9?q=%C3%A4+b"
    assert first.body == b'{"text": "\\u00e9"}'
    assert first.headers["content-type"] == "application/json"
    assert (first.headers["user-agent"], first.headers["x-mine"]) == ("test/1", "1")
    assert "cookie" not in second.headers


def test_a_request_asks_for_what_can_be_unpacked_unless_the_caller_asks_for_something(
    session: DeadlineSession,
) -> None:
    def fine(_: Request, connection: Connection) -> None:
        connection.send(answer(200, "ok"))

    with raw_server(fine) as server:
        session.request("GET", server.url(), deadline=ENOUGH, max_body=CAP)
        session.request(
            "POST", server.url(), headers={"Accept": "text/plain"}, data=b"\x00\xff",
            deadline=ENOUGH, max_body=CAP,
        )  # fmt: skip
        plain, own = server.requests
    assert (plain.headers["accept"], plain.headers["accept-encoding"]) == ("*/*", "gzip, deflate")
    assert (plain.body, "content-type" in plain.headers) == (b"", False)
    assert own.headers["accept"] == "text/plain"
    assert own.body == b"\x00\xff"


def test_a_session_that_was_closed_has_no_connection_left(session: DeadlineSession) -> None:
    def fine(_: Request, connection: Connection) -> None:
        connection.send(answer(200, "ok"))

    with raw_server(fine) as server:
        session.request("GET", server.url(), deadline=ENOUGH, max_body=CAP)
        session.close()
        session.request("GET", server.url(), deadline=ENOUGH, max_body=CAP)
        assert server.connections == 2


def test_whom_a_session_trusts_holds_for_every_call(
    session: DeadlineSession, server_tls: ssl.SSLContext
) -> None:
    def fine(_: Request, connection: Connection) -> None:
        connection.send(answer(200, "ok"))

    with raw_server(fine, tls=server_tls) as server:
        for method in ("GET", "POST"):
            url = server.url("/", "https")
            assert session.request(method, url, deadline=ENOUGH, max_body=CAP).body == b"ok"


def test_a_call_that_is_under_way_keeps_no_process_from_ending(session: DeadlineSession) -> None:
    daemons: list[bool] = []

    def look_around(_: Request, connection: Connection) -> None:
        timers = (each for each in threading.enumerate() if isinstance(each, threading.Timer))
        daemons.extend(each.daemon for each in timers)
        connection.send(answer(200, "ok"))

    with raw_server(look_around) as server:
        session.request("GET", server.url(), deadline=ENOUGH, max_body=CAP)
    assert daemons == [True]


def test_a_redirect_is_an_answer_like_others(session: DeadlineSession) -> None:
    def elsewhere(_: Request, connection: Connection) -> None:
        connection.send(answer(307, "", {"Location": "/elsewhere"}))

    with raw_server(elsewhere) as server:
        assert session.request("POST", server.url(), deadline=ENOUGH, max_body=CAP).status == 307
    assert len(server.requests) == 1


def test_compressed_bodies_are_unpacked(session: DeadlineSession) -> None:
    def packed(_: Request, connection: Connection) -> None:
        connection.send(answer(200, gzip.compress(b"plain"), {"Content-Encoding": "gzip"}))

    with raw_server(packed) as server:
        assert session.request("GET", server.url(), deadline=ENOUGH, max_body=CAP).body == b"plain"


def test_gets_share_a_connection_and_posts_never_do(session: DeadlineSession) -> None:
    def fine(_: Request, connection: Connection) -> None:
        connection.send(answer(200, "ok"))

    with raw_server(fine) as server:
        for _ in range(3):
            session.request("GET", server.url(), deadline=ENOUGH, max_body=CAP)
        assert server.connections == 1
        for _ in range(3):
            session.request("POST", server.url(), deadline=ENOUGH, max_body=CAP)
        assert server.connections == 4


def test_the_deadline_holds_on_a_connection_that_served_before(session: DeadlineSession) -> None:
    def second_time_silent(_: Request, connection: Connection) -> None:
        if len(server.requests) == 1:
            connection.send(answer(200, "ok"))
        else:
            drip_header(_, connection)

    with raw_server(second_time_silent) as server:
        session.request("GET", server.url(), deadline=ENOUGH, max_body=CAP)
        with pytest.raises(MaybeSent, match="in time"):
            session.request("GET", server.url(), deadline=DEADLINE, max_body=CAP)
        assert server.connections == 1


def test_a_deadline_that_has_passed_does_not_shut_the_next_calls_connection(
    session: DeadlineSession,
) -> None:
    first_deadline = 1.0
    may_end = threading.Event()

    def second_outlasts_the_firsts_deadline(_: Request, connection: Connection) -> None:
        if len(server.requests) == 2:
            may_end.wait()
        connection.send(answer(200, "ok"))

    with raw_server(second_outlasts_the_firsts_deadline) as server:
        session.request("GET", server.url(), deadline=first_deadline, max_body=CAP)
        threading.Timer(first_deadline + 0.2, may_end.set).start()
        second = session.request("GET", server.url(), deadline=ENOUGH, max_body=CAP)
        assert second.body == b"ok"
        assert server.connections == 1


def test_threads_share_a_session(session: DeadlineSession) -> None:
    def echo(request: Request, connection: Connection) -> None:
        connection.send(answer(200, request.target))

    bodies: list[bytes] = []
    with raw_server(echo) as server:

        def call(number: int) -> None:
            path = f"/{number}"
            bodies.append(
                session.request("GET", server.url(path), deadline=ENOUGH, max_body=CAP).body
            )

        threads = [threading.Thread(target=call, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(bodies) == sorted(f"/{number}".encode() for number in range(20))


def test_no_call_is_made_inside_a_writing_transaction(
    session: DeadlineSession, database: Database
) -> None:
    with raw_server(say_nothing) as server:
        with database.writing(), pytest.raises(RuntimeError, match="writing transaction"):
            session.request("GET", server.url(), deadline=ENOUGH, max_body=CAP)
        assert server.connections == 0


def test_nothing_is_left_open_after_calls_that_failed(session: DeadlineSession) -> None:
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    threads_before = threading.active_count()
    for _ in range(5):
        for handler in (drip_body, reset, half_a_body):
            with raw_server(handler) as server, pytest.raises(TransportError):
                session.request("POST", server.url(), deadline=0.1, max_body=CAP)
    assert len(list(Path("/proc/self/fd").iterdir())) <= open_before + 1
    assert threading.active_count() <= threads_before + 1
