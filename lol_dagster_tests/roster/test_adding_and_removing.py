"""Teams, players, accounts and channels in the database, on both engines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.roster.accounts import add_account, get_account, remove_account
from lol_dagster.roster.channels import (
    ChannelRules,
    add_channel,
    channels,
    parse_queues,
    remove_channel,
)
from lol_dagster.roster.errors import AlreadyThereError, NoSuchEntryError, RosterError
from lol_dagster.roster.memberships import add_membership
from lol_dagster.roster.names import RiotId
from lol_dagster.roster.players import add_player, get_player, players, remove_player
from lol_dagster.roster.riot_lookup import KnownAccount, account_by_hand
from lol_dagster.roster.teams import (
    add_team,
    current_members,
    get_team,
    remove_team,
    teams,
)
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Account,
    AccountPoll,
    Channel,
    Match,
    Membership,
    Player,
    Team,
)
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests._support.roster_rows import (
    make_account,
    make_channel,
    make_member,
    make_player,
    make_team,
)

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
TRANSPORTS = all_transports(Settings())


def _known(game_name: str = "Ann", puuid: str = "puuid-of-ann") -> KnownAccount:
    return KnownAccount(RiotId(game_name, "NA1"), "na1", puuid, "key")


def _add_ann(session: Session, team: str = "Amigos", since: datetime = NOW) -> Player:
    return add_player(session, "Ann", team=team, account=_known(), since=since, now=NOW)


def _add_channel(session: Session, name: str = "general", **how: object) -> Channel:
    values = {
        "team": "Amigos",
        "kind": "discord-bot",
        "address": "123456789012345678",
        "transports": TRANSPORTS,
        "rules": ChannelRules(),
        "uncertain": "review",
        "now": NOW,
        **how,
    }
    return add_channel(session, name, **values)  # type: ignore[arg-type]


def test_a_team_is_found_whatever_the_case_of_its_name(any_database: Database) -> None:
    with any_database.writing() as session:
        add_team(session, " Élite ", now=NOW)
    with any_database.reading() as session:
        assert get_team(session, "ÉLITE").name == "Élite"
        assert [team.name for team in teams(session)] == ["Élite"]


@pytest.mark.parametrize("again", ["Élite", "élite", " ÉLITE "])
def test_two_teams_cannot_share_a_name_in_any_case(any_database: Database, again: str) -> None:
    """Also beyond ASCII, which SQLite's own lower() leaves alone."""
    with any_database.writing() as session:
        add_team(session, "Élite", now=NOW)
    with (
        pytest.raises(AlreadyThereError, match="already a team 'Élite'"),
        any_database.writing() as session,
    ):
        add_team(session, again, now=NOW)


def test_an_unknown_team_is_answered_with_the_known_ones(any_database: Database) -> None:
    with any_database.writing() as session:
        make_team(session, "Amigos")
        make_team(session, "Bots")
        with pytest.raises(NoSuchEntryError, match="no team 'Amigo': the teams are Amigos, Bots"):
            get_team(session, "Amigo")


def test_the_first_team_is_answered_with_how_to_add_one(any_database: Database) -> None:
    with (
        any_database.reading() as session,
        pytest.raises(NoSuchEntryError, match="lol-dagster team add"),
    ):
        get_team(session, "Amigos")


def test_a_team_in_use_is_removed_only_when_that_is_meant(any_database: Database) -> None:
    with any_database.writing() as session:
        team = make_team(session, "Amigos")
        make_member(session, team, "Ann")
        make_channel(session, team, "general")
        with pytest.raises(RosterError, match="still has players Ann and channels general"):
            remove_team(session, "amigos", even_if_used=False, now=NOW)
    with any_database.writing() as session:
        remove_team(session, "amigos", even_if_used=True, now=NOW)
    with any_database.reading() as session:
        assert teams(session) == []
        assert channels(session) == []
        (membership,) = session.scalars(select(Membership))
        assert membership.until == NOW, "the games that Ann played in it stay the team's"
        assert session.scalars(select(Team)).one().removed_at == NOW


def test_the_name_of_a_removed_team_is_free_again(any_database: Database) -> None:
    with any_database.writing() as session:
        add_team(session, "Amigos", now=NOW)
        remove_team(session, "Amigos", even_if_used=False, now=NOW)
        assert add_team(session, "amigos", now=NOW).name == "amigos"


def test_a_new_player_has_an_account_and_a_membership(any_database: Database) -> None:
    with any_database.writing() as session:
        make_team(session, "Amigos")
        _add_ann(session, since=NOW - timedelta(days=3))
    with any_database.reading() as session:
        ann = get_player(session, "ann")
        assert [account.riot_id for account in ann.accounts] == ["Ann#NA1"]
        (membership,) = ann.memberships
        assert (membership.team.name, membership.since) == ("Amigos", NOW - timedelta(days=3))
        assert membership.until is None


