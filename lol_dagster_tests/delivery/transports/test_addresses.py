"""Addresses of channels: accepted only where they belong, shown without their secrets."""

from __future__ import annotations

import pytest

from lol_dagster.delivery.transports.base import AddressError, Step
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
SECRET = "s3cretT0kenOfAWebhookX"
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
        ("discord-webhook", DISCORD + "?wait="),
        ("discord-webhook", DISCORD + "?thread_id="),
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


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (
            "discord-bot",
            (
                "the address should be the id of a Discord channel, 17 to 20 digits, or the link to it: in "
                "Discord, right-click the channel and copy its link"
            ),
        ),
        (
            "discord-webhook",
            (
                "the address should be a Discord webhook's URL, "
                "https://discord.com/api/webhooks/ID/TOKEN: copy it in the channel's settings under "
                "integrations"
            ),
        ),
        (
            "slack-bot",
            (
                "the address should be the id of a Slack channel, such as C0123456789: it stands at the "
                "end of the channel's details"
            ),
        ),
        (
            "slack-webhook",
            (
                "the address should be a Slack incoming webhook's URL, "
                "https://hooks.slack.com/services/T…/B…/…"
            ),
        ),
    ],
)
def test_people_read_what_an_address_is_and_where_to_find_it(kind: str, sentence: str) -> None:
    with pytest.raises(AddressError) as caught:
        REAL[kind].check_address("general")
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("kind", "address", "setting"),
    [("discord-webhook", DISCORD, "LOL_DISCORD_URL"),
     ("slack-webhook", SLACK, "LOL_SLACK_HOOKS_URL")],
)  # fmt: skip
def test_a_webhook_of_another_host_is_refused_with_the_setting_that_decides(
    kind: str, address: str, setting: str
) -> None:
    ours = all_transports(
        Settings(
            discord_url="http://127.0.0.1:3010/api/v10", slack_hooks_url="http://127.0.0.1:3010"
        )
    )
    with pytest.raises(AddressError) as caught:
        ours[kind].check_address(address)
    assert str(caught.value) == (
        f"the address should begin with http://127.0.0.1:3010/, where {setting} says that webhooks are"
    )


def test_an_address_is_as_long_as_its_column_takes() -> None:
    longest = DISCORD.replace("/webhooks/", f"/{'x' * (300 - len(DISCORD) - 1)}/webhooks/")
    assert len(longest) == 300
    REAL["discord-webhook"].check_address(longest)
    with pytest.raises(AddressError):
        REAL["discord-webhook"].check_address(longest.replace("xx", "xxx", 1))


@pytest.mark.parametrize(
    ("kind", "address", "missing"),
    [
        ("discord-bot", "12345678901234567", "LOL_DISCORD_BOT_TOKEN is not set"),
        ("slack-bot", "C0123456789", "LOL_SLACK_BOT_TOKEN is not set"),
        ("discord-webhook", DISCORD, None),
        (
            "discord-webhook", "https://discord.com/",
            "the address is not a Discord webhook's URL (https://…/webhooks/ID/TOKEN)",
        ),
        ("slack-webhook", SLACK, None),
        (
            "slack-webhook", SLACK.replace("hooks.slack.com", "hooks.slack.com.evil.example"),
            "the address is not on hooks.slack.com (LOL_SLACK_HOOKS_URL)",
        ),
    ],
)  # fmt: skip
def test_what_is_missing_for_any_call_is_said(kind: str, address: str, missing: str | None) -> None:
    assert REAL[kind].unusable(address) == missing


NEEDS = "the bot needs in this channel: "
HISTORY = "Read Message History (and View Channel)"
NEW_HOOK = (
    "Discord refuses the webhook: make a new one (channel settings, Integrations, Webhooks) and give "
    "the channel its URL"
)
DISCORD_TOKEN = "the bot's token is refused: put its current one into LOL_DISCORD_BOT_TOKEN"
SLACK_SCOPE = "give the app the scope {} (OAuth & Permissions) and reinstall it"
SLACK_HISTORY = "channels:history (in a private channel: groups:history)"
ARCHIVED = "the thread is archived: open it again, or choose another channel"


@pytest.mark.parametrize(
    ("kind", "step", "code", "status", "remedy"),
    [
        (
            "discord-bot", "post", "50013", 403,
            (f"{NEEDS}View Channel, Send Messages and Embed Links (in a thread: Send Messages in "
            "Threads)"),
        ),
        ("discord-bot", "find", "50001", 403, NEEDS + HISTORY),
        ("discord-bot", "read", None, 403, NEEDS + HISTORY),
        ("discord-bot", "edit", None, 403, f"{NEEDS}View Channel"),
        ("discord-bot", "delete", None, 403, f"{NEEDS}View Channel"),
        ("discord-bot", "post", "50083", 403, ARCHIVED),
        ("discord-bot", "post", None, 401, DISCORD_TOKEN),
        ("discord-bot", "post", "0", 500, None),
        ("discord-webhook", "post", "50013", 403, NEW_HOOK),
        ("discord-webhook", "edit", None, 403, NEW_HOOK),
        ("discord-webhook", "delete", None, 403, NEW_HOOK),
        ("discord-webhook", "find", "50001", 403, NEEDS + HISTORY),  # that is for the reading bot
        ("discord-webhook", "read", "50001", 403, NEEDS + HISTORY),
        ("discord-webhook", "post", "50083", 403, ARCHIVED),
        ("discord-webhook", "post", "0", 400, None),
        ("slack-bot", "post", "missing_scope", 200, SLACK_SCOPE.format("chat:write")),
        ("slack-bot", "edit", "no_permission", 200, SLACK_SCOPE.format("chat:write")),
        ("slack-bot", "delete", "missing_scope", 200, SLACK_SCOPE.format("chat:write")),
        ("slack-bot", "find", "missing_scope", 200, SLACK_SCOPE.format(SLACK_HISTORY)),
        ("slack-bot", "read", "missing_scope", 200, SLACK_SCOPE.format(SLACK_HISTORY)),
        (
            "slack-bot", "post", "invalid_auth", 200,
            "the bot's token is refused: put its current one into LOL_SLACK_BOT_TOKEN",
        ),
        (
            "slack-bot", "find", "not_in_channel", 200,
            "invite the bot: write /invite and its name in the channel",
        ),
        ("slack-bot", "post", "internal_error", 200, None),
        ("slack-bot", "post", None, 500, None),
    ],
)  # fmt: skip
def test_people_read_what_to_do_about_a_refusal(
    kind: str, step: Step, code: str | None, status: int, remedy: str | None
) -> None:
    assert REAL[kind].remedy(step, code, status) == remedy


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
