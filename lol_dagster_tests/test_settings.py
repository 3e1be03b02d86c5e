"""Settings: what is read, and what is said when it is wrong."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lol_dagster.settings import (
    Settings,
    SettingsError,
    ensure_dagster_home,
    ensure_home,
    load_settings,
    parse_duration,
    unknown_variables,
)
from lol_dagster_tests._support.commands import run


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1_800),
        ("12h", 43_200),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("1d12h", 129_600),
        (" 1h 30m ", 5_400),
        ("0.5H", 1_800),
        ("0s", 0),
    ],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "12", "h", "12x", "-1h", "1h-", "12:00", "１h2", "9" * 20 + "w"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="should be a duration such as 90s"):
        parse_duration(text)


@given(st.text(max_size=30))
def test_no_text_makes_the_duration_parser_stumble(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse_duration(text) >= timedelta(0)


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    [
        ("LOL_ADMIN_PORT", "s3cret", "integer"),
        ("LOL_ADMIN_PORT", "70000", "65535"),
        ("LOL_STALE_AFTER", "s3cret", "12h"),
        ("LOL_SLOW_QUERY_MS", "-1", "should be milliseconds such as 100"),
        ("LOL_SLOW_QUERY_MS", "nan", "or off"),
        ("LOL_RIOT_URL", "s3cret", "https://"),
        ("LOL_DISCORD_URL", "ftp://s3cret", "https://"),
        ("LOL_PING_URL", "s3cret", "https://"),
    ],
)
def test_an_error_names_the_setting_and_its_form_but_never_its_value(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, hint: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith(f"{variable} ")
    assert hint in message
    assert value not in message
    assert "\n" not in message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__, "pydantic's own error would be shown below it"


def test_all_wrong_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOL_ADMIN_PORT", "x")
    monkeypatch.setenv("LOL_STALE_AFTER", "x")
    with pytest.raises(SettingsError, match=r"LOL_STALE_AFTER .*; LOL_ADMIN_PORT "):
        load_settings()


def test_the_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("LOL_ADMIN_PORT=4001\nLOL_ALERT_CHANNEL=from-file\n")
    monkeypatch.setenv("LOL_ADMIN_PORT", "5001")
    settings = load_settings()
    assert settings.admin_port == 5001
    assert settings.alert_channel == "from-file"


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOL_RIOT_API_KEY", "")
    monkeypatch.setenv("LOL_ADMIN_PORT", "")
    assert load_settings().riot_api_key is None
    assert load_settings().admin_port == 3001


def test_no_secret_shows_in_any_print_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "LOL_RIOT_API_KEY": "RGAPI-s3cret-1",
        "LOL_DISCORD_BOT_TOKEN": "s3cret-2",
        "LOL_SLACK_BOT_TOKEN": "s3cret-3",
        "LOL_ADMIN_PASSWORD_HASH": "s3cret-4",
        "LOL_SECRET_KEY": "s3cret-5" * 4,
        "LOL_PING_URL": "https://ping.example/s3cret-6",
        "LOL_DATABASE_URL": "postgresql://lol:s3cret-7@db/lol",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert "s3cret" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_a_missing_key_says_where_to_get_one(settings: Settings) -> None:
    with pytest.raises(SettingsError, match=r"LOL_RIOT_API_KEY is not set: .*developer.riotgames"):
        settings.require_riot_api_key()


def test_a_relative_home_does_not_follow_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LOL_HOME", "here")
    settings = load_settings()
    assert settings.home == Path.cwd() / "here"


def test_the_database_is_a_file_below_home_unless_said_otherwise(settings: Settings) -> None:
    assert settings.effective_database_url == f"sqlite:///{settings.home}/lol.sqlite3"


def test_a_home_that_cannot_be_written_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Below a file, as root may write into any folder, whatever its mode.
    (tmp_path / "file").touch()
    monkeypatch.setenv("LOL_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(SettingsError, match=r"LOL_HOME .*/file/home cannot be written .*: set LOL"):
        ensure_home(load_settings())


def test_dagsters_folder_that_cannot_be_written_is_named_with_the_cure(settings: Settings) -> None:
    """As where a container's runtime has made it, which is root, for a file to be mounted into it."""
    ensure_home(settings)
    settings.dagster_home.touch()  # a file, as root may write into any folder
    with pytest.raises(SettingsError, match=r"/dagster cannot be written .*: give it to .*chown"):
        ensure_dagster_home(settings)


def test_proving_that_home_can_be_written_leaves_nothing_behind(settings: Settings) -> None:
    assert list(ensure_home(settings).iterdir()) == []


