"""What stands in front of Dagster's own web server, which checks nothing: no Host, no Origin, nobody.

Its `/graphql` runs mutations from a GET and from a form's POST with the query in the address, so any page
in the operator's browser could switch everything off; a foreign name that leads to 127.0.0.1 could
read all of it. Here each request needs a name of ours, comes from our own page or is a plain
navigation to one, and changes something only as JSON, which no other site's page can send unasked.
Where the web view has a password, its session opens this door, too: the web view is asked, as its keys
are its own.
"""

from __future__ import annotations

import re
from html import escape

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lol_dagster.http import DeadlineSession
from lol_dagster.http_terms import TransportError
from lol_dagster.services.web_address import WebAddress, name_in
from lol_dagster.storage.database import assert_no_open_write

_READS = {"GET", "HEAD"}
_PORT = re.compile(r":\d+\Z")
_NOTEBOOKS = {"/notebook", "/dagit/notebook"}
"""With nbconvert installed Dagster shows any notebook of the disk as a page of its own, scripts and all: a
link to one that was just downloaded would run them. We have none."""
_NOT_ALLOWED = 1008
"""Status of a web socket's end: RFC 6455, 7.4.1, "policy violation"."""
_ANSWERS_WITHIN = 5.0
"""Seconds."""
_LARGEST_ANSWER = 10_000
"""Bytes."""


class Guard:
    """ASGI middleware around Dagster's application."""

    def __init__(self, app: ASGIApp, address: WebAddress, web_view: WebView | None) -> None:
        """
        Args:
            address: Where it listens, and under which names.
            web_view: Who knows whether somebody is signed in; None: nobody has to be.
        """
        self._app = app
        self._address = address
        self._web_view = web_view

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal, cookie = self._refuse_foreign(scope, headers), None
        if refusal is None and self._web_view is not None:
            refusal, cookie = await run_in_threadpool(self._web_view.ask, headers)
        if scope["type"] == "websocket":
            if refusal is None:
                await self._app(scope, receive, self._while_signed_in(send, headers))
            else:
                await send({"type": "websocket.close", "code": _NOT_ALLOWED, "reason": ""})
            return
        await (refusal or self._app)(scope, receive, _hardening(send, cookie))

    def _while_signed_in(self, send: Send, headers: Headers) -> Send:
        """A web socket stays open for long: have whoever is not signed in any more hear nothing on it."""
        web_view, is_over = self._web_view, False
        if web_view is None:
            return send

        async def send_if_signed_in(message: Message) -> None:
            nonlocal is_over
            if message["type"] == "websocket.send" and not is_over:
                refusal, _ = await run_in_threadpool(web_view.ask, headers)
                if refusal is not None:
                    message = {"type": "websocket.close", "code": _NOT_ALLOWED, "reason": ""}
            if not is_over:
                is_over = message["type"] == "websocket.close"
                await send(message)

        return send_if_signed_in

    def _refuse_foreign(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._address.is_own_name(host):
            return _no(400, "This server answers to no such name (--public-url adds one).")
        is_http = scope["type"] == "http"
        method = scope["method"] if is_http else "GET"
        origin = headers.get("origin", self._origin(host))
        site = headers.get("sec-fetch-site", "none")
        is_navigation = (
            is_http
            and method == "GET"
            and headers.get("sec-fetch-mode") == "navigate"
            and headers.get("sec-fetch-dest") == "document"
        )
        if origin != self._origin(host) or not (site in {"same-origin", "none"} or is_navigation):
            return _no(403, "This request comes from another site.")
        if scope["path"] in _NOTEBOOKS:
            return _no(403, "Notebooks are not shown here.")
        if method in _READS:
            # A page that asks with a GET is Dagster's GraphiQL, which has no query in its address.
            if is_http and scope["path"] == "/graphql" and scope["query_string"]:
                return _no(403, "GraphQL is answered to a POST alone.")
            return None
        # Only what browsers ask leave for: `text/plain; application/json` is a form's.
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if method != "POST" or content_type != "application/json":
            return _no(415, "Only a POST of application/json is taken.")
        return None

    def _origin(self, host: str) -> str:
        """Of our own pages under that name; the proxy of a public one may have taken TLS away."""
        is_public = name_in(host) == self._address.public_name
        return f"{'https' if is_public and self._address.is_behind_https else 'http'}://{host}"


class WebView:
    """The web view on this machine, which knows who is signed in."""

    def __init__(self, port: int, address: WebAddress) -> None:
        """
        Args:
            port: Where it listens on this machine.
            address: Of Dagster's UI; people find both under the same names.
        """
        self._port = port
        self._address = address
        self._session = DeadlineSession("lol_dagster", guard=assert_no_open_write)

    def ask(self, headers: Headers) -> tuple[Response | None, str | None]:
        """Why a request is refused, if it is, and the cookie by which its session goes on."""
        if "cookie" not in headers:  # nothing that the web view could go by
            return self._sign_in(headers), None
        try:
            answer = self._session.request(
                "GET",
                f"http://127.0.0.1:{self._port}/signed-in",
                headers={"Cookie": headers["cookie"]},
                deadline=_ANSWERS_WITHIN,
                max_body=_LARGEST_ANSWER,
            )
        except TransportError:
            return _no(503, "The web view, which knows who is signed in, does not answer."), None
        if answer.status == 200:
            return None, answer.headers.get("Set-Cookie")
        return self._sign_in(headers), None

    def _sign_in(self, headers: Headers) -> Response:
        """Links, and no way back in them: an address that goes on to another could be anybody's."""
        if name_in(headers["host"]) == self._address.public_name:
            where = self._address.public_origin
        else:
            where = f"http://{_PORT.sub('', headers['host'])}:{self._port}"
        # A cookie of ours is not sent on the way from another site's link: then the second one helps.
        return HTMLResponse(
            '<!doctype html><html lang="en"><title>Sign in</title>'
            f'<p><a href="{escape(f"{where}/sign-in")}">Sign in to the web view</a>, then '
            '<a href="">come back</a>. Its sign-in is that of Dagster\'s UI, too.</p>',
            401,
        )


def _hardening(send: Send, cookie: str | None) -> Send:
    """Have each answer say that no other site may show it in a frame."""

    async def send_hardened(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Frame-Options"] = "SAMEORIGIN"
            if cookie is not None:
                headers.append("Set-Cookie", cookie)
        await send(message)

    return send_hardened


def _no(status: int, why: str) -> Response:
    return PlainTextResponse(f"{why}\n", status)
