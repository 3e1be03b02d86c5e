"""A message as Slack takes it, and as Slack shows it: Block Kit. The body of chat.postMessage,
chat.update and incoming webhooks alike; channel, ts and token are added by whoever sends it.

Everything people may have named stands in `rich_text` elements, whose text is never parsed: no
mentions, no links, no emphasis. mrkdwn has no escape for `*_~` and the backtick.

Limits: 50 blocks; Slack has posted a message two to four times by itself when one block's text was
above some 3,000 characters (slackapi/bolt-python#764), and refuses above some 12,000 in all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from markupsafe import Markup, escape

from lol_dagster.delivery.transports.base import (
    NO_ICONS,
    Picture,
    ShownIcons,
    html_icon,
    html_link,
    html_time,
)
from lol_dagster.messages.content import Line, MessageContent, Moment, Section
from lol_dagster.messages.identity import parse_marker
from lol_dagster.messages.text import (
    BLANK,
    MAX_ROW,
    MAX_TEXT,
    TONE_MARKS,
    more_line,
    plain,
    plain_rows,
    utf16_length,
)

_BLOCK_LIMIT = 2900
_LINES_LIMIT = 8000
_BLOCKS_LIMIT = 45
_ICONS_LIMIT = 10
_SUMMARY_LIMIT = 300
"""Escaping makes it at most five times as long."""
PICTURE = "card.png"
_EVENT_TYPE = "lol_dagster_message"

_Element = dict[str, Any]


def render(content: MessageContent, marker: str, icons: ShownIcons = NO_ICONS) -> dict[str, Any]:
    """The request body.

    Args:
        marker: See messages/identity.py; kept twice, as reading metadata back needs a permission: in the
            metadata and as the first block's id.
        icons: As addresses of pictures, which Slack fetches before it takes the message. `rich_text` has no
            place for them: they stand in a row above their section.
    """
    blocks = [_rich_text(_title(content)), *_body(content, icons)]
    blocks[0]["block_id"] = marker
    if content.footer:
        footer = {"type": "plain_text", "text": plain(content.footer, MAX_ROW), "emoji": False}
        blocks.append({"type": "context", "elements": [footer]})
    return {
        "text": _escaped(plain(content.summary, _SUMMARY_LIMIT)),
        "blocks": blocks,
        "metadata": {"event_type": _EVENT_TYPE, "event_payload": {"delivery": marker}},
        # chat.update would parse names by default, unlike chat.postMessage.
        "parse": "none",
        "link_names": False,
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def with_picture(body: Mapping[str, Any], picture: Picture | None) -> dict[str, Any]:
    """The body of an edit with its picture, which is uploaded, below the text; without it none stands there.

    https://docs.slack.dev/reference/block-kit/composition-objects/slack-file-object
    """
    if picture is None or picture.file_id is None:
        return dict(body)
    image = {
        "type": "image",
        "slack_file": {"id": picture.file_id},
        "alt_text": plain(picture.alt, _SUMMARY_LIMIT) or BLANK,
    }
    return {**body, "blocks": [*body["blocks"], image]}


def read_marker(message: Mapping[str, Any]) -> tuple[str, int] | None:
    """Message id and revision of a message as Slack returns it; None if it is not one of ours.

    Who the author is, the caller has to check.
    """
    metadata = message.get("metadata")
    if isinstance(metadata, dict) and metadata.get("event_type") == _EVENT_TYPE:
        payload = metadata.get("event_payload")
        if isinstance(payload, dict) and (found := parse_marker(payload.get("delivery"))):
            return found
    blocks = message.get("blocks")
    first = blocks[0] if isinstance(blocks, list) and blocks else None
    return parse_marker(first.get("block_id")) if isinstance(first, dict) else None


def _title(content: MessageContent) -> list[_Element]:
    mark = TONE_MARKS[content.tone]
    title = plain(content.title, MAX_ROW)
    if content.url is None:
        return [_text(f"{mark} "), _text(title, bold=True)]
    link = {"type": "link", "url": content.url, "text": title, "style": {"bold": True}}
    return [_text(f"{mark} "), link]


def _body(content: MessageContent, icons: ShownIcons) -> list[dict[str, Any]]:
    """A block per section, or several where one would be too long; then how many lines were left out."""
    pieces = list(_pieces(content, icons))
    blocks: list[dict[str, Any]] = []
    current: list[_Element] = []
    space, block_space, shown = _LINES_LIMIT, 0, 0
    for above, piece in pieces:
        size = sum(utf16_length(_words(element)) for element in piece)
        if size > space:
            break
        if above is not None or size > block_space:
            if len(blocks) + len(above or []) >= _BLOCKS_LIMIT:
                break
            current, block_space = [], _BLOCK_LIMIT
            blocks += [*(above or []), _rich_text(current)]
        current += piece
        space, block_space, shown = space - size, block_space - size, shown + 1
    if left_out := len(pieces) - shown + content.more:
        blocks.append(_rich_text([_text(more_line(left_out, content.language))]))
    return blocks


def _pieces(
    content: MessageContent, icons: ShownIcons
) -> Iterator[tuple[list[dict[str, Any]] | None, list[_Element]]]:
    """Each line, and what blocks stand above it; None of those that are not the first of their section."""
    for section in content.sections:
        heading = []
        if section.heading:
            words = plain(section.heading, MAX_TEXT)
            heading = [_text(f"{words}\n", bold=True, italic=True)]
        row = _row_of_icons(section, icons)
        for number, line in enumerate(section.lines):
            if number:
                yield None, [_text("\n"), *_line(line)]
            elif row:
                with_icons = {"type": "context", "elements": row}
                yield [*([_rich_text(heading)] if heading else []), with_icons], _line(line)
            else:
                yield [], [*heading, *_line(line)]


def _row_of_icons(section: Section, icons: ShownIcons) -> list[_Element]:
    """In the order of its lines.

    https://docs.slack.dev/reference/block-kit/blocks/context-block
    """
    return [
        {
            "type": "image",
            "image_url": icons[icon.champion_id],
            "alt_text": plain(icon.champion, MAX_TEXT) or BLANK,
        }
        for icon in (line.icon for line in section.lines)
        if icon and icon.champion_id in icons
    ][:_ICONS_LIMIT]


def _line(line: Line) -> list[_Element]:
    lead = plain(line.lead, MAX_TEXT)
    rows = plain_rows(line if line.when is None else replace(line, details=(), highlights=()))
    rest = "\n".join(rows)
    if lead and line.facts:
        rest = f" · {rest}"
    elif lead and rest:
        rest = f"\n{rest}"
    elements = [
        *([_text(lead, bold=True)] if lead else []),
        *([_text(rest)] if rest else []),
    ]
    if line.when is not None:
        below = "\n".join(plain_rows(Line(details=line.details, highlights=line.highlights)))
        if below:
            below = f" · {below}" if line.details else f"\n{below}"
        elements += [
            *([_text("\n")] if elements else []),
            _date(line.when),
            *([_text(below)] if below else []),
        ]
    return elements


def _date(moment: Moment) -> _Element:
    """Day and time in the zone and the language of whoever reads it.

    https://docs.slack.dev/reference/block-kit/block-elements/date-element
    """
    return {
        "type": "date",
        "timestamp": moment.at,
        "format": "{date_short_pretty} {time}",
        "fallback": plain(moment.text, MAX_TEXT),
    }


def _words(element: Mapping[str, Any]) -> str:
    return str(element["fallback"] if element["type"] == "date" else element["text"])


def _rich_text(elements: list[_Element]) -> dict[str, Any]:
    section = {"type": "rich_text_section", "elements": elements}
    return {"type": "rich_text", "elements": [section]}


def _text(text: str, **style: bool) -> _Element:
    element: _Element = {"type": "text", "text": text}
    return {**element, "style": style} if style else element


def _escaped(text: str) -> str:
    """For `text`, which Slack does parse: the three characters that begin its control sequences.

    https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def preview(content: MessageContent, marker: str, icons: ShownIcons = NO_ICONS) -> Markup:
    """The body as HTML, as Slack would show it. Text never becomes markup."""
    blocks = Markup("").join(map(_shown_block, render(content, marker, icons)["blocks"]))
    return Markup('<div class="preview slack">{}</div>').format(blocks)


def _shown_block(block: Mapping[str, Any]) -> Markup:
    if block["type"] == "context":
        texts = Markup(" ").join(
            html_icon(each["alt_text"]) if each["type"] == "image" else escape(each["text"])
            for each in block["elements"]
        )
        return Markup('<div class="block-context">{}</div>').format(texts)
    [section] = block["elements"]
    inside = Markup("").join(map(_shown_text, section["elements"]))
    return Markup('<div class="block">{}</div>').format(inside)


def _shown_text(element: Mapping[str, Any]) -> Markup:
    if element["type"] == "date":
        return html_time(element["timestamp"])
    lines = [escape(line) for line in _words(element).split("\n")]
    shown = Markup("<br>").join(lines)
    if element["type"] == "link":
        shown = html_link(element["url"], shown)
    style = element.get("style", {})
    if style.get("italic"):
        shown = Markup("<em>{}</em>").format(shown)
    return Markup("<strong>{}</strong>").format(shown) if style.get("bold") else shown
