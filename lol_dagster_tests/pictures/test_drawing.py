"""A card as a picture: what is on it, that it is the same each time, and that no name breaks it."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from lol_dagster.pictures import drawing, fonts
from lol_dagster.pictures.card import Card, CardMember, CardPlayer, CardSide
from lol_dagster.pictures.charmaps import charmap_of
from lol_dagster.pictures.drawable import drawable
from lol_dagster.pictures.drawing import CannotDraw, as_svg, draw, initials
from lol_dagster_tests.pictures.pngs import a_png, read_png, size_of

ANN = CardMember(
    name="Ann",
    champion="Ahri",
    champion_id=103,
    score="12/3/9",
    facts=("7.9 CS/min", "64% kill participation"),
    points="+21 LP",
    standing="Gold II 45 → 66",
    points_tone="good",
    highlight="A triple kill",
    is_mvp=True,
)
BOB = CardMember(name="Bob", champion="Vi", champion_id=254, score="1/2/3")
CARD = Card(title="Victory", subtitle="Ranked Solo · 32:10", tone="good", members=(ANN,))
SVG = "{http://www.w3.org/2000/svg}"


def side(*champions: str, label: str = "", member: str = "") -> CardSide:
    return CardSide(
        tuple(CardPlayer(each, 100 + at, each == member) for at, each in enumerate(champions)),
        label,
    )


def texts(card: Card) -> list[str]:
    return ["".join(each.itertext()) for each in ET.fromstring(as_svg(card)).iter(f"{SVG}text")]


def sizes(card: Card) -> dict[str, float]:
    found = ET.fromstring(as_svg(card)).iter(f"{SVG}text")
    return {"".join(each.itertext()): float(each.get("font-size", "0")) for each in found}


def test_a_card_says_what_happened_and_how_each_member_did() -> None:
    assert texts(replace(CARD, members=(ANN, BOB))) == [
        "Victory", "Ranked Solo · 32:10",
        "Ah", "Ann", "12/3/9", "MVP", "Ahri · 7.9 CS/min", "+21 LP", "A triple kill",
        "Vi", "Bob", "1/2/3", "Vi",
    ]  # fmt: skip


def test_of_one_member_the_points_stand_on_top_with_where_they_lead() -> None:
    assert texts(CARD)[:4] == ["Victory", "Ranked Solo · 32:10", "+21 LP", "Gold II 45 › 66"]
    assert texts(CARD).count("+21 LP") == 1


def test_it_is_720_wide_and_as_high_as_it_has_to_say() -> None:
    # Head 144, a member 108 and 42 more with a remark, the margin 14, the bar 92.
    bar = replace(CARD, sides=(side("Ahri", member="Ahri"), side("Zed")))
    for card, height in (
        (CARD, 144 + 108 + 42 + 14),
        (replace(CARD, members=(ANN, BOB)), 144 + 2 * 108 + 42 + 14),
        (bar, 144 + 108 + 42 + 14 + 92),
    ):
        assert size_of(draw(card)) == (720, height)


def test_what_matters_is_read_where_a_phone_shows_half_of_the_pixels() -> None:
    """13 pixels is what Discord writes its small print with; letters in the discs only tell them apart."""
    card = replace(
        CARD, members=(ANN, BOB), sides=(side("Ahri", label="32"), side("Zed", label="18"))
    )
    small = {said: size for said, size in sizes(card).items() if size < 26}
    assert small == {"MVP": 25, "Ah": 22, "Ze": 22}


def test_the_same_card_makes_the_same_bytes() -> None:
    assert draw(CARD) == draw(Card.from_json(CARD.to_json()))


def test_another_figure_makes_another_picture() -> None:
    assert draw(CARD) != draw(replace(CARD, members=(replace(ANN, score="12/3/8"),)))


def test_markup_in_a_name_is_text() -> None:
    hostile = '"/><script>alert(1)</script>&amp;'
    card = replace(CARD, members=(BOB,), title=hostile, subtitle=hostile)
    assert hostile in texts(card)
    assert not list(ET.fromstring(as_svg(card)).iter(f"{SVG}script"))


@pytest.mark.parametrize(
    "name",
    [
        "قرين الظلام", "\u2068قرين\u2069 and \u2068שלום\u2069, 3rd", "이상혁", "山田 太郎", "👨‍👩‍👧 Żółć", "🇩🇪 x",
        "office 😀 ffi", "e\u0301\u0323 x\u030c 😀", "\u202eabc\u202c", "a\0b\x1b\ud800\ufffe", "", " ", "\u200b",
        "Ĥ̸̢̛̺̩̟̿e̸̛̻̰l̴̙̂p̵" * 40, "x" * 3000, "हिन्दी 😀 ไทย", "<&>\"'", "{{ 7 * 7 }}", "لا لا lam",
    ],
)  # fmt: skip
def test_no_name_breaks_it(name: str) -> None:
    member = replace(ANN, name=name, champion=name, score=name, highlight=name, facts=(name,))
    card = Card(name, name, "bad", (member, BOB), (side(name or "?", label=name), side("Zed")))
    assert size_of(draw(card))[0] == 720


@pytest.mark.parametrize("word", ["قرين", "الظلام", "שלום", "😀", "👨\u200d👩\u200d👧"])
def test_foreign_letters_within_a_sentence_are_drawn_and_no_boxes(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """resvg draws boxes for a word of another font where letters beside it join into fewer glyphs."""
    monkeypatch.setattr(drawing, "without_boxes", lambda text, _has: text)

    def drawn(letters: str) -> bytes:
        return draw(replace(CARD, members=(replace(BOB, highlight=f"ffi with {letters}"),)))

    # Of scripts that no shipped font has: a box for each letter.
    count = len(word.replace("\u200d", ""))
    assert drawn("\u1400" * count) == drawn("\u1401" * count)
    assert drawn(word) != drawn("\u1400" * count)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("ไทย", "(?)"),
        ("Ann ไทย हिन्दी ไทย", "Ann (?)"),
        ("\u273eAnn\u273e \u273e Lee", "Ann Lee"),
        ("\u273e", "(?)"),
        ("قرين ᚠ 😀 שלום", "قرين (?) 😀 שלום"),
        ("Ann\u0e31\u0e31", "Ann"),  # marks of a letter that is not there
    ],
)
def test_what_no_font_has_is_no_box(name: str, shown: str, tmp_path: Path) -> None:
    """Letters are replaced, symbols left out; `tmp_path` has no fonts, so that ours are all."""

    def drawn(text: str) -> bytes:
        return draw(replace(CARD, members=(replace(BOB, name=text),)), fonts=tmp_path)

    assert drawn(name) == drawn(shown)
    assert drawn(name) != drawn("")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Sara am is a ring (nikhahit) and an aa; the ring stands below a tone.
        ("น\u0e49\u0e33", "น\u0e4d\u0e49\u0e32"),
        ("ก\u0e33", "ก\u0e4d\u0e32"),
        ("ກ\u0eb3", "ກ\u0ecd\u0eb2"),
    ],
)
def test_what_every_thai_font_draws_as_two_letters_is_two(text: str, expected: str) -> None:
    assert drawable(text) == expected


def test_a_name_that_is_too_long_ends_before_the_score() -> None:
    long = replace(ANN, name="W" * 200, is_mvp=False)
    short = replace(long, name="")
    of_score = (560, 144, 140, 60)
    with_long = read_png(draw(replace(CARD, members=(long,)))).part(*of_score)
    assert with_long == read_png(draw(replace(CARD, members=(short,)))).part(*of_score)


def test_an_icon_takes_the_place_of_the_letters() -> None:
    asked: list[tuple[int, str]] = []

    def icon(champion_id: int, patch: str) -> bytes | None:
        asked.append((champion_id, patch))
        return a_png(1, 200, 3) if champion_id == 103 else None

    card = replace(CARD, members=(ANN, BOB), patch="16.9")
    picture = read_png(draw(card, icon=icon))
    assert asked == [(103, "16.9"), (254, "16.9")]
    # The middle of Ann's disc, whose centre is 44 right of the margin and 56 below the head.
    assert picture.colours(36 + 40, 144 + 52, 8, 8) == {bytes((1, 200, 3))}
    letters = [
        "".join(each.itertext())
        for each in ET.fromstring(as_svg(card, icon=icon)).iter(f"{SVG}text")
    ]
    assert "Ah" not in letters


def test_an_icon_that_is_no_picture_leaves_the_card() -> None:
    assert size_of(draw(CARD, icon=lambda *_: b"<html>"))[0] == 720


@pytest.mark.parametrize(
    ("count", "players", "rows"),
    # 656 wide: a label takes 56 and each disc 46, so that three fit beside each other up to three players.
    [(8, 2, 2), (6, 3, 2), (1, 5, 1), (2, 8, 2), (2, 30, 2)],
)
def test_groups_stand_in_as_many_rows_as_they_need(count: int, players: int, rows: int) -> None:
    sides = tuple(side(*["Ahri"] * players, label=str(at + 1)) for at in range(count))
    height = 92 if count <= 2 and players <= 5 else rows * 76
    assert size_of(draw(replace(CARD, sides=sides)))[1] == 144 + 108 + 42 + 14 + height


@pytest.mark.parametrize(
    ("champion", "expected"),
    [
        ("Ahri", "Ah"),
        ("Miss Fortune", "MF"),
        ("Kai'Sa", "KS"),
        ("Dr. Mundo", "DM"),
        ("", ""),
        ("!", ""),
    ],
)
def test_two_letters_stand_for_a_champion(champion: str, expected: str) -> None:
    assert initials(champion) == expected


def test_what_resvg_cannot_do_is_said_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        """As pyo3 raises it."""

    def panic(**_: object) -> bytes:
        raise PanicException("removal index")

    monkeypatch.setattr(drawing.resvg_py, "svg_to_bytes", panic)
    with pytest.raises(CannotDraw, match="removal index"):
        draw(CARD)


def test_whatever_fails_before_it_is_drawn_is_a_card_that_cannot_be_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreadable(*_: object) -> bytes:
        raise PermissionError("fonts")

    with pytest.raises(CannotDraw, match="PermissionError: fonts"):
        draw(CARD, icon=unreadable)
    monkeypatch.setattr(drawing, "fonts_for", unreadable)
    with pytest.raises(CannotDraw, match="PermissionError: fonts"):
        draw(CARD)


def test_a_signal_is_not_taken_for_a_failed_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(**_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(drawing.resvg_py, "svg_to_bytes", interrupt)
    with pytest.raises(KeyboardInterrupt):
        draw(CARD)


def a_font(*subtables: bytes, begins: int = 0) -> bytes:
    """A font with nothing but a table `cmap`, as OpenType's specification has it.

    Args:
        begins: Where it does in its file, from where its offsets count.
    """
    head = struct.pack(">HH", 0, len(subtables))
    at = 4 + 8 * len(subtables)
    for subtable in subtables:
        head += struct.pack(">HHI", 3, 10, at)
        at += len(subtable)
    cmap = head + b"".join(subtables)
    record = struct.pack(">4sIII", b"cmap", 0, begins + 28, len(cmap))
    return struct.pack(">IHHHH", 0x00010000, 1, 16, 0, 0) + record + cmap


def format_12(*groups: tuple[int, int, int]) -> bytes:
    """Each: first and last character, and the first one's glyph."""
    head = struct.pack(">HHIII", 12, 0, 16 + 12 * len(groups), 0, len(groups))
    return head + b"".join(struct.pack(">III", *group) for group in groups)


