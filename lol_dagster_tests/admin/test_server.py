"""The real server: whom it believes who is asking."""

from __future__ import annotations

import socket
from http.client import HTTPConnection

import pytest
from flask import Flask, request

from lol_dagster.services.web_address import WebAddress
from lol_dagster_tests.admin.conftest import served

URL = "https://lol.example.org"
SAID_BY_A_PROXY = {
    "Host": "lol.example.org",
    "X-Forwarded-For": "198.51.100.1, 203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Port": "81",
    "Forwarded": "for=198.51.100.9;host=evil.example",
}


def heard(address: WebAddress, source: str) -> str:
    """What an app hears of who asks, from which of this machine's addresses."""
    app = Flask("echo")
    app.add_url_rule("/", "who", lambda: f"{request.remote_addr} at {request.host_url}")
    with served(app, address) as site:
        port = int(site.rpartition(":")[2])
        connection = HTTPConnection(address.host, port, timeout=60, source_address=(source, 0))
        connection.request("GET", "/", headers=SAID_BY_A_PROXY)
        text = connection.getresponse().read().decode()
        connection.close()
    return text


def test_a_proxy_on_this_machine_says_who_asks_and_how() -> None:
    # Of the addresses the last is the proxy's own finding; of the host it has no say.
    assert (
        heard(WebAddress(port=0, public_url=URL), "127.0.0.1")
        == "203.0.113.7 at https://lol.example.org/"
    )


def test_nobody_else_is_believed() -> None:
    # 127.0.0.2 stands for any address but the proxy's.
    assert (
        heard(WebAddress(port=0, public_url=URL), "127.0.0.2")
        == "127.0.0.2 at http://lol.example.org/"
    )


def test_without_a_proxy_nobody_is_believed() -> None:
    assert heard(WebAddress(port=0), "127.0.0.1") == "127.0.0.1 at http://lol.example.org/"


def test_a_proxy_on_this_machine_is_believed_by_ipv6_too() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    address = WebAddress(host="::1", port=0, public_url=URL)
    assert heard(address, "::1") == "203.0.113.7 at https://lol.example.org/"


def test_unfinished_requests_keep_nobody_out(app: Flask) -> None:
    """Each is a connection that says nothing more; waitress alone stops listening at 100."""
    with served(app) as site:
        port = int(site.rpartition(":")[2])
        unfinished = []
        for _ in range(130):
            caller = socket.create_connection(("127.0.0.1", port), timeout=60)
            caller.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            unfinished.append(caller)
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/sign-in")
        assert connection.getresponse().status == 200
        connection.close()
        for caller in unfinished:
            caller.close()


def test_who_asks_may_be_anything_behind_a_proxy(app: Flask) -> None:
    client = app.test_client()
    for address in ("garbage", "", "1.2.3.4, 5", "127.0.0.1.evil.example"):
        answer = client.get("/metrics", environ_base={"REMOTE_ADDR": address})
        assert answer.status_code == 403, address
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": "::1"}).status_code == 200
