"""Names of teams, players and channels, and Riot IDs, as people type them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from lol_dagster.riot.names import without_format_characters
from lol_dagster.roster.errors import AlreadyThereError, NoSuchEntryError, RosterError
from lol_dagster.storage.models import Channel, Player, Team

LONGEST_NAME = 100
# Riot's own rule for new names is 3 to 16 characters, then # and 3 to 5: older names break it, and
# what counts as one character differs by script. So only what cannot be a Riot ID at all is refused
# here (or cannot be stored), and Riot itself is asked about the rest.
_LONGEST_GAME_NAME = 64
_LONGEST_TAG_LINE = 16
_UNWRITABLE = {"Cc", "Cs", "Zl", "Zp"}  # control characters, half characters, line separators
_VISIBLE = "LNPS"  # letters, numbers, punctuation, symbols
_JOINERS = "\u200c\u200d"  # they hold letters and emoji together


_N = TypeVar("_N", Channel, Player, Team)
"""A row of the roster that people call by its name."""


@dataclass(frozen=True)
class RiotId:
    """What a player is called in the game: `Name#TAG`."""

    game_name: str
    tag_line: str

    def __str__(self) -> str:
        return f"{self.game_name}#{self.tag_line}"

    def is_same(self, game_name: str, tag_line: str) -> bool:
        """Riot tells Riot IDs apart neither by case nor by spaces."""
        return _loosely(f"{self}") == _loosely(f"{game_name}#{tag_line}")


def clean_name(text: str) -> str:
    """A name without surrounding blanks, in Unicode's composed form.

    Raises:
        RosterError: nothing is left, or more than 100 characters, or some that cannot be shown.
    """
    name = unicodedata.normalize("NFC", _without_unseen(text)).strip()
    if not any(unicodedata.category(c)[0] in _VISIBLE for c in name):
        raise RosterError("a name is missing: it should have 1 to 100 characters")
    if len(name) > LONGEST_NAME:
        raise RosterError(f"this name has {len(name)} characters: it should have 1 to 100")
    if any(unicodedata.category(c) in _UNWRITABLE for c in name):
        raise RosterError(f"the name {name!a} has control characters: it should be plain text")
    return name


def parse_riot_id(text: str) -> RiotId:
    """Read `Name#TAG`.

    Raises:
        RosterError: it is not of this form.
    """
    plain = unicodedata.normalize("NFC", without_format_characters(text))
    game_name, hash_sign, tag_line = plain.rpartition("#")
    game_name, tag_line = game_name.strip(), tag_line.strip()
    if (
        not hash_sign
        or not 1 <= len(game_name) <= _LONGEST_GAME_NAME
        or not 1 <= len(tag_line) <= _LONGEST_TAG_LINE
        or "#" in game_name
        or any(unicodedata.category(c) in _UNWRITABLE for c in game_name + tag_line)
    ):
        shown = text if len(text) <= 60 and text.isprintable() else ascii(text[:60])
        raise RosterError(
            f"{shown!r} is no Riot ID: it should look like 'Name#TAG', a name of 3 to 16 characters "
            "and a tag of 3 to 5 letters or digits, as the game shows them"
        )
    return RiotId(game_name, tag_line)


def _without_unseen(text: str) -> str:
    """Without what would show the name as something else, such as a right-to-left override."""
    return "".join(c for c in text if c in _JOINERS or unicodedata.category(c) != "Cf")


def find_named(rows: Iterable[_N], name: str) -> _N | None:
    """The row of this name, whatever its case."""
    folded = _folded(name)
    return next((row for row in rows if _folded(row.name) == folded), None)


def free_name(rows: Iterable[_N], text: str, what: str, *, but: _N | None = None) -> str:
    """A name, cleaned, that none of the rows has.

    Args:
        what: What the rows are, for the error: `team`.
        but: The row that may have it: the one that is being renamed.

    Raises:
        RosterError: this cannot be a name.
        AlreadyThereError: another row has it.
    """
    name = clean_name(text)
    there = find_named(rows, name)
    if there is not None and there is not but:
        raise AlreadyThereError(name_taken(there.name, what))
    return name


def name_taken(name: str, what: str) -> str:
    return f"there is already a {what} {name!r}: choose another name"


def flush_unless(session: Session, taken: str) -> None:
    """Flush a row that was free when it was checked.

    Args:
        taken: What to say if somebody else was faster; made beforehand, as a failed flush takes the
            rows' contents with it.

    Raises:
        AlreadyThereError: somebody else was.
    """
    try:
        session.flush()
    except IntegrityError:
        raise AlreadyThereError(taken) from None


def get_named(rows: Iterable[_N], name: str, what: str) -> _N:
    """The row of this name, whatever its case.

    Args:
        what: What the rows are, for the error: `team`.

    Raises:
        NoSuchEntryError: there is none; it names those that there are.
    """
    rows = list(rows)
    found = find_named(rows, name)
    if found is not None:
        return found
    names = ", ".join(row.name for row in rows[:20]) + (", …" if len(rows) > 20 else "")
    known = f"the {what}s are {names}" if rows else f"add one with 'lol-dagster {what} add'"
    raise NoSuchEntryError(f"there is no {what} {name!r}: {known}")


def _folded(name: str) -> str:
    # Not only by the database: SQLite folds no letters beyond ASCII.
    return unicodedata.normalize("NFC", name).strip().casefold()


def _loosely(riot_id: str) -> str:
    return "".join(riot_id.casefold().split())
