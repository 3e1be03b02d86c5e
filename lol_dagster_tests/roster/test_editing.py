"""Entries that are put right: one of two simultaneous edits hears of the other, history stays."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.messages.failed_templates import failed_template
from lol_dagster.roster.accounts import correct_account, move_account
from lol_dagster.roster.channels import (
    ChannelRules,
    add_channel,
    change_channel,
    parse_message_kinds,
    parse_queues,
    remove_channel,
)
from lol_dagster.roster.errors import (
    AccountTakenError,
    AlreadyThereError,
    RosterError,
    TemplatesError,
    TimeZoneError,
)
from lol_dagster.roster.memberships import add_membership, correct_membership
from lol_dagster.roster.names import RiotId
from lol_dagster.roster.players import remove_player, rename_player
from lol_dagster.roster.riot_lookup import KnownAccount, account_to_be_resolved
from lol_dagster.roster.teams import change_team, remove_team
from lol_dagster.roster.versions import ChangedField, StaleEntryError
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    AccountPoll,
    AuditEntry,
    Channel,
    Fact,
    Membership,
    Message,
    PlayerStat,
)
from lol_dagster_tests._support.message_rows import add_game, played
from lol_dagster_tests._support.roster_rows import (
    make_account,
    make_channel,
    make_member,
    make_membership,
    make_player,
    make_team,
)

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
TRANSPORTS = all_transports(Settings())
HOOK = "https://discord.com/api/webhooks/123456789012345678/s3cret"


def _change(
    session: Session, channel: Channel, *, rules: Mapping[str, Any] | None = None, **how: object
) -> Channel:
    """As a form sends it: all fields, as they were but for `how`, and the rules but for `rules`."""
    values = {
        "name": channel.name,
        "kind": channel.kind,
        "address": None,
        "transports": TRANSPORTS,
        "uncertain": channel.uncertain,
        "version": channel.version,
        "now": NOW,
        **how,
    }
    values["rules"] = replace(ChannelRules.of(channel), **(rules or {}))
    return change_channel(session, channel.id, **values)  # type: ignore[arg-type]


def test_the_second_of_two_edits_hears_who_changed_what_from_what(any_database: Database) -> None:
    with any_database.writing() as session:
        team = make_team(session, "Amigos")
        seen = team.version
    with any_database.writing(who="Bob (web view)") as session:
        change_team(session, team.id, name="Amigas", version=seen, now=NOW)
    with any_database.writing(who="Cleo (web view)") as session:
        change_team(session, team.id, name="Compas", version=seen + 1, now=NOW)
    with (
        pytest.raises(StaleEntryError) as caught,
        any_database.writing(who="Ann (web view)") as session,
    ):
        change_team(session, team.id, name="Buddies", version=seen, now=NOW)

    stale = caught.value
    assert str(stale) == (
        "Bob (web view) and Cleo (web view) changed Compas in the meantime (name): compare, then save again"
    )
    assert stale.fields == {"name": ChangedField("Amigos", "Compas", "Cleo (web view)")}
    with any_database.writing() as session:
        renamed = change_team(session, team.id, name="Buddies", version=stale.version, now=NOW)
        assert renamed.name == "Buddies", "having seen the other's, one may overwrite it"


@pytest.mark.parametrize(
    ("typed", "zone"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        (" America/New York ", "America/New_York"),
        ("utc", "UTC"),
    ],
)
def test_a_time_zone_is_written_as_iana_writes_it(
    database: Database, typed: str, zone: str
) -> None:
    with database.writing() as session:
        team = make_team(session, "Amigos")
        assert team.time_zone == "UTC"
        changed = change_team(session, team.id, time_zone=typed, version=team.version, now=NOW)
        assert (changed.name, changed.time_zone) == ("Amigos", zone)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("Berlin", "'Berlin' is no time zone that is known: perhaps Europe/Berlin"),
        ("new york", "'new york' is no time zone that is known: perhaps America/New_York"),
        ("CETT", "say it as in Europe/Berlin or America/New_York"),
        ("", "say it as in Europe/Berlin or America/New_York"),
        # Not a path into the machine's files either.
        ("../../etc/passwd", "no time zone that is known"),
    ],
)
def test_what_is_no_time_zone_is_refused_with_one_that_is(
    database: Database, typed: str, said: str
) -> None:
    with database.writing() as session:
        team = make_team(session, "Amigos")
        with pytest.raises(TimeZoneError, match=re.escape(said)):
            change_team(session, team.id, time_zone=typed, version=team.version, now=NOW)


def test_an_entry_that_is_gone_says_who_removed_it(any_database: Database) -> None:
    with any_database.writing() as session:
        ann = make_player(session, "Ann")
    with any_database.writing(who="Bob (web view)") as session:
        remove_player(session, "Ann", team=None, now=NOW)
    with (
        pytest.raises(RosterError, match=r"^Bob \(web view\) removed this entry at 2"),
        any_database.writing() as session,
    ):
        rename_player(session, ann.id, "Anne", version=ann.version)


@pytest.mark.parametrize("taken", ["Bob", "BOB", " bób "])
def test_a_name_that_somebody_else_bears_is_refused_in_any_case(
    any_database: Database, taken: str
) -> None:
    with any_database.writing() as session:
        make_team(session, "Bób")
        make_team(session, "Bob")
        make_player(session, "Bób")
        make_player(session, "Bob")
        team, player = make_team(session, "Ann"), make_player(session, "Ann")
        with pytest.raises(AlreadyThereError, match=r"already a team 'B.b': choose another"):
            change_team(session, team.id, name=taken, version=team.version, now=NOW)
        with pytest.raises(AlreadyThereError, match=r"already a player 'B.b': choose another"):
            rename_player(session, player.id, taken, version=player.version)
        assert (
            change_team(session, team.id, name="ANN", version=team.version, now=NOW).name == "ANN"
        )


def test_a_name_that_is_taken_in_the_same_moment_is_an_error_in_words(
    any_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the other one had committed between our look and our write."""
    with any_database.writing() as session:
        bobs = make_team(session, "Bob"), make_player(session, "Bob")
        make_team(session, "Ann"), make_player(session, "Ann")
        bob = make_channel(session, bobs[0], "bob")
        make_channel(session, bobs[0], "ann")
    for module in ("teams", "players"):
        monkeypatch.setattr(
            f"lol_dagster.roster.{module}.free_name", lambda rows, name, what, but: name
        )
    monkeypatch.setattr("lol_dagster.roster.channels.find_named", lambda rows, name: None)
    with pytest.raises(AlreadyThereError, match="already a"), any_database.writing() as session:
        change_team(session, bobs[0].id, name="ANN", version=bobs[0].version, now=NOW)
    with pytest.raises(AlreadyThereError, match="already a"), any_database.writing() as session:
        rename_player(session, bobs[1].id, "ANN", version=bobs[1].version)
    with pytest.raises(AlreadyThereError, match="already a"), any_database.writing() as session:
        _change(session, bob, name="ANN")


