"""Champions' icons within messages: what is known of them is shown, and nothing else is any different."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from lol_dagster.delivery import champion_icons, message_rows, pace
from lol_dagster.delivery.champion_icons import (
    UploadReport,
    emojis_of,
    missing_icons,
    upload_icons,
)
from lol_dagster.delivery.transports.base import Reply
from lol_dagster.delivery.transports.discord_bot import DiscordBot
from lol_dagster.delivery.transports.discord_emojis import EmojiError, Emojis
from lol_dagster.messages.content import Icon, Line, MessageContent, Section
from lol_dagster.pictures.icons import Icons, NoIconError
from lol_dagster.settings import Settings, load_settings
from lol_dagster.simulator import ddragon
from lol_dagster.simulator.limits import Limit
from lol_dagster.simulator.main import Options, Simulator
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Attempt, Fact, Message, MessagePicture
from lol_dagster_tests._support.fake_channels import refuse, slack_error
from lol_dagster_tests._support.message_rows import NOW
from lol_dagster_tests._support.simulated_world import HandClock
from lol_dagster_tests.delivery.conftest import DeliverySetup
from lol_dagster_tests.delivery.proof.test_deaths import Killed

AHRI = Icon(103, "Ahri")
FACES = MessageContent(
    title="Victory",
    summary="Victory",
    sections=(Section((Line("Ann", ("Ahri",), icon=AHRI), Line("Bob", icon=Icon(1, "Annie")))),),
)
EMOJI = "<:lol_Ahri:1234567890123456789>"
ADDRESS = "https://ddragon.example/cdn/16.9.1/img/champion/Ahri.png"


def known(delivery: DeliverySetup) -> None:
    """Ahri's icon has been uploaded, and no other."""
    icon_set = DiscordBot(delivery.settings, deadline=1).icon_set
    value = {icon_set: {"103": EMOJI}, "images": {"103": ADDRESS}}
    with delivery.database.writing() as session:
        session.add(Fact(name="champion-icons", value=value))


def faces(delivery: DeliverySetup, channel: int) -> str:
    """A message with icons that is due; its id."""
    return delivery.message(channel, content=FACES.to_json(), desired_hash=FACES.content_hash())


def shapes(message: Any) -> list[str]:
    return [each["type"] for each in message["blocks"]]


# --- in messages ---------------------------------------------------------------------------------


def test_a_discord_bot_puts_the_emoji_before_the_name_of_whoever_played(
    delivery: DeliverySetup,
) -> None:
    known(delivery)
    faces(delivery, delivery.channel())
    delivery.run()
    (body,) = delivery.discord.bodies
    # Annie's is not known: her line is as ever.
    assert body["embeds"][0]["description"] == f"{EMOJI} **Ann** · Ahri\n**Bob**"


@pytest.mark.parametrize("kind", ["slack-bot", "slack-webhook"])
def test_slack_gets_a_row_of_pictures_above_the_lines(delivery: DeliverySetup, kind: str) -> None:
    known(delivery)
    faces(delivery, delivery.channel(kind))
    delivery.run()
    (message,) = next(iter(delivery.slack.messages.values()))
    assert shapes(message) == ["rich_text", "context", "rich_text"]
    row = message["blocks"][1]
    assert row == {
        "type": "context",
        "elements": [{"type": "image", "image_url": ADDRESS, "alt_text": "Ahri"}],
    }


@pytest.mark.parametrize("kind", ["discord-bot", "discord-webhook", "slack-bot"])
def test_where_no_icon_can_be_shown_the_message_is_as_without(
    delivery: DeliverySetup, kind: str
) -> None:
    if kind == "discord-webhook":
        known(delivery)  # which the bot's application alone can use
    bare = replace(FACES, sections=(Section((Line("Ann", ("Ahri",)), Line("Bob"))),))
    faces(delivery, delivery.channel(kind))
    delivery.message(delivery.channel(kind), content=bare.to_json())
    delivery.run()
    fake = delivery.slack if kind == "slack-bot" else delivery.discord
    with_icons, without = (
        [message.get("embeds", message.get("blocks")) for message in messages]
        for messages in fake.messages.values()
    )
    for parts in (*with_icons, *without):
        parts[0].pop("url" if "url" in parts[0] else "block_id")  # with the marker in it
    assert with_icons == without


def test_another_bots_emojis_are_not_used(delivery: DeliverySetup) -> None:
    known(delivery)
    faces(delivery, delivery.channel())
    token = SecretStr("another-token")
    other = delivery.settings.model_copy(update={"discord_bot_token": token})
    delivery.run(settings=other)
    assert "<:" not in delivery.discord.bodies[0]["embeds"][0]["description"]


