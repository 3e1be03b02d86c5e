"""States as coloured marks; the word is always there, too."""

from __future__ import annotations

from markupsafe import Markup

_MESSAGE = {
    "delivered": "good",
    "needs_review": "bad",
    "dropped": "warn",
    "blocked": "warn",
    "uncertain": "warn",
}
_STAGE = {"done": "good", "failed": "bad", "given up": "warn"}
_MATCH = {"quarantined": "bad", "not_found": "warn", "processed": "good"}


def message_state(state: str) -> Markup:
    return mark(state, _MESSAGE.get(state, ""))


def stage_state(state: str) -> Markup:
    return mark(state, _STAGE.get(state, ""))


def match_state(state: str) -> Markup:
    return mark(state.replace("_", " "), _MATCH.get(state, ""))


def mark(word: str, kind: str) -> Markup:
    """
    Args:
        kind: `good`, `bad`, `warn`, or "" for neither.
    """
    return Markup('<span class="state {}">{}</span>').format(kind, word)
