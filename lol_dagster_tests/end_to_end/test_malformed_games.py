"""A malformed game of every kind is in one batch with good ones, and stops only itself.

What Riot answered for a match decides what happens to it: it is announced where nothing that is used is
wrong; quarantined where something is; late where it is no match at all, as Riot may mend that.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from sqlalchemy.exc import OperationalError

from lol_dagster.orchestration.assets import BATCH_TAG
from lol_dagster.orchestration.instance import prepare_instance
from lol_dagster.simulator.games import accounts_in, game_of
from lol_dagster.stats import record
from lol_dagster.storage.models import Match, Quarantine
from lol_dagster_tests._support.payloads import encode, match_payload, participant
from lol_dagster_tests._support.processing import process
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests._support.world import World

Json = dict[str, Any]


def payload(match_id: str, **said: Any) -> Json:
    """A game of Ann's that ended a minute ago."""
    ended_at = datetime.now(UTC) - timedelta(minutes=1)
    people = said.pop("participants", [participant("Ann")])
    return match_payload(match_id, ended_at=ended_at, participants=people, **said)


def serve(world: World, match_id: str, body: bytes | None = None, **said: Any) -> None:
    """Let a game of Ann's end, for which Riot answers `body`, or a payload as it is said."""
    good = payload(match_id, **said)
    game = game_of(payload(match_id), available_at=0.0)
    packed = zlib.compress(encode(good) if body is None else body)
    world.simulator.games.add(dataclasses.replace(game, packed=packed), accounts_in(good))


def ann(**fields: Any) -> list[Json]:
    return [participant("Ann", **fields)]


def text(match_id: str, **said: Any) -> str:
    return encode(payload(match_id, **said)).decode()


def nested(depth: int) -> Callable[[str], bytes]:
    """A payload with an unknown field in which lists lie so deep in each other."""

    def body(match_id: str) -> bytes:
        deep = "[" * depth + "]" * depth
        return text(match_id, new="HERE").replace('"HERE"', deep).encode()

    return body


def without(field: str) -> Callable[[str], bytes]:
    def body(match_id: str) -> bytes:
        game = payload(match_id)
        del game["info"][field]
        return encode(game)

    return body


def info(value: object) -> Callable[[str], bytes]:
    """A payload whose `info` is this."""

    def body(match_id: str) -> bytes:
        return encode(payload(match_id) | {"info": value})

    return body


def said(**fields: Any) -> Callable[[str], bytes]:
    return lambda match_id: encode(payload(match_id, **fields))


