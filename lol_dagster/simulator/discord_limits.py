"""The sizes that Discord allows in a message, and its words for what exceeds them.

Numbers: Discord's documentation of messages and embeds (developers/resources/message.mdx).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MOST_EMBED_CHARACTERS = 6000
_CONTENT, _EMBEDS, _NONCE = 2000, 10, 25
_EMBED_TEXTS = {"title": 256, "description": 4096}
_FIELDS, _FIELD_TEXTS = 25, {"name": 256, "value": 1024}


class FormError(Exception):
    """Discord refuses the body, with this JSON code and this `errors` object."""

    def __init__(self, code: int, errors: dict[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.errors = errors


Path = tuple[str, ...]
_Problem = tuple[Path, str, str]


def check_body(form: dict[str, Any]) -> None:
    """Check the body of a message.

    Raises:
        FormError: 50006 when it is empty, 50035 when something is of a wrong type or too long.
    """
    if not any(form.get(key) for key in ("content", "embeds", "components")):
        raise FormError(50006)
    problems = list(_problems(form))
    if problems:
        errors: dict[str, Any] = {}
        for path, code, message in problems:
            place = errors
            for step in path:
                place = place.setdefault(step, {})
            place.setdefault("_errors", []).append({"code": code, "message": message})
        raise FormError(50035, errors)


def _problems(form: dict[str, Any]) -> Iterator[_Problem]:
    yield from _text(form, "content", _CONTENT, ())
    nonce = form.get("nonce")
    if nonce is not None and len(str(nonce)) > _NONCE:
        yield _too_long(("nonce",), _NONCE)
    embeds = form.get("embeds") or []
    if not isinstance(embeds, list) or not all(isinstance(one, dict) for one in embeds):
        yield ("embeds",), "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType"
        return
    if len(embeds) > _EMBEDS:
        yield _too_many(("embeds",), _EMBEDS)
    for number, embed in enumerate(embeds):
        yield from _embed_problems(embed, ("embeds", str(number)))
    if sum(_characters(embed) for embed in embeds) > MOST_EMBED_CHARACTERS:
        yield (
            ("embeds",),
            "MAX_EMBED_SIZE_EXCEEDED",
            (f"Embed size exceeds maximum size of {MOST_EMBED_CHARACTERS}"),
        )


def _embed_problems(embed: dict[str, Any], path: Path) -> Iterator[_Problem]:
    for key, most in _EMBED_TEXTS.items():
        yield from _text(embed, key, most, path)
    yield from _text(embed.get("footer") or {}, "text", 2048, (*path, "footer"))
    yield from _text(embed.get("author") or {}, "name", 256, (*path, "author"))
    url = embed.get("url")
    if url is not None and not str(url).startswith(("http://", "https://")):
        yield (
            (*path, "url"),
            "URL_TYPE_INVALID_SCHEME",
            ("Scheme must be one of ('http', 'https')."),
        )
    color = embed.get("color")
    if color is not None and (not isinstance(color, int) or not 0 <= color <= 0xFFFFFF):
        yield (*path, "color"), "NUMBER_TYPE_MAX", "int value should be 16777215 or less."
    fields = embed.get("fields") or []
    if len(fields) > _FIELDS:
        yield _too_many((*path, "fields"), _FIELDS)
    for number, field in enumerate(fields):
        for key, most in _FIELD_TEXTS.items():
            here = (*path, "fields", str(number))
            if not field.get(key):
                yield (*here, key), "BASE_TYPE_REQUIRED", "This field is required"
            yield from _text(field, key, most, here)


def _text(holder: dict[str, Any], key: str, most: int, path: Path) -> Iterator[_Problem]:
    value = holder.get(key)
    if value is None:
        return
    if not isinstance(value, str):
        yield (*path, key), "STRING_TYPE_CONVERT", "Could not interpret value as string."
    elif len(value) > most:
        yield _too_long((*path, key), most)


def _too_long(path: Path, most: int) -> _Problem:
    return path, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length."


def _too_many(path: Path, most: int) -> _Problem:
    return path, "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {most} in length."


def _characters(embed: dict[str, Any]) -> int:
    texts = [
        embed.get("title"),
        embed.get("description"),
        (embed.get("footer") or {}).get("text"),
        (embed.get("author") or {}).get("name"),
    ]
    for field in embed.get("fields") or []:
        texts += [field.get("name"), field.get("value")]
    return sum(len(text) for text in texts if isinstance(text, str))


def mentions_everyone(form: dict[str, Any]) -> bool:
    """Whether the message pings @everyone or @here: in the content, unless it is forbidden there."""
    allowed = form.get("allowed_mentions")
    forbidden = isinstance(allowed, dict) and "everyone" not in allowed.get("parse", [])
    content = str(form.get("content") or "")
    return not forbidden and ("@everyone" in content or "@here" in content)
