"""A player's form as a chart: a bar per game, as tall as its KDA, with how it ended below it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from markupsafe import Markup

from lol_dagster.stats.form import Form

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
    def words(self) -> str:
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
        bar.words,
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
