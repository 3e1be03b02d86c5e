"""What the transports share: waiting times, secrets, a remote's words, calls without an answer."""

from __future__ import annotations

import hashlib
import json

import pytest
from markupsafe import Markup

from lol_dagster import http_terms
from lol_dagster.delivery.model import (
    Absent,
    Blocked,
    Deleted,
    Found,
    More,
    NotSeen,
    NotSent,
    Refused,
    ScanVerdict,
    Uncertain,
)
from lol_dagster.delivery.transports.base import (
    Answer,
    Caller,
    Capabilities,
    NotUploaded,
    Outgoing,
    RemoteIdForm,
    Search,
    Wanted,
    asked_to_wait,
    fingerprint,
    html_link,
    html_time,
    reads,
    seconds,
    sends,
    short,
    unread,
    without_secret,
)
from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.settings import Settings
from lol_dagster_tests._support.raw_server import answer, raw_server

A_DAY = 86_400.0


def test_what_was_not_uploaded_without_being_asked_to_wait_waits_for_no_time() -> None:
    assert NotUploaded("refused").retry_after == 0
    assert NotUploaded("limited", retry_after=7.5).retry_after == 7.5


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        (7, 7.0),
        (0.25, 0.25),
        ("1.5", 1.5),
        (0, 0.0),
        (-3, 0.0),
        ("999999999", A_DAY),  # no service means more than a day
        ("inf", A_DAY),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
        (True, None),  # which Python takes for a number
        ([7], None),
    ],
)
def test_a_waiting_time_is_a_number_within_reason(said: object, wait: float | None) -> None:
    assert seconds(said) == wait


def test_whoever_asks_to_wait_without_saying_how_long_means_a_minute() -> None:
    assert asked_to_wait(None) == 60.0
    assert asked_to_wait("soon") == 60.0
    assert asked_to_wait(0) == 1.0
    assert asked_to_wait("7") == 7.0


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://discord.com/api/webhooks/1/token", "https://discord.com/api/webhooks/1/…"),
        ("https://discord.com/api/webhooks/1/token/", "https://discord.com/api/webhooks/1/…"),
        ("https://discord.com/api/webhooks/1/X", "https://discord.com/api/webhooks/1/…"),
        ("https://discord.com/webhooks/1/token?thread_id=5/6", "https://discord.com/webhooks/1/…"),
    ],
)
def test_a_webhooks_address_is_shown_without_its_token(address: str, shown: str) -> None:
    assert without_secret(address) == shown


def test_a_remotes_words_are_one_short_line() -> None:
    assert short("a\nb\tc\x1b[31m") == "a b c [31m"
    assert short("x" * 300) == "x" * 200
    assert short(7) == "7"


def test_a_fingerprint_tells_secrets_apart_and_is_none_itself() -> None:
    # sha256("abc") is ba7816bf 8f01cfea 4141…, as FIPS 180 has it.
    assert fingerprint("abc") == "ba7816bf8f01cfea"


def test_a_body_is_known_by_its_content_and_not_by_the_order_of_its_fields() -> None:
    one = Outgoing("m", 1, "n", {"a": 1, "b": [2]})
    same = Outgoing("m", 1, "n", {"b": [2], "a": 1})
    assert one.body_sha256 == hashlib.sha256(b'{"a": 1, "b": [2]}').hexdigest()
    assert same.body_sha256 == one.body_sha256


def test_only_a_page_becomes_a_link() -> None:
    shown = Markup("Ann &amp; Bob")
    assert html_link("https://example.org/?a=1&b=2", shown) == (
        '<a href="https://example.org/?a=1&amp;b=2" rel="noopener noreferrer">Ann &amp; Bob</a>'
    )
    assert html_link("http://example.org", shown).startswith("<a ")
    for other in ("javascript:alert(1)", "ftp://example.org", "//example.org", "xhttps://x"):
        assert html_link(other, shown) == shown


def test_an_instant_in_a_preview_is_one_element() -> None:
    # 20667 days after 1970 begins 2026-08-02: four hours before that.
    assert html_time(20667 * 86_400 - 4 * 3600) == (
        '<time datetime="2026-08-01T20:00:00+00:00" title="2026-08-01 20:00:00 UTC" data-own-zone="16">'
        "2026-08-01 20:00</time>"
    )


def test_an_id_is_of_its_form_from_its_beginning_to_its_end() -> None:
    form = RemoteIdForm(r"\d{3}", "three digits")
    assert form.matches("123")
    for other in ("1234", "12", "x123", "123\n", "١٢٣"):
        assert not form.matches(other)


