"""Discord's answers: nonces, history, edits, webhooks, sizes, buckets."""

from __future__ import annotations

import base64
import http.client
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lol_dagster.simulator.discord import APPLICATION_ID, BOT_ID, NONCE_SECONDS
from lol_dagster.simulator.limits import Limit
from lol_dagster.simulator.main import Options, Simulator
from lol_dagster.simulator.wire import Request
from lol_dagster_tests._support.simulated_world import HandClock, discord_misfits
from lol_dagster_tests.pictures.pngs import a_png
from lol_dagster_tests.simulator.asking import (
    CHANNEL,
    DISCORD,
    Answered,
    ask,
    ask_discord,
    post_discord,
)

HOOK = "222222222222222222"


@pytest.fixture
def world(clock: HandClock) -> Any:
    """A world whose bucket is wide, so that a test may post as often as it likes."""
    with Simulator(Options(discord_limit=Limit(1000, 1)), clock=clock) as world:
        yield world


def nonce_post(
    world: Simulator, nonce: str, *, text: str = "hello", enforce: bool = True
) -> Answered:
    return post_discord(world, content=text, nonce=nonce, enforce_nonce=enforce)


def history(world: Simulator, **query: object) -> list[str]:
    """The contents that the bot reads, as the API gives them."""
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return [
        one["content"]
        for one in ask_discord(world, "GET", f"/channels/{CHANNEL}/messages?{asked}").json
    ]


def test_answers_have_the_shape_that_discord_describes(world: Simulator, shared_dir: Path) -> None:
    described = json.loads((shared_dir / "discord" / "openapi.json").read_text())

    def assert_is(name: str, value: object) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
        jsonschema.Draft202012Validator(schema).validate(value)

    embed = {"title": "Victory", "description": "of Mira", "url": "https://example.org/?d=1.1"}
    posted = post_discord(world, embeds=[embed]).json
    assert_is("MessageResponse", posted)
    path = f"/channels/{CHANNEL}/messages"
    for listed in ask_discord(world, "GET", path).json:
        assert_is("MessageResponse", listed)
    edited = ask_discord(world, "PATCH", f"{path}/{posted['id']}", {"content": "new"}).json
    assert_is("MessageResponse", edited)
    assert_is("GuildChannelResponse", ask_discord(world, "GET", f"/channels/{CHANNEL}").json)
    assert_is("UserPIIResponse", ask_discord(world, "GET", "/users/@me").json)
    (server,) = ask_discord(world, "GET", "/users/@me/guilds").json
    assert_is("MyGuildResponse", server)
    guild = f"/guilds/{server['id']}"
    assert_is("GuildMemberResponse", ask_discord(world, "GET", f"{guild}/members/{BOT_ID}").json)
    for channel in ask_discord(world, "GET", f"{guild}/channels").json:
        assert_is("GuildChannelResponse", channel)
    hook = ask_discord(world, "POST", f"/webhooks/{HOOK}/secret?wait=true", {"content": "x"}).json
    assert_is("MessageResponse", hook)
    looked = ask_discord(world, "GET", f"/webhooks/{HOOK}/secret").json
    assert_is("GuildIncomingWebhookResponse", looked)
    refused = post_discord(world, content="x" * 2001).json
    # Only the outer part: the description has numbers as codes inside `errors`, Discord has names.
    assert_is("Error", refused)


def emoji(world: Simulator, name: str, png: bytes) -> Answered:
    image = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    path = f"/applications/{APPLICATION_ID}/emojis"
    return ask_discord(world, "POST", path, {"name": name, "image": image})


def test_an_applications_emojis_are_listed_as_discord_describes(
    world: Simulator, shared_dir: Path
) -> None:
    described = json.loads((shared_dir / "discord" / "openapi.json").read_text())
    path = f"/applications/{APPLICATION_ID}/emojis"
    added = emoji(world, "lol_Vi", a_png(1, 2, 3))
    listed = ask_discord(world, "GET", path)
    assert (added.status, listed.json["items"]) == (201, [added.json])
    schema = {
        "$ref": "#/components/schemas/ListApplicationEmojisResponse",
        "components": described["components"],
    }
    jsonschema.Draft202012Validator(schema).validate(listed.json)
    assert ask(world, "GET", f"/files/{added.json['id']}", {}).body == a_png(1, 2, 3)


