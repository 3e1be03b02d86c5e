"""What Discord's bot and webhooks have in common, one decision at a time; what its answers come to: test_answers.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lol_dagster.delivery.model import Absent
from lol_dagster.delivery.transports.base import Reply
from lol_dagster.delivery.transports.discord_api import answer_to, is_alike, snowflake

BODY = {"embeds": [{"title": "Victory", "description": "Ann"}]}
CARD = {"filename": "card.png"}


@pytest.mark.parametrize(
    ("message", "may_be_ours"),
    [
        ({}, True),  # a moderator can take the embeds away, and there is nothing else in ours
        ({"embeds": []}, True),
        ({"embeds": [{"title": "Victory"}]}, True),
        ({"embeds": [{"title": "Defeat"}]}, False),
        ({"embeds": [{"description": "Ann"}]}, True),
        ({"embeds": ["no object"]}, True),
        ({"attachments": [CARD]}, True),  # the picture stays
        ({"attachments": [CARD, {"filename": "cat.png"}]}, False),
        ({"content": "Hello"}, False),
        ({"type": 0}, True),
        ({"type": 7}, False),  # "Bob has joined"
    ],
)
def test_a_message_without_a_marker_may_be_ours_by_what_is_left_of_it(
    message: dict[str, Any], may_be_ours: bool
) -> None:
    assert is_alike(message, BODY) is may_be_ours


def test_a_body_without_embeds_has_no_title_to_be_known_by() -> None:
    assert not is_alike({"embeds": [{"title": "Victory"}]}, {})
    assert is_alike({}, {})


def test_a_snowflake_holds_the_milliseconds_since_2015() -> None:
    first = datetime(2015, 1, 1, tzinfo=UTC)
    assert snowflake(first) == "0"
    assert snowflake(first - timedelta(days=1)) == "0"
    assert snowflake(first + timedelta(milliseconds=3)) == str(3 * 2**22)


@pytest.mark.parametrize(("said", "code"), [(50013, "50013"), ("50013", None), (None, None)])
def test_a_code_is_kept_if_it_is_one(said: object, code: str | None) -> None:
    kept = answer_to(Reply(418, {}, b"", {"code": said}, 0.25), Absent())
    assert (kept.http_status, kept.code, kept.elapsed_s) == (418, code, 0.25)
