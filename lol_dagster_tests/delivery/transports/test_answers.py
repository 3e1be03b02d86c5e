"""What each answer of a service comes to, as its documentation has it, and what each call holds.

Discord: docs.discord.com/developers/topics/opcodes-and-status-codes and topics/rate-limits. Slack:
docs.slack.dev/reference/methods (chat.postMessage, chat.update, chat.delete, conversations.history), and
api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from lol_dagster.delivery.model import Absent, Deleted, UnreadableHistory
from lol_dagster.delivery.transports.base import (
    Answer,
    Hold,
    Outgoing,
    Search,
    Transport,
    Wanted,
)
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster.messages.identity import write_marker
from lol_dagster.settings import Settings
from lol_dagster_tests._support.raw_server import Connection, Request, answer, raw_server

OURS = "11111111-1111-5111-8111-111111111111"
OTHER = "22222222-2222-5222-8222-222222222222"
ME = "900000000000000001"
THREAD = "123456789012345678"
HOOK = "5" * 18
ADDRESSES = {
    "discord-bot": "700000000000000001",
    "discord-webhook": f"https://discord.com/api/webhooks/{HOOK}/secret",
    "slack-bot": "C0123456789",
}
CONTENT = MessageContent("Victory", "Victory", (Section((Line("Ann"),)),))
POSTED = {"discord-bot": "77", "discord-webhook": "77", "slack-bot": "1785614400.000077"}
"""The id of a message that was posted before."""
NOT_JSON = "<html>Bad gateway</html>"


@dataclass
class Service:
    """Gives the next answer to whatever it is asked; the last one again and again."""

    transports: dict[str, Transport] = field(default_factory=dict)
    hooks: str = ""
    answers: list[bytes] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    resets: bool = False

    def __call__(self, request: Request, connection: Connection) -> None:
        self.requests.append(request)
        if self.resets:
            connection.reset()
        else:
            connection.send(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])

    def says(self, *answers: bytes) -> Service:
        self.answers = list(answers)
        return self

    def address(self, kind: str) -> str:
        return f"{self.hooks}/services/T1/B1/hook" if kind == "slack-webhook" else ADDRESSES[kind]

    def post(self, kind: str, address: str | None = None) -> Answer[Any]:
        transport = self.transports[kind]
        return transport.post(address or self.address(kind), self._outgoing(transport))

    def patch(self, kind: str, address: str | None = None) -> Answer[Any]:
        transport = self.transports[kind]
        return transport.patch(
            address or self.address(kind), POSTED[kind], self._outgoing(transport)
        )

    def get(self, kind: str, address: str | None = None) -> Answer[Any]:
        return self.transports[kind].get(address or self.address(kind), POSTED[kind], OURS)

    def delete(self, kind: str, address: str | None = None) -> Answer[Any]:
        return self.transports[kind].delete(address or self.address(kind), POSTED[kind])

    def scan(self, kind: str, address: str | None = None, **values: Any) -> Answer[Any]:
        wanted = Wanted(**{"message_id": OURS, "after_id": None, "known": None, **values})
        return self.transports[kind].scan(address or self.address(kind), wanted)

    def _outgoing(self, transport: Transport) -> Outgoing:
        body = transport.render(CONTENT, write_marker(OURS, 3))
        return Outgoing(OURS, 3, "nonce", body)

    def asked(self, number: int = -1) -> tuple[str, dict[str, str], Any]:
        """Method and path, query, and body of a request."""
        request = self.requests[number]
        url = urlsplit(request.target)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        body = json.loads(request.body) if request.body else None
        return f"{request.method} {url.path}", query, body


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    with raw_server(service) as server:
        service.hooks = server.url("")
        service.transports = all_transports(
            Settings(
                discord_url=server.url("/d"),
                slack_url=server.url("/s"),
                slack_hooks_url=service.hooks,
                discord_bot_token=SecretStr("discord-token"),
                slack_bot_token=SecretStr("slack-token"),
            )
        )
        yield service


def said(status: int, data: Any, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return answer(status, json.dumps(data), named)


def code(status: int, number: int, **more: Any) -> bytes:
    """Discord's refusal."""
    return said(status, {"code": number, "message": "whatever", **more})


def error(name: str, **more: Any) -> bytes:
    """Slack's refusal."""
    return said(200, {"ok": False, "error": name, **more})


def is_class(answered: Answer[Any]) -> str:
    """A verdict in a word or two: what it is, and what of it others depend on."""
    verdict = answered.verdict
    name = type(verdict).__name__
    assert getattr(verdict, "reason", "said")  # people read it
    if name == "Blocked":
        about = "dead" if verdict.dead else verdict.scope
        return f"Blocked {about}{', unknown' if verdict.unknown else ''}"
    return name


# --- Discord -------------------------------------------------------------------------------------

