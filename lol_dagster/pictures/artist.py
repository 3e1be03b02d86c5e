"""Who draws cards, as the settings say it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lol_dagster.pictures.card import Card
from lol_dagster.pictures.drawing import WIDTH, CannotDraw, draw
from lol_dagster.pictures.icons import Icons, icons_of
from lol_dagster.settings import Settings


class Artist:
    """Draws cards."""

    def __init__(self, fonts: Path | None, icons: Icons | None = None) -> None:
        """
        Args:
            fonts: LOL_CARD_FONTS.
            icons: Where champions' icons come from; None: letters stand for them.
        """
        self._fonts = fonts
        self._icons = icons

    def draw(self, card: Card | Mapping[str, Any], *, width: int = WIDTH) -> bytes:
        """The card as a PNG.

        Args:
            card: Also as `Card.to_json` gives it.
            width: In pixels.

        Raises:
            CannotDraw: whatever the reason.
        """
        try:
            card = card if isinstance(card, Card) else Card.from_json(card)
        except ValidationError as error:
            raise CannotDraw(
                f"it is no card of this version: {error.error_count()} errors"
            ) from None
        icon = self._icons.for_a_card() if self._icons else None
        return draw(card, icon=icon, fonts=self._fonts, width=width)


def artist_of(settings: Settings) -> Artist:
    """The artist that the settings describe."""
    return Artist(settings.card_fonts, icons_of(settings))
