"""A message as Slack takes it: within its limits, and read as Slack would, as a tree of which only
`text` is parsed.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from lol_dagster.delivery.transports import slack_format
from lol_dagster.delivery.transports.base import Picture, html_icon
from lol_dagster.messages.content import Icon, Line, MessageContent, Moment, Section
from lol_dagster_tests._support.hostile_content import (
    IMAGES,
    MESSAGES_OF_OTHERS,
    ORDINARY_NAMES,
    assert_nothing_hidden,
    on_hostile_contents,
    strings,
    units,
)


@on_hostile_contents
def test_slack_bodies_keep_every_limit_and_parse_nothing(content):
    body = slack_format.render(content, "0a-1.7", IMAGES)
    assert len(body["blocks"]) <= 50
    assert len(body["blocks"][0]["block_id"]) <= 255
    total = units(body["text"])
    for block in body["blocks"]:
        # plain_text and rich text's own elements are the two that Slack does not parse.
        assert block["type"] in {"rich_text", "context"}
        if block["type"] == "context":
            assert len(block["elements"]) <= 10
        for element in block["elements"]:
            assert element["type"] in {"rich_text_section", "plain_text", "image"}
            if element["type"] == "image":
                assert element["image_url"] in IMAGES.values()
                assert 0 < units(element["alt_text"]) <= 2000
            for inner in element.get("elements", []):
                assert inner["type"] in {"text", "link", "date"}
                assert inner["fallback" if inner["type"] == "date" else "text"]
                assert inner.get("url") in {None, content.url}
        length = sum(units(part) for part in _texts(block))
        assert length <= 2900
        total += length
    assert total <= 12_000
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", body["text"])
    assert slack_format.read_marker(json.loads(json.dumps(body))) == ("0a-1", 7)
    for shown in strings(body["blocks"]):
        assert_nothing_hidden(shown)


def test_an_edit_has_its_picture_below_the_text_with_words_for_who_cannot_see_it():
    body = {"text": "Victory", "blocks": [{"type": "rich_text"}]}
    for alt, said in (("Ann\u202e won", "Ann won"), ("", slack_format.BLANK)):
        picture = Picture(b"png", alt, file_id="F1")
        shown = {"type": "image", "slack_file": {"id": "F1"}, "alt_text": said}
        assert slack_format.with_picture(body, picture) == {
            **body, "blocks": [*body["blocks"], shown],
        }  # fmt: skip
    assert slack_format.with_picture(body, Picture(b"png", "Ann won")) == body, "not uploaded"


def test_icons_stand_side_by_side_in_the_preview():
    lines = (Line("Ann", icon=Icon(1, "Annie")), Line("Bob", icon=Icon(2, "Olaf")))
    shown = slack_format.preview(
        MessageContent("Victory", "Victory", (Section(lines),)), "m", IMAGES
    )
    icons = f"{html_icon('Annie')} {html_icon('Olaf')}"
    assert f'<div class="block-context">{icons}</div>' in shown


def rich_text(*elements: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": list(elements)}],
    }


def plain(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def bold(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text, "style": {"bold": True}}


def test_a_message_has_a_body_like_this():
    ann = Line("Ann", ("Jinx", "10/2/8"), ("KDA 9.0",), ("pentakill",))
    content = MessageContent(
        title="Victory · Ranked_Solo",
        summary="Ann <won> & more",
        sections=(
            Section((ann, Line("Bob", ("Vi",))), heading="Blue side"),
            Section((Line("", ("1 win",)), Line("Cid", (), ("KDA 1.0",)), Line("Dora"))),
        ),
        url="https://example.org/match/5",
        tone="good",
        footer="EUW1_5",
        more=2,
    )
    title = rich_text(
        plain("🟢 "),
        {
            "type": "link",
            "url": "https://example.org/match/5",
            "text": "Victory · Ranked_Solo",
            "style": {"bold": True},
        },
    )
    footer = {"type": "plain_text", "text": "EUW1_5", "emoji": False}
    assert slack_format.render(content, "0a-1.7") == {
        "text": "Ann &lt;won&gt; &amp; more",
        "blocks": [
            {**title, "block_id": "0a-1.7"},
            rich_text(
                {"type": "text", "text": "Blue side\n", "style": {"bold": True, "italic": True}},
                bold("Ann"),
                plain(" · Jinx · 10/2/8\nKDA 9.0\n⭐ pentakill"),
                plain("\n"),
                bold("Bob"),
                plain(" · Vi"),
            ),
            rich_text(
                plain("1 win"),
                plain("\n"),
                bold("Cid"),
                plain("\nKDA 1.0"),
                plain("\n"),
                bold("Dora"),
            ),
            rich_text(plain("… and 2 more")),
            {"type": "context", "elements": [footer]},
        ],
        "metadata": {
            "event_type": "lol_dagster_message",
            "event_payload": {"delivery": "0a-1.7"},
        },
        # Nothing that somebody is called pings, links or unfolds.
        "parse": "none",
        "link_names": False,
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
    }


def test_the_shortest_message_is_its_title():
    blocks = slack_format.render(MessageContent("t", "s"), "m.1")["blocks"]
    assert blocks == [{**rich_text(plain("⚪ "), bold("t")), "block_id": "m.1"}]


def test_a_summary_is_short():
    body = slack_format.render(MessageContent("t", "s" * 400), "m.1")
    assert body["text"] == "s" * 297 + "…"  # 298 of 300, two being kept for isolates


def lines_of(size: int, number: int) -> tuple[Line, ...]:
    """Lines of so many units, the line break before all but the first included."""
    return tuple(
        Line(lead="x" * (size - 1 if index else size), facts=()) for index in range(number)
    )


def shown_blocks(*sections: Section) -> list[int]:
    """How many units each of the blocks below the title has."""
    blocks = slack_format.render(MessageContent("t", "s", sections), "m.1")["blocks"][1:]
    return [sum(units(part) for part in _texts(block)) for block in blocks]


def test_a_block_is_filled_up_to_what_slack_takes():
    # 29 lines of 100 make 2,900; the thirtieth begins a block.
    assert shown_blocks(Section(lines_of(100, 30))) == [2900, 100]
    assert shown_blocks(Section(lines_of(100, 29))) == [2900]


def test_all_lines_together_are_filled_up_to_what_slack_takes():
    # 8,000 are 80 lines of 100: 29 and 29 and 22. What is left out is counted in a block of its own.
    assert shown_blocks(Section(lines_of(100, 80))) == [2900, 2900, 2200]
    assert shown_blocks(Section(lines_of(100, 82))) == [2900, 2900, 2200, len("… and 2 more")]


def test_there_are_only_so_many_blocks():
    section = Section((Line(lead="x"),))
    assert shown_blocks(*[section] * 45) == [1] * 45
    assert shown_blocks(*[section] * 47) == [*[1] * 45, len("… and 2 more")]


def test_rows_of_icons_and_their_headings_are_blocks_too():
    section = Section((Line("x", icon=Icon(1, "Annie")),), heading="Games")
    for sections, blocks in ((15, 45), (16, 45 + 1)):  # and one that says how many are left out
        content = MessageContent("t", "s", (section,) * sections)
        _, *shown = slack_format.render(content, "0a-1.7", {1: "https://1"})["blocks"]
        assert len(shown) == blocks


@pytest.mark.parametrize(
    "message",
    [
        # Another program's metadata, or ours without a marker: the block's id still tells.
        {"metadata": {"event_type": "other", "event_payload": {"delivery": "0b.1"}}},
        {"metadata": {"event_type": "lol_dagster_message", "event_payload": {"delivery": 7}}},
        {"metadata": {"event_type": "lol_dagster_message", "event_payload": "0b.1"}},
        {"metadata": "0b.1"},
    ],
)
def test_metadata_that_says_nothing_leaves_the_block_to_say_it(message):
    assert slack_format.read_marker(message) is None
    assert slack_format.read_marker({**message, "blocks": [{"block_id": "0a.3"}]}) == ("0a", 3)


def test_only_the_first_block_bears_the_marker():
    message = {"blocks": [{"block_id": "x"}, {"block_id": "0a.3"}]}
    assert slack_format.read_marker(message) is None


def test_a_moment_is_shown_to_each_reader_in_their_own_zone():
    # https://docs.slack.dev/reference/block-kit/block-elements/date-element
    line = Line("Victory", (), ("Ann",), when=Moment(1785614400, "Sat 1 Aug 16:00"))
    content = MessageContent("t", "s", (Section((line,)),), more=3, language="de")
    _, shown, left_out = slack_format.render(content, "m.1")["blocks"]
    assert shown == rich_text(
        {"type": "text", "text": "Victory", "style": {"bold": True}},
        plain("\n"),
        {
            "type": "date",
            "timestamp": 1785614400,
            "format": "{date_short_pretty} {time}",
            "fallback": "Sat 1 Aug 16:00",
        },
        plain(" · Ann"),
    )
    assert left_out == rich_text(plain("… und 3 weitere"))


def _texts(block: Any) -> list[str]:
    if isinstance(block, dict):
        own = [block["text"]] if isinstance(block.get("text"), str) else []
        return own + [found for value in block.values() for found in _texts(value)]
    return [found for item in block for found in _texts(item)] if isinstance(block, list) else []


@pytest.mark.parametrize("name", ORDINARY_NAMES)
def test_ordinary_names_are_shown_as_they_are(name):
    content = MessageContent("t", "s", (Section((Line(lead=name),)),))
    assert {"type": "text", "text": name, "style": {"bold": True}} in (
        slack_format.render(content, "m.1")["blocks"][1]["elements"][0]["elements"]
    )


def test_a_long_section_is_split_into_blocks_and_lines_that_are_left_out_are_counted():
    line = Line(lead="x" * 190, facts=("y" * 190,))
    content = MessageContent("t", "s", (Section((line,) * 60),))
    blocks = slack_format.render(content, "m.1")["blocks"]
    shown = sum(text == "x" * 190 for text in strings(blocks))
    assert 15 < shown < 60
    assert strings(blocks[-1])[-1] == f"… and {60 - shown} more"


@pytest.mark.parametrize("message", MESSAGES_OF_OTHERS)
def test_messages_of_others_have_no_marker(message):
    assert slack_format.read_marker(message) is None


def test_the_marker_is_found_where_metadata_may_not_be_read():
    body = slack_format.render(MessageContent("t", "s"), "0a.3")
    assert slack_format.read_marker({"blocks": body["blocks"]}) == ("0a", 3)
    assert slack_format.read_marker({"metadata": body["metadata"]}) == ("0a", 3)


WHEN = Moment(1785614400, "20:00")
ANN = {"type": "text", "text": "Ann", "style": {"bold": True}}
DATE = {
    "type": "date", "timestamp": 1785614400, "format": "{date_short_pretty} {time}", "fallback": "20:00",
}  # fmt: skip


def text(words: str, **style: bool) -> dict[str, Any]:
    return {"type": "text", "text": words, **({"style": style} if style else {})}


@pytest.mark.parametrize(
    ("line", "elements"),
    [
        (Line("Ann"), [ANN]),
        (Line("Ann", ("a", "b"), rank="r"), [ANN, text(" · a · b\nr")]),
        (Line("Ann", details=("d",), highlights=("h",)), [ANN, text("\nd\n⭐ h")]),
        (Line("", ("a",)), [text("a")]),
        # A moment stands before the details.
        (Line("", when=WHEN), [DATE]),
        (Line("Ann", when=WHEN), [ANN, text("\n"), DATE]),
        (Line("Ann", ("a",), when=WHEN), [ANN, text(" · a"), text("\n"), DATE]),
        (
            Line("Ann", details=("d", "e"), highlights=("h",), when=WHEN),
            [ANN, text("\n"), DATE, text(" · d · e\n⭐ h")],
        ),
        (Line("Ann", highlights=("h",), when=WHEN), [ANN, text("\n"), DATE, text("\n⭐ h")]),
    ],
)
def test_a_line_is_its_lead_what_follows_it_and_the_rows_below(
    line: Line, elements: list[dict[str, Any]]
) -> None:
    body = slack_format.render(MessageContent("t", "s", (Section((line,)),)), "0a-1.7", {})
    assert body["blocks"][1] == rich_text(*elements)


@pytest.mark.parametrize("heading", ["Games", ""])
def test_icons_stand_in_a_row_between_a_sections_heading_and_its_lines(heading: str) -> None:
    lines = (Line("Ann", icon=Icon(1, "Annie")), Line("Bob", icon=Icon(9, "Nobody knows")), Line("Zoe", icon=Icon(2, "")))  # fmt: skip
    content = MessageContent("t", "s", (Section(lines, heading=heading),))
    body = slack_format.render(content, "0a-1.7", {1: "https://1", 2: "https://2"})
    _, *blocks = body["blocks"]
    above = [rich_text(text("Games\n", bold=True, italic=True))] if heading else []
    assert blocks[:-1] == [
        *above,
        {
            "type": "context",
            "elements": [
                {"type": "image", "image_url": "https://1", "alt_text": "Annie"},
                {"type": "image", "image_url": "https://2", "alt_text": slack_format.BLANK},
            ],
        },
    ]
    assert blocks[-1] == rich_text(
        ANN, text("\n"), text("Bob", bold=True), text("\n"), text("Zoe", bold=True)
    )