def test_an_emoji_that_discord_would_not_take_is_refused(world: Simulator) -> None:
    png = a_png(1, 2, 3)
    assert emoji(world, "lol_Vi", png).status == 201
    for name, image in (("v", png), ("V-i", png), ("x" * 33, png), ("lol_Vi", png)):
        assert emoji(world, name, image).json["code"] == 50035
    large = emoji(world, "large", png + b"0" * 256 * 1024)
    assert (large.status, "code" in large.json) == (400, False), "as Discord says of it"
    world.discord._emojis |= {f"other_{number}": "1" for number in range(1999)}
    assert emoji(world, "one_more", png).json["code"] == 30008


def test_requests_are_compared_with_discords_description(
    world: Simulator, shared_dir: Path
) -> None:
    nonce_post(world, "n1")
    ask_discord(world, "POST", f"/webhooks/{HOOK}/secret", {"content": "x", "embeds": []})
    assert discord_misfits(world, shared_dir) == []
    post_discord(world, content="x", allowed_mentions={"parse": ["cats"]}, nonsense=1)
    misfits = discord_misfits(world, shared_dir)
    assert any("$.allowed_mentions" in one for one in misfits)
    assert "discord.post: nonsense is unknown" in misfits


def test_an_enforced_nonce_is_posted_once_and_answered_with_the_first(world: Simulator) -> None:
    first, second = nonce_post(world, "n1"), nonce_post(world, "n1", text="other words")
    assert first.json["id"] == second.json["id"]
    assert second.json["content"] == "hello"
    assert second.json["nonce"] == "n1"
    assert len(world.truth.posted) == 1
    assert len(world.truth.events("deduplicated")) == 1


def test_a_nonce_without_enforcement_is_only_echoed(world: Simulator) -> None:
    first, second = (nonce_post(world, "n1", enforce=False) for _ in range(2))
    assert first.json["id"] != second.json["id"]
    assert first.json["nonce"] == second.json["nonce"] == "n1"


def test_a_nonce_is_forgotten_after_its_window(world: Simulator, clock: HandClock) -> None:
    nonce_post(world, "n1")
    clock.move(NONCE_SECONDS - 0.1)
    nonce_post(world, "n1")
    assert len(world.truth.posted) == 1
    clock.move(0.1)
    nonce_post(world, "n1")
    assert len(world.truth.posted) == 2


def test_the_nonce_of_a_deleted_message_is_answered_with_unknown_message(world: Simulator) -> None:
    posted = nonce_post(world, "n1").json
    ask_discord(world, "DELETE", f"/channels/{CHANNEL}/messages/{posted['id']}")
    again = nonce_post(world, "n1")
    assert (again.status, again.json["code"]) == (404, 10008)
    assert len(world.truth.posted) == 1


def test_a_nonce_is_not_kept_with_the_message(world: Simulator) -> None:
    nonce_post(world, "n1")
    listed = ask_discord(world, "GET", f"/channels/{CHANNEL}/messages").json
    assert "nonce" not in listed[0]


def test_history_is_newest_first_and_after_gives_what_follows_directly(
    world: Simulator, clock: HandClock
) -> None:
    ids = []
    for text in "abcde":
        ids.append(post_discord(world, content=text).json["id"])
        clock.move(1)
    assert history(world) == ["e", "d", "c", "b", "a"]
    assert history(world, limit=2) == ["e", "d"]
    assert history(world, after=ids[0], limit=2) == ["c", "b"]
    assert history(world, before=ids[2]) == ["b", "a"]
    assert history(world, around=ids[2], limit=3) == ["d", "c", "b"]
    assert history(world, after=ids[4]) == []


def test_ids_tell_their_time_and_grow_even_within_a_millisecond(
    world: Simulator, clock: HandClock
) -> None:
    ids = [int(post_discord(world, content="x").json["id"]) for _ in range(3)]
    assert ids == sorted(set(ids))
    assert (ids[0] >> 22) + 1_420_070_400_000 == int(clock.now * 1000)  # Discord's epoch


