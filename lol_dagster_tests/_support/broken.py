"""An installation in which all is well, and how to break it: once for each check there is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from lol_dagster.messages.failed_templates import failed_template
from lol_dagster.monitoring import checks
from lol_dagster.monitoring.held_locks import HeldLock
from lol_dagster.monitoring.housekeeping import note_night
from lol_dagster.riot.key import fingerprint_of, note_key_used
from lol_dagster.settings import load_settings
from lol_dagster.storage.models import (
    AccountPoll,
    Attempt,
    Breaker,
    Channel,
    Fact,
    FailedJob,
    Heartbeat,
    Match,
    Membership,
    Message,
    MessageAudit,
    Quarantine,
    RateWindow,
    Team,
)
from lol_dagster_tests._support.message_rows import as_delivery_leaves_it
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team

KEY = "RGAPI-secret"
ALERT_CHANNEL = "ops"


@dataclass
class Installation:
    """One that is to be broken."""

    session: Session
    now: datetime
    monkeypatch: pytest.MonkeyPatch

    def ago(self, **time: float) -> datetime:
        return self.now - timedelta(**time)

    def add(self, *rows: object) -> None:
        self.session.add_all(rows)
        self.session.flush()

    def message(self, state: str, *, channel: str = "main", **values: Any) -> str:
        """A message's id."""
        row = Message(
            **{
                "channel_id": self.channel(channel).id,
                "subject": f"NA1_{self.session.query(Message).count() + 1}",
                "kind": "game",
                "order_at": self.now,
                "created_at": self.ago(minutes=1),
                "content": {},
                "desired_hash": "",
                "nonce": "nonce",
                **as_delivery_leaves_it(state, self.ago(minutes=1)),
                **values,
            }
        )
        self.add(row)
        return row.id

    def channel(self, name: str) -> Channel:
        return self.session.query(Channel).filter_by(name=name).one()

    def match(self, **values: Any) -> str:
        """A match's id."""
        row = Match(**{"match_id": "NA1_7", "listed_at": self.ago(hours=2), **values})
        self.add(row)
        return row.match_id


def install(session: Session, now: datetime, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """All is well at that time; `load_settings` reads what belongs to it."""
    monkeypatch.setenv("LOL_RIOT_API_KEY", KEY)
    monkeypatch.setenv("LOL_ALERT_CHANNEL", ALERT_CHANNEL)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _DISK)
    made = Installation(session, now, monkeypatch)
    team = make_team(session, "Barons")
    member = make_member(session, team, game_name="Faker", tag_line="KR1")
    session.refresh(member)
    (account,) = member.accounts
    make_channel(session, team, "main", kind="discord-bot")
    make_channel(session, team, ALERT_CHANNEL, kind="slack-webhook", message_kinds=["alert"])
    made.add(
        AccountPoll(account_id=account.id, next_poll_at=now, last_good_poll_at=now),
        Heartbeat(name="daemon", pid=1, started_at=now, at=now),
    )
    return made


_DISK = shutil.disk_usage("/")._replace(total=90 * 1024**3, free=40 * 1024**3)


def _damage_dagsters_runs(it: Installation) -> None:
    file = load_settings().dagster_home / "history" / "runs.db"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no database at all" * 100)


@dataclass(frozen=True)
class Break:
    """How to make one check fail."""

    title: str
    """What people then read."""
    how: Callable[[Installation], object]


def _without_team(it: Installation) -> None:
    it.session.execute(update(Team).values(removed_at=it.now))


def _without_accounts(it: Installation) -> None:
    it.session.execute(update(Membership).values(until=it.now))


def _without_channels(it: Installation) -> None:
    it.monkeypatch.delenv("LOL_ALERT_CHANNEL")
    it.session.execute(update(Channel).values(removed_at=it.now))


def _stop_everything(it: Installation) -> None:
    it.session.execute(delete(Heartbeat))


def _silence_the_daemon(it: Installation) -> None:
    long_ago = it.ago(minutes=10)
    it.session.execute(update(Heartbeat).values(at=long_ago, started_at=long_ago))
    it.add(Heartbeat(name="up", pid=2, started_at=long_ago, at=it.now))


