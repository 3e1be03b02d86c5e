"""What people type: names, Riot IDs, dates."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lol_dagster.roster.errors import RosterError
from lol_dagster.roster.memberships import parse_since
from lol_dagster.roster.names import RiotId, clean_name, parse_riot_id

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("  Los Amigos\t", "Los Amigos"),
        ("페이커", "페이커"),
        (
            "Zoe\u0301",
            "Zo\u00e9",
        ),  # e and an accent: the composed letter, so that both are one name
        ("👨‍👩‍👧 family", "👨‍👩‍👧 family"),  # held together by invisible joiners
        ("x" * 100, "x" * 100),
        ("\u202eAnn\u202c\ufeff", "Ann"),
    ],
)
def test_a_name_is_kept_as_it_is_meant(typed: str, name: str) -> None:
    assert clean_name(typed) == name


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ("", "missing"),
        ("   ", "missing"),
        ("\u200b\u200d", "missing"),  # nothing that anybody could see
        ("x" * 101, "has 101 characters"),
        ("two\nlines", "control characters"),
        ("bell\x07", "control characters"),
        ("half \ud83d", "control characters"),  # half of a surrogate pair cannot be stored
    ],
)
def test_what_cannot_be_a_name_is_refused_in_one_line(typed: str, wrong: str) -> None:
    with pytest.raises(RosterError, match=wrong) as caught:
        clean_name(typed)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("typed", "riot_id"),
    [
        ("Hide on bush#KR1", RiotId("Hide on bush", "KR1")),
        (" 마타 # 0001 ", RiotId("마타", "0001")),  # two characters: older than Riot's rule
        ("Ünïcödé#EUW", RiotId("Ünïcödé", "EUW")),
        ("a/b?c%#NA1", RiotId("a/b?c%", "NA1")),
        # As the client's clipboard has it: isolates around either part, a byte order mark.
        ("\ufeff\u2066Ann\u2069#\u2066NA1\u2069\u200b", RiotId("Ann", "NA1")),
        ("Ann#สวัสดี", RiotId("Ann", "สวัสดี")),  # vowels that combine
        ("Ann#हिंदी", RiotId("Ann", "हिंदी")),
        ("Ann#K R", RiotId("Ann", "K R")),
        ("Ann\u202eevil#NA1", RiotId("Annevil", "NA1")),  # shown, it would be «Annlive»
    ],
)
def test_a_riot_id_is_a_name_and_a_tag(typed: str, riot_id: RiotId) -> None:
    assert parse_riot_id(typed) == riot_id


@pytest.mark.parametrize(
    "typed",
    ["", "Faker", "#KR1", "Faker#", "Fa#ker#KR1", "x" * 65 + "#NA1", "A#" + "x" * 17,
     "A\nB#NA1", "A#N\x07A", "\u2066\u2069#NA1"],
)  # fmt: skip
def test_what_is_no_riot_id_is_shown_how_one_looks(typed: str) -> None:
    with pytest.raises(RosterError, match="should look like 'Name#TAG'") as caught:
        parse_riot_id(typed)
    assert str(caught.value).isprintable()


@given(st.text(max_size=80))
def test_whatever_is_typed_is_a_riot_id_or_a_clear_error(typed: str) -> None:
    try:
        riot_id = parse_riot_id(typed)
    except RosterError:
        return
    assert parse_riot_id(str(riot_id)) == riot_id


def test_riot_ids_differ_neither_by_case_nor_by_blanks() -> None:
    assert RiotId("Hide on bush", "KR1").is_same("hideonbush", "kr1")
    assert not RiotId("Hide on bush", "KR1").is_same("Hide on bush", "KR2")


@pytest.mark.parametrize(
    ("typed", "since"),
    [
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("2026-05-01T18:30", datetime(2026, 5, 1, 18, 30, tzinfo=UTC)),
        ("2026-05-01T18:30+02:00", datetime(2026, 5, 1, 16, 30, tzinfo=UTC)),
        ("2026-05-01 18:30:00Z", datetime(2026, 5, 1, 18, 30, tzinfo=UTC)),
    ],
)
def test_a_date_is_utc_unless_it_says_otherwise(typed: str, since: datetime) -> None:
    assert parse_since(typed, NOW) == since


@pytest.mark.parametrize("typed", ["", "yesterday", "01.05.2026", "2026-02-30", "2026-5-1"])
def test_what_is_no_date_is_shown_how_one_looks(typed: str) -> None:
    with pytest.raises(RosterError, match="is no date: it should look like 2026-05-01"):
        parse_since(typed, NOW)


def test_nobody_joins_in_the_future() -> None:
    assert parse_since("2026-05-20T12:00", NOW) == NOW
    with pytest.raises(RosterError, match="is in the future"):
        parse_since("2026-05-20T12:01", NOW)
