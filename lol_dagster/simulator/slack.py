"""Slack as this world plays it: one bot, incoming webhooks, and any channel that somebody names.

Errors are `ok: false` under HTTP 200, as at Slack's; the bot is a member of every channel. There is no
idempotency key (`client_msg_id` is ignored). Metadata is read back with `include_all_metadata` only.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from lol_dagster.simulator.chat import Board, Body, Message
from lol_dagster.simulator.faults import Fault, Faults
from lol_dagster.simulator.limits import Limit, Windows
from lol_dagster.simulator.service import Call, RefusedError, html_answer
from lol_dagster.simulator.truth import Clock, TruthLog
from lol_dagster.simulator.wire import Answer, Request, json_answer, text_answer

BOT_TOKEN = "xoxb-simulated-slack-bot-token"  # noqa: S105 - a token of this world only
BOT_ID = "B0SIMULATE"
_USER_ID, _TEAM_ID, _APP_ID = "U0SIMULATE", "T0SIMULATE", "A0SIMULATE"
_SCOPES = (
    "chat:write,channels:history,groups:history,channels:read,groups:read,files:write,files:read"
)
DEFAULT_LIMIT = Limit(5, 5)
"""Slack allows about one message a second to a channel, with short bursts."""

_CHANNEL = re.compile(r"[CGD][A-Z0-9]{8,}")
_MOST_TEXT, _MOST_BLOCKS, _MOST_BLOCK_TEXT, _MOST_BLOCKS_TEXT = 40_000, 50, 3000, 13_000
_BLOCK_ID, _MOST_ELEMENTS = 255, 10
_TYPES = {"public_channel", "private_channel", "mpim", "im"}
_GENERAL = "C0GENERAL0"
_MOST_LISTED = 2

_BY_STATUS = {400: "invalid_arguments", 401: "invalid_auth", 403: "restricted_action",
              404: "channel_not_found"}  # fmt: skip
_HOOK_TEXTS = {
    400: "invalid_payload",
    403: "invalid_token",
    404: "no_service",
    410: "channel_is_archived",
    500: "rollup_error",
}


def error(name: str, **more: str) -> Answer:
    """Slack's `ok: false`."""
    return json_answer(200, {"ok": False, "error": name, **more})


def _ok(**fields: object) -> Answer:
    return json_answer(200, {"ok": True, **fields})


@dataclass
class _Upload:
    """A file that is to come, or has."""

    length: int
    completed_at: float | None = None


