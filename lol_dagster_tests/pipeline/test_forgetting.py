"""A player is forgotten on request: no table names them, and nothing else is broken."""

from __future__ import annotations

import hashlib
import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, select, text

from lol_dagster.delivery.message_rows import write_messages
from lol_dagster.messages.content import MessageContent
from lol_dagster.pipeline import forgetting
from lol_dagster.pipeline.forgetting import WhatGoes, forget_player, what_goes
from lol_dagster.riot.archive import load_payload, load_timeline
from lol_dagster.stats.record import STATS_CODE_VERSION, read_archived, record_game
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Account,
    AccountPoll,
    Attempt,
    AuditEntry,
    Base,
    FormerPuuid,
    Game,
    Match,
    Membership,
    Message,
    MessageGame,
    MessageText,
    Participant,
    Payload,
    Player,
    PlayerStat,
    RankChange,
    RankSnapshot,
    RunRequest,
    Team,
    Timeline,
)
from lol_dagster_tests._support.archived_games import make_archived, make_quarantined
from lol_dagster_tests._support.payloads import participant, payload_bytes, puuid_of
from lol_dagster_tests._support.roster_rows import (
    make_channel,
    make_membership,
    make_player,
    make_team,
)

NOW = datetime(2026, 8, 1, 20, 0, tzinfo=UTC)
STALE_AFTER = timedelta(hours=12)
ALONE, SHARED, OLD_ALONE, OLD_SHARED, OTHERS = (f"NA1_500000000{n}" for n in range(1, 6))
LISTED, IN_QUARANTINE = "NA1_5000000008", "NA1_5000000009"
TRACES = ("Zorro", "Zorro of the NA", puuid_of("Zorro"), "puuid-of-before")


def account(session: Any, name: str, player: Player) -> Account:
    row = Account(
        player_id=player.id, puuid=puuid_of(name), game_name=f"{name} of the NA", tag_line="NA1",
        platform="na1", created_at=NOW,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def play(session: Any, match_id: str, *names: str, ended_at: datetime = NOW) -> None:
    """The game is archived, worked out and written about."""
    body = payload_bytes(
        match_id,
        ended_at=ended_at,
        participants=[
            participant(name, kills=9, riotIdGameName=f"{name} of the NA") for name in names
        ],
    )
    make_archived(session, match_id, body, at=NOW)
    again(session, match_id)


def again(session: Any, match_id: str) -> None:
    archived = read_archived(session, match_id)
    record_game(session, archived, code_version=STATS_CODE_VERSION, now=NOW, run_id="run")
    write_messages(session, match_id, stale_after=STALE_AFTER, now=NOW)


@pytest.fixture
def zorro(any_database: Database) -> int:
    """Zorro and Ann are in a team with a channel; Zorro's player id."""
    with any_database.writing(who="Zoe") as session:
        team = make_team(session, "Friends")
        make_channel(session, team, "main")
        people = {name: make_player(session, name) for name in ("Ann", "Zorro")}
        for name, player in people.items():
            account(session, name, player)
            make_membership(session, team, player)
        zorro = people["Zorro"]
        theirs = session.scalars(select(Account).where(Account.player_id == zorro.id)).one()
        session.add(FormerPuuid(puuid="puuid-of-before", account_id=theirs.id))
        session.add(AccountPoll(account_id=theirs.id, next_poll_at=NOW))
        play(session, ALONE, "Zorro")
        play(session, SHARED, "Ann", "Zorro")
        long_ago = NOW - timedelta(days=2)
        play(session, OLD_ALONE, "Zorro", ended_at=long_ago)
        play(session, OLD_SHARED, "Ann", "Zorro", ended_at=long_ago)
        play(session, OTHERS, "Ann")
        session.add(Match(match_id=LISTED, listed_at=NOW, listed_by=theirs.id))
        make_quarantined(session, IN_QUARANTINE)
        session.get_one(Match, IN_QUARANTINE).listed_by = theirs.id
        session.get_one(Match, OTHERS).listed_by = theirs.id
        timeline = json.dumps({"metadata": {"participants": [puuid_of("Zorro"), "x"]}}).encode()
        for match_id in (ALONE, SHARED):
            payload = session.get_one(Payload, match_id)
            session.add(
                Timeline(
                    match_id=match_id,
                    encoding="zlib",
                    body=zlib.compress(timeline),
                    size=len(timeline),
                    sha256=hashlib.sha256(timeline).hexdigest(),
                    fetched_at=payload.fetched_at,
                )
            )
            session.add(
                RunRequest(
                    match_id=match_id, requested_at=NOW, requested_by="Zoe", reason="once more"
                )
            )
        snapshots = [
            RankSnapshot(
                account_id=theirs.id, queue_id=420, taken_at=NOW, seen_at=NOW, league_points=lp,
                wins=lp, losses=0,
            )
            for lp in (1, 2)
        ]  # fmt: skip
        session.add_all(snapshots)
        session.flush()
        session.add(
            RankChange(
                match_id=SHARED, account_id=theirs.id, before_id=snapshots[0].id,
                after_id=snapshots[1].id, games=1,
            )
        )  # fmt: skip
        # What was posted: both fresh games. What was not: the message of what is old.
        for message in session.scalars(select(Message).where(Message.kind == "game")):
            message.state, message.due_at, message.sent_maybe = "delivered", None, True
            message.evidence, message.remote_id, message.remote_rev = "response", message.id, 1
            message.delivered_at = NOW
            session.add(
                Attempt(
                    message_id=message.id, fence=1, op="POST", rev=1, at=NOW, outcome="accepted"
                )
            )
        return zorro.id


def traces(connection: Connection) -> dict[str, list[str]]:
    """Where one of these words still stands, in whatever column of whatever table."""
    found: dict[str, list[str]] = {}
    for table in inspect(connection).get_table_names():
        for row in connection.execute(text(f'SELECT * FROM "{table}"')).mappings():
            for column, value in row.items():
                is_packed = column == "body" and value is not None
                kept = zlib.decompress(bytes(value)).decode() if is_packed else value
                said = json.dumps(kept, default=str, ensure_ascii=False)
                if any(word in said for word in TRACES):
                    found.setdefault(table, []).append(column)
    return found


def test_nothing_names_them_any_more(any_database: Database, zorro: int) -> None:
    with any_database.engine.connect() as connection:
        there = traces(connection)
    assert {"players", "accounts", "former_puuids", "participants", "payloads", "messages",
            "audit_entries", "timelines"} <= set(there)  # fmt: skip

    forget_player(any_database, zorro, who="Zoe", now=NOW)

    with any_database.engine.connect() as connection:
        assert traces(connection) == {}
    with any_database.reading() as session:
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "forgotten"))
        assert (entry.who, entry.table, entry.row) == ("Zoe", "players", str(zorro))
        assert entry.after is not None
        assert entry.after["games_alone"] == 4


