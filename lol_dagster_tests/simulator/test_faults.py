"""Faults: the SPEC that asks for them, and each of them as a raw socket sees it."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lol_dagster.simulator.faults import KINDS, Fault, Faults, Rule, parse_spec
from lol_dagster.simulator.limits import Limit
from lol_dagster.simulator.main import Options, Simulator
from lol_dagster.simulator.wire import Answer, Manner, write_answer
from lol_dagster_tests._support.payloads import match_payload
from lol_dagster_tests._support.simulated_world import HandClock
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests.simulator.asking import (
    CHANNEL,
    DISCORD,
    SLACK_CHANNEL,
    ask,
    ask_discord,
    ask_riot,
    ask_slack,
    match_ids,
    post_discord,
    post_slack,
    raw_post,
)
from lol_dagster_tests.simulator.small_games import MIRA, small_game

STATUS = "/lol/status/v4/platform-data"


@pytest.fixture
def world(clock: HandClock) -> Iterator[Simulator]:
    wide = Limit(1000, 1)
    with Simulator(Options(discord_limit=wide, slack_limit=wide), clock=clock) as world:
        yield world


# -- The SPEC ---------------------------------------------------------------------------------


def test_a_spec_reads_as_it_is_written() -> None:
    assert parse_spec(
        " discord.post = error-after-accept:0.3, reset:0.1*2 ; riot@europe=503;;"
        "all=outage(600); slack=refuse(is_archived):0.5*1 "
    ) == (
        Rule(
            "discord.post",
            "",
            (Fault("error-after-accept", "500", 0.3), Fault("reset", "", 0.1, 2)),
        ),
        Rule("riot", "europe", (Fault("503"),)),
        Rule("", "", (Fault("outage", "600"),)),
        Rule("slack", "", (Fault("refuse", "is_archived", 0.5, 1),)),
    )
    assert parse_spec("") == parse_spec(" ; ") == ()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("discord.post", "'discord.post' should be TARGET=FAULT"),
        ("discrod=503", "'discrod' should be one of all, riot, discord, discord-hook, slack"),
        ("riot.games=503", "should be one of riot.account, riot.region, riot.match-list"),
        ("riot@mars=503", "'mars' after riot@ should be a route host such as europe or euw1"),
        ("discord@a.b=503", "should be a route host or a channel's id"),
        ("riot=explode", "'explode' should be one of a status from 400 to 599, refuse, outage"),
        ("riot=302", "'302' should be one of a status from 400 to 599"),
        ("riot=503:1.5", "the probability of fault '503:1.5' should be between 0 and 1"),
        ("riot=503:0.6,500:0.6", "should add up to 1 at most"),
        ("riot=503:0.5:0.5", "should be KIND, KIND(ARGUMENT), KIND:PROBABILITY or KIND*TIMES"),
        ("riot=reset(5)", "'reset' takes no argument"),
        ("riot=outage(soon)", "should be a number of seconds, as in outage(2.5)"),
        ("discord=refuse", "needs an argument: refuse(code)"),
        ("discord=error-after-accept(404)", "should be a status from 500 to 599"),
        ("riot=429-shared", "'429-shared' is of discord, discord-hook, not of riot"),
        ("all=429-shared", "'429-shared' is of discord, discord-hook, not of all"),
        ("discord.post=unreadable", "'unreadable' is of discord.list, discord.get, slack.history"),
    ],
)
def test_a_wrong_spec_is_refused_by_its_wrong_part(spec: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        parse_spec(spec)


def test_the_same_seed_gives_the_same_faults_and_about_as_many_as_asked(clock: HandClock) -> None:
    def drawn(seed: int) -> list[str]:
        faults = Faults("discord.post=503:0.3,reset:0.1", seed, clock)
        return [str(faults.draw("discord.post", CHANNEL)) for _ in range(2000)]

    assert drawn(1) == drawn(1) != drawn(2)
    # 2,000 draws at 0.3: 600 with a standard deviation of 20; at 0.1: 200 with one of 13.
    assert 500 < drawn(1).count("503") < 700
    assert 135 < drawn(1).count("reset") < 265


def test_a_fault_strikes_only_where_it_is_aimed_and_so_often_as_asked(clock: HandClock) -> None:
    faults = Faults("riot.match@europe=503*2;riot=500*1", 0, clock)
    asked = [
        ("riot.match", "europe"),
        ("riot.match", "asia"),
        ("riot.match", "europe"),
        ("riot.match", "europe"),
        ("discord.post", CHANNEL),
    ]
    assert [str(faults.draw(*one)) for one in asked] == ["503", "500", "503", "None", "None"]


def test_every_kind_is_seen_by_a_test_of_this_file() -> None:
    tested = Path(__file__).read_text()
    assert [kind for kind in KINDS if f"={kind}" not in tested and f'"{kind}' not in tested] == []


# -- On the wire ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "starts", "end", "accepted"),
    [
        ("discord.post=503", b"HTTP/1.1 503 ", "fin", 0),
        ("discord.post=outage", b"HTTP/1.1 503 ", "fin", 0),
        ("discord.post=reset-before-accept", b"", "rst", 0),
        ("discord.post=error-after-accept", b"HTTP/1.1 500 ", "fin", 1),
        ("discord.post=error-after-accept(504)", b"HTTP/1.1 504 ", "fin", 1),
        ("discord.post=reset", b"", "rst", 1),
        ("discord.post=html-body", b"HTTP/1.1 200 ", "fin", 1),
        ("discord.post=no-content", b"HTTP/1.1 204 ", "fin", 1),
    ],
)
def test_what_the_client_hears_and_whether_the_message_is_there(
    world: Simulator, spec: str, starts: bytes, end: str, accepted: int
) -> None:
    world.set_faults(spec)
    heard = raw_post(world)
    assert heard.bytes.startswith(starts)
    assert bool(heard.bytes) == bool(starts)
    assert heard.end == end
    assert len(world.truth.posted) == accepted


def test_half_of_the_promised_body_comes_and_then_the_end(world: Simulator) -> None:
    world.set_faults("discord.post=half-body")
    head, _, body = raw_post(world).bytes.partition(b"\r\n\r\n")
    promised = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    assert len(body) == promised // 2
    assert len(world.truth.posted) == 1


@pytest.mark.parametrize("kind", ["no-answer", "no-answer-before-accept"])
def test_silence_lasts_as_long_as_the_client_listens(world: Simulator, kind: str) -> None:
    world.set_faults(f"discord.post={kind}")
    # The truth has the call before its answer would go out.
    heard = raw_post(world, until=lambda: world.truth.calls("discord.post"))
    assert (heard.bytes, heard.end) == (b"", "open")
    assert len(world.truth.posted) == (kind == "no-answer")


@pytest.mark.parametrize(
    ("kind", "manner"), [("header-drip", Manner.HEADER_DRIP), ("body-drip", Manner.BODY_DRIP)]
)
def test_a_dripping_answer_is_whole_in_the_end(
    world: Simulator, monkeypatch: pytest.MonkeyPatch, kind: str, manner: Manner
) -> None:
    sent: list[Answer] = []

    def write(connection: socket.socket, answer: Answer, **how: Any) -> bool:
        sent.append(answer)
        return write_answer(connection, answer, **how)

    monkeypatch.setattr("lol_dagster.simulator.server.write_answer", write)
    world.set_faults(f"discord.post={kind}(0.001)")
    heard = raw_post(world)
    assert json.loads(heard.bytes.partition(b"\r\n\r\n")[2])["content"] == "hello"
    assert heard.end == "fin"
    assert [(each.manner, each.drip_seconds) for each in sent] == [(manner, 0.001)]


class RecordingSocket:
    """A socket that keeps what was sent in one piece each: on its way pieces may join."""

    def __init__(self, real: socket.socket) -> None:
        self.fileno = real.fileno
        self.recv = real.recv
        self.sent: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.sent.append(data)


@pytest.mark.parametrize(
    ("manner", "first"), [(Manner.HEADER_DRIP, b"H"), (Manner.BODY_DRIP, b"HTTP/1.1 200 OK\r\n")]
)
def test_a_drip_sends_byte_by_byte(manner: Manner, first: bytes) -> None:
    here, there = socket.socketpair()
    with here, there:
        recording = RecordingSocket(here)
        answer = Answer(200, b"hello", manner=manner, drip_seconds=0)
        assert write_answer(recording, answer, keep_alive=True, stopping=threading.Event())
    assert recording.sent[0].startswith(first)
    assert {len(each) for each in recording.sent[1:]} == {1}
    assert recording.sent[-5:] == [b"h", b"e", b"l", b"l", b"o"]


def test_a_late_accept_comes_although_the_client_has_gone(
    world: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, may_end = threading.Event(), threading.Event()

    def wait(seconds: float) -> bool:
        if seconds == 600:
            waits.set()
            may_end.wait()
        return False

    monkeypatch.setattr(world._server.stopping, "wait", wait)
    world.set_faults("discord.post=late-accept(600)")
    heard = raw_post(world, until=waits.is_set)
    assert (heard.bytes, heard.end) == (b"", "open")
    assert world.truth.posted == []
    may_end.set()
    wait_for("message", lambda: world.truth.posted)


def test_a_call_that_waits_holds_up_nobody_else(world: Simulator) -> None:
    world.set_faults(f"discord.post@{CHANNEL}=no-answer")
    with socket.create_connection(("127.0.0.1", world.port)) as waiting:
        body = b'{"content": "x"}'
        head = f"POST /discord/api/v10/channels/{CHANNEL}/messages HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in DISCORD.items()
        )
        waiting.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        wait_for("message", lambda: world.truth.posted)
        assert post_discord(world, "333333333333333333", content="y").status == 200


def test_an_outage_ends_by_the_clock(world: Simulator, clock: HandClock) -> None:
    world.set_faults("riot=outage(600)")
    down = ask_riot(world, "na1", STATUS)
    assert (down.status, down.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert "x-app-rate-limit" not in down.headers
    clock.move(599)
    assert ask_riot(world, "na1", STATUS).status == 503
    assert post_discord(world, content="only riot is down").status == 200
    clock.move(1)
    assert ask_riot(world, "na1", STATUS).status == 200


# -- Refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "status", "code"),
    [
        ("discord.post=401", 401, 0),
        ("discord.post=403", 403, 50013),
        ("discord.post=404", 404, 10003),
        ("discord.post=400", 400, 50035),
        ("discord.post=refuse(50001)", 403, 50001),
        ("discord.post=refuse(10003)", 404, 10003),
    ],
)
def test_discord_refuses_in_its_own_words(
    world: Simulator, spec: str, status: int, code: int
) -> None:
    world.set_faults(spec)
    refused = post_discord(world, content="x")
    assert (refused.status, refused.json["code"]) == (status, code)
    assert world.truth.posted == []


def test_a_missing_message_and_a_missing_webhook_have_codes_of_their_own(world: Simulator) -> None:
    world.set_faults("discord=404;discord-hook=404")
    edit = ask_discord(world, "PATCH", f"/channels/{CHANNEL}/messages/1", {"content": "x"})
    assert edit.json["code"] == 10008
    hook = ask_discord(world, "POST", "/webhooks/222222222222222222/secret", {"content": "x"})
    assert hook.json["code"] == 10015


@pytest.mark.parametrize(
    ("kind", "scope", "is_global"),
    [("429", "user", False), ("429-route", "user", False), ("429-global", "global", True),
     ("429-shared", "shared", False)],
)  # fmt: skip
def test_discords_429s_tell_their_scope(
    world: Simulator, kind: str, scope: str, is_global: bool
) -> None:
    world.set_faults(f"discord.post={kind}(2.5)")
    refused = post_discord(world, content="x")
    assert (refused.status, refused.json["retry_after"]) == (429, 2.5)
    assert refused.json["global"] is is_global
    assert refused.headers["x-ratelimit-scope"] == scope
    assert ("x-ratelimit-global" in refused.headers) is is_global
    assert refused.headers["retry-after"] == "3"
    assert world.truth.violations == []  # it only pretended


def test_cloudflares_429_has_neither_via_nor_json(world: Simulator) -> None:
    world.set_faults("discord.post=429-cloudflare")
    refused = post_discord(world, content="x")
    assert (refused.status, refused.headers["retry-after"]) == (429, "600")
    assert "via" not in refused.headers
    assert refused.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("kind", "named", "retry_after", "limits"),
    [
        ("429", "application", "1", True),
        ("429-application", "application", "1", True),
        ("429-method", "method", "1", True),
        ("429-service", "service", None, True),
        ("429-server", "server", "5", False),
        ("429-bare", None, None, False),
    ],
)
def test_riots_429s_are_those_that_were_seen(
    world: Simulator, kind: str, named: str | None, retry_after: str | None, limits: bool
) -> None:
    world.set_faults(f"riot={kind}")
    refused = ask_riot(world, "na1", STATUS)
    assert refused.status == 429
    assert refused.headers.get("x-rate-limit-type") == named
    assert refused.headers.get("retry-after") == retry_after
    assert ("x-app-rate-limit" in refused.headers) is limits
    assert world.truth.violations == []


def test_riots_502_is_a_page_and_its_other_errors_are_json(world: Simulator) -> None:
    world.set_faults("riot=502*1,503:0")
    assert ask_riot(world, "na1", STATUS).headers["content-type"].startswith("text/html")
    for status in (401, 403, 404, 500, 503):
        world.set_faults(f"riot={status}")
        refused = ask_riot(world, "na1", STATUS)
        assert (refused.status, refused.json["status"]["status_code"]) == (status, status)


@pytest.mark.parametrize(
    ("spec", "error", "accepted"),
    [
        ("slack.post=401", "invalid_auth", 0),
        ("slack.post=404", "channel_not_found", 0),
        ("slack.post=refuse(is_archived)", "is_archived", 0),
        ("slack.post=internal-error", "internal_error", 1),
        ("slack.post=internal-error(fatal_error)", "fatal_error", 1),
    ],
)
def test_slack_refuses_with_ok_false_under_200_also_what_it_has_accepted(
    world: Simulator, spec: str, error: str, accepted: int
) -> None:
    world.set_faults(spec)
    refused = post_slack(world, text="x")
    assert (refused.status, refused.json) == (200, {"ok": False, "error": error})
    assert len(world.truth.posted) == accepted


def test_slacks_webhooks_refuse_with_a_status_and_a_word(world: Simulator) -> None:
    path = "/slack-hooks/services/T0001/B0001/secret"
    for status, word in ((403, b"invalid_token"), (404, b"no_service"), (500, b"rollup_error")):
        world.set_faults(f"slack-hook={status}")
        refused = ask(world, "POST", path, {}, {"text": "x"})
        assert (refused.status, refused.body) == (status, word)
    world.set_faults("slack-hook=429(3)")
    assert ask(world, "POST", path, {}, {"text": "x"}).headers["retry-after"] == "3"


# -- Behaviours -------------------------------------------------------------------------------


def test_a_bot_that_may_not_read_the_history_gets_an_empty_list_and_is_refused_a_single_message(
    world: Simulator,
) -> None:
    posted = post_discord(world, content="x").json
    world.set_faults("discord=unreadable")
    path = f"/channels/{CHANNEL}/messages"
    listed = ask_discord(world, "GET", path)
    assert (listed.status, listed.json) == (200, [])
    single = ask_discord(world, "GET", f"{path}/{posted['id']}")
    assert (single.status, single.json["code"]) == (403, 50001)


def test_a_slack_bot_that_may_not_read_learns_which_scope_is_missing(world: Simulator) -> None:
    world.set_faults("slack.history=unreadable")
    answered = ask_slack(world, "conversations.history", channel=SLACK_CHANNEL).json
    assert (answered["error"], answered["needed"]) == ("missing_scope", "channels:history")


def test_a_lagging_history_shows_messages_late(world: Simulator, clock: HandClock) -> None:
    world.set_faults("discord.list=lagging(30);slack.history=lagging(30)")
    post_discord(world, content="x")
    post_slack(world, text="x")

    def shown() -> list[int]:
        discord = ask_discord(world, "GET", f"/channels/{CHANNEL}/messages").json
        slack = ask_slack(world, "conversations.history", channel=SLACK_CHANNEL).json["messages"]
        return [len(discord), len(slack)]

    clock.move(29)
    assert shown() == [0, 0]
    clock.move(1)
    assert shown() == [1, 1]


def test_lists_and_matches_of_riot_may_lag_each_by_itself(
    world: Simulator, clock: HandClock
) -> None:
    world.add_game(small_game("NA1_1", ended_at=clock.now))
    world.set_faults("riot.match-list=lagging(60);riot.match=lagging(90)")
    path = "/lol/match/v5/matches/NA1_1"
    clock.move(59)
    assert match_ids(world, MIRA) == []
    clock.move(1)
    assert match_ids(world, MIRA) == ["NA1_1"]
    assert ask_riot(world, "americas", path).status == 404
    clock.move(30)
    assert ask_riot(world, "americas", path).status == 200


def test_a_shorter_nonce_window_forgets_sooner(world: Simulator, clock: HandClock) -> None:
    world.set_faults("discord.post=nonce-window(2)")
    for wait in (0, 1.9, 0.1):
        clock.move(wait)
        post_discord(world, content="x", nonce="n", enforce_nonce=True)
    assert len(world.truth.posted) == 2


def test_limit_headers_may_be_missing(world: Simulator) -> None:
    world.set_faults("all=no-limit-headers")
    answers = (ask_riot(world, "na1", STATUS), post_discord(world, content="x"))
    for answered in answers:
        assert answered.status == 200
        assert not [name for name in answered.headers if "ratelimit" in name.replace("-", "")]


def test_lists_of_riot_may_be_shuffled_holed_or_endless(world: Simulator, clock: HandClock) -> None:
    for number in range(9):
        world.add_game(small_game(f"NA1_{number}", ended_at=clock.now - 1000 + number))
    ordered = match_ids(world, MIRA)
    world.set_faults("riot=unordered")
    shuffled = match_ids(world, MIRA)
    assert shuffled != ordered
    assert sorted(shuffled) == sorted(ordered)
    world.set_faults("riot=holes")
    assert match_ids(world, MIRA) == [id_ for n, id_ in enumerate(ordered) if n % 3 != 1]
    world.set_faults("riot=endless")
    assert match_ids(world, MIRA, start=5, count=3) == ordered[:3]


def test_a_match_may_lack_what_somebody_did_in_it(world: Simulator) -> None:
    world.add_game(match_payload("NA1_5", ended_at=datetime.fromtimestamp(world.clock() - 60, UTC)))
    world.set_faults("riot.match=malformed*1")
    broken, whole = (ask_riot(world, "americas", "/lol/match/v5/matches/NA1_5") for _ in "12")
    first = [answer.json["info"]["participants"][0] for answer in (broken, whole)]
    assert [("kills" in each, "deaths" in each) for each in first] == [
        (False, False), (True, True),
    ]  # fmt: skip


# -- Changed at run time ----------------------------------------------------------------------


def test_faults_are_changed_and_shown_over_http_and_a_wrong_spec_changes_nothing(
    world: Simulator,
) -> None:
    def put(spec: str) -> tuple[int, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", world.port, timeout=60)
        connection.request("POST", "/faults", spec)
        answer = connection.getresponse()
        found = (answer.status, json.loads(answer.read()))
        connection.close()
        return found

    assert put("riot=503") == (200, {"spec": "riot=503"})
    status, answer = put("riot=nonsense")
    assert status == 400
    assert "'nonsense'" in answer["error"]
    assert ask(world, "GET", "/faults", {}).json == {"spec": "riot=503"}
    assert ask_riot(world, "na1", STATUS).status == 503
    put("")
    assert ask_riot(world, "na1", STATUS).status == 200


def test_each_call_stands_in_the_truth_with_its_fault_and_its_request(world: Simulator) -> None:
    world.set_faults("discord.post=error-after-accept*1")
    post_discord(world, content="x", nonce="n1")
    post_discord(world, content="y")
    first, second = world.truth.calls("discord.post")
    assert (first["fault"], first["status"]) == ("error-after-accept(500)", 500)
    assert first["request"] == {"content": "x", "nonce": "n1"}
    assert (second["fault"], second["status"]) == (None, 200)
    assert world.truth.counts()["discord.post"] == {"200": 1, "error-after-accept(500)": 1}