# --- the service cannot load one -----------------------------------------------------------------


@pytest.mark.parametrize("error", ["invalid_blocks", "a_new_word_for_it"])
def test_a_message_that_is_refused_with_icons_is_delivered_once_without_them(
    delivery: DeliverySetup, error: str
) -> None:
    known(delivery)
    channel = delivery.channel("slack-bot")
    message = faces(delivery, channel)
    delivery.slack.script("post", slack_error(error))
    assert delivery.run(wait=3).delivered == 1
    assert delivery.attempts(message) == [("POST", "put_off"), ("POST", "accepted")]
    (posted,) = delivery.slack.messages[delivery.address(channel)]
    assert shapes(posted) == ["rich_text", "rich_text"]
    breaker = delivery.breaker(f"channel:{channel}")
    assert breaker is None or breaker.open_until is None, "the channel is not to blame"
    with delivery.database.reading() as session:
        assert error in (session.get_one(MessagePicture, message).failed or "")
    # Its edits have none either; the next message has them again.
    change(delivery, message, replace(FACES, title="Defeat"))
    faces(delivery, channel)
    delivery.pass_time(2)
    delivery.run(wait=3)
    edited, newer = delivery.slack.messages[delivery.address(channel)]
    assert (shapes(edited).count("context"), shapes(newer).count("context")) == (0, 1)
    assert len(delivery.attempts(message)) == 3, "accepted at once"


@pytest.mark.parametrize(
    ("label", "refusals"),
    [
        ("after_call", 2),  # nobody knows of the first one
        ("concluding", 2),
        ("after_result", 1),
    ],
)
def test_whoever_dies_over_that_refusal_leaves_a_message_that_is_posted_once(
    delivery: DeliverySetup, label: str, refusals: int
) -> None:
    known(delivery)
    channel = delivery.channel("slack-bot")
    message = faces(delivery, channel)
    delivery.slack.script("post", *[slack_error("invalid_blocks")] * refusals)

    def die() -> None:
        raise Killed

    delivery.crashes.at[label] = die
    with pytest.raises(Killed):
        delivery.run()
    for _ in range(4):
        delivery.pass_time(61)
        delivery.run(wait=3)
    (posted,) = delivery.slack.messages[delivery.address(channel)]
    assert (shapes(posted), delivery.slack.count("post")) == (["rich_text"] * 2, refusals + 1)
    assert (delivery.row(message).state, delivery.row(message).due_at) == ("delivered", None)


def test_it_goes_without_its_icons_at_once_and_why_is_known(delivery: DeliverySetup) -> None:
    known(delivery)
    message = faces(delivery, delivery.channel())
    with delivery.database.writing() as session:
        # The channel wanted cards before it wanted icons.
        session.add(MessagePicture(message_id=message, rev=0, digest="of a card"))
    delivery.discord.script("post", refuse(400, 50035))
    delivery.run(wait=3)
    with delivery.database.reading() as session:
        refused, accepted = session.scalars(
            select(Attempt).where(Attempt.message_id == message).order_by(Attempt.id)
        )
    assert (refused.outcome, accepted.outcome) == ("put_off", "accepted")
    assert accepted.at == refused.at
    assert "code 50035" in (refused.detail or "")
    assert (refused.detail or "").endswith("(with icons)")


def test_an_edit_that_is_refused_with_icons_is_made_without_them(delivery: DeliverySetup) -> None:
    known(delivery)
    channel = delivery.channel("slack-bot")
    message = faces(delivery, channel)
    delivery.run(wait=3)
    change(delivery, message, replace(FACES, summary="Defeat"))
    delivery.pass_time(2)
    delivery.slack.script("update", slack_error("invalid_blocks"))
    delivery.run(wait=3)
    assert delivery.attempts(message)[1:] == [("PATCH", "put_off"), ("PATCH", "accepted")]
    assert delivery.titles(channel) == ["Defeat"]


def test_a_text_that_is_refused_without_icons_too_needs_review(delivery: DeliverySetup) -> None:
    known(delivery)
    message = faces(delivery, delivery.channel("slack-bot"))
    delivery.slack.script("post", slack_error("invalid_blocks"), slack_error("invalid_blocks"))
    delivery.run(wait=3)
    assert delivery.attempts(message) == [("POST", "put_off"), ("POST", "refused")]
    assert delivery.row(message).state == "needs_review"


