"""Slack through an incoming webhook's URL: it takes a text and answers `ok`. No id comes back, so
nothing can be looked up, edited or taken away.
"""

from __future__ import annotations

import re
from typing import ClassVar
from urllib.parse import urlsplit

from lol_dagster.delivery.model import (
    Accepted,
    Blocked,
    NotSent,
    PostVerdict,
    Refused,
    Uncertain,
)
from lol_dagster.delivery.transports import slack_api
from lol_dagster.delivery.transports.base import (
    WRITE_ONLY_PROMISE,
    AddressError,
    Answer,
    Caller,
    Capabilities,
    Outgoing,
    Reply,
    asked_to_wait,
    check_webhook_host,
    sends,
    short,
    webhook_parts,
    without_secret,
)
from lol_dagster.http_terms import user_agent
from lol_dagster.settings import Settings

_FORM = re.compile(r"/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]{1,60}", re.ASCII)
# api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks
PAYLOAD_REFUSED = ("invalid_blocks", "invalid_payload", "no_text", "too_many_attachments")
DESTINATION_BLOCKED = (
    "action_prohibited",
    "channel_is_archived",
    "channel_not_found",
    "invalid_token",
    "posting_to_general_channel_denied",
    "user_not_found",
)
WEBHOOK_DEAD = ("no_active_hooks", "no_service", "no_service_id", "no_team", "team_disabled")


class SlackWebhook(slack_api.SlackTransport):
    """Incoming webhooks."""

    kind: ClassVar[str] = "slack-webhook"
    label: ClassVar[str] = "Slack, by a webhook"
    can_edit: ClassVar[bool] = False

    def __init__(self, settings: Settings, *, deadline: float) -> None:
        super().__init__(settings, deadline=deadline)
        self._url = settings.slack_hooks_url
        self._api = Caller(user_agent(), self._url, deadline)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            identity=None,
            read_back=False,
            settle=30.0,
            promise=f"{WRITE_ONLY_PROMISE} A correction does not reach a message that is posted.",
        )

    def check_address(self, address: str) -> None:
        parts, base = webhook_parts(address), urlsplit(self._url).path
        if (
            parts is None
            or parts.query
            or not parts.path.startswith(base)
            or not _FORM.fullmatch(parts.path.removeprefix(base))
        ):
            raise AddressError(
                "the address should be a Slack incoming webhook's URL, "
                f"{self._url}/services/T…/B…/…"
            )
        check_webhook_host(parts, self._url, "LOL_SLACK_HOOKS_URL")

    def shown_address(self, address: str) -> str:
        return without_secret(address)

    def unusable(self, address: str) -> str | None:
        if not address.startswith(f"{self._url}/"):
            return f"the address is not on {urlsplit(self._url).netloc} (LOL_SLACK_HOOKS_URL)"
        return None

    @sends
    def post(self, address: str, message: Outgoing) -> Answer[PostVerdict]:
        reply = self._api.call("POST", address.removeprefix(self._url), json=message.body)
        said = short(reply.body[:80].decode("utf-8", "replace"))
        return Answer(
            _verdict(reply, said, message.rev),
            http_status=reply.status,
            code=None if said == "ok" else said,
            request_id=short(reply.headers.get("x-slack-req-id", "")) or None,
            elapsed_s=reply.elapsed_s,
            holds=(slack_api.PACE, *slack_api.rate_limit(reply)),
        )


def _verdict(reply: Reply, said: str, rev: int) -> PostVerdict:
    status = reply.status
    if status == 200 and said == "ok":
        return Accepted(None, rev)
    words = f"Slack {status}: {said}"
    if status == 429:
        return NotSent(words, retry_after=asked_to_wait(reply.headers.get("Retry-After")))
    if not 400 <= status < 500 or status == 408:
        return Uncertain(words)
    if said.startswith(PAYLOAD_REFUSED):
        return Refused(words)
    return Blocked(
        words,
        dead=said.startswith(WEBHOOK_DEAD),
        unknown=not said.startswith((*DESTINATION_BLOCKED, *WEBHOOK_DEAD)),
    )
