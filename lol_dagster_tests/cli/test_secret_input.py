"""Secrets are piped in or typed without an echo, and stand on no command line."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from lol_dagster.cli import cli
from lol_dagster.storage.database import Database
from lol_dagster.storage.models import Channel
from lol_dagster_tests._support.commands import said
from lol_dagster_tests._support.roster_rows import make_team

HOOK = "https://hooks.slack.com/services/T0/B0/S3CRET"
ADD = ["channel", "add", "hook", "--team", "Barons", "--kind", "slack-webhook", "--address", "-"]


@pytest.fixture
def team(database: Database) -> Database:
    with database.writing() as session:
        make_team(session, "Barons")
    return database


def address_of_the_channel(database: Database) -> str:
    with database.reading() as session:
        return session.scalars(select(Channel)).one().address


def test_a_webhooks_address_is_piped_in(team: Database) -> None:
    result = CliRunner().invoke(cli, ADD, input=f"{HOOK}\n")
    assert result.exit_code == 0, result.output
    assert "S3CRET" not in result.output
    assert address_of_the_channel(team) == HOOK


def test_without_anything_to_read_it_says_so(team: Database) -> None:
    result = CliRunner().invoke(cli, ADD, input="")
    assert result.exit_code == 2
    assert "'-' is read from the standard input, which is empty" in result.output


@pytest.mark.timeout(300)
def test_a_webhooks_address_is_typed_without_an_echo(team: Database) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [Path(sys.executable).with_name("lol-dagster"), *ADD],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        # A terminal of its own: that is where a password is asked for.
        preexec_fn=lambda: os.close(os.open(os.ttyname(theirs), os.O_RDWR)),  # noqa: PLW1509 - one thread
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    while b"The webhook's URL:" not in seen:
        seen += os.read(ours, 1000)
    os.write(ours, f"{HOOK}\n".encode())
    while b"announced" not in seen:
        seen += os.read(ours, 1000)
    assert process.wait(60) == 0
    os.close(ours)
    assert b"S3CRET" not in seen
    assert address_of_the_channel(team) == HOOK


def test_every_option_that_may_hold_a_secret_takes_it_from_the_input(database: Database) -> None:
    """Whatever is called so: a new one is to do the same."""

    def options(command: click.Command, path: str) -> list[tuple[str, click.Parameter]]:
        found = [(f"{path} {each.name}", each) for each in command.params]
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                found += options(inner, f"{path} {name}")
        return found

    suspicious = ("address", "url", "token", "secret", "password", "key")
    takes_text = {
        path.strip(): type(each.type).__name__
        for path, each in options(cli, "")
        if any(word in path.split()[-1] for word in suspicious) and not getattr(each, "is_flag", 0)
    }
    assert takes_text == {
        "channel add address": "SecretInput",
        "channel edit address": "SecretInput",
        "db copy to_url": "SecretInput",
        "up public_url": "StringParamType",  # everybody may know it
        "admin public_url": "StringParamType",
    }
    assert "'-'" in said("channel", "add", "--help")
