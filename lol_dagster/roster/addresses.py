"""Addresses of channels: what each kind looks like, and how one is shown.

A webhook's address is a secret: whoever knows it can post. It is accepted only on the host that the
settings name, so that a mistyped or forged one never sends games, or a bot's token, elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit

from lol_dagster.roster.errors import RosterError

_SNOWFLAKE = re.compile(r"\d{17,20}", re.ASCII)
_SLACK_ID = re.compile(r"[CGD][A-Z0-9]{4,20}", re.ASCII)
_DISCORD_HOOK = re.compile(r"(?:/[\w.-]+)*/webhooks/\d{17,20}/[\w-]{1,120}/?", re.ASCII)
_SLACK_HOOK = re.compile(r"/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]{1,60}", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST = 300
"""So that it fits its column encrypted, which takes a third more and some 100 characters."""


@dataclass(frozen=True)
class WebhookHosts:
    """Where webhooks may be: LOL_DISCORD_URL and LOL_SLACK_HOOKS_URL."""

    discord_url: str
    slack_hooks_url: str


def check_address(kind: str, address: str, hosts: WebhookHosts) -> str:
    """The address without the blanks around it.

    Args:
        kind: One of `CHANNEL_KINDS`.

    Raises:
        RosterError: it is not of the kind's form, or on another host; never repeats it.
    """
    address = address.strip()
    if kind == "discord-bot":
        if not _SNOWFLAKE.fullmatch(address):
            raise RosterError(
                "the address should be the id of a Discord channel, 17 to 20 digits: in Discord, "
                "switch on the developer mode, then right-click the channel and copy its id"
            )
    elif kind == "slack-bot":
        if not _SLACK_ID.fullmatch(address):
            raise RosterError(
                "the address should be the id of a Slack channel, such as C0123456789: it stands "
                "at the end of the channel's details"
            )
    elif kind == "discord-webhook":
        _check_discord_hook(address, hosts.discord_url)
    else:
        _check_slack_hook(address, hosts.slack_hooks_url)
    return address


def shown_address(kind: str, address: str) -> str:
    """The address as anybody may see it: a webhook's without its secret last part."""
    if not kind.endswith("-webhook"):
        return address
    return f"{address.partition('?')[0].rstrip('/').rpartition('/')[0]}/…"


def _check_discord_hook(address: str, discord_url: str) -> None:
    parts, ours = _split(address), urlsplit(discord_url)
    extra = parse_qs(parts.query, keep_blank_values=True) if parts else {}
    if (
        parts is None
        or not _DISCORD_HOOK.fullmatch(parts.path)
        or extra.keys() - {"thread_id"}
        or not all(_SNOWFLAKE.fullmatch(each) for each in extra.get("thread_id", []))
    ):
        raise RosterError(
            "the address should be a Discord webhook's URL, "
            f"{ours.scheme}://{ours.netloc}/api/webhooks/ID/TOKEN: copy it in the channel's "
            "settings under integrations"
        )
    _check_host(parts, ours, "LOL_DISCORD_URL")


def _check_slack_hook(address: str, hooks_url: str) -> None:
    parts, ours = _split(address), urlsplit(hooks_url)
    base = ours.path.rstrip("/")
    if (
        parts is None
        or parts.query
        or not parts.path.startswith(base)
        or not _SLACK_HOOK.fullmatch(parts.path.removeprefix(base))
    ):
        raise RosterError(
            f"the address should be a Slack incoming webhook's URL, {hooks_url}/services/T…/B…/…"
        )
    _check_host(parts, ours, "LOL_SLACK_HOOKS_URL")


def _split(address: str) -> SplitResult | None:
    """The parts of an http(s) URL that says nothing in disguise; None if it is none."""
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        return None
    plain = (
        len(address) <= _LONGEST and address.isascii() and not any(c in address for c in " \\#@")
    )
    return parts if plain and parts.scheme in _DEFAULT_PORTS and parts.hostname else None


def _check_host(parts: SplitResult, ours: SplitResult, variable: str) -> None:
    def place(of: SplitResult) -> tuple[str, str | None, int]:
        return of.scheme, of.hostname, of.port or _DEFAULT_PORTS[of.scheme]

    if place(parts) != place(ours):
        raise RosterError(
            f"the address should begin with {ours.scheme}://{ours.netloc}/, where {variable} says "
            "that webhooks are"
        )
