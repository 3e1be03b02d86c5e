"""Messages as Markdown for our own screens, read by a real CommonMark parser."""

from __future__ import annotations

from markdown_it import MarkdownIt

from lol_dagster.messages import text
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
