"""Small charts, drawn on the server as SVG: no script, light and dark by the page's own colours.

Each is an image to whoever hears the page, with a title that says what is to be seen; the numbers
themselves belong beside it, in a table that can be opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from markupsafe import Markup

from lol_dagster.stats.form import Form

_WIDTH = 720
"""Units across; a chart is as wide as its place, so they are no pixels."""
_ABOVE = 18
"""Units above the highest value, for its number."""
_TICK = 56
"""Units that a tick's words may take, in the larger letters of a phone."""


@dataclass(frozen=True)
class Bar:
    """One bar, or one point of a line."""

    label: str
    """What it stands for, said when it is pointed at: `Mon 14:00–15:00`."""
    value: float | None
    """None: there is nothing to show, as where a player has not played."""
    tick: str = ""
    """Written below it; most have none."""
    words: str = ""
    """The value as people say it, if that is not its number: `Gold II 45`."""

    @property
    def said(self) -> str:
        return self.words or _number(self.value)


def bar_chart(bars: Sequence[Bar], *, title: str, height: int = 90, kind: str = "one") -> Markup:
    """Values as bars above their ticks.

    Args:
        title: What the chart says to whoever does not see it.
        height: Of the bars, in units of which 720 make its width.
        kind: Which of the two colours: `one` or `two`.
    """
    most = max((bar.value or 0 for bar in bars), default=0)
    step = _WIDTH / max(len(bars), 1)
    parts = []
    for number, bar in enumerate(bars):
        tall = (bar.value or 0) / (most or 1) * height
        parts.append(
            Markup(
                '<g><title>{}: {}</title><rect class="hit" x="{:.1f}" y="0" width="{:.1f}" '
                'height="{}"/><rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" '
                'height="{:.1f}"/></g>'
            ).format(
                bar.label, bar.said, number * step, step, height,
                number * step + step * 0.12, height - tall, step * 0.76, tall,
            )
        )  # fmt: skip
    return _drawing(parts, bars, title, height, kind, _number(most) if most else None)


def line_chart(points: Sequence[Bar], *, title: str, height: int = 90, kind: str = "one") -> Markup:
    """Values as a line that is broken where there is none; between the least and the highest of them, as
    their changes are what counts.

    Args:
        title: What the chart says to whoever does not see it.
        height: In units of which 720 make its width.
        kind: Which of the two colours: `one` or `two`.
    """
    values = [point.value for point in points if point.value is not None]
    most, least = max(values, default=1.0), min(values, default=0.0)
    span = (most - least) or 1
    step = _WIDTH / max(len(points), 1)
    path, parts, pen = [], [], "M"
    for number, point in enumerate(points):
        if point.value is None:
            pen = "M"
            continue
        x = (number + 0.5) * step
        y = height - 4 - (point.value - least) / span * (height - 8)
        path.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
        parts.append(
            Markup('<g><title>{}: {}</title><circle class="dot" cx="{:.1f}" cy="{:.1f}" r="4"/></g>')
            .format(point.label, point.said, x, y)
        )  # fmt: skip
    parts.insert(0, Markup('<path class="line" d="{}"/>').format(" ".join(path)))
    highest = next((point.said for point in points if point.value == most), None)
    return _drawing(parts, points, title, height, kind, highest)


def _drawing(
    parts: Sequence[Markup],
    bars: Sequence[Bar],
    title: str,
    height: int,
    kind: str,
    most: str | None,
) -> Markup:
    """
    Args:
        most: The highest value in words, written at its height; None: there is nothing to show.
    """
    step = _WIDTH / max(len(bars), 1)
    ticks = Markup("").join(
        _tick(number * step, height + 16, bar.tick) for number, bar in enumerate(bars) if bar.tick
    )
    return Markup(
        '<svg class="chart {}" viewBox="0 -{} {} {}" role="img" aria-label="{}">'
        '<line class="axis" x1="0" y1="{}" x2="{}" y2="{}"/>{}{}'
        "{}</svg>"
    ).format(
        kind, _ABOVE, _WIDTH, height + _ABOVE + 20, title, height, _WIDTH, height, Markup("").join(parts), ticks,
        "" if most is None else
        Markup('<text class="most" x="{}" y="-5">{}</text>').format(_WIDTH - 2, most),
    )  # fmt: skip