DISCORD: dict[str, list[bytes]] = {
    # 401 also without a code
    "Refused": [code(400, each) for each in (50006, 50035, 50109, 200000, 200001, 240000)]
    + [code(413, 40005), code(400, 50045)],
    "Blocked channel": [code(403, each) for each in (50001, 50013, 40058, 160005)]
    + [code(404, each) for each in (10003, 10004)]
    + [code(400, each) for each in (50008, 220001, 220002, 220003)],
    "Blocked dead": [code(404, 10015), code(401, 50027)],
    "Blocked token": [code(401, 0), code(401, 50014), code(401, 40001), answer(401, NOT_JSON)],
    "Blocked channel, unknown": [
        code(403, 999_999),
        code(400, 0),
        code(404, 0),
        answer(403, NOT_JSON),
    ],
    "NotSent": [
        *(code(403, each) for each in (20028, 20029, 40004, 40006, 40062, 130000)),
        said(429, {"message": "limited", "retry_after": 1.5, "global": False}),
        answer(429, NOT_JSON),
    ],
    "Deleted": [code(404, 10008)],
    "Uncertain": [
        *(answer(each, NOT_JSON) for each in (500, 502, 503, 504, 520, 521, 522, 523, 524)),
        code(500, 0),
        answer(408, NOT_JSON),
        answer(302, "", {"Location": "/"}),
        answer(204),
        answer(200, NOT_JSON),
        answer(200, "[]"),
        said(200, {"embeds": []}),
        said(200, {"id": 12}),
    ],
}


@pytest.mark.parametrize("kind", ["discord-bot", "discord-webhook"])
@pytest.mark.parametrize("expected", DISCORD)
def test_discords_answers_to_a_post(service: Service, kind: str, expected: str) -> None:
    for each in DISCORD[expected]:
        assert is_class(service.says(each).post(kind)) == expected, each


@pytest.mark.parametrize("kind", ["discord-bot", "discord-webhook"])
@pytest.mark.parametrize("expected", DISCORD)
def test_discords_answers_to_an_edit_are_those_to_a_post(
    service: Service, kind: str, expected: str
) -> None:
    for each in DISCORD[expected]:
        assert is_class(service.says(each).patch(kind)) == expected, each


@pytest.mark.parametrize("kind", ["discord-bot", "discord-webhook"])
def test_an_archived_thread_takes_posts_later_and_an_edit_never(
    service: Service, kind: str
) -> None:
    service.says(code(400, 50083))
    assert is_class(service.post(kind)) == "Blocked channel"
    assert is_class(service.patch(kind)) == "Refused"
    # Another author's message.
    assert is_class(service.says(code(403, 50005)).patch(kind)) == "Refused"


def embed(message_id: str, rev: int) -> dict[str, Any]:
    return {"title": "Victory", "url": f"https://x.example/?d={write_marker(message_id, rev)}"}


