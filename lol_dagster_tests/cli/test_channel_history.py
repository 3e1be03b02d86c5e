"""Whether a channel's history can be seen, as `lol-dagster channel` shows it."""

from __future__ import annotations

import pytest

from lol_dagster.storage.database import Database
from lol_dagster.storage.models import ChannelProbe
from lol_dagster_tests._support.commands import as_json, said
from lol_dagster_tests._support.roster_rows import make_channel, make_team


@pytest.mark.parametrize(("is_hidden", "word"), [(None, "–"), (False, "seen"), (True, "hidden")])
def test_a_channel_is_listed_with_what_is_known_of_its_history(
    database: Database, is_hidden: bool | None, word: str
) -> None:
    with database.writing() as session:
        channel = make_channel(session, make_team(session, "Barons"), "main")
        if is_hidden is not None:
            session.add(ChannelProbe(channel_id=channel.id, unreadable_history=is_hidden))
    assert as_json("channel", "show", "main")["history_hidden"] is is_hidden
    heading, row = said("channel", "list").splitlines()[:2]
    assert (heading.split()[-1], row.split()[-1]) == ("HISTORY", word)