def test_what_goes_is_counted_before(any_database: Database, zorro: int) -> None:
    with any_database.reading() as session:
        goes = what_goes(session, session.get_one(Player, zorro))
        known = {each.match_id for each in session.scalars(select(Match))}
    # Two games, what was listed for Zorro and what is quarantined. In three messages: one of each
    # fresh game and one of the two old ones. Added: a player, an account, a membership.
    assert goes == WhatGoes(
        accounts=1, memberships=1, rank_snapshots=2, games_alone=4, games_with_others=2,
        messages=3, audit_entries=3,
    )  # fmt: skip
    assert forget_player(any_database, zorro, who="Zoe", now=NOW) == goes
    with any_database.reading() as session:
        left = {each.match_id for each in session.scalars(select(Match))}
    assert known - left == {ALONE, OLD_ALONE, LISTED, IN_QUARANTINE}


def messages(database: Database) -> dict[str, Message]:
    """By the title that each has."""
    with database.reading() as session:
        return {
            MessageContent.from_json(each.content).title: each
            for each in session.scalars(select(Message))
        }


def test_what_was_posted_is_edited(any_database: Database, zorro: int) -> None:
    before = messages(any_database)
    forget_player(any_database, zorro, who="Zoe", now=NOW)
    after = messages(any_database)
    gone = after.pop("This is no longer shown")
    old = after.pop("1 game while I was away")
    assert {"2 games while I was away"} <= set(before)
    assert (gone.due_at, gone.state, gone.desired_rev, gone.remote_rev) == (NOW, "delivered", 2, 1)
    assert gone.subject == f"forgotten:{gone.id}"
    assert (old.state, old.desired_rev) == ("pending", 3)
    said = [MessageContent.from_json(each.content) for each in (old, *after.values())]
    assert all("Ann" in each.summary or "Ann" in str(each.sections) for each in said)
    with any_database.reading() as session:
        assert session.scalars(select(MessageText)).all() == []
        about = {(each.message_id, each.match_id) for each in session.scalars(select(MessageGame))}
    assert {match_id for _, match_id in about} == {SHARED, OLD_SHARED, OTHERS}
    assert gone.id not in {message_id for message_id, _ in about}


