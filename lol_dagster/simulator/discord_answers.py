"""How Discord says no: its JSON codes, its 429s, and what exceeds the sizes that it allows.

Codes and texts: Discord's list of opcodes and status codes. Sizes: its documentation of messages and
embeds (developers/resources/message.mdx).
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from http.client import responses
from typing import Any

from lol_dagster.simulator.service import RefusedError, html_answer
from lol_dagster.simulator.wire import Answer, json_answer

_CODES: dict[int, tuple[int, str]] = {
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10008: (404, "Unknown Message"),
    10015: (404, "Unknown Webhook"),
    40001: (401, "Unauthorized"),
    40004: (403, "Send messages has been temporarily disabled"),
    40005: (413, "Request entity too large"),
    40333: (403, "internal network error"),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50008: (400, "Cannot send messages in a non-text channel"),
    50013: (403, "Missing Permissions"),
    50027: (401, "Invalid Webhook Token"),
    50035: (400, "Invalid Form Body"),
    50083: (400, "Thread is archived"),
    50109: (400, "The request body contains invalid JSON."),
    30008: (400, "Maximum number of emojis reached (2000)"),
    30046: (429, "Maximum number of edits to messages older than 1 hour reached. Try again later"),
}
_BY_STATUS = {400: 50035, 403: 50013}
_MISSING = {
    "discord.get": 10008,
    "discord.edit": 10008,
    "discord.delete": 10008,
    "discord-hook.post": 10015,
    "discord-hook.webhook": 10015,
    "discord-hook.get": 10008,
    "discord-hook.edit": 10008,
    "discord-hook.delete": 10008,
}
"""What a 404 means, by operation; anywhere else it is the channel that is unknown."""


def error(code: int, errors: Mapping[str, Any] | None = None) -> Answer:
    """Discord's error body for one of its JSON codes; a code unknown here is a 400."""
    status, message = _CODES.get(code, (400, "Unknown error"))
    body: dict[str, Any] = {"message": message, "code": code}
    return json_answer(status, {**body, "errors": errors} if errors else body)


def invalid(name: str, code: str, message: str) -> Answer:
    """50035 for one parameter."""
    return error(50035, {name: {"_errors": [{"code": code, "message": message}]}})


def status_error(status: int, operation: str = "") -> Answer:
    """Discord's body for a status: a JSON code where the operation has one for it, HTML from the edge."""
    if status in _BY_STATUS:
        return error(_BY_STATUS[status])
    if status == 404 and operation:
        return error(_MISSING.get(operation, 10003))
    if status in {502, 503, 504}:
        return html_answer(status, f"{status} {responses[status]}")
    message = f"{status}: {responses.get(status, 'Error')}"
    return json_answer(status, {"message": message, "code": 0})


def too_many(seconds: float, scope: str) -> Answer:
    """429; `scope` is user, global or shared."""
    answer = json_answer(
        429,
        {
            "message": "You are being rate limited.",
            "retry_after": round(seconds, 3),
            "global": scope == "global",
        },
    ).with_headers(Retry_After=str(math.ceil(seconds)), X_RateLimit_Scope=scope)
    return answer.with_headers(X_RateLimit_Global="true") if scope == "global" else answer


_FILE = 10 * 1024 * 1024
_EMOJIS, _EMOJI, _EMOJI_NAME = 2000, 256 * 1024, re.compile(r"\w{2,32}", re.ASCII)
_CONTENT, _EMBEDS, _EMBED_CHARACTERS, _NONCE = 2000, 10, 6000, 25
_EMBED_TEXTS = {"title": 256, "description": 4096}
_FIELDS, _FIELD_TEXTS = 25, {"name": 256, "value": 1024}


Path = tuple[str, ...]
_Violation = tuple[Path, str, str]


def check_body(form: dict[str, Any]) -> None:
    """Check the body of a message.

    Raises:
        RefusedError: 50006 when it is empty, 50035 when something is of a wrong type or too long.
    """
    if not any(form.get(key) for key in ("content", "embeds", "components")):
        raise RefusedError(error(50006))
    violations = list(_violations(form))
    if violations:
        errors: dict[str, Any] = {}
        for path, code, message in violations:
            place = errors
            for step in path:
                place = place.setdefault(step, {})
            place.setdefault("_errors", []).append({"code": code, "message": message})
        raise RefusedError(error(50035, errors))


def check_files(files: Iterable[bytes]) -> None:
    """Check what is uploaded. This world takes pictures alone.

    Raises:
        RefusedError: 40005 when one is too large, 50035 when it is no PNG.
    """
    for content in files:
        if len(content) > _FILE:
            raise RefusedError(error(40005))
        if not content.startswith(b"\x89PNG\r\n\x1a\n"):
            raise RefusedError(invalid("files", "FILE_TYPE", "is no PNG."))


