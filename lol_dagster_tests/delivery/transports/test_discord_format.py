"""A message as Discord takes it: within its limits, as Discord's own description has it, and read as
Discord would, with patterns of its parser: the checks know nothing of how the renderer escapes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from jsonschema import Draft202012Validator

from lol_dagster.delivery.transports import discord_format
from lol_dagster.messages.content import Icon, Line, MessageContent, Moment, Section
from lol_dagster_tests._support.hostile_content import (
    EMOJIS,
    MESSAGES_OF_OTHERS,
    ORDINARY_NAMES,
    assert_nothing_hidden,
    contents,
    crowded,
    on_hostile_contents,
    units,
)

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
    body = discord_format.render(content, "0a-1.7", EMOJIS)
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
    ours = {line.when.at for part in content.sections for line in part.lines if line.when}
    for at in ours:
        description = description.replace(f"<t:{at}:d> <t:{at}:t>", "2026-08-01 20:00")
    for emoji in EMOJIS.values():
        description = re.sub(rf"^{emoji} ?", "", description, flags=re.MULTILINE)
    assert_discord_shows_it_as_it_is(description)
    assert_discord_shows_it_as_it_is(embed["title"])


def test_a_message_has_a_body_like_this():
    ann = Line("Ann", ("Jinx", "10/2/8"), ("KDA 9.0",), ("pentakill",))
    content = MessageContent(
        title="Victory · Ranked_Solo",
        summary="Ann won",
        sections=(
            Section((ann, Line("Bob", ("Vi",))), heading="Blue side"),
            Section((Line("Cid", ("Ashe",)),)),
        ),
        url="https://example.org/match/5",
        tone="good",
        footer="EUW1_5",
        more=2,
    )
    assert discord_format.render(content, "0a-1.7") == {
        "embeds": [
            {
                "title": "Victory · Ranked\\_Solo",
                "url": "https://example.org/match/5?d=0a-1.7",
                "color": 0x2E9E5B,  # green
                "description": (
                    "### Blue side\n**Ann** · Jinx · 10/2/8\nKDA 9.0\n⭐ pentakill\n"
                    "**Bob** · Vi\n**Cid** · Ashe\n… and 2 more"
                ),
                "footer": {"text": "EUW1_5"},  # Discord parses nothing there
            }
        ],
        "allowed_mentions": {"parse": []},
    }


def test_the_shortest_message_has_a_title_and_a_link_for_its_marker():
    assert discord_format.render(MessageContent("t", "s"), "m.1")["embeds"] == [
        {"title": "t", "url": "https://www.leagueoflegends.com/?d=m.1", "color": 0x7A8594}
    ]


@pytest.mark.parametrize(
    ("tone", "colour"),
    [("good", 0x2E9E5B), ("bad", 0xD0433A), ("mixed", 0xC99A2E), ("neutral", 0x7A8594)],
)
def test_a_tone_has_its_colour(tone, colour):
    (embed,) = discord_format.render(MessageContent("t", "s", tone=tone), "m.1")["embeds"]
    assert embed["color"] == colour


def test_a_description_may_be_just_as_long_as_it_may_be():
    # 4,096 less the longest closing line that there can be, "… and 21 more" of 13, are 4,083. A line of a
    # lead of 195 letters takes **…** and its end, 200: twenty of them 4,000, and one of 78 the rest.
    lines = (*(Line(lead="x" * 195) for _ in range(20)), Line(lead="y" * 78))
    content = MessageContent("t", "s", (Section(lines),))
    (embed,) = discord_format.render(content, "m.1")["embeds"]
    assert embed["description"].endswith(f"**{'y' * 78}**")
    longer = MessageContent("t", "s", (Section((*lines[:-1], Line(lead="y" * 79))),))
    (embed,) = discord_format.render(longer, "m.1")["embeds"]
    assert embed["description"].endswith("\n… and 1 more")


def test_a_moment_is_shown_to_each_reader_in_their_own_zone():
    # https://docs.discord.com/developers/reference#message-formatting-timestamp-styles: d is a short
    # date, t a short time.
    line = Line("Victory", ("ARAM",), ("Ann",), when=Moment(1785614400, "Sat 1 Aug 16:00"))
    assert description_of(line) == "**Victory** · ARAM\n<t:1785614400:d> <t:1785614400:t> · Ann"


def test_what_is_left_out_is_said_in_the_messages_language():
    content = MessageContent("t", "s", (Section((Line("Ann"),)),), more=3, language="de")
    (embed,) = discord_format.render(content, "m.1")["embeds"]
    assert embed["description"].endswith("\n… und 3 weitere")


def test_the_last_marker_of_a_link_is_ours():
    # A game's page could have a `d` of its own.
    message = {"embeds": [{"url": "https://example.org/?d=other.1&d=0a.3"}]}
    assert discord_format.read_marker(message) == ("0a", 3)


def description_of(line: Line) -> str:
    content = MessageContent("t", "s", (Section((line,)),))
    description: str = discord_format.render(content, "m.1")["embeds"][0]["description"]
    return description


@pytest.mark.parametrize("name", ORDINARY_NAMES)
def test_ordinary_names_are_shown_as_they_are(name):
    assert description_of(Line(lead=name)) == f"**{name}**"


def test_a_right_to_left_name_cannot_reorder_the_figures_beside_it():
    line = Line(lead="דנה", facts=("10/2/8",))
    assert description_of(line) == "**\u2068דנה\u2069** · 10/2/8"


def test_a_name_of_invisible_characters_is_shown_as_blank():
    assert description_of(Line(lead="\u3164\u3164\u200b")) == "**(?)**"


def test_an_overlong_name_is_cut_with_a_visible_ellipsis_and_no_half_escape():
    content = MessageContent("*" * 300, "s")
    title = discord_format.render(content, "m.1")["embeds"][0]["title"]
    assert title == "\\*" * 127 + "…"  # 127 * 2 + 1 = 255: one more would be 257


def test_lines_that_are_left_out_are_counted():
    line = Line(lead="x" * 150, facts=("y" * 150,))  # "**…** · …": 2 + 150 + 2 + 3 + 150 = 307
    content = MessageContent("t", "s", (Section((line,) * 30),), more=2)
    rows = discord_format.render(content, "m.1")["embeds"][0]["description"].split("\n")
    # 13 * 308 = 4,004 fit into 4,096 beside the closing line; 14 would be 4,312.
    assert len(rows) == 14
    assert rows[-1] == "… and 19 more"  # 30 - 13 + 2


def test_the_link_keeps_its_own_query_beside_the_marker():
    content = MessageContent("t", "s", url="https://example.org/match?id=5#top")
    url = discord_format.render(content, "0a.3")["embeds"][0]["url"]
    assert url == "https://example.org/match?id=5&d=0a.3#top"


@pytest.mark.parametrize("message", MESSAGES_OF_OTHERS)
def test_messages_of_others_have_no_marker(message):
    assert discord_format.read_marker(message) is None


@pytest.fixture(scope="module")
def message_create_request(shared_dir: Path) -> Draft202012Validator:
    path = shared_dir / "discord" / "openapi.json"
    api: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Draft202012Validator(
        {
            "$ref": "#/components/schemas/MessageCreateRequest",
            "components": api["components"],
        }
    )


def test_the_description_tells_bad_bodies_apart(message_create_request):
    assert not message_create_request.is_valid({"embeds": [{"title": 5}]})
    assert not message_create_request.is_valid({"embeds": [{"title": "x" * 257}]})


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=contents)
@example(content=crowded)
def test_every_body_is_one_that_discord_describes(message_create_request, content):
    body = {**discord_format.render(content, "m.1"), "nonce": "n" * 22, "enforce_nonce": True}
    message_create_request.validate(body)


def test_an_icon_stands_before_the_lead_and_a_moment_below_it() -> None:
    when = Moment(1785614400, "20:00")
    lines = (
        Line("Ann", ("Ahri",), icon=Icon(103, "Ahri")),
        Line("Bob", ("Annie",), icon=Icon(1, "Annie")),  # whose icon is not known
        Line("Zoe", icon=Icon(103, "Ahri"), when=when),
    )
    content = MessageContent("t", "s", (Section(lines, heading="Games"),))
    body = discord_format.render(content, "0a-1.7", {103: "<:lol_Ahri:7>"})
    time = "<t:1785614400:d> <t:1785614400:t>"
    assert body["embeds"][0]["description"].split("\n") == [
        "### Games",
        "<:lol_Ahri:7> **Ann** · Ahri",
        "**Bob** · Annie",
        "<:lol_Ahri:7> **Zoe**",
        time,
    ]


@pytest.mark.parametrize("url", ["https://lol/", "https://lol/?other=0b-1.7", None, 7])
def test_an_address_without_a_marker_is_none_of_ours(url: object) -> None:
    assert discord_format.read_marker({"embeds": [{"url": url}]}) is None