@pytest.mark.parametrize("sign", ["?", "%", "%41"])
def test_a_home_that_dagster_would_put_elsewhere_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sign: str
) -> None:
    """Dagster's `sqlite:///` and the path are one text: its databases would stand at another place."""
    monkeypatch.setenv("LOL_HOME", str(tmp_path / f"a{sign}b"))
    with pytest.raises(SettingsError, match=r"^LOL_HOME should be a path without \? and % in it$"):
        load_settings()


def test_a_misspelt_setting_is_named_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOL_DISCORD_TOKEN", "s3cret")
    monkeypatch.setenv("LOL_XYZZY", "s3cret")
    monkeypatch.setenv("LOL_ADMIN_HOST", "lol.example.org")  # deploy's
    Path(".env").write_text("LOL_RIOT_APIKEY=s3cret\nLOL_ADMIN_PORT=3001\n")
    assert unknown_variables() == {
        "LOL_DISCORD_TOKEN": "LOL_DISCORD_BOT_TOKEN",
        "LOL_RIOT_APIKEY": "LOL_RIOT_API_KEY",
        "LOL_XYZZY": None,
    }
    result = run("team", "list")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "lol-dagster: LOL_DISCORD_TOKEN is no setting: did you mean LOL_DISCORD_BOT_TOKEN?",
        "lol-dagster: LOL_RIOT_APIKEY is no setting: did you mean LOL_RIOT_API_KEY?",
        "lol-dagster: LOL_XYZZY is no setting",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("LOL_RIOT_API_KEY=RGAPI-x\n".encode("utf-16"), "is in UTF-16 or no text"),
        (b"LOL_RIOT_API_KEY=RGAPI-x\n# caf\xe9\n", "line 2 of "),
    ],
)
def test_an_env_file_that_is_not_in_utf_8_is_named_with_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_bytes(content)
    with pytest.raises(SettingsError, match=r"save .* as UTF-8") as caught:
        load_settings()
    assert said in str(caught.value)
    assert str(tmp_path / ".env") in str(caught.value)
    assert "RGAPI" not in str(caught.value)
    # As a command says it, which looks for misspelt settings before.
    result = run("team", "list")
    assert (result.exit_code, result.stderr) == (2, f"lol-dagster: {caught.value}\n")


def test_a_byte_order_mark_hides_no_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_bytes(b"\xef\xbb\xbfLOL_ADMIN_PORT=4001\n")
    assert load_settings().admin_port == 4001
    assert unknown_variables() == {}


def test_a_key_may_end_with_the_lines_end_and_have_none_inside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOL_RIOT_API_KEY", " RGAPI-x\r\n")
    assert load_settings().require_riot_api_key().get_secret_value() == "RGAPI-x"
    monkeypatch.setenv("LOL_RIOT_API_KEY", "RGAPI\n-x")
    with pytest.raises(SettingsError, match="LOL_RIOT_API_KEY has a line break") as caught:
        load_settings()
    assert "-x" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('# ours\n\nLOL_RIOT_API_KEY="RGAPI\n-s3cret"\n', "LOL_RIOT_API_KEY (line 3 of {file}) has a line"),
        ("LOL_ADMIN_PORT=4001\nLOL_STALE_AFTER=s3cret\n", "LOL_STALE_AFTER (line 2 of {file}) should be"),
        ("LOL_RIOT_API_KEY=RGAPI\n-s3cret\nLOL_ADMIN_PORT=4001\n", "line 2 of {file} is no setting"),
        ("LOL_RIOT_API_KEY=RGAPI\n\ns3cret\n", "is LOL_RIOT_API_KEY, above it, broken"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_env_file_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(content)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert said.format(file=tmp_path / ".env") in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_what_other_programs_read_of_the_env_file_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text("OTHER=1\nPASSED_ON\n\n# comment\nLOL_ADMIN_PORT=4001\n# the end\n")
    assert load_settings().admin_port == 4001


def test_what_a_terminals_encoding_lacks_ends_no_command(tmp_path: Path) -> None:
    """A name in Korean, on a terminal in Latin-1."""
    environment = {**os.environ, "LOL_HOME": str(tmp_path), "PYTHONIOENCODING": "latin-1"}
    program = Path(sys.executable).with_name("lol-dagster")
    for arguments, said in (
        (["team", "add", "페이커"], b"Added the team '???'.\n"),
        (["status"], b""),
    ):
        done = subprocess.run(
            [program, *arguments], capture_output=True, env=environment, check=False
        )
        assert b"Traceback" not in done.stderr
        assert said in done.stdout
