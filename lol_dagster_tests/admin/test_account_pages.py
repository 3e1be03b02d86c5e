"""A player by Riot ID, in one form: looked up first, saved with a second click."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from lol_dagster.settings import Settings, load_settings
from lol_dagster.simulator.games import Account as RiotAccount
from lol_dagster.simulator.main import Simulator
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Account, AuditEntry, Membership, Player
from lol_dagster_tests._support.payloads import match_payload, participant, puuid_of
from lol_dagster_tests._support.roster_rows import make_account, make_player, make_team
from lol_dagster_tests._support.simulated_world import simulator  # noqa: F401 - a fixture
from lol_dagster_tests._support.web_visitor import QUICK_HASH, Visitor
from lol_dagster_tests.admin.clock import ManualClock
from lol_dagster_tests.admin.page_forms import filled_in


@pytest.fixture
def settings(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Settings:  # noqa: F811
    monkeypatch.setenv("LOL_ADMIN_PASSWORD_HASH", QUICK_HASH)
    played = datetime.now(UTC) - timedelta(hours=3)
    simulator.add_game(
        match_payload("EUW1_7", mode="aram", participants=[participant("Dora")], ended_at=played)
    )
    simulator.add_account(RiotAccount(puuid_of("Dora"), "Dora", "TAG", "euw1", level=417))
    return load_settings()


@pytest.fixture
def clock() -> ManualClock:
    """As late as it is in the simulated world."""
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def team(database: Database) -> int:
    with database.writing() as session:
        return int(make_team(session, "Amigos").id)


def look_up(operator: Visitor, riot_id: str = "dora#tag", platform: str = "euw1", **more: str):
    page = operator.get("/account/add/?team=Amigos").text
    typed = filled_in(page, riot_id=riot_id, platform=platform, step="look_up", **more)
    return operator.post("/account/add/", typed)


def save(operator: Visitor, shown: TestResponse, **changed: str) -> TestResponse:
    return operator.post("/account/add/", filled_in(shown.text, **{"step": "save", **changed}))


def players(database: Database) -> dict[str, list[str]]:
    with database.reading() as session:
        return {
            player.name: [account.riot_id for account in player.accounts]
            for player in session.scalars(select(Player))
        }


def test_what_riot_shows_is_seen_before_anything_is_saved(
    operator: Visitor, team: int, database: Database
) -> None:
    shown = look_up(operator)
    assert shown.status_code == 200
    for said in ("Dora#TAG", "417", "ARAM", "3 h ago"):
        assert said in shown.text
    assert players(database) == {}

    saved = save(operator, shown)
    assert saved.status_code == 303
    assert "Dora is in the team Amigos, with Dora#TAG." in operator.get(saved.location).text
    assert players(database) == {"Dora": ["Dora#TAG"]}
    with database.reading() as session:
        (account,), (membership,) = (
            session.scalars(select(Account)),
            session.scalars(select(Membership)),
        )
        assert (account.puuid, account.platform) == (puuid_of("Dora"), "euw1")
        assert (membership.team_id, membership.until) == (team, None)
        assert {entry.who for entry in session.scalars(select(AuditEntry))} == {
            "system", "Ann (web)",
        }  # fmt: skip


def test_a_name_and_a_date_of_ones_own_are_taken(
    operator: Visitor, team: int, database: Database
) -> None:
    assert (
        save(operator, look_up(operator, name="Dorothea", since="2026-05-01T10:00")).status_code
        == 303
    )
    assert players(database) == {"Dorothea": ["Dora#TAG"]}
    with database.reading() as session:
        assert session.scalars(select(Membership.since)).one() == datetime(
            2026, 5, 1, 10, tzinfo=UTC
        )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (
            {"riot_id": "Nobody#TAG"},
            "Riot knows no account &#39;Nobody#TAG&#39;: check the spelling",
        ),
        ({"riot_id": "Dora"}, "is no Riot ID: it should look like"),
        ({"riot_id": ""}, "Enter the Riot ID"),
        ({"platform": "na1"}, "plays on euw1, not na1"),
        ({"since": "2030-01-01T00:00"}, "This is in the future"),
        ({"name": "two\tlines"}, "has control characters"),
        ({"team": "Nobodies"}, "Not a valid choice"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_saved(
    operator: Visitor, team: int, database: Database, typed: dict[str, str], said: str
) -> None:
    refused = look_up(operator, **typed)
    assert refused.status_code == 422
    (field,) = list(typed)
    at_field = re.search(rf'id="{field}-wrong">(.*?)</ul>', refused.text, re.DOTALL)
    assert at_field is not None
    assert said in at_field[1]
    assert players(database) == {}


def test_another_platform_is_chosen_by_itself(operator: Visitor, team: int) -> None:
    refused = look_up(operator, platform="na1")
    assert filled_in(refused.text)["platform"] == ["euw1"]
    again = operator.post("/account/add/", filled_in(refused.text, step="look_up"))
    assert "Account found" in again.text


def test_riot_is_asked_where_an_account_plays(
    operator: Visitor,
    team: int,
    database: Database,
    simulator: Simulator,  # noqa: F811
) -> None:
    """Nothing is chosen before Riot has said it."""
    simulator.add_account(RiotAccount(puuid_of("Finn"), "Finn", "KR1", "kr", level=30))
    page = operator.get("/account/add/?team=Amigos").text
    shown = operator.post("/account/add/", filled_in(page, riot_id="finn#kr1", step="look_up"))
    assert "Korea (kr)" in shown.text.partition("Account found")[2]
    assert filled_in(shown.text)["platform"] == ["kr"]
    assert save(operator, shown).status_code == 303
    with database.reading() as session:
        assert session.scalars(select(Account.platform)).one() == "kr"


def test_where_an_account_plays_is_asked_of_the_person_if_riot_does_not_say(
    operator: Visitor,
    team: int,
    simulator: Simulator,  # noqa: F811
) -> None:
    simulator.faults.set("riot.region=404")
    refused = look_up(operator, platform="")
    assert "Riot does not say where &#39;Dora#TAG&#39; plays: choose it." in refused.text
    simulator.faults.set("riot.account=503")
    unasked = look_up(operator, platform="")
    assert "You can save the entry as it is" in unasked.text
    refused = save(operator, unasked, step="keep")
    assert "Choose where it plays: Riot cannot be asked now." in refused.text


@pytest.mark.parametrize("failure", ["down", "key"])
def test_when_riot_cannot_be_asked_the_entry_can_be_kept(
    operator: Visitor,
    team: int,
    database: Database,
    simulator: Simulator,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    failure: str,
) -> None:
    simulator.faults.set("riot.account=" + ("503" if failure == "down" else "403"))
    shown = look_up(operator)
    assert "You can save the entry as it is" in shown.text
    assert ("Riot could not be asked" if failure == "down" else "refuses the API key") in shown.text
    kept = save(operator, shown, step="keep")
    assert kept.status_code == 303
    page = operator.get(kept.location).text
    assert "with dora#tag, to be resolved" in page
    assert "Riot is asked automatically" in page
    with database.reading() as session:
        assert session.scalars(select(Account.puuid)).one() is None


def test_an_account_of_somebody_else_leads_to_them(
    operator: Visitor, team: int, database: Database
) -> None:
    """By its Riot ID, and, where it was renamed, by what Riot says."""
    with database.writing() as session:
        bob = make_player(session, "Bob")
        make_account(session, bob, puuid=puuid_of("Dora"), game_name="Before", tag_line="X")
    for typed in ("before#x", "Dora#TAG"):
        refused = look_up(operator, riot_id=typed)
        assert "already belongs to the player &#39;Bob&#39;" in refused.text
        assert f'<a href="/player/details/?id={bob.id}">Bob</a>' in refused.text


def test_what_is_saved_is_what_was_shown(operator: Visitor, team: int, database: Database) -> None:
    """Another Riot ID typed after the lookup is looked up first; a forged find is none."""
    shown = look_up(operator)
    other = save(operator, shown, riot_id="Nobody#TAG")
    assert "Riot knows no account" in other.text
    forged = save(operator, shown, found_account=filled_in(shown.text)["found_account"][0][:-2])
    assert forged.status_code == 200
    assert "Account found" in forged.text
    assert players(database) == {}


def test_a_name_that_is_taken_meanwhile_is_refused_in_words(
    operator: Visitor, team: int, database: Database
) -> None:
    shown = look_up(operator)
    with database.writing() as session:
        make_player(session, "DORA")
    refused = save(operator, shown)
    assert refused.status_code == 422
    assert "There is already a player Dora: choose another name" in refused.text
    assert save(operator, refused, name="Dora II").status_code == 303, "no need to look up again"


def test_another_account_of_a_player(operator: Visitor, team: int, database: Database) -> None:
    with database.writing() as session:
        ann = make_player(session, "Ann")
    address = f"/account/more/?id={ann.id}"
    page = operator.get(address).text
    shown = operator.post(address, filled_in(page, riot_id="Dora#tag", step="look_up"))
    saved = operator.post(address, filled_in(shown.text, step="save"))
    assert "Ann also plays as Dora#TAG." in operator.get(saved.location).text
    assert players(database) == {"Ann": ["Dora#TAG"]}


def test_a_mistyped_riot_id_is_corrected(operator: Visitor, team: int, database: Database) -> None:
    with database.writing() as session:
        account = make_account(
            session, make_player(session, "Ann"), puuid=None, game_name="Dorra", tag_line="TAG"
        )
    address = f"/account/edit/?id={account.id}"
    page = operator.get(address).text
    assert 'value="Dorra#TAG"' in page
    shown = operator.post(
        address, filled_in(page, riot_id="Dora#TAG", platform="euw1", step="look_up")
    )
    saved = operator.post(address, filled_in(shown.text, step="save"))
    assert "Dorra#TAG is now Dora#TAG." in operator.get(saved.location).text

    # Whoever opened it before is stopped, keeps what they typed, and may go on.
    late = operator.post(
        address, filled_in(page, riot_id="Dora#TAG", platform="euw1", step="look_up")
    )
    refused = operator.post(address, filled_in(late.text, step="save"))
    assert refused.status_code == 422
    assert "Ann (web) changed Dora#TAG in the meantime" in refused.text
    assert filled_in(refused.text)["seen_version"] == ["2"]


def test_an_account_moves_to_another_player(operator: Visitor, database: Database) -> None:
    with database.writing() as session:
        account = make_account(session, make_player(session, "Ann"))
        make_player(session, "Bob")
    address = f"/account/move/?id={account.id}"
    page = operator.get(address).text
    assert (
        "there is no player"
        in operator.post(address, filled_in(page, player="Nobody")).text.lower()
    )
    assert operator.post(address, filled_in(page, player="bob")).status_code == 303
    assert players(database) == {"Ann": [], "Bob": [account.riot_id]}
    assert "in the meantime" in operator.post(address, filled_in(page, player="Ann")).text