FORMAT_4 = struct.pack(
    ">HHHHHHH", 4, 16 + 3 * 8 + 4 * 2, 0, 6, 0, 0, 0
) + struct.pack(
    ">3H H 3H 3H 3H 3H",
    0x43, 0x62, 0xFFFF,  # the last characters of three ranges: A to C, a to b, the end
    0,
    0x41, 0x61, 0xFFFF,  # the first ones
    (1 - 0x41) % 0x10000, 0, 1,  # A is glyph 1; the others' deltas
    0, 4, 0,  # a's glyphs are listed: the list begins 4 bytes behind this offset
    0, 5, 0,  # a has none, b has glyph 5
)  # fmt: skip


class TestCharmaps:
    def test_what_a_font_has_is_read_from_its_charmap(self, tmp_path: Path) -> None:
        twelve = a_font(FORMAT_4, format_12((0x41, 0x43, 1), (0x1F600, 0x1F600, 9)))
        collection = struct.pack(">4sHHII", b"ttcf", 1, 0, 1, 16)
        for content, has in (
            (twelve, "ABC😀"),
            (
                collection + a_font(format_12((0x41, 0x43, 1), (0x1F600, 0x1F600, 9)), begins=16),
                "ABC😀",
            ),
            (a_font(FORMAT_4), "ABCb"),
        ):
            file = tmp_path / f"{len(content)}.ttf"
            file.write_bytes(content)
            charmap = charmap_of(str(file))
            assert "".join(filter(charmap.has, "@ABCDabc😀😁\uffff")) == has

    @pytest.mark.parametrize("length", [0, 3, 11, 27, 30, 40, 60])
    def test_a_font_that_ends_too_soon_has_nothing(self, length: int, tmp_path: Path) -> None:
        file = tmp_path / "font.ttf"
        file.write_bytes(a_font(format_12((0x41, 0x43, 1), (0x61, 0x63, 4)))[:length])
        assert not charmap_of(str(file)).has("A")

    def test_ours_have_what_they_are_shipped_for(self) -> None:
        for name, characters in (
            ("NotoSans", "Aß·›…Żж"), ("NotoEmoji", "😀"), ("NotoSansArabic", "قﻘ"), ("NotoSansHebrew", "ש"),
        ):  # fmt: skip
            charmap = charmap_of(str(fonts.SHIPPED / f"{name}.ttf"))
            assert all(map(charmap.has, characters)), name
            assert not charmap.has("山")


