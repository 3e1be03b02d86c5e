"""Slack through an incoming webhook's URL: it takes a text and answers `ok`. No id comes back, so
nothing can be looked up, edited or taken away.
"""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlsplit

from lol_dagster.delivery.states import (
    Accepted,
    Blocked,
    NotSent,
    PostVerdict,
    Refused,
    Timing,
    Uncertain,
)
from lol_dagster.delivery.transports import slack_api
from lol_dagster.delivery.transports.base import (
    MAX_BODY,
    Answer,
    Capabilities,
    Hold,
    Outgoing,
    Transport,
    seconds,
    sends,
    short,
)
from lol_dagster.http import DeadlineSession, Response
from lol_dagster.messages import render_slack
from lol_dagster.messages.content import MessageContent

# api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks
PAYLOAD_REFUSED = ("invalid_blocks", "invalid_payload", "no_text", "too_many_attachments")
WEBHOOK_DEAD = ("no_active_hooks", "no_service", "no_service_id", "no_team", "team_disabled")


class SlackWebhook(Transport):
    """Incoming webhooks."""

    kind: ClassVar[str] = "slack-webhook"

    def __init__(self, session: DeadlineSession, hooks_url: str, timing: Timing) -> None:
        """
        Args:
            hooks_url: As in `https://hooks.slack.com`: nothing is ever sent to another host.
        """
        self._session = session
        self._hooks_url = hooks_url
        self._deadline = timing.call

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            identity=None,
            read_back=False,
            edit=False,
            settle=30.0,
            promise="Never told twice, but a send that goes unanswered waits for your decision, as "
            "nobody can look it up (with --uncertain resend: never lost, but maybe told twice). "
            "A correction does not reach a message that is posted.",
        )

    def unusable(self, address: str) -> str | None:
        if not address.startswith(f"{self._hooks_url}/"):
            return f"the address is not on {urlsplit(self._hooks_url).netloc} (LOL_SLACK_HOOKS_URL)"
        return None

    def render(self, content: MessageContent, marker: str) -> dict[str, Any]:
        return render_slack.render(content, marker)

    @sends
    def post(self, address: str, message: Outgoing) -> Answer[PostVerdict]:
        response = self._session.request(
            "POST", address, json=message.body, deadline=self._deadline, max_body=MAX_BODY
        )
        said = short(response.body[:80].decode("utf-8", "replace"))
        wait = seconds(response.headers.get("Retry-After")) if response.status == 429 else None
        return Answer(
            _verdict(response, said, message.rev),
            http_status=response.status,
            code=None if said == "ok" else said,
            request_id=short(response.headers.get("x-slack-req-id", "")) or None,
            elapsed_s=response.elapsed_s,
            holds=(slack_api.PACE, *([] if wait is None else [Hold(wait)])),
        )


def _verdict(response: Response, said: str, rev: int) -> PostVerdict:
    status = response.status
    if status == 200 and said == "ok":
        return Accepted(None, rev)
    words = f"Slack {status}: {said}"
    if status == 429:
        return NotSent(words, retry_after=seconds(response.headers.get("Retry-After")))
    if not 400 <= status < 500 or status == 408:
        return Uncertain(words)
    if said.startswith(PAYLOAD_REFUSED):
        return Refused(words)
    return Blocked(words, dead=said.startswith(WEBHOOK_DEAD))
