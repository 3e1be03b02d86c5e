"""Who is signed in, as the audit trail names him."""

from __future__ import annotations

from flask import g


def sign_request(name: str) -> None:
    """From here on this request is that person's."""
    g.who = name


def is_signed_in() -> bool:
    return "who" in g


def current_who() -> str:
    """The signed-in person's name, for the audit trail."""
    name: str = g.who
    return f"{name} (web)"