class TestFonts:
    def test_large_fonts_are_read_only_where_letters_need_them(self, tmp_path: Path) -> None:
        (tmp_path / "deep").mkdir()
        one, two = tmp_path / "deep/one.OTF", tmp_path / "two.ttf"
        one.write_bytes(a_font(format_12((0x5C71, 0x5C71, 1))))  # 山
        two.write_bytes(a_font(format_12((0x5C71, 0x5C71, 1), (0xC774, 0xC774, 2))))  # and 이
        (tmp_path / "notes.txt").touch()
        shipped, has = fonts.fonts_for(["Ann", "قرين", "שלום", "Ж", "😀"], tmp_path)
        assert [Path(each).name for each in shipped] == [
            "NotoEmoji.ttf", "NotoSans.ttf", "NotoSansArabic.ttf", "NotoSansHebrew.ttf",
        ]  # fmt: skip
        assert all(map(has, "Annقرينשלום Ж😀"))
        for letters, files in (("山", [one]), ("이", [two]), ("山이", [one, two]), ("ไ", [])):
            more, has = fonts.fonts_for(["Ann", letters], tmp_path)
            assert more == [*shipped, *map(str, files)]
            assert [has(each) for each in letters] == [letters != "ไ"] * len(letters)

    def test_debians_packages_are_named_for_what_is_not_there(self, tmp_path: Path) -> None:
        (tmp_path / "east.ttf").write_bytes(a_font(format_12((0x3000, 0xD7FF, 1))))
        lacking = fonts.lacking_packages(tmp_path)
        assert list(lacking) == ["fonts-noto-core"]
        assert "ท" in lacking["fonts-noto-core"]
        assert list(fonts.lacking_packages(tmp_path / "none")) == [
            "fonts-noto-cjk", "fonts-noto-core",
        ]  # fmt: skip

    def test_a_folder_that_is_not_there_costs_nothing(self, tmp_path: Path) -> None:
        card = replace(CARD, title="山")
        assert size_of(draw(card, fonts=tmp_path / "none"))[0] == 720

    def test_a_font_that_is_none_costs_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "broken.ttf").write_bytes(b"no font")
        assert size_of(draw(replace(CARD, title="山"), fonts=tmp_path))[0] == 720

    def test_the_licence_stands_beside_them(self) -> None:
        text = (fonts.SHIPPED / "OFL.txt").read_text()
        assert "SIL OPEN FONT LICENSE Version 1.1" in text
        for file in fonts.SHIPPED.glob("*.ttf"):
            assert file.name in text
