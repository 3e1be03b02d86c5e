"""The stage games: a match is fetched once; and what happens to one that Riot does not give."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
from sqlalchemy import update

from lol_dagster.pipeline import at_once, process
from lol_dagster.pipeline.match import Archived, Failed, Ignored
from lol_dagster.pipeline.process import (
    NotGiven,
    ProcessedGame,
    archive_match,
    due_matches,
    process_matches,
)
from lol_dagster.pipeline.records import record
from lol_dagster.riot import caller
from lol_dagster.riot.archive import archive_payload, load_payload, packed
from lol_dagster.riot.errors import BadRequest, KeyRejected
from lol_dagster.riot.routing import UnknownPlatform
from lol_dagster.stats import record as record_module
from lol_dagster.storage.database import Database, assert_no_open_write
from lol_dagster.storage.models import Match, Payload
from lol_dagster_tests._support.payloads import payload_bytes
from lol_dagster_tests._support.raw_server import Request
from lol_dagster_tests._support.roster_rows import make_account, make_player
from lol_dagster_tests.riot.fake_riot import (
    ROOMY,
    FakeRiot,
    Reply,
    Time,
    client_of,
    fake_riot,
    refusal,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
BODY = b'{"metadata": {"matchId": "NA1_1"}, "info": {"x": 1.50, "y": "\\u00e9"}}\r\n'


class World:
    """A database with one listed match, and a Riot."""

    def __init__(self, database: Database, riot: FakeRiot) -> None:
        self.database = database
        self.riot = riot
        self.time = Time()
        self.client = client_of(riot.server, database, self.time)
        self.add("NA1_1")

    def add(self, match_id: str, **values: object) -> None:
        with self.database.writing() as session:
            session.add(
                Match(**{"match_id": match_id, "listed_at": NOW, "next_try_at": NOW, **values})
            )

    def list_by_an_account(self) -> None:
        with self.database.writing() as session:
            make_account(session, make_player(session), puuid="another")
            account = make_account(session, make_player(session), puuid="lister")
            session.get_one(Match, "NA1_1").listed_by = account.id

    def fetch(self, now: datetime = NOW, match_id: str = "NA1_1") -> str:
        self.answer = archive_match(self.database, self.client, match_id, now=now, run_id="run-1")
        if isinstance(self.answer, NotGiven):
            return self.answer.outcome
        return "archived" if self.answer is None else "ignored"

    def match(self) -> Match:
        with self.database.reading() as session:
            return session.get_one(Match, "NA1_1")

    def has_payload(self) -> bool:
        with self.database.reading() as session:
            return session.get(Payload, "NA1_1") is not None


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with fake_riot() as riot:
        yield World(database, riot)


def test_a_payload_is_archived_byte_for_byte_and_once(any_database: Database) -> None:
    with fake_riot() as riot:
        world = World(any_database, riot)
        riot.on("NA1_1", [Reply(200, BODY), Reply(200, b'{"info": "another"}')])

        first = world.fetch()
        second = world.fetch(NOW + HOUR)

    assert (first, second) == ("archived", "archived")
    assert len(riot.targets) == 1
    with any_database.reading() as session:
        assert load_payload(session, "NA1_1").body == BODY
        payload = session.get_one(Payload, "NA1_1")
    assert payload.sha256 == hashlib.sha256(BODY).hexdigest()
    assert (payload.size, payload.encoding, payload.fetched_at) == (len(BODY), "zlib", NOW)
    match = world.match()
    assert (match.state, match.run_id, match.last_error) == ("fetched", "run-1", None)
    assert match.next_try_at == NOW, "due for its next stage: a run that dies now is no loss"


def test_real_payloads_come_back_as_they_were(world: World, shared_dir: Path) -> None:
    files = sorted((shared_dir / "riot" / "matches").rglob("NA1_*.json"))[:5]
    assert files
    for file in files:
        world.add(file.stem)
        world.riot.on(file.stem, Reply(200, file.read_bytes()))
        assert world.fetch(match_id=file.stem) == "archived"
        with world.database.reading() as session:
            assert load_payload(session, file.stem).body == file.read_bytes()


def test_what_was_processed_stays_processed_when_it_is_asked_for_again(world: World) -> None:
    world.riot.on("NA1_1", Reply(200, BODY))
    world.fetch()
    with world.database.writing() as session:
        session.execute(update(Match).values(state="processed", next_try_at=None))
    world.fetch(NOW + HOUR)
    assert (world.match().state, world.match().next_try_at) == ("processed", None)


def test_a_delayed_match_is_asked_for_with_growing_pauses_and_then_archived(world: World) -> None:
    now, pauses = NOW, []
    for _ in range(9):
        result = world.fetch(now)
        assert result == "delayed"
        assert isinstance(world.answer, NotGiven)
        assert "404" in world.answer.reason
        next_try_at = world.match().next_try_at
        assert next_try_at is not None
        pauses.append(next_try_at - now)
        now = next_try_at
    # Mostly it is there within seconds.
    minutes = [1, 2, 5, 15, 60, 180, 360, 720]
    assert pauses == [timedelta(seconds=10), *(minute * MINUTE for minute in minutes)]
    assert (world.match().state, world.match().tries) == ("listed", 9)
    assert world.match().first_missing_at == NOW

    world.riot.on("NA1_1", Reply(200, BODY))
    assert world.fetch(now) == "archived"
    assert (world.match().state, world.match().first_missing_at) == ("fetched", None)


def test_a_match_is_given_up_after_48_hours_and_a_last_try(world: World) -> None:
    now = NOW
    outcomes = []
    while True:
        outcomes.append(world.fetch(now))
        next_try_at = world.match().next_try_at
        if next_try_at is None:
            break
        now = next_try_at
    assert outcomes[:-1] == ["delayed"] * (len(outcomes) - 1)
    assert outcomes[-1] == "not_found"
    assert now == NOW + 48 * HOUR, "neither before nor long after"
    assert world.match().state == "not_found"
    assert "404" in (world.match().last_error or "")


def test_a_match_that_was_given_up_and_is_still_missing_is_given_up_at_once(world: World) -> None:
    world.fetch()
    for hours, is_given_up_now in ((48, True), (72, False)):
        assert world.fetch(NOW + hours * HOUR) == "not_found"
        assert isinstance(world.answer, NotGiven)
        assert world.answer.is_given_up_now is is_given_up_now
    assert (world.match().state, world.match().next_try_at) == ("not_found", None)


def test_a_match_that_was_given_up_can_be_revived_by_asking_again(world: World) -> None:
    world.fetch()
    world.fetch(NOW + 48 * HOUR)
    assert world.match().state == "not_found"
    world.riot.on("NA1_1", Reply(200, BODY))
    assert world.fetch(NOW + 90 * HOUR) == "archived"
    assert world.match().state == "fetched"


@pytest.mark.parametrize("status", [401, 403])
def test_a_match_that_alone_is_forbidden_is_delayed_and_no_dead_key(
    world: World, status: int
) -> None:
    """As with a mode at its launch, or a private game."""
    world.list_by_an_account()
    world.riot.on("matches/NA1_1", refusal(status, "Forbidden"))
    world.riot.on("by-puuid/lister", Reply(200, {"puuid": "lister"}))

    assert world.fetch() == "delayed"

    assert str(status) in (world.match().last_error or "")
    assert world.match().first_missing_at == NOW
    assert len(world.riot.asked("by-puuid/lister")) == 1, (
        "the account that listed it vouches for the key"
    )
    assert world.fetch(NOW + 48 * HOUR) == "not_found"


def test_an_account_of_another_application_vouches_for_the_key_too(world: World) -> None:
    """An answer about the puuid is an answer to an accepted key."""
    world.list_by_an_account()
    world.riot.on("matches/NA1_1", refusal(403))
    world.riot.on("by-puuid", refusal(400, "Exception decrypting"))
    assert world.fetch() == "delayed"


def test_a_whim_of_riots_that_hits_the_account_too_is_no_dead_key(world: World) -> None:
    """Riot answers 401 at random at times."""
    world.list_by_an_account()
    world.riot.on("matches/NA1_1", refusal(401))
    world.riot.on("by-puuid/lister", [refusal(401), Reply(200, {"puuid": "lister"})])
    assert world.fetch() == "delayed"


def test_a_dead_key_is_reported_and_changes_nothing(world: World) -> None:
    world.list_by_an_account()
    world.riot.on("", refusal(403, "Forbidden"))
    before = world.match()
    with pytest.raises(KeyRejected):
        world.fetch()
    after = world.match()
    assert (after.state, after.tries, after.next_try_at, after.first_missing_at) == (
        before.state, 0, before.next_try_at, None,
    )  # fmt: skip


def test_a_forbidden_match_with_riot_down_is_left_for_later(world: World) -> None:
    world.list_by_an_account()
    world.riot.on("matches/NA1_1", refusal(403))
    world.riot.on("by-puuid", Reply(503, b"", ROOMY))
    assert world.fetch() == "deferred"
    assert world.match().first_missing_at is None


def test_a_failure_of_riots_servers_does_not_bring_a_match_nearer_to_being_given_up(
    world: World,
) -> None:
    world.riot.on("NA1_1", Reply(503, b"<html>", ROOMY))
    assert world.fetch() == "deferred"
    assert isinstance(world.answer, NotGiven)
    assert "503" in world.answer.reason
    match = world.match()
    assert (match.state, match.tries, match.first_missing_at) == ("listed", 0, None)
    assert match.next_try_at == NOW + MINUTE

    world.time.now += 60
    days_later = NOW + timedelta(days=5)
    assert world.fetch(days_later) == "deferred"
    assert world.match().next_try_at == days_later + 15 * MINUTE, "rarer, but never given up"


def test_a_used_up_limit_leaves_the_match_for_when_it_allows_calls(world: World) -> None:
    world.riot.on("NA1_1", refusal(429, Retry_After="600", X_Rate_Limit_Type="method"))
    allowed_at = datetime.fromtimestamp(world.time.now + 600.5, UTC)
    assert world.fetch(datetime.fromtimestamp(world.time.now, UTC)) == "deferred"
    assert world.match().next_try_at == pytest.approx(allowed_at, abs=timedelta(seconds=1))
    assert world.match().tries == 0


@pytest.mark.parametrize("body", [b"", b"<html>oops</html>", BODY[:40], b"null"])
def test_a_body_that_is_no_match_is_never_archived(world: World, body: bytes) -> None:
    world.riot.on("NA1_1", Reply(200, body))
    assert world.fetch() == "delayed"
    assert not world.has_payload()
    world.riot.on("NA1_1", Reply(200, BODY))
    assert world.fetch(NOW + MINUTE) == "archived"


def test_what_riot_will_never_answer_is_raised(world: World) -> None:
    """The stage fails on it, and on it alone."""
    world.riot.on("NA1_1", refusal(400, "Bad request"))
    with pytest.raises(BadRequest):
        world.fetch()
    world.add("ESPORTSTMNT01_1")
    with pytest.raises(UnknownPlatform):
        world.fetch(match_id="ESPORTSTMNT01_1")


def test_what_was_listed_last_is_due_first(any_database: Database) -> None:
    """News does not wait behind a long past."""
    with any_database.writing() as session:
        for match_id, listed, next_try in (
            ("NA1_3", NOW, NOW),
            ("NA1_2", NOW, NOW - HOUR),
            ("NA1_9", NOW - HOUR, NOW),
            ("NA1_4", NOW - HOUR, NOW + MINUTE),  # not yet
            ("NA1_5", NOW - HOUR, None),  # never again
        ):
            session.add(Match(match_id=match_id, listed_at=listed, next_try_at=next_try))
    with any_database.reading() as session:
        assert due_matches(session, now=NOW, limit=10) == ["NA1_2", "NA1_3", "NA1_9"]
        assert due_matches(session, now=NOW, limit=2) == ["NA1_2", "NA1_3"]


def test_a_payload_that_another_run_was_given_meanwhile_outweighs_a_404(world: World) -> None:
    def given_to_another_run(_: object) -> Reply:
        with world.database.writing() as session:
            archive_payload(session, packed("NA1_1", BODY, NOW))
            record(session, "NA1_1", Archived("another"), NOW)
        return refusal(404, "Data not found")

    world.riot.on("NA1_1", given_to_another_run)
    assert world.fetch() == "archived"
    assert (world.match().state, world.match().tries) == ("fetched", 0)


def test_a_game_that_is_ignored_while_a_run_asks_for_it_stays_ignored(world: World) -> None:
    def ignored_meanwhile(_: object) -> Reply:
        with world.database.writing() as session:
            record(session, "NA1_1", Failed("another", "games", "1", "E: x", ""), NOW)
            record(session, "NA1_1", Ignored(), NOW)
        return refusal(404, "Data not found")

    world.riot.on("NA1_1", ignored_meanwhile)
    assert world.fetch() == "ignored"
    assert (world.match().state, world.match().next_try_at) == ("ignored", None)


def test_games_that_riot_does_not_give_keep_no_other_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each other game is done while two hang, and there is time for its message."""
    monkeypatch.setattr(caller, "DEADLINE_S", 90.0)
    world.riot.on("NA1_1$", refusal(404))
    assert world.fetch() == "delayed"  # from here on the limits are known
    others = [f"NA1_{number}" for number in (4, 5, 6)]
    for match_id in ("NA1_2", "NA1_3", *others):
        world.add(match_id)
    over = threading.Event()

    def hang(_: Request) -> Reply:
        over.wait(60)
        return refusal(404)

    world.riot.on("NA1_[23]$", hang)
    world.riot.on("NA1_[456]$", refusal(404))
    done: list[str] = []
    for outcome in process_matches(
        world.database, world.client, ["NA1_2", "NA1_3", *others],
        stale_after=HOUR, clock=lambda: NOW, run_id="run-1",
    ):  # fmt: skip
        if outcome is not None:
            assert outcome.match_id in others or over.is_set()
            done.append(outcome.match_id)
        elif len(done) == len(others):
            over.set()
    assert sorted(done[:3]) == others
    assert sorted(done[3:]) == ["NA1_2", "NA1_3"]


