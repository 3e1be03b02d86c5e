"""The proxies' configurations, read by the proxies themselves: people sign in through them, and use Dagster's UI.

Of what stands in deploy/ only ports, the folder of certificates and where these come from are other ones.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest
import websockets.sync.client
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from lol_dagster.admin.app import create_app
from lol_dagster.orchestration.web_guard import Guard, WebView
from lol_dagster.services.web_address import WebAddress
from lol_dagster.settings import load_settings
from lol_dagster.storage.database import Database
from lol_dagster_tests._support.dagsters_ui import Dagsters, dagsters_application, serving
from lol_dagster_tests._support.process_harness import free_port
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests._support.web_visitor import OPERATOR, PASSWORD, QUICK_HASH, csrf_token
from lol_dagster_tests.admin.conftest import served
from lol_dagster_tests.conftest import skip

FOLDER = Path(__file__).parents[2] / "deploy" / "proxy"
NAME = "lol.example.org"
WEB_VIEW = f"https://{NAME}"
UI = f"https://{NAME}:8443"
PROGRAMS = Path(sys.prefix) / "programs" / "usr"
"""Where `make test` unpacks them."""


def program(name: str) -> str:
    where = f"{os.environ['PATH']}:/usr/sbin:{PROGRAMS}/bin:{PROGRAMS}/sbin"
    path = shutil.which(name, path=where)
    if path is None:
        skip(f"no {name} here, which `make test` unpacks where apt-get can be used")
    return path


def certificate(folder: Path) -> None:
    """As the operator has one there: who has signed it, nobody checks here."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    signed = x509.CertificateBuilder(
        name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1)
    ).sign(key, hashes.SHA256())
    (folder / "fullchain.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@dataclass(frozen=True)
class Ports:
    """Of those behind the proxy, and its own for the public ones 443 and 8443."""

    web_view: int
    ui: int
    at_443: int
    at_8443: int


def replaced(text: str, *others: tuple[str, str]) -> str:
    for ours, other in others:
        assert ours in text, f"nothing to replace: {ours}"
        text = text.replace(ours, other)
    return text


def caddy(folder: Path, ports: Ports) -> list[str]:
    config = replaced(
        (FOLDER / "Caddyfile").read_text(),
        ("127.0.0.1:3001", f"127.0.0.1:{ports.web_view}"),
        ("127.0.0.1:3000", f"127.0.0.1:{ports.ui}"),
        (":8443", f":{ports.at_8443}"),
    )
    (folder / "Caddyfile").write_text(
        f"{{\nadmin off\nhttps_port {ports.at_443}\nauto_https disable_redirects\n"
        f"local_certs\nskip_install_trust\nstorage file_system {folder}\n}}\n{config}"
    )
    return [program("caddy"), "run", "--config", "Caddyfile", "--adapter", "caddyfile"]


def nginx(folder: Path, ports: Ports) -> list[str]:
    certificate(folder)
    (folder / "lol-dagster").write_text(
        replaced(
            (FOLDER / "nginx.conf").read_text(),
            ("127.0.0.1:3001", f"127.0.0.1:{ports.web_view}"),
            ("127.0.0.1:3000", f"127.0.0.1:{ports.ui}"),
            ("listen 443 ", f"listen 127.0.0.1:{ports.at_443} "),
            ("listen 8443 ", f"listen 127.0.0.1:{ports.at_8443} "),
            ("/etc/ssl/lol-dagster/", f"{folder}/"),
        )
    )
    temporary = "".join(
        f"{each}_temp_path {folder}/{each};\n"
        for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}include {folder}/lol-dagster;\n}}\n"
    )
    return [program("nginx"), "-p", str(folder), "-c", f"{folder}/nginx.conf"]


Proxy = Callable[[Path, Ports], list[str]]


@contextmanager
def running(command: list[str], folder: Path, ports: Ports) -> Iterator[None]:
    with (folder / "said").open("w") as said:
        proxy = subprocess.Popen(
            command, cwd=folder, stdout=said, stderr=said,
            env={**os.environ, "LOL_ADMIN_HOST": NAME, "HOME": str(folder)},
        )  # fmt: skip

    def is_ready() -> bool:
        assert proxy.poll() is None, (folder / "said").read_text()
        try:
            for port in (ports.at_443, ports.at_8443):
                connected(port).close()
        except OSError:  # not there yet, or without its certificate
            return False
        return True

    try:
        wait_for("proxy", is_ready)
        yield
    finally:
        proxy.kill()
        proxy.wait(30)