class Slack:
    """Slack's Web API and its incoming webhooks."""

    name = "slack"

    def __init__(
        self,
        truth: TruthLog,
        faults: Faults,
        clock: Clock,
        *,
        limit: Limit = DEFAULT_LIMIT,
        loads: Callable[[str], bool] = lambda _address: False,
    ) -> None:
        """
        Args:
            loads: Whether there is a picture at an address.
        """
        self.board = Board("slack", truth, clock)
        self._faults = faults
        self._clock = clock
        self._limit = limit
        self._loads = loads
        self._windows: dict[tuple[str, str], Windows] = {}
        self._last_ts = 0
        self._uploads: dict[str, _Upload] = {}
        self._methods: dict[str, tuple[str, Callable[[Mapping[str, Any]], Answer]]] = {
            "auth.test": ("auth", self._auth_test),
            "chat.postMessage": ("post", self._post),
            "chat.update": ("edit", self._update),
            "chat.delete": ("delete", self._delete),
            "chat.getPermalink": ("permalink", self._permalink),
            "conversations.history": ("history", self._history),
            "conversations.info": ("channel", self._info),
            "users.conversations": ("channels", self._conversations),
            "files.getUploadURLExternal": ("upload-url", self._upload_url),
            "files.completeUploadExternal": ("upload-complete", self._complete_upload),
            "files.info": ("file", self._file),
        }

    # -- Service ------------------------------------------------------------------------------

    def find(self, request: Request) -> Call:
        """`/slack/api/{method}` or `/slack-hooks/services/T…/B…/…`."""
        if request.segments[:1] == ("slack-hooks",):
            return self._hook_call(request)
        if request.segments[:1] == ("slack-files",):
            return self._upload_call(request)
        if len(request.segments) != 3 or request.segments[2] not in self._methods:
            raise RefusedError(error("unknown_method"))
        authorization = request.header("Authorization")
        if not authorization:
            raise RefusedError(error("not_authed"))
        if authorization != f"Bearer {BOT_TOKEN}":
            raise RefusedError(error("invalid_auth"))
        name, perform = self._methods[request.segments[2]]
        arguments = {**_arguments(request), "host": request.header("Host")}
        place = str(arguments.get("channel", ""))
        return Call(f"slack.{name}", place, lambda: perform(arguments))

    def admit(self, call: Call) -> Answer | None:
        """Only posting is limited here: that is what a channel's limit is about."""
        if not call.operation.endswith(".post"):
            return None
        windows = self._windows.setdefault((call.operation, call.place), Windows((self._limit,)))
        overrun = windows.overrun(self._clock())
        if overrun is not None:
            return _too_many(call, overrun)
        windows.count(self._clock())
        return None

    def refuse(self, call: Call, fault: Fault) -> Answer:
        """An error by name, or a status: of 4xx the error it stands for, since Slack gives those as 200."""
        hook = call.operation.startswith("slack-hook")
        if fault.kind == "429":
            return _too_many(call, float(fault.argument or 1))
        if fault.kind == "refuse":
            return text_answer(400, fault.argument) if hook else error(fault.argument)
        status = int(fault.kind)
        if hook:
            return text_answer(status, _HOOK_TEXTS.get(status, "error"))
        return error(_BY_STATUS[status]) if status in _BY_STATUS else html_answer(status, "Slack")

    def finish(self, call: Call, answer: Answer) -> Answer:
        """Add the scopes, as Slack does on each answer."""
        if call.operation.startswith("slack-hook"):
            return answer
        return answer.with_headers(X_OAuth_Scopes=_SCOPES)

    # -- Methods ------------------------------------------------------------------------------

    def _auth_test(self, arguments: Mapping[str, Any]) -> Answer:
        return _ok(
            url="https://simulated.slack.com/",
            team="Simulated",
            user="lol-dagster",
            team_id=_TEAM_ID,
            user_id=_USER_ID,
            bot_id=BOT_ID,
            is_enterprise_install=False,
        )

    def _post(self, arguments: Mapping[str, Any]) -> Answer:
        channel = _channel(arguments)
        message = self.board.post(self._ts(), channel, BOT_ID, self._checked(arguments))
        return _ok(channel=channel, ts=message.id, message=_shown(message, all_=True))

    def _update(self, arguments: Mapping[str, Any]) -> Answer:
        channel, message = self._own_message(arguments, "cant_update_message")
        body = self._checked(arguments)
        if "metadata" not in body and "metadata" in message.body:
            body["metadata"] = message.body["metadata"]
        self.board.edit(message, body)
        text, shown = message.body.get("text", ""), _shown(message, all_=True)
        return _ok(channel=channel, ts=message.id, text=text, message=shown)

    def _delete(self, arguments: Mapping[str, Any]) -> Answer:
        channel, message = self._own_message(arguments, "cant_delete_message")
        self.board.delete(message)
        return _ok(channel=channel, ts=message.id)

    def _own_message(self, arguments: Mapping[str, Any], otherwise: str) -> tuple[str, Message]:
        channel = _channel(arguments)
        message = self.board.find(channel, str(arguments.get("ts", "")))
        if message is None:
            raise RefusedError(error("message_not_found"))
        if message.author != BOT_ID:
            raise RefusedError(error(otherwise))
        return channel, message

    def _permalink(self, arguments: Mapping[str, Any]) -> Answer:
        channel, ts = _channel(arguments), str(arguments.get("message_ts", ""))
        if self.board.find(channel, ts) is None:
            return error("message_not_found")
        link = f"https://simulated.slack.com/archives/{channel}/p{ts.replace('.', '')}"
        return _ok(channel=channel, permalink=link)

    def _info(self, arguments: Mapping[str, Any]) -> Answer:
        channel = _channel(arguments)
        states = {"is_channel": True, "is_member": True, "is_archived": False}
        return _ok(channel={"id": channel, "name": channel.lower(), **states})

    def _conversations(self, arguments: Mapping[str, Any]) -> Answer:
        """What the bot has posted to, and one more; fewer at once than were asked for, as Slack may."""
        limit, cursor = str(arguments.get("limit") or 100), str(arguments.get("cursor") or 0)
        if not limit.isdigit() or not 1 <= int(limit) <= 1000:
            return error("invalid_limit")
        if not cursor.isdigit():
            return error("invalid_cursor")
        if not _TYPES.issuperset(str(arguments.get("types") or "public_channel").split(",")):
            return error("invalid_types")
        found = [_GENERAL, *filter(_CHANNEL.fullmatch, self.board.channels)]
        end = int(cursor) + min(int(limit), _MOST_LISTED)
        return _ok(
            channels=[
                {"id": each, "name": each.lower(), "is_archived": False, "is_private": False}
                for each in found[int(cursor) : end]
            ],
            response_metadata={"next_cursor": str(end) if end < len(found) else ""},
        )

    def _history(self, arguments: Mapping[str, Any]) -> Answer:
        channel = _channel(arguments)
        if self._faults.behaviour("unreadable", "slack.history", channel):
            return error("missing_scope", needed="channels:history", provided="chat:write")
        lagging = self._faults.behaviour("lagging", "slack.history", channel)
        try:
            limit = int(arguments.get("limit") or 100)
            oldest = float(arguments.get("oldest") or 0)
            latest = float(arguments.get("cursor") or arguments.get("latest") or math.inf)
        except ValueError:
            return error("invalid_arguments")
        if not 1 <= limit <= 999:
            return error("invalid_limit")
        inclusive = str(arguments.get("inclusive", "")).lower() in {"1", "true"}
        found = [
            message
            for message in self.board.newest_first(channel, lagging.seconds if lagging else 0.0)
            if oldest < float(message.id) < latest
            or (inclusive and float(message.id) in {oldest, latest})
        ]
        page, more = found[:limit], len(found) > limit
        all_ = str(arguments.get("include_all_metadata", "")).lower() in {"1", "true"}
        return _ok(
            messages=[_shown(message, all_=all_) for message in page],
            has_more=more,
            pin_count=0,
            channel_actions_ts=None,
            channel_actions_count=0,
            response_metadata={"next_cursor": page[-1].id if more else ""},
        )

    # -- Files --------------------------------------------------------------------------------

    def _upload_url(self, arguments: Mapping[str, Any]) -> Answer:
        name, length = str(arguments.get("filename") or ""), str(arguments.get("length"))
        if not name or not length.isdigit() or int(length) < 1:
            return error("invalid_arguments")
        file_id = f"F{len(self._uploads):09d}"
        self._uploads[file_id] = _Upload(int(length))
        url = f"http://{arguments['host']}/slack-files/upload/v1/{file_id}"
        return _ok(upload_url=url, file_id=file_id)

    def _upload_call(self, request: Request) -> Call:
        """The file itself: its address is all that lets it in."""
        upload = self._uploads.get(request.segments[-1])
        if upload is None or request.method != "POST" or request.header("Authorization"):
            raise RefusedError(text_answer(404, "not found"))

        def take() -> Answer:
            if len(request.body) != upload.length:
                return text_answer(400, "wrong length")
            self.board.files[request.segments[-1]] = request.body
            return text_answer(200, f"OK - {upload.length}")

        return Call("slack.upload", "", take)

    def _complete_upload(self, arguments: Mapping[str, Any]) -> Answer:
        """In a channel a file would be posted as a message, which this world does not do."""
        files = arguments.get("files")
        if not isinstance(files, list) or arguments.get("channel_id"):
            return error("invalid_arguments")
        ids = [str(each.get("id")) for each in files]
        if any(each not in self.board.files for each in ids):
            return error("file_not_found")
        for each in ids:
            self._uploads[each].completed_at = self._clock()
        return _ok(files=[{"id": each} for each in ids])

    def _file(self, arguments: Mapping[str, Any]) -> Answer:
        """It has no type until it was scanned."""
        file_id = str(arguments.get("file"))
        if file_id not in self._uploads:
            return error("file_not_found")
        is_ready = self._is_ready(file_id)
        return _ok(file={"id": file_id, "mimetype": "image/png" if is_ready else ""})

    def _is_ready(self, file_id: str) -> bool:
        upload = self._uploads.get(file_id)
        if upload is None or upload.completed_at is None:
            return False
        lagging = self._faults.behaviour("lagging", "slack.file", "")
        return self._clock() - upload.completed_at >= (lagging.seconds if lagging else 0.0)

    def _checked(self, arguments: Mapping[str, Any]) -> Body:
        """As `_checked`, and with pictures that can be shown."""
        body = _checked(arguments)
        for block in body.get("blocks", []):
            if block.get("type") == "image" and not (
                block.get("alt_text") and self._is_ready(str(block["slack_file"]["id"]))
            ):
                raise RefusedError(error("invalid_blocks"))
        for element in _pictures(body.get("blocks", [])):
            if not element.get("alt_text") or not self._loads(str(element.get("image_url"))):
                # slackapi/python-slack-sdk#1782: also at times of pictures that are there.
                raise RefusedError(error("invalid_blocks"))
        return body

    def _ts(self) -> str:
        """A message's id: its time to the microsecond, always greater than the last."""
        self._last_ts = max(int(self._clock() * 1_000_000), self._last_ts + 1)
        return f"{self._last_ts // 1_000_000}.{self._last_ts % 1_000_000:06d}"

    # -- Webhooks -----------------------------------------------------------------------------

    def _hook_call(self, request: Request) -> Call:
        match request.segments:
            case (_, "services", team, hook, _) if team[:1] == "T" and hook[:1] == "B":
                return Call("slack-hook.post", hook, lambda: self._hook_post(hook, request))
        raise RefusedError(text_answer(404, "no_service"))

    def _hook_post(self, hook: str, request: Request) -> Answer:
        try:
            payload = request.json()
        except ValueError:
            payload = None
        if not isinstance(payload, dict):
            raise RefusedError(text_answer(400, "invalid_payload"))
        try:
            body = self._checked(payload)
        except RefusedError as refusal:
            name = json.loads(refusal.answer.body)["error"]
            raise RefusedError(text_answer(400, name)) from None
        self.board.post(self._ts(), hook, hook, body)
        return text_answer(200, "ok")


