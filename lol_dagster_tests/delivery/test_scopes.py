"""Names of circuit breakers and send buckets, there and back."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from lol_dagster.delivery.scopes import CALLS, Call, channel_of, channel_scope, channel_scope_column
from lol_dagster.storage.models import Channel
from lol_dagster_tests._support.roster_rows import make_channel, make_team

NAMES: list[tuple[str, Call]] = [
    ("channel:{}", "post"), ("channel:{}:edit", "edit"), ("channel:{}:scan", "scan"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "call"), NAMES)
def test_a_channel_has_a_scope_for_each_kind_of_call(database, name: str, call: Call) -> None:
    assert channel_scope(12, call) == name.format(12)
    assert channel_of(name.format(12)) == (12, call)
    with database.writing() as session:
        channel = make_channel(session, make_team(session))
        said = session.scalar(select(channel_scope_column(call)).where(Channel.id == channel.id))
        assert said == name.format(channel.id)


def test_a_channels_own_scope_is_that_of_its_posts() -> None:
    assert channel_scope(12) == "channel:12"


def test_each_kind_of_call_is_tried() -> None:
    assert {call for _, call in NAMES} == set(CALLS)


@pytest.mark.parametrize(
    "scope", ["discord-token", "service:Discord", "channel:", "channel:x", "token:12", "12", ""]
)
def test_other_scopes_are_of_no_channel(scope: str) -> None:
    assert channel_of(scope) is None
