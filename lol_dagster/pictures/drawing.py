"""Drawing a card: an SVG from a template, and a PNG from that.

A card is read on a phone, where its 720 pixels are shown on some 360: nothing that matters is smaller
than 26 of them. The same card makes the same bytes, each time.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import resvg_py
from jinja2 import Environment, PackageLoader, StrictUndefined

from lol_dagster.pictures.card import Card, CardMember, CardSide
from lol_dagster.pictures.drawable import drawable, without_boxes
from lol_dagster.pictures.fonts import FAMILY, Has, fonts_for
from lol_dagster.pictures.text_widths import fitted, width

Icon = Callable[[int, str], bytes | None]
"""The PNG of a champion (its id, the patch of the game); None: a disc with two letters is drawn."""

_T = TypeVar("_T")

WIDTH = 720
_LEFT, _RIGHT = 36, 692
_HEADER, _ROW, _REMARK, _MARGIN = 144, 108, 42, 14
_BAR, _GROUPS_ROW = 92, 76
_MVP, _MOST_POINTS = 92, 280
_GROUP_LABEL, _GROUP_STEP = 56, 46
_MOST_COLUMNS, _MOST_IN_A_GROUP = 4, 12
_WHITE, _FAINT = "#f2f3f5", "#b3bac7"
_TONES = {"good": "#4ecb80", "bad": "#ff6b62", "mixed": "#f0bd4f", "neutral": "#b3bac7"}
_ARROW = "›"
"""Noto Sans has no arrow."""
_DISCS = ("#5b6ee1", "#3d8f86", "#8a5fbf", "#b0704a", "#4d7fb3", "#a3527f", "#6b8a3a", "#7a6a54")

_TEMPLATES = Environment(
    loader=PackageLoader("lol_dagster.pictures", ""), autoescape=True, undefined=StrictUndefined
)


class CannotDraw(Exception):  # noqa: N818 - what has happened
    """A card cannot be drawn."""


@dataclass(frozen=True)
class _Disc:
    id: str
    x: float
    y: float
    r: float
    letters: str
    colour: str
    icon: str | None
    """base64."""
    ring: str | None = None


def draw(
    card: Card, *, icon: Icon | None = None, fonts: Path | None = None, width: int = WIDTH
) -> bytes:
    """The card as a PNG.

    Args:
        icon: By default there are none.
        fonts: LOL_CARD_FONTS.
        width: In pixels; what is written on it shrinks with it.

    Raises:
        CannotDraw: whatever the reason.
    """
    try:
        files, has = fonts_for(_texts(astuple(_with_texts(card, _plain))), fonts)
        svg = as_svg(card, icon=icon, has=has)
        return bytes(
            resvg_py.svg_to_bytes(
                svg_string=svg,
                width=width,
                font_files=files,
                skip_system_fonts=True,
                font_family=FAMILY,
            )
        )
    except BaseException as error:
        # A panic of Rust's is no Exception: of all others it has but its name.
        if type(error).__name__ != "PanicException" and not isinstance(error, Exception):
            raise
        raise CannotDraw(f"{type(error).__name__}: {error}") from error


def as_svg(card: Card, *, icon: Icon | None = None, has: Has = lambda _character: True) -> str:
    """What is drawn.

    Args:
        has: Whether a font has a character.
    """
    card = _with_texts(card, lambda text: without_boxes(_plain(text), has))

    def disc(champion: str, champion_id: int, **where: Any) -> _Disc:
        found = icon(champion_id, card.patch) if icon is not None else None
        return _Disc(
            letters=initials(champion),
            colour=_DISCS[champion_id % len(_DISCS)],
            icon=base64.b64encode(found).decode() if found else None,
            **where,
        )

    moved = [each for each in card.members if each.points]
    headline = moved[0] if len(moved) == len(card.members) == 1 else None
    rows: list[dict[str, Any]] = []
    y = _HEADER
    for number, member in enumerate(card.members):
        rows.append(_row(member, number, y, disc, has_points=headline is None))
        y += _ROW + (_REMARK if member.highlight else 0)
    bar = _bar(card.sides, y + _MARGIN, disc)
    height = bar["y"] + bar["height"] if bar else y + _MARGIN
    points_size = 0
    space = standing_space = float(_RIGHT - _LEFT)
    if headline is not None:
        points_size = 48 if width(headline.points, 48, bold=True) < _MOST_POINTS else 32
        space -= 40 + width(headline.points, points_size, bold=True)
        standing_space -= 40 + width(headline.standing, 28)
    return _TEMPLATES.get_template("card.svg.j2").render(
        card=card,
        title=fitted(card.title, 52, space, bold=True),
        subtitle=fitted(card.subtitle, 28, standing_space),
        headline=headline,
        points=headline.points if headline else "",
        standing=headline.standing if headline else "",
        points_size=points_size,
        rows=rows,
        bar=bar,
        width=WIDTH,
        height=height,
        left=_LEFT,
        right=_RIGHT,
        faint=_FAINT,
        tones=_TONES,
        family=FAMILY,
    )


def _row(
    member: CardMember, number: int, y: int, disc: Callable[..., _Disc], *, has_points: bool
) -> dict[str, Any]:
    x = _LEFT + 108
    score_space = width(member.score, 40, bold=True) + 24
    space = _RIGHT - x - score_space - (_MVP if member.is_mvp else 0)
    points = member.points if has_points else ""
    facts_space = _RIGHT - x - (width(points, 30, bold=True) + 24 if points else 0)
    return {
        "y": y,
        "x": x,
        "space": space,
        "disc": disc(
            member.champion, member.champion_id, id=f"m{number}", x=_LEFT + 44, y=y + 56, r=44
        ),
        "name": fitted(member.name, 36, space, bold=True),
        "score": member.score,
        "is_mvp": member.is_mvp,
        "mvp": _RIGHT - score_space - 76,
        "facts": fitted(_joined([member.champion, *member.facts], facts_space), 27, facts_space),
        "points": points,
        "points_tone": member.points_tone,
        "highlight": fitted(member.highlight, 27, _RIGHT - x - 36),
    }


def _joined(facts: Sequence[str], space: float) -> str:
    """The first facts, as many as fit; the first in any case."""
    facts = list(facts)
    while len(facts) > 1 and width(" · ".join(facts), 27) > space:
        facts = facts[:-1]
    return " · ".join(facts)


def _bar(sides: Sequence[CardSide], y: int, disc: Callable[..., _Disc]) -> dict[str, Any] | None:
    """Everybody who took part: two sides opposite each other, or groups in rows."""
    if not sides:
        return None
    discs: list[_Disc] = []
    labels: list[dict[str, Any]] = []
    if len(sides) <= 2 and max(len(side.players) for side in sides) <= 5:
        for number, (side, start, step) in enumerate(
            zip(sides, (_LEFT + 25, _RIGHT - 25), (55, -55), strict=False)
        ):
            discs += [
                disc(
                    player.champion,
                    player.champion_id,
                    id=f"s{number}p{place}",
                    x=start + step * place,
                    y=y + _BAR / 2,
                    r=24,
                    ring=_WHITE if player.is_member else None,
                )
                for place, player in enumerate(side.players)
            ]
        said = [side.label for side in sides if side.label]
        middle = {"x": (_LEFT + _RIGHT) / 2, "y": y + _BAR / 2 + 10, "size": 28, "fill": _WHITE}
        return {
            "y": y,
            "height": _BAR,
            "discs": discs,
            "labels": [{**middle, "said": " : ".join(said)}] if said else [],
        }
    # As many groups in a row as their discs leave space for.
    most = min(max(len(side.players) for side in sides), _MOST_IN_A_GROUP)
    columns = min(_MOST_COLUMNS, (_RIGHT - _LEFT) // (_GROUP_LABEL + most * _GROUP_STEP))
    for number, side in enumerate(sides):
        row, column = divmod(number, columns)
        x = _LEFT + (_RIGHT - _LEFT) / columns * column
        middle_y = y + _GROUPS_ROW * (row + 0.5)
        fill = _WHITE if any(each.is_member for each in side.players) else _FAINT
        labels.append(
            {"x": x + 16, "y": middle_y + 9, "size": 26, "said": side.label, "fill": fill}
        )
        discs += [
            disc(
                player.champion,
                player.champion_id,
                id=f"s{number}p{place}",
                x=x + _GROUP_LABEL + _GROUP_STEP * place,
                y=middle_y,
                r=21,
                ring=_WHITE if player.is_member else None,
            )
            for place, player in enumerate(side.players[:most])
        ]
    rows = -(-len(sides) // columns)
    return {"y": y, "height": rows * _GROUPS_ROW, "discs": discs, "labels": labels}


def initials(champion: str) -> str:
    """`Ah` of Ahri, `MF` of Miss Fortune, `KS` of Kai'Sa."""
    letters = [each for each in champion if each.isalnum()]
    capitals = [each for each in letters if each.isupper()]
    return "".join((capitals if len(capitals) > 1 else letters)[:2])


def _plain(text: str) -> str:
    return drawable(text.replace("→", _ARROW))


def _with_texts(value: _T, change: Callable[[str], str]) -> _T:
    """The same with another text in the place of each."""
    changed: Any = value
    if isinstance(value, str):
        changed = change(value)
    elif isinstance(value, tuple):
        changed = tuple(_with_texts(each, change) for each in value)
    elif is_dataclass(value):
        parts = {each.name: getattr(value, each.name) for each in fields(value)}
        changed = replace(
            value, **{name: _with_texts(part, change) for name, part in parts.items()}
        )  # type: ignore[type-var]
    result: _T = changed
    return result


def _texts(values: Sequence[Any]) -> list[str]:
    """Every text in a card."""
    return [
        text
        for value in values
        for text in (_texts(value) if isinstance(value, tuple) else [value])
        if isinstance(text, str)
    ]