def test_an_edit_replaces_what_it_names_and_keeps_the_rest(world: Simulator) -> None:
    posted = post_discord(world, content="old", embeds=[{"title": "kept"}]).json
    path = f"/channels/{CHANNEL}/messages/{posted['id']}"
    edited = ask_discord(world, "PATCH", path, {"content": "new"}).json
    assert edited["edited_timestamp"] is not None
    shown = ask_discord(world, "GET", path).json
    assert (shown["content"], shown["embeds"][0]["title"]) == ("new", "kept")
    assert [one["body"]["content"] for one in world.truth.events("edited")] == ["new"]
    assert len(world.truth.posted) == 1


def test_a_deleted_message_is_gone_for_readers_and_stays_in_the_truth(world: Simulator) -> None:
    posted = post_discord(world, content="oops").json
    path = f"/channels/{CHANNEL}/messages/{posted['id']}"
    assert ask_discord(world, "DELETE", path).status == 204
    for method, body in (("GET", None), ("PATCH", {"content": "x"}), ("DELETE", None)):
        assert ask_discord(world, method, path, body).json["code"] == 10008
    assert history(world) == []
    assert [one["event"] for one in world.truth.events()] == ["posted", "deleted"]


@pytest.mark.parametrize(
    ("body", "code", "place"),
    [
        ({}, 50006, []),
        ({"content": ""}, 50006, []),
        ({"content": "x" * 2001}, 50035, ["content"]),
        ({"content": "x", "nonce": "n" * 26}, 50035, ["nonce"]),
        ({"embeds": [{"title": "x" * 257}]}, 50035, ["embeds", "0", "title"]),
        ({"embeds": [{"description": "x" * 4097}]}, 50035, ["embeds", "0", "description"]),
        ({"embeds": [{"title": "x"}] * 11}, 50035, ["embeds"]),
        ({"embeds": [{"title": "x", "url": "ftp://x"}]}, 50035, ["embeds", "0", "url"]),
        ({"embeds": [{"title": "x", "color": 2**24}]}, 50035, ["embeds", "0", "color"]),
        (
            {"embeds": [{"fields": [{"name": "n", "value": "v"}] * 26}]},
            50035,
            ["embeds", "0", "fields"],
        ),
        (
            {"embeds": [{"fields": [{"name": "n", "value": "x" * 1025}]}]},
            50035,
            ["embeds", "0", "fields", "0", "value"],
        ),
        ({"embeds": [{"footer": {"text": "x" * 2049}}]}, 50035, ["embeds", "0", "footer", "text"]),
        # Each within its own limit, together 6,001 characters.
        ({"embeds": [{"description": "x" * 4000}, {"description": "x" * 2001}]}, 50035, ["embeds"]),
    ],
)
def test_what_is_too_large_or_empty_is_refused_at_its_place(
    world: Simulator, body: dict[str, Any], code: int, place: list[str]
) -> None:
    refused = post_discord(world, **body)
    assert (refused.status, refused.json["code"]) == (400, code)
    errors = refused.json.get("errors", {})
    for step in place:
        errors = errors[step]
    assert ("_errors" in errors) == bool(place)
    assert world.truth.posted == []


def test_the_largest_legal_message_is_accepted(world: Simulator) -> None:
    embeds = [{"description": "x" * 4096}, {"description": "x" * 1904}]  # 6,000 together
    assert post_discord(world, content="x" * 2000, embeds=embeds).status == 200


@pytest.mark.parametrize(
    ("allowed", "pings"), [({}, True), ({"allowed_mentions": {"parse": []}}, False)]
)
def test_everyone_is_pinged_unless_mentions_are_forbidden(
    world: Simulator, allowed: dict[str, Any], pings: bool
) -> None:
    posted = post_discord(world, content="hello @everyone", **allowed)
    assert posted.json["mention_everyone"] is pings


def test_credentials_user_agent_and_channel_are_checked_first(world: Simulator) -> None:
    path = f"/discord/api/v10/channels/{CHANNEL}/messages"
    body = {"content": "x"}
    no_token = ask(world, "POST", path, {"User-Agent": DISCORD["User-Agent"]}, body)
    assert (no_token.status, no_token.json["code"]) == (401, 0)
    browser = ask(world, "POST", path, {**DISCORD, "User-Agent": "python-requests/2"}, body)
    assert (browser.status, browser.json["code"]) == (403, 40333)
    assert ask_discord(world, "POST", "/channels/general/messages", body).status == 400
    assert ask(world, "POST", path, DISCORD).json["code"] == 50109  # no JSON at all
    assert world.truth.posted == []


