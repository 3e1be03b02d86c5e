"""The fonts that cards are drawn with: those that are shipped, and others where a text needs them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

SHIPPED = Path(__file__).parent / "fonts"
FAMILY = "Noto Sans"
_SUFFIXES = {".ttf", ".ttc", ".otf"}
_SYSTEM = ("usr/share/fonts", "usr/local/share/fonts")
_CJK = ("NotoSansCJK-VF*", "NotoSansCJK*Bold*", "NotoSansCJK*")
"""As Debian's fonts-noto-cjk and its likes have them. One is enough, and names are bold."""
_SHIPPED_HAVE = re.compile(
    "[\u0000-\u052f\u0590-\u05ff\u0600-\u06ff\u0750-\u077f\u1d00-\u1dbf\u1e00-\u20cf\ufb00-\ufefc"
    "\u2600-\u27bf\U0001f300-\U0001faff]*"
)
"""Latin, Greek, Cyrillic, Hebrew and Arabic letters, and emoji."""


def font_files(texts: Iterable[str], folder: Path | None) -> list[str]:
    """The files to draw these texts with. Others than ours are read only where a text has letters that ours
    lack: those of Chinese, Japanese and Korean have 20 MB.

    Args:
        folder: LOL_CARD_FONTS.
    """
    shipped = [str(file) for file in sorted(SHIPPED.glob("*.ttf"))]
    if all(_SHIPPED_HAVE.fullmatch(text) for text in texts):
        return shipped
    return [*shipped, *_further(folder)]


@cache
def _further(folder: Path | None) -> tuple[str, ...]:
    """The operator's, else the system's Noto Sans CJK."""
    if folder is not None:
        found = (each for each in folder.rglob("*") if each.suffix.lower() in _SUFFIXES)
        return tuple(sorted(map(str, found)))
    for pattern in _CJK:
        for place in _SYSTEM:
            if files := sorted(Path("/", place).glob(f"**/{pattern}")):
                return (str(files[0]),)
    return ()
