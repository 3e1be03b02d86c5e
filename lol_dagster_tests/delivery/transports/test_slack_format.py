"""A message as Slack takes it: within its limits, and read as Slack would, as a tree of which only
`text` is parsed.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from lol_dagster.delivery.transports import slack_format
from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster_tests._support.hostile_content import (
    MESSAGES_OF_OTHERS,
    ORDINARY_NAMES,
    assert_nothing_hidden,
    on_hostile_contents,
    strings,
    units,
)


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