def _switch_off(it: Installation, *what: str) -> None:
    it.add(Fact(name="switched-off", value=[[*what, it.now.isoformat()]]))


def _fill_the_disk(it: Installation) -> None:
    it.monkeypatch.setattr(shutil, "disk_usage", lambda _: _DISK._replace(free=400 * 1024**2))


def _hold_a_lock(it: Installation) -> None:
    # As on PostgreSQL: monitoring/test_held_locks.py holds real ones there.
    held = HeldLock(it.ago(seconds=20), waiting=2, pid=4711, program="psql", state="active")
    it.monkeypatch.setattr(checks, "held_locks", lambda _: [held])


def _rename_the_alert_channel(it: Installation) -> None:
    it.channel(ALERT_CHANNEL).name = "elsewhere"


def _near_the_keys_end(it: Installation) -> None:
    print_ = fingerprint_of(load_settings())
    assert print_ is not None
    note_key_used(it.session, print_, it.ago(hours=21))
    it.add(
        RateWindow(scope=f"{print_}/na1/app", seconds=1, limit=20),
        RateWindow(scope=f"{print_}/na1/app", seconds=120, limit=100),
    )


def play_with_a_key_for(it: Installation, *, calls_in_two_minutes: int) -> None:
    """The only account's owner plays just now, and Riot's answers allow so many calls."""
    it.session.execute(update(AccountPoll).values(last_played_at=it.now))
    scope = f"{fingerprint_of(load_settings())}/americas/app"
    it.add(RateWindow(scope=scope, seconds=120, limit=calls_in_two_minutes))


def _miss_games(it: Installation) -> None:
    before = it.ago(hours=2)
    it.session.execute(
        update(AccountPoll).values(missing_games_since=before, missing_games_from=before)
    )


def _quarantine(it: Installation) -> None:
    it.add(
        Quarantine(
            match_id=it.match(state="quarantined"), stage="player_stats",
            error="KeyError: 'puuid'", traceback="…", code_version="1", quarantined_at=it.now,
        )
    )  # fmt: skip


def _fail_a_template(it: Installation) -> None:
    value = {"match_id": "NA1_7", "error": "TypeError: no number"}
    it.add(Fact(name=failed_template(it.channel("main").id), value=value))


def _post_twice(it: Installation) -> None:
    id_ = it.message("delivered")
    for remote_id in ("1", "2"):
        it.add(
            Attempt(
                message_id=id_, fence=1, op="POST", at=it.now, remote_id=remote_id,
                names_another=remote_id == "2",
            )
        )  # fmt: skip


def _fail_the_audit(it: Installation) -> None:
    it.add(
        MessageAudit(
            message_id=it.message("delivered"), at=it.now, finding="older_text", detail="1"
        )
    )


