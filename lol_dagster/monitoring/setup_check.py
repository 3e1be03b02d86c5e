"""Whether what every stage needs is there: the database as it must be, and a key that Riot takes.

For a person who asks (`lol-dagster doctor`): it makes a call to Riot. How things go is health.py's
question.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lol_dagster.monitoring.alert_channel import alert_channel_problem
from lol_dagster.riot.client import riot_client
from lol_dagster.riot.errors import KeyRejected, NotFound, RiotError
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.integrity import undurable

_NOBODY = ("lol-dagster doctor", "0")
"""No Riot ID that anybody bears: only whether the question is answered counts."""


@dataclass(frozen=True)
class SetupCheck:
    """One thing that was looked at."""

    name: str
    ok: bool
    said: str
    """For people: what was found, and what to put right."""


def check_setup(settings: Settings, database: Database) -> Iterator[SetupCheck]:
    """Look at the database's settings and try Riot's key. Takes a second, as Riot is asked."""
    yield _database(database)
    yield _riot_key(settings, database)
    if settings.alert_channel is not None:
        with database.reading() as session:
            wrong = alert_channel_problem(session, settings)
        yield SetupCheck("alert channel", ok=wrong is None, said=wrong or settings.alert_channel)


def _database(database: Database) -> SetupCheck:
    where = database.url.render_as_string(hide_password=True)
    wrong = undurable(database)
    if wrong is not None:
        return SetupCheck("database", ok=False, said=f"{where}: {wrong}")
    return SetupCheck(
        "database", ok=True, said=f"{where}, and what is committed survives a power cut"
    )


def _riot_key(settings: Settings, database: Database) -> SetupCheck:
    if settings.riot_api_key is None:
        return SetupCheck(
            "Riot key",
            ok=False,
            said="LOL_RIOT_API_KEY is not set: get a key at https://developer.riotgames.com",
        )
    try:
        riot_client(settings, database).account_by_riot_id(*_NOBODY, "na1")
    except NotFound:
        pass  # so the key was taken
    except KeyRejected as error:
        return SetupCheck("Riot key", ok=False, said=str(error))
    except RiotError as error:
        return SetupCheck("Riot key", ok=False, said=f"Riot could not be asked: {error}")
    return SetupCheck("Riot key", ok=True, said="Riot takes it")
