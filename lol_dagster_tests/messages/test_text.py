"""Harmless text, worked out by hand; and messages as Markdown, read by a real CommonMark parser."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from lol_dagster.messages import text
from lol_dagster.messages.content import Line, MessageContent, Section
from lol_dagster_tests._support.hostile_content import on_hostile_contents

commonmark = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@on_hostile_contents
def test_markdown_has_no_markup_but_its_own(content):
    for token in commonmark.parse(text.markdown(content)):
        assert token.type in {"paragraph_open", "inline", "paragraph_close"}
        for child in token.children or []:
            assert child.type in {
                "text", "text_special", "hardbreak", "strong_open", "strong_close",
                "link_open", "link_close",
            }  # fmt: skip
            if child.type == "link_open":
                assert child.attrs["href"] == content.url


@pytest.mark.parametrize(
    ("text_", "length"),
    [("", 0), ("abc", 3), ("ツ", 1), ("\uffff", 1), ("𝕬", 2), ("a𝕬b", 4)],
)
def test_lengths_are_in_utf_16_code_units(text_: str, length: int) -> None:
    assert text.utf16_length(text_) == length


@pytest.mark.parametrize(
    ("whole", "limit", "cut"),
    [
        ("abcd", 4, "abcd"),
        ("abcde", 4, "abc…"),
        ("a𝕬b", 3, "a…"),  # the letter takes two units and is never halved
        ("ab  cd", 5, "ab…"),  # no blank before the ellipsis
        ("abXXcd", 5, "abXX…"),
        ("ab\u200dcd", 4, "ab…"),  # nor half of a joined character
    ],
)
def test_what_is_too_long_ends_in_an_ellipsis(whole: str, limit: int, cut: str) -> None:
    assert text.clip(whole, limit) == cut


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("", ""),
        ("Ann", "Ann"),
        ("  A \t n\r\nn  ", "A n n"),
        ("A\u00a0n", "A n"),
        ("\u202eevil\u202c", "evil"),  # a bidirectional override
        ("A\u200b\ufeff\x00\x1bnn", "Ann"),
        ("\u3164", text.BLANK),  # a letter of which nothing is to be seen
        ("\u2800\u115f \u034f", text.BLANK),
        ("\ud800", text.BLANK),
        ("A\ud800", "A"),
        ("Z\u0301\u0302\u0303\u0304\u0305!", "Z\u0301\u0302\u0303\u0304!"),  # four marks at most
        ("Z\u0301\u0302\u0303\u0304\u0305Z\u0301", "Z\u0301\u0302\u0303\u0304Z\u0301"),
        ("Z\u0301\u0302\u0303\u0304 Z\u0301", "Z\u0301\u0302\u0303\u0304 Z\u0301"),
        ("\u0301Ann", "Ann"),  # it would stand on the text before the name
        ("A \u0301n", "A n"),
        ("A\u20ddn", "A\u20ddn"),
        ("\u20ddAnn", "Ann"),  # an enclosing mark is a mark
        ("👨\u200d👩", "👨\u200d👩"),  # joined into one
        ("Ann\u200d", "Ann"),
        ("\u200dAnn", "Ann"),
        ("שלום", "\u2068שלום\u2069"),
        ("١٢ Ann", "\u2068١٢\u2069 Ann"),
        ("١٢ 3", "\u2068١٢\u2069 3"),  # without a letter it is read from the left
        ("סa 3", "\u2068סa 3\u2069"),  # a sentence of ours would not begin so
        ("١٢ سلام A", "\u2068١٢ سلام A\u2069"),
        (
            "Games of سلام علي#rd, 'דנה' 3: none",
            "Games of \u2068سلام علي#rd\u2069, '\u2068דנה\u2069' 3: none",
        ),
        ("A סא " * 9, "\u2068" + ("A סא " * 9).strip() + "\u2069"),  # no space for nine pairs
        ("سلام", "\u2068سلام\u2069"),
        ("A, \u2068سلام\u2069 3", "A, \u2068سلام\u2069 3"),  # isolated already, and so nothing else
        ("سلام, \u2068سلام\u2069 3", "\u2068سلام, سلام 3\u2069"),  # not all of it: as a whole
        ("X \u2068XסX\u2069 3", "X \u2068XסX\u2069 3"),
        ("A \u2068ס\u200d\u2069 3", "A \u2068ס\u2069 3"),  # it would join what stands after it
        ("\u2068\u200b\u2069A\u2068", "A"),  # nothing inside; no end
        ("\u2068A\u2068B\u2069C\u2069", "A\u2068B\u2069C"),  # never one in another
    ],
)
def test_what_disturbs_the_text_around_it_is_taken_away(typed: str, shown: str) -> None:
    assert text.plain(typed, 50) == shown


def test_a_plain_text_has_space_for_what_isolates_it() -> None:
    # Of 8 units two are kept for the isolates: five letters and the ellipsis.
    assert text.plain("x" * 8, 8) == "xxxxx…"
    assert text.plain("א" * 8, 8) == "\u2068אאאאא…\u2069"
    assert text.plain("A א", 5) == "A \u2068א\u2069"
    assert text.plain("A " + text.isolated("א" * 8), 8) == "A \u2068אא…\u2069"


@pytest.mark.parametrize(
    ("typed", "escaped"),
    [
        (r"\*_~`|<[]@", r"\\\*\_\~\`\|\<\[\]\@"),
        ("https://evil.example", r"https\://evil.example"),
        (":smile: x", r"\:smile: x"),
        ("32:10", "32:10"),
        ("at 9: now", "at 9: now"),
        ("&lt; & &;", r"\&lt; & &;"),
        ("www.evil.example WWW.x", r"www\.evil.example WWW\.x"),
        ("ww.x", "ww.x"),
        ("1. one", r"1\. one"),
        ("12) one", r"12\) one"),
        ("1.", r"1\."),
        ("1.5 one", "1.5 one"),
        ("one 1. two", "one 1. two"),
        ("# one", r"\# one"),
        ("-one - two", r"\-one - two"),
        ("+ = >", r"\+ = >"),
        ("=", r"\="),
        (">", r"\>"),
        ("A-B # = + >", "A-B # = + >"),
    ],
)
def test_markup_is_escaped_where_it_would_be_markup(typed: str, escaped: str) -> None:
    assert text.plain_markdown(typed, 100) == escaped


def test_an_escape_is_never_cut_in_two() -> None:
    # Ten stars in 10 units: at two each, four of them and the ellipsis are the most below it.
    assert text.plain_markdown("*" * 10, 10) == r"\*\*\*\*…"
    assert text.plain_markdown("*" * 3, 8) == r"\*\*\*"


def test_no_more_is_cut_than_has_to_be() -> None:
    # abc****… has 8 units and 12 with its escapes, two too many: one star less is enough.
    assert text.plain_markdown("abc****xyz", 10) == r"abc\*\*\*…"


def test_a_lines_rows_are_what_was_how_good_it_was_and_what_stood_out() -> None:
    line = Line("Ann", ("Jinx", "1/2/3"), ("KDA 2.0", "50%"), ("pentakill", "first blood"))
    assert text.plain_rows(line) == ["Jinx · 1/2/3", "KDA 2.0 · 50%", "⭐ pentakill, first blood"]
    assert text.markdown_rows(line)[0] == "**Ann** · Jinx · 1/2/3"
    assert text.plain_rows(Line("Ann", ("Jinx",))) == ["Jinx"]
    assert text.markdown_rows(Line("", ("Jin*",))) == [r"Jin\*"]
    assert text.plain_rows(Line("", ("Jin*", "", "x"))) == ["Jin* · x"]


def test_of_a_row_that_is_too_long_the_end_is_left_out() -> None:
    # A text takes 198 units at most, 197 letters and the ellipsis; three of them and two separators
    # are 600, four would be more than the 790 that a row may have before " · …" is added.
    cut = "x" * 197 + "…"
    assert text.plain_rows(Line("", ("x" * 300,) * 5)) == [f"{cut} · {cut} · {cut} · …"]


def test_a_row_may_be_just_as_long_as_it_may_be() -> None:
    # 3 × 198 + 3 separators of 3 = 603; 187 more make 790.
    long = "x" * 198
    full = text.plain_rows(Line("", (long, long, long, "y" * 187)))[0]
    assert (len(full), full[-3:]) == (790, "yyy")
    assert text.plain_rows(Line("", (long, long, long, "y" * 188)))[0].endswith("x · …")


def test_a_whole_message_has_its_headings_and_what_was_left_out() -> None:
    content = MessageContent(
        title="2 games*",
        summary="",
        sections=(Section((Line("Ann", ("Jinx",)), Line("Bob", ("Vi",))), heading="Blue_side"),),
        tone="mixed",
        more=37,
    )
    assert text.markdown(content) == (
        "🟡 **2 games\\***\n\n**Blue\\_side**\n\n**Ann** · Jinx\n\n**Bob** · Vi\n\n… and 37 more"
    )


def test_what_was_left_out_is_said_in_the_messages_language() -> None:
    content = MessageContent(title="2 Spiele", summary="", sections=(), more=37, language="de")
    assert text.markdown(content).endswith("… und 37 weitere")


def test_titles_and_footers_may_be_longer_than_names() -> None:
    content = MessageContent(
        title="t" * 900,
        summary="",
        sections=(Section((), heading="h" * 300),),
        footer="f" * 900,
    )
    # All but two of the 800 units that a row may have, and of the 200 of a name.
    title, heading, footer = text.markdown(content).split("\n\n")
    assert title == f"⚪ **{'t' * 797}…**"
    assert heading == f"**{'h' * 197}…**"
    assert footer == f"{'f' * 797}…"
