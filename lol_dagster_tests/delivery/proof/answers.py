"""Everything that the services can answer, as one list: the search, the walks and the real processes
draw from it, so that whatever is added is tried everywhere.

It is read off what is declared anyway. The codes by which a service refuses stand in the tables of its
transport's module; whatever else can go wrong with a call are the simulated world's kinds of faults. What
an answer means is what the transport itself makes of it, over that world. Only what an answer says about
the channel is not drawn, as it has to be true: that the message stands there, was deleted, or is absent.
"""

from __future__ import annotations

import json as json_
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from threading import Event
from types import ModuleType
from typing import Any, Literal

from pydantic import SecretStr
from urllib3 import HTTPHeaderDict

from lol_dagster import http_terms
from lol_dagster.delivery.model import (
    Absent,
    Accepted,
    Blocked,
    Deleted,
    Found,
    Refused,
    Seen,
    Verdict,
)
from lol_dagster.delivery.transports import discord_api, slack_api, slack_webhook
from lol_dagster.delivery.transports.base import Answer, Outgoing, Reply, Transport, Wanted
from lol_dagster.delivery.transports.registry import TRANSPORTS
from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster.messages.identity import write_marker
from lol_dagster.settings import Settings
from lol_dagster.simulator.faults import KINDS, Stage
from lol_dagster.simulator.limits import Limit
from lol_dagster.simulator.main import Options, Simulator
from lol_dagster.simulator.truth import within
from lol_dagster.simulator.wire import Manner, Request

Call = Literal["post", "edit", "get", "scan"]

TABLES: dict[str, ModuleType] = {
    "discord": discord_api,
    "discord-hook": discord_api,
    "slack": slack_api,
    "slack-hook": slack_webhook,
}
"""By service: where the codes stand by which it refuses."""
UNHEARD_OF = {"discord": "99999", "discord-hook": "99999", "slack": "unheard_of",
              "slack-hook": "unheard_of"}  # fmt: skip
STATUSES = ("400", "401", "403", "404", "408", "413", "500", "502", "503", "504", "520", "521", "522",
            "523", "524")  # fmt: skip
OPERATIONS: dict[tuple[str, Call], tuple[str, ...]] = {
    ("discord-bot", "post"): ("discord.post",),
    ("discord-bot", "edit"): ("discord.edit",),
    ("discord-bot", "get"): ("discord.get",),
    ("discord-bot", "scan"): ("discord.list", "discord.get", "discord.me"),
    ("discord-webhook", "post"): ("discord-hook.post",),
    ("discord-webhook", "edit"): ("discord-hook.edit",),
    ("discord-webhook", "get"): ("discord-hook.get",),
    ("discord-webhook", "scan"): ("discord.list", "discord-hook.get", "discord-hook.webhook"),
    ("slack-bot", "post"): ("slack.post",),
    ("slack-bot", "edit"): ("slack.edit",),
    ("slack-bot", "get"): ("slack.history",),
    ("slack-bot", "scan"): ("slack.history", "slack.auth"),
    ("slack-webhook", "post"): ("slack-hook.post",),
}
"""Which operations of the simulated world a transport's call is made of."""

_LATE = "0.6"
"""Seconds: a little later than the real processes wait for an answer (`worker.HURRIED`)."""


def codes(service: str) -> list[str]:
    """Every code by which a service refuses that its transport knows, and one that it does not."""
    known = {
        str(code)
        for name, table in vars(TABLES[service]).items()
        if name.isupper() and name[0] != "_" and isinstance(table, set | tuple | int)
        for code in ([table] if isinstance(table, int) else table)
    }
    return [*sorted(known), UNHEARD_OF[service]]


def faults(operation: str) -> list[str]:
    """All that can go wrong with an operation, as the simulated world's faults (simulator/faults.py)."""
    service = operation.partition(".")[0]
    found = [f"refuse({code})" for code in codes(service)] + list(STATUSES)
    for name, kind in KINDS.items():
        legal = any(within(operation, target) for target in kind.targets)
        if legal and kind.stage is not Stage.BEHAVIOUR and name not in {"refuse", "outage"}:
            found += [
                name if not argument else f"{name}({argument})" for argument in _arguments(name)
            ]
    return found


def _arguments(kind: str) -> list[str]:
    if kind.startswith("429"):
        return ["0.3"]
    if kind == "error-after-accept":
        return [status for status in STATUSES if status >= "500"]
    if kind == "internal-error":
        return sorted(slack_api.MAYBE_DONE)
    return [_LATE] if kind == "late-accept" else [""]


@dataclass(frozen=True)
class Fate:
    """What can happen to a call, beside its being answered truly."""

    fault: str
    """The first of those that come to this."""
    accepted: bool
    """The service has done what was asked for."""
    verdict: Verdict


@cache
def fates(kind: str, call: Call) -> tuple[Fate, ...]:
    """What can happen to a transport's call, each once: two that the protocol cannot tell apart are one."""
    found: dict[tuple[bool, Verdict], Fate] = {}
    for each in all_fates(kind, call):
        found.setdefault((each.accepted, each.verdict), each)
    return tuple(found.values())


