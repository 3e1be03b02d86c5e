"""What to put right when Discord or Slack says no, in the words that stand in their settings."""

from __future__ import annotations

from typing import Literal

Step = Literal["post", "find", "edit", "read", "delete"]

_DISCORD: dict[str, str] = {
    "10003": "there is no such channel, or the bot is not in its server: check the channel's id "
    "(Developer Mode, Copy Channel ID) and invite the bot to the server",
    "10004": "the bot is not in this server: invite it",
    "10015": "the webhook was deleted: make a new one (channel settings, Integrations, Webhooks) "
    "and give the channel its URL",
    "50027": "the webhook's token is wrong: copy its URL again (channel settings, Integrations)",
    "40001": "the bot's token is refused: put its current one into LOL_DISCORD_BOT_TOKEN",
    "50014": "the bot's token is refused: put its current one into LOL_DISCORD_BOT_TOKEN",
    "50008": "this is no text channel: give the id of one",
    "160005": "the thread is locked: unlock it, or choose another channel",
    "50083": "the thread is archived: open it again, or choose another channel",
}
_DISCORD_PERMISSIONS: dict[Step, str] = {
    "post": "View Channel, Send Messages and Embed Links (in a thread: Send Messages in Threads)",
    "find": "Read Message History (and View Channel)",
    "read": "Read Message History (and View Channel)",
    "edit": "View Channel",
    "delete": "View Channel",
}
_WEBHOOK_REFUSED = (
    "Discord refuses the webhook: make a new one (channel settings, Integrations, Webhooks) and give "
    "the channel its URL"
)
_SLACK_CHANNEL = (
    "there is no such channel, or it is private and the bot is not in it: check its id (channel "
    "details, at the end of About) and invite the bot with /invite in the channel"
)
_SLACK: dict[str, str] = {
    "not_in_channel": "invite the bot: write /invite and its name in the channel",
    "channel_not_found": _SLACK_CHANNEL,
    "is_archived": "the channel is archived: unarchive it, or choose another one",
    "channel_is_archived": "the channel is archived: unarchive it, or choose another one",
    "restricted_action": "the workspace allows only some people to post there: ask an admin",
    "no_service": "the webhook was removed: make a new one and give the channel its URL",
    "no_active_hooks": "the webhook was disabled: make a new one and give the channel its URL",
    "invalid_token": "the webhook's URL is wrong: copy it again from the app's settings",
}
_SLACK_TOKEN = {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"}
_SLACK_SCOPES: dict[Step, str] = {
    "post": "chat:write",
    "find": "channels:history (in a private channel: groups:history)",
    "read": "channels:history (in a private channel: groups:history)",
    "edit": "chat:write",
    "delete": "chat:write",
}


def remedy(kind: str, step: Step, code: str | None, status: int | None) -> str | None:
    """What the operator can do about a refusal; None: nothing is known to help.

    Args:
        kind: The channel's.
        code: The remote's own: Discord's number, Slack's word.
        status: The HTTP status.
    """
    if kind.startswith("discord"):
        return _discord(kind, step, code or "", status)
    return _slack(step, code or "")


def _discord(kind: str, step: Step, code: str, status: int | None) -> str | None:
    if code in _DISCORD:
        return _DISCORD[code]
    if status == 401:
        return _DISCORD["40001"]
    if status == 403 and kind == "discord-webhook" and step in {"post", "edit", "delete"}:
        return _WEBHOOK_REFUSED
    if status == 403:
        return f"the bot needs in this channel: {_DISCORD_PERMISSIONS[step]}"
    return None


def _slack(step: Step, code: str) -> str | None:
    if code in _SLACK_TOKEN:
        return "the bot's token is refused: put its current one into LOL_SLACK_BOT_TOKEN"
    if code in {"missing_scope", "no_permission"}:
        return (
            f"give the app the scope {_SLACK_SCOPES[step]} (OAuth & Permissions) and reinstall it"
        )
    return _SLACK.get(code)
