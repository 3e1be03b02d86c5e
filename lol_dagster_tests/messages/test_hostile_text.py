"""Names and other text may hold anything: nothing pings, breaks markup, hides or overflows.

The checks know nothing of how the renderers escape. They read what was rendered as the platforms
would: CommonMark with a real parser, Discord's own additions with patterns of Discord's parser,
Slack's rich text as a tree.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from lol_dagster.delivery.transports import discord_format, slack_format
from lol_dagster.messages import text
from lol_dagster.messages.content import Line, MessageContent, Section

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
)
_huge = tuple(nasty * 20 for nasty in NASTY)
crowded = MessageContent(
    title="t",
    summary=_huge[3],
    sections=(
        Section(tuple(Line(nasty, _huge, _huge, _huge) for nasty in _huge), heading=_huge[0]),
        Section((Line("x" * 300, ("y" * 300,)),) * 100, heading=_huge[6]),
    ),
    more=5,
)


def everywhere(nasty: str) -> MessageContent:
    line = Line(nasty, (nasty, nasty), (nasty,), (nasty,))
    return MessageContent(nasty, nasty, (Section((line, line), nasty),), footer=nasty)


def on_hostile_contents(test: Callable[[MessageContent], None]) -> Callable[[], None]:
    """Every nasty text everywhere, an overfull message, and whatever hypothesis thinks of."""
    run = given(contents)(test)
    for content in [crowded, *map(everywhere, NASTY)]:
        run = example(content)(run)
    return settings(deadline=None, max_examples=60)(run)


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


UNESCAPED_IN_DISCORD = re.compile(
    r"""@everyone|@here            # mentions
    |<(?:@[!&]?|\#)\d+>            # of people, roles, channels
    |<a?:\w+:\d+>|:[^\s:]+:        # emoji
    |<t:-?\d+(?::\w)?>|</|<id:     # timestamps, commands, guild pages
    |https?://|www\.               # addresses
    |\]\(                          # masked links
    |[`|~<]|\*|_                   # code, spoilers, strikes, emphasis
    """,
    re.VERBOSE,
)


def assert_discord_shows_it_as_it_is(description: str) -> None:
    # What is escaped is text, whatever follows; what is left is the renderer's own markup.
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "§", description)
    assert "\\" not in bare
    for row in bare.split("\n"):
        own = re.sub(r"^\*\*([^*]+)\*\*", r"\1", row.removeprefix("### "))
        assert not UNESCAPED_IN_DISCORD.search(own), own
        if own == row:
            assert not re.match(r"[#>]|[-+*] |-#|\d+\. ", row), row


@on_hostile_contents
def test_discord_bodies_keep_every_limit_and_show_text_as_it_is(content):
    body = discord_format.render(content, "0a-1.7")
    (embed,) = body["embeds"]
    description = embed.get("description", "")
    footer = embed.get("footer", {}).get("text", "")
    assert 0 < units(embed["title"]) <= 256
    assert units(description) <= 4096
    assert units(footer) <= 2048
    assert units(embed["title"]) + units(description) + units(footer) <= 6000
    assert body["allowed_mentions"] == {"parse": []}
    assert discord_format.read_marker(json.loads(json.dumps(body))) == ("0a-1", 7)
    for shown in (embed["title"], description, footer):
        assert_nothing_hidden(shown)
    assert_discord_shows_it_as_it_is(description)
    assert_discord_shows_it_as_it_is(embed["title"])


@on_hostile_contents
def test_slack_bodies_keep_every_limit_and_parse_nothing(content):
    body = slack_format.render(content, "0a-1.7")
    assert len(body["blocks"]) <= 50
    assert len(body["blocks"][0]["block_id"]) <= 255
    total = units(body["text"])
    for block in body["blocks"]:
        # plain_text and rich text's own elements are the two that Slack does not parse.
        assert block["type"] in {"rich_text", "context"}
        for element in block["elements"]:
            assert element["type"] in {"rich_text_section", "plain_text"}
            for inner in element.get("elements", []):
                assert inner["type"] in {"text", "link"}
                assert inner["text"]
                assert inner.get("url") in {None, content.url}
        length = sum(units(part) for part in _texts(block))
        assert length <= 2900
        total += length
    assert total <= 12_000
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", body["text"])
    assert slack_format.read_marker(json.loads(json.dumps(body))) == ("0a-1", 7)
    for shown in strings(body["blocks"]):
        assert_nothing_hidden(shown)


def _texts(block: Any) -> list[str]:
    if isinstance(block, dict):
        own = [block["text"]] if isinstance(block.get("text"), str) else []
        return own + [found for value in block.values() for found in _texts(value)]
    return [found for item in block for found in _texts(item)] if isinstance(block, list) else []


commonmark = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@on_hostile_contents
def test_the_preview_has_no_markup_but_its_own(content):
    for token in commonmark.parse(text.markdown(content)):
        assert token.type in {"paragraph_open", "inline", "paragraph_close"}
        for child in token.children or []:
            assert child.type in {
                "text", "text_special", "hardbreak", "strong_open", "strong_close",
                "link_open", "link_close",
            }  # fmt: skip
            if child.type == "link_open":
                assert child.attrs["href"] == content.url


@pytest.mark.parametrize(
    "name",
    [
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
    ],
)
def test_ordinary_names_are_shown_as_they_are(name):
    content = MessageContent("t", "s", (Section((Line(lead=name),)),))
    assert discord_format.render(content, "m.1")["embeds"][0]["description"] == f"**{name}**"
    assert {"type": "text", "text": name, "style": {"bold": True}} in (
        slack_format.render(content, "m.1")["blocks"][1]["elements"][0]["elements"]
    )


def test_a_right_to_left_name_cannot_reorder_the_figures_beside_it():
    content = MessageContent("t", "s", (Section((Line(lead="דנה", facts=("10/2/8",)),)),))
    description = discord_format.render(content, "m.1")["embeds"][0]["description"]
    assert description == "**\u2068דנה\u2069** · 10/2/8"


def test_a_name_of_invisible_characters_is_named_blank():
    content = MessageContent("t", "s", (Section((Line(lead="\u3164\u3164\u200b"),)),))
    assert discord_format.render(content, "m.1")["embeds"][0]["description"] == "**(blank)**"


def test_an_overlong_name_is_cut_with_a_visible_ellipsis_and_no_half_escape():
    content = MessageContent("*" * 300, "s")
    title = discord_format.render(content, "m.1")["embeds"][0]["title"]
    assert title == "\\*" * 127 + "…"  # 127 * 2 + 1 = 255: one more would be 257


def test_what_has_no_room_is_counted():
    line = Line(lead="x" * 150, facts=("y" * 150,))  # "**…** · …": 2 + 150 + 2 + 3 + 150 = 307
    content = MessageContent("t", "s", (Section((line,) * 30),), more=2)
    rows = discord_format.render(content, "m.1")["embeds"][0]["description"].split("\n")
    # 13 * 308 = 4,004 fit into 4,096 beside the closing line; 14 would be 4,312.
    assert len(rows) == 14
    assert rows[-1] == "… and 19 more"  # 30 - 13 + 2


def test_slack_splits_a_long_section_into_blocks_and_counts_what_has_no_room():
    line = Line(lead="x" * 190, facts=("y" * 190,))
    content = MessageContent("t", "s", (Section((line,) * 60),))
    blocks = slack_format.render(content, "m.1")["blocks"]
    shown = sum(text == "x" * 190 for text in strings(blocks))
    assert 15 < shown < 60
    assert strings(blocks[-1])[-1] == f"… and {60 - shown} more"


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"embeds": []},
        {"embeds": [{}]},
        {"embeds": [{"url": "https://example.org/?d=nonsense"}]},
        {"embeds": [{"url": "https://example.org/?d=a.1.2"}]},
        {"embeds": [{"url": "http://[bad"}]},
        {"embeds": "x", "blocks": [], "metadata": None},
        {"blocks": [{"block_id": "Xy7="}], "metadata": {"event_type": "other"}},
        {"metadata": {"event_type": "lol_dagster_message"}},
    ],
)
def test_messages_of_others_have_no_marker(message):
    assert discord_format.read_marker(message) is None
    assert slack_format.read_marker(message) is None


def test_slack_s_marker_is_found_where_metadata_may_not_be_read():
    body = slack_format.render(MessageContent("t", "s"), "0a.3")
    assert slack_format.read_marker({"blocks": body["blocks"]}) == ("0a", 3)
    assert slack_format.read_marker({"metadata": body["metadata"]}) == ("0a", 3)


def test_the_link_keeps_its_own_query_beside_the_marker():
    content = MessageContent("t", "s", url="https://example.org/match?id=5#top")
    url = discord_format.render(content, "0a.3")["embeds"][0]["url"]
    assert url == "https://example.org/match?id=5&d=0a.3#top"


@on_hostile_contents
def test_content_survives_json_and_its_hash_is_of_its_meaning(content):
    again = MessageContent.from_json(json.loads(json.dumps(content.to_json())))
    assert again == content
    assert again.content_hash() == content.content_hash()
    other = MessageContent.from_json({**content.to_json(), "footer": content.footer + "x"})
    assert other.content_hash() != content.content_hash()