def _arguments(request: Request) -> Mapping[str, Any]:
    """The arguments of a call: the query, a form or a JSON object, as Slack takes them all."""
    arguments: dict[str, Any] = dict(request.query)
    kind = request.header("Content-Type").partition(";")[0].strip().lower()
    try:
        if kind == "application/json":
            arguments |= request.json() if request.body else {}
        elif kind == "application/x-www-form-urlencoded":
            form = parse_qs(request.body.decode(), keep_blank_values=True)
            arguments |= {name: values[-1] for name, values in form.items()}
            for name in ("blocks", "metadata", "attachments"):
                if arguments.get(name):
                    arguments[name] = json.loads(arguments[name])
    except (ValueError, TypeError):
        raise RefusedError(error("invalid_json")) from None
    return arguments


def _channel(arguments: Mapping[str, Any]) -> str:
    channel = str(arguments.get("channel", ""))
    if not _CHANNEL.fullmatch(channel):
        raise RefusedError(error("channel_not_found"))
    return channel


def _checked(arguments: Mapping[str, Any]) -> Body:
    """What readers see of a message's arguments; raises RefusedError when Slack would refuse them."""
    text, blocks = arguments.get("text") or "", arguments.get("blocks") or []
    if not text and not blocks and not arguments.get("attachments"):
        raise RefusedError(error("no_text"))
    if not isinstance(text, str) or len(text) > _MOST_TEXT:
        raise RefusedError(error("msg_too_long"))
    if not isinstance(blocks, list) or len(blocks) > _MOST_BLOCKS:
        raise RefusedError(error("invalid_blocks"))
    _check_blocks(blocks)
    metadata = arguments.get("metadata")
    if metadata is not None and (
        not isinstance(metadata, dict) or not {"event_type", "event_payload"} <= set(metadata)
    ):
        raise RefusedError(error("invalid_metadata_format"))
    kept = {"text": text, "blocks": blocks, "attachments": arguments.get("attachments")}
    return {**{key: value for key, value in kept.items() if value},
            **({"metadata": metadata} if metadata else {})}  # fmt: skip


