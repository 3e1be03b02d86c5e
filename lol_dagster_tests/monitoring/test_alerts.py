"""Alerts: each announced once when it opens and once when it is over, however often it is evaluated."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from lol_dagster.monitoring.alerts import Evaluated, evaluate
from lol_dagster.monitoring.checks import check_all
from lol_dagster.monitoring.failed_jobs import forget_job, note_failed_run, note_ui_url
from lol_dagster.monitoring.health import read_health
from lol_dagster.monitoring.heartbeat import beat
from lol_dagster.monitoring.housekeeping import note_night
from lol_dagster.settings import Settings, ensure_home, load_settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import (
    Account,
    AccountPoll,
    Alert,
    Breaker,
    Channel,
    FailedJob,
    Match,
    Message,
    Quarantine,
)
from lol_dagster_tests._support.health_rows import NOW, all_well, is_alive, match, message
from lol_dagster_tests._support.message_rows import as_delivery_leaves_it
from lol_dagster_tests._support.roster_rows import make_channel

DISK = shutil.disk_usage("/")


@dataclass
class Watched:
    """A system, and its monitoring. Minute 0 is when the test begins."""

    database: Database
    settings: Settings
    is_polled: bool = True
    """Whether match lists keep coming."""

    def now(self, minute: float) -> datetime:
        return NOW + timedelta(minutes=minute)

    def watch(self, *minutes: float) -> list[str]:
        """Evaluate at these minutes; the titles of what was announced, in order."""
        with self.database.reading() as session:
            known = set(session.scalars(select(Message.id).where(Message.kind == "alert")))
        for minute in minutes:
            beat(self.database, "daemon", self.now(minute))
            if self.is_polled:
                with self.database.writing() as session:
                    poll(session, self.now(minute))
            self.evaluate(self.now(minute))
        with self.database.reading() as session:
            rows = session.scalars(
                select(Message)
                .where(Message.kind == "alert", Message.id.not_in(known))
                .order_by(Message.order_at, Message.subject)
            )
            return [row.content["title"] for row in rows]

    def evaluate(self, now: datetime) -> Evaluated:
        results = check_all(self.database, self.settings, now)
        return evaluate(self.database, self.settings, results, now)

    def do(self, change: Callable[[Session], object]) -> None:
        with self.database.writing() as session:
            change(session)

    def alerts(self) -> list[Alert]:
        with self.database.reading() as session:
            return list(session.scalars(select(Alert).order_by(Alert.id)))

    def messages(self) -> list[Message]:
        with self.database.reading() as session:
            return list(
                session.scalars(
                    select(Message).where(Message.kind == "alert").order_by(Message.order_at)
                )
            )


def poll(session: Session, at: datetime) -> None:
    session.execute(update(AccountPoll).values(last_good_poll_at=at, next_poll_at=at))


@pytest.fixture
def watched(any_database: Database, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """All is well; alerts go to a channel `ops` beside the team's own."""
    monkeypatch.setenv("LOL_ALERT_CHANNEL", "Ops")
    settings = load_settings()
    ensure_home(settings)
    with any_database.writing() as session:
        is_alive(session)
        main = all_well(session)
        make_channel(session, main.team, "ops", kind="slack-webhook", message_kinds=["alert"])
    return Watched(any_database, settings)


def quarantine(session: Session, number: int) -> str:
    match_id = match(session, number, state="quarantined")
    session.add(
        Quarantine(
            match_id=match_id, stage="player_stats", error="KeyError: 'puuid'", traceback="…",
            code_version="1", quarantined_at=NOW,
        )
    )  # fmt: skip
    session.flush()
    return match_id


def cure(session: Session) -> None:
    session.execute(update(Match).values(state="processed", next_try_at=None))
    session.execute(update(Quarantine).values(closed_at=NOW, closed_as="processed"))