def _tick(x: float, y: int, words: str) -> Markup:
    """Words that begin at `x`, or end with the chart where they would leave it."""
    if x > _WIDTH - _TICK:
        return Markup('<text class="last" x="{}" y="{}">{}</text>').format(_WIDTH, y, words)
    return Markup('<text x="{:.1f}" y="{}">{}</text>').format(x, y, words)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f}".removesuffix(".0")


_STEP, _HEIGHT, _LETTERS = 24, 80, 18
"""Of a bar's place, of the tallest bar, of the letters below; the drawing is as wide as its bars."""
_TALLEST = 10.0
"""KDA: better ones are as tall, so that one game without a death does not flatten the rest."""
_MOST = 20


@dataclass(frozen=True)
class _Bar:
    """One game."""

    ended_at: datetime
    champion: str
    won: bool
    kills: int
    deaths: int
    assists: int

    @property
    def kda(self) -> float:
        return (self.kills + self.assists) / max(1, self.deaths)

    @property
    def title(self) -> str:
        score = f"{self.kills}/{self.deaths}/{self.assists}"
        ended = "won" if self.won else "lost"
        return f"{self.ended_at:%Y-%m-%d}: {self.champion} {score}, KDA {self.kda:.1f}, {ended}"


def form_chart(games: pd.DataFrame) -> Markup:
    """Games in the shape that `stats.form.last_games` returns, oldest first; it is read out as a
    picture with its numbers beside it.
    """
    columns = ["ended_at", "champion", "won", "kills", "deaths", "assists"]
    bars = [_Bar(*row) for row in games[columns].itertuples(index=False, name=None)]
    most = min(_TALLEST, max((bar.kda for bar in bars), default=1.0)) or 1.0
    drawn = Markup("").join(_drawn(number, bar, most) for number, bar in enumerate(bars))
    letters = "".join("W" if bar.won else "L" for bar in bars)
    return Markup(
        '<svg class="form-chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}'
        '<line class="axis" x1="0" y1="{}" x2="{}" y2="{}"/></svg>'
    ).format(
        _MOST * _STEP,
        _HEIGHT + _LETTERS,
        f"The last {len(bars)} games, the newest last: {letters}",
        drawn,
        _HEIGHT,
        _MOST * _STEP,
        _HEIGHT,
    )


def _drawn(number: int, bar: _Bar, most: float) -> Markup:
    tall = max(2.0, min(bar.kda, most) / most * (_HEIGHT - 4))
    left = number * _STEP
    return Markup(
        '<g class="{}"><title>{}</title><rect x="{}" y="{:.1f}" width="{}" height="{:.1f}"/>'
        '<text x="{}" y="{}">{}</text></g>'
    ).format(
        "win" if bar.won else "loss",
        bar.title,
        left + 3,
        _HEIGHT - tall,
        _STEP - 6,
        tall,
        left + _STEP / 2,
        _HEIGHT + 14,
        "W" if bar.won else "L",
    )


def form_words(form: Form) -> str:
    """A form in a sentence."""
    if not form.games:
        return "No game yet that counts in form."
    parts = [f"{form.wins} won and {form.losses} lost of the last {form.games}"]
    if abs(form.streak) > 1:
        parts.append(f"{abs(form.streak)} {'won' if form.streak > 0 else 'lost'} in a row")
    if form.kda is not None:
        parts.append(f"KDA {form.kda:.1f}")
    if form.cs_per_min is not None:
        parts.append(f"{form.cs_per_min:.1f} CS a minute")
    if form.kill_participation is not None:
        parts.append(f"{form.kill_participation:.0%} of the side's kills")
    if form.best_champion is not None:
        best = form.best_champion
        parts.append(f"best with {best.champion} ({best.wins} of {best.games} won)")
    return ", ".join(parts) + "."
