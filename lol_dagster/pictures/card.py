"""What a card shows, in words and numbers: the picture is drawn from this alone."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

TEMPLATE_VERSION = 1
"""Grows with every change of how a card looks: a game that is processed again then gets the new picture."""


@dataclass(frozen=True)
class CardMember:
    """A member of the team, shown large."""

    name: str
    champion: str
    champion_id: int
    score: str
    """`12/3/9`."""
    facts: tuple[str, ...] = ()
    """Below the name, beside the champion."""
    points: str = ""
    """How the game moved the rank: `+21 LP`."""
    standing: str = ""
    """Where to: `Gold II 45 → 66`."""
    points_tone: str = "neutral"
    highlight: str = ""
    """What stood out."""
    is_mvp: bool = False


@dataclass(frozen=True)
class CardPlayer:
    """Anybody who took part, shown as a disc."""

    champion: str
    champion_id: int
    is_member: bool = False


@dataclass(frozen=True)
class CardSide:
    """Those who played together."""

    players: tuple[CardPlayer, ...]
    label: str = ""
    """`32` kills, or a place."""


@dataclass(frozen=True)
class Card:
    """One game from a team's side. Every text is plain, and may hold anything."""

    title: str
    subtitle: str
    tone: str
    """One of messages.content.Tone."""
    members: tuple[CardMember, ...]
    sides: tuple[CardSide, ...] = ()
    """The members' own first."""
    patch: str = ""
    """Of the game, `16.9`: whose champion icons are shown."""
    version: int = TEMPLATE_VERSION

    def to_json(self) -> dict[str, Any]:
        """As plain dicts, lists and strings; `from_json` takes it back."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return content

    @classmethod
    def from_json(cls, content: object) -> Card:
        """The inverse of `to_json`.

        Raises:
            pydantic.ValidationError: it was not written by `to_json`, or by that of another version.
        """
        return _READER.validate_python(content)


_READER = TypeAdapter(Card)

_CLASSIC = 60_000
"""League Classic's champions are numbered from here on."""


def icon_number(champion_id: int) -> int:
    """Which champion's icon is shown; 0 of what is none."""
    return max(0, champion_id) % _CLASSIC
