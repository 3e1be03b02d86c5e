"""What Slack's answers come to that are no success, one decision at a time; the rest: test_answers.py."""

from __future__ import annotations

from typing import Any

import pytest

from lol_dagster.delivery.transports.base import Reply
from lol_dagster.delivery.transports.slack_api import refusal


@pytest.mark.parametrize(
    ("status", "data", "verdict"),
    [
        (200, {"ok": False, "error": "is_archived"}, "Blocked"),
        (499, {"ok": False, "error": "is_archived"}, "Blocked"),
        # Whatever it says: it may have been done.
        (500, {"ok": False, "error": "is_archived"}, "Uncertain"),
        (200, {"error": "is_archived"}, "Uncertain"),
        (200, None, "Uncertain"),
        (200, {"ok": False, "error": "fatal_error"}, "Uncertain"),
        (200, {"ok": False}, "Blocked"),
        (200, {"ok": False, "error": 7}, "Blocked"),
        (429, {"ok": False, "error": "ratelimited"}, "NotSent"),
    ],
)
def test_only_what_slack_says_that_it_has_not_done_is_refused(
    status: int, data: Any, verdict: str
) -> None:
    found = refusal(Reply(status, {}, b"", data, 0.1))
    assert type(found).__name__ == verdict
    assert found.reason.startswith(f"Slack {status}")