BREAKS: dict[str, Break] = {
    "missing_team": Break("There is no team yet", _without_team),
    "missing_accounts": Break("Nobody is tracked", _without_accounts),
    "missing_channel": Break("There is no channel", _without_channels),
    "nothing_running": Break("Nothing is running", _stop_everything),
    "silent_daemon": Break("The daemon is silent", _silence_the_daemon),
    "stopped_schedule": Break(
        "Dagster's due_work_sensor is stopped",
        lambda it: _switch_off(it, "schedule", "due_work_sensor", ""),
    ),
    "changed_pool": Break(
        "The limit of the pool channels was changed",
        lambda it: _switch_off(it, "pool", "channels", "0 instead of 1"),
    ),
    "clock_ahead": Break(
        "The clock was ahead, or is behind now: channels.created_at lies in the future",
        lambda it: it.session.execute(
            update(Channel).values(created_at=it.now + timedelta(days=40))
        ),
    ),
    "full_disk": Break("The disk is nearly full", _fill_the_disk),
    "held_lock": Break("PostgreSQL's process 4711 holds a lock and does not let go", _hold_a_lock),
    "damaged_dagster_file": Break("Dagster's file runs.db is damaged", _damage_dagsters_runs),
    "unusable_alert_channel": Break("Alerts cannot be delivered", _rename_the_alert_channel),
    "overdue_backup": Break(
        "The backup is overdue", lambda it: note_night(it.session, it.ago(hours=2))
    ),
    "refused_key": Break(
        "Riot refuses the API key",
        lambda it: it.add(Breaker(scope="riot-key", since=it.now, reason="unknown key")),
    ),
    "expiring_key": Break(
        "If the Riot key is a development key, as its limits are, it expires soon",
        _near_the_keys_end,
    ),
    "failed_job": Break(
        "The job nightly fails",
        lambda it: it.add(
            FailedJob(job="nightly", run_id="r-1", failed_at=it.now, since=it.now, error="boom")
        ),
    ),
    "route_down": Break(
        "Riot gives no match lists for americas",
        lambda it: it.add(
            Breaker(scope="riot-route:americas", since=it.ago(minutes=6), reason="503")
        ),
    ),
    "crowded_route": Break(
        "Riot's limits are too small for the accounts of americas: games come later",
        lambda it: play_with_a_key_for(it, calls_in_two_minutes=6),
    ),
    "missing_games": Break("Games of 1 account are missing", _miss_games),
    "unpolled_account": Break(
        "No match list of 1 account for over an hour",
        lambda it: it.session.execute(
            update(AccountPoll).values(last_good_poll_at=it.ago(minutes=66))
        ),
    ),
    "overdue_account": Break(
        "1 account is overdue to be polled",
        lambda it: it.session.execute(update(AccountPoll).values(next_poll_at=it.ago(minutes=11))),
    ),
    "stuck_game": Break(
        "1 game has been due for over half an hour",
        lambda it: it.match(match_id="NA1_8", next_try_at=it.ago(minutes=31)),
    ),
    "quarantined_game": Break("NA1_7 is quarantined", _quarantine),
    "refused_token": Break(
        "The discord-token is refused",
        lambda it: it.add(
            Breaker(scope="discord-token", dead=True, fingerprint="f", since=it.now, reason="401")
        ),
    ),
    "refused_channel": Break(
        "The channel 'main' refuses us",
        lambda it: it.add(
            Breaker(scope=f"channel:{it.channel('main').id}", dead=True, since=it.now, reason="403")
        ),
    ),
    "refused_edits": Break(
        "The channel 'main' refuses edits",
        lambda it: it.add(
            Breaker(
                scope=f"channel:{it.channel('main').id}:edit",
                open_until=it.now,
                fingerprint="f",
                since=it.now,
                reason="403",
            )
        ),
    ),
    "refused_scans": Break(
        "The channel 'main' does not let its history be read",
        lambda it: it.add(
            Breaker(
                scope=f"channel:{it.channel('main').id}:scan",
                open_until=it.now,
                fingerprint="f",
                since=it.now,
                reason="403",
            )
        ),
    ),
    "silent_channel": Break(
        "The channel 'main' does not answer",
        lambda it: it.add(
            Breaker(
                scope=f"channel:{it.channel('main').id}",
                failures=5,
                open_until=it.now,
                since=it.now,
            )
        ),
    ),
    "unsettled_message": Break(
        "1 message has not been delivered for too long",
        lambda it: it.message("pending", due_at=it.ago(minutes=31)),
    ),
    "unsettled_alert": Break(
        "1 alert has not been delivered for too long",
        lambda it: it.message(
            "pending", channel=ALERT_CHANNEL, kind="alert", due_at=it.ago(minutes=31)
        ),
    ),
    "message_needs_review": Break(
        "The message 00000001 needs review",
        lambda it: it.message("needs_review", id="00000001-0000-4000-8000-000000000000"),
    ),
    "failing_template": Break(
        "1 channel's templates fail, and its lines are as without them",
        _fail_a_template,
    ),
    "outdated_message": Break(
        "1 message stands in its channel with an older text",
        lambda it: it.message(
            "delivered", desired_rev=2, due_at=None, last_error="edit_window_closed"
        ),
    ),
    "duplicate_message": Break("1 message was posted twice", _post_twice),
    "audit_failure": Break("1 message is not in its channel as it was delivered", _fail_the_audit),
    "contradictory_message": Break(
        "1 message has a row that contradicts itself",
        lambda it: it.message("dropped", evidence="response"),
    ),
}
"""By check."""
