"""A message as Markdown: the rows that Discord shows, and a preview for our own screens."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lol_dagster.messages.characters import plain, plain_markdown, utf16_length
from lol_dagster.messages.content import Line, MessageContent, Tone

MAX_TEXT = 200
"""UTF-16 code units of one name or fact within a line, escapes included."""
MAX_ROW = 800
"""UTF-16 code units of a row: a line of three rows and a heading fits into every platform's
smallest text."""

TONE_MARKS: dict[Tone, str] = {"good": "🟢", "bad": "🔴", "mixed": "🟡", "neutral": "⚪"}


def markdown(content: MessageContent) -> str:
    """The whole message as CommonMark, nothing cut but overlong names."""
    title = plain_markdown(content.title, MAX_ROW)
    if content.url:
        title = f"[{title}]({content.url})"
    paragraphs = [f"{TONE_MARKS[content.tone]} **{title}**"]
    for section in content.sections:
        if section.heading:
            paragraphs.append(f"**{plain_markdown(section.heading, MAX_TEXT)}**")
        # Two blanks at the end of a row are CommonMark's line break.
        paragraphs += ["  \n".join(markdown_rows(line)) for line in section.lines]
    if content.more:
        paragraphs.append(more_line(content.more))
    if content.footer:
        paragraphs.append(plain_markdown(content.footer, MAX_ROW))
    return "\n\n".join(paragraphs)


def markdown_rows(line: Line) -> list[str]:
    """The line's rows, at most three, each at most `MAX_ROW` long, escaped for Markdown."""
    lead = f"**{plain_markdown(line.lead, MAX_TEXT)}**" if line.lead else ""
    return lay_out(line, lead, plain_markdown)


def plain_rows(line: Line) -> list[str]:
    """As `markdown_rows`, but without the lead and without markup or escapes."""
    return lay_out(line, "", plain)


def lay_out(line: Line, lead: str, shown: Callable[[str, int], str]) -> list[str]:
    """The rows that a line consists of.

    Args:
        lead: As it is to stand at the beginning of the first row; may be empty.
        shown: Makes a text harmless for the platform, given its limit.
    """
    rows = [
        _join(" · ", [lead, *(shown(text, MAX_TEXT) for text in line.facts)]),
        _join(" · ", [shown(text, MAX_TEXT) for text in line.details]),
        _join(", ", [shown(text, MAX_TEXT) for text in line.highlights]),
    ]
    if rows[2]:
        rows[2] = f"⭐ {rows[2]}"
    return [row for row in rows if row]


def more_line(count: int) -> str:
    return f"… and {count} more"


def _join(separator: str, texts: Iterable[str]) -> str:
    """As many of `texts` as `MAX_ROW` has room for, with an ellipsis in the place of the rest."""
    row = ""
    for text in filter(None, texts):
        longer = f"{row}{separator}{text}" if row else text
        if utf16_length(longer) > MAX_ROW - 10:
            return f"{row}{separator}…"
        row = longer
    return row
