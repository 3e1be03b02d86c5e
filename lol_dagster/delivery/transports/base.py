"""What delivery asks of a kind of channel, and what it gets back.

A transport is one module: a subclass of `Transport` that says everything about its kind, and an entry
in `registry.TRANSPORTS` (docs/adding-a-transport.md). It makes single calls and classes their
answers; it never repeats one, never writes to the database, and never reveals a token or a webhook's
address. Its verdicts are `states`' events.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, ParamSpec, TypeVar
from urllib.parse import SplitResult, urlsplit

from markupsafe import Markup
from pydantic import SecretStr

from lol_dagster import http_terms
from lol_dagster.delivery.model import (
    Accepted,
    Blocked,
    Deleted,
    Found,
    GetVerdict,
    More,
    NotSeen,
    NotSent,
    PostVerdict,
    Refused,
    ScanVerdict,
    Uncertain,
    Verdict,
)
from lol_dagster.errors import UserError
from lol_dagster.messages.content import MessageContent
from lol_dagster.settings import Settings
from lol_dagster.storage.database import assert_no_open_write

if TYPE_CHECKING:
    from lol_dagster.http import Response

MAX_BODY = 4 * 1024 * 1024
_LONGEST_WAIT = 24 * 3600.0
_UNSAID_WAIT = 60.0
_LEAST_WAIT = 1.0
LONGEST_ADDRESS = 300
"""So that it fits its column encrypted, which takes a third more and some 100 characters."""
_DEFAULT_PORTS = {"http": 80, "https": 443}

P = ParamSpec("P")
V = TypeVar("V", bound=Verdict)
V_co = TypeVar("V_co", bound=Verdict, covariant=True)


ShownIcons = Mapping[int, str]
"""How the service is asked to show a champion's icon, by the champion's number."""
NO_ICONS: ShownIcons = {}

Step = Literal["post", "find", "edit", "picture", "read", "delete"]
"""What is tried when a channel is tried out (delivery/probe.py); a picture where games have a card."""

UNREADABLE_PROMISE = (
    "The bot cannot read this channel's history, so less is promised: never delivered twice, but a "
    "send that goes unanswered waits for your decision (with --uncertain resend: never lost, but "
    "maybe delivered twice)."
)
"""Of a channel whose kind reads its messages back, while it cannot be read."""
WRITE_ONLY_PROMISE = (
    "Never delivered twice, but a send that goes unanswered waits for your decision, as nobody can look "
    "it up (with --uncertain resend: never lost, but maybe delivered twice)."
)
"""Of a channel in which our messages can never be read back."""


class AddressError(UserError):
    """No channel of this kind can have such an address. Never repeats it: it may hold a secret."""


class PlacesError(UserError):
    """The service does not say in which channels the bot can post."""


class NotUploaded(Exception):  # noqa: N818 - what has happened
    """A picture was not uploaded, or it is not known whether it is ready."""

    def __init__(
        self, reason: str, *, is_final: bool = False, retry_after: float | None = None
    ) -> None:
        """
        Args:
            is_final: It would fail again.
            retry_after: Seconds that we are asked to wait; None: for no time.
        """
        super().__init__(reason)
        self.is_final = is_final
        self.retry_after = retry_after or 0.0


@dataclass(frozen=True)
class Place:
    """A channel of the service, for a person to choose."""

    address: str
    name: str
    """As people know it: `Our server · #games`."""


@dataclass(frozen=True)
class Capabilities:
    """What a channel of this kind can do as the settings are, and what follows from it."""

    identity: Literal["nonce", "marker"] | None
    """What of a message the remote keeps: a nonce by which it drops a second copy, or a marker to
    find it by."""
    read_back: bool
    """The channel's history can be read, and our messages found in it."""
    settle: float
    """Seconds after an unanswered call until its effect must be visible in the channel."""
    promise: str
    """For people: how often a message is delivered, and what that takes."""
    promise_if_unreadable: str = UNREADABLE_PROMISE
    """The same while the channel's history cannot be read; only where `read_back`."""

    def promised(self, *, unreadable_history: bool) -> str:
        """What is promised of a channel.

        Args:
            unreadable_history: Its history is known not to show our messages.
        """
        return self.promise_if_unreadable if unreadable_history and self.read_back else self.promise


