"""`lol-dagster doctor`"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from lol_dagster.cli.context import CommandContext, command_context
from lol_dagster.cli.output import as_json_option, print_json, print_table, shown
from lol_dagster.delivery.champion_icons import missing_icons
from lol_dagster.delivery.probe import ProbeReport, probe_channel
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.monitoring.alert_channel import find_alert_channel
from lol_dagster.pictures.fonts import lacking_packages
from lol_dagster.pictures.icons import NoIconError, icons_of
from lol_dagster.riot.client import riot_client
from lol_dagster.riot.errors import KeyRejected, NotFound, RiotError
from lol_dagster.roster.channels import channels, get_channel
from lol_dagster.settings import Settings
from lol_dagster.storage.database import Database
from lol_dagster.storage.integrity import undurable

_WORDS = {"ok": "ok", "cannot": "–", "missing": "MISSING", "unknown": "UNKNOWN", "skipped": "–"}
_MOST_NAMED = 5
_NOBODY = ("lol-dagster doctor", "0")
"""A Riot ID that nobody has: only whether Riot answers counts."""


@dataclass(frozen=True)
class SetupCheck:
    """One thing that every stage needs, and whether it is there."""

    name: str
    ok: bool
    said: str
    """What was found, and what to put right."""


@click.command()
@click.argument("names", nargs=-1, metavar="[CHANNEL]…")
@as_json_option
@click.pass_context
def doctor(context: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """Try out what is set up: each channel with a test message, or those named.

    The test message is posted, found, edited, read back and deleted; people in the channel can see
    it. Without names the database and Riot's key are tried as well.

    Exits with 0 if everything can do what it promises, with 1 if something is missing.
    """
    with command_context() as app:
        wanted = _wanted(app, names)
        setup = [] if names else list(_setup(app.settings, app.database))
        if not as_json:
            _print_setup(setup)
        transports = all_transports(app.settings)
        reports = []
        for channel_id in wanted:
            report = probe_channel(app.database, transports, channel_id, now=datetime.now(UTC))
            reports.append(report)
            if not as_json:
                _print(report)
    ok = all(check.ok for check in setup) and all(report.ok for report in reports)
    if as_json:
        print_json(
            {
                "ok": ok,
                "setup": [asdict(check) for check in setup],
                "channels": [
                    {**asdict(each), "ok": each.ok, "left_behind": each.left_behind}
                    for each in reports
                ],
            }
        )
    elif not reports:
        click.echo("There is no channel yet: add one with 'lol-dagster channel add'.")
    context.exit(0 if ok else 1)


def _setup(settings: Settings, database: Database) -> Iterator[SetupCheck]:
    wrong = undurable(database)
    where = database.url.render_as_string(hide_password=True)
    said = f"{where}: {wrong}" if wrong else f"{where}, and what is committed survives a power cut"
    yield SetupCheck("database", wrong is None, said)
    yield from _modes(settings)
    yield SetupCheck("Riot key", *_riot_key(settings, database))
    yield from _pictures(settings, database)
    if settings.alert_channel is not None:
        with database.reading() as session:
            _, wrong = find_alert_channel(session, settings)
        yield SetupCheck("alert channel", wrong is None, wrong or settings.alert_channel)


def _pictures(settings: Settings, database: Database) -> Iterator[SetupCheck]:
    """Whether there are the fonts for cards, and an icon of every champion, where channels want them."""
    with database.reading() as session:
        found = [(each.pictures, each.kind) for each in channels(session)]
    if any(pictures == "card" for pictures, _ in found):
        yield _fonts(settings.card_fonts)
    if kinds := {kind for pictures, kind in found if pictures == "icons"}:
        yield from _icons(settings, database, kinds)


def _fonts(folder: Path | None) -> SetupCheck:
    lacking = lacking_packages(folder)
    if not lacking:
        return SetupCheck("card fonts", ok=True, said="most of the world's scripts can be drawn")
    where = "Debian has" if folder is None else f"{folder} has none; Debian has"
    lines = ", ".join(f"{characters} in {package}" for package, characters in lacking.items())
    said = f"no letters such as these, for which (?) stands on cards; {where} {lines}"
    return SetupCheck("card fonts", ok=True, said=said)


def _icons(settings: Settings, database: Database, kinds: set[str]) -> Iterator[SetupCheck]:
    """Whether every champion has the icon that channels want, for each kind of them."""
    try:
        newest = icons_of(settings).newest()
    except NoIconError as error:
        yield SetupCheck("champion icons", ok=False, said=f"which there are is not known: {error}")
        return
    transports = all_transports(settings)
    with database.reading() as session:
        for kind in sorted(kinds):
            missing = missing_icons(session, transports[kind], newest)
            some = ", ".join(missing[:_MOST_NAMED]) + (", …" if missing[_MOST_NAMED:] else "")
            said = (
                f"{kind}: {len(missing)} champions have none yet ({some}); 'lol-dagster icons upload' "
                "makes them known"
                if missing
                else f"{kind}: every champion has one"
            )
            yield SetupCheck("champion icons", not missing, said)


def _modes(settings: Settings) -> Iterator[SetupCheck]:
    """Whether other users of this machine are kept from what they are not to read."""
    for name, path, cure in (
        ("home", settings.home, f"chmod -R go= {settings.home}"),
        ("settings file", Path(".env").absolute(), "chmod 600 .env"),
    ):
        if path.exists():
            mode = path.stat().st_mode & 0o777
            ok = not mode & 0o077
            found = (
                f"{path} is its owner's alone"
                if ok
                else f"{path} is open to others (mode {mode:o})"
            )
            yield SetupCheck(name, ok, found if ok else f"{found}: {cure!r} closes it")


def _riot_key(settings: Settings, database: Database) -> tuple[bool, str]:
    """Whether Riot takes it, and what was found."""
    if settings.riot_api_key is None:
        return False, "LOL_RIOT_API_KEY is not set: get a key at https://developer.riotgames.com"
    try:
        riot_client(settings, database).account_by_riot_id(*_NOBODY, "na1")
    except NotFound:
        pass  # so the key was taken
    except KeyRejected as error:
        return False, str(error)
    except RiotError as error:
        return False, f"Riot could not be asked: {error}"
    return True, "Riot takes it"


def _wanted(app: CommandContext, names: Sequence[str]) -> list[int]:
    """The channels' ids, each once; every name has to be one before anything is posted."""
    with app.database.reading() as session:
        if names:
            return list(dict.fromkeys(get_channel(session, name).id for name in names))
        return [channel.id for channel in channels(session)]


def _print_setup(setup: Sequence[SetupCheck]) -> None:
    for check in setup:
        click.echo(f"{check.name}: {'ok' if check.ok else 'MISSING'}, {shown(check.said)}")
    if setup:
        click.echo()


def _print(report: ProbeReport) -> None:
    click.echo(f"{shown(report.channel)} ({report.kind})")
    print_table(
        ("  TRIED", "RESULT", ""),
        ((f"  {each.step}", _WORDS[each.result], each.said) for each in report.findings),
        empty="",
    )
    click.echo(f"  {report.promise}")
    if report.left_behind:
        click.echo("  The test message stays in the channel: delete it by hand if it disturbs.")
    click.echo()
