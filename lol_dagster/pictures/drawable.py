"""Texts as resvg draws them right.

Where a text has letters of several fonts, resvg shapes the whole of it with each of them, and puts the
results together only if each makes as many glyphs: letters of one font that join into fewer glyphs would
leave boxes in the place of all others. So nothing is left to join: Arabic letters come in the forms that
they take beside each other, and what only some fonts join (`ffi`, flags, families) stands side by side.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from itertools import chain, groupby
from typing import NamedTuple

_ARABIC = re.compile("[\u0620-\u064a\u0671-\u06d3]+")
_LAM = "\u0644"
_MARKS = re.compile("[\u0300-\u036f\u064b-\u065f]")
"""Those that have not become one with their letter, as they would in one font and not in another."""
_OF_EMOJI = re.compile("[\u200d\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")
_FLAG_LETTERS = {0x1F1E6 + number: chr(ord("A") + number) for number in range(26)}
_JOINED_LATIN = re.compile("f(?=[fijlt])")
_AM = (
    (re.compile("([\u0e31\u0e34-\u0e37\u0e47-\u0e4e]*)\u0e33"), "\u0e4d\\1\u0e32"),
    (re.compile("([\u0eb1\u0eb4-\u0eb7\u0ebb\u0ec8-\u0ecd]*)\u0eb3"), "\u0ecd\\1\u0eb2"),
)
"""Of Thai and Lao: one letter that every font of theirs draws as two, its ring below the tone."""
_NON_JOINER = "\u200c"
UNREADABLE = "(?)"
_SEVERAL = re.compile(r"\(\?\)(?: ?\(\?\))+")
_NEVER = {"Cc", "Cs", "Cn", "Co"}


def drawable(text: str) -> str:
    """A text on one line, without what an SVG may not hold: resvg refuses control characters."""
    text = unicodedata.normalize("NFC", text)
    text = "".join(
        " " if each.isspace() else each
        for each in text
        if each.isspace() or unicodedata.category(each) not in _NEVER
    )
    text = _OF_EMOJI.sub("", _MARKS.sub("", text)).translate(_FLAG_LETTERS)
    for letter, parts in _AM:
        text = letter.sub(parts, text)
    if any(each > "\u024f" for each in text):
        text = _JOINED_LATIN.sub(f"f{_NON_JOINER}", text)
    return " ".join(_ARABIC.sub(lambda word: _in_its_forms(word[0]), text).split())


def without_boxes(text: str, has: Callable[[str], bool]) -> str:
    """A drawable text in which `UNREADABLE` stands for words in letters that no font has; symbols are left out.

    Args:
        has: Whether a font has a character.
    """
    kept: list[str] = []
    for lacks, run in groupby(text, lambda each: _needs_a_glyph(each) and not has(each)):
        characters = "".join(run)
        if not lacks:
            kept.append(characters)
        elif any(unicodedata.category(each)[0] in "LN" for each in characters):
            kept.append(UNREADABLE)
    shown = _SEVERAL.sub(UNREADABLE, " ".join("".join(kept).split()))
    return shown or (UNREADABLE if text else "")


def _needs_a_glyph(character: str) -> bool:
    return character != " " and unicodedata.category(character) != "Cf"


class _Forms(NamedTuple):
    isolated: str
    final: str = ""
    initial: str = ""
    medial: str = ""


def _in_its_forms(word: str) -> str:
    forms = _arabic_forms()
    units: list[str] = []
    for letter in word:
        if units and units[-1] == _LAM and _LAM + letter in forms:
            units[-1] += letter
        else:
            units.append(letter)
    known = [forms.get(unit, _Forms(unit)) for unit in units]
    shaped = []
    for number, form in enumerate(known):
        before = number > 0 and bool(known[number - 1].initial and form.final)
        after = number + 1 < len(known) and bool(form.initial and known[number + 1].final)
        shaped.append(form[2 * after + before])
    return "".join(shaped)


@cache
def _arabic_forms() -> dict[str, _Forms]:
    """Of each letter, and of a lam with an alef: Unicode's presentation forms say of what they are which."""
    found: dict[str, dict[str, str]] = {}
    for code in chain(range(0xFB50, 0xFBB2), range(0xFBD3, 0xFC00), range(0xFE80, 0xFEFD)):
        kind, *letters = unicodedata.decomposition(chr(code)).split() or [""]
        of = "".join(chr(int(letter, 16)) for letter in letters)
        if len(of) == 1 or of[:1] == _LAM:
            found.setdefault(of, {})[kind.strip("<>")] = chr(code)
    return {
        of: _Forms(**{kind: kinds.get(kind, "") for kind in _Forms._fields})
        for of, kinds in found.items()
        if "isolated" in kinds
    }