def check_emoji(form: Mapping[str, Any], there: Collection[str]) -> tuple[str, bytes]:
    """Check a new emoji of the application's; its name and its picture.

    Args:
        there: The names of those that it has.

    Raises:
        RefusedError: 30008 when it has too many, 50035 when the name or the picture is none, 400 without a code
            when that is too large.
    """
    name, image = str(form.get("name")), str(form.get("image"))
    if len(there) >= _EMOJIS:
        raise RefusedError(error(30008))
    if not _EMOJI_NAME.fullmatch(name) or name in there:
        raise RefusedError(invalid("name", "APPLICATION_EMOJI_NAME_ALREADY_TAKEN", "is none."))
    kind, _, data = image.partition(",")
    content = base64.b64decode(data)
    if kind != "data:image/png;base64":
        raise RefusedError(invalid("image", "IMAGE_INVALID", "is none."))
    if len(content) > _EMOJI:
        raise RefusedError(json_answer(400, {"message": "File cannot be larger than 256.0 kb."}))
    return name, content


def check_images(embeds: Iterable[Mapping[str, Any]], names: Collection[str]) -> None:
    """Check that each picture in an embed is attached.

    Raises:
        RefusedError: 50035 when one is not.
    """
    for embed in embeds:
        kind, _, name = str((embed.get("image") or {}).get("url", "")).partition("://")
        if kind == "attachment" and name not in names:
            raise RefusedError(invalid("embeds", "ATTACHMENT_NOT_FOUND", "is not attached."))


def _violations(form: dict[str, Any]) -> Iterator[_Violation]:
    yield from _text(form, "content", _CONTENT, ())
    nonce = form.get("nonce")
    if nonce is not None and len(str(nonce)) > _NONCE:
        yield _too_long(("nonce",), _NONCE)
    embeds = form.get("embeds") or []
    if not isinstance(embeds, list) or not all(isinstance(one, dict) for one in embeds):
        yield ("embeds",), "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType"
        return
    if len(embeds) > _EMBEDS:
        yield _too_few_or_many(("embeds",), _EMBEDS)
    for number, embed in enumerate(embeds):
        yield from _embed_violations(embed, ("embeds", str(number)))
    if sum(_characters(embed) for embed in embeds) > _EMBED_CHARACTERS:
        yield (
            ("embeds",),
            "MAX_EMBED_SIZE_EXCEEDED",
            f"Embed size exceeds maximum size of {_EMBED_CHARACTERS}",
        )


def _embed_violations(embed: dict[str, Any], path: Path) -> Iterator[_Violation]:
    for key, most in _EMBED_TEXTS.items():
        yield from _text(embed, key, most, path)
    yield from _text(embed.get("footer") or {}, "text", 2048, (*path, "footer"))
    yield from _text(embed.get("author") or {}, "name", 256, (*path, "author"))
    url = embed.get("url")
    if url is not None and not str(url).startswith(("http://", "https://")):
        message = "Scheme must be one of ('http', 'https')."
        yield (*path, "url"), "URL_TYPE_INVALID_SCHEME", message
    color = embed.get("color")
    if color is not None and (not isinstance(color, int) or not 0 <= color <= 0xFFFFFF):
        yield (*path, "color"), "NUMBER_TYPE_MAX", "int value should be 16777215 or less."
    fields = embed.get("fields") or []
    if len(fields) > _FIELDS:
        yield _too_few_or_many((*path, "fields"), _FIELDS)
    for number, field in enumerate(fields):
        for key, most in _FIELD_TEXTS.items():
            here = (*path, "fields", str(number))
            if not field.get(key):
                yield (*here, key), "BASE_TYPE_REQUIRED", "This field is required"
            yield from _text(field, key, most, here)


def _text(part: dict[str, Any], key: str, most: int, path: Path) -> Iterator[_Violation]:
    value = part.get(key)
    if value is None:
        return
    if not isinstance(value, str):
        yield (*path, key), "STRING_TYPE_CONVERT", "Could not interpret value as string."
    elif len(value) > most:
        yield _too_long((*path, key), most)


def _too_long(path: Path, most: int) -> _Violation:
    return path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length."


def _too_few_or_many(path: Path, most: int) -> _Violation:
    return path, "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {most} in length."


def _characters(embed: dict[str, Any]) -> int:
    footer, author = embed.get("footer") or {}, embed.get("author") or {}
    texts = [embed.get("title"), embed.get("description"), footer.get("text"), author.get("name")]
    for field in embed.get("fields") or []:
        texts += [field.get("name"), field.get("value")]
    return sum(len(text) for text in texts if isinstance(text, str))


def mentions_everyone(form: dict[str, Any]) -> bool:
    """Whether the message pings @everyone or @here: in the content, unless it is forbidden there."""
    allowed = form.get("allowed_mentions")
    forbidden = isinstance(allowed, dict) and "everyone" not in allowed.get("parse", [])
    content = str(form.get("content") or "")
    return not forbidden and ("@everyone" in content or "@here" in content)