def test_a_webhook_answers_204_without_wait_and_the_message_with_it(world: Simulator) -> None:
    path = f"/webhooks/{HOOK}/secret"
    silent = ask_discord(world, "POST", path, {"content": "a"})
    assert (silent.status, silent.body) == (204, b"")
    posted = ask_discord(world, "POST", path + "?wait=true", {"content": "b", "nonce": "n"})
    assert posted.json["webhook_id"] == HOOK
    message = f"{path}/messages/{posted.json['id']}"
    assert ask_discord(world, "GET", message).json["content"] == "b"
    assert ask_discord(world, "PATCH", message, {"content": "c"}).json["content"] == "c"
    assert ask_discord(world, "DELETE", message).status == 204
    assert ask_discord(world, "GET", f"{path}/messages").status == 404  # webhooks cannot list


def test_a_webhook_does_not_know_nonces(world: Simulator) -> None:
    for _ in range(2):
        body = {"content": "x", "nonce": "n", "enforce_nonce": True}
        ask_discord(world, "POST", f"/webhooks/{HOOK}/secret?wait=true", body)
    assert len(world.truth.posted) == 2


def test_a_webhook_keeps_the_token_that_it_was_first_used_with(world: Simulator) -> None:
    ask_discord(world, "POST", f"/webhooks/{HOOK}/secret", {"content": "a"})
    wrong = ask_discord(world, "POST", f"/webhooks/{HOOK}/guess", {"content": "b"})
    assert (wrong.status, wrong.json["code"]) == (401, 50027)


def test_the_bot_sees_a_webhooks_message_but_not_what_it_says(world: Simulator) -> None:
    ask_discord(world, "POST", f"/webhooks/{HOOK}/secret", {"content": "a"})
    listed = ask_discord(world, "GET", f"/channels/{HOOK}/messages").json
    assert [(one["webhook_id"], one["content"]) for one in listed] == [(HOOK, "")]
    edit = f"/channels/{HOOK}/messages/{listed[0]['id']}"
    assert ask_discord(world, "PATCH", edit, {"content": "x"}).json["code"] == 50005
    assert listed[0]["author"]["id"] != BOT_ID


def test_the_bucket_of_a_channel_runs_dry_and_fills_again(clock: HandClock) -> None:
    with Simulator(Options(discord_limit=Limit(2, 5)), clock=clock) as world:
        first = post_discord(world, content="a")
        assert first.headers["x-ratelimit-remaining"] == "1"
        clock.move(1.5)
        second = post_discord(world, content="b")
        assert second.headers["x-ratelimit-remaining"] == "0"
        assert second.headers["x-ratelimit-reset-after"] == "3.500"
        refused = post_discord(world, content="c")
        assert (refused.status, refused.json["retry_after"]) == (429, 3.5)
        assert refused.headers["x-ratelimit-scope"] == "user"
        assert refused.headers["retry-after"] == "4"
        assert post_discord(world, "333333333333333333", content="d").status == 200
        clock.move(3.5)
        assert post_discord(world, content="e").status == 200
        assert [one["body"]["content"] for one in world.truth.posted] == ["a", "b", "d", "e"]


# --- pictures -----------------------------------------------------------------------------------


def attach(
    world: Simulator, message_id: str, payload: dict[str, Any], *files: bytes, path: str = ""
) -> Answered:
    """An edit as a form, with files."""
    parts = [("payload_json", json.dumps(payload).encode())]
    parts += [(f"files[{number}]", content) for number, content in enumerate(files)]
    body = b"".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="a.png"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in parts
    )
    headers = {**DISCORD, "Content-Type": "multipart/form-data; boundary=x"}
    path = path or f"/channels/{CHANNEL}/messages/{message_id}"
    url = f"/discord/api/v10{path}"
    connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=60)
    connection.request("PATCH", url, body + b"--x--\r\n", headers)
    answer = connection.getresponse()
    answered = Answered(answer.status, {}, answer.read())
    connection.close()
    return answered


