"""The guard in front of Dagster's web server, against what another site's page can make a browser send.

Every attack is tried on Dagster's own application first, where it works: so the attacks are real ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import requests
import websockets.sync.client
from click.testing import CliRunner
from flask import Flask
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    get_named_type,
    is_leaf_type,
)
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.typing import Origin, Subprotocol

from lol_dagster.admin.app import create_app
from lol_dagster.admin.security.sign_in import IDLE_FOR
from lol_dagster.orchestration import web_server
from lol_dagster.orchestration.web_guard import Guard, WebView
from lol_dagster.services.web_address import WebAddress
from lol_dagster.settings import load_settings
from lol_dagster.storage.database import Database
from lol_dagster_tests._support.dagsters_ui import Dagsters, Ui, dagsters_application, serving
from lol_dagster_tests._support.web_visitor import OPERATOR, PASSWORD, QUICK_HASH, Visitor
from lol_dagster_tests.admin.clock import ManualClock
from lol_dagster_tests.admin.conftest import served

EVIL = "http://evil.example"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def dagsters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dagsters]:
    with dagsters_application(tmp_path_factory.mktemp("home")) as dagsters:
        yield dagsters


@pytest.fixture(scope="module")
def guarded(dagsters: Dagsters) -> Iterator[Ui]:
    with serving(dagsters, lambda app: Guard(app, WebAddress(), None)) as ui:
        yield ui


@pytest.fixture(scope="module")
def bare(dagsters: Dagsters) -> Iterator[Ui]:
    """As Dagster serves it."""
    with serving(dagsters, lambda app: app) as ui:
        yield ui


def literal(kind: GraphQLInputType) -> str:
    """The least that is taken as such an argument."""
    if isinstance(kind, GraphQLNonNull):
        return literal(kind.of_type)
    if isinstance(kind, GraphQLList):
        return "[]"
    if isinstance(kind, GraphQLInputObjectType):
        return f"{{{arguments(kind.fields)}}}"
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    return {"Int": "0", "Float": "0", "Boolean": "true"}.get(str(kind), '""')


def arguments(of: dict[str, Any]) -> str:
    needed = {name: each.type for name, each in of.items() if isinstance(each.type, GraphQLNonNull)}
    return ", ".join(f"{name}: {literal(kind)}" for name, kind in needed.items())


def document(name: str, mutation: GraphQLField) -> str:
    given = arguments(mutation.args)
    result = "" if is_leaf_type(get_named_type(mutation.type)) else " {__typename}"
    return f"mutation {{{name}{f'({given})' if given else ''}{result}}}"


Way = Callable[[Ui, str], object]
"""Sends a document of GraphQL as somebody else's page can."""


def send(method: str, **headers: str) -> Way:
    """With the document in the address, as a link, a picture or a form has it."""

    def way(ui: Ui, query: str) -> object:
        return requests.request(
            method, f"{ui.url}/graphql", params={"query": query}, timeout=60,
            headers={each.replace("_", "-"): value for each, value in headers.items()},
        )  # fmt: skip

    return way


def send_json(content_type: str = "application/json", **headers: str) -> Way:
    def way(ui: Ui, query: str) -> object:
        named = {each.replace("_", "-"): value for each, value in headers.items()}
        body = query if "graphql" in content_type else json.dumps({"query": query})
        return requests.post(
            f"{ui.url}/graphql", data=body, timeout=60,
            headers={"Content-Type": content_type, **named},
        )  # fmt: skip

    return way