def test_a_message_about_nothing_any_more_that_was_not_sent_is_not_sent(
    any_database: Database, zorro: int
) -> None:
    with any_database.writing() as session:
        play(session, "NA1_5000000007", "Zorro")
    forget_player(any_database, zorro, who="Zoe", now=NOW)
    with any_database.reading() as session:
        dropped = session.scalars(select(Message).where(Message.state == "dropped")).one()
    assert (dropped.last_error, dropped.due_at) == ("nobody is left whom it may name", None)


def test_what_others_have_played_with_them_is_worked_out_as_before(
    any_database: Database, zorro: int
) -> None:
    def figures() -> list[dict[str, Any]]:
        hidden = {"puuid", "display_name"}
        with any_database.reading() as session:
            rows: list[Base] = [
                *session.scalars(
                    select(PlayerStat)
                    .join(Player)
                    .where(Player.name == "Ann")
                    .order_by(PlayerStat.match_id)
                ),
                *session.scalars(
                    select(Participant)
                    .where(Participant.match_id.in_((SHARED, OLD_SHARED)))
                    .order_by(Participant.match_id, Participant.participant_id)
                ),
            ]
            return [
                {
                    key: value
                    for key, value in vars(each).items()
                    if key[0] != "_" and key not in hidden
                }
                for each in rows
            ]

    before = figures()
    forget_player(any_database, zorro, who="Zoe", now=NOW)
    assert figures() == before
    with any_database.reading() as session:
        for game in session.scalars(select(Game)):
            assert game.payload_sha256 == session.get_one(Payload, game.match_id).sha256
    with any_database.writing() as session:
        for match_id in (SHARED, OLD_SHARED):
            again(session, match_id)
    assert figures() == before
    with any_database.engine.connect() as connection:
        assert traces(connection) == {}
    with any_database.reading() as session:
        words = session.scalars(
            select(Participant.puuid).where(Participant.puuid.like("forgotten-%"))
        ).all()
    # One of each game: they lead to nobody, and from one game to no other.
    assert len(set(words)) == 2


def test_it_goes_on_where_it_was_interrupted(
    any_database: Database, zorro: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "_AT_ONCE", 1)
    calls = []

    def dies(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        forget_games(*arguments)

    forget_games = forgetting._forget_games
    monkeypatch.setattr(forgetting, "_forget_games", dies)
    with pytest.raises(KeyboardInterrupt):
        forget_player(any_database, zorro, who="Zoe", now=NOW)
    with any_database.writing() as session:
        assert session.scalars(
            select(Membership.left_out).where(Membership.player_id == zorro)
        ).one()
        goes = what_goes(session, session.get_one(Player, zorro))
        assert goes.games_alone + goes.games_with_others == 4
        # What is played meanwhile names them no more, and goes as well.
        play(session, "NA1_5000000007", "Ann", "Zorro")
    forget_player(any_database, zorro, who="Zoe", now=NOW)
    with any_database.engine.connect() as connection:
        assert traces(connection) == {}


def test_what_was_read_before_they_were_forgotten_does_not_bring_them_back(
    any_database: Database, zorro: int
) -> None:
    with any_database.reading() as session:
        archived = read_archived(session, SHARED)
    forget_player(any_database, zorro, who="Zoe", now=NOW)
    with any_database.writing() as session:
        record_game(session, archived, code_version=STATS_CODE_VERSION, now=NOW, run_id="run")
    with any_database.engine.connect() as connection:
        assert traces(connection) == {}


def test_what_is_damaged_in_the_archive_is_thrown_away(any_database: Database, zorro: int) -> None:
    """Nobody can tell whom it names, and they are to be forgotten all the same."""
    with any_database.writing() as session:
        session.get_one(Payload, SHARED).sha256 = "0" * 64
        timeline = session.get_one(Timeline, SHARED)
        timeline.body = timeline.body[:20] if timeline.body else None
    forget_player(any_database, zorro, who="Zoe", now=NOW)
    with any_database.reading() as session:
        assert load_payload(session, SHARED).body == load_timeline(session, SHARED) == b"{}"
        assert session.get(Player, zorro) is None


def test_whoever_comes_back_is_announced_in_the_message_that_is_there(
    any_database: Database, zorro: int
) -> None:
    def rows() -> dict[str, Message]:
        with any_database.reading() as session:
            return {each.id: each for each in session.scalars(select(Message))}

    before = rows()
    forget_player(any_database, zorro, who="Zoe", now=NOW)
    gone = messages(any_database)["This is no longer shown"]
    with any_database.writing() as session:
        player = make_player(session, "Zorro")
        account(session, "Zorro", player)
        team = session.scalars(select(Team)).one()
        make_membership(session, team, player)
        play(session, ALONE, "Zorro")
    assert rows().keys() == before.keys()
    assert rows()[gone.id].content == before[gone.id].content
