"""Discord's own description of Create Message accepts every body."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from jsonschema import Draft202012Validator

from lol_dagster.delivery.transports import discord_format
from lol_dagster_tests.messages.test_hostile_text import contents, crowded


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


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=contents)
@example(content=crowded)
def test_every_body_is_one_that_discord_describes(message_create_request, content):
    body = {**discord_format.render(content, "m.1"), "nonce": "n" * 22, "enforce_nonce": True}
    message_create_request.validate(body)