def test_a_mistyped_riot_id_is_put_right_and_polled_anew(any_database: Database) -> None:
    with any_database.writing() as session:
        ann = make_player(session, "Ann")
        account = make_account(session, ann, game_name="Anm", tag_line="NA1", puuid="stranger")
        add_game(session, "NA1_1", played(ann))
        session.add(AccountPoll(account_id=account.id, next_poll_at=NOW + DAY, failures=3))
    right = KnownAccount(RiotId("Ann", "EUW"), "euw1", "puuid-of-ann", "key")
    with any_database.writing() as session:
        correct_account(session, account.id, right, version=account.version)
    with any_database.reading() as session:
        row = session.get_one(type(account), account.id)
        assert (row.riot_id, row.platform, row.puuid) == ("Ann#EUW", "euw1", "puuid-of-ann")
        assert session.get(AccountPoll, account.id) is None, "due at once, and deep"
        assert session.scalars(select(PlayerStat.match_id)).all() == ["NA1_1"]


def test_an_account_is_corrected_only_to_one_that_nobody_has(any_database: Database) -> None:
    with any_database.writing() as session:
        ann, bob = make_player(session, "Ann"), make_player(session, "Bob")
        mistyped = make_account(session, ann, game_name="Bop", tag_line="NA1", puuid=None)
        make_account(session, bob, game_name="Bob", tag_line="NA1", puuid="bob")
        for known in (
            KnownAccount(RiotId("Renamed", "NA1"), "na1", "bob", "key"),
            account_to_be_resolved(RiotId("b o b", "na1"), "na1"),
        ):
            with pytest.raises(AccountTakenError, match="belongs to the player 'Bob'") as caught:
                correct_account(session, mistyped.id, known, version=mistyped.version)
            assert caught.value.player_id == bob.id
        same = account_to_be_resolved(RiotId("BOP", "NA1"), "euw1")
        assert correct_account(session, mistyped.id, same, version=1).platform == "euw1"


