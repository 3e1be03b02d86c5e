"""Slack's answers: errors under 200, metadata, history, edits, webhooks, sizes."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jsonschema
import pytest

from lol_dagster.simulator.limits import Limit
from lol_dagster.simulator.main import Options, Simulator
from lol_dagster_tests._support.simulated_world import HandClock
from lol_dagster_tests.simulator.asking import (
    SLACK,
    SLACK_CHANNEL,
    ask,
    ask_slack,
    post_slack,
)

HOOK = "/slack-hooks/services/T0001/B0001/secret"
METADATA = {"event_type": "lol_dagster", "event_payload": {"delivery": "7.1"}}


def section(text: str, block_id: str = "") -> dict[str, Any]:
    block = {"type": "section", "text": {"type": "mrkdwn", "text": text}}
    return {**block, "block_id": block_id} if block_id else block


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("auth.test", {}),
        ("users.conversations", {}),
        ("chat.getPermalink", {"message_ts": "TS"}),
        ("chat.update", {"ts": "TS", "text": "new"}),
        ("chat.delete", {"ts": "TS"}),
    ],
)
def test_answers_have_the_shape_that_slack_described(
    world: Simulator, shared_dir: Path, method: str, arguments: dict[str, str]
) -> None:
    # The description is of 2020, before metadata: bodies that have it are compared in other tests.
    described = json.loads((shared_dir / "slack" / "web-api-2020.json").read_text())
    ts = post_slack(world, text="x").json["ts"]
    filled = {name: ts if value == "TS" else value for name, value in arguments.items()}
    answered = ask_slack(world, method, channel=SLACK_CHANNEL, **filled).json
    operation = next(iter(described["paths"][f"/{method}"].values()))
    schema = operation["responses"]["200"]["schema"]
    jsonschema.Draft4Validator({**schema, "definitions": described["definitions"]}).validate(
        answered
    )
    assert answered["ok"] is True


def test_metadata_is_read_back_only_when_asked_for(world: Simulator) -> None:
    post_slack(world, text="x", metadata=METADATA)
    plain = ask_slack(world, "conversations.history", channel=SLACK_CHANNEL).json
    whole = ask_slack(
        world, "conversations.history", channel=SLACK_CHANNEL, include_all_metadata=True
    ).json
    assert plain["messages"][0]["metadata"] == {"event_type": "lol_dagster"}
    assert whole["messages"][0]["metadata"] == METADATA


def test_there_is_no_idempotency_key(world: Simulator) -> None:
    for _ in range(2):
        post_slack(world, text="x", client_msg_id="same")
    assert len(world.truth.posted) == 2


def test_history_pages_from_the_newest_and_oldest_is_exclusive(
    world: Simulator, clock: HandClock
) -> None:
    stamps = []
    for text in "abcd":
        stamps.append(post_slack(world, text=text).json["ts"])
        clock.move(2)

    def read(**query: Any) -> tuple[list[str], str]:
        page = ask_slack(world, "conversations.history", channel=SLACK_CHANNEL, **query).json
        texts = [one["text"] for one in page["messages"]]
        assert page["has_more"] == bool(page["response_metadata"]["next_cursor"])
        return texts, page["response_metadata"]["next_cursor"]

    assert read(oldest=stamps[0]) == (["d", "c", "b"], "")
    assert read(oldest=stamps[0], inclusive=True)[0] == ["d", "c", "b", "a"]
    first, cursor = read(limit=3)
    assert first == ["d", "c", "b"]
    assert read(limit=3, cursor=cursor) == (["a"], "")


def test_arguments_may_come_as_a_form_or_in_the_query(world: Simulator) -> None:
    form = urlencode({"channel": SLACK_CHANNEL, "blocks": json.dumps([section("hi")])})
    connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=60)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/slack/api/chat.postMessage", form, {**SLACK, **kind})
    ts = json.loads(connection.getresponse().read())["ts"]
    connection.close()
    query = urlencode({"channel": SLACK_CHANNEL, "message_ts": ts})
    link = ask(world, "GET", f"/slack/api/chat.getPermalink?{query}", SLACK).json
    assert link["permalink"].endswith(f"/archives/{SLACK_CHANNEL}/p{ts.replace('.', '')}")
    assert world.truth.posted[0]["body"]["blocks"] == [section("hi")]


def test_an_update_replaces_the_message_and_keeps_its_metadata(world: Simulator) -> None:
    ts = post_slack(world, text="old", blocks=[section("old")], metadata=METADATA).json["ts"]
    updated = ask_slack(world, "chat.update", channel=SLACK_CHANNEL, ts=ts, text="new").json
    assert (updated["ts"], updated["message"]["text"]) == (ts, "new")
    assert "blocks" not in updated["message"]
    assert updated["message"]["metadata"] == METADATA
    assert "edited" in updated["message"]


def test_a_deleted_message_is_not_found_again(world: Simulator) -> None:
    ts = post_slack(world, text="x").json["ts"]
    ask_slack(world, "chat.delete", channel=SLACK_CHANNEL, ts=ts)
    for method in ("chat.update", "chat.delete"):
        answered = ask_slack(world, method, channel=SLACK_CHANNEL, ts=ts, text="x")
        assert (answered.status, answered.json["error"]) == (200, "message_not_found")
    assert [one["event"] for one in world.truth.events()] == ["posted", "deleted"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, "no_text"),
        ({"text": "x", "channel": "general"}, "channel_not_found"),
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"blocks": [section("x")] * 51}, "invalid_blocks"),
        ({"blocks": [section("x" * 3001)]}, "invalid_blocks"),
        ({"blocks": [section("x", "same"), section("y", "same")]}, "invalid_blocks"),
        ({"blocks": [section("x", "b" * 256)]}, "invalid_blocks"),
        ({"blocks": [section("x" * 2900)] * 5}, "msg_blocks_too_long"),  # 14,500 characters
        ({"text": "x", "metadata": {"event_type": "x"}}, "invalid_metadata_format"),
    ],
)
def test_what_slack_refuses_is_ok_false_under_200(
    world: Simulator, arguments: dict[str, Any], error: str
) -> None:
    answered = ask_slack(world, "chat.postMessage", **{"channel": SLACK_CHANNEL, **arguments})
    assert answered.status == 200
    assert answered.json == {"ok": False, "error": error}
    assert world.truth.posted == []


def test_tokens_and_methods_are_checked_first(world: Simulator) -> None:
    path = "/slack/api/auth.test"
    assert ask(world, "POST", path, {}).json["error"] == "not_authed"
    assert ask(world, "POST", path, {"Authorization": "Bearer x"}).json["error"] == "invalid_auth"
    assert ask_slack(world, "chat.shout").json["error"] == "unknown_method"


def test_a_webhook_answers_ok_in_plain_text(world: Simulator) -> None:
    answered = ask(world, "POST", HOOK, {}, {"text": "hi"})
    assert (answered.status, answered.body) == (200, b"ok")
    assert world.truth.posted[0]["channel"] == "B0001"
    empty = ask(world, "POST", HOOK, {}, {})
    assert (empty.status, empty.body) == (400, b"no_text")
    assert ask(world, "POST", HOOK, {}).body == b"invalid_payload"
    assert ask(world, "POST", "/slack-hooks/services/nobody", {}, {}).body == b"no_service"


def test_posting_too_fast_to_a_channel_is_429_with_retry_after(clock: HandClock) -> None:
    with Simulator(Options(slack_limit=Limit(1, 1)), clock=clock) as world:
        post_slack(world, text="a")
        refused = post_slack(world, text="b")
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert refused.json["error"] == "ratelimited"
        clock.move(1)
        assert post_slack(world, text="c").json["ok"]


# --- files --------------------------------------------------------------------------------------


def upload(world: Simulator, content: bytes, *, length: int | None = None) -> str:
    """The id of what was uploaded; as far as the file itself."""
    said = {"filename": "a.png", "length": len(content) if length is None else length}
    granted = ask_slack(world, "files.getUploadURLExternal", **said).json
    connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=60)
    connection.request("POST", granted["upload_url"], content)
    connection.getresponse().read()
    connection.close()
    file_id: str = granted["file_id"]
    return file_id


def picture(file_id: str) -> dict[str, Any]:
    return {"type": "image", "slack_file": {"id": file_id}, "alt_text": "Ann won"}


@pytest.mark.parametrize(
    ("file", "is_there"), [("Jinx.png", True), ("Nobody.png", False), ("Jinx.png#", False)]
)
def test_a_message_with_a_picture_that_cannot_be_loaded_is_refused(
    world: Simulator, file: str, is_there: bool
) -> None:
    address = f"{world.url}/ddragon/cdn/16.15.1/img/champion/{file}"
    image = {"type": "image", "image_url": address, "alt_text": "Jinx"}
    blocks = [section("x"), {"type": "context", "elements": [image]}]
    answer = post_slack(world, text="x", blocks=blocks).json
    assert answer.get("error", "ok") == ("ok" if is_there else "invalid_blocks")
    many = [section("x"), {"type": "context", "elements": [image] * 11}]
    assert post_slack(world, text="x", blocks=many).json["error"] == "invalid_blocks"


def test_a_file_is_shown_when_it_was_completed_and_scanned(clock: HandClock) -> None:
    with Simulator(Options(faults="slack.file=lagging(5)"), clock=clock) as world:
        file_id = upload(world, b"\x89PNG")
        ts = post_slack(world, text="x").json["ts"]

        def show() -> str:
            blocks = [picture(file_id)]
            answer = ask_slack(
                world, "chat.update", channel=SLACK_CHANNEL, ts=ts, text="x", blocks=blocks
            )
            return str(answer.json.get("error", "ok"))

        assert show() == "invalid_blocks"
        done = ask_slack(world, "files.completeUploadExternal", files=[{"id": file_id}]).json
        assert done["ok"]
        assert show() == "invalid_blocks"
        assert ask_slack(world, "files.info", file=file_id).json["file"]["mimetype"] == ""
        clock.move(5)
        assert ask_slack(world, "files.info", file=file_id).json["file"]["mimetype"] == "image/png"
        assert show() == "ok"
        assert ask(world, "GET", f"/files/{file_id}", {}).body == b"\x89PNG"


def test_what_was_not_uploaded_whole_is_no_file(clock: HandClock) -> None:
    with Simulator(clock=clock) as world:
        file_id = upload(world, b"half", length=8)
        files = [{"id": file_id}]
        refused = ask_slack(world, "files.completeUploadExternal", files=files).json
        assert refused["error"] == "file_not_found"
        assert ask_slack(world, "files.info", file="F1").json["error"] == "file_not_found"
        for said in (
            {"filename": "a.png"},
            {"filename": "", "length": 3},
            {"filename": "a", "length": 0},
        ):
            answer = ask_slack(world, "files.getUploadURLExternal", **said).json
            assert answer["error"] == "invalid_arguments"
        # In a channel it would be a message, which this world does not post.
        whole = [{"id": upload(world, b"whole")}]
        answer = ask_slack(world, "files.completeUploadExternal", files=whole, channel_id="C1").json
        assert answer["error"] == "invalid_arguments"
