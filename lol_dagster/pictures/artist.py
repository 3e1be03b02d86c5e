"""Who draws cards, as the settings say it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lol_dagster.pictures.card import Card
from lol_dagster.pictures.drawing import CannotDraw, draw


class Artist:
    """Draws cards."""

    def __init__(self, fonts: Path | None) -> None:
        """
        Args:
            fonts: LOL_CARD_FONTS.
        """
        self._fonts = fonts

    def draw(self, card: Card | Mapping[str, Any]) -> bytes:
        """The card as a PNG.

        Args:
            card: Also as `Card.to_json` gives it.

        Raises:
            CannotDraw: whatever the reason.
        """
        try:
            card = card if isinstance(card, Card) else Card.from_json(card)
        except ValidationError as error:
            raise CannotDraw(
                f"it is no card of this version: {error.error_count()} errors"
            ) from None
        return draw(card, fonts=self._fonts)