def test_a_dead_key_ends_a_batch_after_its_first_call(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_once, "FIRST_ALONE_S", 60.0)
    world.list_by_an_account()
    world.riot.on("", refusal(403, "Forbidden"))
    for number in range(2, 30):
        world.add(f"NA1_{number}")
    with pytest.raises(KeyRejected):
        list(
            process_matches(
                world.database, world.client, [f"NA1_{number}" for number in range(1, 30)],
                stale_after=HOUR, clock=lambda: NOW, run_id="run-1",
            )
        )  # fmt: skip
    # One match, and account-v1 twice to make sure.
    assert len(world.riot.targets) == 3


def test_a_payload_is_packed_and_read_while_others_may_write(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def with_nothing_open(module: ModuleType, name: str) -> None:
        as_it_was = getattr(module, name)

        def called(*args: object, **named: object) -> object:
            assert_no_open_write()
            done.append(name)
            return as_it_was(*args, **named)

        monkeypatch.setattr(module, name, called)

    with_nothing_open(process, "packed")
    with_nothing_open(record_module, "read_game")
    world.riot.on("NA1_1", Reply(200, payload_bytes("NA1_1")))
    (outcome,) = process_matches(
        world.database, world.client, ["NA1_1"],
        stale_after=HOUR, clock=lambda: NOW, run_id="run-1",
    )  # fmt: skip
    assert outcome == ProcessedGame("NA1_1", ())
    assert done == ["packed", "read_game"]
