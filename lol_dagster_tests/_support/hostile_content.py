"""Text that people may have typed anywhere: it pings, breaks markup, hides or overflows if it can."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from lol_dagster.messages.content import Icon, Line, MessageContent, Moment, Section

NASTY = [
    "@everyone",
    "<@123456789012345678> <@&1> <#5> <!channel> <!here> <@U024BE7LH>",
    "**bold** __under__ _it_ ~~gone~~ ||spoiler|| `code` ```\nblock\n```",
    "[click](https://evil.example/x) ![img](http://evil.example/y)",
    "https://evil.example www.evil.example discord.gg/abc mailto:a@b.example",
    "<https://evil.example|Riot> <t:0:R> <:kappa:123456789012345678> </ban:1> <id:customize>",
    "# heading\n> quote\n- list\n1. one\n-# small\n===",
    ":thumbsup: &lt;b&gt; &amp; <b>x</b> <!-- x -->",
    "back\\slash \\",
    "\u202eevil\u202c \u2066x\u2069 \u200e\u200f\ufeff\u200b",
    "\u3164\u2800\u115f",  # what invisible names are made of
    "\x00\x07\x1b[31m\x7f\x85",
    "Z" + "\u0301" * 60,
    "ツ" * 300,
    "𝕬𝖓𝖓" * 200,
    "\ud800 lone surrogate",
]

ORDINARY_NAMES = [
    "Ann",
    "Jörg",
    "귀여운 토끼",
    "Кот",
    "太郎",
    "Zoë van 't Hoff",
    "Nunu & Willump",
    "A.B.C",
    "👨‍👩‍👧",
    "x-y",
]

MESSAGES_OF_OTHERS: list[dict[str, Any]] = [
    {},
    {"embeds": []},
    {"embeds": [{}]},
    {"embeds": [{"url": "https://example.org/?d=nonsense"}]},
    {"embeds": [{"url": "https://example.org/?d=a.1.2"}]},
    {"embeds": [{"url": "http://[bad"}]},
    {"embeds": "x", "blocks": [], "metadata": None},
    {"blocks": [{"block_id": "Xy7="}], "metadata": {"event_type": "other"}},
    {"metadata": {"event_type": "lol_dagster_message"}},
]
"""As Discord or Slack would return them: none has a marker of ours."""

anything = st.one_of(
    st.sampled_from(NASTY),
    st.text(min_size=1, max_size=30),
    st.text(alphabet=st.sampled_from("*_~`|<>[]()#@:&!\\/.-+=1 \n\u202eaé\u3164:"), max_size=30),
    st.text(min_size=1, max_size=3).map(lambda part: part * 500),
    st.lists(st.sampled_from(NASTY), min_size=2, max_size=3).map("".join),
)
lines = st.builds(
    Line,
    lead=anything,
    facts=st.lists(anything, max_size=4).map(tuple),
    details=st.lists(anything, max_size=3).map(tuple),
    highlights=st.lists(anything, max_size=3).map(tuple),
    rank=anything,
    when=st.none() | st.builds(Moment, at=st.integers(0, 2**33), text=anything.filter(bool)),
    icon=st.none() | st.builds(Icon, champion_id=st.integers(1, 3), champion=anything),
)
contents = st.builds(
    MessageContent,
    title=anything.filter(bool),
    summary=anything,
    sections=st.lists(
        st.builds(Section, lines=st.lists(lines, max_size=6).map(tuple), heading=anything),
        max_size=4,
    ).map(tuple),
    url=st.sampled_from([None, "https://www.leagueofgraphs.com/match/euw/1"]),
    tone=st.sampled_from(["good", "bad", "mixed", "neutral"]),
    footer=anything,
    more=st.integers(0, 1000),
    language=st.sampled_from(["en", "de"]),
)
_huge = tuple(nasty * 20 for nasty in NASTY)
EMOJIS = {1: f"<:lol_{'Longest' * 4}:{'1' * 20}>", 2: "<:lol_Vi:123456789012345678>"}
IMAGES = {1: "https://ddragon.example/cdn/1.png", 2: "https://ddragon.example/cdn/2.png"}
"""Known icons; that of the third champion is not."""
crowded = MessageContent(
    title="t",
    summary=_huge[3],
    sections=(
        Section(tuple(Line(nasty, _huge, _huge, _huge) for nasty in _huge), heading=_huge[0]),
        Section((Line("x" * 300, ("y" * 300,)),) * 100, heading=_huge[6]),
    ),
    more=5,
)
full_of_icons = MessageContent(
    title="t",
    summary="s",
    sections=(Section((Line("x", icon=Icon(1, "x")),) * 12, heading=_huge[0]),) * 30,
)


def everywhere(nasty: str) -> MessageContent:
    line = Line(nasty, (nasty, nasty), (nasty,), (nasty,), icon=Icon(1, nasty))
    return MessageContent(nasty, nasty, (Section((line, line), nasty),), footer=nasty)


def on_hostile_contents(test: Callable[[MessageContent], None]) -> Callable[[], None]:
    """Every nasty text everywhere, an overfull message, and whatever hypothesis thinks of."""
    run = given(contents)(test)
    for content in [crowded, full_of_icons, *map(everywhere, NASTY)]:
        run = example(content)(run)
    return settings(max_examples=60)(run)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def strings(value: Any) -> list[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [found for item in value.values() for found in strings(item)]
    if isinstance(value, list):
        return [found for item in value for found in strings(item)]
    return []


def assert_nothing_hidden(text: str) -> None:
    """No control characters, no overrides; isolates come in pairs; few marks in a row."""
    depth = 0
    for character in text.replace("\n", ""):
        depth += (character == "\u2068") - (character == "\u2069")
        assert depth in {0, 1}
        if character not in "\u2068\u2069\u200c\u200d":
            assert unicodedata.category(character) not in {"Cc", "Cf", "Cs"}
    assert depth == 0
    assert not re.search(r"[\u0300-\u036f]{5}", text)
