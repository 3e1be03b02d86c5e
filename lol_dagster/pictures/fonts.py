"""The fonts that cards are drawn with: those that are shipped, and others where a text needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from lol_dagster.pictures.charmaps import charmap_of

SHIPPED = Path(__file__).parent / "fonts"
FAMILY = "Noto Sans"
_SUFFIXES = {".ttf", ".ttc", ".otf"}
_SYSTEM = ("usr/share/fonts", "usr/local/share/fonts")
_OF_SYSTEM = (
    "NotoSansCJK-VF*", "NotoSansCJK*Bold*", "NotoSansCJK*", "NotoSans*-Bold.ttf", "NotoSans*-Regular.ttf",
)  # fmt: skip
"""As Debian's fonts-noto-cjk, fonts-noto-core and their likes have them, in this order: names are bold."""

_PACKAGES = {"fonts-noto-cjk": "山あ가", "fonts-noto-core": "ทहბ✾"}
"""Debian's, each with some characters that it has and no font of ours."""

Has = Callable[[str], bool]
"""Whether a character can be drawn."""


def fonts_for(texts: Iterable[str], folder: Path | None) -> tuple[list[str], Has]:
    """The files to draw these texts with, and what they have. Others than ours are among them only where a text has
    characters that ours lack: those of Chinese, Japanese and Korean have 20 MB.

    Args:
        folder: LOL_CARD_FONTS.
    """
    files = [str(file) for file in sorted(SHIPPED.glob("*.ttf"))]
    ours = [charmap_of(file) for file in files]
    lacking = {
        each for each in set().union(*texts) if not any(charmap.has(each) for charmap in ours)
    }
    for file in _further(folder):
        if not lacking:
            break
        if has := {each for each in lacking if charmap_of(file).has(each)}:
            files.append(file)
            lacking -= has
    return files, lambda character: character not in lacking


def lacking_packages(folder: Path | None) -> dict[str, str]:
    """Debian's packages whose fonts are not there, with what of their characters cannot be drawn.

    Args:
        folder: LOL_CARD_FONTS.
    """
    _, has = fonts_for(_PACKAGES.values(), folder)
    lacking = {
        package: "".join(each for each in characters if not has(each))
        for package, characters in _PACKAGES.items()
    }
    return {package: characters for package, characters in lacking.items() if characters}


def _further(folder: Path | None) -> Iterator[str]:
    """The operator's, else the system's, as far as they are asked for."""
    if folder is not None:
        yield from _in_folder(folder)
    else:
        for pattern in _OF_SYSTEM:
            yield from _of_system(pattern)


@cache
def _in_folder(folder: Path) -> tuple[str, ...]:
    found = (each for each in folder.rglob("*") if each.suffix.lower() in _SUFFIXES)
    return tuple(sorted(map(str, found)))


@cache
def _of_system(pattern: str) -> tuple[str, ...]:
    return tuple(
        str(file) for place in _SYSTEM for file in sorted(Path("/", place).glob(f"**/{pattern}"))
    )
