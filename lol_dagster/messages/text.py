"""Text that is harmless to show: without invisible characters and markup, cut to a length; and a
message's lines in it, as Discord and our own screens show them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

from lol_dagster.messages.content import Line, MessageContent, Moment, Tone

MAX_TEXT = 200
"""UTF-16 code units of one name or fact within a line, escapes included."""
MAX_ROW = 800
"""UTF-16 code units of a row: a line of three rows, a rank and a heading fits into every platform's
smallest text."""

TONE_MARKS: dict[Tone, str] = {"good": "🟢", "bad": "🔴", "mixed": "🟡", "neutral": "⚪"}

BLANK = "(?)"
"""Stands for a text that has nothing to see in it."""

_ELLIPSIS = "…"
_JOINERS = "\u200c\u200d"
# Letters and marks that show nothing, though Unicode does not class them as format characters.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_MOST_MARKS = 4
"""Combining marks in a row; no script needs more, stacks of them cover the lines around."""
_FIRST_STRONG_ISOLATE, _POP_ISOLATE = _ISOLATES = "\u2068", "\u2069"
_RIGHT_TO_LEFT_LETTER = (
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
"""The blocks of all right-to-left scripts, their digits included."""
_FOREIGN_WORD = rf"[^\s,;:'\"()]*{_RIGHT_TO_LEFT_LETTER}[^\s,;:'\"()]*"
_FOREIGN_WORDS = re.compile(rf"{_FOREIGN_WORD}(?:\x20{_FOREIGN_WORD})*")
_ISOLATED = re.compile("\u2068[^\u2068\u2069]*\u2069")

# What begins or ends markup in Discord's dialect or in CommonMark wherever it stands; a colon only
# where it makes an address or an emoji, so that "32:10" stays readable where nothing is parsed.
_MARKUP = re.compile(
    r"""[\\*_~`|<\[\]@]
    |:(?=//|\S*:)         # https://…, :smile:
    |&(?=\w+;)           # &lt;
    |(?<=[wW]{3})\.      # www.…
    """,
    re.VERBOSE,
)
# What means something only at the beginning of a line: lists, headings, quotes.
_LINE_START = re.compile(r"^(\d+)(?=[.)](?:\s|$))|^(?=[-+=#>])")


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
        paragraphs.append(more_line(content.more, content.language))
    if content.footer:
        paragraphs.append(plain_markdown(content.footer, MAX_ROW))
    return "\n\n".join(paragraphs)


def markdown_rows(
    line: Line,
    moment: Callable[[Moment], str] = lambda when: plain_markdown(when.text, MAX_TEXT),
    icon: str = "",
) -> list[str]:
    """The line's rows, at most four, each at most `MAX_ROW` long, escaped for Markdown.

    Args:
        moment: Markdown for an instant.
        icon: Markdown for what is in front of the first row; may be empty.
    """
    lead = f"**{plain_markdown(line.lead, MAX_TEXT)}**" if line.lead else ""
    lead = " ".join(filter(None, [icon, lead]))
    return lay_out(line, lead, plain_markdown, moment(line.when) if line.when else "")


def plain_rows(line: Line) -> list[str]:
    """As `markdown_rows`, but without lead and moment, and without markup or escapes."""
    return lay_out(line, "", plain)


def lay_out(line: Line, lead: str, shown: Callable[[str, int], str], when: str = "") -> list[str]:
    """The rows that a line consists of.

    Args:
        lead: As it is to stand at the beginning of the first row; may be empty.
        shown: Makes a text harmless for the platform, given its limit.
        when: As it is to stand before the details; may be empty.
    """
    rows = [
        _join(" · ", [lead, *(shown(text, MAX_TEXT) for text in line.facts)]),
        shown(line.rank, MAX_TEXT),
        _join(" · ", [when, *(shown(text, MAX_TEXT) for text in line.details)]),
    ]
    if stood_out := _join(", ", [shown(text, MAX_TEXT) for text in line.highlights]):
        rows.append(f"⭐ {stood_out}")
    return [row for row in rows if row]


def more_line(count: int, language_code: str) -> str:
    """
    Args:
        language_code: `MessageContent.language`.
    """
    # Here: with it come Babel's tables, which whoever cuts a text needs not.
    from lol_dagster.messages.language import language

    return language(language_code).plural("… and {number} more", "… and {number} more", count)


def _join(separator: str, texts: Iterable[str]) -> str:
    """As many of `texts` as fit into `MAX_ROW`, with an ellipsis in the place of the rest."""
    row = ""
    for text in filter(None, texts):
        longer = f"{row}{separator}{text}" if row else text
        if utf16_length(longer) > MAX_ROW - 10:
            return f"{row}{separator}…"
        row = longer
    return row


# --- characters -------------------------------------------------------------------------------------


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units: never less than what a platform counts.

    Discord counts code points (discord-api-docs#1315), Slack does not say.
    """
    return len(text) + sum(character > "\uffff" for character in text)


def clip(text: str, limit: int) -> str:
    """`text`, cut to `limit` UTF-16 code units with a visible ellipsis."""
    if utf16_length(text) <= limit:
        return text
    space = limit - len(_ELLIPSIS)
    end = 0
    for character in text:
        space -= utf16_length(character)
        if space < 0:
            break
        end += 1
    return text[:end].rstrip(_JOINERS + " ") + _ELLIPSIS


def plain(text: str, limit: int) -> str:
    """`text` on one line, at most `limit` UTF-16 code units long, without what disturbs the text
    around it: control and format characters, bidirectional overrides, invisible letters, stacks of
    combining marks. Text in a right-to-left script is isolated, so that it cannot reorder numbers
    beside it: what `isolated` has isolated by itself, in a sentence each name, anything else as a whole. `BLANK` if nothing visible
    is left; an empty text stays empty.
    """
    return _shown(_without_disturbance(text), limit)


def plain_markdown(text: str, limit: int) -> str:
    """`plain` text so escaped that Discord and CommonMark show it as it is: no emphasis, links,
    mentions, lists, quotes, headings or timestamps, and no addresses made into links.

    Args:
        limit: In UTF-16 code units, escapes included; a cut never splits an escape.
    """
    cleaned = _without_disturbance(text)
    space = limit
    while utf16_length(escaped := _escape(_shown(cleaned, space))) > limit:
        # Taking away n characters takes away between n and 2n of what is too much.
        space -= (utf16_length(escaped) - limit + 1) // 2
    return escaped


def isolated(name: str) -> str:
    """A name as a part of a longer text: one in a right-to-left script turns around nothing beside it."""
    name = "".join(each for each in name if each not in _ISOLATES)
    return f"{_FIRST_STRONG_ISOLATE}{name}{_POP_ISOLATE}" if _is_from_right_to_left(name) else name


def _shown(cleaned: str, limit: int) -> str:
    cleaned = clip(cleaned, limit - 2)
    cleaned += _POP_ISOLATE * (cleaned.count(_FIRST_STRONG_ISOLATE) - cleaned.count(_POP_ISOLATE))
    if not _is_from_right_to_left(_ISOLATED.sub("", cleaned)):
        return cleaned  # or each of them is isolated by itself
    # In a sentence of ours each name by itself, if there is space for that: else whatever stands after it
    # would belong to it.
    sentence = _FOREIGN_WORDS.sub(lambda words: isolated(words[0]), cleaned)
    fits = utf16_length(sentence) <= limit and _FIRST_STRONG_ISOLATE not in cleaned
    return sentence if fits and _begins_from_left(cleaned) else isolated(cleaned)


def _begins_from_left(text: str) -> bool:
    strong = (unicodedata.bidirectional(character) for character in text)
    return next((each for each in strong if each in {"L", "R", "AL"}), "L") == "L"


def _is_from_right_to_left(text: str) -> bool:
    return any(unicodedata.bidirectional(character) in {"R", "AL", "AN"} for character in text)


def _escape(text: str) -> str:
    # A backslash before any ASCII punctuation is an escape in both dialects.
    return _LINE_START.sub(r"\1\\", _MARKUP.sub(r"\\\g<0>", text))


def _without_disturbance(text: str) -> str:
    """Empty only if `text` is. Of isolates those are left that `isolated` makes: in pairs, with
    something between them, and none inside another.
    """
    kept: list[str] = []
    end = 0
    for part in _ISOLATED.finditer(text):
        kept.append(_cleaned(text[end : part.start()]))
        inside = _cleaned(part[0]).strip(" " + _JOINERS)
        kept.append(f"{_FIRST_STRONG_ISOLATE}{inside}{_POP_ISOLATE}" if inside else "")
        end = part.end()
    kept.append(_cleaned(text[end:]))
    visible = " ".join("".join(kept).split()).strip(_JOINERS)
    return visible or (BLANK if text else "")


def _cleaned(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for character in text:
        if character.isspace():
            kept.append(" ")
        elif _is_invisible(character):
            continue
        elif character in _JOINERS or unicodedata.category(character) in {"Mn", "Me"}:
            # Without a character before it, it would attach itself to our own text.
            if kept and kept[-1] != " " and marks < _MOST_MARKS:
                kept.append(character)
                marks += 1
        else:
            kept.append(character)
            marks = 0
    return "".join(kept)


def _is_invisible(character: str) -> bool:
    if character in _JOINERS:
        return False
    return character in _INVISIBLE or unicodedata.category(character) in {"Cc", "Cf", "Cs"}
