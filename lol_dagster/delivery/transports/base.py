"""What the protocol asks of a transport, and what it gets back.

A transport makes single calls and classes their answers; it never repeats one, never writes to the
database, and never lets a token or a webhook's address out. Its verdicts are `states`' events.
"""

from __future__ import annotations

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, ClassVar, Generic, Literal, ParamSpec, TypeVar

from lol_dagster import http
from lol_dagster.delivery.states import (
    Accepted,
    Blocked,
    GetVerdict,
    Gone,
    NotSeen,
    NotSent,
    PostVerdict,
    Refused,
    ScanVerdict,
    Timing,
    Uncertain,
    Verdict,
)
from lol_dagster.messages.content import MessageContent

MAX_BODY = 4 * 1024 * 1024
_LONGEST_WAIT = 24 * 3600.0

P = ParamSpec("P")
V = TypeVar("V", bound=Verdict)
V_co = TypeVar("V_co", bound=Verdict, covariant=True)


@dataclass(frozen=True)
class Capabilities:
    """What a channel of this kind can do, and what follows from it."""

    identity: Literal["nonce", "marker"] | None
    """What of a message the remote keeps: a nonce it drops doubles by, or a marker to find it by."""
    read_back: bool
    edit: bool
    settle: float
    """Seconds after an unanswered call until its effect must be visible in the channel."""
    promise: str
    """For people: how often a message is told, and what it takes."""
    promise_if_blind: str = ""
    """The same while the channel's history cannot be read; only where `read_back`."""

    def promised(self, *, blind: bool) -> str:
        """What is promised of a channel.

        Args:
            blind: Its history is known not to show our messages.
        """
        return self.promise_if_blind if blind and self.read_back else self.promise


@dataclass(frozen=True)
class Hold:
    """A rate limit: nothing is to be sent for so many seconds."""

    seconds: float
    scope: Literal["channel", "token"] = "channel"


@dataclass(frozen=True)
class Answer(Generic[V_co]):
    """One call's (or one scan's) verdict, and what is kept of the answer for the record."""

    verdict: V_co
    http_status: int | None = None
    code: str | None = None
    """The remote's own error code: Discord's number, Slack's word."""
    request_id: str | None = None
    elapsed_s: float | None = None
    holds: tuple[Hold, ...] = ()


@dataclass(frozen=True)
class Outgoing:
    """One revision of one message, ready to be sent."""

    message_id: str
    rev: int
    nonce: str
    body: dict[str, Any]

    @property
    def body_sha256(self) -> str:
        """Of the body as JSON with sorted keys."""
        return hashlib.sha256(json.dumps(self.body, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Wanted:
    """A message whose fate is to be found out."""

    message_id: str
    after_id: str | None
    known: str | None
    """The remote id of another message of ours in the channel, if there is one: a witness."""


class Transport(ABC):
    """One kind of channel. `address` is `Channel.address`: a channel id, or a webhook's URL."""

    kind: ClassVar[str]
    token_scope: ClassVar[str | None] = None
    """The breaker that all channels which share this transport's token share."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities: ...

    @property
    def token_fingerprint(self) -> str | None:
        """Tells one token from another without giving it away. None: this transport has none."""
        return None

    @abstractmethod
    def unusable(self, address: str) -> str | None:
        """What is missing for any call at all, in words for the operator; None: nothing."""

    @abstractmethod
    def render(self, content: MessageContent, marker: str) -> dict[str, Any]:
        """The request body, without the address."""

    @abstractmethod
    def post(self, address: str, message: Outgoing) -> Answer[PostVerdict]:
        """Post it, once."""

    def after_id(self, created_at: datetime) -> str | None:
        """Where in a channel's history a message created at this time stands, at the earliest."""
        return None

    def scan(self, address: str, wanted: Wanted) -> Answer[ScanVerdict]:
        """Look for a message in the channel's history. Only where `read_back`."""
        raise NotImplementedError(self.kind)

    def patch(self, address: str, remote_id: str, message: Outgoing) -> Answer[PostVerdict]:
        """Put the full content in the place of the posted one, once. Only where `edit`."""
        raise NotImplementedError(self.kind)

    def get(self, address: str, remote_id: str, message_id: str) -> Answer[GetVerdict]:
        """Which revision of `message_id` stands at `remote_id`? Only where `edit`."""
        raise NotImplementedError(self.kind)

    def delete(self, address: str, remote_id: str) -> Answer[PostVerdict]:
        """Take a posted message away. Only where `edit`."""
        raise NotImplementedError(self.kind)

    def link(self, address: str, remote_id: str) -> str | None:
        """Where a person can look at the posted message; None if that cannot be told."""
        return None


@dataclass(frozen=True)
class Reply:
    """A complete answer with its JSON, if it is JSON."""

    status: int
    headers: Mapping[str, str]
    data: Any
    elapsed_s: float

    def field(self, name: str) -> Any:
        """A field of the answer's JSON object; None if it has none or is no object."""
        return self.data.get(name) if isinstance(self.data, dict) else None


class Caller:
    """Makes the calls of a transport: one session, one deadline, JSON in and out."""

    def __init__(self, session: http.DeadlineSession, base_url: str, timing: Timing) -> None:
        self._session = session
        self._base_url = base_url
        self._deadline = timing.call

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One call.

        Raises:
            TransportError: no complete answer; NotSent and MaybeSent tell what is known.
        """
        response = self._session.request(
            method,
            self._base_url + path,
            json=json,
            params=params,
            headers=headers,
            deadline=self._deadline,
            max_body=MAX_BODY,
        )
        return Reply(response.status, response.headers, _json(response), response.elapsed_s)


def _json(response: http.Response) -> Any:
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError):
        return None


def seconds(value: object) -> float | None:
    """A waiting time as a remote gave it, number or text, within reason; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        wait = float(value)
    except ValueError:
        return None
    return None if math.isnan(wait) else min(max(wait, 0.0), _LONGEST_WAIT)


def fingerprint(secret: str) -> str:
    """Tells one secret from another without giving it away."""
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def short(text: object) -> str:
    """A remote's own words as one line that fits a log and a table."""
    return "".join(c if c.isprintable() else " " for c in str(text))[:200]


def sends(call: Callable[P, Answer[PostVerdict]]) -> Callable[P, Answer[PostVerdict]]:
    """Decorator of a POST, PATCH or DELETE: without a complete answer, whether a byte left decides."""

    @wraps(call)
    def answered(*args: P.args, **kwargs: P.kwargs) -> Answer[PostVerdict]:
        try:
            return call(*args, **kwargs)
        except http.NotSent as error:
            return Answer(NotSent(short(error)))
        except http.TransportError as error:
            return Answer(Uncertain(short(error)))

    return answered


def looks(call: Callable[P, Answer[V]]) -> Callable[P, Answer[V | NotSeen]]:
    """Decorator of what only reads: without a complete answer nothing was seen."""

    @wraps(call)
    def answered(*args: P.args, **kwargs: P.kwargs) -> Answer[V | NotSeen]:
        try:
            return call(*args, **kwargs)
        except http.TransportError as error:
            return Answer(NotSeen(short(error)))

    return answered


def unread(refusal: PostVerdict) -> NotSeen | Blocked:
    """What the refusal of a read comes to."""
    match refusal:
        case Blocked():
            return refusal
        case NotSent(reason, retry_after):
            return NotSeen(reason, retry_after)
        case Uncertain(reason) | Refused(reason) | Gone(reason):
            return NotSeen(reason)
        case Accepted():
            raise AssertionError("a refusal is no success")
