"""Discord as this world plays it: one bot, webhooks, and any channel that somebody names.

An application's emojis are this bot's, and each is shown where its id is named. Create Message remembers a nonce with `enforce_nonce` for a while and then answers with the message that
is there (or 404/10008 when it was deleted), as Discord does (discord-api-docs#6647). Webhook N posts into
channel N, under the token that it is first used with. Sizes are checked by discord_answers.py.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from lol_dagster.simulator.chat import Board, Body, Message
from lol_dagster.simulator.discord_answers import (
    check_body,
    check_emoji,
    check_files,
    check_images,
    error,
    invalid,
    mentions_everyone,
    status_error,
    too_many,
)
from lol_dagster.simulator.faults import Fault, Faults
from lol_dagster.simulator.limits import Limit, Windows
from lol_dagster.simulator.service import Call, RefusedError, html_answer
from lol_dagster.simulator.truth import Clock, TruthLog
from lol_dagster.simulator.wire import Answer, Request, json_answer

BOT_TOKEN = "simulated-discord-bot-token"  # noqa: S105 - a token of this world only
BOT_ID = "1000000000000000001"
GUILD_ID = "1000000000000000002"
APPLICATION_ID = "1000000000000000006"
"""Another one than its bot's, as that of old applications is."""
DEFAULT_LIMIT = Limit(5, 5)
"""Calls of one method to one channel or webhook."""
NONCE_SECONDS = 120.0
"""Discord says "the past few minutes"; nothing may rely on more than this."""

_EPOCH_MS = 1_420_070_400_000
_SNOWFLAKE = re.compile(r"[0-9]{15,20}")


