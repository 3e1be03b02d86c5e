"""A payload without the people in it: every text that may name somebody is replaced.

What is kept is what may be odd about a payload: its structure, its numbers, the words of
Riot's own vocabulary, and of every other text its length and its odd characters. Texts are replaced
unless they are known to be harmless, as names turn up in fields that nobody has heard of. The same
text becomes the same pseudonym, different texts different ones.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, TypeGuard

from lol_dagster.riot.modes import MODES
from lol_dagster.riot.payload import (
    BOT_PUUIDS,
    InfoPayload,
    MatchPayload,
    MetadataPayload,
    ParticipantPayload,
)
from lol_dagster.riot.routing import PLATFORMS

_MATCH_ID: Final = re.compile(r"([A-Z][A-Z0-9]{1,19})_([0-9]{1,19})", re.ASCII)
_LITERAL: Final = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_FIELD: Final = re.compile(
    r'"(?P<key>\w{1,40})"\s*:\s*(?:"(?P<text>(?:[^"\\]|\\.)*)|(?P<number>\d{1,19}))'
)
_WORD: Final = re.compile(r"[^\W\d_]+")
_UPPER: Final = r"[A-Z][A-Z0-9_]*"
_HARMLESS: Final = {
    "championname": r"[A-Za-z]{2,20}",
    "dataversion": r"[0-9.]+",
    "endofgameresult": r"GameComplete|Abort_[A-Za-z]+",
    "gamemode": _UPPER,
    "gametype": _UPPER,
    "gameversion": r"[0-9.]+",
    "individualposition": rf"{_UPPER}|Invalid",
    "lane": _UPPER,
    "platformid": "|".join(each.upper() for each in PLATFORMS),
    "role": _UPPER,
    "teamposition": _UPPER,
}
"""Field in lower case → the values of it that name nobody, unless somebody is called so."""
_VOCABULARY: Final = frozenset(
    {
        *(mode.code for mode in MODES),
        *("CUSTOM_GAME", "MATCHED_GAME", "TUTORIAL_GAME"),
        *("TOP", "JUNGLE", "MIDDLE", "BOTTOM", "UTILITY", "NONE", "SOLO", "SUPPORT", "Invalid"),
        "GameComplete",
    }
)
"""Riot's words, whoever is called so."""
_OUR_KEYS: Final = frozenset(
    field.alias or name
    for model in (MatchPayload, MetadataPayload, InfoPayload, ParticipantPayload)
    for name, field in model.model_fields.items()
)
_KEY: Final = re.compile(r"[a-z][A-Za-z0-9]*|PlayerScore[0-9]+|SWARM_[A-Za-z0-9]+", re.ASCII)
_PEOPLE: Final = ("puuid", "riotid", "summonername", "summonerid", "accountid", "tagline", "nick")
_NUMBERS: Final = frozenset({"gameid", "profileicon", "profileiconid", "accountid", "summonerid"})
"""Fields whose numbers are somebody's, or lead to them."""
_TELLING: Final = 10**6
"""Such a number that is somebody's is replaced in whatever field it stands."""
_LITERALS: Final = frozenset({"true", "false", "null", "NaN", "Infinity", "e", "E"})


