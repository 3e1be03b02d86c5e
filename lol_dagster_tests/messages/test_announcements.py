"""What is to be said, as it is written down: once per channel and game, whatever is repeated."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from lol_dagster.messages import announcements
from lol_dagster.messages.content import Icon, MessageContent
from lol_dagster.messages.language import language
from lol_dagster.messages.wording import remark_in_words
from lol_dagster.pictures.card import Card
from lol_dagster.stats.course import BLUE, RED, Course
from lol_dagster.stats.record import STATS_CODE_VERSION
from lol_dagster.stats.remarks import Remark
from lol_dagster.storage.models import (
    Attempt,
    Channel,
    Fact,
    Game,
    Membership,
    Message,
    MessageText,
    Team,
)
from lol_dagster_tests._support.message_rows import ENDED, NOW, add_game, played
from lol_dagster_tests._support.roster_rows import (
    make_account,
    make_channel,
    make_member,
    make_team,
)
from lol_dagster_tests.messages.writing import (
    LONG_AFTER,
    change_kills,
    change_message,
    the_message,
    world,
    write,
)


def test_a_new_message_is_pending_and_due_at_once(any_database):
    ann, channel = world(any_database)
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        (written,) = write(session, "EUW1_1")
    message = the_message(any_database)
    assert (message.kind, message.subject, message.channel_id) == ("game", "EUW1_1", channel.id)
    assert (message.state, message.due_at, message.order_at) == ("pending", NOW, ENDED)
    assert (message.desired_rev, message.attempts, message.sent_maybe) == (1, 0, False)
    assert MessageContent.from_json(message.content).title == "Victory · Ranked Solo · 32:10"
    assert (written.message_id, written.change, written.team, written.channel) == (
        message.id,
        "created",
        "Friends",
        "games",
    )


def test_writing_again_changes_nothing(any_database):
    ann, _ = world(any_database)
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        write(session, "EUW1_1")
    before = _columns(the_message(any_database))
    with any_database.writing() as session:
        (written,) = write(session, "EUW1_1", NOW + timedelta(days=9))
    assert written.change == "unchanged"
    assert _columns(the_message(any_database)) == before


def _columns(message: Message) -> dict[str, object]:
    return {column.name: getattr(message, column.name) for column in Message.__table__.columns}


def test_other_words_raise_the_revision_by_one_and_keep_nonce_and_id(any_database):
    ann, _ = world(any_database)
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        write(session, "EUW1_1")
    before = the_message(any_database)
    change_kills(any_database, 11)
    with any_database.writing() as session:
        (written,) = write(session, "EUW1_1")
    after = the_message(any_database)
    assert written.change == "changed"
    assert after.desired_rev == 2
    assert after.desired_hash != before.desired_hash
    assert (after.id, after.nonce) == (before.id, before.nonce)


LATER = NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("row", "due_at"),
    [
        # Held by a deliverer, or waiting in its own time: left alone.
        ({"state": "sending", "due_at": LATER, "lease_until": 5.0}, LATER),
        ({"state": "sending", "due_at": None, "lease_until": 5.0}, None),
        ({"state": "uncertain", "due_at": LATER, "settle_until": 7.0}, LATER),
        ({"state": "pending", "due_at": LATER}, LATER),
        ({"state": "blocked", "due_at": None}, None),
        ({"state": "needs_review", "due_at": None}, None),
        ({"state": "dropped", "due_at": None}, None),
        # Posted: an edit is due, unless one waits already or the message was deleted.
        ({"state": "delivered", "due_at": None, "remote_id": "9", "remote_rev": 1}, NOW),
        ({"state": "delivered", "due_at": LATER, "remote_id": "9", "remote_rev": 1}, LATER),
        ({"state": "delivered", "due_at": None, "remote_deleted": True}, None),
    ],
)
def test_new_words_leave_the_delivery_of_a_row_to_its_deliverer(database, row, due_at):
    ann, _ = world(database)
    with database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        write(session, "EUW1_1")
    change_message(database, fence=3, lease_owner="worker", **row)
    before = _columns(the_message(database))
    change_kills(database, 11)
    with database.writing() as session:
        write(session, "EUW1_1")
    after = _columns(the_message(database))
    assert after["due_at"] == due_at
    assert {name for name in after if after[name] != before[name]} - {"due_at"} == {
        "content",
        "desired_rev",
        "desired_hash",
    }


def test_what_a_channel_was_given_is_kept_when_the_words_change(any_database):
    """Revision 1 is sent, 2 is not (another one comes before it can be), 3 is the newest."""
    ann, _ = world(any_database)
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        write(session, "EUW1_1")
    first = the_message(any_database)
    with any_database.writing() as session:
        session.add(Attempt(message_id=first.id, fence=1, op="POST", rev=1, at=NOW))
    for kills in (11, 12):
        change_kills(any_database, kills)
        with any_database.writing() as session:
            write(session, "EUW1_1")
    assert the_message(any_database).desired_rev == 3
    with any_database.reading() as session:
        (kept,) = session.scalars(select(MessageText))
    assert (kept.rev, kept.content) == (1, first.content)


def test_the_log_has_what_a_written_message_is_found_by(database, caplog):
    ann, channel = world(database)
    caplog.set_level("INFO")
    with database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        (written,) = write(session, "EUW1_1")
        write(session, "EUW1_1")
    lines = [each for each in caplog.records if each.name == "lol_dagster.delivery.message_rows"]
    assert [each.getMessage() for each in lines] == [
        f"Message {written.message_id} for channel {channel.name}: {change}"
        for change in ("created", "unchanged")
    ]
    assert {(each.match_id, each.message_id, each.channel) for each in lines} == {
        ("EUW1_1", written.message_id, channel.name)
    }
    assert (written.team, written.channel, written.channel_id) == (
        "Friends", channel.name, channel.id,
    )  # fmt: skip


def test_a_message_stays_as_it_is_when_the_rules_change_their_mind(any_database):
    ann, _ = world(any_database)
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        write(session, "EUW1_1")
    before = _columns(the_message(any_database))
    with any_database.writing() as session:
        session.execute(update(Membership).values(until=ENDED))
        assert write(session, "EUW1_1") == []
    assert _columns(the_message(any_database)) == before


def test_the_nonce_is_derived_from_the_installation_s_salt_and_the_message(any_database):
    ann, _ = world(any_database)
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        add_game(session, "EUW1_2", played(ann))
        write(session, "EUW1_1")
        write(session, "EUW1_2")
        salt = session.get_one(Fact, "salt").value
        messages = session.scalars(select(Message)).all()
    assert len(salt) == 32
    for message in messages:
        digest = hashlib.sha256((salt + message.id).encode()).digest()
        assert message.nonce == base64.urlsafe_b64encode(digest)[:22].decode()
    assert messages[0].nonce != messages[1].nonce


def test_members_who_joined_later_are_not_in_the_message(any_database):
    ann, _ = world(any_database)
    with any_database.writing() as session:
        team = session.scalars(select(Membership)).one().team
        late = make_member(session, team, "Late")
        session.execute(
            update(Membership)
            .where(Membership.player_id == late.id)
            .values(since=ENDED + timedelta(seconds=1))
        )
        add_game(session, "EUW1_1", played(ann), played(late))
        (written,) = write(session, "EUW1_1")
    assert [line.lead for line in written.content.sections[0].lines] == ["Ann"]


def test_overlapping_memberships_show_a_member_once(any_database):
    ann, _ = world(any_database)
    with any_database.writing() as session:
        membership = session.scalars(select(Membership)).one()
        session.add(
            Membership(
                team_id=membership.team_id,
                player_id=ann.id,
                since=membership.since + timedelta(days=1),
                until=ENDED + timedelta(days=1),
            )
        )
        add_game(session, "EUW1_1", played(ann))
        (written,) = write(session, "EUW1_1")
    assert [line.lead for line in written.content.sections[0].lines] == ["Ann"]


def test_an_account_is_named_only_where_its_player_has_several(any_database):
    with any_database.writing() as session:
        team = make_team(session)
        make_channel(session, team)
        ann = make_member(session, team, "Ann", game_name="Annie")
        bob = make_member(session, team, "Bob", game_name="Bobby")
        make_account(session, bob, game_name="BobSmurf")
        add_game(session, "EUW1_1", played(ann), played(bob, account=1))
        (written,) = write(session, "EUW1_1")
    leads = [line.lead for line in written.content.sections[0].lines]
    assert leads == ["Ann", "Bob (BobSmurf)"]


def test_arena_counts_the_subteams_of_strangers_too(any_database):
    """The stats stage has counted them."""
    ann, _ = world(any_database)
    third = {"outcome": "placement", "placement": 3, "side": "subteam-1"}
    with any_database.writing() as session:
        six_subteams = played(ann, **third, extra={"subteams": 6})
        add_game(session, "EUW1_1", six_subteams, mode_family="arena")
        (six,) = write(session, "EUW1_1")
        four_subteams = played(ann, **third, extra={"subteams": 4})
        add_game(session, "EUW1_2", four_subteams, mode_family="arena")
        (four,) = write(session, "EUW1_2")
    # Third of six is in the better half, third of four is not.
    assert (six.content.tone, four.content.tone) == ("good", "bad")


def test_that_riot_ended_a_game_over_behaviour_comes_from_the_stats(any_database):
    ann, _ = world(any_database)
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann, extra={"ended_over_behaviour": True}))
        (written,) = write(session, "EUW1_1")
    note, _members = written.content.sections
    assert note.lines[0].facts == ("Ended early over in-game behaviour",)


def test_a_remark_stands_in_the_message_and_stays_whatever_is_played_later(database):
    ann, _ = world(database)
    with database.writing() as session:
        add_game(session, "EUW1_1", played(ann, highlights=["penta_kill"]))
        write(session, "EUW1_1")
    before = the_message(database)
    content = MessageContent.from_json(before.content)
    (line,) = content.sections[0].lines
    assert line.highlights == (remark_in_words(Remark("penta_kill", 0), "EUW1_1", language("en")),)
    with database.writing() as session:
        for number in range(1, 30):
            add_game(
                session, f"EUW1_{number + 1}", played(ann, highlights=["penta_kill"]),
                ended_at=ENDED + timedelta(hours=number), code_version=STATS_CODE_VERSION,
            )  # fmt: skip
        write(session, "EUW1_1")
    after = the_message(database)
    assert (after.content, after.desired_rev) == (before.content, before.desired_rev)


def test_a_list_of_old_games_has_no_remarks(database):
    ann, _ = world(database)
    with database.writing() as session:
        add_game(session, "EUW1_1", played(ann, highlights=["penta_kill"]))
        write(session, "EUW1_1", now=LONG_AFTER)
    message = the_message(database)
    content = MessageContent.from_json(message.content)
    assert message.kind == "catch_up"
    assert [line.highlights for part in content.sections for line in part.lines] == [(), ()]


def test_a_channel_that_wants_cards_has_one_in_its_message_and_others_have_none(any_database):
    ann, wants = world(any_database, pictures="card")
    with any_database.writing() as session:
        other = make_channel(session, session.get_one(Channel, wants.id).team, "other")
        add_game(session, "EUW1_1", played(ann, "Jinx", (12, 3, 9)))
        written = {each.channel_id: each.content for each in write(session, "EUW1_1")}
        assert written[other.id].card is None
        card = Card.from_json(written[wants.id].card)
    assert [(each.name, each.score) for each in card.members] == [("Ann", "12/3/9")]
    assert replace(written[wants.id], card=None) == written[other.id]


def test_a_channel_that_wants_icons_has_them_beside_its_lines_and_nothing_else_is_different(
    any_database,
):
    ann, wants = world(any_database, pictures="icons")
    with any_database.writing() as session:
        other = make_channel(session, session.get_one(Channel, wants.id).team, "other")
        add_game(session, "EUW1_1", played(ann, "Jinx", champion_id=222))
        written = {each.channel_id: each.content for each in write(session, "EUW1_1")}
    (section,) = written[wants.id].sections
    (line,) = section.lines
    assert line.icon == Icon(222, "Jinx")
    bare = replace(section, lines=(replace(line, icon=None),))
    assert replace(written[wants.id], sections=(bare,)) == written[other.id]
    assert "icon" not in json.dumps(written[other.id].to_json()), "as older versions wrote it"


def test_what_is_no_champion_has_no_icon(any_database):
    ann, _ = world(any_database, pictures="icons")
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann, "", champion_id=-1))
        (written,) = write(session, "EUW1_1")
    assert [line.icon for line in written.content.sections[0].lines] == [None]


def test_another_card_is_another_content_and_the_same_one_is_not(any_database, monkeypatch):
    ann, _ = world(any_database, pictures="card")
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        assert [each.change for each in write(session, "EUW1_1")] == ["created"]
        assert [each.change for each in write(session, "EUW1_1")] == ["unchanged"]
        # The text says nothing of patches; the card has its champion icons from there.
        session.execute(update(Game).values(game_version="16.16.1"))
        assert [each.change for each in write(session, "EUW1_1")] == ["changed"]


COURSE = Course(
    leads=((0, 0), (600, 400), (1200, 900), (1800, 5100)),
    gold_at_10={}, gold_at_15={}, first_blood=(1, 192), swing=None,
    sides={BLUE: (1,), RED: ()},
)  # fmt: skip


def test_a_channel_that_wants_the_story_has_it_below_its_game_and_others_do_not(any_database):
    ann, wants = world(any_database, story=True)
    with any_database.writing() as session:
        team = session.get_one(Channel, wants.id).team
        other = make_channel(session, team, "other")
        add_game(session, "EUW1_1", played(ann), course=COURSE.to_json())
        add_game(session, "EUW1_2", played(ann))
        written = {each.channel_id: each.content for each in write(session, "EUW1_1")}
        *game, story = written[wants.id].sections
        assert tuple(game) == written[other.id].sections
        said = " ".join(fact for line in story.lines for fact in line.facts)
        # 192 seconds after the beginning
        assert (story.heading, "Ann" in said, "3:12" in said) == ("How it went", True, True)
        # There is no timeline of the other game.
        written = {each.channel_id: each.content for each in write(session, "EUW1_2")}
        assert written[wants.id] == written[other.id]
        session.execute(update(Team).values(language="de"))
        written = {each.channel_id: each.content for each in write(session, "EUW1_1")}
        assert written[wants.id].sections[-1].heading == "So lief es"


def test_a_story_that_cannot_be_written_leaves_the_text_and_is_logged(any_database, caplog):
    ann, _ = world(any_database, story=True)
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann), course={"leads": "none"})
        (written,) = write(session, "EUW1_1")
    assert (written.change, len(written.content.sections)) == ("created", 1)
    (line,) = (each for each in caplog.records if each.levelname == "ERROR")
    assert (line.getMessage(), line.match_id, line.team) == ("no story", "EUW1_1", "Friends")


def test_a_card_that_cannot_be_made_leaves_the_text_and_is_logged(
    any_database, monkeypatch, caplog
):
    ann, _ = world(any_database, pictures="card")

    def fail(*_):
        raise KeyError("champion")

    monkeypatch.setattr(announcements, "load_card", fail)
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        (written,) = write(session, "EUW1_1")
    assert (written.change, written.content.card) == ("created", None)
    (line,) = (each for each in caplog.records if each.levelname == "ERROR")
    assert (line.getMessage(), line.match_id, line.team) == ("no card", "EUW1_1", "Friends")


def test_games_that_are_announced_together_have_no_card(any_database):
    ann, _ = world(any_database, pictures="card")
    with any_database.writing() as session:
        add_game(session, "EUW1_1", played(ann))
        (written,) = write(session, "EUW1_1", LONG_AFTER)
    assert (written.kind, written.content.card) == ("catch_up", None)
