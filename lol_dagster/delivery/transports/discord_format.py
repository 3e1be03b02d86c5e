"""A message as Discord takes it, and as Discord shows it: one embed. The body of Create Message, Edit
Message and Execute Webhook alike; nonce, channel and headers are added by whoever sends it.

There is no `content` beside the embed: clients show an embed's title and text in notifications, so
it would only say everything twice.

Limits: https://docs.discord.com/developers/resources/message#embed-object-embed-limits
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from markupsafe import Markup, escape

from lol_dagster.delivery.transports.base import (
    NO_ICONS,
    Picture,
    ShownIcons,
    html_icon,
    html_link,
    html_time,
)
from lol_dagster.messages.content import MessageContent, Moment, Tone
from lol_dagster.messages.identity import parse_marker
from lol_dagster.messages.text import (
    MAX_TEXT,
    markdown_rows,
    more_line,
    plain,
    plain_markdown,
    utf16_length,
)

# Of Discord's 256, 4,096 and 2,048; together below its 6,000 for a whole message.
_TITLE_LIMIT = 256
_DESCRIPTION_LIMIT = 4096
_FOOTER_LIMIT = 256

_COLOURS: dict[Tone, int] = {
    "good": 0x2E9E5B,
    "bad": 0xD0433A,
    "mixed": 0xC99A2E,
    "neutral": 0x7A8594,
}
# An embed's url is where the marker lives, so there always has to be one.
_NO_LINK = "https://www.leagueoflegends.com/"
_MARKER_KEY = "d"

PICTURE = "card.png"
_ALT_LIMIT = 1024

_HEADING = "### "
_EMOJI = "lol_"
"""How the names of our emojis begin."""
_LONGEST_EMOJI = 32
# An escaped character, bold text (in which there may be escaped ones), date and time, an icon, or any other character.
_MARKDOWN = re.compile(
    r"\\(?P<escaped>[^0-9A-Za-z\s])|\*\*(?P<bold>(?:\\.|[^\\*])+)\*\*"
    rf"|<t:(?P<at>\d+):d> <t:\d+:t>|<:{_EMOJI}(?P<icon>\w+):\d+>|(?P<other>.)"
)


def emoji_name(champion: str) -> str:
    """
    Args:
        champion: As Data Dragon's addresses name it.
    """
    return f"{_EMOJI}{champion}"[:_LONGEST_EMOJI]


def emoji(name: str, emoji_id: str) -> str:
    """How an emoji is written in a text.

    https://docs.discord.com/developers/reference#message-formatting
    """
    return f"<:{name}:{emoji_id}>"


def render(content: MessageContent, marker: str, icons: ShownIcons = NO_ICONS) -> dict[str, Any]:
    """The request body.

    Args:
        marker: See messages/identity.py; kept in the query of the embed's url, where a reader does not see it.
        icons: As `emoji` writes them.
    """
    embed: dict[str, Any] = {
        "title": plain_markdown(content.title, _TITLE_LIMIT),
        "url": _with_marker(content.url or _NO_LINK, marker),
        "color": _COLOURS[content.tone],
    }
    if description := _description(content, icons):
        embed["description"] = description
    if content.footer:
        embed["footer"] = {"text": plain(content.footer, _FOOTER_LIMIT)}
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def edit_request(body: Mapping[str, Any], picture: Picture | None) -> dict[str, Any]:
    """How an edit sends its body, as keywords of `Caller.call`: with the picture as a file.

    `attachments` names all that stand below the message from then on: what an earlier edit attached goes, and
    whoever repeats an edit of which nobody knows whether it arrived attaches nothing twice.
    https://docs.discord.com/developers/resources/message#edit-message
    """
    if picture is None:
        return {"json": {**body, "attachments": []}}
    embed, *others = body["embeds"]
    shown = {**embed, "image": {"url": f"attachment://{PICTURE}"}}
    attached = {"id": 0, "filename": PICTURE, "description": plain(picture.alt, _ALT_LIMIT)}
    payload = json.dumps({**body, "embeds": [shown, *others], "attachments": [attached]}).encode()
    # Made of what it parts, so that it is in neither.
    boundary = hashlib.sha256(payload + picture.png).hexdigest()
    parts = (
        ('name="payload_json"', "application/json", payload),
        (f'name="files[0]"; filename="{PICTURE}"', "image/png", picture.png),
    )
    data = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {name}\r\nContent-Type: {kind}\r\n\r\n".encode()
        + part
        + b"\r\n"
        for name, kind, part in parts
    )
    return {
        "data": data + f"--{boundary}--\r\n".encode(),
        "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    }


def read_marker(message: Mapping[str, Any]) -> tuple[str, int] | None:
    """Message id and revision of a message as Discord returns it; None if it is not one of ours.

    Anybody can post an embed with such an address: who the author is, the caller has to check.
    """
    embeds = message.get("embeds")
    embed = embeds[0] if isinstance(embeds, list) and embeds else None
    url = embed.get("url") if isinstance(embed, dict) else None
    if not isinstance(url, str):
        return None
    try:
        values = parse_qs(urlsplit(url).query).get(_MARKER_KEY, [])
    except ValueError:
        return None
    return parse_marker(values[-1]) if values else None


def _with_marker(url: str, marker: str) -> str:
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode({_MARKER_KEY: marker})]))
    return urlunsplit(parts._replace(query=query))


def _description(content: MessageContent, icons: ShownIcons) -> str:
    """All lines that fit, and how many did not."""
    paragraphs = list(_paragraphs(content, icons))
    shown: list[str] = []
    # What would be longest to say of them.
    space = _DESCRIPTION_LIMIT - utf16_length(
        more_line(len(paragraphs) + content.more, content.language)
    )
    for paragraph in paragraphs:
        space -= utf16_length(paragraph) + 1
        if space < 0:
            break
        shown.append(paragraph)
    left_out = len(paragraphs) - len(shown) + content.more
    if left_out:
        shown.append(more_line(left_out, content.language))
    return "\n".join(shown)


def _paragraphs(content: MessageContent, icons: ShownIcons) -> Iterator[str]:
    """One text per line of the content; a section's heading belongs to its first line."""
    for section in content.sections:
        heading = (
            (f"{_HEADING}{plain_markdown(section.heading, MAX_TEXT)}",) if section.heading else ()
        )
        for line in section.lines:
            icon = icons.get(line.icon.champion_id, "") if line.icon else ""
            yield "\n".join([*heading, *markdown_rows(line, _timestamp, icon)])
            heading = ()


