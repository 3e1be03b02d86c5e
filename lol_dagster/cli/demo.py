"""`lol-dagster demo`: all of it running in the simulated world, with nothing to set up.

The demo has a home of its own inside LOL_HOME, made anew each time; it never touches other data.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from lol_dagster.cli.interrupts import answering_ctrl_c
from lol_dagster.cli.services import (
    ENDING_ALL,
    app_and_cycles,
    refuse_taken_port,
    run_services,
    web_view_service,
)
from lol_dagster.errors import UserError
from lol_dagster.settings import Settings, ensure_home, load_settings

_MARK = ".made-by-the-demo"
_SEED = "1"
_FAULTS = "riot.match=malformed*1; riot.league=lagging(90):0.5; discord.post=refuse(50035)*1"
"""So that quarantine, review and an LP that comes late can be seen: one game that Riot breaks, one message
whose text Discord refuses, ranks that lag behind the games."""
_ANNOUNCED_SINCE = timedelta(hours=3)
"""So that there is something to see at once."""
# Two teams that share a player, one on Discord and one on Slack.
_TEAMS = {
    "Baron Enjoyers": ("discord-bot", "420420420420420420", slice(0, 7)),
    "Night Shift": ("slack-bot", "C0NIGHTSHIFT", slice(6, 12)),
}


@click.command()
@click.option("--ui-port", default=3000, show_default=True, help="Where Dagster's UI answers.")
@click.option(
    "--world-port", default=3010, show_default=True, help="Where the simulated world answers."
)
@click.option("--admin-port", default=3001, show_default=True, help="Where the web view answers.")
@click.option(
    "--pace", default=20.0, show_default=True, help="Seconds between two games that finish."
)
def demo(ui_port: int, world_port: int, admin_port: int, pace: float) -> None:
    """See it work: no key, no account, no server. Ends with Ctrl-C."""
    from lol_dagster.services.home_lock import only_demo_in
    from lol_dagster.services.supervisor import Service, Supervisor, wait_until_answering
    from lol_dagster.simulator.main import environment

    real_home = ensure_home(load_settings())
    with only_demo_in(real_home):
        ports = {"--ui-port": ui_port, "--world-port": world_port, "--admin-port": admin_port}
        for option, port in ports.items():
            refuse_taken_port(port, option)
        home = _fresh_home(real_home)
        # The real settings are left behind: the environment's, and the `.env` of the working directory.
        left_behind = [name for name in os.environ if name.startswith("LOL_")]
        for name in left_behind:
            del os.environ[name]
        os.chdir(home)
        variables = {
            **environment(world_port), "LOL_HOME": str(home), "LOL_ADMIN_PORT": str(admin_port)
        }  # fmt: skip
        os.environ.update(variables)
        # For the commands that are given to the demo.
        (home / ".env").write_text(
            "".join(f"{name}='{value}'\n" for name, value in variables.items())
        )
        settings = load_settings()
        web_view = web_view_service(settings, demo=True)
        world = Supervisor(
            [
                Service(
                    "simulator",
                    [sys.executable, "-m", "lol_dagster.simulator", "--port", str(world_port),
                     "--seed", _SEED, "--pace", str(pace), "--faults", _FAULTS],
                )
            ],
            log_dir=settings.logs_dir,
            say=click.echo,
        )  # fmt: skip
        with answering_ctrl_c(ENDING_ALL):
            world.start()
            try:
                wait_until_answering(f"http://127.0.0.1:{world_port}/people", timeout=30)
                _seed(settings)
                click.echo(f"The simulated Discord and Slack: http://127.0.0.1:{world_port}")
                # A first cycle, so that there is something to see before the schedule's first minute.
                app, cycles = app_and_cycles(
                    settings, show=lambda doing, _: click.echo(f"  {doing} …")
                )
                cycles.cycle()
                app.database.dispose()
                click.echo(
                    f"Any command can be given to it, such as: {_status_of(home, left_behind)}"
                )
                run_services(settings, ui_port=ui_port, web_view=web_view)
            finally:
                world.stop()


def _status_of(home: Path, left_behind: list[str]) -> str:
    """A line for a shell: `status` of the demo, with the settings in its home's `.env` alone."""
    without = ["env", *(f"--unset={name}" for name in left_behind)] if left_behind else []
    program = Path(sys.executable).with_name("lol-dagster")
    return f"cd {shlex.quote(str(home))} && {shlex.join([*without, str(program), 'status'])}"


def _fresh_home(real_home: Path) -> Path:
    home = real_home / "demo"
    if home.exists():
        if not (home / _MARK).exists():
            raise UserError(
                f"{home} was not made by the demo: move it away, or set another LOL_HOME"
            )
        shutil.rmtree(home)
    home.mkdir()
    (home / _MARK).touch()
    return home


def _seed(settings: Settings) -> None:
    """Track the simulated world's friends, asking the simulated Riot for each."""
    from lol_dagster.delivery.transports.registry import all_transports
    from lol_dagster.riot.client import riot_client
    from lol_dagster.roster.channels import ChannelRules, add_channel
    from lol_dagster.roster.names import RiotId
    from lol_dagster.roster.players import add_player
    from lol_dagster.roster.riot_lookup import ask_riot
    from lol_dagster.roster.teams import add_team
    from lol_dagster.simulator.people import FRIENDS
    from lol_dagster.storage.schema import open_database

    database = open_database(settings)
    riot = riot_client(settings, database)
    known = {
        friend: ask_riot(riot, RiotId(friend.game_name, friend.tag_line), friend.platform)
        for friend in FRIENDS
    }
    transports = all_transports(settings)
    now = datetime.now(UTC)
    seen = set()
    with database.writing(who="demo") as session:
        for team, (kind, address, members) in _TEAMS.items():
            add_team(session, team, now=now)
            add_channel(
                session, team, team=team, kind=kind, address=address, transports=transports,
                rules=ChannelRules(story=True), uncertain="review", now=now,
            )  # fmt: skip
            for friend in FRIENDS[members]:
                add_player(
                    session,
                    friend.game_name,
                    team=team,
                    account=None if friend in seen else known[friend],
                    since=now - _ANNOUNCED_SINCE,
                    now=now,
                )
                seen.add(friend)
    database.dispose()