ANNOUNCED = {
    "good, the first": said(),
    "an unknown queue": said(mode="unknown_queue"),
    "no queue": without("queueId"),
    "two megabytes": said(new="x" * 2_000_000),
    "a NUL in a stranger's name": lambda match_id: encode(
        payload(match_id, participants=[*ann(), participant("Bob\x00", puuid="bob")])
    ),
    "unknown fields of odd types": said(new=[None, {"": {}}], teams="many", gameName=17),
    "good, the last": said(),
}
QUARANTINED: dict[str, tuple[Callable[[str], bytes], str]] = {
    # Each with what its error has to name.
    "no participants": (without("participants"), "info.participants"),
    "a null": (
        lambda match_id: (
            text(match_id, participants=ann(kills=7)).replace('"kills":7', '"kills":null').encode()
        ),
        "participants.0.kills",
    ),
    "not a number": (
        lambda match_id: (
            text(match_id, participants=ann(kills=7)).replace('"kills":7', '"kills":NaN').encode()
        ),
        "participants.0.kills",
    ),
    "a number beyond the column": (said(participants=ann(kills=2**31)), "participants.0.kills"),
    "a number beyond everything": (said(participants=ann(gold=10**400)), "goldEarned"),
    "a time in another age": (said(gameStartTimestamp=10**15), "info.gameStartTimestamp"),
    "a negative duration": (said(gameDuration=-5), "info.gameDuration"),
    "the same puuid twice": (
        said(participants=[*ann(), participant("Ann")]),
        "two have the same puuid",
    ),
    "the same number twice": (
        said(participants=[*ann(participantId=2), participant("Bob", participantId=2)]),
        "two have the same participantId",
    ),
    "an empty info": (info({}), "info.participants"),
    "an info that is a list": (info([]), "info"),
    "participants that are a word": (
        lambda match_id: encode(
            payload(match_id) | {"info": payload(match_id)["info"] | {"participants": "ten"}}
        ),
        "info.participants",
    ),
    "forty thousand participants": (
        lambda match_id: encode(
            payload(match_id)
            | {"info": payload(match_id)["info"] | {"participants": [{}] * 40_000}}
        ),
        "info.participants",
    ),
    "a champion's name without end": (
        said(participants=ann(championName="x" * 10_000)),
        "participants.0.championName",
    ),
    "half a character": (
        lambda match_id: text(match_id, new="HERE").replace("HERE", "\\ud800").encode(),
        "payload",
    ),
    "nested beyond what is read": (nested(500), "recursion"),
    "another match": (lambda match_id: encode(payload("NA1_4999999999")), "another match"),
}
DELAYED: dict[str, bytes] = {
    "half of it": text("NA1_1").encode()[:-200],
    "a page of HTML": b"<html><body>502 Bad Gateway</body></html>",
    "a list": b"[]",
    "nothing": b"",
    "an error that says 200": b'{"status":{"message":"Internal error","status_code":500}}',
    "nested beyond what can be read": b'{"info":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.fixture
def real_instance(world: World) -> Iterator[World]:
    """The world with Dagster's storage on disk, as it is in operation."""
    world.instance = prepare_instance(world.app.settings)
    yield world
    world.instance.dispose()


@pytest.mark.timeout(600)
def test_a_malformed_game_of_every_kind_stops_only_itself(real_instance: World) -> None:
    world = real_instance
    world.add_team("Gamers", "Ann")
    ids: dict[str, str] = {}
    for number, name in enumerate([*ANNOUNCED, *QUARANTINED, *DELAYED]):
        ids[name] = f"NA1_50000000{number:02}"
    # The malformed ones are between the good ones.
    first, *others = ANNOUNCED
    for name in (first, *QUARANTINED, *DELAYED, *others):
        match_id = ids[name]
        if name in DELAYED:
            body = DELAYED[name]
        else:
            body = (ANNOUNCED[name] if name in ANNOUNCED else QUARANTINED[name][0])(match_id)
        serve(world, match_id, body)

    counts = world.once()
    assert (
        counts["processed"] == counts["delivered"] == len(ANNOUNCED) == len(world.posted("Gamers"))
    )
    assert counts["set_aside"] == len(QUARANTINED)

    with world.app.database.reading() as session:
        states = {name: session.get_one(Match, match_id).state for name, match_id in ids.items()}
        rows = {row.match_id: row for row in session.query(Quarantine)}
    expected = (
        dict.fromkeys(ANNOUNCED, "processed")
        | dict.fromkeys(QUARANTINED, "quarantined")
        | dict.fromkeys(DELAYED, "listed")
    )
    assert states == expected

    runs = world.runs("process_matches")
    batches = [run for run in runs if BATCH_TAG in run.tags]
    own = {run.tags["dagster/partition"]: run for run in runs if BATCH_TAG not in run.tags}
    assert {run.status for run in batches} == {dg.DagsterRunStatus.SUCCESS}
    assert {run.status for run in own.values()} == {dg.DagsterRunStatus.FAILURE}
    assert len(own) == len(runs) - len(batches)  # one run each
    assert set(own) == {ids[name] for name in QUARANTINED}
    batch_ids = {run.run_id for run in batches}
    for name, (_, words) in QUARANTINED.items():
        row = rows[ids[name]]
        assert words in row.error, name
        assert "Traceback" in row.traceback, name
        assert (row.stage, row.closed_at, row.tries) == ("player_stats", None, 2), name
        assert row.run_id in batch_ids, name
        assert row.shown_run_id == own[ids[name]].run_id, name
        logged = world.instance.all_logs(row.shown_run_id, dg.DagsterEventType.STEP_FAILURE)
        assert words in str(logged[0].dagster_event), name


@pytest.fixture(params=["sqlite", "postgresql"])
def any_world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose application has either kind of database."""
    if request.param == "postgresql":
        monkeypatch.setenv("LOL_DATABASE_URL", request.getfixturevalue("postgres_url"))
    found: World = request.getfixturevalue("world")
    return found


def misread(monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Json | BaseException]) -> None:
    """Let the reading of these matches bring values that its checks should have caught, or raise."""
    as_it_was = record.read_game

    def reading(match_id: str, body: bytes, **how: Any) -> Any:
        found = wrong.get(match_id, {})
        if isinstance(found, BaseException):
            raise found
        return dataclasses.replace(as_it_was(match_id, body, **how), **found)

    monkeypatch.setattr(record, "read_game", reading)


GOOD, NUL, HUGE, LONG, NULL, LAST = (f"NA1_500000000{number}" for number in range(6))


def test_what_the_database_refuses_of_one_game_quarantines_that_game(
    any_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = any_world
    world.add_team("Gamers", "Ann")
    match_ids = [GOOD, NUL, HUGE, LONG, NULL, LAST]
    for match_id in match_ids:
        world.finish(match_id, participants=ann())
    misread(
        monkeypatch,
        {
            NUL: {"game_version": "16\x0015"},
            HUGE: {"duration_s": 2**70},
            LONG: {"game_version": "x" * 500},
            NULL: {"game_version": None},
        },
    )
    assert world.poll().success
    assert world.run_batch(*match_ids).success
    with world.app.database.reading() as session:
        states = [session.get_one(Match, match_id).state for match_id in match_ids]
        rows = session.query(Quarantine).all()
    # SQLite takes a NUL and does not check the length of a text.
    lenient = "processed" if world.app.database.is_sqlite else "quarantined"
    assert states == ["processed", lenient, "quarantined", lenient, "quarantined", "processed"]
    assert {row.stage for row in rows} == {"player_stats"}


@pytest.mark.parametrize(
    "error", [ValueError("a NUL \x00, half a character \ud800"), MemoryError()]
)
def test_whatever_an_error_says_can_be_written_down(
    any_world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    world = any_world
    world.add_team("Gamers", "Ann")
    for match_id in (GOOD, NUL):
        world.finish(match_id, participants=ann())
    misread(monkeypatch, {NUL: error})
    assert world.poll().success
    assert world.run_batch(GOOD, NUL).success
    with world.app.database.reading() as session:
        row = session.query(Quarantine).one()
        assert session.get_one(Match, GOOD).state == "processed"
    assert row.error.startswith(type(error).__name__)
    assert type(error).__name__ in row.traceback


@pytest.mark.parametrize(
    "error", [OperationalError("", {}, Exception("disk I/O error")), KeyboardInterrupt()]
)
def test_what_is_no_games_fault_sets_no_game_aside(
    world: World, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    world.add_team("Gamers", "Ann")
    world.finish(GOOD, participants=ann())
    misread(monkeypatch, {GOOD: error})
    assert world.poll().success
    with pytest.raises(type(error)):
        process(world.app, GOOD)
    with world.app.database.reading() as session:
        match = session.get_one(Match, GOOD)
        assert (match.state, session.query(Quarantine).count()) == ("fetched", 0)
        assert match.next_try_at is not None


def test_a_game_that_cannot_be_shown_is_done_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the UI shows of a game must not stop the others either."""
    from lol_dagster.orchestration import metadata

    def broken(*_: object) -> None:
        raise ValueError("no such champion")

    monkeypatch.setattr(metadata, "_of_stats", broken)
    monkeypatch.setattr(metadata, "game_table", broken)
    world.add_team("Gamers", "Ann")
    for match_id in (GOOD, LAST):
        world.finish(match_id, participants=ann())
    assert world.once()["delivered"] == 2
    assert world.materialized("player_stats") == {GOOD, LAST}


@pytest.mark.parametrize("fault", ["503", "html-body", "403"])
def test_what_riot_answers_for_one_match_only_stops_only_that(world: World, fault: str) -> None:
    """The other match is on a route of its own, and only that route fails."""
    world.add_team("Gamers", "Ann")
    korean = "KR_5000000001"
    world.finish(GOOD, participants=ann())
    serve(world, korean)
    world.simulator.set_faults(f"riot.match@asia={fault}")
    assert world.poll().success
    with world.app.database.writing() as session:
        now = world.app.clock.now()
        if session.get(Match, korean) is None:
            session.add(Match(match_id=korean, listed_at=now, next_try_at=now))
    assert world.run_batch(GOOD, korean).success
    with world.app.database.reading() as session:
        assert session.get_one(Match, GOOD).state == "processed"
        match = session.get_one(Match, korean)
        assert (match.state, session.query(Quarantine).count()) == ("listed", 0)
        assert match.next_try_at is not None
        assert match.last_error
    # When Riot gives it after all, it goes the usual way.
    world.simulator.set_faults("")
    assert world.run_batch(GOOD, korean).success
    with world.app.database.reading() as session:
        assert session.get_one(Match, korean).state == "processed"


def test_messages_leave_while_riot_lets_another_game_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_team("Gamers", "Ann")
    for match_id in (GOOD, LAST):
        world.finish(match_id, participants=ann())
    assert world.poll().success
    fetch = world.app.riot.match

    def slow(match_id: str) -> bytes:
        if match_id == LAST:
            wait_for("the other one's message", lambda: world.posted("Gamers"), seconds=60)
        return fetch(match_id)

    monkeypatch.setattr(world.app.riot, "match", slow)
    assert world.run_batch(GOOD, LAST).success
    assert len(world.posted("Gamers")) == 2