class Discord:
    """Discord's HTTP API."""

    name = "discord"

    def __init__(
        self,
        truth: TruthLog,
        faults: Faults,
        clock: Clock,
        *,
        limit: Limit = DEFAULT_LIMIT,
        bot_limit: Limit | None = None,
    ) -> None:
        self.board = Board("discord", truth, clock)
        self._truth = truth
        self._faults = faults
        self._clock = clock
        self._limit = limit
        self._buckets: dict[tuple[str, str], Windows] = {}
        self._of_bot = Windows(() if bot_limit is None else (bot_limit,))
        self._nonces: dict[tuple[str, str], tuple[Message, float]] = {}
        self._webhook_tokens: dict[str, str] = {}
        self._emojis: dict[str, str] = {}
        """Ids by name."""
        self._last_snowflake = 0

    # -- Service ------------------------------------------------------------------------------

    def find(self, request: Request) -> Call:
        """`/discord/api/v10/…`: credential and user agent first, then the path."""
        if not request.header("User-Agent").startswith("DiscordBot ("):
            raise RefusedError(error(40333))
        if request.segments[:3] != ("discord", "api", "v10"):
            raise RefusedError(status_error(404))
        call = self._bot_call if request.segments[3:4] != ("webhooks",) else self._webhook_call
        found = call(request, request.segments[3:])
        if found is None:
            raise RefusedError(status_error(404))
        return found

    def admit(self, call: Call) -> Answer | None:
        """Count the call in its bucket, the operation and the channel, and among all the bot's."""
        if call.operation.startswith("discord."):
            overrun = self._of_bot.overrun(self._clock())
            if overrun is not None:
                return self.finish(call, too_many(overrun, "global"))
            self._of_bot.count(self._clock())
        bucket = self._bucket(call)
        overrun = bucket.overrun(self._clock())
        if overrun is not None:
            return self.finish(call, too_many(overrun, "user"))
        bucket.count(self._clock())
        return None

    def refuse(self, call: Call, fault: Fault) -> Answer:
        """A JSON code, a status with Discord's body for it, or a 429 of some scope."""
        if fault.kind == "refuse":
            return error(int(fault.argument)) if fault.argument.isdigit() else error(0)
        if fault.kind == "429-cloudflare":
            return html_answer(429, "error code: 1015").with_headers(
                Retry_After=str(math.ceil(fault.seconds))
            )
        if fault.kind.startswith("429"):
            scope = {"429-global": "global", "429-shared": "shared"}.get(fault.kind, "user")
            return too_many(float(fault.argument or 1), scope)
        return status_error(int(fault.kind), call.operation)

    def finish(self, call: Call, answer: Answer) -> Answer:
        """Add the bucket's headers, which an edge's answer lacks."""
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            return answer
        bucket, now = self._bucket(call), self._clock()
        return answer.with_headers(
            Via="1.1 google",
            X_RateLimit_Limit=str(self._limit.calls),
            X_RateLimit_Remaining=str(bucket.remaining(now)),
            X_RateLimit_Reset=f"{now + bucket.resets_in(now):.3f}",
            X_RateLimit_Reset_After=f"{bucket.resets_in(now):.3f}",
            X_RateLimit_Bucket=f"{call.operation}-bucket".replace(".", "-"),
        )

    def _bucket(self, call: Call) -> Windows:
        return self._buckets.setdefault((call.operation, call.place), Windows((self._limit,)))

    # -- The bot ------------------------------------------------------------------------------

    def _bot_call(self, request: Request, parts: tuple[str, ...]) -> Call | None:
        if request.header("Authorization") != f"Bot {BOT_TOKEN}":
            raise RefusedError(status_error(401))
        if parts == ("users", "@me") and request.method == "GET":
            return Call("discord.me", "", lambda: json_answer(200, _ME))
        if parts[:1] == ("applications",):
            return self._application_call(request, parts[1:])
        if request.method == "GET" and (found := self._server_call(request, parts)):
            return found
        if len(parts) < 2 or parts[0] != "channels":
            return None
        channel, rest = parts[1], parts[2:]
        if not _SNOWFLAKE.fullmatch(channel):
            raise RefusedError(invalid("channel_id", "NUMBER_TYPE_COERCE", "is not snowflake."))
        return self._channel_call(request, channel, rest)

    def _application_call(self, request: Request, parts: tuple[str, ...]) -> Call | None:
        match (request.method, *parts):
            case ("GET", "@me"):
                application = {"id": APPLICATION_ID, "name": "lol-dagster", "bot": _BOT}
                return Call("discord.application", "", lambda: json_answer(200, application))
            case ("GET", id_, "emojis") if id_ == APPLICATION_ID:
                items = [_emoji_json(each, name) for name, each in self._emojis.items()]
                return Call("discord.emojis", "", lambda: json_answer(200, {"items": items}))
            case ("POST", id_, "emojis") if id_ == APPLICATION_ID:
                return Call("discord.emoji", "", lambda: self._add_emoji(_form(request)))
        return None

    def _add_emoji(self, form: Body) -> Answer:
        name, image = check_emoji(form, self._emojis)
        self._emojis[name] = self._snowflake()
        self.board.files[self._emojis[name]] = image
        return json_answer(201, _emoji_json(self._emojis[name], name))

    def _server_call(self, request: Request, parts: tuple[str, ...]) -> Call | None:
        match parts:
            case ("users", "@me", "guilds"):
                return Call("discord.servers", "", lambda: _servers(request.query))
            case ("guilds", server, "members", user):
                known = (server, user) == (GUILD_ID, BOT_ID)
                answer = json_answer(200, _MEMBER) if known else error(10004)
                return Call("discord.member", server, lambda: answer)
            case ("guilds", server, "channels"):
                return Call("discord.channels", server, lambda: self._channels(server))
        return None

    def _channels(self, server: str) -> Answer:
        """A category, a channel that the bot does not see, and those that it has posted to."""
        if server != GUILD_ID:
            return error(10004)
        hidden = [{"id": GUILD_ID, "type": 0, "allow": "0", "deny": str(_VIEW_CHANNEL)}]
        return json_answer(
            200,
            [
                {**_channel_json(_CATEGORY), "type": 4, "name": "Text channels"},
                {**_channel_json(_STAFF), "name": "staff", "permission_overwrites": hidden},
                {**_channel_json(_GENERAL), "name": "general"},
                *map(_channel_json, self.board.channels),
            ],
        )

    def _channel_call(self, request: Request, channel: str, rest: tuple[str, ...]) -> Call | None:
        def call(name: str, perform: Callable[[], Answer]) -> Call:
            return Call(f"discord.{name}", channel, perform)

        match (request.method, *rest):
            case ("GET",):
                return call("channel", lambda: json_answer(200, _channel_json(channel)))
            case ("GET", "messages"):
                return call("list", lambda: self._list(channel, request.query))
            case ("POST", "messages"):
                return call("post", lambda: self._create(channel, _form(request)))
            case ("GET", "messages", message_id):
                return call("get", lambda: self._get(channel, message_id))
            case ("PATCH", "messages", message_id):
                return call("edit", lambda: self._edit(channel, message_id, BOT_ID, request))
            case ("DELETE", "messages", message_id):
                return call("delete", lambda: self._delete(channel, message_id))
        return None

    def _create(self, channel: str, form: Body) -> Answer:
        body = self._checked(form)
        nonce = form.get("nonce")
        enforced = nonce is not None and form.get("enforce_nonce") is True
        if enforced:
            known = self._known_nonce(str(nonce), channel)
            if known is not None:
                self._truth.add(
                    "deduplicated", service="discord", channel=known.channel, message=known.id
                )
                gone = known.deleted_at is not None
                return error(10008) if gone else self._message_answer(known, nonce)
        message = self.board.post(self._snowflake(), channel, BOT_ID, body)
        if enforced:
            self._nonces[BOT_ID, str(nonce)] = (message, self._clock())
        return self._message_answer(message, nonce)

    def _known_nonce(self, nonce: str, channel: str) -> Message | None:
        shorter = self._faults.behaviour("nonce-window", "discord.post", channel)
        window = shorter.seconds if shorter else NONCE_SECONDS
        message, at = self._nonces.get((BOT_ID, nonce), (None, 0.0))
        return message if self._clock() - at < window else None

    def _list(self, channel: str, query: Mapping[str, str]) -> Answer:
        limit = query.get("limit", "50")
        if not limit.isdigit() or not 1 <= int(limit) <= 100:
            raise RefusedError(invalid("limit", "NUMBER_TYPE_MAX", "should be between 1 and 100."))
        if self._faults.behaviour("unreadable", "discord.list", channel):
            return json_answer(200, [])
        lagging = self._faults.behaviour("lagging", "discord.list", channel)
        messages = list(self.board.newest_first(channel, lagging.seconds if lagging else 0.0))
        page = _page(messages, query, int(limit))
        return json_answer(200, [self._message_json(one, as_reader=True) for one in page])

    def _get(self, channel: str, message_id: str) -> Answer:
        if self._faults.behaviour("unreadable", "discord.get", channel):
            return error(50001)
        message = self.board.find(channel, message_id)
        if message is None:
            return error(10008)
        return json_answer(200, self._message_json(message, as_reader=True))

    def _edit(self, channel: str, message_id: str, author: str, request: Request) -> Answer:
        form, files = _form_with_files(request)
        message = self.board.find(channel, message_id)
        if message is None:
            return error(10008)
        if message.author != author:
            return error(50005)
        shown = {**message.body, **{key: form[key] for key in _SHOWN if key in form}}
        there = message.body.get("attachments", [])
        shown["attachments"] = self._attached(there, form.get("attachments"), files)
        body = self._checked({**form, **shown})
        check_images(body.get("embeds", []), [each["filename"] for each in shown["attachments"]])
        self.board.edit(message, body)
        return self._message_answer(message)

    def _attached(
        self, there: list[Body], named: list[Body] | None, files: Mapping[str, bytes]
    ) -> list[Body]:
        """What stands below an edited message: of what was there what is named, or all where nothing is said of
        it; and the new files, which are named by their number.
        """
        known = {each["id"]: each for each in there}
        if named is None:
            named = [*there, *({"id": number} for number in files)]
        kept: list[Body] = []
        for number, each in enumerate(named):
            id_ = str(each.get("id"))
            if id_ in known:
                kept.append({**known[id_], **each})
            elif id_ in files:
                new = self._snowflake()
                self.board.files[new] = files[id_]
                kept.append({"filename": f"file{id_}", **each, "id": new})
            else:
                raise RefusedError(
                    invalid(f"attachments[{number}]", "UNKNOWN_ATTACHMENT", "is no attachment.")
                )
        return kept

    def _delete(self, channel: str, message_id: str) -> Answer:
        message = self.board.find(channel, message_id)
        if message is None:
            return error(10008)
        self.board.delete(message)
        return Answer(HTTPStatus.NO_CONTENT)

    # -- Webhooks -----------------------------------------------------------------------------

    def _webhook_call(self, request: Request, parts: tuple[str, ...]) -> Call | None:
        if len(parts) < 3:
            return None
        webhook, token, rest = parts[1], parts[2], parts[3:]
        if not _SNOWFLAKE.fullmatch(webhook):
            raise RefusedError(error(10015))
        if self._webhook_tokens.setdefault(webhook, token) != token:
            raise RefusedError(error(50027))

        def call(name: str, perform: Callable[[], Answer]) -> Call:
            return Call(f"discord-hook.{name}", webhook, perform)

        match (request.method, *rest):
            case ("GET",):
                return call("webhook", lambda: json_answer(200, _webhook_json(webhook)))
            case ("POST",):
                return call("post", lambda: self._execute(webhook, request))
            case ("GET", "messages", message_id):
                return call("get", lambda: self._get_of_webhook(webhook, message_id))
            case ("PATCH", "messages", message_id):
                return call("edit", lambda: self._edit(webhook, message_id, webhook, request))
            case ("DELETE", "messages", message_id):
                return call("delete", lambda: self._delete(webhook, message_id))
        return None

    def _execute(self, webhook: str, request: Request) -> Answer:
        body = self._checked(_form(request))
        message = self.board.post(self._snowflake(), webhook, webhook, body)
        if request.query.get("wait") != "true":
            return Answer(HTTPStatus.NO_CONTENT)
        return self._message_answer(message)

    def _get_of_webhook(self, webhook: str, message_id: str) -> Answer:
        message = self.board.find(webhook, message_id)
        if message is None or message.author != webhook:
            return error(10008)
        return self._message_answer(message)

    # -- Messages -----------------------------------------------------------------------------

    def _checked(self, form: Body) -> Body:
        """What readers see of a request's body; raises RefusedError as check_body does."""
        check_body(form)
        shown = {key: form[key] for key in (*_SHOWN, "attachments") if form.get(key)}
        return {**shown, "mention_everyone": mentions_everyone(form)}

    def _message_answer(self, message: Message, nonce: object = None) -> Answer:
        body = self._message_json(message, as_reader=False)
        return json_answer(200, {**body, "nonce": nonce} if nonce is not None else body)

    def _message_json(self, message: Message, *, as_reader: bool) -> dict[str, Any]:
        by_webhook = message.author != BOT_ID
        # A bot without the message content intent reads webhooks' messages blank, also its own
        # application's (discord-api-docs#5411).
        blank = as_reader and by_webhook
        author = _user(message.author, "webhook") if by_webhook else _BOT
        attached = [self._attachment_json(message, each) for each in _attachments(message)]
        urls = {f"attachment://{each['filename']}": each["url"] for each in attached}
        embeds = [_embed_json(embed, urls) for embed in message.body.get("embeds", [])]
        return {
            "id": message.id,
            "type": 0,
            "channel_id": message.channel,
            "author": author,
            "content": "" if blank else message.body.get("content", ""),
            "embeds": [] if blank else embeds,
            "components": [] if blank else message.body.get("components", []),
            "attachments": [] if blank else attached,
            "mentions": [],
            "mention_roles": [],
            "mention_everyone": message.body["mention_everyone"],
            "pinned": False,
            "tts": False,
            "flags": message.body.get("flags", 0),
            "timestamp": _iso(message.posted_at),
            "edited_timestamp": _iso(message.edited_at) if message.edited_at else None,
            **({"webhook_id": message.author} if by_webhook else {}),
        }

    def _attachment_json(self, message: Message, attached: Body) -> Body:
        content = self.board.files[attached["id"]]
        url = f"{message.channel}/{attached['id']}/{attached['filename']}"
        return {
            **attached,
            "size": len(content),
            "url": f"https://cdn.discordapp.com/attachments/{url}",
            "proxy_url": f"https://media.discordapp.net/attachments/{url}",
            "content_type": "image/png",
            **dict(zip(("width", "height"), struct.unpack(">II", content[16:24]), strict=True)),
        }

    def _snowflake(self) -> str:
        """An id that tells its time, as Discord's do; always greater than the last."""
        at = (int(self._clock() * 1000) - _EPOCH_MS) << 22
        self._last_snowflake = max(at, self._last_snowflake + 1)
        return str(self._last_snowflake)


