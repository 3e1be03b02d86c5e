"""Texts as resvg draws them right.

Where a text has letters of several fonts, resvg shapes the whole of it with each of them, and puts the
results together only if each makes as many glyphs: letters of one font that join into fewer glyphs would
leave boxes in the place of all others. So nothing is left to join: Arabic letters come in the forms that
they take beside each other, and what only some fonts join (`ffi`, flags, families) stands side by side.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import chain
from typing import NamedTuple

_ARABIC = re.compile("[\u0620-\u064a\u0671-\u06d3]+")
_LAM = "\u0644"
_MARKS = re.compile("[\u0300-\u036f\u064b-\u065f]")
"""Those that have not become one with their letter, as they would in one font and not in another."""
_OF_EMOJI = re.compile("[\u200d\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")
_FLAG_LETTERS = {0x1F1E6 + number: chr(ord("A") + number) for number in range(26)}
_JOINED_LATIN = re.compile("f(?=[fijlt])")
_NON_JOINER = "\u200c"
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
    if any(each > "\u024f" for each in text):
        text = _JOINED_LATIN.sub(f"f{_NON_JOINER}", text)
    return " ".join(_ARABIC.sub(lambda word: _in_its_forms(word[0]), text).split())


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
