"""Searching for a part of a name, in whatever case and script."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Player
from lol_dagster.storage.searching import has_part
from lol_dagster_tests._support.roster_rows import make_player


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("Élodie", "élo"),
        ("élodie", "ÉLODIE"),
        ("Яна", "яна"),
        ("Αλέξης", "ΑΛΈΞ"),
        ("Ann", "aNN"),
        ("100%_sure", "%_S"),
    ],
)
def test_a_part_is_found_in_whatever_case(any_database: Database, name: str, typed: str) -> None:
    with any_database.writing() as session:
        make_player(session, name)
        make_player(session, "Somebody else")
    with any_database.reading() as session:
        found = session.scalars(select(Player.name).where(has_part(Player.name, typed))).all()
    assert found == [name]


def test_nothing_typed_is_a_wildcard(any_database: Database) -> None:
    with any_database.writing() as session:
        make_player(session, "Ann")
    with any_database.reading() as session:
        for typed in ("%", "_", "A%n", "A_n", "\\"):
            assert not session.scalars(select(Player.id).where(has_part(Player.name, typed))).all()