def test_an_account_moves_to_another_player_while_no_game_counts_for_it(
    any_database: Database,
) -> None:
    with any_database.writing() as session:
        ann, bob = make_player(session, "Ann"), make_player(session, "Bob")
        clean = make_account(session, ann, game_name="Clean", tag_line="NA1")
        used = make_account(session, ann, game_name="Used", tag_line="NA1")
        add_game(session, "NA1_1", played(ann, account=1))
        move_account(session, clean.id, bob.id, version=clean.version)
        assert clean.player is bob
        with pytest.raises(RosterError, match="1 games of 'Used#NA1' count for Ann: remove"):
            move_account(session, used.id, bob.id, version=used.version)


def test_a_membership_is_corrected_ended_and_reopened(any_database: Database) -> None:
    with any_database.writing() as session:
        team = make_team(session, "Amigos")
        row = make_membership(session, team, make_player(session, "Ann"), since=NOW - 9 * DAY)
        for since, until in ((NOW - 8 * DAY, None), (NOW - 8 * DAY, NOW), (NOW - 8 * DAY, None)):
            correct_membership(
                session, row.id, since=since, until=until, version=row.version, now=NOW
            )
            assert (row.since, row.until) == (since, until)
    with any_database.reading() as session:
        changes = session.scalars(
            select(AuditEntry).where(
                AuditEntry.table == "memberships", AuditEntry.action == "changed"
            )
        ).all()
        assert [sorted(each.after or {}) for each in changes] == [["since"], ["until"], ["until"]]


@pytest.mark.parametrize("correct", [False, True])
def test_a_membership_that_reaches_further_back_lets_the_lists_be_read_as_far(
    any_database: Database, correct: bool
) -> None:
    """The daily poll reaches back thirty days, and the membership sixty."""
    with any_database.writing() as session:
        team, ann = make_team(session, "Amigos"), make_player(session, "Ann")
        account = make_account(session, ann)
        session.add(AccountPoll(account_id=account.id, next_poll_at=NOW, last_deep_poll_at=NOW))
        if correct:
            row = make_membership(session, team, ann, since=NOW - DAY)
            correct_membership(
                session, row.id, since=NOW - 60 * DAY, until=None, version=row.version, now=NOW
            )
        else:
            add_membership(session, team, ann, since=NOW - 60 * DAY)
    with any_database.reading() as session:
        poll = session.get_one(AccountPoll, account.id)
        assert poll.last_deep_poll_at is None, "as if it had never been polled"


