"""What the preview shows is what the channel shows: text stays the text that it is."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from lol_dagster.delivery.transports.registry import all_transports
from lol_dagster.messages.content import Icon, Line, MessageContent, Moment, Section
from lol_dagster.settings import Settings

MARKER = "0b7c8a5e-0000-4000-8000-000000000001.1"


class Reader(HTMLParser):
    """The tags of a preview, and its text by the tag that it stands in."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.lines: list[str] = []
        self.bold: list[str] = []
        self.links: list[str] = []
        self._open: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._open.append(tag)
        if tag == "a":
            self.links.append(dict(attrs)["href"] or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.lines.append(data)
        if "strong" in self._open:
            self.bold.append(data)


@pytest.mark.parametrize("kind", ["discord-bot", "slack-bot"])
def test_a_moment_can_be_made_the_viewers_own(kind: str) -> None:
    line = Line("Ann", when=Moment(1785614400, "Sat 1 Aug 16:00"))
    content = MessageContent("t", "s", (Section((line,)),))
    shown = str(all_transports(Settings())[kind].preview(content, MARKER))
    assert (
        '<time datetime="2026-08-01T20:00:00+00:00" title="2026-08-01 20:00:00 UTC" data-own-zone="16">'
        "2026-08-01 20:00</time>" in shown
    )


@pytest.mark.parametrize("kind", ["discord-bot", "slack-bot"])
@pytest.mark.parametrize(
    "name",
    ["**Ann**", "__x__ ~~y~~ ||z||", "<@123> @everyone", "<b>Ann</b>", "a*b*c", "`code`", "\\*Ann"],
)
def test_whatever_a_name_looks_like_it_is_read_as_it_is(kind: str, name: str) -> None:
    content = MessageContent(
        title=name,
        summary=name,
        sections=(Section((Line(lead=name, facts=("Jinx", name)),), heading=name),),
        url="https://example.org/game",
        footer=name,
    )
    shown = Reader(str(all_transports(Settings())[kind].preview(content, MARKER)))
    text = "".join(shown.lines)
    # Title, heading, lead, fact, footer.
    assert text.count(name) == 5
    assert shown.tags <= {"div", "a", "strong", "em", "br"}
    assert name in "".join(shown.bold)
    assert "Jinx" not in "".join(shown.bold)


def test_discord_shows_the_title_as_the_link_that_is_sent_with_the_marker_in_it() -> None:
    content = MessageContent(title="Ann won", summary="", url="https://example.org/game")
    shown = Reader(str(all_transports(Settings())["discord-webhook"].preview(content, MARKER)))
    assert shown.links == [f"https://example.org/game?d={MARKER}"]


def test_no_address_but_that_of_a_page_becomes_a_link() -> None:
    content = MessageContent(title="Ann won", summary="", url="javascript:alert(1)")
    for kind in ("discord-bot", "slack-bot"):
        assert Reader(str(all_transports(Settings())[kind].preview(content, MARKER))).links == []


CONTENT = MessageContent(
    title="Ann won",
    summary="Ann won",
    sections=(Section((Line("Ann", ("Jinx",), ("KDA 9.0",)),), heading="Blue"),),
    url="https://example.org/5",
    tone="good",
    footer="EUW1_5",
)


def test_discords_preview_is_an_embed() -> None:
    assert all_transports(Settings())["discord-bot"].preview(CONTENT, "m.1") == (
        '<div class="preview discord"><div class="embed tone-good">'
        '<div class="embed-title"><a href="https://example.org/5?d=m.1" rel="noopener noreferrer">'
        "Ann won</a></div>"
        '<div class="embed-text"><div class="heading">Blue</div>'
        "<div><strong>Ann</strong> · Jinx</div><div>KDA 9.0</div></div>"
        '<div class="embed-footer">EUW1_5</div></div></div>'
    )
    bare = all_transports(Settings())["discord-bot"].preview(MessageContent("t", "s"), "m.1")
    assert bare.startswith('<div class="preview discord"><div class="embed tone-neutral">')
    assert bare.endswith("t</a></div></div></div>")  # neither a text nor a footer
    assert bare.count("<div") == 3


def test_slacks_preview_is_its_blocks() -> None:
    assert all_transports(Settings())["slack-bot"].preview(CONTENT, "m.1") == (
        '<div class="preview slack"><div class="block">🟢 <strong>'
        '<a href="https://example.org/5" rel="noopener noreferrer">Ann won</a></strong></div>'
        '<div class="block"><strong><em>Blue<br></em></strong><strong>Ann</strong>'
        " · Jinx<br>KDA 9.0</div>"
        '<div class="block-context">EUW1_5</div></div>'
    )


@pytest.mark.parametrize(
    ("kind", "icon", "shown"),
    [
        ("discord-bot", "<:lol_Jinx:123456789012345678>", "<strong>Ann</strong>"),
        ("slack-bot", "https://ddragon.example/Jinx.png", "</div>"),
    ],
)
def test_letters_stand_for_an_icon_that_is_sent(kind: str, icon: str, shown: str) -> None:
    line = Line("Ann", ("Jinx",), icon=Icon(222, "Jinx"))
    content = MessageContent("t", "s", (Section((line,)),))
    letters = '<span class="champion" title="Jinx">Ji</span>'
    transport = all_transports(Settings())[kind]
    preview = str(transport.preview(content, "m.1", {222: icon}))
    assert f"{letters}{' ' if kind == 'discord-bot' else ''}{shown}" in preview
    assert "champion" not in str(transport.preview(content, "m.1")), "it is not known"


def test_a_kind_without_a_preview_of_its_own_shows_its_body() -> None:
    unknown = all_transports(Settings())["one that is gone"]
    assert unknown.preview(MessageContent("t", "<Ann> wön"), "m.1") == (
        '<pre class="preview">{\n  &#34;text&#34;: &#34;&lt;Ann&gt; wön&#34;\n}</pre>'
    )