_SHOWN = ("content", "embeds", "components", "flags")


def _attachments(message: Message) -> list[Body]:
    attached: list[Body] = message.body.get("attachments", [])
    return attached


def _embed_json(embed: Body, urls: Mapping[str, str]) -> Body:
    shown = {"type": "rich", **embed}
    if image := embed.get("image"):
        shown["image"] = {**image, "url": urls.get(image["url"], image["url"])}
    return shown


def _emoji_json(emoji_id: str, name: str) -> Body:
    return {
        "id": emoji_id,
        "name": name,
        "roles": [],
        "user": _BOT,
        "require_colons": True,
        "managed": False,
        "animated": False,
        "available": True,
    }


def _user(user_id: str, name: str) -> dict[str, Any]:
    return {
        "id": user_id,
        "username": name,
        "discriminator": "0000",
        "global_name": None,
        "avatar": None,
        "bot": True,
        "flags": 0,
        "public_flags": 0,
        "primary_guild": None,
    }


_BOT = _user(BOT_ID, "lol-dagster")
_MEMBER: dict[str, Any] = {
    "user": _BOT,
    "nick": None,
    "avatar": None,
    "banner": None,
    "roles": [],
    "joined_at": "2026-01-01T00:00:00+00:00",
    "premium_since": None,
    "communication_disabled_until": None,
    "flags": 0,
    "pending": False,
    "mute": False,
    "deaf": False,
}
_VIEW_CHANNEL, _SEND_MESSAGES = 1 << 10, 1 << 11
_CATEGORY, _STAFF, _GENERAL = (f"100000000000000000{number}" for number in (3, 4, 5))
_ME = {**_BOT, "mfa_enabled": False, "locale": "en-US"}