@pytest.mark.parametrize(
    ("since", "until", "why"),
    [
        (9, None, r"was in the team 'Amigos' from 2026-05-12 12:00 until 2026-05-15 12:00 UTC"),
        (9, 7, "choose other dates, or change that entry"),
        (7, 6, "choose other dates"),
        (8, 8, "choose other dates"),  # the same beginning
        (4, 5, "end before it starts"),
        (2, None, "is already in the team 'Amigos', since 2026-05-19 12:00 UTC"),
    ],
)
def test_memberships_that_overlap_are_refused_in_words(
    any_database: Database, since: int, until: int | None, why: str
) -> None:
    """Ann was in the team 8 to 5 days ago, and is since yesterday; numbers are days ago."""
    with any_database.writing() as session:
        team, ann = make_team(session, "Amigos"), make_player(session, "Ann")
        make_membership(session, team, ann, since=NOW - 8 * DAY, until=NOW - 5 * DAY)
        make_membership(session, team, ann, since=NOW - DAY)
        third = make_membership(session, team, ann, since=NOW - 20 * DAY, until=NOW - 20 * DAY)
        dates = {"since": NOW - since * DAY, "until": None if until is None else NOW - until * DAY}
        with pytest.raises(RosterError, match=why):
            add_membership(session, team, ann, **dates)
        with pytest.raises(RosterError, match=why):
            correct_membership(session, third.id, version=third.version, now=NOW, **dates)


@pytest.mark.parametrize(("since", "until"), [(5, 1), (9, 8), (3, 3), (19, 10)])
def test_memberships_that_touch_do_not_overlap(
    any_database: Database, since: int, until: int
) -> None:
    with any_database.writing() as session:
        team, ann = make_team(session, "Amigos"), make_player(session, "Ann")
        make_membership(session, team, ann, since=NOW - 8 * DAY, until=NOW - 5 * DAY)
        make_membership(session, team, ann, since=NOW - DAY)
        make_membership(session, team, ann, since=NOW - 20 * DAY, until=NOW - 20 * DAY)
        add_membership(session, team, ann, since=NOW - since * DAY, until=NOW - until * DAY)


def test_nobody_is_put_back_into_a_removed_team(any_database: Database) -> None:
    with any_database.writing() as session:
        team = make_team(session, "Amigos")
        make_member(session, team, "Ann")
        remove_team(session, "Amigos", even_if_used=True, now=NOW)
        (row,) = session.scalars(select(Membership))
        with pytest.raises(RosterError, match="the team 'Amigos' was removed"):
            correct_membership(
                session, row.id, since=row.since, until=None, version=row.version, now=NOW
            )
        with pytest.raises(RosterError, match="the team 'Amigos' was removed"):
            change_team(session, team.id, name="Amigas", version=team.version, now=NOW)


def test_a_channel_keeps_its_address_unless_another_is_given(any_database: Database) -> None:
    with any_database.writing() as session:
        channel = make_channel(
            session, make_team(session), "general", kind="discord-webhook", address=HOOK
        )
        _change(session, channel, name="ranked", rules={"queues": [420], "message_kinds": ["game"]})
        assert (channel.address, channel.name, channel.queues) == (HOOK, "ranked", [420])
        _change(session, channel, address=HOOK + "2", uncertain="resend")
        assert channel.address == HOOK + "2"
    with any_database.reading() as session:
        entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert entry is not None
        assert entry.after == {"address": "changed", "uncertain": "resend"}


def test_another_kind_of_channel_needs_an_address_and_no_messages(any_database: Database) -> None:
    with any_database.writing() as session:
        team = make_team(session, "Amigos")
        channel = make_channel(session, team, "general")
        with pytest.raises(RosterError, match="another kind needs an address of that kind"):
            _change(session, channel, kind="slack-bot")
        _change(session, channel, kind="slack-bot", address="C0123456789")
        ann = make_member(session, team, "Ann")
        add_game(session, "NA1_1", played(ann))
        _write_message(session, channel)
        with pytest.raises(RosterError, match=r"'general' has messages.*remove it and add another"):
            _change(session, channel, kind="discord-bot", address="123456789012345678")


def test_a_kind_that_takes_no_pictures_says_so(any_database: Database) -> None:
    """Nothing can be added to what a Slack webhook has posted."""
    hook = "https://hooks.slack.com/services/T1/B1/abc"
    with any_database.writing() as session:
        team = make_team(session, "Amigos")
        with pytest.raises(RosterError, match="slack-webhook takes no cards"):
            add_channel(
                session, "general", team="Amigos", kind="slack-webhook", address=hook,
                transports=TRANSPORTS, rules=ChannelRules(pictures="card"), uncertain="review",
                now=NOW,
            )  # fmt: skip
        channel = make_channel(session, team, "general", kind="slack-webhook", address=hook)
        with pytest.raises(RosterError, match="slack-webhook takes no cards"):
            _change(session, channel, rules={"pictures": "card"})


