"""Asks the simulated world as its clients do: whole calls, and raw sockets that see how bytes arrive."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from lol_dagster.simulator import discord, riot, slack
from lol_dagster.simulator.main import Simulator
from lol_dagster_tests._support.waiting import wait_for

CHANNEL = "123456789012345678"
SLACK_CHANNEL = "C0123456789"

RIOT = {"X-Riot-Token": riot.API_KEY}
DISCORD = {"Authorization": f"Bot {discord.BOT_TOKEN}", "User-Agent": "DiscordBot (test, 1)"}
SLACK = {"Authorization": f"Bearer {slack.BOT_TOKEN}"}


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    world: Simulator, method: str, path: str, headers: dict[str, str], body: Any = None
) -> Answered:
    """One call on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=60)
    try:
        encoded = None if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, path, encoded, {**kind, **headers})
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answered(answer.status, found, answer.read())
    finally:
        connection.close()


def ask_riot(world: Simulator, route: str, path: str, **query: object) -> Answered:
    return ask(world, "GET", f"/riot/{route}{path}?{urlencode(query)}", RIOT)


def match_ids(world: Simulator, puuid: str, route: str = "americas", **query: object) -> list[str]:
    answered = ask_riot(world, route, f"/lol/match/v5/matches/by-puuid/{puuid}/ids", **query)
    assert answered.status == 200, answered
    return answered.json


def ask_discord(world: Simulator, method: str, path: str, body: Any = None) -> Answered:
    return ask(world, method, f"/discord/api/v10{path}", DISCORD, body)


def post_discord(world: Simulator, channel: str = CHANNEL, **body: Any) -> Answered:
    return ask_discord(world, "POST", f"/channels/{channel}/messages", body)


def ask_slack(world: Simulator, method: str, **arguments: Any) -> Answered:
    return ask(world, "POST", f"/slack/api/{method}", SLACK, arguments)


def post_slack(world: Simulator, **arguments: Any) -> Answered:
    return ask_slack(world, "chat.postMessage", channel=SLACK_CHANNEL, **arguments)


@dataclass(frozen=True)
class Heard:
    """What a raw socket has seen: the pieces in which bytes came, and how it ended."""

    pieces: list[bytes]
    end: str
    """`fin`, `rst` or `open`."""

    @property
    def bytes(self) -> bytes:
        return b"".join(self.pieces)


def raw_post(
    world: Simulator, text: str = "hello", *, until: Callable[[], object] | None = None
) -> Heard:
    """Post to a Discord channel on a raw socket and listen until the connection ends.

    Args:
        until: Listen only until this is true, and a moment longer.
    """
    body = json.dumps({"content": text}).encode()
    head = [f"POST /discord/api/v10/channels/{CHANNEL}/messages HTTP/1.1", "Host: test"]
    head += [f"{name}: {value}" for name, value in DISCORD.items()]
    head += [f"Content-Length: {len(body)}", "Connection: close"]
    with socket.create_connection(("127.0.0.1", world.port), timeout=60) as connection:
        connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        if until is not None:
            wait_for("state of the world", until)
            connection.settimeout(0.1)
        pieces = []
        while True:
            try:
                piece = connection.recv(65536)
            except ConnectionResetError:
                return Heard(pieces, "rst")
            except TimeoutError:
                return Heard(pieces, "open")
            if not piece:
                return Heard(pieces, "fin")
            pieces.append(piece)