def test_a_player_who_is_there_joins_a_second_team_without_an_account(
    any_database: Database,
) -> None:
    with any_database.writing() as session:
        make_team(session, "Amigos")
        make_team(session, "Bots")
        _add_ann(session)
        add_player(session, "ANN", team="Bots", account=None, since=NOW, now=NOW)
    with any_database.reading() as session:
        (ann,) = players(session)
        assert {each.team.name for each in ann.memberships} == {"Amigos", "Bots"}


def test_what_cannot_be_added_says_why_and_leaves_nothing(any_database: Database) -> None:
    with any_database.writing() as session:
        make_team(session, "Amigos")
        make_team(session, "Bots")
        _add_ann(session)
    wrong = [
        ("Ann", "Amigos", None, "Ann is already in the team 'Amigos', since 2026-05-20"),
        ("ann", "Bots", _known("Other", "other"), "already a player 'Ann': .* leave --account out"),
        ("Bob", "Amigos", None, "'Bob' is a new player: give one account"),
        ("Bob", "Nobodies", _known("Bob", "b"), "no team 'Nobodies'"),
        ("Bob", "Bots", _known("Renamed"), "'Ann#NA1' already belongs to the player 'Ann'"),
        ("", "Bots", _known("Bob", "b"), "a name is missing"),
    ]
    for name, team, account, why in wrong:
        with pytest.raises(RosterError, match=why), any_database.writing() as session:
            add_player(session, name, team=team, account=account, since=NOW, now=NOW)
    with any_database.reading() as session:
        assert [player.name for player in players(session)] == ["Ann"]
        assert len(session.scalars(select(Account)).all()) == 1
        assert len(session.scalars(select(Membership)).all()) == 1


def test_a_riot_id_that_changed_hands_belongs_to_its_new_bearer(any_database: Database) -> None:
    """Ann renamed herself and a stranger took the name: another puuid is another account."""
    with any_database.writing() as session:
        make_team(session, "Amigos")
        _add_ann(session)
        bob = add_player(
            session, "Bob", team="Amigos", account=_known("Ann", "another"), since=NOW, now=NOW
        )
        assert bob.id != get_player(session, "Ann").id


def test_memberships_of_one_player_in_one_team_never_overlap(any_database: Database) -> None:
    with any_database.writing() as session:
        make_team(session, "Amigos")
        ann = _add_ann(session, since=NOW - timedelta(days=10))
        add_game(session, "NA1_1", played(ann), ended_at=NOW - timedelta(days=9))
        remove_player(session, "Ann", team="Amigos", now=NOW - timedelta(days=5))
        with pytest.raises(
            RosterError,
            match="was in the team 'Amigos' from 2026-05-10 12:00 until 2026-05-15 12:00 UTC",
        ):
            add_player(
                session, "Ann", team="Amigos", account=None, since=NOW - timedelta(days=6), now=NOW
            )
        add_player(
            session, "Ann", team="Amigos", account=None, since=NOW - timedelta(days=5), now=NOW
        )
        session.expire_all()
        spans = [(each.since, each.until) for each in ann.memberships]
    assert spans == [
        (NOW - timedelta(days=10), NOW - timedelta(days=5)),
        (NOW - timedelta(days=5), None),
    ]


def test_a_player_with_games_who_is_removed_keeps_them(any_database: Database) -> None:
    with any_database.writing() as session:
        team = make_team(session, "Amigos")
        ann = _add_ann(session, since=NOW - timedelta(days=10))
        add_game(session, "NA1_1", played(ann), ended_at=NOW - timedelta(days=9))
        removed, for_good = remove_player(session, "ann", team=None, now=NOW)
        session.flush()
        assert not for_good
        assert current_members(session, team) == []
        assert len(removed.accounts) == 1


def test_a_player_without_games_who_is_removed_goes_for_good(any_database: Database) -> None:
    with any_database.writing() as session:
        make_team(session, "Amigos")
        ann = _add_ann(session)
        account = ann.accounts[0]
        session.add(AccountPoll(account_id=account.id, next_poll_at=NOW))
        session.add(Match(match_id="NA1_7", listed_at=NOW, listed_by=account.id))
    with any_database.writing() as session:
        _, for_good = remove_player(session, "Ann", team=None, now=NOW)
        assert for_good
    with any_database.reading() as session:
        for table in (Player, Account, Membership, AccountPoll):
            assert session.scalars(select(table)).all() == []
        assert session.get_one(Match, "NA1_7").listed_by is None