def discord_message(number: int, *embeds: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {"id": str(number), "author": {"id": ME}, "embeds": list(embeds), **values}


def test_what_discord_says_that_it_posted_is_believed(service: Service) -> None:
    service.says(said(200, discord_message(12, embed(OURS, 3))))
    assert vars(service.post("discord-bot").verdict) == {"remote_id": "12", "rev": 3}
    # By the nonce of a message that was posted before: as that one stands there.
    service.says(said(200, discord_message(12, embed(OURS, 1))))
    assert vars(service.post("discord-bot").verdict) == {"remote_id": "12", "rev": 1}
    # The answer need not show what was posted.
    service.says(said(200, discord_message(12)))
    assert vars(service.post("discord-bot").verdict) == {"remote_id": "12", "rev": 3}
    # Another message of ours is no answer to this POST.
    service.says(said(200, discord_message(12, embed(OTHER, 1))))
    assert is_class(service.post("discord-bot")) == "Uncertain"


DISCORD_READS: dict[str, list[bytes]] = {
    "Seen": [said(200, discord_message(77, embed(OURS, 2)))],
    "Unmarked": [
        said(200, discord_message(77)),
        said(200, discord_message(77, embed(OTHER, 2))),
        said(200, discord_message(77, {"title": "Victory"})),
    ],
    "Deleted": [code(404, 10008)],
    "Blocked channel": [code(403, 50001), code(403, 50013), code(404, 10003)],
    "Blocked dead": [code(404, 10015)],
    "Blocked token": [code(401, 0)],
    "Blocked channel, unknown": [code(403, 999_999)],
    "NotSeen": [
        answer(500, NOT_JSON),
        answer(200, NOT_JSON),
        said(200, {}),
        said(429, {"retry_after": 1.5}),
        code(400, 50035),
    ],
}


@pytest.mark.parametrize("kind", ["discord-bot", "discord-webhook"])
@pytest.mark.parametrize("expected", DISCORD_READS)
def test_discords_answers_to_the_reading_of_a_message(
    service: Service, kind: str, expected: str
) -> None:
    for each in DISCORD_READS[expected]:
        assert is_class(service.says(each).get(kind)) == expected, each
    service.says(said(200, discord_message(77, embed(OURS, 2))))
    assert service.get(kind).verdict.rev == 2


@pytest.mark.parametrize("kind", ["discord-bot", "discord-webhook"])
def test_discords_answers_to_a_deletion(service: Service, kind: str) -> None:
    assert is_class(service.says(answer(204)).delete(kind)) == "Deleted"
    assert is_class(service.says(code(404, 10008)).delete(kind)) == "Deleted"
    assert is_class(service.says(code(403, 50013)).delete(kind)) == "Blocked channel"
    assert is_class(service.says(answer(200, "{}")).delete(kind)) == "Uncertain"


def test_discords_rate_limits_say_how_long_and_for_whom(service: Service) -> None:
    """In seconds: the body's number is the exact one, Retry-After is rounded up."""
    limited = {"message": "You are being rate limited.", "retry_after": 1.5, "global": False}
    answered = service.says(said(429, limited, Retry_After="2")).post("discord-bot")
    assert (answered.verdict.retry_after, answered.holds) == (1.5, (Hold(1.5, "channel"),))
    answered = service.says(said(429, {**limited, "global": True})).post("discord-bot")
    assert answered.holds == (Hold(1.5, "token"),)
    # Without a time in the body, but by Discord itself: what the header says, for the channel.
    answered = service.says(said(429, {"message": "limited"}, Retry_After="7")).post("discord-bot")
    assert (answered.verdict.retry_after, answered.holds) == (7.0, (Hold(7.0, "channel"),))
    answered = service.says(answer(429, NOT_JSON, {"Via": "1.1 google", "Retry-After": "9"})).post(
        "discord-bot"
    )
    assert answered.holds == (Hold(9.0, "channel"),)
    # Cloudflare's own locks our whole address out; for ten minutes where it does not say for how long.
    answered = service.says(answer(429, "error code: 1015")).post("discord-bot")
    assert (answered.verdict.retry_after, answered.holds) == (600.0, (Hold(600.0, "service"),))
    answered = service.says(answer(429, "error code: 1015", {"Retry-After": "900"})).get(
        "discord-bot"
    )
    assert (answered.verdict.retry_after, answered.holds) == (900.0, (Hold(900.0, "service"),))
    # Edits of messages older than an hour: an hour where it does not say for how long.
    answered = service.says(code(429, 30046)).patch("discord-bot")
    assert answered.verdict.retry_after == 3600.0
    # Known by its code, whatever Discord answers it with.
    answered = service.says(code(400, 30046)).patch("discord-bot")
    assert answered.holds == (Hold(3600.0, "channel"),)
    answered = service.says(code(429, 30046, retry_after=5.0)).patch("discord-bot")
    assert answered.verdict.retry_after == 5.0


def test_a_limit_that_is_used_up_now_holds_what_comes_next(service: Service) -> None:
    used_up = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset_After": "0.75"}
    posted = said(200, discord_message(12, embed(OURS, 3)), **used_up)
    assert service.says(posted).post("discord-bot").holds == (Hold(0.75),)
    for_how_long = {**used_up, "X_RateLimit_Reset_After": "soon"}
    posted = said(200, discord_message(12, embed(OURS, 3)), **for_how_long)
    assert service.says(posted).post("discord-bot").holds == (), "nobody knows for how long"
    left = {**used_up, "X_RateLimit_Remaining": "1"}
    posted = said(200, discord_message(12, embed(OURS, 3)), **left)
    assert service.says(posted).post("discord-bot").holds == ()


def test_what_is_kept_of_discords_answers(service: Service) -> None:
    refused = said(403, {"code": 50013, "message": "Missing\nPermissions"}, CF_RAY="ray1")
    answered = service.says(refused).post("discord-bot")
    assert (answered.http_status, answered.code) == (403, "50013")
    assert answered.request_id == "ray1"
    assert answered.verdict.reason == "Discord 403, code 50013: Missing Permissions"
    assert answered.elapsed_s is not None


def test_what_discord_is_asked(service: Service) -> None:
    """Each body silences mentions for itself: an edit does not keep what the POST said."""
    service.says(said(200, discord_message(12)))
    messages = f"/d/channels/{ADDRESSES['discord-bot']}/messages"
    silent = {"parse": []}

    service.post("discord-bot")
    call, query, body = service.asked()
    assert (call, query) == (f"POST {messages}", {})
    assert (body["enforce_nonce"], body["allowed_mentions"]) == (True, silent)
    assert len(body["nonce"]) <= 25
    assert body["embeds"][0]["url"].endswith(f"?d={OURS}.3")

    service.patch("discord-bot")
    call, query, body = service.asked()
    assert (call, query) == (f"PATCH {messages}/77", {})
    assert body["allowed_mentions"] == silent
    assert body["embeds"][0]["url"].endswith(f"?d={OURS}.3")

    service.get("discord-bot")
    assert service.asked() == (f"GET {messages}/77", {}, None)
    service.delete("discord-bot")
    assert service.asked() == (f"DELETE {messages}/77", {}, None)
    headers = [each.headers for each in service.requests]
    assert {each["authorization"] for each in headers} == {"Bot discord-token"}
    # Cloudflare may block others (code 40333).
    assert all(each["user-agent"].startswith("DiscordBot (") for each in headers)


def test_what_discord_is_asked_by_a_webhook(service: Service) -> None:
    """`wait`: without it Discord says nothing of a message that is not saved. The token of a bot is
    nothing for a webhook's address."""
    service.says(said(200, discord_message(12)))
    for address, thread in (
        (ADDRESSES["discord-webhook"], {}),
        (f"{ADDRESSES['discord-webhook']}?thread_id={THREAD}", {"thread_id": THREAD}),
    ):
        hook = f"/d/webhooks/{HOOK}/secret"
        service.post("discord-webhook", address)
        call, query, body = service.asked()
        assert (call, query) == (f"POST {hook}", {"wait": "true", **thread})
        assert body["allowed_mentions"] == {"parse": []}
        assert "nonce" not in body

        service.patch("discord-webhook", address)
        call, query, body = service.asked()
        assert (call, query) == (f"PATCH {hook}/messages/77", thread)
        assert body["allowed_mentions"] == {"parse": []}

        service.get("discord-webhook", address)
        assert service.asked() == (f"GET {hook}/messages/77", thread, None)
        service.delete("discord-webhook", address)
        assert service.asked() == (f"DELETE {hook}/messages/77", thread, None)
    assert not any("authorization" in each.headers for each in service.requests)


# --- Discord's history ---------------------------------------------------------------------------

SELF = said(200, {"id": ME})
UNKNOWN = code(404, 10008)


def test_discords_history_is_read_from_where_the_search_begins(service: Service) -> None:
    service.says(SELF, said(200, [discord_message(500, embed(OURS, 3))]))
    answered = service.scan("discord-bot", after_id="400")
    assert vars(answered.verdict) == {"remote_id": "500", "rev": 3, "extras": ()}
    messages = f"GET /d/channels/{ADDRESSES['discord-bot']}/messages"
    assert service.asked() == (messages, {"after": "400", "limit": "100"}, None)
    service.scan("discord-bot")  # whose bot it is, is known by now
    assert [each.target for each in service.requests].count("/d/users/@me") == 1
    assert service.asked() == (messages, {"after": "0", "limit": "100"}, None)


def test_a_full_page_of_discords_is_never_the_last(service: Service) -> None:
    """Newest first, as Discord lists them: the next page begins after the newest."""
    strangers = [discord_message(each, author={"id": "1"}) for each in range(599, 499, -1)]
    service.says(SELF, said(200, strangers), said(200, [discord_message(600, embed(OURS, 3))]))
    answered = service.scan("discord-bot", after_id="400")
    assert is_class(answered) == "More"
    answered = service.scan("discord-bot", after_id="400", position=answered.verdict.position)
    assert service.asked()[1] == {"after": "599", "limit": "100"}
    assert answered.verdict.remote_id == "600"


def test_a_copy_on_an_earlier_page_is_kept_in_mind(service: Service) -> None:
    """The first that was posted is the message, whatever its length in digits; others are extras."""
    page = [discord_message(each, author={"id": "1"}) for each in range(1001, 1100)]
    service.says(
        SELF,
        said(200, [*page, discord_message(999, embed(OURS, 2))]),
        said(200, [discord_message(1200, embed(OURS, 3)), discord_message(1201, embed(OURS, 3))]),
    )
    position = service.scan("discord-bot").verdict.position
    found = service.scan("discord-bot", position=position).verdict
    assert (found.remote_id, found.rev, found.extras) == ("999", 2, ("1200", "1201"))


@pytest.mark.parametrize(
    "stranger",
    [
        discord_message(500, embed(OURS, 3), author={"id": "1"}),
        discord_message(500, embed(OURS, 3), author=None),
        {"id": "500", "embeds": [embed(OURS, 3)]},
    ],
)
def test_somebody_elses_marker_is_not_ours(service: Service, stranger: dict[str, Any]) -> None:
    service.says(SELF, said(200, [stranger, discord_message(501, embed(OTHER, 1))]))
    assert is_class(service.scan("discord-bot")) == "Absent"


def test_what_no_message_of_ours_has_is_none_that_lost_its_marker(service: Service) -> None:
    ours = discord_message(501, embed(OTHER, 1))
    for has, unmarked in (({}, ("500",)), ({"content": "hello"}, ()), ({"type": 19}, ())):
        service.says(SELF, said(200, [discord_message(500, **has), ours]))
        assert service.scan("discord-bot").verdict == Absent(unmarked=unmarked)
        service.transports["discord-bot"]._me = None  # type: ignore[attr-defined]


VISIBILITY: dict[str, list[bytes]] = {
    "Absent": [
        UNKNOWN,
        said(200, discord_message(450, embed(OTHER, 1))),
        # Suppressed by a moderator: the history can be read.
        said(200, discord_message(450, flags=4)),
    ],
    "UnreadableHistory": [
        code(403, 50013),
        code(403, 50001),
        # Markers do not survive there.
        said(200, discord_message(450, {"title": "Victory"})),
    ],
    "NotSeen": [answer(500, NOT_JSON), said(429, {"retry_after": 1.0})],
    "Blocked token": [code(401, 0)],
}


@pytest.mark.parametrize("expected", VISIBILITY)
def test_an_empty_history_is_believed_as_far_as_a_known_message_shows(
    service: Service, expected: str
) -> None:
    for each in VISIBILITY[expected]:
        service.says(SELF, answer(200, "[]"), each)
        assert is_class(service.scan("discord-bot", known="450")) == expected, each
        messages = f"/d/channels/{ADDRESSES['discord-bot']}/messages"
        assert service.asked() == (f"GET {messages}/450", {}, None)
        service.transports["discord-bot"]._me = None  # type: ignore[attr-defined]


def test_a_history_that_loses_the_markers_is_named(service: Service) -> None:
    blank = discord_message(77, {"title": "Victory"})
    service.says(SELF, said(200, []), said(200, blank))
    assert service.scan("discord-bot", known="77").verdict == UnreadableHistory(
        "a message of ours came back without the marker it was posted with"
    )


def test_a_history_with_a_marker_of_ours_needs_no_visibility_check(service: Service) -> None:
    service.says(SELF, said(200, [discord_message(500, embed(OTHER, 1))]))
    assert is_class(service.scan("discord-bot", known="450")) == "Absent"
    assert len(service.requests) == 2


LISTS_THAT_ARE_NONE: dict[str, list[bytes]] = {
    "NotSeen": [
        answer(200, NOT_JSON),
        answer(200, "{}"),
        answer(200, '["1"]'),
        answer(200, '[{"id": 5}]'),
        answer(200, '[{"id": "x"}]'),
        answer(503, NOT_JSON),
        said(429, {"retry_after": 2.0}),
    ],
    "Blocked channel": [code(403, 50001), code(404, 10003)],
    "Blocked token": [code(401, 0)],
}


@pytest.mark.parametrize("expected", LISTS_THAT_ARE_NONE)
def test_a_list_of_discords_that_is_none_proves_nothing(service: Service, expected: str) -> None:
    for each in LISTS_THAT_ARE_NONE[expected]:
        service.says(SELF, each)
        assert is_class(service.scan("discord-bot")) == expected, each
        service.transports["discord-bot"]._me = None  # type: ignore[attr-defined]


def test_a_limit_within_a_list_says_how_long(service: Service) -> None:
    service.says(SELF, said(429, {"retry_after": 2.5}))
    answered = service.scan("discord-bot")
    assert (answered.verdict.retry_after, answered.holds) == (2.5, (Hold(2.5),))
    page = [discord_message(each, author={"id": "1"}) for each in range(500, 600)]
    used_up = {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset_After": "0.5"}
    answered = service.says(said(200, page, **used_up)).scan("discord-bot")
    assert (is_class(answered), answered.holds) == ("More", (Hold(0.5),))


def test_whoever_does_not_know_who_it_is_finds_nothing(service: Service) -> None:
    assert is_class(service.says(code(401, 0)).scan("discord-bot")) == "Blocked token"
    assert is_class(service.says(answer(200, "{}")).scan("discord-bot")) == "NotSeen"


# --- a webhook's history, which a bot lists -----------------------------------------------------------

CHANNEL = said(200, {"id": HOOK, "channel_id": "800000000000000001"})


def by_hook(number: int, *embeds: dict[str, Any]) -> dict[str, Any]:
    return discord_message(number, *embeds, webhook_id=HOOK, author={"id": HOOK})


def test_the_bot_lists_and_the_webhook_reads(service: Service) -> None:
    service.says(CHANNEL, said(200, [by_hook(500)]), said(200, by_hook(500, embed(OURS, 3))))
    answered = service.scan("discord-webhook", after_id="400")
    assert answered.verdict.remote_id == "500"
    calls = [service.asked(number)[0] for number in range(3)]
    assert calls == [
        f"GET /d/webhooks/{HOOK}/secret",
        "GET /d/channels/800000000000000001/messages",
        f"GET /d/webhooks/{HOOK}/secret/messages/500",
    ]
    authorized = [each.headers.get("authorization") for each in service.requests]
    assert authorized == [None, "Bot discord-token", None]


def test_in_a_thread_the_thread_is_searched(service: Service) -> None:
    address = f"{ADDRESSES['discord-webhook']}?thread_id={THREAD}"
    service.says(said(200, [by_hook(500)]), said(200, by_hook(500, embed(OURS, 3))))
    assert service.scan("discord-webhook", address).verdict.remote_id == "500"
    assert service.asked(0)[0] == f"GET /d/channels/{THREAD}/messages"
    assert service.asked(1)[1] == {"thread_id": THREAD}


def test_another_webhooks_marker_is_not_ours(service: Service) -> None:
    other = {**by_hook(500, embed(OURS, 3)), "webhook_id": "6" * 18}
    listed = said(200, [other, by_hook(501, embed(OTHER, 1))])
    assert is_class(service.says(CHANNEL, listed).scan("discord-webhook")) == "Absent"


def test_what_a_webhook_reads_is_limited_and_gone_on_with(service: Service) -> None:
    """Two messages at a time; one that was deleted meanwhile is none."""
    listed = said(200, [by_hook(each) for each in (503, 502, 501, 500)])
    reads = [UNKNOWN, said(200, by_hook(501, embed(OTHER, 1)))]
    answered = service.says(CHANNEL, listed, *reads).scan("discord-webhook", after_id="400")
    assert is_class(answered) == "More"
    assert [service.asked(each)[0][-3:] for each in (-2, -1)] == ["500", "501"]
    service.says(
        said(200, [by_hook(503), by_hook(502)]),
        said(200, by_hook(502, embed(OTHER, 1))),
        said(200, by_hook(503, embed(OURS, 3))),
    )
    answered = service.scan("discord-webhook", after_id="400", position=answered.verdict.position)
    assert service.asked(-3)[1] == {"after": "501", "limit": "100"}
    assert answered.verdict.remote_id == "503"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([code(404, 10015)], "Blocked dead", id="the webhook is gone"),
        # An application's webhook has no channel.
        pytest.param([said(200, {"id": HOOK, "channel_id": None})], "NotSeen", id="no channel"),
        pytest.param([CHANNEL, code(403, 50001)], "UnreadableHistory", id="the bot is refused"),
        pytest.param([CHANNEL, code(401, 0)], "UnreadableHistory", id="the bot's token is refused"),
        pytest.param([CHANNEL, answer(500, NOT_JSON)], "NotSeen", id="the list is not to be had"),
        pytest.param(
            [CHANNEL, answer(200, "[]"), code(403, 50013)],
            "UnreadableHistory",
            id="it may not read",
        ),
        pytest.param([CHANNEL, answer(200, "[]"), UNKNOWN], "Absent", id="empty"),
        pytest.param(
            [CHANNEL, said(200, [by_hook(500)]), answer(500, NOT_JSON)], "NotSeen", id="unread"
        ),
        pytest.param(
            [CHANNEL, said(200, [by_hook(500)]), said(200, {})], "NotSeen", id="read, and nothing"
        ),
    ],
)
def test_what_a_webhooks_history_comes_to(
    service: Service, answers: list[bytes], expected: str
) -> None:
    assert is_class(service.says(*answers).scan("discord-webhook", after_id="400")) == expected


