"""What circuit breakers and send buckets are kept for: the names of their scopes."""

from __future__ import annotations

from typing import Literal, get_args

from sqlalchemy import ColumnElement, String, cast, literal

from lol_dagster.storage.models import Channel

Call = Literal["post", "edit", "scan"]
"""Kinds of call: a POST; a PATCH with the reading of the one message that it is about; a search of the
channel's history."""
CALLS: tuple[Call, ...] = get_args(Call)


def channel_scope(channel_id: int, call: Call = "post") -> str:
    """Of a channel's circuit breaker and send bucket for a kind of call."""
    return f"channel:{channel_id}{'' if call == 'post' else f':{call}'}"


def channel_scope_column(call: Call) -> ColumnElement[str]:
    """The same of a row of channels, as SQL."""
    scope = literal("channel:") + cast(Channel.id, String)
    return scope if call == "post" else scope + literal(":") + literal(call)


def channel_of(scope: str) -> tuple[int, Call] | None:
    """Of which channel and kind of call a scope is; None: of none, as that of a token."""
    what, _, rest = scope.partition(":")
    number, _, call = rest.partition(":")
    if what != "channel" or not number.isdigit():
        return None
    return int(number), next((each for each in CALLS if each == call), "post")