FOREIGN: dict[str, Way] = {
    "picture": send("GET", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors",
                    Sec_Fetch_Dest="image"),
    "picture in an old browser": send("GET"),
    "link": send("GET", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate",
                 Sec_Fetch_Dest="document"),
    "link in our own window": send("GET", Sec_Fetch_Site="none", Sec_Fetch_Mode="navigate",
                                   Sec_Fetch_Dest="document"),
    "form": send("POST", Content_Type=FORM, Origin=EVIL, Sec_Fetch_Site="cross-site",
                 Sec_Fetch_Mode="navigate", Sec_Fetch_Dest="document"),
    "form in an old browser": send("POST", Content_Type=FORM),
    "form without an origin": send("POST", Content_Type=FORM, Origin="null"),
    "form with files": send("POST", Content_Type="multipart/form-data; boundary=x"),
    "form of plain text": send("POST", Content_Type="text/plain"),
    "post without a body": send("POST"),
    "JSON that calls itself text": send_json("text/plain; application/json"),
    "GraphQL": send_json("application/graphql"),
    "JSON from another site": send_json(Origin=EVIL, Sec_Fetch_Site="cross-site"),
    "JSON from another port": send_json(Origin="http://127.0.0.1:1", Sec_Fetch_Site="same-site"),
    "JSON from a file": send_json(Origin="null"),
    "JSON under a foreign name": send_json(Host="evil.example", Origin=EVIL,
                                           Sec_Fetch_Site="same-origin"),
}  # fmt: skip


def try_all(ui: Ui, way: Way) -> set[str]:
    """Send every mutation that there is; returns those that were executed."""
    ui.dagsters.ran.clear()
    for name, mutation in ui.dagsters.mutations.items():
        way(ui, document(name, mutation))
    return set(ui.dagsters.ran)


@pytest.mark.parametrize("way", FOREIGN.values(), ids=FOREIGN)
def test_no_mutation_is_executed_from_elsewhere(guarded: Ui, bare: Ui, way: Way) -> None:
    assert try_all(guarded, way) == set()
    assert try_all(bare, way) == set(bare.dagsters.mutations), "Dagster alone executes them all"


def test_our_own_page_and_a_script_execute_every_mutation(guarded: Ui) -> None:
    names = set(guarded.dagsters.mutations)
    assert {"launchRun", "wipeAssets", "stopRunningSchedule", "stopSensor", "setConcurrencyLimit",
            "deleteDynamicPartitions", "shutdownRepositoryLocation"} <= names  # fmt: skip
    own = send_json(Origin=guarded.url, Sec_Fetch_Site="same-origin")
    assert try_all(guarded, own) == names
    assert try_all(guarded, send_json("application/json; charset=utf-8")) == names


def websocket(ui: Ui, origin: str, query: str) -> dict[str, Any]:
    """What a page of that origin gets on a web socket."""
    with websockets.sync.client.connect(
        f"ws://127.0.0.1:{ui.port}/graphql",
        origin=Origin(origin),
        subprotocols=[Subprotocol("graphql-ws")],
    ) as socket:
        start = {"type": "start", "id": "1", "payload": {"query": query}}
        socket.send(json.dumps(start))
        answered: dict[str, Any] = json.loads(socket.recv(60))
        return answered


_LOGS = 'subscription {pipelineRunLogs(runId: "1") {__typename}}'


def test_a_web_socket_is_for_our_own_pages(guarded: Ui, bare: Ui) -> None:
    assert websocket(guarded, guarded.url, _LOGS)["type"] == "data"
    for origin in (EVIL, "http://127.0.0.1:1", "null"):
        with pytest.raises(InvalidStatus):
            websocket(guarded, origin, _LOGS)
    assert websocket(bare, EVIL, _LOGS)["type"] == "data", "Dagster alone answers anybody"


def test_no_mutation_is_executed_through_a_web_socket(guarded: Ui) -> None:
    """Not even by our own page: Dagster takes subscriptions alone there."""
    assert try_all(guarded, lambda ui, query: websocket(ui, ui.url, query)) == set()


def test_a_foreign_name_reads_nothing_whatever_is_asked_for(guarded: Ui) -> None:
    paths = [route.path for route in guarded.dagsters.routes]
    assert {"/server_info", "/logs/{path:path}", "/{path:path}"} <= set(paths)
    for path in [*paths, "/vendor/graphiql/graphiql.min.js"]:
        for host in ("evil.example", f"evil.example:{guarded.port}", "127.0.0.1.evil.example", ""):
            answer = requests.get(guarded.url + path, headers={"Host": host}, timeout=60)
            assert answer.status_code == 400, (path, host)
    own = requests.get(f"{guarded.url}/server_info", headers={"Host": "localhost"}, timeout=60)
    assert own.status_code == 200


