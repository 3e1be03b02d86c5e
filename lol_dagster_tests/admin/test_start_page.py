"""The start page: the same truth as `lol-dagster status`, what waits for a decision, what happened."""

from __future__ import annotations

import re
from datetime import timedelta
from html import escape
from typing import Any

import pytest
from sqlalchemy.orm import Session

from lol_dagster.admin.charts import Bar, bar_chart, line_chart
from lol_dagster.admin.views.start import hourly
from lol_dagster.monitoring.health import read_health
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Channel, Message, MessageGame
from lol_dagster_tests._support.health_rows import NOW, all_well, is_alive
from lol_dagster_tests._support.message_rows import add_game, as_delivery_leaves_it, played
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team
from lol_dagster_tests._support.web_visitor import Visitor
from lol_dagster_tests.admin.clock import ManualClock
from lol_dagster_tests.admin.hostile_data import QUARANTINED, add_hostile_data

HOUR = timedelta(hours=1)


def test_every_error_that_status_names_is_on_it(
    operator: Visitor, database: Database, settings: Settings, clock: ManualClock
) -> None:
    with database.writing() as session:
        add_hostile_data(session)
    with database.reading() as session:
        errors = read_health(session, clock(), settings).errors
    assert errors
    page = operator.get("/").text
    assert "Something is wrong" in page
    for error in errors:
        assert escape(error).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in page


def test_what_waits_for_a_decision_is_a_click_away(operator: Visitor, database: Database) -> None:
    nothing = operator.get("/").text
    assert "Waiting for you" not in nothing
    with database.writing() as session:
        add_hostile_data(session)
    page = operator.get("/").text
    for title in (
        "Games in quarantine", "Messages that need review", "Channels that refuse us",
        "Accounts to be resolved",
    ):  # fmt: skip
        assert title in page
    assert QUARANTINED in page
    assert 'href="/channel/details/?id=1"' in page
    assert 'href="/account/details/?id=2"' in page


def test_the_games_of_the_last_day_stand_there_with_who_played(
    operator: Visitor, database: Database, clock: ManualClock
) -> None:
    with database.writing() as session:
        ann = make_member(session, make_team(session), "Ann")
        for match_id, ended_at in (
            ("EUW1_1", clock() - HOUR), ("EUW1_2", clock() - 25 * HOUR), ("EUW1_3", clock() + HOUR),
        ):  # fmt: skip
            part = played(ann, "Jinx", (10, 2, 8), outcome="win")
            add_game(session, match_id, part, ended_at=ended_at)
    page = operator.get("/").text
    assert "EUW1_1" in page
    assert "EUW1_2" not in page
    assert "EUW1_3" not in page
    assert "1 h ago" in page
    assert "Jinx 10/2/8" in page


