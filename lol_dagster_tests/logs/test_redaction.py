"""Secrets are struck out of whatever is logged, wherever in it they stand."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import SecretStr

from lol_dagster.logs.redaction import Redactor
from lol_dagster.logs.writing import start_logging
from lol_dagster.settings import Settings, load_settings

log = logging.getLogger("lol_dagster.test")

OURS = {
    "LOL_RIOT_API_KEY": "key-of-no-known-form-1",
    "LOL_DISCORD_BOT_TOKEN": "bot of/no known+form",
    "LOL_SLACK_BOT_TOKEN": "slack-of-no-known-form",
    "LOL_ADMIN_PASSWORD_HASH": "hash-of-no-known-form",
    "LOL_SECRET_KEY": 'a long one with "quotes" and \\ and ü in it',
    "LOL_PING_URL": "https://ping.example/a-long-name-to-guess",
}


@pytest.fixture
def logs_dir(monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in OURS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOL_DATABASE_URL", "postgresql://lol:p%40ssword-x@db.example/lol")
    settings = load_settings()
    start_logging(settings, "test")
    return settings.logs_dir


def test_every_secret_of_the_settings_is_planted() -> None:
    """One that is added later has to be added here."""
    secret = {name for name, field in Settings.model_fields.items() if field.annotation in (
        SecretStr, SecretStr | None)}  # fmt: skip
    assert {f"LOL_{name.upper()}" for name in secret} == {*OURS, "LOL_DATABASE_URL"}


@pytest.mark.parametrize("secret", [*OURS.values(), "p@ssword-x"])
def test_a_secret_of_the_settings_stands_nowhere(logs_dir: Path, secret: str) -> None:
    log.warning("in the text: %s.", secret)
    log.warning("quoted: %s", quote(secret, safe=""))
    log.warning("extras", extra={"a": secret, "b": [{"c": f"x{secret}y"}], secret: 1})
    log.warning("far in", extra={"payload": "x" * 3_990 + secret + "x" * 9_000})
    error = RuntimeError(f"refused: {secret}")
    error.__cause__ = ValueError(secret)
    log.error("traceback", exc_info=error)
    (file,) = logs_dir.iterdir()
    text = file.read_text().encode().decode("unicode_escape")  # as a reader gets it
    assert text.count("\n{") == 4
    assert secret not in text
    assert quote(secret, safe="") not in text
    assert "[redacted]" in text


def test_the_keys_in_the_homes_file_are_known_too() -> None:
    settings = load_settings()
    (settings.home / "secret.key").parent.mkdir(parents=True, exist_ok=True)
    (settings.home / "secret.key").write_text("the-newest-key\nan-older-key\n")
    start_logging(settings, "test")
    log.warning("between the-newest-key and an-older-key")
    (file,) = settings.logs_dir.iterdir()
    assert "between [redacted] and [redacted]" in file.read_text()


FORMS = [
    ("key RGAPI-0f3c1a2b-1111-2222-3333-444455556666 refused", "0f3c1a2b"),
    ("token xoxb-123456789012-abcdefGHIJ", "abcdefGHIJ"),
    ("Bot MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs", "ZnCjm1XVW7"),
    ("POST https://discord.com/api/webhooks/11/a-B_c9 failed", "a-B_c9"),
    ("POST http://127.0.0.1:1/slack-hooks/services/T1/B2/abcXYZ failed", "abcXYZ"),
    ("https://hooks.slack.com/triggers/T1/22/s3cret", "s3cret"),
    ("postgresql://lol:hunter22@db/lol cannot be reached", "hunter22"),
    ("Authorization: Bot abc.def", "abc.def"),
    ("{'X-Riot-Token': 'abcdef'}", "abcdef"),
    ("Bearer abcdefghijk", "abcdefghijk"),
    ("GET /?api_key=abc123&x=1", "abc123"),
    ("$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA", "aGFzaA"),
]


@pytest.mark.parametrize(("text", "secret"), FORMS)
def test_what_has_the_form_of_a_secret_is_struck_out(text: str, secret: str) -> None:
    redacted = Redactor().text(text)
    assert secret not in redacted
    assert "[redacted]" in redacted


@pytest.mark.parametrize(
    "text",
    [
        "Archived NA1_5000000001, 76123 bytes",
        "Riot refuses the API key; the token is invalid_auth",
        "2f1c1d3e-6f0a-4b0b-9a57-0e7f2a7f6f4e delivered to the-webhooks/general",
        "https://www.leagueofgraphs.com/match/na/5000000001 at 12:30@home",
        "SELECT matches.match_id FROM matches WHERE matches.next_try_at <= ?",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redactor(["abc"]).text(text) == text


def test_fields_with_telling_names_are_struck_out_whatever_they_hold(logs_dir: Path) -> None:
    log.info("x", extra={"password": "a", "bot_token": "b", "headers": {"Authorization": "c"}})
    (file,) = logs_dir.iterdir()
    assert file.read_text().count('"[redacted]"') == 3
