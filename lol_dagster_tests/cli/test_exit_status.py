"""How commands are found and how they end: exit status, one line, quick start."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from lol_dagster.cli import cli
from lol_dagster.cli.lazy import LazyGroup
from lol_dagster.settings import Settings
from lol_dagster.simulator.main import environment
from lol_dagster.storage import database as database_module
from lol_dagster.storage.database import Database

LOL_DAGSTER = Path(sys.executable).with_name("lol-dagster")


def ending(name: str) -> Result:
    """How a program ends whose only command is one of failing_commands.py."""
    group = LazyGroup(package=__package__, commands_at={name: (f"failing_commands:{name}", "")})
    return CliRunner().invoke(group, [name])


def test_a_command_that_did_its_work_ends_with_0() -> None:
    result = ending("well")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "done\n", "")


def test_what_a_person_can_put_right_is_one_line_and_status_2() -> None:
    result = ending("wrong")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == "lol-dagster: the name is taken: choose another\n"


def test_a_failure_of_riots_is_one_line_and_status_1() -> None:
    result = ending("riot_failure")
    assert result.exit_code == 1
    assert result.stderr == "lol-dagster: match-v5.match on europe answered 503: no answer\n"


def test_a_refused_key_is_for_a_person_to_put_right() -> None:
    assert ending("refused_key").exit_code == 2


@pytest.mark.sqlite
def test_a_database_that_is_held_is_one_line_with_its_name_and_status_1(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 50)
    file = database.url.database or ""
    writer = sqlite3.connect(file, isolation_level=None)
    try:
        writer.execute("BEGIN IMMEDIATE")
        listed = CliRunner().invoke(cli, ["team", "list"])
        result = CliRunner().invoke(cli, ["team", "add", "Gamers"])
    finally:
        writer.close()
    # A reader waits for no writer.
    assert (listed.exit_code, listed.stderr) == (0, "")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"lol-dagster: the database sqlite:///{file} cannot be used just now: database is locked\n"
    )


def test_another_database_that_fails_is_dagsters_and_its_sql_is_not_shown() -> None:
    result = ending("held_database")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "lol-dagster: a database of Dagster's cannot be used just now: database is locked\n"
    )


def test_a_full_disk_is_one_line_and_status_1() -> None:
    result = ending("full_disk")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "lol-dagster: there is no space left on the disk: "
        "[Errno 28] No space left on device: 'backup.tmp'\n"
    )


def test_ctrl_c_is_quiet_and_130() -> None:
    result = ending("interrupted")
    # 128 + SIGINT, as shells count.
    assert (result.exit_code, result.output.strip()) == (130, "")


def test_a_bug_keeps_its_traceback() -> None:
    assert isinstance(ending("bug").exception, ZeroDivisionError)


def test_a_command_that_is_not_there_is_a_usage_error() -> None:
    result = CliRunner().invoke(cli, ["tema", "list"])
    assert result.exit_code == 2
    assert "No such command 'tema'" in result.stderr


def test_help_lists_every_command_and_each_can_be_loaded() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    words = {line.split()[0] for line in result.stdout.partition("Commands:")[2].splitlines()[1:]}
    assert words >= {"up", "once", "demo", "status", "team", "player", "account", "channel"}
    assert words >= {"game", "message", "simulate", "db"}


def test_the_version_is_the_packages() -> None:
    result = CliRunner().invoke(cli, ["--version"], prog_name="lol-dagster")
    assert result.stdout == f"lol-dagster {version('lol-dagster')}\n"


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOL_STALE_AFTER", "soon")
    result = CliRunner().invoke(cli, ["status"])
    assert result.exit_code == 2
    assert result.stderr.startswith("lol-dagster: LOL_STALE_AFTER should be a duration")


def test_a_home_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LOL_HOME", str(tmp_path / "file" / "home"))
    result = CliRunner().invoke(cli, ["message", "list"])
    assert result.exit_code == 2
    assert "set LOL_HOME to a folder that you can write to" in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_installed_script_passes_the_exit_statuses_on() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [LOL_DAGSTER, *arguments], capture_output=True, text=True, timeout=120, check=False
        )

    unhealthy = run("status")
    assert (unhealthy.returncode, unhealthy.stderr) == (1, "")
    assert unhealthy.stdout.startswith("! There is no team yet")
    malformed = run("game", "show", "five")
    assert (malformed.returncode, malformed.stdout) == (2, "")
    assert malformed.stderr == (
        "lol-dagster: 'FIVE' is no match id: it should look like NA1_5012345678\n"
    )


def _loads(script: str, *slow: str) -> None:
    """Fails where one of these libraries is loaded after the script has run in a process of its own."""
    script += f"\nimport sys\nslow = set({slow}) & sys.modules.keys()\nassert not slow, slow"
    result = _run(script)
    assert (result.returncode, result.stderr) == (0, "")


def _run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.sqlite
def test_quick_commands_load_no_slow_library(migrated_home: Settings) -> None:
    """The time that these take to load is most of what a quick command takes."""
    script = """