@pytest.mark.parametrize("kind", ["discord-bot", "discord-webhook"])
@pytest.mark.parametrize(
    ("listed", "marked"),
    [
        ([discord_message(500, author={"id": "1"})], False),  # nothing of ours, so far
        ([], True),  # something of ours on the page before; since then the permission may have gone
    ],
)
def test_what_shows_nothing_of_ours_is_believed_only_after_a_visibility_check(
    service: Service, kind: str, listed: list[dict[str, Any]], marked: bool
) -> None:
    who = SELF if kind == "discord-bot" else CHANNEL
    before = Search(marked=marked).more("400").position
    service.says(who, said(200, listed), code(403, 50013))
    assert is_class(service.scan(kind, position=before)) != "Absent"
    service.says(said(200, listed), UNKNOWN)  # who asks, or where, is known by now
    assert is_class(service.scan(kind, position=before)) == "Absent"


def test_a_webhooks_message_is_seen_where_the_webhook_says_that_it_posts(service: Service) -> None:
    hook = service.transports["discord-webhook"]
    address = ADDRESSES["discord-webhook"]
    for unknown in ({"guild_id": "4"}, {"channel_id": "8"}):
        service.says(said(200, unknown))
        assert hook.link(address, "77") is None
    service.says(said(200, {"guild_id": "4", "channel_id": "8"}))
    assert hook.link(address, "77") == "https://discord.com/channels/4/8/77"
    assert service.asked() == (f"GET /d/webhooks/{HOOK}/secret", {}, None)
    service.resets = True  # it is asked once
    assert hook.link(address, "78") == "https://discord.com/channels/4/8/78"


