"""Secrets that are typed, or piped in, instead of standing on the command line."""

from __future__ import annotations

import sys

import click


class SecretInput(click.ParamType):  # type: ignore[type-arg]
    """A value that `-` has read from the standard input: from a terminal without an echo.

    What stands on the command line can be read in the list of processes and the shell's history.
    """

    name = "text"

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value != "-":
            return value
        if sys.stdin.isatty():
            typed: str = click.prompt(self._prompt, hide_input=True, err=True)
            return typed.strip()
        if not (line := sys.stdin.readline().strip()):
            self.fail("'-' is read from the standard input, which is empty", param, ctx)
        return line