def close(scope: str, **values: object) -> Callable[[Session], object]:
    def change(session: Session) -> None:
        session.add(Breaker(scope=scope, since=NOW, reason="no reason", **values))

    return change


def main_channel(session: Session) -> Channel:
    return session.scalars(select(Channel).where(Channel.name == "main")).one()


def close_main(session: Session) -> None:
    close(f"channel:{main_channel(session).id}", dead=True, fingerprint="f")(session)


def open_all(session: Session) -> None:
    for breaker in session.scalars(select(Breaker)):
        session.delete(breaker)


def settle(session: Session) -> None:
    delivered = {**as_delivery_leaves_it("delivered", NOW), "due_at": None}
    session.execute(update(Message).where(Message.kind == "game").values(**delivered))


def miss_games(session: Session) -> None:
    before = NOW - timedelta(hours=3)
    session.execute(
        update(AccountPoll).values(missing_games_since=before, missing_games_from=before)
    )


def fail_job(session: Session) -> None:
    session.add(FailedJob(job="check_everything", run_id="r1", failed_at=NOW, since=NOW, error="e"))


AT_ONCE: dict[str, tuple[Callable[[Session], object], Callable[[Session], object], str]] = {
    "the key is refused": (close("riot-key"), open_all, "Riot refuses the API key"),
    "a channel refuses": (close_main, open_all, "The channel 'main' refuses us"),
    "a token is refused": (
        close("discord-token", dead=True), open_all, "The discord-token is refused",
    ),
    "a malformed game": (lambda s: quarantine(s, 1), cure, "NA1_1 is quarantined"),
    "a message needs review": (
        lambda s: message(s, main_channel(s), state="needs_review"), settle,
        "The message 00000001 needs review",
    ),
    "games are missing": (
        miss_games, lambda s: s.execute(update(AccountPoll).values(missing_games_since=None)),
        "Games of 1 account are missing",
    ),
    "a job fails": (
        fail_job, lambda s: forget_job(s, "check_everything", NOW), "The job check_everything fails",
    ),
}  # fmt: skip