def test_where_a_webhook_posts_is_unknown_if_it_does_not_answer(service: Service) -> None:
    service.resets = True
    assert service.transports["discord-webhook"].link(ADDRESSES["discord-webhook"], "77") is None


# --- Slack, as a bot -----------------------------------------------------------------------------

THERE = POSTED["slack-bot"]
SLACK: dict[str, list[bytes]] = {
    "Refused": [
        error(each)
        for each in (
            "invalid_blocks",
            "invalid_blocks_format",
            "invalid_metadata_format",
            "invalid_metadata_schema",
            "metadata_too_large",
            "metadata_must_be_sent_from_app",
            "msg_blocks_too_long",
            "msg_too_long",
            "no_text",
            "too_many_attachments",
            "cant_update_message",
            "edit_window_closed",
        )
    ],
    "Blocked channel": [
        error(each)
        for each in (
            "channel_not_found",
            "is_archived",
            "not_in_channel",
            "restricted_action",
            "restricted_action_read_only_channel",
            "restricted_action_thread_locked",
            "ekm_access_denied",
            "is_inactive",
            "access_denied",
        )
    ],
    "Blocked token": [
        error(each)
        for each in (
            "account_inactive",
            "invalid_auth",
            "missing_scope",
            "not_authed",
            "org_login_required",
            "token_expired",
            "token_revoked",
        )
    ],
    "Blocked channel, unknown": [error("brand_new_error"), said(200, {"ok": False})],
    "NotSent": [
        error("ratelimited"),
        error("rate_limited"),
        error("message_limit_exceeded"),
        said(429, {"ok": False, "error": "ratelimited"}, Retry_After="3"),
        answer(429, NOT_JSON),
    ],
    "Deleted": [error("message_not_found")],
    "Uncertain": [
        error("internal_error"),
        error("fatal_error"),
        error("service_unavailable"),
        error("request_timeout"),
        answer(500, NOT_JSON),
        answer(503, NOT_JSON),
        said(503, {"ok": False, "error": "no_text"}),
        answer(200, NOT_JSON),
        answer(200, "[]"),
        said(200, {"ok": True}),
        said(200, {"ok": "true", "ts": "1.000001"}),
        answer(302, ""),
    ],
}