@dataclass(frozen=True)
class RemoteIdForm:
    """The form of the ids that a service gives its messages."""

    pattern: str
    """A regular expression for the whole id."""
    example: str
    """For people: `a number such as …`."""

    def matches(self, remote_id: str) -> bool:
        return re.fullmatch(self.pattern, remote_id, re.ASCII) is not None


@dataclass(frozen=True)
class Hold:
    """A rate limit: nothing is to be sent for so many seconds."""

    seconds: float
    scope: Literal["channel", "token", "service"] = "channel"
    """Whom it concerns: this kind of call to the channel; all that the token does; all that we do."""


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
class Picture:
    """A PNG to be shown below a message's text."""

    png: bytes
    alt: str
    """What it shows, for who does not see it."""
    file_id: str | None = None
    """What it was uploaded as, where the transport has it uploaded."""


@dataclass(frozen=True)
class Outgoing:
    """One revision of one message, ready to be sent."""

    message_id: str
    rev: int
    nonce: str
    body: dict[str, Any]
    silent: bool = False
    """A POST of it is to make no sound, where the service can do that: `Transport.can_be_silent`."""
    card: dict[str, Any] | None = None
    """As in `MessageContent`, of an edit that is to bring its picture."""
    file_id: str | None = None
    """What it was uploaded as, where it was."""
    picture: Picture | None = None
    """The card as it was drawn; None: there is none, or it could not be."""
    has_icons: bool = False
    """The body has champions' icons, which may be why it is refused."""

    @property
    def body_sha256(self) -> str:
        """Of the body as JSON with sorted keys."""
        return hashlib.sha256(json.dumps(self.body, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Wanted:
    """A message whose fate is to be found out."""

    message_id: str
    after_id: str | None
    """It stands after this in the channel's history; None: anywhere."""
    known: str | None
    """The remote id of another message of ours in the channel, if there is one: where it cannot
    be seen, nothing can."""
    position: str | None = None
    """As `More` gave it; None: the search begins."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """What it says, as it is rendered. Empty: that cannot be rendered."""


@dataclass(frozen=True)
class Search:
    """How far the search of a channel's history has come, and what it has seen.

    Kept as text in the message's row, so that a slow page, a rate limit or a death ends a page and not
    the search.
    """

    page: str | None = None
    """Where the next page begins, as the service names it; None: the first one."""
    copies: tuple[tuple[str, int], ...] = ()
    """Remote id and revision of each."""
    marked: bool = False
    """A message of ours has been seen with its marker."""
    unmarked: tuple[str, ...] = ()
    """As `Absent.unmarked`."""

    @classmethod
    def of(cls, position: str | None) -> Search:
        if position is None:
            return cls()
        page, copies, marked, unmarked = json.loads(position)
        return cls(page, tuple((id_, rev) for id_, rev in copies), marked, tuple(unmarked))

    def saw(
        self, remote_id: str, marker: tuple[str, int] | None, wanted: Wanted, *, alike: bool
    ) -> Search:
        """With a further message of ours.

        Args:
            marker: Whose it is, and its revision; None: it has none.
            alike: It may be the wanted one by its text.
        """
        if marker is None:
            return replace(self, unmarked=(*self.unmarked, remote_id)) if alike else self
        is_wanted = marker[0] == wanted.message_id
        copies = (*self.copies, (remote_id, marker[1])) if is_wanted else self.copies
        return replace(self, copies=copies, marked=True)

    def more(self, page: str) -> More:
        """There is more from `page` on."""
        return More(json.dumps([page, self.copies, self.marked, self.unmarked]))

    def found(self) -> Found | None:
        """What the copies come to; None: there is none. Remote ids are numbers that grow with time."""
        if not self.copies:
            return None
        (remote_id, rev), *extras = sorted(self.copies, key=lambda copy: Decimal(copy[0]))
        return Found(remote_id, rev, tuple(extra for extra, _ in extras))


class Transport(ABC):
    """One kind of channel: everything that is particular to it.

    `address` is `Channel.address`: a channel's id, or a webhook's URL.
    """

    kind: ClassVar[str]
    """As it stands in `Channel.kind` and is typed after `--kind`."""
    label: ClassVar[str]
    """For people: `Discord, as a bot`."""
    service: ClassVar[str]
    """Kinds of one service show a message alike, but for icons."""
    token_setting: ClassVar[str | None] = None
    """The field of `Settings` that holds its token; None: it has none."""
    token_scope: ClassVar[str | None] = None
    """The circuit breaker that all channels which use this token share."""
    calls_per_second: ClassVar[int | None] = None
    """How many the service allows in all: of the token, or of us where it has none. None: no more is known
    than each channel's own limit.
    """
    remote_ids: ClassVar[RemoteIdForm | None] = None
    """None: the service gives a posted message no id."""
    can_edit: ClassVar[bool] = True
    """A posted message can be read, edited and deleted by its id."""
    can_be_silent: ClassVar[bool] = False
    """A message can be posted without a sound."""
    takes_pictures: ClassVar[bool] = False
    """An edit can bring a picture (`Outgoing.picture`)."""
    uploads_pictures: ClassVar[bool] = False
    """It has to be uploaded, and be ready, before."""

    def __init__(self, settings: Settings, *, deadline: float) -> None:
        """
        Args:
            deadline: Seconds for each call, all of it.
        """
        secret: SecretStr | None = (
            getattr(settings, self.token_setting) if self.token_setting else None
        )
        self._token = None if secret is None else secret.get_secret_value()

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities: ...

    @property
    def token_fingerprint(self) -> str | None:
        """Distinguishes one token from another without revealing it. None: this transport has none."""
        return None if self.token_setting is None else fingerprint(self._token or "")

    # --- the address ---------------------------------------------------------------------------

    def pasted_address(self, text: str) -> str:
        """The address in what a person has pasted, such as the link to a channel; the text itself if
        it is nothing of the kind.
        """
        return text

    def places(self) -> list[Place] | None:
        """The channels in which the bot can post; None: there is no bot, or no token of it.

        Raises:
            PlacesError: the service does not say.
        """
        return None

    @abstractmethod
    def check_address(self, address: str) -> None:
        """Refuse what can be no address of this kind, or leads to another host than the settings'.

        Raises:
            AddressError: says what it should be.
        """

    def shown_address(self, address: str) -> str:
        """The address as anybody may see it."""
        return address

    def unusable(self, address: str) -> str | None:
        """What is missing for any call at all, in words for the operator; None: nothing."""
        if self.token_setting is not None and self._token is None:
            return f"LOL_{self.token_setting.upper()} is not set"
        return None

    def remedy(self, step: Step, code: str | None, status: int | None) -> str | None:
        """What the operator can do about a refusal; None: nothing is known to help.

        Args:
            code: The remote's own: Discord's number, Slack's word.
            status: The HTTP status.
        """
        return None

    # --- the message ---------------------------------------------------------------------------

    @property
    def icon_set(self) -> str | None:
        """Which champions' icons can be shown here (champion_icons.py); None: none can."""
        return None

    @abstractmethod
    def render(
        self, content: MessageContent, marker: str, icons: ShownIcons = NO_ICONS
    ) -> dict[str, Any]:
        """The request body, without the address.

        Args:
            marker: See messages/identity.py; where the channel can be read, kept in the body, so that
                the message can be found again.
            icons: Those that are to be had; a line whose champion's is not among them reads as ever.
        """

    def preview(self, content: MessageContent, marker: str, icons: ShownIcons = NO_ICONS) -> Markup:
        """The body that is sent, as HTML, as the service would show it. By default as text."""
        body = json.dumps(self.render(content, marker, icons), indent=2, ensure_ascii=False)
        return Markup('<pre class="preview">{}</pre>').format(body)

    # --- calls ---------------------------------------------------------------------------------

    @abstractmethod
    def post(self, address: str, message: Outgoing) -> Answer[PostVerdict]:
        """Post it, once."""

    def after_id(self, known: str | None, at: datetime | None) -> str | None:
        """Where in a channel's history stands at the earliest what was not posted before these, in the
        service's own time: this machine's wall clock may be far off. None: anywhere.

        Args:
            known: The remote id of a message; None: none is known.
            at: An instant, by the clock of a service; None: none is known.
        """
        return None

    def scan(self, address: str, wanted: Wanted) -> Answer[ScanVerdict]:
        """Look for a message in the channel's history: in one page of it, with so few calls that all of
        them together end while a claim lasts. Only where `read_back`.
        """
        raise NotImplementedError(self.kind)

    def search(self, address: str, wanted: Wanted, most_pages: int) -> Answer[ScanVerdict]:
        """Look for a message in all pages of the channel's history at once; for those who hold no claim
        meanwhile.
        """
        for _ in range(most_pages):
            answer = self.scan(address, wanted)
            if not isinstance(answer.verdict, More):
                return answer
            wanted = replace(wanted, position=answer.verdict.position)
        return replace(answer, verdict=NotSeen(f"not found in {most_pages} pages, of many"))

    def patch(self, address: str, remote_id: str, message: Outgoing) -> Answer[PostVerdict]:
        """Put the full content in the place of the posted one, once, its picture included: what has none
        shows none from then on. Only where `can_edit`.
        """
        raise NotImplementedError(self.kind)

    def upload(self, picture: Picture) -> str:
        """Upload a picture, once, and its id; nobody sees it yet. Only where `uploads_pictures`.

        Raises:
            NotUploaded: it may be tried again, or not.
        """
        raise NotImplementedError(self.kind)

    def is_ready(self, file_id: str) -> bool:
        """Whether an uploaded picture can be shown.

        Raises:
            NotUploaded: it cannot be said, now or ever.
        """
        raise NotImplementedError(self.kind)

    def get(self, address: str, remote_id: str, message_id: str) -> Answer[GetVerdict]:
        """Which revision of `message_id` stands at `remote_id`? Only where `can_edit`."""
        raise NotImplementedError(self.kind)

    def delete(self, address: str, remote_id: str) -> Answer[PostVerdict]:
        """Take a posted message away. Only where `can_edit`."""
        raise NotImplementedError(self.kind)

    def link(self, address: str, remote_id: str) -> str | None:
        """Where a person can see the posted message; None if that is not known."""
        return None


@dataclass(frozen=True)
class Reply:
    """A complete answer."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    body: bytes
    data: Any
    """The body's JSON; None if it is none."""
    elapsed_s: float

    def field(self, name: str) -> Any:
        """A field of the answer's JSON object; None if it has none or is no object."""
        return self.data.get(name) if isinstance(self.data, dict) else None


class Caller:
    """Makes the calls of a transport: one session, one deadline, one host."""

    def __init__(self, user_agent: str, base_url: str, deadline: float) -> None:
        """
        Args:
            base_url: What each path is appended to; nothing is ever sent to another host.
            deadline: Seconds for each call.
        """
        # Here: whoever only asks what a channel can do makes no call.
        from lol_dagster.http import DeadlineSession

        self._session = DeadlineSession(user_agent, guard=assert_no_open_write)
        self._base_url = base_url
        self._deadline = deadline

    def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        data: bytes | None = None,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One call.

        Raises:
            TransportError: no complete answer; NotSent and MaybeSent say what is known.
        """
        response = self._session.request(
            method,
            self._base_url + path,
            json=json,
            data=data,
            params=params,
            headers=headers,
            deadline=self._deadline,
            max_body=MAX_BODY,
        )
        return Reply(
            response.status, response.headers, response.body, _json(response), response.elapsed_s
        )


def _json(response: Response) -> Any:
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


def asked_to_wait(value: object) -> float:
    """Seconds that a remote asks us to wait, as it gave them, but a second at least: who is asked to wait
    for no time at all would be asked again at once, a thousand times. A minute if it does not say.
    """
    wait = seconds(value)
    return _UNSAID_WAIT if wait is None else max(wait, _LEAST_WAIT)


def webhook_parts(address: str) -> SplitResult | None:
    """The parts of an http(s) URL that hides nothing; None if it is none."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return None
    plain = (
        len(address) <= LONGEST_ADDRESS
        and address.isascii()
        and not any(character in address for character in " \\#@")
    )
    return parts if plain and parts.scheme in _DEFAULT_PORTS and parts.hostname else None


def check_webhook_host(parts: SplitResult, base_url: str, variable: str) -> None:
    """Refuse a webhook on another host than the settings': a mistyped or forged one must not send
    games, or a bot's token, elsewhere.

    Args:
        variable: The setting's, as in `LOL_DISCORD_URL`.

    Raises:
        AddressError: it is elsewhere.
    """

    def place(of: SplitResult) -> tuple[str, str | None, int]:
        return of.scheme, of.hostname, of.port or _DEFAULT_PORTS[of.scheme]

    ours = urlsplit(base_url)
    if place(parts) != place(ours):
        raise AddressError(
            f"the address should begin with {ours.scheme}://{ours.netloc}/, where {variable} says "
            "that webhooks are"
        )


def without_secret(address: str) -> str:
    """A webhook's address without its last part: whoever knows that can post."""
    return f"{address.partition('?')[0].rstrip('/').rpartition('/')[0]}/…"


def html_link(url: str, shown: Markup) -> Markup:
    """A link for a preview; only to a page."""
    if not url.startswith(("https://", "http://")):
        return shown
    return Markup('<a href="{}" rel="noopener noreferrer">{}</a>').format(url, shown)


def html_time(at: int) -> Markup:
    """An instant, in Unix seconds, for a preview: in UTC, which the page makes the viewer's own."""
    moment = datetime.fromtimestamp(at, UTC)
    return Markup('<time datetime="{}" title="{} UTC" data-own-zone="16">{}</time>').format(
        moment.isoformat(), f"{moment:%Y-%m-%d %H:%M:%S}", f"{moment:%Y-%m-%d %H:%M}"
    )


def html_icon(champion: str) -> Markup:
    """A champion's icon for a preview, which loads no picture from elsewhere: its letters stand for it."""
    return Markup('<span class="champion" title="{}">{}</span>').format(champion, champion[:2])


def fingerprint(secret: str) -> str:
    """Distinguishes one secret from another without revealing it."""
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
        except http_terms.NotSent as error:
            return Answer(NotSent(short(error)))
        except http_terms.TransportError as error:
            return Answer(Uncertain(short(error)))

    return answered


def reads(call: Callable[P, Answer[V]]) -> Callable[P, Answer[V | NotSeen]]:
    """Decorator of what only reads: without a complete answer nothing was seen."""

    @wraps(call)
    def answered(*args: P.args, **kwargs: P.kwargs) -> Answer[V | NotSeen]:
        try:
            return call(*args, **kwargs)
        except http_terms.TransportError as error:
            return Answer(NotSeen(short(error)))

    return answered


def unread(refusal: PostVerdict) -> NotSeen | Blocked:
    """What the refusal of a read comes to."""
    match refusal:
        case Blocked():
            return refusal
        case NotSent(reason, retry_after):
            return NotSeen(reason, retry_after)
        case Uncertain(reason) | Refused(reason) | Deleted(reason):
            return NotSeen(reason)
        case Accepted():
            raise AssertionError("a refusal is no success")