@pytest.mark.parametrize("state", ["sending", "uncertain"])
def test_an_address_stays_while_a_message_may_have_gone_there(
    any_database: Database, state: str
) -> None:
    with any_database.writing() as session:
        channel = make_channel(session, make_team(session, "Amigos"), "general")
        _write_message(session, channel, state=state)
        with pytest.raises(RosterError, match="1 of the channel's messages may have gone out"):
            _change(session, channel, address="923456789012345678")
        assert _change(session, channel, address=channel.address, name="all").name == "all"


def test_a_change_cannot_give_a_team_the_same_channel_twice(any_database: Database) -> None:
    with any_database.writing() as session:
        team = make_team(session, "Amigos")
        first, second = make_channel(session, team, "first"), make_channel(session, team, "second")
        with pytest.raises(AlreadyThereError, match="has this channel already, as 'first'"):
            _change(session, second, address=first.address)
        remove_channel(session, "first", now=NOW)
        assert _change(session, second, address=first.address).address == first.address
        with pytest.raises(RosterError, match="'first' was removed"):
            _change(session, first, name="third")


def test_queues_are_named_as_people_call_them() -> None:
    said = parse_queues("450,ranked  solo, Arena, brawl,Everything else,arena")
    # What was said stays what it is, kinds first, then names, then numbers.
    assert said == ["arena", "other", "Ranked Solo", "Brawl", 450]
    assert parse_queues(",".join(map(str, said))) == said
    assert parse_message_kinds("Alert, game") == ["game", "alert"]
    assert parse_message_kinds("game,catch_up,alert") is None
    for typed in ("", "games", "game,,alert", "test"):
        with pytest.raises(RosterError, match="choose of game, catch_up, alert"):
            parse_message_kinds(typed)


def test_a_channel_may_want_some_kinds_of_message_from_the_start(any_database: Database) -> None:
    with any_database.writing() as session:
        make_team(session, "Amigos")
        channel = add_channel(
            session, "alerts", team="Amigos", kind="slack-bot", address="C0123456789", transports=TRANSPORTS,
            rules=ChannelRules(message_kinds=["alert"]), uncertain="review", now=NOW,
        )  # fmt: skip
        assert channel.message_kinds == ["alert"]


def test_templates_are_tried_with_the_teams_last_games(any_database: Database) -> None:
    with any_database.writing() as session:
        team = make_team(session, "Amigos")
        channel = make_channel(session, team)
        ann, other = make_member(session, team), make_member(session, make_team(session))
        fails = {"details": "{{ kills / (deaths - 2) }}"}
        session.add(Fact(name=failed_template(channel.id), value={}))
        _change(session, channel, rules={"templates": fails})
        # What had failed was another one.
        assert session.get(Fact, failed_template(channel.id), populate_existing=True) is None
        _change(session, channel, rules={"templates": None})
        add_game(session, "EUW1_1", played(other))
        add_game(session, "EUW1_2", played(ann, kda=(1, 1, 1)))
        _change(session, channel, rules={"templates": fails})
        _change(session, channel, rules={"templates": None})
        add_game(session, "EUW1_3", played(ann, kda=(1, 2, 1)))
        with pytest.raises(TemplatesError, match="template of the details: it fails on EUW1_3"):
            _change(session, channel, rules={"templates": fails})
        with pytest.raises(TemplatesError, match="template of the lead: there is no nmae"):
            _change(session, channel, rules={"templates": {"lead": "{{ nmae }}"}})


def _write_message(session: Session, channel: Channel, state: str = "pending") -> None:
    session.add(
        Message(
            channel_id=channel.id, subject="alert:1", kind="alert", order_at=NOW, created_at=NOW,
            content={}, desired_hash="", nonce="", state=state,
        )
    )  # fmt: skip
    session.flush()