def test_what_refuses_the_channel_is_no_fault_of_the_icons(delivery: DeliverySetup) -> None:
    known(delivery)
    message = faces(delivery, delivery.channel())
    delivery.discord.script("post", refuse(403, 50013))
    delivery.run(wait=3)
    assert delivery.row(message).state == "blocked"
    with delivery.database.reading() as session:
        assert session.get(MessagePicture, message) is None


def change(delivery: DeliverySetup, message: str, said: MessageContent) -> None:
    """As the stage `messages` does."""
    with delivery.database.writing() as session:
        row = session.get_one(Message, message)
        message_rows._change_text(session, row, said, delivery.now)


# --- making them known ---------------------------------------------------------------------------


@dataclass
class Uploading:
    """A world whose clock is the uploads' own: what they wait for passes at once."""

    world: Simulator
    database: Database
    settings: Settings
    clock: HandClock
    folder: Path

    def emojis(self, settings: Settings | None = None) -> Emojis:
        bot = DiscordBot(settings or self.settings, deadline=10)
        return Emojis(bot, turn=lambda: None, sleep=self.clock.move)

    def run(self) -> UploadReport:
        icons = Icons(self.settings.ddragon_url, self.folder)
        return upload_icons(self.database, icons, self.emojis())

    def known(self) -> dict[str, dict[str, str]]:
        with self.database.reading() as session:
            fact = session.get(Fact, "champion-icons")
            return fact.value if fact else {}

    def count(self, operation: str) -> int:
        return len(self.world.truth.calls(operation))


@pytest.fixture
def uploading(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Uploading]:
    clock = HandClock()
    monkeypatch.setattr(ddragon, "_NAMES", {103: "Ahri", 62: "MonkeyKing", 254: "Vi"})
    monkeypatch.setattr(
        ddragon, "_CHAMPIONS", {"data": {"Ahri": of("Ahri", 103), "Wukong": of("MonkeyKing", 62), "Vi": of("Vi", 254)}},
    )  # fmt: skip
    with Simulator(Options(discord_limit=Limit(2, 5)), clock=clock) as world:
        for name, value in world.environment.items():
            monkeypatch.setenv(name, value)
        yield Uploading(world, database, load_settings(), clock, tmp_path)


def of(name: str, number: int) -> dict[str, str]:
    return {"id": name, "key": str(number)}


def test_every_champions_icon_is_uploaded_once(uploading: Uploading) -> None:
    report = uploading.run()
    assert report == UploadReport(champions=3, uploaded=3, were_there=0)
    files = uploading.world.discord.board.files
    known, images = uploading.known()[uploading.emojis().icon_set], uploading.known()["images"]
    assert known.keys() == images.keys() == {"103", "62", "254"}
    for number, name in (("103", "Ahri"), ("62", "MonkeyKing"), ("254", "Vi")):
        prefix, emoji_id = known[number].removesuffix(">").rsplit(":", 1)
        assert prefix == f"<:lol_{name}"
        assert (
            images[number]
            == f"{uploading.settings.ddragon_url}/cdn/16.15.1/img/champion/{name}.png"
        )
        assert files[emoji_id] == (uploading.folder / f"16.15/{number}.png").read_bytes()
    # Two calls in five seconds are allowed: the headers say when the next may be made.
    assert uploading.clock.now > 1_795_000_000
    assert all(call["status"] != 429 for call in uploading.world.truth.calls("discord.emoji"))
    again = uploading.run()
    assert again == UploadReport(champions=3, uploaded=0, were_there=3)
    assert uploading.count("discord.emoji") == 3


