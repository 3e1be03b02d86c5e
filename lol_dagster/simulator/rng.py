"""The one place where chance comes from: seeded, so that the same seed gives the same world."""

from __future__ import annotations

from random import Random


def seeded_rng(*seed: object) -> Random:
    """A generator for one purpose, named by its seed; the same in every process."""
    return Random(" ".join(map(str, seed)))  # noqa: S311 - repeatable is what is wanted