def _check_blocks(blocks: list[Any]) -> None:
    ids = [block.get("block_id") for block in blocks if isinstance(block, dict)]
    named = [one for one in ids if one is not None]
    if len(ids) < len(blocks) or len(set(named)) < len(named):
        raise RefusedError(error("invalid_blocks"))
    if any(not isinstance(one, str) or len(one) > _BLOCK_ID for one in named):
        raise RefusedError(error("invalid_blocks"))
    texts = list(_texts(blocks))
    if any(len(text) > _MOST_BLOCK_TEXT for text in texts):
        raise RefusedError(error("invalid_blocks"))
    if sum(map(len, texts)) > _MOST_BLOCKS_TEXT:
        raise RefusedError(error("msg_blocks_too_long"))


def _pictures(blocks: list[Any]) -> list[Any]:
    """Those within context blocks."""
    rows = [each.get("elements", []) for each in blocks if each.get("type") == "context"]
    if any(not 1 <= len(row) <= _MOST_ELEMENTS for row in rows):
        raise RefusedError(error("invalid_blocks"))
    return [each for row in rows for each in row if each.get("type") == "image"]


def _texts(value: Any) -> list[str]:
    """Every `text` string anywhere in a block."""
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    if not isinstance(value, dict):
        return []
    own = [value["text"]] if isinstance(value.get("text"), str) else []
    return own + [text for one in value.values() for text in _texts(one)]


def _shown(message: Message, *, all_: bool) -> dict[str, Any]:
    metadata = message.body.get("metadata")
    by_bot = message.author == BOT_ID
    return {
        "type": "message",
        **({} if by_bot else {"subtype": "bot_message"}),
        "ts": message.id,
        "bot_id": message.author,
        **({"user": _USER_ID, "app_id": _APP_ID, "team": _TEAM_ID} if by_bot else {}),
        "text": message.body.get("text", ""),
        **{key: message.body[key] for key in ("blocks", "attachments") if key in message.body},
        **({"metadata": metadata if all_ else {"event_type": metadata["event_type"]}}
           if metadata else {}),
        **({"edited": {"user": _USER_ID, "ts": f"{message.edited_at:.6f}"}}
           if message.edited_at else {}),
    }  # fmt: skip


def _too_many(call: Call, seconds: float) -> Answer:
    wait = str(max(1, math.ceil(seconds)))
    if call.operation.startswith("slack-hook"):
        return text_answer(429, "rate_limited").with_headers(Retry_After=wait)
    answer = json_answer(429, {"ok": False, "error": "ratelimited"})
    return answer.with_headers(Retry_After=wait)
