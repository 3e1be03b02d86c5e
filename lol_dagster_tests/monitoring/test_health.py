"""What counts as healthy, what is said where it is not, and the figures beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import event, update
from sqlalchemy.orm import Session

from lol_dagster.delivery.model import QUIET
from lol_dagster.monitoring.checks import CheckResult, result_of
from lol_dagster.monitoring.health import Health, Oldest, PlatformPolls, read_health
from lol_dagster.riot.client import riot_client
from lol_dagster.riot.errors import Call, KeyRejected
from lol_dagster.riot.key import fingerprint_of, note_key_accepted, watching_key
from lol_dagster.settings import Settings, ensure_home, load_settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import AccountPoll, Breaker, Heartbeat, Player
from lol_dagster.storage.models.delivery import MESSAGE_STATES
from lol_dagster_tests._support.health_rows import (
    NOW,
    all_well,
    attempt,
    hours_ago,
    is_alive,
    match,
    message,
    minutes_ago,
    polled,
)
from lol_dagster_tests._support.message_rows import add_game
from lol_dagster_tests._support.roster_rows import (
    make_account,
    make_channel,
    make_member,
    make_membership,
    make_player,
    make_team,
)


@pytest.fixture
def session(any_database: Database) -> Iterator[Session]:
    """A transaction in which a test sets up an installation and reads its health; the daemon is alive."""
    settings = load_settings()
    ensure_home(settings)
    with any_database.writing() as session:
        is_alive(session)
        yield session


def health_of(session: Session) -> Health:
    session.flush()
    return read_health(session, NOW, load_settings())


def check(session: Session, check_id: str) -> CheckResult:
    return result_of(health_of(session).checks, check_id)


def affected(result: CheckResult) -> list[str]:
    return [each.id for each in result.affected]


def test_nothing_is_read_twice(session: Session) -> None:
    """Neither by several checks, nor by a check and for the figures beside it."""
    all_well(session)
    session.flush()
    asked: list[tuple[str, str]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, str(parameters)))

    engine = session.get_bind()
    event.listen(engine, "before_cursor_execute", note)
    try:
        read_health(session, NOW, load_settings())
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert asked
    # But the night's sums, of which matches and messages each read their own.
    twice = [
        each for each, times in Counter(asked).items() if times > 1 and "counted" not in each[1]
    ]
    assert twice == []


# --- What is set up -----------------------------------------------------------------------------


def test_a_new_installation_is_asked_to_begin_with_a_team(session: Session) -> None:
    assert health_of(session).errors == [
        "There is no team yet: begin with 'lol-dagster team add NAME'"
    ]


def test_without_members_and_channels_it_says_how_to_add_both(session: Session) -> None:
    make_team(session)
    nobody, nothing = health_of(session).errors
    assert nobody.startswith("Nobody is tracked: ")
    assert "lol-dagster player add" in nobody
    assert nothing.startswith("There is no channel: ")
    assert "lol-dagster channel add" in nothing


def test_removed_teams_and_channels_do_not_count(session: Session) -> None:
    team = make_team(session, removed_at=hours_ago(1))
    make_channel(session, team, removed_at=hours_ago(1))
    health = health_of(session)
    assert (health.teams, health.channels) == (0, 0)


def test_all_is_well(session: Session) -> None:
    all_well(session)
    health = health_of(session)
    assert health.healthy
    assert health.errors == []
    assert health.platforms == (PlatformPolls("na1", 1, minutes_ago(1)),)


# --- Riot ---------------------------------------------------------------------------------------


def test_each_platform_has_its_accounts_and_its_latest_good_poll(session: Session) -> None:
    team = make_team(session)
    polled(session, make_member(session, team, platform="na1"), minutes_ago(20))
    polled(session, make_member(session, team, platform="na1"), minutes_ago(5))
    polled(session, make_member(session, team, platform="euw1"), None)
    polled(session, make_player_without_team(session), minutes_ago(1))
    health = health_of(session)
    assert health.platforms == (
        PlatformPolls("euw1", 1, None),
        PlatformPolls("na1", 2, minutes_ago(5)),
    )
    assert health.accounts == 3


def make_player_without_team(session: Session) -> Player:
    player = make_player(session)
    make_account(session, player)
    return player


@pytest.mark.parametrize(
    ("last_good_poll_at", "is_late"),
    # The longest pause is half an hour, and one poll may fail.
    [(minutes_ago(64), False), (minutes_ago(66), True), (None, True)],
)
def test_an_account_not_polled_for_an_hour_is_named(
    session: Session, last_good_poll_at: datetime | None, is_late: bool
) -> None:
    team = make_team(session)
    make_channel(session, team)
    member = make_member(session, team, game_name="Faker", tag_line="KR1")
    polled(session, member, last_good_poll_at)
    errors = [
        (
            "No match list of 1 account for over an hour (Faker#KR1): "
            "'lol-dagster logs --level warning' may say more"
        )
    ]
    assert health_of(session).errors == (errors if is_late else [])


def test_an_account_that_riots_limits_let_wait_for_longer_is_not_late(session: Session) -> None:
    """With a thousand accounts on a personal key, those who have been quiet for weeks are."""
    team = make_team(session)
    make_channel(session, team)
    ahead = minutes_ago(-5)
    polled(session, make_member(session, team), minutes_ago(80), next_poll_at=ahead)
    assert health_of(session).errors == []
    failing = make_member(session, team)
    polled(session, failing, minutes_ago(80), next_poll_at=ahead, failures=3)
    assert len(health_of(session).errors) == 1


def test_the_error_of_the_account_that_failed_most_often_is_named(session: Session) -> None:
    team = make_team(session)
    make_channel(session, team)
    polled(session, make_member(session, team), hours_ago(2), failures=1, last_error="a glitch")
    polled(session, make_member(session, team), hours_ago(2), failures=9, last_error="Riot is down")
    (error,) = health_of(session).errors
    assert ": Riot is down): " in error


def test_an_account_that_was_just_added_or_has_left_is_not_overdue(session: Session) -> None:
    team = make_team(session)
    make_channel(session, team)
    added = make_member(session, team, created_at=minutes_ago(10))
    returned, left = make_player_without_team(session), make_player_without_team(session)
    make_membership(session, team, returned, since=minutes_ago(10))
    make_membership(session, team, left, until=hours_ago(5))
    assert added.name
    assert health_of(session).errors == []


def test_a_refused_key_is_the_one_error_as_it_explains_the_others(
    database: Database, settings: Settings
) -> None:
    settings = settings.model_copy(update={"riot_api_key": SecretStr("k")})
    riot = riot_client(settings, database)
    with database.writing() as session:
        is_alive(session)
        team = make_team(session)
        make_channel(session, team)
        make_member(session, team)  # never polled
        match(session, next_try_at=hours_ago(2))
    with pytest.raises(KeyRejected), watching_key(database, riot.key_fingerprint, lambda: NOW):
        raise KeyRejected("unknown key", Call("match-v5.match", "europe"), 401)
    with database.reading() as session:
        (error,) = read_health(session, NOW, settings).errors
    assert error.startswith("Riot refuses the API key (match-v5.match on europe answered 401): get")
    assert "LOL_RIOT_API_KEY" in error
    note_key_accepted(database, riot.key_fingerprint, NOW)
    with database.reading() as session:
        assert result_of(read_health(session, NOW, settings).checks, "refused_key").passed


def test_a_key_that_was_changed_is_not_called_refused(database: Database) -> None:
    old, new = (load_settings().model_copy(update={"riot_api_key": SecretStr(key)}) for key in "ab")
    ensure_home(old)
    with database.writing() as session:
        session.add(Breaker(scope="riot-key", reason="no", fingerprint=fingerprint_of(old)))
    with database.reading() as session:
        (refused,) = result_of(read_health(session, NOW, old).checks, "refused_key").affected
        assert refused.why == "no"
        assert result_of(read_health(session, NOW, new).checks, "refused_key").passed


def test_a_route_that_is_down_hides_what_follows_from_it(session: Session) -> None:
    team = make_team(session)
    make_channel(session, team)
    polled(session, make_member(session, team), hours_ago(2))
    match(session, next_try_at=hours_ago(2))
    session.add(Breaker(scope="riot-route:americas", since=hours_ago(2), reason="it said 503"))
    health = health_of(session)
    assert result_of(health.checks, "refused_channel").passed
    (error,) = health.errors
    assert error.startswith(
        "Riot gives no match lists for americas (it said 503): nothing to do but wait"
    )


def test_missing_games_are_distinct_from_unpolled_accounts(session: Session) -> None:
    all_well(session)
    session.execute(
        update(AccountPoll).values(
            missing_games_since=hours_ago(2), missing_games_from=hours_ago(3)
        )
    )
    (error,) = health_of(session).errors
    assert error.startswith("Games of 1 account are missing (Faker#KR1): ")


def test_with_nothing_running_the_first_line_says_so(session: Session) -> None:
    all_well(session)
    session.execute(update(Heartbeat).values(at=hours_ago(1)))
    (error,) = health_of(session).errors
    assert error.startswith("Nothing is running (since 2026-08-01 19:00 UTC): start")


# --- Games --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("due_for", "is_stuck"), [(29, False), (31, True)])
def test_a_game_due_for_half_an_hour_is_stuck(
    session: Session, due_for: int, is_stuck: bool
) -> None:
    all_well(session)
    match_id = match(session, next_try_at=minutes_ago(due_for))
    health = health_of(session)
    assert health.oldest_due_game == Oldest(match_id, minutes_ago(due_for))
    assert health.errors == (
        [
            (
                "1 game has been due for over half an hour (NA1_1): "
                "'lol-dagster game show NA1_1' has the last error"
            )
        ]
        if is_stuck
        else []
    )


def test_a_delayed_game_that_is_not_yet_due_again_is_no_error(session: Session) -> None:
    all_well(session)
    match(session, first_missing_at=hours_ago(3), next_try_at=NOW + timedelta(hours=1))
    health = health_of(session)
    assert health.healthy
    assert (health.delayed_games, health.oldest_due_game) == (1, None)


def test_quarantined_games_are_named_up_to_five(session: Session) -> None:
    all_well(session)
    for number in range(7):
        match(session, number, state="quarantined", listed_at=minutes_ago(number))
    health = health_of(session)
    (error,) = health.errors
    # The newest first: NA1_0 was listed last.
    assert "7 games are quarantined (NA1_0, NA1_1, NA1_2, NA1_3, NA1_4 and 2 more)" in error
    assert "'lol-dagster why NA1_0' says" in error
    assert health.games["quarantined"] == 7
    assert health.games["not_found"] == 0


def test_games_not_found_count_for_a_day_from_when_they_were_given_up(session: Session) -> None:
    all_well(session)
    # Given up 48 hours after they were first missing: 1 and 25 hours ago.
    match(session, 1, state="not_found", first_missing_at=hours_ago(48 + 1))
    match(session, 2, state="not_found", first_missing_at=hours_ago(48 + 25))
    health = health_of(session)
    assert health.healthy
    assert (health.not_found_last_day, health.games["not_found"]) == (1, 2)


def test_games_of_the_last_day_are_those_that_ended_in_it(session: Session) -> None:
    all_well(session)
    add_game(session, "NA1_1", ended_at=hours_ago(23))
    add_game(session, "NA1_2", ended_at=hours_ago(25))
    assert health_of(session).played_last_day == 1


# --- Messages -----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["pending", "sending", "uncertain", "blocked"])
def test_a_message_due_for_half_an_hour_is_an_error(session: Session, state: str) -> None:
    channel = all_well(session)
    message(session, channel, 1, state=state, due_at=minutes_ago(29))
    assert health_of(session).healthy
    message(session, channel, 2, state=state, due_at=minutes_ago(31))
    assert health_of(session).errors == [
        (
            "1 message has not been delivered for too long (00000002): "
            "'lol-dagster message show 00000002' has what was tried"
        )
    ]


def test_a_message_that_keeps_being_put_off_is_an_error_after_a_day(session: Session) -> None:
    channel = all_well(session)
    later = NOW + timedelta(minutes=10)
    message(session, channel, 1, state="uncertain", due_at=later, created_at=hours_ago(24))
    assert health_of(session).healthy
    message(session, channel, 2, state="uncertain", due_at=later, created_at=hours_ago(26))
    assert check(session, "unsettled_message").count == 1


def test_a_message_at_its_end_is_never_overdue(session: Session) -> None:
    channel = all_well(session)
    for number, state in enumerate(("delivered", "dropped"), start=1):
        message(session, channel, number, state=state, created_at=hours_ago(999))
    health = health_of(session)
    assert health.healthy
    assert health.oldest_undelivered_message is None


def test_the_oldest_undelivered_message_is_given_even_if_it_is_no_error(session: Session) -> None:
    channel = all_well(session)
    message(session, channel, 1, created_at=minutes_ago(3))
    oldest = message(session, channel, 2, created_at=minutes_ago(7))
    health = health_of(session)
    assert health.healthy
    assert health.oldest_undelivered_message == Oldest(oldest.id, minutes_ago(7))


def test_what_waits_for_the_end_of_quiet_hours_is_not_late(session: Session) -> None:
    channel = all_well(session)
    in_the_morning = minutes_ago(-60)
    message(session, channel, 1, created_at=hours_ago(8), due_at=in_the_morning, last_error=QUIET)
    health = health_of(session)
    assert health.healthy
    assert health.oldest_undelivered_message is None


def test_a_message_that_needs_review_waits_for_a_decision(session: Session) -> None:
    channel = all_well(session)
    message(session, channel, state="needs_review", sent_maybe=True)
    (error,) = health_of(session).errors
    assert error.startswith("The message 00000001 needs review (NA1_1 in main, perhaps posted): ")


def test_a_message_that_was_refused_is_said_not_to_be_posted(session: Session) -> None:
    refusal = "Discord 400, code 50035: Invalid Form Body"
    message(session, all_well(session), state="needs_review", last_error=refusal)
    (error,) = health_of(session).errors
    assert error == (
        f"The message 00000001 needs review (NA1_1 in main, not posted: {refusal}): 'lol-dagster "
        "message resend 00000001' or 'drop' if it is not in the channel, 'mark-delivered' if it is"
    )
    assert "'lol-dagster message resend 00000001'" in error


def test_a_message_with_two_remote_ids_is_a_duplicate(session: Session) -> None:
    channel = all_well(session)
    once, twice = message(session, channel, 1), message(session, channel, 2)
    for row, remote_id in ((once, "7"), (once, "7"), (once, None), (twice, "8"), (twice, "9")):
        attempt(session, row, remote_id)
    health = health_of(session)
    assert affected(result_of(health.checks, "duplicate_message")) == [twice.id]
    (error,) = health.errors
    assert error.startswith(
        "1 message was posted twice (00000002): 'lol-dagster message show 00000002'"
    )


def test_deliveries_of_the_last_day_count_from_when_they_were_delivered(session: Session) -> None:
    channel = all_well(session)
    for number, hours in ((1, 23), (2, 25)):
        message(
            session, channel, number, state="delivered",
            created_at=hours_ago(40), delivered_at=hours_ago(hours),
        )  # fmt: skip
    health = health_of(session)
    assert (health.delivered_last_day, health.messages["delivered"]) == (1, 2)


# --- Channels ------------------------------------------------------------------------------------


def test_a_dead_channel_is_named_with_the_reason(session: Session) -> None:
    channel = all_well(session)
    scope = f"channel:{channel.id}"
    session.add(Breaker(scope=scope, dead=True, reason="Unknown Channel", since=hours_ago(1)))
    health = health_of(session)
    assert health.errors == [
        (
            "The channel 'main' refuses us (Unknown Channel; it is not tried again before "
            "something has changed): put its permissions or its address right"
        )
    ]


def test_a_refused_token_is_named_with_the_time_of_the_next_trial(session: Session) -> None:
    all_well(session)
    session.add(Breaker(scope="discord-token", open_until=NOW + timedelta(minutes=30), reason="no"))
    (error,) = health_of(session).errors
    assert error == (
        "The discord-token is refused (no; it is tried again after 20:30 UTC): set another token"
    )


@pytest.mark.parametrize(
    ("call", "check_id"), [("edit", "refused_edits"), ("scan", "refused_scans")]
)
def test_what_a_channel_refuses_beside_news_is_named_and_leaves_the_channel_usable(
    session: Session, call: str, check_id: str
) -> None:
    channel = all_well(session)
    scope = f"channel:{channel.id}:{call}"
    session.add(Breaker(scope=scope, open_until=NOW, fingerprint="f", reason="Missing Access"))
    waiting = message(session, channel, due_at=hours_ago(1))
    uncertain = message(session, channel, 2, state="uncertain", due_at=hours_ago(1))
    assert affected(check(session, check_id)) == [scope]
    assert check(session, "refused_channel").passed
    # What waits for a scan is explained by that; what waits to be posted is not.
    expected = [waiting.id] if call == "scan" else [waiting.id, uncertain.id]
    assert affected(check(session, "unsettled_message")) == expected


def test_a_pause_that_is_over_still_counts_until_something_has_worked(session: Session) -> None:
    channel = all_well(session)
    session.add(Breaker(scope=f"channel:{channel.id}", open_until=minutes_ago(5)))
    assert check(session, "silent_channel").count == 1


def test_a_few_failures_block_nothing(session: Session) -> None:
    channel = all_well(session)
    session.add(Breaker(scope=f"channel:{channel.id}", failures=4))
    assert health_of(session).healthy


def test_a_removed_channel_is_not_blocked(session: Session) -> None:
    channel = all_well(session)
    removed = make_channel(session, channel.team, removed_at=hours_ago(1))
    session.add(Breaker(scope=f"channel:{removed.id}", dead=True))
    assert health_of(session).healthy


def test_a_token_that_no_channel_uses_any_more_is_not_blocked(session: Session) -> None:
    channel = all_well(session)
    another = make_channel(session, channel.team, "another", kind="slack-bot")
    session.add(Breaker(scope="slack-token", dead=True))
    assert check(session, "refused_token").count == 1
    another.removed_at = hours_ago(1)
    assert health_of(session).healthy


def test_messages_of_a_channel_that_cannot_be_used_are_not_overdue(session: Session) -> None:
    """They wait for the channel, which has a line of its own; those of another are."""
    channel = all_well(session)
    session.add(Breaker(scope=f"channel:{channel.id}", dead=True))
    message(session, channel, due_at=hours_ago(1))
    (error,) = health_of(session).errors
    assert error.startswith("The channel 'main' refuses us")
    another = make_channel(session, channel.team, "another", kind="slack-bot")
    overdue = message(session, another, 2, due_at=hours_ago(1))
    assert affected(check(session, "unsettled_message")) == [overdue.id]
    session.add(Breaker(scope="slack-token", dead=True))
    assert check(session, "unsettled_message").passed


# --- Rows that contradict themselves -------------------------------------------------------------


@pytest.mark.parametrize("state", MESSAGE_STATES)
def test_what_delivery_leaves_contradicts_nothing(session: Session, state: str) -> None:
    message(session, all_well(session), state=state)
    assert check(session, "contradictory_message").passed


@pytest.mark.parametrize(
    ("state", "wrong"),
    [
        ("needs_review", {"evidence": "scan"}),  # delivered, and given up
        ("dropped", {"evidence": "response"}),
        ("needs_review", {"due_at": NOW}),  # at its end, and to be done
        ("pending", {"due_at": None}),  # open, and no run would find it
        ("uncertain", {"due_at": None}),
        ("blocked", {"due_at": None}),
        ("sending", {"due_at": None}),
        ("pending", {"evidence": "response"}),  # delivered, and to be delivered
        ("pending", {"sent_maybe": True}),  # perhaps posted, and to be posted without a check
        ("uncertain", {"sent_maybe": False}),
        ("sending", {"lease_until": None}),  # leased forever
        ("delivered", {"evidence": None}),  # without evidence
        ("delivered", {"remote_id": None}),
        ("delivered", {"evidence": None, "delivered_at": None}),
    ],
)
def test_a_row_that_says_two_things_at_once_is_an_error(
    session: Session, state: str, wrong: dict[str, Any]
) -> None:
    row = message(session, all_well(session), **{"state": state, **wrong})
    health = health_of(session)
    assert affected(result_of(health.checks, "contradictory_message")) == [row.id]
    assert any("contradicts itself" in error for error in health.errors)


@pytest.mark.parametrize(
    "values",
    [
        {"evidence": "operator", "remote_id": None},  # a person has seen it
        {"evidence": "nonce_deleted", "remote_id": None, "remote_deleted": True},
    ],
)
def test_what_is_unusual_is_not_contradictory(session: Session, values: dict[str, Any]) -> None:
    message(session, all_well(session), state="delivered", **values)
    assert check(session, "contradictory_message").passed


def test_a_slack_webhook_gives_no_id_by_nature(session: Session) -> None:
    channel = make_channel(session, all_well(session).team, kind="slack-webhook")
    message(session, channel, state="delivered", remote_id=None)
    assert check(session, "contradictory_message").passed


# --- Texts that do not stand in their channels ---------------------------------------------------


def test_an_older_text_that_nothing_will_change_is_an_error(session: Session) -> None:
    row = message(
        session,
        all_well(session),
        state="delivered",
        desired_rev=2,
        last_error="edit_window_closed",
    )
    found = check(session, "outdated_message")
    assert (affected(found), found.why) == ([row.id], f"{row.id[:8]}; edit_window_closed")


@pytest.mark.parametrize(
    "values",
    [
        {"desired_rev": 2, "due_at": NOW},  # an edit that is due
        {"desired_rev": 2, "remote_deleted": True},  # nothing is left to be edited
        {"desired_rev": 2, "given_up_rev": 2},  # somebody wants it so
        {
            "desired_rev": 2,
            "remote_id": None,
            "evidence": "operator",
        },  # without its id, as was said
    ],
)
def test_an_older_text_is_no_error_where_it_may_stand(
    session: Session, values: dict[str, Any]
) -> None:
    message(session, all_well(session), state="delivered", **values)
    assert check(session, "outdated_message").passed


def test_a_removed_channels_texts_may_be_as_old_as_they_are(session: Session) -> None:
    channel = make_channel(session, all_well(session).team, removed_at=NOW)
    message(session, channel, state="delivered", desired_rev=2)
    assert check(session, "outdated_message").passed