@pytest.mark.parametrize("expected", SLACK)
def test_slacks_answers_to_a_post_and_to_an_edit(service: Service, expected: str) -> None:
    for each in SLACK[expected]:
        assert is_class(service.says(each).post("slack-bot")) == expected, each
        assert is_class(service.says(each).patch("slack-bot")) == expected, each


def slack_message(ts: str, message_id: str = OURS, rev: int = 3, **values: Any) -> dict[str, Any]:
    marker = {"event_type": "lol_dagster_message"}
    payload = {"delivery": write_marker(message_id, rev)}
    return {"ts": ts, "bot_id": "B1", "metadata": {**marker, "event_payload": payload}, **values}


def test_what_slack_says_that_it_posted_is_believed(service: Service) -> None:
    def posted(**more: Any) -> dict[str, Any]:
        service.says(said(200, {"ok": True, "ts": "1785614400.000001", **more}))
        return vars(service.post("slack-bot").verdict)

    assert posted() == {"remote_id": "1785614400.000001", "rev": 3}
    shown = slack_message("1785614400.000001", rev=2)
    assert posted(message=shown) == {"remote_id": "1785614400.000001", "rev": 2}
    by_block = {"blocks": [{"block_id": write_marker(OURS, 2)}]}
    assert posted(message=by_block) == {"remote_id": "1785614400.000001", "rev": 2}
    service.says(said(200, {"ok": True, "ts": "1", "message": slack_message("1", OTHER)}))
    assert is_class(service.post("slack-bot")) == "Uncertain"