def _channel_json(channel: str) -> dict[str, Any]:
    return {
        "id": channel,
        "type": 0,
        "guild_id": GUILD_ID,
        "name": f"channel-{channel[-4:]}",
        "position": 0,
        "flags": 0,
        "permission_overwrites": [],
    }


def _servers(query: Mapping[str, str]) -> Answer:
    limit = query.get("limit", "200")
    if not limit.isdigit() or not 1 <= int(limit) <= 200:
        raise RefusedError(invalid("limit", "NUMBER_TYPE_MAX", "should be between 1 and 200."))
    server: dict[str, Any] = {
        "id": GUILD_ID,
        "name": "Simulated",
        "icon": None,
        "banner": None,
        "owner": False,
        "permissions": str(_VIEW_CHANNEL | _SEND_MESSAGES),
        "features": [],
    }
    return json_answer(200, [server])


def _webhook_json(webhook: str) -> dict[str, Any]:
    return {
        "id": webhook,
        "type": 1,
        "channel_id": webhook,
        "guild_id": GUILD_ID,
        "name": "webhook",
        "avatar": None,
        "application_id": None,
    }


def _page(messages: list[Message], query: Mapping[str, str], limit: int) -> list[Message]:
    """The part of `messages` (newest first) that before, after or around name."""
    for name in ("before", "after", "around"):
        if name in query and not query[name].isdigit():
            raise RefusedError(invalid(name, "NUMBER_TYPE_COERCE", "is not snowflake."))
    if "after" in query:
        later = [one for one in messages if int(one.id) > int(query["after"])]
        return later[-limit:]
    if "before" in query:
        return [one for one in messages if int(one.id) < int(query["before"])][:limit]
    if "around" in query:
        middle = int(query["around"])
        later = [one for one in messages if int(one.id) >= middle][-(limit + 1) // 2 :]
        earlier = [one for one in messages if int(one.id) < middle][: limit - len(later)]
        return later + earlier
    return messages[:limit]


def _form(request: Request) -> Body:
    try:
        form = request.json()
    except ValueError:
        form = None
    if not isinstance(form, dict):
        raise RefusedError(error(50109))
    return form


def _form_with_files(request: Request) -> tuple[Body, dict[str, bytes]]:
    """The body, and files by their numbers: those of a form have it in one of its parts."""
    parts = request.form_parts()
    if parts is None:
        return _form(request), {}
    files = {
        name.removeprefix("files[").removesuffix("]"): content
        for name, content in parts.items()
        if name.startswith("files[")
    }
    check_files(files.values())
    return _form(replace(request, body=parts.get("payload_json", b""))), files


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