def test_leaving_one_team_leaves_the_others_alone(any_database: Database) -> None:
    with any_database.writing() as session:
        make_team(session, "Amigos")
        make_team(session, "Bots")
        _add_ann(session)
        add_player(session, "Ann", team="Bots", account=None, since=NOW, now=NOW)
        remove_player(session, "Ann", team="bots", now=NOW)
        with pytest.raises(NoSuchEntryError, match="Ann is not in the team 'Bots'"):
            remove_player(session, "Ann", team="Bots", now=NOW)
        session.flush()
        assert len(current_members(session, get_team(session, "Amigos"))) == 1


def test_an_account_belongs_to_one_player_only(any_database: Database) -> None:
    with any_database.writing() as session:
        ann, bob = make_player(session, "Ann"), make_player(session, "Bob")
        add_account(session, ann, _known(), now=NOW)
        for owner in (ann, bob):
            with pytest.raises(AlreadyThereError, match="already belongs to the player 'Ann'"):
                add_account(session, owner, _known(), now=NOW)


def test_an_account_that_is_removed_takes_its_games_out_of_the_count(
    any_database: Database,
) -> None:
    with any_database.writing() as session:
        ann = make_player(session, "Ann")
        make_account(session, ann, game_name="Ann", tag_line="NA1")
        make_account(session, ann, game_name="Smurf", tag_line="NA1")
        add_game(session, "NA1_1", played(ann, account=0))
        add_game(session, "NA1_2", played(ann, account=1))
        assert remove_account(session, get_account(session, "smurf#na1")) == 1
        session.expire_all()
        assert [each.riot_id for each in ann.accounts] == ["Ann#NA1"]
        with pytest.raises(NoSuchEntryError, match="no player has an account 'Smurf#NA1'"):
            get_account(session, "Smurf#NA1")


@pytest.mark.parametrize("puuid", ["", " ", "x" * 101, "two\nlines", "ümlaut"])
def test_what_is_no_puuid_is_refused(puuid: str) -> None:
    with pytest.raises(RosterError, match="this is no puuid"):
        account_by_hand(RiotId("Ann", "NA1"), "na1", puuid)


def test_a_channel_that_is_removed_keeps_its_row_and_frees_its_name(
    any_database: Database,
) -> None:
    with any_database.writing() as session:
        make_team(session, "Amigos")
        _add_channel(session, rules=ChannelRules(queues=[420]))
        with pytest.raises(AlreadyThereError, match="already a channel 'general'"):
            _add_channel(session, "GENERAL", address="223456789012345678")
        with pytest.raises(AlreadyThereError, match="has this channel already, as 'general'"):
            _add_channel(session, "other")
        removed = remove_channel(session, "General", now=NOW)
        assert removed.removed_at == NOW
        assert channels(session) == []
        assert _add_channel(session).id != removed.id


def test_two_teams_may_share_one_place(any_database: Database) -> None:
    with any_database.writing() as session:
        make_team(session, "Amigos")
        make_team(session, "Bots")
        _add_channel(session)
        _add_channel(session, "bots in general", team="Bots")
        assert len(channels(session)) == 2


def test_queues_are_kinds_names_or_riots_numbers() -> None:
    assert parse_queues(" 440, 420,440 ") == [420, 440]
    for typed in ("", "rankde", "420,", "-1", "４２０", "123456", "Tutorial", "Practice Tool"):
        with pytest.raises(RosterError, match=r"is no kind of queue .* and no number of Riot's"):
            parse_queues(typed)


def test_adding_the_same_in_the_same_moment_is_refused_by_the_database(
    any_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the other one had committed between our look and our write."""
    with any_database.writing() as session:
        make_team(session, "Amigos")
        _add_ann(session)
        _add_channel(session)
    for module in ("players", "channels"):
        monkeypatch.setattr(f"lol_dagster.roster.{module}.find_named", lambda rows, name: None)
    monkeypatch.setattr("lol_dagster.roster.teams.free_name", lambda rows, name, what: name)
    monkeypatch.setattr("lol_dagster.roster.accounts.check_not_taken", lambda *_: None)
    monkeypatch.setattr("lol_dagster.roster.memberships.check_no_overlap", lambda *_: None)

    def again(what: str) -> None:
        with any_database.writing() as session:
            ann = session.scalars(select(Player)).one()
            match what:
                case "team":
                    add_team(session, "AMIGOS", now=NOW)
                case "player":
                    _add_ann(session)
                case "account":
                    add_account(session, ann, _known(), now=NOW)
                case "channel":
                    _add_channel(session, "GENERAL", address="223456789012345678")
                case "membership":
                    add_membership(session, get_team(session, "Amigos"), ann, since=NOW)

    for what in ("team", "player", "account", "channel", "membership"):
        with pytest.raises(AlreadyThereError, match="already"):
            again(what)
