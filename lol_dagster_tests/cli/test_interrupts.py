"""A line at once when Ctrl-C is pressed, whoever handles the signal and whatever is being done."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import pytest
from click.testing import CliRunner

from lol_dagster.cli import cli, services
from lol_dagster.cli.interrupts import answering_ctrl_c
from lol_dagster.settings import Settings
from lol_dagster_tests._support.waiting import wait_for


@pytest.fixture(autouse=True)
def sigint_is_heard() -> Iterator[None]:
    """Also where the tests were started with a shell's `&`, which has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextmanager
def held_back() -> Iterator[None]:
    """As Dagster has it while it writes: a handler that only notes the signal."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def press_ctrl_c(*_: object, **__: object) -> NoReturn:
    os.kill(os.getpid(), signal.SIGINT)
    while True:  # the interpreter raises it within a few instructions
        pass


def test_the_line_is_there_while_the_signal_is_held_back(
    capfd: pytest.CaptureFixture[str],
) -> None:
    said: list[str] = []

    def is_said() -> bool:
        said.append(capfd.readouterr().err)
        return "".join(said) == "Ending.\n"

    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    with answering_ctrl_c("Ending."), held_back():
        os.kill(os.getpid(), signal.SIGINT)
        # Nothing has been raised: whatever was being done would go on.
        wait_for("the line", is_said)
        os.kill(os.getpid(), signal.SIGINT)
    assert capfd.readouterr().err == "", "once is enough"
    assert signal.set_wakeup_fd(before) == before


def test_nothing_is_said_of_what_ends_by_itself(capfd: pytest.CaptureFixture[str]) -> None:
    with answering_ctrl_c("Ending."):
        pass
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("command", "doing"),
    [("once", "app_and_cycles"), ("up", "run_services")],
)
def test_once_and_up_answer_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, command: str, doing: str
) -> None:
    monkeypatch.setenv("LOL_RIOT_API_KEY", "RGAPI-any")
    monkeypatch.setattr(services, "refuse_taken_port", lambda *_: None)
    monkeypatch.setattr(services, doing, press_ctrl_c)
    result = CliRunner().invoke(cli, [command])
    assert result.exit_code == 130
    assert result.stderr.startswith("Ending")
    assert result.stderr.count("\n") == 1