from lol_dagster.cli import cli
for arguments in (["team", "list"], ["channel", "list"], ["message", "list"], ["db", "check"],
                  ["status"]):
    cli.main(arguments, standalone_mode=False)
"""
    _loads(script, "dagster", "pandas", "flask", "alembic", "structlog", "cryptography", "psycopg2")
    for command, *libraries in (
        ("team list", "requests"),
        ("status", "requests", "jinja2", "babel"),
    ):
        script = f"from lol_dagster.cli import cli\ncli({command.split()}, standalone_mode=False)"
        _loads(script, *libraries)


@pytest.mark.sqlite
def test_a_short_command_does_not_look_through_its_modules_for_garbage(
    migrated_home: Settings,
) -> None:
    """But a long one would find what it has made itself."""
    script = """
import gc
import sys
from lol_dagster.cli import main
before = gc.get_stats()
sys.argv = ["lol-dagster", "status"]
try:
    main()
finally:
    assert gc.get_stats() == before
    assert gc.isenabled()
    assert gc.get_freeze_count()
"""
    result = _run(script)
    assert (result.returncode, result.stderr) == (1, "")  # not all is well in an empty home


def test_the_list_of_commands_loads_none_of_them() -> None:
    script = """
import contextlib
import sys
from lol_dagster.cli import main
sys.argv = ["lol-dagster", "--help"]
with contextlib.suppress(SystemExit):
    main()
"""
    _loads(script, "sqlalchemy", "pydantic", "structlog", "lol_dagster.cli.services")


@pytest.mark.parametrize("name", cli.list_commands(click.Context(cli)))
def test_the_list_of_commands_says_what_each_says_of_itself(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    listed = " ".join(CliRunner().invoke(cli, ["--help"]).stdout.split())
    first_sentence = command.get_short_help_str(limit=200)
    assert f" {name} {first_sentence} " in f"{listed} "


def test_the_simulated_world_prints_its_settings_and_ends_at_ctrl_c(tmp_path: Path) -> None:
    with subprocess.Popen(
        [LOL_DAGSTER, "simulate", "--port", "0", "--truth", str(tmp_path / "truth.jsonl")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            printed = [process.stdout.readline().strip() for _ in range(10)]
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()
    settings = dict(line.split("=", 1) for line in printed if line.startswith("LOL_"))
    port = int(settings["LOL_SLACK_URL"].split(":")[2].partition("/")[0])
    assert settings == environment(port)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--faults", "riot=nonsense"], "fault kind 'nonsense' should be one of"),
        (["--riot-limits", "20"], "rate limit '20' should be CALLS:SECONDS"),
        (["--games", "/nowhere/at/all"], "/nowhere/at/all holds no match-v5 payload"),
        (["--pace", "0"], "pace 0 should be a number of seconds greater than 0"),
        (["--truth", "/nowhere/at/all"], "/nowhere/at/all"),
    ],
)
def test_a_wrong_option_of_the_simulator_is_one_line_and_status_2(
    arguments: list[str], says: str
) -> None:
    result = CliRunner().invoke(cli, ["simulate", "--port", "0", *arguments])
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
