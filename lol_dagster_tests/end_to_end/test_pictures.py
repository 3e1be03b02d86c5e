"""A game's card comes to the channel after its text, drawn for real."""

from __future__ import annotations

import base64
from typing import Any

import dagster as dg
from sqlalchemy import update

from lol_dagster.delivery.champion_icons import emojis_of, upload_icons
from lol_dagster.delivery.worker import DeliveryReport, DeliveryResult
from lol_dagster.orchestration import metadata
from lol_dagster.pictures.artist import Artist
from lol_dagster.pictures.drawing import CannotDraw
from lol_dagster.pictures.icons import icons_of
from lol_dagster.simulator import ddragon
from lol_dagster.simulator.limits import Limit
from lol_dagster.storage.models import Channel
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.world import World
from lol_dagster_tests.pictures.pngs import size_of

PNG = "![The game as a card](data:image/png;base64,"


def test_a_game_is_announced_in_words_and_then_gets_its_card(world: World) -> None:
    world.add_team("Gamers", "Ann")
    with world.app.database.writing() as session:
        session.execute(update(Channel).values(pictures="card"))
    world.finish("NA1_5000000001", participants=[participant("Ann"), participant("Zoe", team=200)])
    world.once()
    (posted,) = world.posted("Gamers")
    assert "attachments" not in posted
    (edited,) = world.edits("Gamers")
    (attached,) = edited["attachments"]
    assert attached["description"].startswith("Ann ")
    # Head, a member, the margin, the bar of both sides.
    assert size_of(world.simulator.discord.board.files[attached["id"]]) == (
        720,
        144 + 108 + 14 + 92,
    )
    assert edited["embeds"][0]["image"] == {"url": "attachment://card.png"}
    assert edited["embeds"][0]["title"] == posted["embeds"][0]["title"]
    (shown,) = {
        each.asset_materialization.metadata["card"].value
        for each in world.instance.fetch_materializations(
            dg.AssetKey("deliveries"), limit=5
        ).records
    }
    small = base64.b64decode(shown.removeprefix(PNG).removesuffix(")"))
    assert size_of(small)[0] == 360, "Dagster has it as a phone shows it"
    world.process("NA1_5000000001")  # which changes nothing
    world.once()
    assert (len(world.posted("Gamers")), len(world.edits("Gamers"))) == (1, 1)


def test_slack_gets_it_once_the_file_is_scanned(world: World) -> None:
    world.add_team("Gamers", "Ann", kind="slack-bot")
    with world.app.database.writing() as session:
        session.execute(update(Channel).values(pictures="card"))
    world.simulator.set_faults("slack.file=lagging(2)")
    world.finish("NA1_5000000001", participants=[participant("Ann"), participant("Zoe", team=200)])
    world.once()
    (posted,) = world.posted("Gamers")
    (edited,) = world.edits("Gamers")
    *blocks, image = edited["blocks"]
    assert [each["type"] for each in blocks] == [each["type"] for each in posted["blocks"]]
    picture = world.simulator.slack.board.files[image["slack_file"]["id"]]
    assert size_of(picture)[0] == 720
    assert image["alt_text"].startswith("Ann ")


def result(number: int, **values: Any) -> DeliveryResult:
    said: dict[str, Any] = {
        "match_ids": (f"NA1_{number}",),
        "channel": "general",
        "kind": "discord-bot",
    }
    return DeliveryResult(**{"message_id": str(number), "outcome": "delivered", **said, **values})


class Broken(Artist):
    """Draws all but one, and counts."""

    def __init__(self) -> None:
        super().__init__(None)
        self.asked = 0

    def draw(self, card: Any, **_: Any) -> bytes:
        self.asked += 1
        if card["title"] == "1":
            raise CannotDraw("no paint")
        return b"png"


def test_a_run_of_many_games_draws_a_few_and_one_that_cannot_be_drawn_costs_nothing() -> None:
    found = tuple(result(number, card={"title": str(number)}) for number in range(1, 31))
    artist = Broken()
    shown = dict(metadata.of_deliveries(DeliveryReport((result(0), *found)), artist))
    assert len(shown) == 31
    assert artist.asked == metadata.MOST_CARDS
    assert [key for key, each in shown.items() if "card" in each] == [
        f"NA1_{number}" for number in range(2, metadata.MOST_CARDS + 1)
    ]
    assert all(
        "card" not in each for _, each in metadata.of_deliveries(DeliveryReport(found), None)
    )


def test_icons_are_in_the_message_from_the_beginning(world: World) -> None:
    world.add_team("Gamers", "Ann")
    world.add_team("Slackers", "Ann", kind="slack-bot")
    with world.app.database.writing() as session:
        session.execute(update(Channel).values(pictures="icons"))
    world.simulator.discord._limit = Limit(1000, 1)
    settings, database = world.app.settings, world.app.database
    upload_icons(database, icons_of(settings), emojis_of(settings, database, world.app.clock.now))
    known = ddragon._NAMES  # by number
    number, name = next(iter(known.items()))
    ann = participant("Ann", championId=number, championName=name)
    world.finish("NA1_5000000001", participants=[ann, participant("Zoe", team=200)])
    world.once()
    (discord,), (slack,) = world.posted("Gamers"), world.posted("Slackers")
    (row,) = [each for each in slack["blocks"] if each["type"] == "context"][:1]
    assert row["elements"][0]["image_url"].endswith(f"/cdn/16.15.1/img/champion/{name}.png")
    assert f"<:lol_{name}:" in discord["embeds"][0]["description"]
    assert (world.edits("Gamers"), world.edits("Slackers")) == ([], [])