def test_slacks_rate_limits(service: Service) -> None:
    """A message a second and channel in any case; what Retry-After says where it is met."""
    answered = service.says(error("no_text")).post("slack-bot")
    assert answered.holds == (Hold(1.0),)
    answered = service.says(said(429, {"ok": False}, Retry_After="30")).post("slack-bot")
    assert answered.verdict.retry_after == 30.0
    assert answered.holds == (Hold(1.0), Hold(30.0))
    service.says(said(200, {"ok": True, "bot_id": "B1"}))
    service.scan("slack-bot")
    answered = service.says(said(429, {"ok": False}, Retry_After="30")).scan("slack-bot")
    assert (answered.verdict.retry_after, answered.holds) == (30.0, (Hold(30.0),))
    answered = service.delete("slack-bot")
    assert (answered.verdict.retry_after, answered.holds) == (30.0, (Hold(30.0),))


def test_what_is_kept_of_slacks_answers(service: Service) -> None:
    refused = said(
        200,
        {"ok": False, "error": "missing_scope", "needed": "chat:write"},
        x_slack_req_id="request1",
    )
    answered = service.says(refused).post("slack-bot")
    assert (answered.http_status, answered.code) == (200, "missing_scope")
    assert answered.request_id == "request1"
    assert answered.verdict.reason == "Slack 200: missing_scope, needed: chat:write"


def test_what_slack_is_asked(service: Service) -> None:
    """chat.update parses names and links unless it is asked not to, each time anew."""
    service.says(said(200, {"ok": True, "ts": "1785614400.000001", "messages": []}))
    channel = ADDRESSES["slack-bot"]
    silent = {
        "parse": "none",
        "link_names": False,
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }

    for ask, call, where in (
        (service.post, "POST /s/chat.postMessage", {"channel": channel}),
        (service.patch, "POST /s/chat.update", {"channel": channel, "ts": THERE}),
    ):
        ask("slack-bot")
        asked, query, body = service.asked()
        assert (asked, query) == (call, {})
        assert body.items() >= {**silent, **where}.items()
        assert body["metadata"]["event_payload"] == {"delivery": f"{OURS}.3"}
        assert body["blocks"][0]["block_id"] == f"{OURS}.3"

    service.delete("slack-bot")
    assert service.asked() == ("POST /s/chat.delete", {}, {"channel": channel, "ts": THERE})
    service.get("slack-bot")
    one = {"oldest": THERE, "latest": THERE, "inclusive": "true", "limit": "1"}
    history = {"channel": channel, "include_all_metadata": "true"}
    assert service.asked() == ("GET /s/conversations.history", {**history, **one}, None)
    service.scan("slack-bot", after_id="1785614400.000000")
    page = {"oldest": "1785614400.000000", "limit": "200"}
    assert service.asked() == ("GET /s/conversations.history", {**history, **page}, None)
    assert {each.headers["authorization"] for each in service.requests} == {"Bearer slack-token"}


def history(*messages: Any, **more: Any) -> bytes:
    return said(200, {"ok": True, "messages": list(messages), "has_more": False, **more})


SLACK_READS: dict[str, list[bytes]] = {
    "Seen": [history(slack_message(THERE, rev=2))],
    "Unmarked": [history({"ts": THERE, "bot_id": "B1"}), history(slack_message(THERE, OTHER))],
    "Deleted": [history(), history(slack_message("1785614400.000078"))],
    "NotSeen": [
        error("internal_error"),
        answer(500, NOT_JSON),
        said(429, {"ok": False}),
        said(200, {"ok": True}),
    ],
    "Blocked channel": [
        error("channel_not_found"),
        error("not_in_channel"),
        error("missing_scope"),
    ],
    "Blocked token": [error("invalid_auth")],
}


@pytest.mark.parametrize("expected", SLACK_READS)
def test_slacks_answers_to_the_reading_of_a_message(service: Service, expected: str) -> None:
    for each in SLACK_READS[expected]:
        assert is_class(service.says(each).get("slack-bot")) == expected, each


def test_slacks_answers_to_a_deletion(service: Service) -> None:
    deleted = service.says(said(200, {"ok": True})).delete("slack-bot")
    assert deleted.verdict == Deleted("deleted")
    assert is_class(service.says(error("message_not_found")).delete("slack-bot")) == "Deleted"
    refused = service.says(error("cant_delete_message")).delete("slack-bot")
    assert is_class(refused) == "Blocked channel, unknown"


AUTH = said(200, {"ok": True, "bot_id": "B1", "user_id": "U1"})


def test_slacks_history_is_read_page_by_page(service: Service) -> None:
    """Newest first; the earliest copy is the message."""
    more = {"has_more": True, "response_metadata": {"next_cursor": "abc"}}
    service.says(
        AUTH,
        history(slack_message("1785614400.000009", rev=2), **more),
        history(slack_message("1785614400.000001", rev=1)),
    )
    answered = service.scan("slack-bot", after_id="5")
    assert is_class(answered) == "More"
    found = service.scan("slack-bot", after_id="5", position=answered.verdict.position).verdict
    asked = service.asked()[1]
    assert (asked["cursor"], asked["oldest"]) == ("abc", "5")
    assert (found.remote_id, found.rev) == ("1785614400.000001", 1)
    assert found.extras == ("1785614400.000009",)
    assert [each.target for each in service.requests].count("/s/auth.test") == 1


