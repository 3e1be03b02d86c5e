"""`lol-dagster icons …`"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from lol_dagster.cli.context import command_context
from lol_dagster.cli.output import as_json_option, print_either, shown
from lol_dagster.delivery.champion_icons import UploadReport, emojis_of, upload_icons
from lol_dagster.errors import UserError
from lol_dagster.pictures.icons import NoIconError, icons_of


@click.group()
def icons() -> None:
    """The champions' icons in messages."""


@icons.command()
@as_json_option
@click.pass_context
def upload(context: click.Context, as_json: bool) -> None:
    """Make the icons known that '--pictures icons' shows.

    Discord shows emojis of the bot's application: those that it lacks are uploaded to it. Slack loads them
    from Data Dragon itself. Run it again when there is a new champion, or after it was ended: what is there is not
    uploaded again. Messages that are posted already stay as they are.

    Exits with 1 if an icon could not be had or uploaded.
    """
    with command_context() as app, ExitStack() as bar:
        emojis = emojis_of(app.settings, app.database, lambda: datetime.now(UTC))
        shown_to: list[Any] = []

        def begun(champions: int) -> None:
            if not as_json:
                made = click.progressbar(length=champions, label="champions")
                shown_to.append(bar.enter_context(made))

        def step() -> None:
            for each in shown_to:
                each.update(1)

        try:
            report = upload_icons(
                app.database, icons_of(app.settings), emojis, begun=begun, step=step
            )
        except NoIconError as error:
            raise UserError(f"the champions' icons are not to be had: {error}") from None
    print_either(asdict(report), as_json, lambda: _print(report, has_bot=emojis is not None))
    context.exit(1 if report.failed else 0)


def _print(report: UploadReport, *, has_bot: bool) -> None:
    done = (
        f"{report.uploaded} icons uploaded to Discord, {report.were_there} were there"
        if has_bot
        else "their icons are known for Slack alone, as LOL_DISCORD_BOT_TOKEN is not set"
    )
    click.echo(f"{report.champions} champions: {done}, {len(report.failed)} failed.")
    for champion, why in report.failed.items():
        click.echo(f"  {champion}: {shown(why)}")