def test_a_search_goes_on_where_each_page_ends_and_not_forever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slack = all_transports(Settings())["slack-bot"]
    answers: list[Answer[ScanVerdict]] = [Answer(More("2")), Answer(More("3")), Answer(Absent())]
    asked: list[str | None] = []

    def scan(_address: str, wanted: Wanted) -> Answer[ScanVerdict]:
        asked.append(wanted.position)
        return answers[len(asked) - 1]

    monkeypatch.setattr(slack, "scan", scan)
    wanted = Wanted("m", None, None)
    assert slack.search("C1", wanted, 3).verdict == Absent()
    assert asked == [None, "2", "3"]
    asked.clear()
    given_up = slack.search("C1", wanted, 2)
    assert given_up == Answer(NotSeen("not found in 2 pages, of many"))


@pytest.mark.parametrize(
    ("copies", "found"),
    [
        ((), None),
        ((("999", 3),), Found("999", 3)),
        # The one that was posted first, whatever it says and however long its number is.
        ((("1000", 1), ("999", 3)), Found("999", 3, ("1000",))),
        (
            (("1785614400.9", 1), ("1785614399.100", 2)),
            Found("1785614399.100", 2, ("1785614400.9",)),
        ),
    ],
)
def test_of_several_copies_the_first_that_was_posted_is_the_message(
    copies: tuple[tuple[str, int], ...], found: Found | None
) -> None:
    assert Search(copies=copies).found() == found


def test_a_search_goes_on_from_what_was_kept_of_it() -> None:
    search = Search(None, (("999", 3),), marked=True, unmarked=("7",))
    position = search.more("page 2").position
    assert Search.of(position) == Search("page 2", (("999", 3),), marked=True, unmarked=("7",))
    assert Search.of(None) == Search()


@pytest.mark.parametrize(
    ("known", "after_id"),
    [
        (str(4 * 10**17), str(4 * 10**17 - (60_000 << 22))),  # a minute before: ids may overlap
        ("no id", None),
        (None, None),
    ],
)
def test_a_search_of_discords_history_begins_a_minute_before_what_is_known(
    known: str | None, after_id: str | None
) -> None:
    assert all_transports(Settings())["discord-bot"].after_id(known, None) == after_id


def test_less_is_promised_only_where_a_history_is_read_and_cannot_be() -> None:
    reader = Capabilities(
        "marker", read_back=True, settle=1.0, promise="all", promise_if_unreadable="less"
    )
    writer = Capabilities(
        None, read_back=False, settle=1.0, promise="all", promise_if_unreadable="less"
    )
    assert reader.promised(unreadable_history=True) == "less"
    assert reader.promised(unreadable_history=False) == "all"
    assert writer.promised(unreadable_history=True) == "all"


def test_a_call_without_an_answer_was_sent_only_if_a_byte_left() -> None:
    def failing(error: http_terms.TransportError) -> object:
        @sends
        def call() -> Answer[Uncertain]:
            raise error

        return call()

    assert failing(http_terms.NotSent("refused\nhere")) == Answer(NotSent("refused here"))
    assert failing(http_terms.MaybeSent("reset")) == Answer(Uncertain("reset"))


@pytest.mark.parametrize(
    "error", [http_terms.NotSent("no address"), http_terms.MaybeSent("no address")]
)
def test_a_read_without_an_answer_has_seen_nothing(error: http_terms.TransportError) -> None:
    @reads
    def call() -> Answer[NotSeen]:
        raise error

    assert call() == Answer(NotSeen("no address"))


def test_a_refused_read_says_nothing_of_the_message() -> None:
    blocked = Blocked("no permission", dead=True)
    assert unread(blocked) is blocked
    assert unread(NotSent("why", retry_after=7.0)) == NotSeen("why", 7.0)
    for refusal in (Uncertain("why"), Refused("why"), Deleted("why")):
        assert unread(refusal) == NotSeen("why")


def test_what_a_call_sends_is_sent_as_it_is() -> None:
    with raw_server(lambda _, connection: connection.send(answer(200, "{}"))) as server:
        caller = Caller("ours", server.url(""), 5.0)
        reply = caller.call("POST", "/files", headers={"X-One": "1"}, data=b"png")
        caller.call("POST", "/messages", json={"text": "Victory"})
    assert (reply.status, reply.data) == (200, {})
    file, message = server.requests
    assert (file.method, file.target, file.body) == ("POST", "/files", b"png")
    assert (file.headers["x-one"], file.headers["user-agent"]) == ("1", "ours")
    assert json.loads(message.body) == {"text": "Victory"}