def _message(
    session: Session, channel: Channel, subject: str, state: str = "delivered", **values: Any
) -> Message:
    """One about a game, with it, as a delivery leaves it at 11:30."""
    at = ManualClock()() - timedelta(minutes=30)
    row = Message(
        channel_id=channel.id, subject=subject, order_at=at, created_at=at, content={},
        desired_hash="0" * 64, nonce="n", **{"kind": "game", **as_delivery_leaves_it(state, at), **values},
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def test_each_game_names_the_channels_and_how_far_it_has_come_there(
    operator: Visitor, database: Database, clock: ManualClock
) -> None:
    with database.writing() as session:
        team = make_team(session)
        ann = make_member(session, team, "Ann")
        general, old = make_channel(session, team, "general"), make_channel(session, team, "old")
        for match_id in ("EUW1_1", "EUW1_2"):
            add_game(session, match_id, played(ann), ended_at=clock() - HOUR)
        announced = _message(session, general, "EUW1_1")
        # Its text that stands there is the first; the game came with the second.
        later = _message(session, old, "catch-up:1", kind="catch_up", remote_rev=1, desired_rev=2)
        for message, since_rev in ((announced, 1), (later, 2)):
            session.add(
                MessageGame(
                    channel_id=message.channel_id, match_id="EUW1_1", message_id=message.id,
                    since_rev=since_rev,
                )
            )  # fmt: skip
        ids = [announced.id, later.id]
    for address in ("/", "/game/"):
        page = operator.get(address).text
        of_one = re.findall(
            r'class="place"><span class="state \w*">(\w+)</span> '
            r'<a href="/message/details/\?id=([\w-]+)">(\w+)<',
            page,
        )
        assert of_one == [("delivered", ids[0], "general"), ("pending", ids[1], "old")], address


def test_a_fresh_installation_shows_its_three_steps_and_nothing_red(
    anybody: Visitor, database: Database, clock: ManualClock
) -> None:
    clock.now = NOW  # of `is_alive`
    anybody.sign_in()
    with database.writing() as session:
        is_alive(session)
    page = anybody.get("/").text
    assert "Three steps to the first game" in page
    assert "Something is wrong" not in page
    assert "lol-dagster team add" not in page
    assert 'href="/team/new/"' in page
    # Nobody can be added before there is a team.
    assert 'href="/account/add/"' not in page
    with database.writing() as session:
        make_team(session)
    page = anybody.get("/").text
    assert "Add a team – done" in page
    assert 'href="/account/add/"' in page
    assert 'href="/channel/new/"' in page
    with database.writing() as session:
        all_well(session)
    page = anybody.get("/").text
    assert "Three steps" not in page
    assert "All is well" in page


def test_games_and_deliveries_are_counted_by_the_hour(
    database: Database, settings: Settings, clock: ManualClock
) -> None:
    # It is 12:00. Of the last three hours: 10:00 has two games, 11:00 one and a delivery.
    with database.writing() as session:
        team = make_team(session)
        ann, channel = make_member(session, team), make_channel(session, team)
        for number, back in enumerate((61, 119, 1, 121, 59)):  # minutes before
            ended_at = clock() - timedelta(minutes=back)
            add_game(session, f"EUW1_{number}", played(ann), ended_at=ended_at)
        _message(session, channel, "EUW1_2")
        # It tells nobody about a game.
        _message(session, channel, "test:1", kind="test")
    with database.reading() as session:
        hours = hourly(session, clock(), hours=3)
        assert read_health(session, clock(), settings).delivered_last_day == 1
    assert [(each.begins_at.hour, each.games, each.deliveries) for each in hours] == [
        (10, 2, 0),
        (11, 2, 1),
        (12, 0, 0),
    ]


def test_a_chart_says_in_words_what_it_shows_and_escapes_them() -> None:
    chart = bar_chart([Bar("<one>", 2, "tick"), Bar("two", 1)], title='"Title" <x>')
    assert 'aria-label="&#34;Title&#34; &lt;x&gt;"' in chart
    assert "<title>&lt;one&gt;: 2</title>" in chart
    # The highest is as high as the chart, the other one half of it.
    assert 'y="0.0" width="273.6" height="90.0"' in chart
    assert 'y="45.0" width="273.6" height="45.0"' in chart
    assert chart.count("tick</text>") == 1


def test_a_line_goes_from_its_least_value_to_its_highest_and_says_them_in_words() -> None:
    points = [Bar("a", 1445, words="Gold II 45"), Bar("b", 1466, words="Gold II 66")]
    chart = line_chart(points, title="rank")
    # 8 of 90 units are margin: the highest is at 4, the least at 86.
    assert 'd="M180.0 86.0 L540.0 4.0"' in chart
    assert "<title>a: Gold II 45</title>" in chart
    assert '<text class="most" x="718" y="-5">Gold II 66</text>' in chart


def test_a_line_is_broken_where_there_is_nothing() -> None:
    points = [Bar("a", 1), Bar("b", 2), Bar("c", None), Bar("d", 0)]
    chart = line_chart(points, title="form")
    (path,) = [part for part in chart.split('"') if part.startswith("M")]
    assert [each[0] for each in path.split() if each[0].isalpha()] == ["M", "L", "M"]
    assert chart.count("<circle") == 3


@pytest.mark.parametrize(
    "chart",
    [
        bar_chart([], title="nothing"),
        bar_chart([Bar("a", 0), Bar("b", None)], title="nothing"),
        line_chart([Bar("a", None)], title="nothing"),
    ],
)
def test_a_chart_of_nothing_names_no_highest_value(chart: str) -> None:
    assert "<text" not in chart
    assert "<text" in bar_chart([Bar("a", 1)], title="something")
    assert "<text" in line_chart([Bar("a", 1)], title="something")


def test_charts_of_nothing_are_charts() -> None:
    assert "<svg" in bar_chart([], title="nothing")
    assert "<svg" in line_chart([Bar("a", None)], title="nothing")
