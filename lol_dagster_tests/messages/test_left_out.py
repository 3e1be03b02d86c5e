"""Players who are left out of what is announced: nothing names them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from lol_dagster.messages.announced_games import load_card
from lol_dagster.messages.rules import decide
from lol_dagster.roster.players import leave_out
from lol_dagster.storage.models import Channel, Membership, Message, Team
from lol_dagster_tests._support.message_rows import ENDED, NOW, add_game, played
from lol_dagster_tests._support.roster_rows import (
    make_account,
    make_channel,
    make_member,
    make_membership,
    make_player,
    make_team,
)
from lol_dagster_tests.messages.writing import (
    LONG_AFTER,
    STALE_AFTER,
    change_message,
    the_message,
    write,
)

ADA = "Ada"


@pytest.fixture
def ann_and_ada(any_database):
    """Both are in a team with a channel, and Ada is left out."""
    with any_database.writing() as session:
        team = make_team(session, "Friends")
        make_channel(session, team, "main")
        ann, ada = make_member(session, team, "Ann"), make_player(session, ADA)
        make_account(session, ada, game_name="Ada plays")
        make_membership(session, team, ada, left_out=True)
    return ann, ada


def rules(database, match_id):
    with database.reading() as session:
        decided = decide(session, match_id, stale_after=STALE_AFTER, now=NOW)
        return [(each.rule, each.reason) for each in decided]


@pytest.mark.parametrize("now", [NOW, LONG_AFTER], ids=["game", "catch-up"])
def test_no_message_names_them(any_database, ann_and_ada, now):
    """As friends or against each other, and whatever is remarkable about them or about the two."""
    ann, ada = ann_and_ada
    feats = {"highlights": ["penta_kill"], "champion": "Zed"}
    with any_database.writing() as session:
        for number, other in enumerate(({}, {"team_id": 200, "outcome": "loss"})):
            add_game(session, f"EUW1_{number}", played(ann), played(ada, **feats, **other))
            for written in write(session, f"EUW1_{number}", now):
                said = json.dumps(written.content.to_json())
                assert "Ann" in said
                assert [word for word in (ADA, "Zed", "enta") if word in said] == []
        team = session.scalars(select(Membership.team_id)).first()
        card = load_card(session, team, "EUW1_0")
        assert [each.name for each in card.members] == ["Ann"]
        # Champions of all who took part are on it; whose they are is marked for Ann's alone.
        assert [
            each.champion for side in card.sides for each in side.players if each.is_member
        ] == ["Jinx"]


@pytest.mark.parametrize(
    ("state", "others", "then"),
    [
        ({"state": "pending"}, True, ("pending", None)),
        ({"state": "uncertain", "sent_maybe": True}, True, ("uncertain", None)),
        ({"state": "needs_review", "due_at": None}, True, ("needs_review", None)),
        # In quiet hours, or while the channel refuses us.
        ({"state": "pending"}, False, ("dropped", "nobody is left whom it may name")),
        ({"state": "blocked"}, False, ("dropped", "nobody is left whom it may name")),
    ],
)
def test_what_waits_to_be_sent_when_they_are_left_out_does_not_name_them(
    any_database, ann_and_ada, state, others, then
):
    ann, ada = ann_and_ada
    with any_database.writing() as session:
        leave_out(session, ADA, team="Friends", left_out=False, now=NOW)
        add_game(session, "EUW1_1", played(ada), *([played(ann)] if others else []))
        write(session, "EUW1_1")
    assert ADA in json.dumps(the_message(any_database).content)
    change_message(any_database, **state)
    with any_database.writing() as session:
        leave_out(session, ADA, team="Friends", left_out=True, now=NOW)
    message = the_message(any_database)
    assert ADA not in json.dumps(message.content)
    assert (message.state, message.last_error) == then
    # Whatever waits goes on waiting for its turn.
    assert (message.due_at is None) == (message.state in {"needs_review", "dropped"})


@pytest.mark.parametrize("now", [NOW, LONG_AFTER], ids=["game", "catch-up"])
def test_what_is_written_anew_says_what_would_be_said_of_the_game_now(
    any_database, ann_and_ada, now
):
    """With its card and what is remarkable, if it is about one game."""
    ann, ada = ann_and_ada
    with any_database.writing() as session:
        session.execute(update(Channel).values(pictures="card"))
        leave_out(session, ADA, team="Friends", left_out=False, now=NOW)
        add_game(session, "EUW1_1", played(ada), played(ann, highlights=["penta_kill"]))
        write(session, "EUW1_1", now)
        leave_out(session, ADA, team="Friends", left_out=True, now=NOW)
    assert ADA not in json.dumps(the_message(any_database).content)
    with any_database.writing() as session:
        (again,) = write(session, "EUW1_1", now)
    assert again.change == "unchanged"
    assert (again.content.card is not None) is (now == NOW)


def test_what_is_not_sent_as_nobody_is_left_says_so_in_the_teams_language(
    any_database, ann_and_ada
):
    _, ada = ann_and_ada
    with any_database.writing() as session:
        session.execute(update(Team).values(language="de"))
        leave_out(session, ADA, team="Friends", left_out=False, now=NOW)
        add_game(session, "EUW1_1", played(ada))
        write(session, "EUW1_1")
        leave_out(session, ADA, team="Friends", left_out=True, now=NOW)
    assert the_message(any_database).content["title"] == "Das wird nicht mehr gezeigt"


def test_what_other_teams_are_to_hear_stays_as_it_is_when_they_are_left_out(
    any_database, ann_and_ada
):
    _, ada = ann_and_ada
    with any_database.writing() as session:
        leave_out(session, ADA, team="Friends", left_out=False, now=NOW)
        other = make_team(session, "Others")
        make_channel(session, other, "other")
        make_membership(session, other, ada)
        session.delete(session.scalars(select(Channel).where(Channel.name == "main")).one())
        add_game(session, "EUW1_1", played(ada))
        write(session, "EUW1_1")
        # A text that nothing but a rewriting would change.
        session.execute(update(Message).values(desired_hash="as it was"))
        leave_out(session, ADA, team="Friends", left_out=True, now=NOW)
    assert ADA in json.dumps(the_message(any_database).content)
    assert the_message(any_database).desired_hash == "as it was"


def test_what_was_posted_or_given_up_stays_as_it_is_when_they_are_left_out(
    any_database, ann_and_ada
):
    ann, ada = ann_and_ada
    with any_database.writing() as session:
        leave_out(session, ADA, team="Friends", left_out=False, now=NOW)
        add_game(session, "EUW1_1", played(ada), played(ann))
        write(session, "EUW1_1")
    for state in ({"state": "delivered", "evidence": "response"}, {"state": "dropped"}):
        change_message(any_database, **state)
        with any_database.writing() as session:
            leave_out(session, ADA, team="Friends", left_out=True, now=NOW)
            leave_out(session, ADA, team="Friends", left_out=False, now=NOW)
        assert ADA in json.dumps(the_message(any_database).content)


def test_a_game_in_which_nobody_else_took_part_is_not_announced(any_database, ann_and_ada):
    _, ada = ann_and_ada
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ada))
        assert write(session, "EUW1_1") == []
    assert rules(any_database, "EUW1_1") == [("left_out", "left out of what is announced: Ada")]


def test_only_who_is_left_out_is_named_as_such(any_database, ann_and_ada):
    """And not who has left the team."""
    _, ada = ann_and_ada
    with any_database.writing() as session:
        team = session.scalars(select(Membership)).first().team
        abe, cid = (make_player(session, name) for name in ("Abe", "Cid"))
        for each in (abe, cid):
            make_account(session, each)
        make_membership(session, team, abe, left_out=True)
        make_membership(session, team, cid, until=ENDED - timedelta(days=9))
        add_game(session, "EUW1_1", played(cid), played(ada), played(abe))
    assert rules(any_database, "EUW1_1") == [
        ("left_out", "left out of what is announced: Abe, Ada")
    ]


def test_they_do_not_count_among_those_who_took_part(any_database, ann_and_ada):
    ann, ada = ann_and_ada
    with any_database.writing() as session:
        make_channel(session, make_team(session, "Other"))
        for each in session.scalars(select(Membership)):
            for channel in each.team.channels:
                channel.min_members = 2
        add_game(session, "EUW1_1", played(ann), played(ada))
    assert [rule for rule, _ in rules(any_database, "EUW1_1")] == ["min_members"]


def test_another_team_hears_of_them(any_database, ann_and_ada):
    _, ada = ann_and_ada
    with any_database.writing() as session:
        team = make_team(session, "Other")
        make_channel(session, team)
        make_membership(session, team, ada)
        add_game(session, "EUW1_1", played(ada))
    assert [rule for rule, _ in rules(any_database, "EUW1_1")] == ["left_out", "game"]


def test_what_was_posted_loses_them_when_the_game_is_processed_again(any_database, ann_and_ada):
    ann, ada = ann_and_ada
    with any_database.writing() as session:
        membership = session.scalars(select(Membership).where(Membership.player_id == ada.id)).one()
        membership.left_out = False
        add_game(session, "EUW1_1", played(ann), played(ada))
        write(session, "EUW1_1")
    assert ADA in json.dumps(the_message(any_database).content)
    with any_database.writing() as session:
        session.get_one(Membership, membership.id).left_out = True
    with any_database.writing() as session:
        write(session, "EUW1_1")
    assert ADA not in json.dumps(the_message(any_database).content)
