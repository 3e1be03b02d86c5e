"""A message as its deliverer takes it along."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from lol_dagster.delivery.claimed_message import ClaimedMessage, as_claimed, rendered, wanted
from lol_dagster.delivery.destinations import all_destinations
from lol_dagster.delivery.message_rows import add_message, row_of
from lol_dagster.delivery.model import Refused, Scan, Timing
from lol_dagster.delivery.transports.base import Answer, Outgoing, fingerprint
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.messages import identity
from lol_dagster.messages.content import Icon, Line, MessageContent, Section
from lol_dagster.messages.identity import write_marker
from lol_dagster.settings import Settings
from lol_dagster.storage.models import Attempt, Fact, Match, Message, MessageGame
from lol_dagster_tests._support.message_rows import NOW, as_delivery_leaves_it
from lol_dagster_tests._support.roster_rows import make_channel, make_team

TRANSPORTS = all_transports(Settings(discord_bot_token="a", slack_bot_token="b"))
MINUTE = timedelta(minutes=1)
CONTENT = MessageContent("Victory", "Victory")


class Taken:
    """A message of a channel named `games`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.channel = make_channel(session, make_team(session), "games")

    def add(self, state: str = "pending", **values: Any) -> Message:
        message = add_message(
            self.session, "own", channel_id=self.channel.id, kind=values.pop("kind", "game"),
            subject="NA1_1", order_at=values.pop("order_at", NOW), content=CONTENT, now=NOW,
        )  # fmt: skip
        for name, value in {**as_delivery_leaves_it(state, NOW), **values}.items():
            setattr(message, name, value)
        self.session.flush()
        return message

    def take(self, message: Message) -> ClaimedMessage:
        destination = all_destinations(self.session, TRANSPORTS)[self.channel.id]
        timing = Timing(lease=70.0)
        return as_claimed(self.session, message, TRANSPORTS, destination, timing)


@pytest.fixture
def taken(database) -> Iterator[Taken]:
    with database.writing() as session:
        yield Taken(session)


def test_a_message_comes_with_all_that_its_delivery_needs(taken: Taken) -> None:
    message = taken.add()
    for match_id in ("NA1_2", "NA1_1"):
        taken.session.add(Match(match_id=match_id, listed_at=NOW))
        taken.session.flush()
        values = {"channel_id": taken.channel.id, "match_id": match_id, "message_id": "own"}
        taken.session.add(MessageGame(**values))
    taken.session.flush()
    own = taken.take(message)
    assert own.row == row_of(message)
    assert (own.effects, own.match_ids) == ((), ("NA1_1", "NA1_2"))
    assert (own.content, own.nonce) == (message.content, message.nonce)
    assert (own.channel_name, own.kind, own.address) == (
        "games", "discord-bot", taken.channel.address,
    )  # fmt: skip
    assert own.destination == all_destinations(taken.session, TRANSPORTS)[taken.channel.id]
    assert (own.terms.timing.lease, own.terms.edit, own.was_delivered) == (70.0, True, False)
    assert (own.attempt_id, own.outgoing) == (None, None)


@pytest.mark.parametrize(
    ("kind", "order_at", "ended_at"),
    [
        ("game", NOW - MINUTE, NOW - MINUTE),
        ("catch_up", NOW - MINUTE, NOW - MINUTE),
        # Seen before it ended: Riot's clock is wrong, if not ours.
        ("game", NOW + MINUTE, NOW),
        ("alert", NOW - MINUTE, None),  # about no game
        ("test", NOW - MINUTE, None),
    ],
)
def test_a_game_that_a_message_is_about_had_ended_before_it_was_written(
    taken: Taken, kind: str, order_at: Any, ended_at: Any
) -> None:
    assert taken.take(taken.add(kind=kind, order_at=order_at)).games_ended_at == ended_at


