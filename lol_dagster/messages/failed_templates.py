"""Under which name it is noted that a channel's templates fail. Apart from them, as whoever only looks needs no Jinja."""

from __future__ import annotations

FAILED = "template failed:"
"""How the name of a `Fact` begins that says on which game a channel's templates have failed last."""


def failed_template(channel_id: int) -> str:
    """The name of that fact of a channel."""
    return f"{FAILED}{channel_id}"
