"""The content of a message, for no particular service."""

from __future__ import annotations

import hashlib
import json

from lol_dagster.messages.content import Line, MessageContent, Moment, Section
from lol_dagster_tests._support.hostile_content import on_hostile_contents


@on_hostile_contents
def test_content_survives_json_and_its_hash_is_of_its_meaning(content):
    again = MessageContent.from_json(json.loads(json.dumps(content.to_json())))
    assert again == content
    assert again.content_hash() == content.content_hash()
    other = MessageContent.from_json({**content.to_json(), "footer": content.footer + "x"})
    assert other.content_hash() != content.content_hash()


def test_a_hash_is_the_same_in_each_version():
    """Otherwise every message that is kept would seem to have been changed, and be edited."""
    canonical = (
        '{"footer":"","more":0,"sections":[],"summary":"s","title":"t","tone":"neutral","url":null}'
    )
    expected = hashlib.sha256(canonical.encode()).hexdigest()
    assert MessageContent("t", "s").content_hash() == expected
    with_a_line = canonical.replace(
        '"sections":[]',
        '"sections":[{"heading":"","lines":[{"details":[],"facts":[],"highlights":[],"lead":"Ann"}]}]',
    )
    content = MessageContent("t", "s", (Section((Line("Ann"),)),))
    assert content.content_hash() == hashlib.sha256(with_a_line.encode()).hexdigest()


def test_another_language_or_moment_is_another_content():
    def content(text: str, language: str) -> MessageContent:
        line = Line("Ann", when=Moment(1785614400, text))
        return MessageContent("t", "s", (Section((line,)),), language=language)

    first = content("Sat 1 Aug 20:00", "en")
    assert len({first.content_hash(), content("Sat 1 Aug 22:00", "en").content_hash(),
                content("Sat 1 Aug 20:00", "de").content_hash()}) == 3  # fmt: skip
    for each in (first, content("Sa., 1. Aug. 20:00", "de")):
        assert MessageContent.from_json(each.to_json()) == each