def _timestamp(moment: Moment) -> str:
    """Date and time, both short, in the zone and the language of whoever reads it.

    https://docs.discord.com/developers/reference#message-formatting-timestamp-styles
    """
    return f"<t:{moment.at}:d> <t:{moment.at}:t>"


def preview(content: MessageContent, marker: str, icons: ShownIcons = NO_ICONS) -> Markup:
    """The body as HTML, as Discord would show it. Only what our messages use of its Markdown is
    understood; everything else stays text, and text never becomes markup.
    """
    [embed] = render(content, marker, icons)["embeds"]
    title = html_link(embed["url"], _markdown(embed["title"]))
    parts = [Markup('<div class="embed-title">{}</div>').format(title)]
    if "description" in embed:
        lines = Markup("").join(map(_line, embed["description"].split("\n")))
        parts.append(Markup('<div class="embed-text">{}</div>').format(lines))
    if "footer" in embed:
        parts.append(Markup('<div class="embed-footer">{}</div>').format(embed["footer"]["text"]))
    return Markup('<div class="preview discord"><div class="embed tone-{}">{}</div></div>').format(
        content.tone, Markup("").join(parts)
    )


def _line(line: str) -> Markup:
    if line.startswith(_HEADING):
        return Markup('<div class="heading">{}</div>').format(_markdown(line[len(_HEADING) :]))
    return Markup("<div>{}</div>").format(_markdown(line))


def _markdown(text: str) -> Markup:
    return Markup("").join(map(_shown, _MARKDOWN.finditer(text)))


def _shown(found: re.Match[str]) -> Markup:
    if found["bold"] is not None:
        return Markup("<strong>{}</strong>").format(_markdown(found["bold"]))
    if found["at"] is not None:
        return html_time(int(found["at"]))
    if found["icon"] is not None:
        return html_icon(found["icon"])
    return escape(found["escaped"] or found["other"])