def connected(port: int) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", port), timeout=60)
    return trusting().wrap_socket(plain, server_hostname=NAME)


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Browser:
    """Keeps its cookie; asks the proxy under its public name and ports."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self.cookie = ""

    def ask(
        self, method: str, url: str, body: str = "", kind: str = "application/json"
    ) -> tuple[HTTPResponse, str]:
        origin, _, path = url.removeprefix("https://").partition("/")
        port = 8443 if origin.endswith(":8443") else 443
        connection = HTTPSConnection(NAME, port)
        connection.sock = connected(self._port(port))
        headers = {"Sec-Fetch-Site": "same-origin", "Cookie": self.cookie}
        if method == "POST":
            headers |= {"Origin": f"https://{origin}", "Content-Type": kind}
        connection.request(method, f"/{path}", body or None, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        for each in answer.headers.get_all("Set-Cookie") or []:
            assert "; Secure" in each, "the web view knows that it is behind TLS"
            self.cookie = each.partition(";")[0]
        return answer, text

    def sign_in(self) -> HTTPResponse:
        _, page = self.ask("GET", f"{WEB_VIEW}/sign-in")
        form = {"csrf_token": csrf_token(page), "name": OPERATOR, "password": PASSWORD}
        kind = "application/x-www-form-urlencoded"
        return self.ask("POST", f"{WEB_VIEW}/sign-in", urlencode(form), kind)[0]

    def listen(self, query: str) -> str:
        """What comes of a subscription on a web socket of Dagster's UI."""
        with websockets.sync.client.connect(
            f"wss://{NAME}:8443/graphql",
            sock=socket.create_connection(("127.0.0.1", self._ports.at_8443), timeout=60),
            ssl=trusting(),
            server_hostname=NAME,
            origin=Origin(UI),
            subprotocols=[Subprotocol("graphql-ws")],
            additional_headers={"Cookie": self.cookie} if self.cookie else None,
        ) as channel:
            channel.send(json.dumps({"type": "start", "id": "1", "payload": {"query": query}}))
            return str(json.loads(channel.recv(60))["type"])

    def _port(self, public: int) -> int:
        return self._ports.at_443 if public == 443 else self._ports.at_8443


VERSION = '{"query": "{version}"}'
LOGS = 'subscription {pipelineRunLogs(runId: "1") {__typename}}'


@pytest.fixture(scope="module")
def dagsters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dagsters]:
    with dagsters_application(tmp_path_factory.mktemp("home")) as dagsters:
        yield dagsters


@pytest.mark.parametrize("proxy", [caddy, nginx], ids=["caddy", "nginx"])
def test_people_sign_in_through_it_and_use_dagsters_ui(
    proxy: Proxy,
    dagsters: Dagsters,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOL_ADMIN_PASSWORD_HASH", QUICK_HASH)
    address = WebAddress(port=0, public_url=WEB_VIEW)
    (folder := tmp_path / "proxy").mkdir()
    with ExitStack() as stack:
        url = stack.enter_context(
            served(create_app(load_settings(), database, address=address), address)
        )
        web_view = WebView(int(url.rpartition(":")[2]), address)
        ui = stack.enter_context(serving(dagsters, lambda app: Guard(app, address, web_view)))
        ports = Ports(int(url.rpartition(":")[2]), ui.port, free_port(), free_port())
        stack.enter_context(running(proxy(folder, ports), folder, ports))

        ann = Browser(ports)
        answer, _ = ann.ask("GET", f"{WEB_VIEW}/")
        assert (answer.status, answer.headers["Location"]) == (302, "/sign-in")
        refused, page = ann.ask("POST", f"{UI}/graphql", VERSION)
        assert refused.status == 401
        assert f'href="{WEB_VIEW}/sign-in"' in page
        with pytest.raises(InvalidStatus):
            ann.listen(LOGS)

        assert ann.sign_in().status == 303
        assert ann.ask("GET", f"{WEB_VIEW}/")[0].status == 200
        answer, said = ann.ask("POST", f"{UI}/graphql", VERSION)
        assert answer.status == 200
        assert "version" in json.loads(said)["data"]
        assert ann.listen(LOGS) == "data"


def test_caddy_takes_its_file_as_it_is(tmp_path: Path) -> None:
    read = subprocess.run(
        [program("caddy"), "validate", "--config", FOLDER / "Caddyfile", "--adapter", "caddyfile"],
        env={**os.environ, "LOL_ADMIN_HOST": NAME, "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (read.returncode, "warn" in read.stderr) == (0, False), read.stderr
