"""A game's card comes to the channel after its text, drawn for real."""

from __future__ import annotations

from sqlalchemy import update

from lol_dagster.storage.models import Channel
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.world import World
from lol_dagster_tests.pictures.pngs import size_of


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
