"""What Slack's answers come to that are no success, one decision at a time; the rest: test_answers.py."""

from __future__ import annotations

from typing import Any

import pytest

from lol_dagster.delivery.model import Absent
from lol_dagster.delivery.transports.base import Reply
from lol_dagster.delivery.transports.slack_api import answer_to, refusal


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


@pytest.mark.parametrize(
    ("error", "code"),
    [("is_archived", "is_archived"), ("x" * 81, "x" * 80), (7, None), (None, None)],
)
def test_of_an_answer_its_code_its_id_and_its_time_are_kept(error: Any, code: str | None) -> None:
    headers = {"x-slack-req-id": "r1"}
    kept = answer_to(Reply(418, headers, b"", {"error": error}, 0.25), Absent())
    assert (kept.http_status, kept.code, kept.request_id, kept.elapsed_s) == (418, code, "r1", 0.25)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "Slack 200"),
        ({"ok": False, "error": "is_archived"}, "Slack 200: is_archived"),
        ({"ok": False, "error": 7, "needed": 8}, "Slack 200"),
        (
            {"ok": False, "error": "missing_scope", "needed": "chat:write"},
            "Slack 200: missing_scope, needed: chat:write",
        ),
    ],
)
def test_people_read_what_slack_said_and_what_it_needs(data: Any, said: str) -> None:
    assert refusal(Reply(200, {}, b"", data, 0.1)).reason == said
