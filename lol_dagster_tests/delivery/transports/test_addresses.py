"""Addresses of channels: accepted only where they belong, shown without their secrets."""

from __future__ import annotations

import pytest

from lol_dagster.delivery.transports.base import AddressError
from lol_dagster.delivery.transports.registry import Transports, all_transports
from lol_dagster.roster.channels import checked_address
from lol_dagster.roster.errors import RosterError
from lol_dagster.settings import Settings

REAL = all_transports(Settings())
SIMULATED = all_transports(
    Settings(
        discord_url="http://127.0.0.1:3010/discord/api/v10",
        slack_hooks_url="http://127.0.0.1:3010/slack-hooks",
    )
)
SECRET = "s3cretT0kenOfAWebhook"
DISCORD = f"https://discord.com/api/webhooks/123456789012345678/{SECRET}"
SLACK = f"https://hooks.slack.com/services/T01ABCDEF/B01ABCDEF/{SECRET}"


@pytest.mark.parametrize(
    ("kind", "address", "transports"),
    [
        ("discord-bot", "12345678901234567", REAL),  # 17 digits: before 2022
        ("discord-bot", "12345678901234567890", REAL),
        ("slack-bot", "C0123456789", REAL),
        ("slack-bot", "G01ABCDEF", REAL),
        ("discord-webhook", DISCORD, REAL),
        ("discord-webhook", DISCORD.replace("/api/", "/api/v10/"), REAL),
        ("discord-webhook", DISCORD.replace("discord.com", "DISCORD.com:443"), REAL),
        ("discord-webhook", DISCORD + "?thread_id=123456789012345678", REAL),
        ("slack-webhook", SLACK, REAL),
        (
            "discord-webhook",
            f"http://127.0.0.1:3010/discord/api/v10/webhooks/123456789012345678/{SECRET}",
            SIMULATED,
        ),
        (
            "slack-webhook",
            f"http://127.0.0.1:3010/slack-hooks/services/T01ABCDEF/B01ABCDEF/{SECRET}",
            SIMULATED,
        ),
    ],
)
def test_a_right_address_is_taken_as_it_is(kind: str, address: str, transports: Transports) -> None:
    assert checked_address(kind, f" {address}\n", transports) == address


@pytest.mark.parametrize(
    ("kind", "pasted", "address"),
    [
        ("discord-bot", "https://discord.com/channels/42/123456789012345678", "123456789012345678"),
        (
            "discord-bot",
            "https://ptb.discord.com/channels/42/123456789012345678/987654321098765432",
            "123456789012345678",
        ),
        (
            "discord-bot",
            "https://canary.discordapp.com/channels/42/123456789012345678/",
            "123456789012345678",
        ),
        ("discord-webhook", DISCORD.replace("discord.com", "ptb.discord.com"), DISCORD),
        ("discord-webhook", DISCORD.replace("discord.com", "canary.discord.com"), DISCORD),
        ("discord-webhook", DISCORD.replace("discord.com", "discordapp.com"), DISCORD),
        ("slack-bot", "https://barons.slack.com/archives/C0123456789", "C0123456789"),
        ("slack-bot", "https://barons.slack.com/archives/C0123456789/p1722543", "C0123456789"),
        ("slack-bot", "https://app.slack.com/client/T01ABCDEF/C0123456789", "C0123456789"),
    ],
)
def test_the_address_is_found_in_what_is_natural_to_paste(
    kind: str, pasted: str, address: str
) -> None:
    assert checked_address(kind, f" {pasted}\n", REAL) == address


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("discord-bot", "general"),
        ("discord-bot", "#general"),
        ("discord-bot", "1234567890123456"),  # 16 digits
        ("discord-bot", "１２３４５６７８９０１２３４５６７８"),  # digits, but not ASCII's
        ("discord-bot", DISCORD),
        ("discord-bot", "https://discord.com/channels/@me/123456789012345678"),  # a private one
        ("discord-bot", "https://discord.com.evil.example/channels/42/123456789012345678"),
        ("discord-webhook", DISCORD.replace("discord.com", "ptb.discord.com:8443")),
        ("slack-bot", "c0123456789"),
        ("slack-bot", "#general"),
        ("slack-bot", "C0123456789/../x"),
        ("discord-webhook", "123456789012345678"),
        ("discord-webhook", DISCORD.replace("https", "http")),
        ("discord-webhook", DISCORD.replace("discord.com", "discord.com.evil.example")),
        ("discord-webhook", DISCORD.replace("discord.com", "discord.com@evil.example")),
        ("discord-webhook", DISCORD.replace("discord.com", "evil.example")),
        ("discord-webhook", DISCORD.replace("discord.com", "discord.com:8443")),
        ("discord-webhook", DISCORD.replace("discord.com", "discord.com:port")),
        ("discord-webhook", DISCORD + "?wait=false"),
        ("discord-webhook", DISCORD + "/slack"),
        ("discord-webhook", DISCORD + "#x"),
        ("discord-webhook", DISCORD + "?thread_id=1/../../x"),
        ("discord-webhook", SLACK),
        ("discord-webhook", DISCORD + "x" * 500),
        ("slack-webhook", SLACK.replace("hooks.slack.com", "evil.example")),
        ("slack-webhook", SLACK.replace("/services", "/services/..")),
        ("slack-webhook", SLACK + "?x=1"),
        ("slack-webhook", DISCORD),
    ],
)
def test_an_error_says_how_an_address_should_be_without_repeating_it(
    kind: str, address: str
) -> None:
    with pytest.raises(AddressError, match="the address should ") as caught:
        checked_address(kind, address, REAL)
    assert SECRET not in str(caught.value)


def test_a_webhook_of_another_host_is_refused_with_the_setting_that_decides() -> None:
    with pytest.raises(AddressError, match="LOL_DISCORD_URL"):
        checked_address("discord-webhook", DISCORD, SIMULATED)


@pytest.mark.parametrize("kind", ["discord-webhook", "slack-webhook"])
def test_a_webhook_is_shown_without_its_secret(kind: str) -> None:
    address = DISCORD if kind == "discord-webhook" else SLACK
    shown = REAL[kind].shown_address(address + "?thread_id=1")
    assert SECRET not in shown
    assert shown == address.removesuffix(SECRET) + "…"


def test_a_bots_channel_id_is_no_secret() -> None:
    assert REAL["slack-bot"].shown_address("C0123456789") == "C0123456789"


def test_a_kind_that_no_transport_serves_is_refused() -> None:
    with pytest.raises(
        RosterError, match="there is no kind of channel 'irc': choose of discord-bot"
    ):
        checked_address("irc", "#general", REAL)