class Pseudonyms:
    """The pseudonyms of one payload."""

    def __init__(self, match_id: str) -> None:
        self._texts: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._people: set[str] = set()
        self.match_id = self.text(match_id)

    def payload(self, value: Any) -> Any:
        """A parsed payload without the people in it."""
        self._meet(value, "")
        return self._value(value, "")

    def unparsed(self, text: str) -> str:
        """A body that is no JSON: texts in quotes and words outside of them, but for what may be
        the name of a field.
        """
        for field in _FIELD.finditer(text):
            self._meet(field["text"] or int(field["number"] or 0), field["key"])
        found, end, key = [], 0, ""
        for literal in _LITERAL.finditer(text):
            found.append(self._outside(text[end : literal.start()], key))
            end = literal.end()
            inside = literal[0][1:].removesuffix('"')
            closing = '"' if len(literal[0]) > 1 and literal[0].endswith('"') else ""
            before, key = key, inside if text[end:].lstrip()[:1] == ":" else ""
            shown = self._key(key) if key else self._value(inside, before)
            found.append(f'"{shown}{closing}')
        found.append(self._outside(text[end:], key))
        return "".join(found)

    def text(self, text: str) -> str:
        """The pseudonym of a text, of the same length if it is long enough."""
        if (match_id := _MATCH_ID.fullmatch(text)) is not None:
            platform = match_id[1] if match_id[1].lower() in PLATFORMS else "NA1"
            return f"{platform}_{self._id(match_id[2])}"
        if text not in self._texts:
            self._texts[text] = _masked(text, len(self._texts) + 1)
        return self._texts[text]

    def known(self, text: str) -> str | None:
        """The pseudonym of a text that was met; None: it was not."""
        return self._texts.get(text)

    def quoted(self, sentence: str) -> str:
        """A sentence, such as an error's, in which texts of the payload may stand."""
        replaced = {**self._texts, **self._ids}
        for text in sorted(replaced, key=len, reverse=True):
            if len(text) > 2 and text not in _VOCABULARY and text.lower() not in PLATFORMS:
                found = re.compile(re.escape(text), re.IGNORECASE)
                sentence = found.sub(replaced[text].replace("\\", r"\\"), sentence)
        return sentence

    def _meet(self, value: Any, key: str) -> None:
        """Learn who is in it, before anything is taken for harmless."""
        if isinstance(value, dict):
            for name, inner in value.items():
                self._meet(inner, name)
        elif isinstance(value, list):
            for inner in value:
                self._meet(inner, key)
        elif _is_number(value) and key.lower() in _NUMBERS:
            self._id(str(int(value)))
        elif isinstance(value, str) and value and any(each in key.lower() for each in _PEOPLE):
            self._people.add(value.casefold())
            if "name" in key.lower():
                words = re.split(r"\W+", value.casefold())
                self._people.update(each for each in words if len(each) > 2)

    def _value(self, value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {self._key(name): self._value(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._value(inner, key) for inner in value]
        if isinstance(value, str):
            return value if self._is_harmless(value, key) else self.text(value)
        if _is_number(value) and (key.lower() in _NUMBERS or value >= _TELLING):
            return int(self._ids.get(str(int(value)), value))
        return value

    def _is_harmless(self, text: str, key: str) -> bool:
        if text == "" or text in BOT_PUUIDS:
            return True
        pattern = _HARMLESS.get(key.lower())
        if pattern is None or re.fullmatch(pattern, text, re.ASCII) is None:
            return False
        return text in _VOCABULARY or text.casefold() not in self._people

    def _key(self, name: str) -> str:
        if name in _OUR_KEYS:
            return name
        folded = name.casefold()
        names_somebody = any(each in folded for each in self._people if len(each) > 2)
        return name if _KEY.fullmatch(name) and not names_somebody else self.text(name)

    def _id(self, digits: str) -> str:
        """A number that somebody can be found by, in as many digits if it is long enough."""
        if digits not in self._ids:
            count = len(self._ids) + 1
            is_long = len(digits) > len(str(count))
            self._ids[digits] = f"9{count:0{len(digits) - 1}d}" if is_long else str(count)
        return self._ids[digits]

    def _outside(self, text: str, key: str) -> str:
        """What stands between the quotes, right after a field's name or elsewhere."""
        words = _WORD.sub(
            lambda word: word[0] if word[0] in _LITERALS else self.text(word[0]), text
        )
        for digits, pseudonym in self._ids.items():
            if int(digits) >= _TELLING or key.lower() in _NUMBERS:
                words = re.sub(rf"(?<![\d.]){digits}(?![\d.])", pseudonym, words)
        return words


def _is_number(value: object) -> TypeGuard[int | float]:
    """A number that could be somebody's: no flag, nothing negative, endless or no number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 < value < 10**19


def readable(body: bytes) -> Any:
    """The parsed body.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {type(error).__name__}") from None


def _masked(text: str, number: int) -> str:
    """Letters and digits become `x`, the last of them the number: `Hide on bush` is `xxxx xx xxx7`."""
    characters = ["x" if each.isalnum() else each for each in text]
    places = [place for place, each in enumerate(text) if each.isalnum()]
    digits = str(number)
    if len(places) < len(digits):
        return "".join(characters) + digits
    for place, digit in zip(places[-len(digits) :], digits, strict=True):
        characters[place] = digit
    return "".join(characters)
