"""How a message looks in its channel: the very body that is sent, as HTML of our own.

Only what our messages use of Discord's markdown and of Slack's Block Kit is understood; everything
else stays text. Text never becomes markup: it is escaped here, piece by piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup, escape

from lol_dagster.messages import render_discord, render_slack
from lol_dagster.messages.content import MessageContent

_HEADING = "### "
# An escaped character, bold text (in which there may be escaped ones), or any other character.
_MARKDOWN = re.compile(
    r"\\(?P<escaped>[^0-9A-Za-z\s])|\*\*(?P<bold>(?:\\.|[^\\*])+)\*\*|(?P<other>.)"
)


def preview(content: MessageContent, channel_kind: str, marker: str) -> Markup:
    """The message as a channel of this kind shows it.

    Args:
        channel_kind: One of `CHANNEL_KINDS`.
        marker: See messages/marker.py.
    """
    if channel_kind.startswith("discord"):
        return _discord(render_discord.render(content, marker), content.tone)
    return _slack(render_slack.render(content, marker))


def _discord(body: Mapping[str, Any], tone: str) -> Markup:
    embeds = Markup("").join(_embed(embed, tone) for embed in body["embeds"])
    return Markup('<div class="preview discord">{}</div>').format(embeds)


def _embed(embed: Mapping[str, Any], tone: str) -> Markup:
    title = Markup('<div class="embed-title">{}</div>').format(
        _link(embed["url"], _markdown(embed["title"]))
    )
    lines = Markup("").join(map(_line, str(embed.get("description", "")).split("\n")))
    footer = embed.get("footer")
    return Markup('<div class="embed tone-{}">{}{}{}</div>').format(
        tone,
        title,
        Markup('<div class="embed-text">{}</div>').format(lines) if lines else "",
        Markup('<div class="embed-footer">{}</div>').format(footer["text"]) if footer else "",
    )


def _line(line: str) -> Markup:
    if line.startswith(_HEADING):
        return Markup('<div class="heading">{}</div>').format(_markdown(line[len(_HEADING) :]))
    return Markup("<div>{}</div>").format(_markdown(line))


def _markdown(text: str) -> Markup:
    return Markup("").join(
        Markup("<strong>{}</strong>").format(_markdown(found["bold"]))
        if found["bold"] is not None
        else escape(found["escaped"] or found["other"])
        for found in _MARKDOWN.finditer(text)
    )


def _slack(body: Mapping[str, Any]) -> Markup:
    blocks = Markup("").join(map(_block, body["blocks"]))
    return Markup('<div class="preview slack">{}</div>').format(blocks)


def _block(block: Mapping[str, Any]) -> Markup:
    if block["type"] == "context":
        texts = Markup("").join(escape(each["text"]) for each in block["elements"])
        return Markup('<div class="block-context">{}</div>').format(texts)
    sections: Iterable[Mapping[str, Any]] = block["elements"]
    inside = Markup("").join(
        Markup("").join(map(_rich_text, section["elements"])) for section in sections
    )
    return Markup('<div class="block">{}</div>').format(inside)


def _rich_text(element: Mapping[str, Any]) -> Markup:
    lines = [escape(line) for line in str(element["text"]).split("\n")]
    shown = Markup("<br>").join(lines)
    if element["type"] == "link":
        shown = _link(element["url"], shown)
    style = element.get("style", {})
    if style.get("italic"):
        shown = Markup("<em>{}</em>").format(shown)
    return Markup("<strong>{}</strong>").format(shown) if style.get("bold") else shown


def _link(url: str, shown: Markup) -> Markup:
    if not url.startswith(("https://", "http://")):
        return shown
    return Markup('<a href="{}" rel="noopener noreferrer">{}</a>').format(url, shown)
