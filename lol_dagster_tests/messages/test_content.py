"""The content of a message, for no particular service."""

from __future__ import annotations

import json

from lol_dagster.messages.content import MessageContent
from lol_dagster_tests._support.hostile_content import on_hostile_contents


@on_hostile_contents
def test_content_survives_json_and_its_hash_is_of_its_meaning(content):
    again = MessageContent.from_json(json.loads(json.dumps(content.to_json())))
    assert again == content
    assert again.content_hash() == content.content_hash()
    other = MessageContent.from_json({**content.to_json(), "footer": content.footer + "x"})
    assert other.content_hash() != content.content_hash()
