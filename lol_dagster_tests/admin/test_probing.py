"""The button that sends a test message: once, in the background, with what is missing by its name."""

from __future__ import annotations

import html
import re
import threading
from typing import NoReturn

import pytest
from flask import Flask

from lol_dagster.delivery.probe import ProbeError
from lol_dagster.delivery.transports.base import Place, PlacesError
from lol_dagster.delivery.transports.discord_bot import DiscordBot
from lol_dagster.delivery.transports.slack_bot import SlackBot
from lol_dagster.settings import Settings, load_settings
from lol_dagster.simulator.main import Simulator
from lol_dagster.storage.database import Database
from lol_dagster_tests._support.roster_rows import make_channel, make_team
from lol_dagster_tests._support.simulated_world import simulator  # noqa: F401 - a fixture
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests._support.web_visitor import QUICK_HASH, Visitor
from lol_dagster_tests.admin.page_forms import filled_in

PAGE = "/channel/details/?id=1"
TRIED = "lol_dagster.admin.views.channels.probe_channel"


@pytest.fixture
def settings(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Settings:  # noqa: F811
    monkeypatch.setenv("LOL_ADMIN_PASSWORD_HASH", QUICK_HASH)
    return load_settings()


@pytest.fixture(autouse=True)
def channel(database: Database) -> None:
    """The channel general of the team Amigos, reached by a Discord bot."""
    with database.writing() as session:
        make_channel(session, make_team(session, "Amigos"), "general")


def press(operator: Visitor) -> None:
    assert operator.post("/channel/try/", {"id": "1"}).status_code == 303


def shown_after(operator: Visitor) -> str:
    """The page once no test is running any more."""

    def look() -> str | None:
        page = operator.get(PAGE).text
        return page if "data-refresh" not in page else None

    return wait_for("end of the try", look)


def test_a_permission_that_is_missing_is_named_at_its_step(
    operator: Visitor,
    simulator: Simulator,  # noqa: F811
) -> None:
    assert "It has not been tested yet." in operator.get(PAGE).text
    simulator.faults.set("discord.list=refuse(50013)")
    press(operator)
    page = shown_after(operator)
    find = page.partition("<dt>Find it in the history</dt>")[2].partition("</dd>")[0]
    assert "does not work" in find
    assert "Read Message History" in find
    assert page.partition("<dt>Post a message</dt>")[2].partition("</dd>")[0].count("works") == 1


def test_a_channel_is_tried_out_when_it_is_added_or_its_address_changes(
    operator: Visitor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[int] = []
    monkeypatch.setattr(TRIED, lambda _d, _t, channel_id, **_: tried.append(channel_id))
    form = filled_in(
        operator.get("/channel/new/?team=Amigos").text,
        name="other", kind="discord-bot", address="223456789012345678",
    )  # fmt: skip
    saved = operator.post("/channel/new/", form)
    assert saved.location == "/channel/details/?id=2#tried"
    wait_for("the try", lambda: tried == [2])
    edit = "/channel/edit/?id=2&url=%2Fteam%2F"
    # Another name alone: there is nothing to try.
    saved = operator.post(edit, filled_in(operator.get(edit).text, name="renamed"))
    assert saved.location == "/team/"
    form = filled_in(operator.get(edit).text, address="323456789012345678")
    assert operator.post(edit, form).status_code == 302
    wait_for("the second try", lambda: tried == [2, 2])


def test_a_channel_is_chosen_from_those_in_which_the_bot_can_post(
    operator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [Place("423456789012345678", "Ours · #lol")]
    monkeypatch.setattr(DiscordBot, "places", lambda _self: there)

    def silent(_self: object) -> NoReturn:
        raise PlacesError("Slack does not list its channels: it is asleep")

    monkeypatch.setattr(SlackBot, "places", silent)
    (link,) = re.findall(
        r'href="(/channel/places/[^"]*)"', operator.get("/channel/new/?team=Amigos").text
    )
    page = operator.get(html.unescape(link)).text
    assert "Slack does not list its channels: it is asleep." in page
    (chosen,) = re.findall(r'<a href="([^"]+)">Ours · #lol</a>', page)
    form = filled_in(operator.get(html.unescape(chosen)).text)
    assert (form["kind"], form["address"], form["team"]) == (
        ["discord-bot"], ["423456789012345678"], ["Amigos"],
    )  # fmt: skip


def test_nothing_is_promised_of_a_channel_that_nobody_has_tried(operator: Visitor) -> None:
    assert "Delivered exactly once" not in operator.get(PAGE).text
    press(operator)
    assert "Delivered exactly once" in shown_after(operator)


def test_a_test_message_is_sent_once_however_often_the_button_is_pressed(
    operator: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end, tries = threading.Event(), []

    def slow(*_arguments: object, **_options: object) -> None:
        tries.append(1)
        may_end.wait()

    monkeypatch.setattr(TRIED, slow)
    for _ in range(3):
        press(operator)
    page = operator.get(PAGE).text
    assert 'data-refresh="2"' in page
    assert "Send a test message" not in page
    may_end.set()
    assert "Send a test message" in shown_after(operator)
    assert tries == [1]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ProbeError("there is no such channel (any more)"), "there is no such channel"),
        (RuntimeError("s3cret"), "it failed unexpectedly: the log says why"),
    ],
)
def test_a_try_that_broke_off_says_so(
    operator: Visitor, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(TRIED, broken)
    press(operator)
    page = shown_after(operator)
    assert f"The last test failed: {said}" in page
    assert "s3cret" not in page
