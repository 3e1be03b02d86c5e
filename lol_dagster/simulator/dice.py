"""The one place where chance comes from: seeded, so that the same seed gives the same world."""

from __future__ import annotations

from random import Random


def dice(*seed: object) -> Random:
    """Dice for one purpose, named by its seed: they fall the same in every process."""
    return Random(" ".join(map(str, seed)))  # noqa: S311 - repeatable is what is wanted
