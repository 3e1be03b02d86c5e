"""`lol-dagster why`"""

from __future__ import annotations

from dataclasses import asdict
from operator import attrgetter

import click

from lol_dagster.cli.context import CommandContext, command_context
from lol_dagster.cli.games import game_json
from lol_dagster.cli.output import (
    as_json_option,
    print_either,
    print_fields,
    print_section,
    print_table,
    shown,
)
from lol_dagster.cli.run_requests import in_words, progress_json
from lol_dagster.explain.game import GameStory, Member, explain_game
from lol_dagster.explain.player import PlayerStory, explain_player, find_player
from lol_dagster.riot.routing import InvalidMatchId, validate_match_id


@click.command()
@click.argument("match_id_or_riot_id", metavar="MATCH_ID|RIOT_ID")
@click.option(
    "--last",
    type=click.IntRange(1, 200),
    default=10,
    show_default=True,
    help="How many of a player's games.",
)
@as_json_option
def why(match_id_or_riot_id: str, last: int, as_json: bool) -> None:
    """Say why a game was announced or not, or what happened to a player's last games.

    A player is named by a Riot ID 'Name#TAG' of theirs, or by their name here.
    """
    with command_context() as app:
        try:
            match_id = validate_match_id(match_id_or_riot_id.strip().upper())
        except InvalidMatchId:
            _player(app, match_id_or_riot_id, last, as_json)
        else:
            _game(app, match_id, as_json)


def _game(app: CommandContext, match_id: str, as_json: bool) -> None:
    with app.database.reading() as session:
        story = explain_game(session, match_id, stale_after=app.settings.stale_after, now=app.now)
        value = {
            **game_json(story.rows),
            "answer": story.answer,
            "timeline": story.rows.timeline_in_words,
            "request": story.request and progress_json(story.request),
            "channels": [{**asdict(each), "words": each.words} for each in story.channels],
        }
        print_either(value, as_json, lambda: _print_game(story))


def _print_game(story: GameStory) -> None:
    payload, request = story.rows.payload, story.request
    fields: list[tuple[str, object]] = [("game", story.match_id), ("answer", story.answer)]
    if payload is not None:
        fields.append(("payload", f"{payload.size} bytes, sha256 {payload.sha256}"))
    if story.rows.timeline_in_words is not None:
        fields.append(("timeline", story.rows.timeline_in_words))
    if request is not None:
        fields.append(("last request", in_words(request)))
    print_fields(fields)
    stages = map(attrgetter("name", "state", "at", "detail"), story.stages)
    print_section(("STAGE", "STATE", "AT", ""), stages)
    print_section(
        ("TEAM", "CHANNEL", "RULE", "WHO TOOK PART", "WHAT HAPPENED"),
        [
            (each.team, each.channel, each.rule, _members(each.members), each.words)
            for each in story.channels
        ],
    )
    for each in story.channels:
        if each.message is not None and each.message.command is not None:
            click.echo(f"\nTo decide about {shown(each.channel)}: {each.message.command}")
    failed = attrgetter("quarantined_at", "stage", "tries", "closed_at", "closed_as", "error")
    print_section(
        ("QUARANTINED", "STAGE", "TRIES", "CLOSED", "AS", "ERROR"),
        map(failed, story.rows.quarantines),
    )


def _members(members: tuple[Member, ...]) -> list[str]:
    """`Ann (member since 2024-01-01)`, `Bob (not then: 2024-01-01 to 2025-06-01)`."""
    found = []
    for each in members:
        until = f" to {each.until:%F}" if each.until else ""
        word = "not then:" if not each.counts else "member" if until else "member since"
        word = f"left out, {word}" if each.left_out else word
        found.append(f"{each.player} ({word} {each.since:%F}{until})")
    return found


def _player(app: CommandContext, text: str, last: int, as_json: bool) -> None:
    with app.database.reading() as session:
        player, stale_after = find_player(session, text), app.settings.stale_after
        story = explain_player(session, player, last=last, stale_after=stale_after, now=app.now)
    print_either(asdict(story), as_json, lambda: _print_player(story))


def _print_player(story: PlayerStory) -> None:
    fields = [("player", story.player)]
    for membership in story.memberships:
        until = f" to {membership.until:%F}" if membership.until else ""
        fields.append(("team", f"{membership.team}, since {membership.since:%F}{until}"))
    fields += [
        ("account", f"{each.riot_id} on {each.platform}: {each.words}") for each in story.accounts
    ]
    print_fields(fields)
    click.echo()
    if story.answer:
        click.echo(shown(f"{story.answer[0].upper()}{story.answer[1:]}."))
    if story.games:
        print_table(
            ("GAME", "ENDED", "STATE", "WHAT HAPPENED"),
            map(attrgetter("match_id", "at", "state", "answer"), story.games),
            empty="",
        )