@pytest.mark.parametrize(
    ("state", "where", "edit"),
    [
        ("delivered", "here", True),
        # Its id means nothing at the channel's new address, which would say that it was deleted.
        ("delivered", "there", False),
        ("uncertain", "there", True),  # it is not known to stand anywhere
    ],
)
def test_what_stands_at_a_former_address_is_not_edited(
    taken: Taken, state: str, where: str, edit: bool
) -> None:
    message = taken.add(state)
    address = fingerprint(taken.channel.address if where == "here" else "of before")
    values = {"op": "POST", "outcome": "accepted", "fence": 1, "at": NOW, "address": address}
    taken.session.add(Attempt(message_id="own", **values))
    taken.session.flush()
    own = taken.take(message)
    assert (own.terms.edit, own.was_delivered) == (edit, state == "delivered")


def test_a_message_is_sent_with_its_number_its_revision_and_its_nonce(taken: Taken) -> None:
    own = taken.take(taken.add())
    transport = TRANSPORTS["discord-bot"]
    assert rendered(transport, own, 3) == Outgoing(
        "own", 3, own.nonce, transport.render(CONTENT, write_marker("own", 3))
    )


def test_a_message_that_cannot_be_rendered_is_refused_by_itself(
    taken: Taken, caplog: pytest.LogCaptureFixture
) -> None:
    own = replace(taken.take(taken.add()), content={"title": 7})
    answer = rendered(TRANSPORTS["discord-bot"], own, 1)
    assert answer == Answer(Refused("it cannot be rendered: ValidationError"))
    (line,) = (each for each in caplog.records if each.levelname == "ERROR")
    assert (line.getMessage(), line.message_id) == ("cannot be rendered", "own")  # type: ignore[attr-defined]


def test_a_database_that_fails_over_its_icons_is_no_fault_of_the_message(taken: Taken) -> None:
    def icons(_content: MessageContent) -> NoReturn:
        raise OperationalError("SELECT", {}, OSError("disk I/O error"))

    with pytest.raises(OperationalError):
        rendered(TRANSPORTS["discord-bot"], taken.take(taken.add()), 1, icons)


def test_a_message_is_looked_for_by_its_number_and_its_text(taken: Taken) -> None:
    own = taken.take(taken.add(desired_rev=2))
    transport = TRANSPORTS["discord-bot"]
    sought = wanted(transport, own, Scan("70", "page 2"), "69")
    assert (sought.message_id, sought.after_id, sought.known, sought.position) == (
        "own", "70", "69", "page 2",
    )  # fmt: skip
    # It may have lost its marker since.
    assert sought.body == transport.render(CONTENT, write_marker("own", 2))
    # What cannot be rendered was never sent.
    assert wanted(transport, replace(own, content={"title": 7}), Scan("70"), None).body == {}


def test_icons_that_can_be_shown_are_in_what_is_sent_and_it_is_known_that_they_are(
    taken: Taken,
) -> None:
    ahri = Line("Ann", icon=Icon(103, "Ahri"))
    own = replace(
        taken.take(taken.add()),
        content=MessageContent("Victory", "Victory", (Section((ahri,)),)).to_json(),
    )
    bot = TRANSPORTS["discord-bot"]
    for icons, has_icons, lead in (
        ({103: "<:lol_Ahri:7>"}, True, "<:lol_Ahri:7> "),
        ({}, False, ""),
    ):
        sent = rendered(bot, own, 1, lambda _, icons=icons: icons)
        assert isinstance(sent, Outgoing)
        assert (sent.has_icons, sent.nonce, sent.rev) == (has_icons, own.nonce, 1)
        assert sent.body["embeds"][0]["description"] == f"{lead}**Ann**"


def test_a_nonce_is_of_the_installation_and_the_message(taken: Taken) -> None:
    """Of two installations that post into one channel none repeats the other's messages."""
    taken.session.merge(Fact(name=identity._SALT, value="salt"))
    taken.session.flush()
    digest = hashlib.sha256(b"saltown").digest()
    assert taken.add().nonce == base64.urlsafe_b64encode(digest).decode()[:22]