LATER: dict[str, tuple[Callable[[Session], object], Callable[[Session], object], str]] = {
    "a game is stuck": (
        lambda s: match(s, next_try_at=NOW - timedelta(hours=1)), cure,
        "1 game has been due for over half an hour",
    ),
    "a message is stuck": (
        lambda s: message(s, main_channel(s), due_at=NOW - timedelta(hours=1)), settle,
        "1 message has not been delivered for too long",
    ),
    "the backup is overdue": (
        lambda s: note_night(s, NOW - timedelta(hours=30)),
        lambda s: note_night(s, NOW), "The backup is overdue",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LATER)
def test_what_is_overdue_after_a_night_switched_off_is_announced_only_if_it_stays_so(
    watched: Watched, name: str
) -> None:
    breaks, mends, title = LATER[name]
    watched.do(breaks)
    assert watched.watch(0, 9) == []
    assert watched.watch(10, 11) == [title]
    watched.do(mends)
    assert watched.watch(12, 16) == [f"Over: {title}"]


@pytest.mark.parametrize("name", LATER)
def test_what_is_caught_up_with_in_time_is_not_announced(watched: Watched, name: str) -> None:
    breaks, mends, _ = LATER[name]
    watched.do(breaks)
    assert watched.watch(0, 9) == []
    watched.do(mends)
    assert watched.watch(10, 15, 60) == []


@pytest.mark.parametrize("name", AT_ONCE)
def test_an_alert_opens_once_repeats_never_and_recovers_once(watched: Watched, name: str) -> None:
    breaks, mends, title = AT_ONCE[name]
    assert watched.watch(0) == []
    watched.do(breaks)
    assert watched.watch(1) == [title]
    assert watched.watch(2, 3, 40) == []
    watched.do(mends)
    # Away for less than five minutes: perhaps it comes back.
    assert watched.watch(41, 44.9) == []
    assert watched.watch(45) == [f"Over: {title}"]
    assert watched.watch(46, 60, 300) == []
    (alert,) = watched.alerts()
    assert (alert.opened_at, alert.last_seen_at) == (alert.opened_at, watched.now(40))
    subjects = [each.subject for each in watched.messages()]
    assert subjects == [f"alert:{alert.key}:{alert.id}", f"alert:{alert.key}:{alert.id}:over"]


def test_riot_down_is_announced_after_five_minutes_and_its_end_with_how_long_it_was(
    watched: Watched,
) -> None:
    watched.do(close("riot-route:americas"))
    assert watched.watch(1, 2, 4.9) == []
    title = "Riot gives no match lists for americas"
    assert watched.watch(5) == [title]
    watched.is_polled = False  # hours of it, and no other alert: all else is a consequence
    watched.do(lambda session: match(session, next_try_at=NOW))
    assert watched.watch(60, 120, 300) == []
    watched.do(open_all)
    watched.do(cure)
    watched.is_polled = True
    assert watched.watch(301, 305) == [f"Over: {title}"]
    (_, over) = watched.messages()
    assert "2026-08-01 20:00 to 2026-08-02 01:00 UTC, 5 h 0 min" in str(over.content)


def test_a_short_outage_of_riot_alerts_nobody(watched: Watched) -> None:
    watched.do(close("riot-route:americas"))
    assert watched.watch(1, 4) == []
    watched.do(open_all)
    assert watched.watch(5, 6, 30) == []
    assert watched.alerts() == []


def test_a_channel_that_does_not_answer_is_announced_after_five_minutes(watched: Watched) -> None:
    with watched.database.reading() as session:
        scope = f"channel:{main_channel(session).id}"
    watched.do(close(scope, failures=5, open_until=NOW + timedelta(minutes=1)))
    assert watched.watch(1, 4) == []
    assert watched.watch(5) == ["The channel 'main' does not answer"]


def test_a_disk_is_announced_before_it_is_full(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watched.watch(0) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DISK._replace(free=400 * 1024**2))
    assert watched.watch(1, 2) == ["The disk is nearly full"]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DISK._replace(free=40 * 1024**3))
    assert watched.watch(3, 7) == ["Over: The disk is nearly full"]


def test_unpolled_accounts_are_announced_after_an_hour(watched: Watched) -> None:
    watched.is_polled = False
    assert watched.watch(1, 30, 63, 65, 74) == []  # last seen at minute -1
    assert watched.watch(75, 80) == ["No match list of 1 account for over an hour"]


def test_a_refused_key_is_the_one_alert_and_says_how_to_renew_it(watched: Watched) -> None:
    watched.do(close("riot-key"))
    watched.do(close("riot-route:americas"))
    watched.do(miss_games)
    watched.do(fail_job)
    watched.do(lambda session: match(session, next_try_at=NOW - timedelta(hours=9)))
    watched.is_polled = False
    assert watched.watch(1, 100, 1000) == ["Riot refuses the API key"]
    text = str(watched.messages()[0].content)
    assert "https://developer.riotgames.com" in text
    assert "LOL_RIOT_API_KEY" in text


# --- Not too much of it ---------------------------------------------------------------------------


def test_what_comes_back_before_it_was_called_over_goes_on(watched: Watched) -> None:
    watched.do(close_main)
    assert len(watched.watch(1)) == 1
    for minute in range(2, 40, 4):
        watched.do(open_all)
        assert watched.watch(minute) == []
        watched.do(close_main)
        assert watched.watch(minute + 2) == []
    assert len(watched.alerts()) == 1


def test_what_comes_back_within_an_hour_is_announced_only_if_it_lasts(watched: Watched) -> None:
    watched.do(close_main)
    watched.watch(1)
    watched.do(open_all)
    assert watched.watch(10) == ["Over: The channel 'main' refuses us"]
    # Twice for a moment: neither that it is back nor that it is over is announced.
    for minute in (20, 30):
        watched.do(close_main)
        assert watched.watch(minute) == []
        watched.do(open_all)
        assert watched.watch(minute + 6) == []
    watched.do(close_main)
    assert watched.watch(40, 50, 69) == []
    assert watched.watch(70) == ["The channel 'main' refuses us"]


