"""What boxes offer: the first by name and what is chosen already, however many there are.

A box of 50,000 takes seconds to make and is of use to nobody. Whatever is further back is chosen from
its own page, which leads to the form or to the list.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute
from wtforms import SelectField
from wtforms.fields.choices import SelectChoice

from lol_dagster.admin.filters import Options
from lol_dagster.admin.merging import number_in
from lol_dagster.admin.transactions import reading
from lol_dagster.storage.models import Player, Team

MOST = 500


def names_of(model: type[Player | Team]) -> list[str]:
    """Names that are offered while one types; others can be typed, too."""
    return list(reading().scalars(_first(model, model.name)))


def player_options(chosen: str) -> Options:
    return _with_chosen(Player, chosen)


def team_options(chosen: str) -> Options:
    """Teams that are not removed, and the one that is chosen."""
    return _with_chosen(Team, chosen)


def offer_teams(field: SelectField, chosen: str | None) -> None:
    """Let a form's field offer teams by name.

    Args:
        chosen: The name that was asked for or sent: offered if there is such a team.
    """
    names = names_of(Team)
    if len(names) == MOST:
        field.description = f"The first {MOST} by name; begin on the page of any other."
        live = select(Team.name).where(Team.name == chosen, Team.removed_at.is_(None))
        names = list(dict.fromkeys((*names, *reading().scalars(live))))
    field.choices = [SelectChoice(name, name) for name in names]


def _with_chosen(model: type[Player | Team], chosen: str) -> Options:
    found = {str(key): name for key, name in reading().execute(_first(model, model.id, model.name))}
    if chosen not in found:
        name = reading().scalar(select(model.name).where(model.id == number_in(chosen)))
        found |= {chosen: name} if name else {}
    return list(found.items())


def _first(model: type[Player | Team], *columns: InstrumentedAttribute[Any]) -> Select[Any]:
    """In the order of the index on names."""
    rows = select(*columns).order_by(func.lower(model.name)).limit(MOST)
    return rows.where(Team.removed_at.is_(None)) if model is Team else rows
