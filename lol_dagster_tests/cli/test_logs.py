"""`lol-dagster logs` as it is typed, and what a real cycle leaves in the log."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from lol_dagster.cli import cli
from lol_dagster.cli.since import instant as instant_of
from lol_dagster.logs.reading import LogFilter, read_log
from lol_dagster.settings import Settings, load_settings
from lol_dagster.simulator.main import Simulator
from lol_dagster.storage.schema import open_database
from lol_dagster_tests._support.commands import refused, run, said
from lol_dagster_tests._support.log_lines import write
from lol_dagster_tests._support.payloads import match_payload, participant, puuid_of
from lol_dagster_tests._support.roster_rows import make_channel, make_member, make_team
from lol_dagster_tests._support.simulated_world import simulator

__all__ = ["simulator"]

LOL_DAGSTER = Path(sys.executable).with_name("lol-dagster")
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def test_the_last_lines_are_shown_and_older_ones_with_since(settings: Settings) -> None:
    for number in range(5):
        write(
            settings.logs_dir, NOON + timedelta(minutes=number), f"line {number}", match_id="NA1_1"
        )
    shown = said("logs", "-n", "2").splitlines()
    assert [line[:19] for line in shown] == ["2026-11-25 12:03:00", "2026-11-25 12:04:00"]
    assert "line 4" in shown[1]
    assert "match_id=NA1_1" in shown[1]
    assert said("logs", "--since", "2026-11-25T12:02").count("\n") == 3
    assert said("logs", "--game", "NA1_2") == ""


def test_on_several_hosts_it_says_what_it_cannot_see(settings: Settings) -> None:
    """Beside the lines, which programs read."""
    write(settings.logs_dir, NOON, "kept")
    assert run("logs", "--json").stderr == ""
    settings.dagster_home.mkdir()
    deploy = Path(__file__).parents[2] / "deploy"
    for variant, elsewhere in (
        (deploy / "postgresql/dagster.yaml", False),
        (deploy / "celery/dagster.yaml", True),
        (deploy / "kubernetes/lol-dagster.yaml", True),  # which has it within
    ):
        (settings.dagster_home / "dagster.yaml").write_text(variant.read_text())
        result = run("logs", "--json")
        assert result.stdout.count("\n") == 1
        assert ("Runs work on other hosts, too" in result.stderr) is elsewhere


def test_json_lines_are_printed_as_they_stand(settings: Settings) -> None:
    write(settings.logs_dir, NOON, "kept")
    (file,) = settings.logs_dir.iterdir()
    assert said("logs", "--json", "--level", "info") == file.read_text()


def test_nothing_that_a_terminal_would_obey_is_printed(settings: Settings) -> None:
    evil = "\x1b]0;owned\x07 \u202e \n\x9b"
    write(settings.logs_dir, NOON, evil, player=evil, exception=f"Traceback\n  {evil}")
    out = said("logs")
    assert not {"\x1b", "\x07", "\u202e", "\x9b"} & set(out)
    assert "Traceback" in out


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2h", NOON - timedelta(hours=2)),
        ("1d12h", NOON - timedelta(hours=36)),
        ("2026-11-24", NOON - timedelta(hours=36)),
        ("2026-11-25T13:00+02:00", NOON - timedelta(hours=1)),
        ("2026-11-25T11:30Z", NOON - timedelta(minutes=30)),
    ],
)
def test_since_takes_a_duration_or_an_instant(text: str, instant: datetime) -> None:
    assert instant_of(text, NOON) == instant


def test_a_since_that_is_neither_is_refused(settings: Settings) -> None:
    assert refused("logs", "--since", "yesterday") == (
        "--since 'yesterday' should be a duration such as 2h, or an instant such as 2026-11-25T21:30"
    )


def _following(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [LOL_DAGSTER, "logs", "--follow", *arguments], stdout=subprocess.PIPE, text=True
    )


def test_follow_shows_new_lines_and_ends_quietly_with_ctrl_c(settings: Settings) -> None:
    write(settings.logs_dir, NOON, "old", match_id="NA1_1")
    following = _following("--game", "NA1_1")
    assert following.stdout is not None
    assert "old" in following.stdout.readline()
    write(settings.logs_dir, NOON, "another's", match_id="NA1_2")
    write(settings.logs_dir, NOON + timedelta(days=1), "new", match_id="NA1_1")
    assert "new" in following.stdout.readline()
    following.send_signal(signal.SIGINT)
    # 130: what shells report of a program that SIGINT ended.
    assert following.wait(timeout=30) == 130
    assert following.stdout.read() == ""
    following.stdout.close()


def test_a_closed_pipe_ends_it_quietly(settings: Settings, capfd: Any) -> None:
    for number in range(5_000):
        write(settings.logs_dir, NOON, f"line {number}")
    piped = subprocess.run(
        ["sh", "-c", f"{LOL_DAGSTER} logs -n 100000 | head -n 1"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert piped.stdout.count("\n") == 1
    assert piped.stderr == ""


SECRETS = {
    "LOL_ADMIN_PASSWORD_HASH": "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g",
    "LOL_SECRET_KEY": "s3cr3t-k3y-of-the-sessions-of-32-or-more",
    "LOL_PING_URL": "http://127.0.0.1:9/ping/0f3c-s3cr3t",
}


def test_a_real_cycle_is_logged_and_leaves_no_secret_anywhere(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A good game delivered to a bot's channel, a malformed one, and a webhook that is not there; each line
    of the log with what it is about."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOL_SLOW_QUERY_MS", "0")
    settings = load_settings()
    hook = f"{settings.discord_url}/webhooks/420420420420420421/h00k-t0ken-that-nobody-may-see"
    database = open_database(settings)
    with database.writing() as session:
        team = make_team(session, "Gamers")
        make_member(session, team, "Ann", puuid=puuid_of("Ann"))
        make_channel(session, team, "talk")
        make_channel(session, team, "hook", kind="discord-webhook", address=hook)
    database.dispose()
    ended_at = datetime.now(UTC) - timedelta(minutes=1)
    for match_id, deaths in (("NA1_5000000001", 3), ("NA1_5000000002", "many")):
        people = [participant("Ann", deaths=deaths)]
        simulator.add_game(match_payload(match_id, participants=people, ended_at=ended_at))
    simulator.set_faults("discord-hook.post=reset-before-accept*1; discord-hook.post=503")

    with pytest.raises(SystemExit) as ending:
        cli(["once"], prog_name="lol-dagster")
    printed = "".join(capfd.readouterr())
    assert ending.value.code == 0, printed

    def events(**wanted: Any) -> list[str]:
        return [line.event for line in read_log(settings.logs_dir, LogFilter(**wanted))]

    good = [e for e in events(game="NA1_5000000001") if e != "slow query"]
    # Listed, fetched, understood, written, delivered: each stage once.
    for beginning in ("Archived", "Recorded", "Message "):
        assert [e for e in good if e.startswith(beginning)], beginning
    assert len([e for e in good if e.startswith("Archived")]) == 1
    malformed = list(read_log(settings.logs_dir, LogFilter(game="NA1_5000000002", level="warning")))
    assert any(line.event.startswith("Quarantined NA1_5000000002") for line in malformed)
    # The red run of its own says its partition.
    assert {line.fields.get("partition") for line in malformed} >= {"NA1_5000000002"}
    delivered = [e for e in events(channel="talk") if "delivered" in e]
    assert len(delivered) == 1
    lines = list(read_log(settings.logs_dir))
    assert {line.process for line in lines} == {"once"}

    secrets = {
        value.get_secret_value()
        for name in Settings.model_fields
        if isinstance(value := getattr(settings, name), SecretStr)
    }
    assert len(secrets) == 6
    secrets.add("h00k-t0ken-that-nobody-may-see")
    assert _where(secrets, settings.home) == {}
    assert not [secret for secret in secrets if secret in printed]


def _where(secrets: set[str], home: Path) -> dict[str, list[str]]:
    """In which files of the home each secret stands, but for the database that has to know it."""
    files = [path for path in home.rglob("*") if path.is_file()]
    files = [path for path in files if not path.name.startswith("lol.sqlite3")]
    found: dict[str, list[str]] = {}
    for path in files:
        content = path.read_bytes()
        for secret in secrets:
            if secret.encode() in content:
                found.setdefault(secret, []).append(str(path.relative_to(home)))
    return found
