"""The start page: the same truth as `lol-dagster status`, what waits for a decision, what happened."""

from __future__ import annotations

from datetime import timedelta
from html import escape

from lol_dagster.admin.charts import Bar, bar_chart, line_chart
from lol_dagster.admin.views.start import hourly
from lol_dagster.monitoring.health import read_health
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Message
from lol_dagster_tests._support.message_rows import add_game, played
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


def test_games_and_deliveries_are_counted_by_the_hour(
    database: Database, clock: ManualClock
) -> None:
    # It is 12:00. Of the last three hours: 10:00 has two games, 11:00 one and a delivery.
    with database.writing() as session:
        team = make_team(session)
        ann, channel = make_member(session, team), make_channel(session, team)
        for number, back in enumerate((61, 119, 1, 121, 59)):  # minutes before
            ended_at = clock() - timedelta(minutes=back)
            add_game(session, f"EUW1_{number}", played(ann), ended_at=ended_at)
        session.add(
            Message(
                channel_id=channel.id, subject="EUW1_2", kind="game", order_at=clock(),
                created_at=clock(), content={}, desired_hash="0" * 64, state="delivered",
                nonce="n", delivered_at=clock() - timedelta(minutes=30),
            )
        )  # fmt: skip
    with database.reading() as session:
        hours = hourly(session, clock(), hours=3)
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


def test_a_line_is_broken_where_there_is_nothing() -> None:
    points = [Bar("a", 1), Bar("b", 2), Bar("c", None), Bar("d", 0)]
    chart = line_chart(points, title="form")
    (path,) = [part for part in chart.split('"') if part.startswith("M")]
    assert [each[0] for each in path.split() if each[0].isalpha()] == ["M", "L", "M"]
    assert chart.count("<circle") == 3


def test_charts_of_nothing_are_charts() -> None:
    assert "<svg" in bar_chart([], title="nothing")
    assert "<svg" in line_chart([Bar("a", None)], title="nothing")
