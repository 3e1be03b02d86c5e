"""Dagster's UI as `up` serves it, in a real browser: attacked by another site's page, used by its own.

The same page attacks Dagster's own server first, and switches everything off.
"""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests
from playwright.sync_api import Browser, Page, sync_playwright

from lol_dagster.orchestration.instance import POOL_LIMITS, prepare_instance
from lol_dagster.services.dagster_services import other_services
from lol_dagster.settings import Settings
from lol_dagster_tests._support.process_harness import free_port
from lol_dagster_tests._support.waiting import wait_for

NAME = "evil.example"

ATTACK = """
async ({ui, mutation}) => {
    const seen = {};
    const address = `${ui}/graphql?query=${encodeURIComponent(mutation)}`;
    const json = JSON.stringify({query: mutation});
    const quietly = async (what) => { try { return await what(); } catch { return null; } };

    // A form in a frame, as if nothing had happened.
    const frame = Object.assign(document.createElement("iframe"), {name: "frame"});
    const form = Object.assign(document.createElement("form"),
        {method: "post", action: address, target: "frame"});
    document.body.append(frame, form);
    form.submit();
    const image = new Image();
    image.src = address;
    for (const options of [
        {method: "GET"},
        {method: "POST"},
        {method: "POST", headers: {"Content-Type": "text/plain; application/json"}, body: json},
        {method: "POST", headers: {"Content-Type": "text/plain"}, body: json},
    ]) await quietly(() => fetch(options.method === "GET" || !options.body ? address : `${ui}/graphql`,
                                 {mode: "no-cors", ...options}));
    await quietly(() => fetch(`${ui}/graphql`,
        {method: "POST", headers: {"Content-Type": "application/json"}, body: json}));

    // What it can read: as another site, on a web socket, under a name that leads to this machine.
    seen.fetched = await quietly(async () => (await fetch(`${ui}/server_info`)).text());
    seen.socket = await new Promise((over) => {
        const socket = new WebSocket(`${ui.replace("http", "ws")}/graphql`, "graphql-ws");
        socket.onopen = () => socket.send(JSON.stringify({type: "start", id: "1", payload:
            {query: 'subscription {pipelineRunLogs(runId: "1") {__typename}}'}}));
        socket.onmessage = (message) => over(message.data);
        socket.onerror = () => over(null);
    });
    return seen;
}
"""


@pytest.fixture(scope="module")
def evil_port() -> Iterator[int]:
    """Somebody else's site: an empty page."""

    class Empty(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Evil</title><body></body>")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A Chromium for which every foreign name is this machine, as it is after DNS rebinding."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", f"--host-resolver-rules=MAP {NAME} 127.0.0.1"],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def instance(settings: Settings) -> dg.DagsterInstance:
    return prepare_instance(settings)


@contextmanager
def dagsters_ui(settings: Settings, *, guarded: bool) -> Iterator[str]:
    """The web server as `up` starts it, or Dagster's own, without a code server."""
    port = free_port()
    (_, service) = other_services(settings, Path("/nowhere"), ui_port=port)
    workspace = settings.dagster_home / "workspace.yaml"
    bare = [sys.executable, "-m", "dagster_webserver", "-w", str(workspace), "-p", str(port)]
    with (settings.home / "web-server.out").open("ab") as output:
        process = subprocess.Popen(
            service.argv if guarded else bare,
            env={**os.environ, "LOL_HOME": str(settings.home)}, stdout=output, stderr=output,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, Path(output.name).read_text()
        with suppress(requests.ConnectionError):
            return requests.get(f"{url}/server_info", timeout=60).ok
        return False

    try:
        wait_for("answer of Dagster's UI", answers, seconds=240)
        yield url
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def limits(instance: dg.DagsterInstance) -> dict[str, int]:
    return {each.name: each.limit for each in instance.event_log_storage.get_pool_limits()}


def stop_pool(pool: str) -> str:
    return f'mutation {{setConcurrencyLimit(concurrencyKey: "{pool}", limit: 0)}}'


def attack(page: Page, ui: str, evil_port: int) -> dict[str, Any]:
    """What another site's page has seen when it has tried everything; it has tried to stop all pools."""
    port = ui.rpartition(":")[2]
    seen: dict[str, Any] = {}
    for pool in POOL_LIMITS:
        page.goto(f"http://{NAME}:{evil_port}/")
        seen |= page.evaluate(ATTACK, {"ui": ui, "mutation": stop_pool(pool)})
    # As its own page: the foreign name now leads to Dagster's UI.
    answer = page.goto(f"http://{NAME}:{port}/server_info")
    assert answer is not None
    seen["rebound"] = answer.text() if answer.ok else None
    return seen


@pytest.mark.timeout(600)
def test_dagster_alone_is_switched_off_by_any_page_that_the_operator_opens(
    settings: Settings, instance: dg.DagsterInstance, page: Page, evil_port: int
) -> None:
    """Why there is a guard; and that the attack below is one."""
    with dagsters_ui(settings, guarded=False) as ui:
        seen = attack(page, ui, evil_port)
        wait_for("end of all work", lambda: limits(instance) == dict.fromkeys(POOL_LIMITS, 0))
    assert json.loads(seen["socket"])["type"] == "data"
    assert "dagster_version" in seen["rebound"]


@pytest.mark.timeout(600)
def test_no_other_sites_page_changes_or_reads_anything(
    settings: Settings, instance: dg.DagsterInstance, page: Page, evil_port: int
) -> None:
    with dagsters_ui(settings, guarded=True) as ui:
        seen = attack(page, ui, evil_port)
        assert seen == {"fetched": None, "socket": None, "rebound": None}
        # A link to it is followed, and asks for nothing more than its page.
        page.goto(f"http://{NAME}:{evil_port}/")
        with page.expect_navigation():
            page.evaluate("(address) => { location.href = address }", f"{ui}/runs")
        # By the page as it is sent: its title is that of what has been drawn by now.
        assert "dagster" in page.content().lower()
        page.goto(f"http://{NAME}:{evil_port}/")
        with page.expect_navigation():
            page.evaluate(
                "(address) => { location.href = address }",
                f"{ui}/graphql?query={stop_pool('riot')}",
            )
        assert "GraphQL is answered to a POST alone" in page.inner_text("body")
        assert limits(instance) == POOL_LIMITS


@pytest.mark.timeout(600)
def test_dagsters_own_page_works_behind_the_guard(
    settings: Settings, instance: dg.DagsterInstance, page: Page
) -> None:
    with dagsters_ui(settings, guarded=True) as ui:
        refused: list[str] = []
        page.on(
            "response",
            lambda got: refused.append(f"{got.status} {got.url}") if got.status >= 400 else None,
        )
        page.goto(f"{ui}/deployment/concurrency")
        page.get_by_text("channels").first.wait_for()
        # As its button does.
        page.evaluate(
            """(query) => fetch("/graphql", {method: "POST", body: JSON.stringify({query}),
                headers: {"content-type": "application/json"}})""",
            stop_pool("riot"),
        )
        assert refused == []
        assert limits(instance) == {**POOL_LIMITS, "riot": 0}