def test_a_new_champion_is_the_only_one_that_is_uploaded_then(
    uploading: Uploading, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploading.run()
    bot, icons = DiscordBot(uploading.settings, deadline=1), Icons(uploading.settings.ddragon_url, uploading.folder)  # fmt: skip
    monkeypatch.setitem(ddragon._NAMES, 950, "Naafiri")
    monkeypatch.setitem(ddragon._CHAMPIONS["data"], "Naafiri", of("Naafiri", 950))
    with uploading.database.reading() as session:
        assert missing_icons(session, bot, icons.newest()) == ["Naafiri"]
    assert uploading.run() == UploadReport(champions=4, uploaded=1, were_there=3)
    with uploading.database.reading() as session:
        assert missing_icons(session, bot, icons.newest()) == []


def test_one_that_was_deleted_by_hand_is_uploaded_again(uploading: Uploading) -> None:
    uploading.run()
    of_before = uploading.known()[uploading.emojis().icon_set]
    del uploading.world.discord._emojis["lol_Vi"]
    assert uploading.run() == UploadReport(champions=3, uploaded=1, were_there=2)
    known = uploading.known()[uploading.emojis().icon_set]
    assert known["254"] == f"<:lol_Vi:{uploading.world.discord._emojis['lol_Vi']}>"
    assert known == {**of_before, "254": known["254"]}


@pytest.mark.parametrize("has_bot", [True, False])
def test_emojis_of_another_bot_go_and_pictures_that_are_known_stay(
    uploading: Uploading, has_bot: bool
) -> None:
    theirs = {"emojis:of another bot": {"1": EMOJI}, "images": {"1": ADDRESS}}
    with uploading.database.writing() as session:
        session.add(Fact(name="champion-icons", value=theirs))
    icons = Icons(uploading.settings.ddragon_url, uploading.folder)
    upload_icons(uploading.database, icons, uploading.emojis() if has_bot else None)
    sets = {uploading.emojis().icon_set if has_bot else "emojis:of another bot", "images"}
    assert uploading.known().keys() == sets
    assert uploading.known()["images"].keys() == {"1", "62", "103", "254"}


@pytest.mark.parametrize(
    "fault",
    ["discord.emoji=429(2)*1", "discord.emoji=429-global(2)*2", "discord.emoji=429(300)*1"],
)
def test_where_discord_asks_to_wait_it_is_waited(uploading: Uploading, fault: str) -> None:
    uploading.world.set_faults(fault)
    began = uploading.clock.now
    assert uploading.run() == UploadReport(champions=3, uploaded=3, were_there=0)
    assert uploading.clock.now >= began + 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("discord.emoji=429(3600)", "wait for 60 minutes"),
        ("discord.emoji=429(1)", "has asked to wait 10 times"),
        ("discord.emoji=refuse(30008)", "Maximum number of emojis"),
        ("discord.emoji=500", "Discord 500"),
        ("discord.emojis=refuse(50001)", "Missing Access"),
    ],
)
def test_where_discord_takes_no_more_it_is_said_and_what_is_there_is_kept(
    uploading: Uploading, fault: str, said: str
) -> None:
    uploading.world.discord._emojis["lol_Vi"] = "1234567890123456789"
    uploading.world.set_faults(fault)
    with pytest.raises(EmojiError, match=said):
        uploading.run()
    if "emojis" not in fault:
        assert list(uploading.known()[uploading.emojis().icon_set]) == ["254"]
    uploading.world.set_faults("")
    assert uploading.run() == UploadReport(champions=3, uploaded=2, were_there=1)


@pytest.mark.parametrize("items", [[{"id": "1"}], [None], None])
def test_a_list_that_is_none_is_said(
    uploading: Uploading, monkeypatch: pytest.MonkeyPatch, items: object
) -> None:
    answer = Reply(200, {}, b"", {"id": "1", "items": items}, 0.1)
    monkeypatch.setattr(DiscordBot, "call", lambda *_, **__: answer)
    with pytest.raises(EmojiError, match="list of emojis is not understood"):
        uploading.emojis().listed()


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "2.5"}, 2.5),
        ({"X-RateLimit-Remaining": "1", "X-RateLimit-Reset-After": "2.5"}, 0.0),
        ({"X-RateLimit-Remaining": "0"}, 0.0),  # nobody says for how long
    ],
)
def test_the_next_emoji_waits_where_none_is_left_for_now(
    uploading: Uploading, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], waits: float
) -> None:
    answer = Reply(201, headers, b"", {"id": "7"}, 0.1)
    monkeypatch.setattr(DiscordBot, "call", lambda *_, **__: answer)
    emojis, began = uploading.emojis(), uploading.clock.now
    emojis._application = "1"
    assert [emojis.add("lol_Vi", b"png"), emojis.add("lol_Ahri", b"png")] == ["7", "7"]
    assert uploading.clock.now == began + waits


def test_an_answer_that_got_lost_costs_no_second_emoji(uploading: Uploading) -> None:
    uploading.world.set_faults("discord.emoji=reset*1")
    with pytest.raises(EmojiError, match="does not answer"):
        uploading.run()
    assert uploading.run() == UploadReport(champions=3, uploaded=2, were_there=1)
    assert len(uploading.world.discord._emojis) == 3


# Of the form, "Invalid Asset", "Failed to resize asset below the minimum size".
@pytest.mark.parametrize("code", [50035, 50046, 50138])
def test_one_that_is_refused_or_not_to_be_had_keeps_no_other_away(
    uploading: Uploading, code: int
) -> None:
    uploading.world.set_faults(f"discord.emoji=refuse({code})*1; ddragon.icon=404*1")
    report = uploading.run()
    assert (report.uploaded, sorted(report.failed)) == (1, ["Ahri", "MonkeyKing"])
    assert any(f"code {code}" in why for why in report.failed.values())