TS = "1785614400.000001"
SLACK_HISTORIES: dict[str, list[bytes]] = {
    "Found": [
        history(slack_message(TS)),
        history(slack_message(TS, bot_id=None, user="U1")),
        history({"ts": TS, "bot_id": "B1", "blocks": [{"block_id": write_marker(OURS, 3)}]}),
        # Without the permission for its payload.
        history(
            {
                "ts": TS,
                "bot_id": "B1",
                "metadata": {"event_type": "lol_dagster_message"},
                "blocks": [{"block_id": write_marker(OURS, 3)}],
            }
        ),
    ],
    "Absent": [
        history(),
        history(slack_message(TS, OTHER)),
        # Whoever has copied it.
        history(slack_message(TS, bot_id="B2")),
        history(slack_message(TS, bot_id=None, user="U2")),
        history({**slack_message(TS), "metadata": {"event_type": "x", "event_payload": {}}}),
    ],
    "More": [
        history(response_metadata={"next_cursor": "abc"}),
        # The search begins anew.
        error("invalid_cursor"),
    ],
    "NotSeen": [
        # There is more, and nobody knows where.
        history(has_more=True),
        history(has_more=True, response_metadata={"next_cursor": ""}),
        history("?"),
        history({"ts": 5}),
        history({"text": "no ts"}),
        said(200, {"ok": True}),
        said(200, {"messages": []}),
        answer(200, NOT_JSON),
        answer(500, NOT_JSON),
        error("internal_error"),
        error("ratelimited"),
    ],
    "UnreadableHistory": [error("missing_scope"), error("not_in_channel"), error("no_permission")],
    "Blocked channel": [error("channel_not_found")],
    "Blocked token": [error("invalid_auth"), error("token_revoked")],
}


@pytest.mark.parametrize("expected", SLACK_HISTORIES)
def test_what_slacks_history_comes_to(service: Service, expected: str) -> None:
    service.says(AUTH, history())
    service.scan("slack-bot")
    for each in SLACK_HISTORIES[expected]:
        assert is_class(service.says(each).scan("slack-bot")) == expected, each


def test_whoever_slack_does_not_know_finds_nothing(service: Service) -> None:
    assert is_class(service.says(error("invalid_auth")).scan("slack-bot")) == "Blocked token"
    assert is_class(service.says(answer(500, NOT_JSON)).scan("slack-bot")) == "NotSeen"


# --- Slack, by a webhook -------------------------------------------------------------------------

HOOKS: dict[str, list[bytes]] = {
    "Accepted": [answer(200, "ok")],
    "Refused": [
        answer(400, each)
        for each in ("invalid_payload", "no_text", "invalid_blocks", "too_many_attachments")
    ],
    "Blocked channel": [
        answer(403, "action_prohibited"),
        answer(403, "invalid_token"),
        answer(400, "user_not_found"),
        answer(404, "channel_not_found"),
        answer(410, "channel_is_archived"),
    ],
    "Blocked dead": [
        answer(404, "no_service"),
        answer(404, "no_team"),
        answer(404, "no_active_hooks"),
        answer(403, "team_disabled"),
    ],
    "Blocked channel, unknown": [answer(400, "brand_new_error"), answer(404, NOT_JSON)],
    "NotSent": [answer(429, "rate_limited", {"Retry-After": "4"})],
    "Uncertain": [
        answer(500, "rollup_error"),
        answer(503, NOT_JSON),
        answer(408, ""),
        answer(302, ""),
        answer(200, ""),
        answer(200, NOT_JSON),
        answer(204),
    ],
}


@pytest.mark.parametrize("expected", HOOKS)
def test_slacks_answers_to_a_webhook(service: Service, expected: str) -> None:
    for each in HOOKS[expected]:
        assert is_class(service.says(each).post("slack-webhook")) == expected, each
    call, query, body = service.asked()
    assert (call, query) == ("POST /services/T1/B1/hook", {})
    assert body.items() >= {"parse": "none", "link_names": False, "mrkdwn": False}.items()
    assert "authorization" not in service.requests[-1].headers


def test_a_webhooks_message_has_no_id_and_its_limits_hold(service: Service) -> None:
    answered = service.says(answer(200, "ok")).post("slack-webhook")
    assert vars(answered.verdict) == {"remote_id": None, "rev": 3}
    assert answered.holds == (Hold(1.0),)
    answered = service.says(answer(429, "", {"Retry-After": "4"})).post("slack-webhook")
    assert answered.verdict.retry_after == 4.0
    assert answered.holds == (Hold(1.0), Hold(4.0))


# --- no answer -----------------------------------------------------------------------------------

ALL = ["discord-bot", "discord-webhook", "slack-bot", "slack-webhook"]


@pytest.mark.parametrize("kind", ALL)
def test_a_connection_that_is_cut_leaves_a_post_uncertain_and_a_read_unseen(
    service: Service, kind: str
) -> None:
    service.resets = True
    assert is_class(service.post(kind)) == "Uncertain"
    if kind != "slack-webhook":
        assert is_class(service.patch(kind)) == "Uncertain"
        assert is_class(service.delete(kind)) == "Uncertain"
        assert is_class(service.get(kind)) == "NotSeen"
        assert is_class(service.scan(kind)) == "NotSeen"
    assert len(service.requests) in {1, 5}  # none is repeated


@pytest.mark.parametrize("kind", ALL)
def test_without_a_connection_nothing_was_sent(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    settings = Settings(
        discord_url=url,
        slack_url=url,
        slack_hooks_url=url,
        discord_bot_token=SecretStr("discord-token"),
        slack_bot_token=SecretStr("slack-token"),
    )
    service = Service(all_transports(settings), hooks=url)
    assert is_class(service.post(kind)) == "NotSent"
    if kind != "slack-webhook":
        assert is_class(service.patch(kind)) == "NotSent"
        assert is_class(service.get(kind)) == "NotSeen"
        assert is_class(service.scan(kind)) == "NotSeen"
