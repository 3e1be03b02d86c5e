"""Adding a kind of channel takes one module and one entry in the list: here it is done, and the new
kind goes the whole way. docs/adding-a-transport.md is the checklist.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from lol_dagster.admin.app import create_app
from lol_dagster.delivery.message_rows import write_messages
from lol_dagster.delivery.transports import registry
from lol_dagster.delivery.worker import Deliverer
from lol_dagster.settings import load_settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Player
from lol_dagster_tests._support.commands import as_json, refused, run, said
from lol_dagster_tests._support.fake_channels import HandClock
from lol_dagster_tests._support.message_rows import NOW, add_game, played
from lol_dagster_tests._support.raw_server import Connection, raw_server
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests._support.web_visitor import QUICK_HASH, Visitor
from lol_dagster_tests.admin.page_forms import filled_in
from lol_dagster_tests.delivery.transports.small_chat import SmallChat, SmallChatServer

SECRET = "s3cretOfTheRoom"


@pytest.fixture(autouse=True)
def one_entry_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "TRANSPORTS", (*registry.TRANSPORTS, SmallChat))


@pytest.fixture
def chat() -> SmallChatServer:
    return SmallChatServer()


@pytest.fixture
def address(chat: SmallChatServer) -> Iterator[str]:
    with raw_server(chat) as server:
        yield server.url(f"/rooms/1/{SECRET}")


@pytest.fixture
def visitor(database: Database, monkeypatch: pytest.MonkeyPatch) -> Visitor:
    """The operator, signed in to the web view."""
    monkeypatch.setenv("LOL_ADMIN_PASSWORD_HASH", QUICK_HASH)
    visitor = Visitor(create_app(load_settings(), database, now=lambda: NOW))
    visitor.sign_in()
    return visitor


def play(session: Session, player: Player) -> str:
    """A game of the player's, and the id of the message about it."""
    add_game(session, "EUW1_1", played(player))
    (written,) = write_messages(session, "EUW1_1", stale_after=timedelta(hours=12), now=NOW)
    return written.message_id


def test_its_channel_is_added_tried_out_and_listed_with_its_promise(
    database: Database, chat: SmallChatServer, address: str
) -> None:
    said("team", "add", "Amigos")
    how = ("--team", "Amigos", "--kind", "small-chat", "--address")
    assert "should be a room's URL" in refused("channel", "add", "chat", *how, "#general")
    added = said("channel", "add", "chat", *how, address)
    assert "forgets nothing" not in added, "nobody has tried it"
    assert "lol-dagster doctor 'chat'" in added

    assert "small-chat" in said("doctor", "chat")
    assert (chat.posts, chat.messages) == (1, {})  # the test message was deleted again

    (channel,) = as_json("channel", "list")
    assert channel["promise"] == "Delivered exactly once: a small chat forgets nothing."
    assert [each["result"] for each in channel["tested"]] == ["ok"] * 5
    assert channel["address"].endswith("/rooms/1/…")
    assert SECRET not in str(channel)


def test_a_games_message_is_delivered_there_exactly_once_though_its_post_goes_unanswered(
    database: Database, chat: SmallChatServer, address: str
) -> None:
    with database.writing() as session:
        team = make_team(session, "Amigos")
        make_channel(session, team, "chat", kind="small-chat", address=address)
        play(session, make_member(session, team, "Ann"))
    chat.after_post = Connection.reset
    clock = HandClock()
    deliverer = Deliverer(database, registry.all_transports(load_settings()), clock)
    deliverer.deliver_due(NOW)
    assert chat.posts == 1
    (message,) = as_json("message", "list")
    assert (message["state"], message["channel"]) == ("delivered", "chat")
    (posted,) = chat.messages.values()
    assert posted["text"].splitlines()[0] == "Victory · Ranked Solo · 32:10"
    assert posted["text"].splitlines()[1].startswith("Ann · Jinx · 10/2/8")


def test_the_web_view_offers_it_and_shows_its_messages(
    database: Database, visitor: Visitor, address: str
) -> None:
    with database.writing() as session:
        team = make_team(session, "Amigos")
        ann = make_member(session, team, "Ann")
    page = visitor.get("/channel/new/?team=Amigos").text
    assert "Small chat, by a webhook" in page
    typed = filled_in(page, name="chat", kind="small-chat", address=address)
    assert visitor.post("/channel/new/", typed).status_code == 302

    def tried() -> str | None:
        page = visitor.get("/channel/details/?id=1").text
        return None if "data-refresh" in page else page

    shown = wait_for("end of the test", tried)
    assert "Small chat, by a webhook" in shown
    assert "a small chat forgets nothing" in shown
    assert SECRET not in shown

    with database.writing() as session:
        message_id = play(session, ann)
    page = visitor.get(f"/message/details/?id={message_id}").text
    assert "<figcaption>In Small chat" in page
    preview = page.partition('<pre class="preview">')[2].partition("</pre>")[0]
    assert "Victory · Ranked Solo · 32:10" in preview


def test_a_channel_of_a_kind_that_is_gone_is_blocked_until_it_is_there_again(
    database: Database,
    chat: SmallChatServer,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when a version is taken back and installed again."""
    with database.writing() as session:
        team = make_team(session, "Amigos")
        make_channel(session, team, "chat", kind="small-chat", address=address)
        play(session, make_member(session, team, "Ann"))

    def deliver() -> None:
        transports = registry.all_transports(load_settings())
        Deliverer(database, transports, HandClock()).deliver_due(NOW)

    with monkeypatch.context() as earlier_version:
        earlier_version.setattr(registry, "TRANSPORTS", registry.TRANSPORTS[:-1])
        deliver()
        (channel,) = as_json("channel", "list")
        assert channel["promise"] == "Nothing can be delivered there."
        assert "has no such kind of channel" in run("status").stdout
        assert chat.posts == 0
    deliver()
    assert chat.posts == 1
    assert "has no such kind of channel" not in run("status").stdout
