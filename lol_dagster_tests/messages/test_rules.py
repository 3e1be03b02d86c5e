"""Where a game is announced, rule by rule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.delivery.message_rows import write_messages
from lol_dagster.messages.restored import Restoration, keep_restoration
from lol_dagster.messages.rules import AnnouncementDecision, decide, decide_afresh
from lol_dagster.storage.models import Match, Player
from lol_dagster_tests._support.message_rows import ENDED, NOW, add_game, played
from lol_dagster_tests._support.roster_rows import (
    make_account,
    make_channel,
    make_member,
    make_membership,
    make_player,
    make_team,
)

STALE_AFTER = timedelta(hours=12)
SECOND = timedelta(seconds=1)


@pytest.fixture
def session(any_database) -> Iterator[Session]:
    with any_database.writing() as session:
        yield session


def decisions(session: Session, match_id: str = "EUW1_1", now=NOW) -> list[AnnouncementDecision]:
    return decide(session, match_id, stale_after=STALE_AFTER, now=now)


def rules(session: Session, **values) -> list[tuple[str, str | None]]:
    return [(decision.rule, decision.kind) for decision in decisions(session, **values)]


def test_a_fresh_game_is_announced_by_itself_in_every_channel_of_the_team(session):
    team = make_team(session)
    make_channel(session, team, "one")
    make_channel(session, team, "two")
    add_game(session, "EUW1_1", played(make_member(session, team)))
    made = decisions(session)
    assert [(d.channel.name, d.announced, d.kind, d.rule) for d in made] == [
        ("one", True, "game", "game"),
        ("two", True, "game", "game"),
    ]


def test_nothing_would_have_been_decided_of_a_game_that_is_not_processed(session):
    team = make_team(session)
    channel = make_channel(session, team)
    add_game(session, "EUW1_1", played(make_member(session, team)))
    # One that is processed and is no game for us has no row of its own.
    session.add(Match(match_id="EUW1_2", listed_at=NOW, processed_at=NOW))
    session.get_one(Match, "EUW1_1").processed_at = NOW
    session.flush()
    assert decide_afresh(session, "EUW1_1", [channel], stale_after=STALE_AFTER) != []
    session.get_one(Match, "EUW1_1").processed_at = None
    for match_id in ("EUW1_1", "EUW1_2", "EUW1_3"):
        assert decide_afresh(session, match_id, [channel], stale_after=STALE_AFTER) == []


def test_a_game_of_two_teams_is_announced_to_both(session):
    first, second = make_team(session, "A"), make_team(session, "B")
    make_channel(session, first)
    make_channel(session, second)
    ann, bob = make_member(session, first), make_member(session, second)
    add_game(session, "EUW1_1", played(ann), played(bob, outcome="loss", team_id=200))
    assert [(d.team.name, d.announced) for d in decisions(session)] == [("A", True), ("B", True)]


def test_a_game_without_members_is_announced_nowhere(session):
    team = make_team(session)
    make_channel(session, team)
    stranger = make_player(session)
    make_account(session, stranger)
    add_game(session, "EUW1_1", played(stranger))
    assert decisions(session) == []


@pytest.mark.parametrize(
    ("game", "verdict"),
    [
        ({"result": "remake"}, ("game", "game")),
        ({"result": "aborted"}, ("aborted", None)),
        ({"game_mode": "PRACTICETOOL"}, ("practice", None)),
        ({"game_mode": "TUTORIAL_MODULE_2"}, ("practice", None)),
        ({"queue_id": 2010}, ("practice", None)),
        ({"game_type": "TUTORIAL_GAME"}, ("practice", None)),
        # Custom games with friends are games; they merely do not count in form.
        ({"game_type": "CUSTOM_GAME", "queue_id": 0}, ("game", "game")),
        ({"queue_id": 9999, "game_mode": "NEWMODE"}, ("game", "game")),
    ],
)
def test_which_games_are_announced(session, game, verdict):
    team = make_team(session)
    make_channel(session, team)
    add_game(session, "EUW1_1", played(make_member(session, team)), **game)
    assert rules(session) == [verdict]


def test_an_empty_game_is_explained_to_the_team_in_whose_list_it_was(session):
    team = make_team(session)
    make_channel(session, team)
    ann = make_member(session, team)
    add_game(session, "EUW1_1", result="empty")
    session.refresh(ann, ["accounts"])
    session.get_one(Match, "EUW1_1").listed_by = ann.accounts[0].id
    session.flush()
    assert rules(session) == [("empty", None)]


@pytest.mark.parametrize(
    ("since", "until", "announced"),
    # [since, until), against the moment at which the game ended
    [
        (ENDED - SECOND, None, True),
        (ENDED, None, True),
        (ENDED + SECOND, None, False),
        (ENDED - SECOND, ENDED, False),
        (ENDED - SECOND, ENDED + SECOND, True),
    ],
)
def test_a_game_counts_for_the_teams_of_the_moment_it_ended(session, since, until, announced):
    team = make_team(session)
    make_channel(session, team)
    ann = make_player(session, "Ann")
    make_account(session, ann)
    make_membership(session, team, ann, since=since, until=until)
    add_game(session, "EUW1_1", played(ann))
    (decision,) = decisions(session)
    assert decision.announced is announced
    if not announced:
        assert decision.rule == "membership"
        assert decision.reason == "not in the team when the game ended: Ann"


def test_a_team_without_a_channel_is_explained(session):
    team = make_team(session)
    add_game(session, "EUW1_1", played(make_member(session, team)))
    (decision,) = decisions(session)
    assert (decision.channel, decision.rule, decision.announced) == (None, "no_channel", False)


@pytest.mark.parametrize(
    ("channel", "ended_before", "verdict"),
    [
        ({}, timedelta(0), ("game", "game")),
        ({"removed_at": ENDED}, timedelta(0), ("removed", None)),
        ({"queues": [420, 440]}, timedelta(0), ("game", "game")),
        ({"queues": [450]}, timedelta(0), ("queues", None)),
        ({"queues": []}, timedelta(0), ("queues", None)),
        # By its name, or by what kind of queue it is.
        ({"queues": ["Ranked Solo"]}, timedelta(0), ("game", "game")),
        ({"queues": ["other"]}, timedelta(0), ("game", "game")),
        ({"message_kinds": ["game"]}, timedelta(0), ("game", "game")),
        ({"message_kinds": ["alert"]}, timedelta(0), ("message_kinds", None)),
        ({"message_kinds": ["game"]}, timedelta(days=2), ("message_kinds", None)),
        ({"message_kinds": ["game", "catch_up"]}, timedelta(days=2), ("stale", "catch_up")),
        # Processed at NOW, 3 minutes after ENDED: 11:57 before that is 12:00 old, not yet stale.
        ({}, timedelta(hours=11, minutes=57), ("game", "game")),
        ({}, timedelta(hours=11, minutes=57, seconds=1), ("stale", "catch_up")),
        # Added while the game was played or even later, but before it was processed: announced.
        ({"created_at": NOW}, timedelta(0), ("game", "game")),
    ],
)
def test_what_a_channel_receives(session, channel, ended_before, verdict):
    team = make_team(session)
    make_channel(session, team, **channel)
    ann = make_member(session, team)
    add_game(session, "EUW1_1", played(ann), ended_at=ENDED - ended_before)
    assert rules(session) == [verdict]


@pytest.mark.parametrize(("least", "verdict"), [(2, "game"), (3, "min_members")])
def test_a_channel_may_want_games_of_several_of_the_team(session, least, verdict):
    team, other = make_team(session), make_team(session)
    make_channel(session, team, min_members=least)
    ann, bob, zoe = (make_member(session, team, name) for name in ("Ann", "Bob", "Zoe"))
    make_account(session, ann)
    session.refresh(ann, ["accounts"])
    left = make_player(session, "Left")
    make_account(session, left)
    make_membership(session, team, left, until=ENDED)
    # Two of the team: Ann on two accounts, Bob. Not Zoe, who did not play, nor who had left or is in another team.
    add_game(
        session, "EUW1_1", played(ann), played(ann, account=1), played(bob), played(left),
        played(make_member(session, other)),
    )  # fmt: skip
    assert zoe.id
    (decision, _elsewhere) = decisions(session)
    assert decision.rule == verdict
    if verdict == "min_members":
        assert decision.reason == (
            "the channel wants at least 3 of the team in a game, and 2 took part"
        )


@pytest.mark.parametrize(
    ("parts", "is_wanted"),
    [
        ([{"outcome": "win"}], True),
        ([{"outcome": "loss"}], False),
        ([{"outcome": "remake"}], False),
        # Against each other: one of them has won.
        ([{"outcome": "loss"}, {"outcome": "win", "team_id": 200}], True),
        # Riot calls the upper half of an Arena game its winners: of eight teams the first four.
        ([{"outcome": "placement", "placement": 4, "extra": {"subteams": 8}}], True),
        ([{"outcome": "placement", "placement": 5, "extra": {"subteams": 8}}], False),
    ],
)
def test_a_channel_may_want_only_what_one_of_the_team_has_won(session, parts, is_wanted):
    team, other = make_team(session, "A"), make_team(session, "B")
    make_channel(session, team, only_if="won")
    theirs = played(make_member(session, other), outcome="win", team_id=300)
    add_game(
        session, "EUW1_1", theirs, *(played(make_member(session, team), **part) for part in parts)
    )
    decision, _ = decisions(session)
    assert decision.rule == ("game" if is_wanted else "only_if")
    if not is_wanted:
        assert decision.reason == "the channel wants only games that were won"


def test_a_channel_may_want_only_what_is_worth_a_remark(session):
    team, other = make_team(session, "A"), make_team(session, "B")
    make_channel(session, team, only_if="remarkable")
    ann, bob = make_member(session, team), make_member(session, other)
    # A pentakill is in 7 of 10,000 games; a first blood in every tenth, beyond the floor of 7 %.
    add_game(session, "EUW1_1", played(ann, highlights=["penta_kill"]))
    add_game(session, "EUW1_2", played(ann, highlights=["first_blood"]))
    add_game(session, "EUW1_3", played(ann), played(bob, highlights=["penta_kill"]))
    made = [decisions(session, f"EUW1_{number}")[0] for number in (1, 2, 3)]
    assert [each.rule for each in made] == ["game", "only_if", "only_if"]
    assert made[1].reason == "the channel wants only games that are worth a remark"


@pytest.mark.parametrize(
    ("game", "reason"),
    [
        ({"result": "empty"}, "Riot's answer has no game inside"),
        ({"result": "aborted"}, "the game ended without a result"),
        ({"queue_id": 2000}, "the practice tool and tutorials are not announced"),
        ({}, "it has a message of its own"),
        (
            {"ended_at": ENDED - timedelta(days=2)},
            "it had ended long before it was first processed",
        ),
    ],
)
def test_people_read_why_a_game_is_announced_or_not(session, game, reason):
    team = make_team(session)
    make_channel(session, team)
    add_game(session, "EUW1_1", played(make_member(session, team)), **game)
    assert [decision.reason for decision in decisions(session)] == [reason]


@pytest.mark.parametrize(
    ("channel", "reason"),
    [
        ({"removed_at": ENDED}, "the channel was removed at 2026-08-01 20:00"),
        ({"created_at": NOW + SECOND}, "the channel was added after the game had been processed"),
        (
            {"queues": ["aram", "Brawl", 440, 3130]},
            (
                "the channel does not want queue 420 (Ranked Solo), but ARAM, Brawl, "
                "queue 440 (Ranked Flex), queue 3130"
            ),
        ),
        ({"queues": []}, "the channel does not want queue 420 (Ranked Solo), but none"),
        ({"message_kinds": ["alert"]}, "the channel does not want game messages"),
    ],
)
def test_people_read_why_a_channel_does_not_receive_a_game(session, channel, reason):
    team = make_team(session)
    make_channel(session, team, **channel)
    add_game(session, "EUW1_1", played(make_member(session, team)))
    assert [decision.reason for decision in decisions(session)] == [reason]


def test_a_team_without_a_channel_reads_the_reason_that_is_in_the_game_first(session):
    team = make_team(session)
    ann = make_member(session, team)
    add_game(session, "EUW1_1", played(ann), result="aborted")
    add_game(session, "EUW1_2", played(ann))
    (aborted,), (fine,) = decisions(session), decisions(session, "EUW1_2")
    assert (aborted.rule, aborted.message_id) == ("aborted", None)
    assert (fine.rule, fine.reason) == ("no_channel", "the team has no channel")
    assert (aborted.team, fine.team) == (team, team)


def test_only_who_played_that_game_and_was_in_that_team_counts(session):
    team, other = make_team(session, "A"), make_team(session, "B")
    for each in (team, other):
        make_channel(session, each)
    ann, bob = make_member(session, team, "Ann"), make_member(session, other, "Bob")
    since = ENDED - timedelta(days=9)
    make_membership(session, team, bob, since=since, until=since + timedelta(days=1))
    add_game(session, "EUW1_1", played(bob))
    add_game(session, "EUW1_2", played(ann))
    # Bob left A long before; Ann, who is in it, played another game.
    assert [(each.team.name, each.rule) for each in decisions(session)] == [
        ("A", "membership"),
        ("B", "game"),
    ]


def test_whoever_was_not_in_the_team_is_named_once_and_by_name(session):
    team = make_team(session)
    make_channel(session, team)
    for name in ("Zoe", "Ann"):
        player = make_player(session, name)
        make_account(session, player)
        for days in (9, 5):  # twice a member, and neither time when the game ended
            since = ENDED - timedelta(days=days)
            make_membership(session, team, player, since=since, until=since + timedelta(days=1))
    people = session.scalars(select(Player).order_by(Player.id)).all()
    add_game(session, "EUW1_1", *(played(each) for each in people))
    (decision,) = decisions(session)
    assert decision.reason == "not in the team when the game ended: Ann, Zoe"


def test_a_game_that_was_not_processed_or_is_unknown_is_announced_nowhere(session):
    team = make_team(session)
    make_channel(session, team)
    make_member(session, team)
    session.add(Match(match_id="EUW1_1", state="listed", listed_at=ENDED))
    session.flush()
    assert decisions(session) == []
    assert decisions(session, "EUW1_2") == []


def test_an_empty_game_concerns_nobody_in_whose_list_it_was_not(session):
    team, other = make_team(session, "A"), make_team(session, "B")
    for each in (team, other):
        make_channel(session, each)
    ann, _ = make_member(session, team), make_member(session, other)
    session.refresh(ann, ["accounts"])
    for match_id, result in (("EUW1_1", "empty"), ("EUW1_2", "played"), ("EUW1_3", "empty")):
        add_game(session, match_id, result=result)
    session.get_one(Match, "EUW1_1").listed_by = ann.accounts[0].id
    session.get_one(Match, "EUW1_2").listed_by = ann.accounts[0].id
    session.flush()
    assert [decision.team.name for decision in decisions(session)] == ["A"]
    # It was played: whoever took part in it is known, and it was none of them.
    assert decisions(session, "EUW1_2") == []
    assert decisions(session, "EUW1_3") == []


def test_a_game_that_stands_in_a_catch_up_message_stays_one_of_that_kind(session):
    team = make_team(session)
    make_channel(session, team, message_kinds=["catch_up"])
    add_game(session, "EUW1_1", played(make_member(session, team)))
    stale = NOW + timedelta(days=2)
    (written,) = write_messages(session, "EUW1_1", stale_after=STALE_AFTER, now=stale)
    session.get_one(Match, "EUW1_1").processed_at = NOW  # as if it had not been stale
    (decision,) = decisions(session)
    assert (decision.kind, decision.message_id) == ("catch_up", written.message_id)


def test_after_a_restoration_a_game_counts_as_processed_when_the_backup_was_taken(session):
    # It ended an hour before the backup was taken, and is processed two days later, here.
    team = make_team(session)
    make_channel(session, team)
    keep_restoration(session, Restoration(ENDED + timedelta(hours=1), ENDED + timedelta(days=1)))
    add_game(session, "EUW1_1", played(make_member(session, team)))
    assert rules(session, now=ENDED + timedelta(days=2)) == [("game", "game")]


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (timedelta(hours=11, minutes=57), ("game", "game")),  # not stale yet: it ended 12:00 ago
        (timedelta(hours=11, minutes=57, seconds=1), ("processed_before", None)),
    ],
)
def test_under_other_rules_an_old_game_is_announced_no_more(session, after, verdict):
    """A year of games that is processed again announces nothing, whatever has changed since."""
    team = make_team(session)
    channel = make_channel(session, team, min_members=2)
    add_game(session, "EUW1_1", played(make_member(session, team)), processed_at=NOW)
    assert rules(session) == [("min_members", None)]
    channel.min_members = 1
    session.flush()
    assert rules(session, now=NOW + after) == [verdict]
    (decision,) = decisions(session, now=NOW + timedelta(days=1))
    assert decision.reason == (
        "it was processed before, is old by now, and was not announced here then"
    )


def test_what_was_announced_is_edited_however_old_it_is(session):
    team = make_team(session)
    make_channel(session, team)
    add_game(session, "EUW1_1", played(make_member(session, team)), processed_at=NOW)
    write_messages(session, "EUW1_1", stale_after=STALE_AFTER, now=NOW)
    assert rules(session, now=NOW + timedelta(days=30)) == [("game", "game")]


def test_working_an_old_game_out_again_does_not_announce_it_in_a_new_channel(session):
    team = make_team(session)
    add_game(session, "EUW1_1", played(make_member(session, team)), processed_at=NOW)
    make_channel(session, team, created_at=NOW + SECOND)
    assert rules(session, now=NOW + timedelta(days=1)) == [("added_later", None)]


def test_a_decision_names_the_message_that_tells_of_the_game_already(session):
    team = make_team(session)
    make_channel(session, team)
    add_game(session, "EUW1_1", played(make_member(session, team)))
    assert decisions(session)[0].message_id is None
    (written,) = write_messages(session, "EUW1_1", stale_after=STALE_AFTER, now=NOW)
    assert decisions(session)[0].message_id == written.message_id
