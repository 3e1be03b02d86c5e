"""How Discord says no: its JSON codes, its form errors, its 429s.

Codes and texts: Discord's list of opcodes and status codes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from lol_dagster.simulator.service import html_answer
from lol_dagster.simulator.wire import Answer, json_answer

_CODES: dict[int, tuple[int, str]] = {
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10008: (404, "Unknown Message"),
    10015: (404, "Unknown Webhook"),
    40001: (401, "Unauthorized"),
    40004: (403, "Send messages has been temporarily disabled"),
    40005: (413, "Request entity too large"),
    40333: (403, "internal network error"),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50008: (400, "Cannot send messages in a non-text channel"),
    50013: (403, "Missing Permissions"),
    50027: (401, "Invalid Webhook Token"),
    50035: (400, "Invalid Form Body"),
    50083: (400, "Thread is archived"),
    50109: (400, "The request body contains invalid JSON."),
    30046: (429, "Maximum number of edits to messages older than 1 hour reached. Try again later"),
}
_BY_STATUS = {400: 50035, 403: 50013}
_MISSING = {
    "discord.get": 10008,
    "discord.edit": 10008,
    "discord.delete": 10008,
    "discord-hook.post": 10015,
    "discord-hook.look": 10015,
    "discord-hook.get": 10008,
    "discord-hook.edit": 10008,
    "discord-hook.delete": 10008,
}
"""What a 404 means, by operation; anywhere else it is the channel that is unknown."""


def error(code: int, errors: Mapping[str, Any] | None = None) -> Answer:
    """Discord's error body for one of its JSON codes; a code unknown here is a 400."""
    status, message = _CODES.get(code, (400, "Unknown error"))
    body: dict[str, Any] = {"message": message, "code": code}
    return json_answer(status, {**body, "errors": errors} if errors else body)


def invalid(name: str, code: str, message: str) -> Answer:
    """50035 for one parameter."""
    return error(50035, {name: {"_errors": [{"code": code, "message": message}]}})


def status_error(status: int, operation: str = "") -> Answer:
    """Discord's body for a status: a JSON code where the operation has one for it, HTML from the edge."""
    if status in _BY_STATUS:
        return error(_BY_STATUS[status])
    if status == 404 and operation:
        return error(_MISSING.get(operation, 10003))
    if status in {502, 503, 504}:
        return html_answer(status, f"{status} {HTTPStatus(status).phrase}")
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
    return json_answer(status, {"message": f"{status}: {phrase}", "code": 0})


def too_many(seconds: float, scope: str) -> Answer:
    """429; `scope` is user, global or shared."""
    answer = json_answer(
        429,
        {
            "message": "You are being rate limited.",
            "retry_after": round(seconds, 3),
            "global": scope == "global",
        },
    ).with_headers(Retry_After=str(math.ceil(seconds)), X_RateLimit_Scope=scope)
    return answer.with_headers(X_RateLimit_Global="true") if scope == "global" else answer