def embed(name: str = "a.png") -> dict[str, Any]:
    return {"embeds": [{"title": "Victory", "image": {"url": f"attachment://{name}"}}]}


RED, BLUE = a_png(255, 0, 0, size=8), a_png(0, 0, 255, size=9)


def test_an_edit_attaches_pictures_and_what_it_does_not_name_goes(
    world: Simulator, shared_dir: Path
) -> None:
    message = post_discord(world, content="x").json["id"]
    new = {"id": 0, "filename": "a.png", "description": "red"}
    answer = attach(world, message, {**embed(), "attachments": [new]}, RED).json
    described = json.loads((shared_dir / "discord" / "openapi.json").read_text())
    schema = {"$ref": "#/components/schemas/MessageResponse", "components": described["components"]}
    jsonschema.Draft202012Validator(schema).validate(answer)
    (red,) = answer["attachments"]
    assert (red["filename"], red["description"], red["size"]) == ("a.png", "red", len(RED))
    assert (red["width"], red["height"], answer["embeds"][0]["image"]["url"]) == (8, 8, red["url"])
    picture = ask(world, "GET", f"/files/{red['id']}", {})
    assert (picture.status, picture.body) == (200, RED)
    assert ask(world, "GET", "/files/1", {}).status == 404

    def names(payload: dict[str, Any], *files: bytes) -> list[str]:
        return [
            each["filename"] for each in attach(world, message, payload, *files).json["attachments"]
        ]

    # Left out: all stay, and new ones come behind them. Named by their ids: these stay.
    assert names({"content": "y"}) == ["a.png"]
    assert names({"content": "y"}, BLUE) == ["a.png", "file0"]
    assert names({"attachments": [{"id": red["id"]}]}) == ["a.png"]
    assert names({"embeds": [], "attachments": [{"id": "0", "filename": "b.png"}]}, BLUE) == [
        "b.png"
    ]
    assert names({"attachments": []}) == []


def test_a_picture_that_is_none_or_too_large_or_not_there_is_refused(world: Simulator) -> None:
    message = post_discord(world, content="x").json["id"]
    new = {"attachments": [{"id": 0, "filename": "a.png"}]}
    assert attach(world, message, new, b"<html>").json["code"] == 50035
    assert attach(world, message, {"attachments": [{"id": 7}]}, RED).json["code"] == 50035
    assert attach(world, message, {**new, **embed("other.png")}, RED).json["code"] == 50035
    assert (
        ask_discord(world, "PATCH", f"/channels/{CHANNEL}/messages/{message}", embed()).json["code"]
        == 50035
    )
    assert (
        ask_discord(world, "GET", f"/channels/{CHANNEL}/messages/{message}").json["attachments"]
        == []
    )


def test_a_webhook_edits_pictures_too_and_a_reading_bot_sees_them_blank(world: Simulator) -> None:
    hook = f"/webhooks/{HOOK}/secret"
    message = ask_discord(world, "POST", f"{hook}?wait=true", {"content": "x"}).json["id"]
    new = {"attachments": [{"id": 0, "filename": "a.png"}]}
    path = f"{hook}/messages/{message}"
    assert attach(world, message, new, RED, path=path).json["attachments"][0]["size"] == len(RED)
    (listed,) = ask_discord(world, "GET", f"/channels/{HOOK}/messages").json
    assert listed["attachments"] == []


def test_the_truth_has_no_files_in_it(world: Simulator) -> None:
    message = post_discord(world, content="x").json["id"]
    attach(world, message, {"content": "y"}, RED)
    (call,) = world.truth.calls("discord.edit")
    assert call["request"] == {"content": "y"}
    assert "PNG" not in json.dumps(world.truth.events())


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nno end"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n",
        ),
        ("multipart/form-data; boundary=x", b'--x\r\n name="a"\r\n\r\na--x--\r\n'),
    ],
)
def test_a_form_that_is_none_is_refused(world: Simulator, kind: str, body: bytes) -> None:
    request = Request("PATCH", "/", {}, {"content-type": kind}, body)
    assert request.form_parts() is None