def test_what_other_programs_report_is_taken_as_json_alone(guarded: Ui) -> None:
    """Without a content type Dagster takes it from the address."""
    posts = [each.path for each in guarded.dagsters.routes if "POST" in (each.methods or ())]
    assert len(posts) >= 4
    for path in posts:
        for headers in ({}, {"Content-Type": FORM}, {"Origin": EVIL}):
            answer = requests.post(guarded.url + path, headers=headers, timeout=60)
            assert answer.status_code in {403, 415}, (path, headers)


@pytest.mark.parametrize("dest", ["iframe", "frame", "embed", "object", "script", "empty"])
def test_no_other_site_shows_or_loads_a_page_of_it(guarded: Ui, dest: str) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    for path in ("/", "/graphql", "/server_info"):
        answer = requests.get(
            guarded.url + path, headers={**foreign, "Sec-Fetch-Dest": dest}, timeout=60
        )
        assert answer.status_code == 403
    link = requests.get(
        guarded.url + "/runs", headers={**foreign, "Sec-Fetch-Dest": "document"}, timeout=60
    )
    assert (link.status_code, link.headers["X-Frame-Options"]) == (200, "SAMEORIGIN")


def test_no_notebook_of_the_disk_becomes_a_page(guarded: Ui, bare: Ui) -> None:
    """Its scripts would be our own pages' to Dagster, and any site can have one downloaded."""
    paths = [
        each.path for each in bare.dagsters.routes
        if getattr(each.endpoint, "__name__", "") == "download_notebook"
    ]  # fmt: skip
    assert len(paths) == 2
    for path in paths:
        asked = f"{path}?repoLocName=lol_dagster&path=/home/ann/Downloads/evil.ipynb"
        assert requests.get(bare.url + asked, timeout=60).ok
        link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        for headers in ({}, link | {"Sec-Fetch-Dest": "document"}):
            answer = requests.get(guarded.url + asked, headers=headers, timeout=60)
            assert answer.status_code == 403


def test_behind_a_proxy_the_public_name_alone_is_one_more(dagsters: Dagsters) -> None:
    address = WebAddress(public_url="https://lol.example.org")
    name = "lol.example.org:8443"

    def asked(host: str, origin: str) -> int:
        answer = requests.post(
            f"{ui.url}/graphql",
            json={"query": "{version}"},
            headers={"Host": host, "Origin": origin},
            timeout=60,
        )
        return answer.status_code

    with serving(dagsters, lambda app: Guard(app, address, None)) as ui:
        assert asked(name, f"https://{name}") == 200
        assert asked(f"localhost:{ui.port}", f"http://localhost:{ui.port}") == 200
        assert asked(name, f"http://{name}") == 403, "a page that came without TLS is another site"
        assert asked(name, "https://lol.example.org") == 403, "so is one of another port"
        assert asked("dagster.example.org", "https://dagster.example.org") == 400


@dataclass
class OneDoor:
    """The web view, and Dagster's UI that asks it who is signed in."""

    ui: Ui
    web_view: Flask
    clock: ManualClock

    def ask(self, visitor: Visitor | None) -> requests.Response:
        cookie = visitor._client.get_cookie("lol_session") if visitor else None
        return requests.post(
            f"{self.ui.url}/graphql",
            json={"query": "{version}"},
            headers={"Cookie": f"lol_session={cookie.value}"} if cookie else {},
            timeout=60,
        )


@pytest.fixture
def one_door(
    dagsters: Dagsters, database: Database, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OneDoor]:
    monkeypatch.setenv("LOL_ADMIN_PASSWORD_HASH", QUICK_HASH)
    clock = ManualClock()
    web_view = create_app(load_settings(), database, now=clock)
    with served(web_view) as url:
        view = WebView(int(url.rpartition(":")[2]), WebAddress())
        with serving(dagsters, lambda app: Guard(app, WebAddress(), view)) as ui:
            yield OneDoor(ui, web_view, clock)


