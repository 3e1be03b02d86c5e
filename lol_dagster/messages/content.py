"""What a message says, for no particular platform.

Every string here is plain text exactly as people should read it: a player's name may hold anything.
Escaping, cutting to a service's limits and colours belong to the transports; which channels get it,
and in which words, to rules.py and compose.py.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from pydantic import TypeAdapter

Tone = Literal["good", "bad", "mixed", "neutral"]


@dataclass(frozen=True)
class Moment:
    """An instant, for readers in any time zone."""

    at: int
    """Unix seconds."""
    text: str
    """As it reads in the team's time zone, for where a reader cannot be shown their own."""


@dataclass(frozen=True)
class Icon:
    """A champion's face, where it can be shown; nothing is lost without it."""

    champion_id: int
    champion: str


@dataclass(frozen=True)
class Line:
    """How a member did, or one game of several."""

    lead: str = ""
    """Whom or what the line is about; shown bold."""
    facts: tuple[str, ...] = ()
    """Beside the lead: champion, K/D/A."""
    details: tuple[str, ...] = ()
    """Below it, in a row of their own: rates and shares."""
    highlights: tuple[str, ...] = ()
    """What stood out; last, and marked as such."""
    when: Moment | None = None
    """When that was; before the details."""
    rank: str = ""
    """How the game moved the member's rank; between facts and details, in a row of its own."""
    icon: Icon | None = None
    """In front of the lead, or above the section."""


@dataclass(frozen=True)
class Section:
    """Lines that belong together, such as one side of a game."""

    lines: tuple[Line, ...]
    heading: str = ""


@dataclass(frozen=True)
class MessageContent:
    """One message, complete but for its appearance."""

    title: str
    summary: str
    """The whole message in one line, for notifications and where nothing else can be shown."""
    sections: tuple[Section, ...] = ()
    url: str | None = None
    """Where to read more, as an http(s) address; the title links to it."""
    tone: Tone = "neutral"
    footer: str = ""
    more: int = 0
    """Lines that were left out; the transports add those for which they have no space and end
    with "… and 37 more"."""
    language: str = "en"
    """Of `messages.language.LANGUAGES`; for what the transports say themselves."""
    card: dict[str, Any] | None = None
    """pictures.card.Card as JSON: the picture that the posted message gets by an edit. What is wrong with it
    costs the picture alone, so that nobody reads it but who draws it."""

    def to_json(self) -> dict[str, Any]:
        """As plain dicts, lists and strings; `from_json` takes it back."""
        content: dict[str, Any] = json.loads(_canonical(self))
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> MessageContent:
        """The inverse of `to_json`.

        Raises:
            pydantic.ValidationError: it was not written by `to_json`.
        """
        return _READER.validate_python(content)

    def content_hash(self) -> str:
        """sha256, in hex, of the canonical JSON: equal exactly for equal contents."""
        return hashlib.sha256(_canonical(self).encode()).hexdigest()


_READER = TypeAdapter(MessageContent)


_SINCE_VERSION_0_2: Final = ("when", "rank", "icon", "language", "card")
"""Fields that older versions did not have: left out where they say nothing, so that what was written then
has the same hash."""


def _canonical(content: MessageContent) -> str:
    return canonical(asdict(content, dict_factory=_without_new_ones_that_say_nothing))


def canonical(value: dict[str, Any]) -> str:
    """The one JSON of a value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _without_new_ones_that_say_nothing(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        name: value
        for name, value in fields
        if name not in _SINCE_VERSION_0_2 or value not in (None, "", "en")
    }