def test_what_comes_back_after_more_than_an_hour_is_announced_at_once(watched: Watched) -> None:
    watched.do(close_main)
    watched.watch(1)
    watched.do(open_all)
    watched.watch(10)
    watched.do(close_main)
    assert watched.watch(71) == ["The channel 'main' refuses us"]


def test_a_quarantined_games_alert_names_it_its_stage_its_error_and_what_to_type(
    watched: Watched,
) -> None:
    watched.do(lambda session: quarantine(session, 7))
    watched.watch(1)
    (announcement,) = watched.messages()
    (section,) = announcement.content["sections"]
    text = " ".join(fact for line in section["lines"] for fact in line["facts"])
    assert text == (
        "player_stats: KeyError: 'puuid' – 'lol-dagster why NA1_7' says why, "
        "'lol-dagster quarantine retry NA1_7' tries again"
    )


def test_many_quarantined_games_at_once_are_one_message(watched: Watched) -> None:
    watched.do(lambda session: [quarantine(session, number) for number in range(1, 31)])
    assert watched.watch(1, 2) == ["30 games are quarantined"]
    (announcement,) = watched.messages()
    assert "NA1_1 is quarantined" in str(announcement.content)
    assert announcement.content["more"] == 10
    watched.do(cure)
    assert watched.watch(3, 8) == ["Over: 30 games are quarantined"]


def test_games_quarantined_one_after_the_other_are_three_messages_an_hour_and_then_summed_up(
    watched: Watched,
) -> None:
    titles = []
    for number in range(1, 41):  # one a minute
        watched.do(lambda session, number=number: quarantine(session, number))
        titles += watched.watch(number)
    assert titles == ["NA1_1 is quarantined", "NA1_2 is quarantined", "NA1_3 is quarantined"]
    # Of the first hour nothing is left at minute 61 but NA1_2 and NA1_3.
    assert watched.watch(60.9) == []
    assert watched.watch(61) == ["37 games are quarantined"]
    assert len(watched.alerts()) == 40


# --- Where and whether it can be announced --------------------------------------------------------


def test_only_the_alert_channel_ever_gets_alerts(watched: Watched) -> None:
    watched.do(close("riot-key"))
    watched.do(lambda session: quarantine(session, 1))
    watched.watch(1)
    with watched.database.reading() as session:
        named = session.scalars(
            select(Channel.name).join(Message, Message.channel_id == Channel.id)
        )
        assert set(named) == {"ops"}


@pytest.mark.parametrize(
    ("name", "kinds", "error"),
    [
        ("nowhere", None, "there is no channel of that name"),
        ("main", ["game", "catch_up"], "does not take messages of the kind 'alert'"),
    ],
)
def test_an_alert_channel_that_cannot_be_used_is_named_and_nothing_crashes(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, name: str, kinds: list[str], error: str
) -> None:
    monkeypatch.setenv("LOL_ALERT_CHANNEL", name)
    watched.settings = load_settings()
    watched.do(lambda session: setattr(main_channel(session), "message_kinds", kinds))
    watched.do(close("riot-key"))
    assert watched.watch(1, 2) == []
    with watched.database.reading() as session:
        errors = read_health(session, watched.now(2), watched.settings).errors
    assert any(repr(name) in each and error in each for each in errors)
    # Once it can be used, what is still wrong is announced.
    watched.do(lambda session: setattr(main_channel(session), "message_kinds", None))
    watched.do(lambda session: setattr(main_channel(session), "name", name))
    assert watched.watch(3) == ["Riot refuses the API key"]