def test_the_web_views_session_opens_dagsters_ui(one_door: OneDoor) -> None:
    ann = Visitor(one_door.web_view)
    assert one_door.ask(None).status_code == 401
    ann.get("/sign-in")
    assert one_door.ask(ann).status_code == 401, "a session that nobody has signed in to"
    assert ann.sign_in(OPERATOR, "wrong").status_code == 422
    assert one_door.ask(ann).status_code == 401
    ann.sign_in(OPERATOR, PASSWORD)
    assert one_door.ask(ann).status_code == 200
    copy = Visitor(one_door.web_view)
    copy.take_cookies_of(ann)
    ann.post("/sign-out")
    assert one_door.ask(copy).status_code == 401, "signed out, whoever has a copy"


def test_a_session_goes_on_while_dagsters_ui_is_used(one_door: OneDoor) -> None:
    ann = Visitor(one_door.web_view)
    ann.sign_in(OPERATOR, PASSWORD)
    assert "Set-Cookie" not in one_door.ask(ann).headers, "seen a moment ago"
    one_door.clock.move(timedelta(minutes=5))
    assert one_door.ask(ann).headers["Set-Cookie"].startswith("lol_session=")
    one_door.clock.move(IDLE_FOR)
    assert one_door.ask(ann).status_code == 401


def test_nobody_who_is_not_signed_in_reads_or_hears_anything(one_door: OneDoor) -> None:
    for path in ("/", "/graphql", "/server_info", "/runs"):
        page = requests.get(one_door.ui.url + path, timeout=60)
        assert page.status_code == 401
        assert "/sign-in" in page.text
    with pytest.raises(InvalidStatus):
        websocket(one_door.ui, one_door.ui.url, _LOGS)


def test_whoever_signs_out_hears_nothing_more_on_an_open_web_socket(one_door: OneDoor) -> None:
    ann = Visitor(one_door.web_view)
    ann.sign_in(OPERATOR, PASSWORD)
    cookie = ann._client.get_cookie("lol_session")
    assert cookie is not None
    with websockets.sync.client.connect(
        f"ws://127.0.0.1:{one_door.ui.port}/graphql",
        additional_headers={"Cookie": f"lol_session={cookie.value}"},
        subprotocols=[Subprotocol("graphql-ws")],
    ) as socket:

        def listen(name: str) -> None:
            start = {"type": "start", "id": name, "payload": {"query": _LOGS}}
            socket.send(json.dumps(start))

        listen("1")
        assert json.loads(socket.recv(60))["type"] == "data"
        ann.post("/sign-out")
        listen("2")
        listen("3")
        heard: list[dict[str, Any]] = []
        with pytest.raises(ConnectionClosedError) as closed:
            heard.extend(map(json.loads, socket))
        assert {each["id"] for each in heard} <= {"1"}
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


@pytest.mark.parametrize(
    ("address", "host", "expected"),
    [
        (WebAddress(), "127.0.0.1:3000", "http://127.0.0.1:3001/sign-in"),
        (WebAddress(), "[::1]:3000", "http://[::1]:3001/sign-in"),
        (WebAddress(public_url="https://lol.example.org/"), "lol.example.org:8443",
         "https://lol.example.org/sign-in"),
    ],
)  # fmt: skip
def test_the_way_to_the_sign_in_keeps_the_name(
    dagsters: Dagsters, address: WebAddress, host: str, expected: str
) -> None:
    view = WebView(3001, address)
    with serving(dagsters, lambda app: Guard(app, address, view)) as ui:
        page = requests.get(ui.url, headers={"Host": host}, timeout=60)
    assert page.status_code == 401
    assert f'href="{expected}"' in page.text


@pytest.mark.parametrize("host", ["10.0.0.3", "0.0.0.0", "::"])
def test_no_network_gets_it_without_a_sign_in(host: str) -> None:
    public = ["--public-url", "https://lol.example.org"]
    refused = CliRunner().invoke(web_server.main, ["-w", "nowhere", "--host", host, *public])
    assert refused.exit_code == 2
    assert "--sign-in-port" in refused.output


def test_without_the_web_view_nobody_gets_in(dagsters: Dagsters) -> None:
    nowhere = WebView(1, WebAddress())  # nobody listens on port 1
    with serving(dagsters, lambda app: Guard(app, WebAddress(), nowhere)) as ui:
        answer = requests.get(f"{ui.url}/server_info", headers={"Cookie": "a=b"}, timeout=60)
        assert answer.status_code == 503