@cache
def all_fates(kind: str, call: Call) -> tuple[Fate, ...]:
    """What each fault comes to."""
    return tuple(_all_fates(kind, call))


def _all_fates(kind: str, call: Call) -> Iterator[Fate]:
    generous = Limit(10**6, 1)
    world = Simulator(Options(discord_limit=generous, slack_limit=generous))
    with world:
        for operation in OPERATIONS[kind, call]:
            for fault in faults(operation):
                target = _Target(world, kind)
                if call != "post":
                    target.post()
                world.set_faults(f"{operation}={fault}*1")
                before, calls = len(world.truth.events()), len(world.truth.calls())
                verdict = target.call(call).verdict
                accepted = len(world.truth.events()) > before
                if any(each["fault"] for each in world.truth.calls()[calls:]):
                    yield Fate(f"{operation}={fault}", accepted, _bare(verdict))


def endured(kind: str, call: Call) -> tuple[str, ...]:
    """The faults of a call that send no message to review and close nothing for good, as a SPEC has them
    after its target; of the codes that come to the same, one.
    """
    single = {each.fault for each in fates(kind, call)}
    return tuple(
        fault
        for each in all_fates(kind, call)
        for _, _, fault in [each.fault.partition("=")]
        if is_drawn(each.verdict)
        and not isinstance(each.verdict, Refused)
        and not (isinstance(each.verdict, Blocked) and each.verdict.dead)
        and (each.fault in single or not fault.startswith("refuse("))
    )


def is_drawn(verdict: Verdict) -> bool:
    """Whether an answer may be given whatever stands in the channel."""
    return not isinstance(verdict, Accepted | Deleted | Found | Absent | Seen)


def _bare(verdict: Verdict) -> Verdict:
    """Without what makes no difference to the protocol."""
    said: dict[str, Any] = {"reason": "", "remote_id": "1", "retry_after": 1.0}
    values = vars(verdict)
    return replace(verdict, **{name: said[name] for name in said if values.get(name) is not None})


class _Target:
    """A transport whose calls go to the simulated world without a network between them."""

    _ADDRESSES: Mapping[str, str] = {
        "discord-bot": "700000000000000001",
        "discord-webhook": "{url}/discord/api/v10/webhooks/800000000000000001/secret",
        "slack-bot": "C00000001",
        "slack-webhook": "{url}/slack-hooks/services/T1/B00000001/secret",
    }

    def __init__(self, world: Simulator, kind: str) -> None:
        names = {name.removeprefix("LOL_").lower(): v for name, v in world.environment.items()}
        secret = {"discord_bot_token", "slack_bot_token", "riot_api_key"}
        settings = Settings.model_construct(
            **{name: SecretStr(v) if name in secret else v for name, v in names.items()}
        )
        self._transport: Transport = next(
            each(settings, deadline=1.0) for each in TRANSPORTS if each.kind == kind
        )
        for each in (self._transport, getattr(self._transport, "_reader", None)):
            if each is not None:
                each._api = _Wire(world, each._api._base_url.removeprefix(world.url))
        self._address = self._ADDRESSES[kind].format(url=world.url)
        content = MessageContent("game", "game", (Section((Line("Ann"),)),))
        body = self._transport.render(content, write_marker("m", 1))
        self._outgoing = Outgoing("m", 1, "nonce-of-m", body)
        self._remote_id = "0"

    def post(self) -> None:
        verdict = self._transport.post(self._address, self._outgoing).verdict
        assert isinstance(verdict, Accepted)
        assert verdict.remote_id is not None
        self._remote_id = verdict.remote_id

    def call(self, call: Call) -> Answer[Any]:
        match call:
            case "post":
                return self._transport.post(self._address, self._outgoing)
            case "edit":
                return self._transport.patch(self._address, self._remote_id, self._outgoing)
            case "get":
                return self._transport.get(self._address, self._remote_id, "m")
            case "scan":
                wanted = Wanted("another", None, self._remote_id)
                return self._transport.scan(self._address, wanted)


class _Wire:
    """In the place of a `Caller`: what a broken answer comes to is as tests of the HTTP session show."""

    def __init__(self, world: Simulator, path: str) -> None:
        self._world = world
        self._path = path

    def call(
        self, method: str, path: str, *, json: Any = None, params: Any = None, headers: Any = None
    ) -> Reply:
        named = {"user-agent": discord_api.USER_AGENT, "content-type": "application/json"}
        request = Request(
            method,
            self._path + path,
            {name: str(value) for name, value in (params or {}).items()},
            named | {name.lower(): value for name, value in (headers or {}).items()},
            b"" if json is None else json_.dumps(json).encode(),
        )
        gone = Event()  # nobody waits for what comes late
        gone.set()
        service = self._world._services[request.segments[0]]
        answer = self._world._dispatcher.answer(service, request, gone)
        late = str(self._world.truth.calls()[-1]["fault"]).startswith("late-accept")
        if late or answer.manner is not Manner.WHOLE:
            raise http_terms.MaybeSent("no complete answer")
        try:
            data = json_.loads(answer.body)
        except ValueError:
            data = None
        return Reply(answer.status, HTTPHeaderDict(answer.headers), answer.body, data, 0.0)