def test_where_one_after_the_other_is_refused_no_further_one_is_tried(
    uploading: Uploading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ddragon._NAMES, 950, "Naafiri")
    monkeypatch.setitem(ddragon._CHAMPIONS["data"], "Naafiri", of("Naafiri", 950))
    uploading.world.set_faults("discord.emoji=refuse(50046)")
    with pytest.raises(EmojiError, match="50046"):
        uploading.run()
    calls = uploading.world.truth.calls("discord.emoji")
    assert [call["status"] for call in calls] == [400] * 3


def test_icons_that_are_not_to_be_had_end_it_only_one_after_the_other(
    uploading: Uploading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two, one that is there, and two again: each is named with what is wrong with it."""
    for number, name in ((950, "Naafiri"), (951, "Yone")):
        monkeypatch.setitem(ddragon._NAMES, number, name)
        monkeypatch.setitem(ddragon._CHAMPIONS["data"], name, of(name, number))

    def at(_icons: Icons, _address: str, number: int) -> bytes:
        if number == 254:  # Vi, the third one by number
            return b"picture"
        raise NoIconError(f"no icon of {number}")

    monkeypatch.setattr(Icons, "at", at)
    champions: list[int] = []
    icons = Icons(uploading.settings.ddragon_url, uploading.folder)
    report = upload_icons(uploading.database, icons, uploading.emojis(), begun=champions.append)
    numbers = {"MonkeyKing": 62, "Ahri": 103, "Naafiri": 950, "Yone": 951}
    assert report == UploadReport(
        champions=5,
        uploaded=1,
        failed={name: f"no icon of {number}" for name, number in numbers.items()},
    )
    assert champions == [5]


def test_nothing_is_waited_for_after_the_last_one(uploading: Uploading) -> None:
    """Its answer says that the next might be added in an hour."""
    uploading.world.discord._limit = Limit(3, 3600)
    began = uploading.clock.now
    assert uploading.run() == UploadReport(champions=3, uploaded=3, were_there=0)
    assert len(uploading.known()[uploading.emojis().icon_set]) == 3
    assert uploading.clock.now == began


def test_one_that_is_too_large_keeps_no_other_away(
    uploading: Uploading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discord has no code for that."""
    monkeypatch.setattr(
        Icons, "at", lambda _, address, number: b"0" * (300_000 if number == 103 else 10)
    )
    report = uploading.run()
    assert (report.uploaded, report.failed.keys()) == (2, {"Ahri"})
    assert "larger than 256" in report.failed["Ahri"]


def test_where_data_dragon_has_nothing_it_is_said(uploading: Uploading) -> None:
    uploading.world.set_faults("ddragon.icon=500")
    with pytest.raises(NoIconError, match="500"):
        uploading.run()
    uploading.world.set_faults("ddragon.versions=500")
    with pytest.raises(NoIconError, match="500"):
        uploading.run()


def test_the_bots_uploads_are_paced_with_all_other_calls_of_its_token(
    uploading: Uploading, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    class Slept:
        def sleep(self, seconds: float) -> None:
            slept.append(seconds)

    monkeypatch.setattr(champion_icons, "clock_for", lambda _database: Slept())
    emojis = emojis_of(uploading.settings, uploading.database, lambda: NOW)
    assert emojis is not None
    assert emojis.icon_set == uploading.emojis().icon_set
    emojis._turn()
    assert slept == [0.0]
    token = DiscordBot(uploading.settings, deadline=1).token_scope
    assert token is not None
    with uploading.database.writing() as session:
        pace.take_turn(session, token, 50, NOW, calls=45)  # by deliverers, all of a second
    emojis._turn()
    assert 0.8 < slept[1] < 1
    # What Discord asks to wait is waited for by the same clock.
    emojis._sleep(7.0)
    assert slept[2] == 7.0


def test_without_a_token_there_are_no_emojis(uploading: Uploading) -> None:
    settings = uploading.settings.model_copy(update={"discord_bot_token": None})
    assert emojis_of(settings, uploading.database, lambda: NOW) is None


def test_without_a_bot_slack_has_its_addresses(uploading: Uploading) -> None:
    icons = Icons(uploading.settings.ddragon_url, uploading.folder)
    upload_icons(uploading.database, icons, None)
    assert list(uploading.known()) == ["images"]
