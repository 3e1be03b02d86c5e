"""A team's language: what is said to it in words, numbers, lists and dates.

Texts are written in English where they are said, and looked up in gettext catalogues, one file for each
other language (`catalogues/de.po`). They are read when first needed, so that nothing has to be built; a text
that a catalogue lacks is said in English. How to add a language: docs/adding-a-language.md.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_skeleton, format_time
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

LANGUAGES: Final[dict[str, str]] = {"en": "English", "de": "Deutsch"}
"""Code → the language's own name."""
_LOCALES: Final = {"en": "en_GB"}
"""Whose numbers and dates are meant, where the code alone would mean others': the day before the month, 24
hours, no comma before "and"."""


@dataclass(frozen=True)
class Text:
    """A text that stands in a table, in English."""

    one: str
    several: str | None = None
    """Where it counts something."""


def marked(text: str) -> Text:
    """Have a text of a table translated."""
    return Text(text)


def marked_plural(one: str, several: str) -> Text:
    """Have a text of a table translated that counts something, as `{number}`."""
    return Text(one, several)


class Language:
    """One language. Immutable: what is said depends on what is handed in alone."""

    def __init__(self, code: str, catalogue: gettext.NullTranslations) -> None:
        self.code = code
        self._catalogue = catalogue
        self._locale = Locale.parse(_LOCALES.get(code, code))

    # --- words ---------------------------------------------------------------------------------

    def say(self, text: str, **values: str | int) -> str:
        """A text, with what stands in braces filled in; whole numbers as the language writes them.

        Args:
            text: In English; a literal, as it is found by reading the code.
        """
        return self._filled(self._catalogue.gettext(text), values)

    def said(self, text: Text, number: int, **values: str | int) -> str:
        """A text of a table.

        Args:
            number: What it counts, if it does; as `{number}` in the text.
        """
        if text.several is not None:
            found = self._catalogue.ngettext(text.one, text.several, number)
        else:
            found = self._catalogue.gettext(text.one)
        return self._filled(found, {"number": number, **values})

    def name(self, text: str) -> str:
        """What something is called, as it stands; itself where nobody has translated it.

        Args:
            text: In English, of a table or of Riot's.
        """
        return self._catalogue.gettext(text) if text else ""

    def plural(self, one: str, several: str, number: int, **values: str | int) -> str:
        """A text that counts something, as `{number}`.

        Args:
            one: In English, for one of it; a literal, as `several`.
        """
        text = self._catalogue.ngettext(one, several, number)
        return self._filled(text, {"number": number, **values})

    def _filled(self, text: str, values: dict[str, str | int]) -> str:
        return text.format_map(
            {
                key: self.number(each) if isinstance(each, int) else each
                for key, each in values.items()
            }
        )

    def listed(self, texts: Sequence[str]) -> str:
        """`Ann, Bob and Cleo`."""
        return format_list(texts, locale=self._locale)

    # --- numbers -------------------------------------------------------------------------------

    def number(self, value: int) -> str:
        """`12,345`"""
        return format_decimal(value, locale=self._locale)

    def signed(self, value: int) -> str:
        """`+21`, `−19`, `0`."""
        sign = "+" if value > 0 else "−" if value < 0 else ""
        return sign + self.number(abs(value))

    def decimal(self, value: float) -> str:
        """With one decimal: `7.8`."""
        # Rounded as everywhere else, and only then written.
        return format_decimal(Decimal(f"{value:.1f}"), format="#,##0.0", locale=self._locale)

    def percent(self, share: float) -> str:
        """
        Args:
            share: 0.72 for 72 %.
        """
        return format_percent(Decimal(f"{100 * share:.0f}").scaleb(-2), locale=self._locale)

    def ordinal(self, number: int) -> str:
        """`1st`, `2nd`, `3rd`, `4th`, `11th`, `21st`."""
        return self.said(_ORDINALS[self._locale.ordinal_form(number)], number)

    # --- time ----------------------------------------------------------------------------------

    def moment(self, at: datetime, zone: tzinfo) -> str:
        """Day and time, without the year: `Sat 28 Nov 21:14`."""
        at = at.astimezone(zone)
        return f"{format_skeleton('MMMEd', at, locale=self._locale)} {format_time(at, 'short', locale=self._locale)}"


_ORDINALS: Final = {
    "one": marked("{number}st"),
    "two": marked("{number}nd"),
    "few": marked("{number}rd"),
    "other": marked("{number}th"),
}
"""By CLDR's rules of each language; one that needs no such difference has only the last."""


@cache
def language(code: str) -> Language:
    """The language of this code; English where there is none, as with a message of a newer version."""
    if code == "en" or code not in LANGUAGES:
        return Language("en", gettext.NullTranslations())
    text = files("lol_dagster.messages").joinpath(f"catalogues/{code}.po").read_bytes()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(text), locale=code))
    compiled.seek(0)
    return Language(code, gettext.GNUTranslations(compiled))


def time_zone(name: str) -> tzinfo:
    """The zone of this name; UTC where this machine knows none: a message is better than none."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        return UTC