def test_without_an_alert_channel_nothing_is_written(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOL_ALERT_CHANNEL")
    watched.settings = load_settings()
    watched.do(close("riot-key"))
    assert watched.watch(1, 2) == []
    assert [alert.key for alert in watched.alerts()] == ["refused_key"]


def test_a_refused_alert_channel_gets_no_alert_about_itself_but_status_says_so(
    watched: Watched,
) -> None:
    with watched.database.reading() as session:
        ops = session.scalars(select(Channel).where(Channel.name == "ops")).one()
    watched.do(close(f"channel:{ops.id}", dead=True, fingerprint="f"))
    watched.do(
        lambda session: message(session, ops, kind="alert", subject="x", state="needs_review")
    )
    assert watched.watch(1, 30) == []
    with watched.database.reading() as session:
        errors = read_health(session, NOW, watched.settings).errors
    assert any("'ops' refuses us" in each for each in errors)


def test_what_was_over_before_it_could_be_sent_is_announced_in_one_message(
    watched: Watched,
) -> None:
    watched.do(close_main)
    watched.watch(1)
    (beginning,) = watched.messages()
    assert beginning.state == "pending"
    watched.do(open_all)
    watched.watch(10)
    beginning, end = watched.messages()
    assert (beginning.state, beginning.due_at, end.state) == ("dropped", None, "pending")
    # An end that could not be delivered for hours is not worth announcing.
    watched.do(lambda session: quarantine(session, 1))
    watched.watch(369)
    assert watched.messages()[1].state == "pending"
    watched.watch(371)
    assert watched.messages()[1].state == "dropped"


@pytest.mark.parametrize("sent", [{"sent_maybe": True}, {"state": "delivered"}])
def test_a_beginning_that_may_have_been_sent_is_never_withdrawn(
    watched: Watched, sent: dict[str, object]
) -> None:
    watched.do(close_main)
    watched.watch(1)
    watched.do(lambda session: session.execute(update(Message).values(**sent)))
    watched.do(open_all)
    watched.watch(10)
    assert watched.messages()[0].state != "dropped"


def test_a_failed_jobs_alert_links_to_the_run(watched: Watched) -> None:
    note_ui_url(watched.database, "http://127.0.0.1:3000")
    note_failed_run(watched.database, "poll_match_lists", "r-1", "boom\n at line 3", NOW)
    note_failed_run(watched.database, "poll_match_lists", "r-2", "boom", watched.now(1))
    assert watched.watch(1, 2) == ["The job poll_match_lists fails"]
    text = str(watched.messages()[0].content)
    assert "http://127.0.0.1:3000/runs/r-2" in text
    # A success that came before the last failure is no recovery.
    watched.do(lambda session: forget_job(session, "poll_match_lists", NOW))
    assert watched.watch(3, 30) == []


def test_two_that_evaluate_at_the_same_time_announce_nothing_twice(watched: Watched) -> None:
    watched.do(close("riot-key"))
    watched.do(lambda session: [quarantine(session, number) for number in (1, 2)])
    begin = threading.Barrier(4)
    evaluated: list[Evaluated] = []

    def watch() -> None:
        begin.wait()
        evaluated.append(watched.evaluate(watched.now(1)))

    threads = [threading.Thread(target=watch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(evaluated) == 4
    assert sum(each.messages for each in evaluated) == 3
    assert len(watched.messages()) == 3


def test_a_clock_that_was_put_back_does_not_keep_an_alert_open(watched: Watched) -> None:
    watched.do(close_main)
    watched.watch(600)
    watched.do(open_all)
    assert watched.watch(1) == []
    assert watched.watch(6) == ["Over: The channel 'main' refuses us"]


def test_accounts_are_named_without_harm(watched: Watched) -> None:
    watched.do(lambda session: session.execute(update(Account).values(game_name="a" * 64)))
    watched.do(miss_games)
    assert watched.watch(1) == ["Games of 1 account are missing"]
