"""What a friend reads, in the situations that games bring. Texts written by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from lol_dagster.delivery.transports import discord_format, slack_format
from lol_dagster.messages import compose, text
from lol_dagster.messages.compose import MOST_LISTED, AnnouncedGame, Member
from lol_dagster.messages.content import MessageContent
from lol_dagster.messages.language import language
from lol_dagster.messages.wording import WORDINGS
from lol_dagster.riot.routing import PLATFORMS
from lol_dagster.stats.ranks import Moved, Rank
from lol_dagster.stats.remarks import Remark
from lol_dagster_tests._support.message_rows import ENDED

ENGLISH = language("en")


def compose_game(played: AnnouncedGame) -> MessageContent:
    return compose.compose_game(played, ENGLISH)


def compose_catch_up(games: Sequence[AnnouncedGame]) -> MessageContent:
    return compose.compose_catch_up(games, ENGLISH, ZoneInfo("America/New_York"))


@pytest.fixture(autouse=True)
def the_first_wording(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each remark; which one it is depends on the match id (test_wording.py)."""
    for code, wordings in WORDINGS.items():
        monkeypatch.setitem(WORDINGS, code, wordings[:1])


def member(name: str, champion: str = "Jinx", **values: Any) -> Member:
    return Member(
        **{
            "name": name,
            "account_name": None,
            "champion": champion,
            "kills": 10,
            "deaths": 2,
            "assists": 8,
            "cs": 200,
            "side": "team-100",
            "outcome": "win",
            "placement": None,
            "kda": 9.0,
            "kill_participation": 0.715,
            "cs_per_min": 7.75,
            **values,
        }
    )


def game(*members: Member, **values: Any) -> AnnouncedGame:
    return AnnouncedGame(
        **{
            "match_id": "EUW1_5000000001",
            "queue_name": "Ranked Solo",
            "mode_family": "rift",
            "ended_at": ENDED,
            "duration_s": 1930,  # 32 * 60 + 10
            "subteams": 0,
            "ended_over_behaviour": False,
            "members": members,
            **values,
        }
    )


def test_the_side_that_won_comes_first_whatever_its_colour() -> None:
    ann = member("Ann", side="team-100", outcome="loss")
    bob = member("Bob", side="team-200", outcome="win")
    headings = [each.heading for each in compose_game(game(ann, bob)).sections]
    assert headings == ["Red side · Victory", "Blue side · Defeat"]


def shown(content: MessageContent) -> str:
    """Title and text as Discord gets them."""
    embed = discord_format.render(content, "m.1")["embeds"][0]
    return f"{embed['title']}\n{embed['description']}"


PENTA = Remark("penta_kill", 0.002)
LOST: dict[str, Any] = {"outcome": "loss", "side": "team-200"}


def arena(name: str, placement: int | None, subteam: int, **values: Any) -> Member:
    return member(
        name, outcome="placement", placement=placement, side=f"subteam-{subteam}", **values
    )


def test_a_won_ranked_game_shows_result_mode_length_and_how_each_member_did():
    bob = member("Bob", "Lulu", kills=1, deaths=4, assists=21, kda=5.5, cs_per_min=0.96)
    content = compose_game(game(member("Ann", is_mvp=True, remark=PENTA), bob))
    assert shown(content) == (
        "Victory · Ranked Solo · 32:10\n"
        "**Ann** · Jinx · 10/2/8 · MVP\n"
        "KDA 9.0 · 7.8 CS/min · 72% KP\n"
        "⭐ A pentakill!\n"
        "**Bob** · Lulu · 1/4/21\n"
        "KDA 5.5 · 1.0 CS/min · 72% KP"
    )
    assert content.tone == "good"
    assert content.url == "https://www.leagueofgraphs.com/match/euw/5000000001"
    assert content.footer == "EUW1_5000000001"
    assert content.summary == (
        "Ann (Jinx 10/2/8) and Bob (Lulu 1/4/21): Victory · Ranked Solo · 32:10"
    )


def test_a_lost_game_is_a_defeat():
    content = compose_game(game(member("Ann", outcome="loss")))
    assert content.title == "Defeat · Ranked Solo · 32:10"
    assert content.tone == "bad"


def test_a_game_that_riot_ended_over_behaviour_says_so_and_blames_nobody():
    content = compose_game(game(member("Ann", outcome="loss"), ended_over_behaviour=True))
    assert shown(content).splitlines()[:3] == [
        "Defeat · Ranked Solo · 32:10",
        "Ended early over in-game behaviour",
        "**Ann** · Jinx · 10/2/8",
    ]
    assert content.tone == "bad"


def test_a_remake_has_no_figures():
    remade = member("Ann", outcome="remake", kills=0, deaths=1, assists=0, remark=PENTA)
    content = compose_game(game(remade, duration_s=192))
    assert shown(content) == "Remake · Ranked Solo · 3:12\n**Ann** · Jinx"
    assert content.tone == "neutral"


def test_where_there_are_no_lanes_there_is_no_creep_score():
    content = compose_game(
        game(member("Ann", cs_per_min=None), queue_name="ARAM", mode_family="aram")
    )
    assert shown(content) == ("Victory · ARAM · 32:10\n**Ann** · Jinx · 10/2/8\nKDA 9.0 · 72% KP")


def test_what_could_not_be_worked_out_is_left_out():
    content = compose_game(game(member("Ann", kill_participation=None, cs_per_min=None)))
    assert "KDA 9.0" in shown(content).splitlines()


def test_swarm_counts_kills_of_monsters_and_deaths():
    xayah = member("Ann", "Xayah", cs=2687, deaths=1)
    content = compose_game(game(xayah, queue_name="Swarm", mode_family="swarm"))
    assert shown(content) == ("Victory · Swarm · 32:10\n**Ann** · Xayah · 2,687 kills, 1 death")


def test_members_on_opposing_sides_are_one_message_that_says_so():
    content = compose_game(
        game(
            member("Cid", "Garen", kills=0, deaths=7, assists=1, kda=1 / 7, **LOST),
            member("Ann", remark=Remark("win_streak", 0.03, 5)),
            member("Bob", "Lulu"),
        )
    )
    assert shown(content) == (
        "Ann and Bob against Cid · Ranked Solo · 32:10\n"
        "### Blue side · Victory\n"
        "**Ann** · Jinx · 10/2/8\n"
        "KDA 9.0 · 7.8 CS/min · 72% KP\n"
        "⭐ 5 wins in a row\n"
        "**Bob** · Lulu · 10/2/8\n"
        "KDA 9.0 · 7.8 CS/min · 72% KP\n"
        "### Red side · Defeat\n"
        "**Cid** · Garen · 0/7/1\n"
        "KDA 0.1 · 7.8 CS/min · 72% KP"
    )
    assert content.tone == "mixed"


def test_a_remake_between_members_names_both_sides_and_no_winner():
    content = compose_game(
        game(member("Ann", outcome="remake"), member("Bob", outcome="remake", side="team-200"))
    )
    assert shown(content) == (
        "Remake · Ann against Bob · Ranked Solo · 32:10\n"
        "### Blue side\n"
        "**Ann** · Jinx\n"
        "### Red side\n"
        "**Bob** · Jinx"
    )


def test_a_game_without_result_between_members_has_no_result_beside_a_side():
    content = compose_game(
        game(member("Ann", outcome="aborted"), member("Bob", outcome="aborted", side="team-200"))
    )
    assert content.title == "No result · Ann against Bob · Ranked Solo · 32:10"
    assert [section.heading for section in content.sections] == ["Blue side", "Red side"]


def test_arena_is_announced_by_placement():
    content = compose_game(
        game(
            arena("Ann", 2, 5, cs_per_min=None),
            arena("Bob", 2, 5, cs_per_min=None),
            queue_name="Arena",
            mode_family="arena",
            subteams=8,
        )
    )
    assert shown(content) == (
        "2nd place · Arena · 32:10\n"
        "**Ann** · Jinx · 10/2/8\n"
        "KDA 9.0 · 72% KP\n"
        "**Bob** · Jinx · 10/2/8\n"
        "KDA 9.0 · 72% KP"
    )


@pytest.mark.parametrize(
    ("placement", "subteams", "tone"),
    # Riot calls the better half winners: the first 4 of 8, the first 3 of 6, 2 of 4 (E1).
    [(4, 8, "good"), (5, 8, "bad"), (3, 6, "good"), (4, 6, "bad"), (2, 4, "good"), (3, 4, "bad")],
)
def test_the_better_half_of_an_arena_game_is_good_news(placement, subteams, tone):
    played = game(arena("Ann", placement, 1), mode_family="arena", subteams=subteams)
    assert compose_game(played).tone == tone


def test_members_in_several_arena_subteams_are_listed_with_their_places():
    content = compose_game(
        game(
            arena("Cid", 7, 3),
            arena("Ann", 1, 2),
            arena("Dora", 7, 3),
            queue_name="Arena",
            mode_family="arena",
            subteams=8,
        )
    )
    assert content.title == "Ann 1st, Cid and Dora 7th · Arena · 32:10"
    assert [section.heading for section in content.sections] == ["1st place", "7th place"]
    assert content.tone == "mixed"


def test_who_has_no_place_in_arena_is_named_last_and_as_unplaced():
    content = compose_game(
        game(
            arena("Bob", None, 1),
            arena("Ann", 8, 2),
            queue_name="Arena",
            mode_family="arena",
            subteams=8,
        )
    )
    assert content.title == "Ann 8th, Bob unplaced · Arena · 32:10"


def test_an_arena_game_without_places_says_so():
    # KR_6604607115: every placement is 0.
    content = compose_game(game(arena("Ann", None, 1), queue_name="Arena", mode_family="arena"))
    assert content.title == "No placement · Arena · 32:10"
    assert content.tone == "neutral"


QARIN, DINA = "قرين", "דנה"


def isolated(name):
    return f"\u2068{name}\u2069"


def test_names_from_right_to_left_are_isolated_one_by_one_in_titles_summaries_and_fallback_texts():
    content = compose_game(
        game(
            arena("Ann", 1, 1),
            arena(QARIN, 3, 2),
            arena(DINA, 3, 2, account_name=QARIN),
            queue_name="Arena",
            mode_family="arena",
            subteams=8,
        )
    )
    # Else "3rd" would belong to the name before it: "3 قرينrd".
    title = f"Ann 1st, {isolated(QARIN)} and {isolated(DINA)} 3rd · Arena · 32:10"
    who = f"Ann (Jinx 10/2/8), {isolated(QARIN)} (Jinx 10/2/8) and {isolated(DINA)} ({isolated(QARIN)})"
    summary = f"{who} (Jinx 10/2/8): {title}"
    embed = discord_format.render(content, "m.1")["embeds"][0]
    assert embed["title"] == title
    assert f"**{isolated(QARIN)}** · Jinx" in embed["description"]
    assert slack_format.render(content, "m.1")["text"] == summary


def test_a_catch_up_isolates_the_names_in_it():
    content = compose_catch_up([game(member(QARIN))])
    assert f"{isolated(QARIN)}: Jinx 10/2/8" in shown(content)


def test_a_player_with_several_accounts_is_named_with_the_one_played():
    content = compose_game(game(member("Ann", account_name="AnnSmurf")))
    assert "**Ann (AnnSmurf)** · Jinx · 10/2/8" in shown(content)


def test_a_player_on_both_sides_of_a_game_is_listed_against_themselves():
    content = compose_game(
        game(member("Ann", account_name="Ann"), member("Ann", account_name="Smurf", **LOST))
    )
    assert content.title == "Ann against Ann · Ranked Solo · 32:10"


@pytest.mark.parametrize(
    ("seconds", "title"),
    [
        (0, "Victory · Ranked Solo"),  # Riot does not say how long it took
        (1, "Victory · Ranked Solo · 0:01"),
        (60, "Victory · Ranked Solo · 1:00"),
        (3599, "Victory · Ranked Solo · 59:59"),
        (3600, "Victory · Ranked Solo · 1:00:00"),
    ],
)
def test_a_title_says_how_long_a_game_took(seconds, title):
    assert compose_game(game(member("Ann"), duration_s=seconds)).title == title


def test_a_game_of_over_an_hour_shows_hours():
    assert compose_game(game(member("Ann"), duration_s=3723)).title.endswith(" · 1:02:03")


@pytest.mark.parametrize(
    ("number", "who"),
    [
        (1, "P1 (Jinx)"),
        (2, "P1 (Jinx) and P2 (Jinx)"),
        (4, "P1 (Jinx), P2 (Jinx), P3 (Jinx) and P4 (Jinx)"),
        (5, "P1 (Jinx), P2 (Jinx), P3 (Jinx) and 2 others"),
        (6, "P1 (Jinx), P2 (Jinx), P3 (Jinx) and 3 others"),
    ],
)
def test_four_are_named_and_of_more_the_first_three(number, who):
    people = [member(f"P{each}", outcome="remake") for each in range(1, number + 1)]
    assert compose_game(game(*people)).summary == f"{who}: Remake · Ranked Solo · 32:10"


@pytest.mark.parametrize("platform", sorted(set(PLATFORMS) - {"pbe1"}))
def test_every_platform_has_a_link(platform):
    url = compose_game(game(member("Ann"), match_id=f"{platform.upper()}_7")).url
    assert re.fullmatch("https://www.leagueofgraphs.com/match/[a-z]+/7", url)


def test_a_game_of_the_middle_east_has_a_link():
    url = compose_game(game(member("Ann"), match_id="ME1_12")).url
    assert url == "https://www.leagueofgraphs.com/match/me/12"


def test_an_unknown_platform_gets_no_link():
    assert compose_game(game(member("Ann"), match_id="PBE1_4500000000")).url is None


AT = 1785614400
"""ENDED, 2026-08-01 20:00 UTC, in Unix seconds."""


def stamp(at: int) -> str:
    """What each reader sees on Discord in a zone and a language of their own."""
    return f"<t:{at}:d> <t:{at}:t>"


def test_a_catch_up_lists_the_games_newest_last_with_totals():
    older = game(member("Ann"), match_id="EUW1_1", ended_at=ENDED - timedelta(hours=30))
    lost = game(
        member("Ann", "Ashe", outcome="loss", kills=0, deaths=5, assists=2),
        member("Bob", "Lulu", outcome="loss"),
        match_id="EUW1_2",
        queue_name="ARAM",
        mode_family="aram",
    )
    remade = game(
        member("Ann", outcome="remake"), match_id="EUW1_3", ended_at=ENDED - timedelta(hours=1)
    )
    content = compose_catch_up([lost, older, remade])
    assert shown(content) == (
        "3 games while I was away\n"
        "1 win, 1 loss, 1 other game\n"
        f"**Victory · Ranked Solo**\n{stamp(AT - 30 * 3600)} · Ann: Jinx 10/2/8\n"
        f"**Remake · Ranked Solo**\n{stamp(AT - 3600)} · Ann: Jinx\n"
        f"**Defeat · ARAM**\n{stamp(AT)} · Ann: Ashe 0/5/2 · Bob: Lulu 10/2/8"
    )
    # New York is four hours behind UTC in August, which ENDED, 20:00 on a Saturday, is in.
    assert [line.when.text for line in content.sections[1].lines if line.when] == [
        "Fri 31 Jul 10:00",
        "Sat 1 Aug 15:00",
        "Sat 1 Aug 16:00",
    ]
    assert content.summary == "3 games while I was away: 1 win, 1 loss, 1 other game"
    assert content.tone == "neutral"


def test_a_catch_up_is_in_one_language_down_to_its_figures():
    swarm = game(member("Ann", "Jinx", cs=312, deaths=1), mode_family="swarm")
    content = compose.compose_catch_up([swarm], language("de"), ZoneInfo("UTC"))
    assert content.sections[1].lines[0].details == ("Ann: Jinx 312 Kills, 1 Tod",)


def test_what_there_was_none_of_is_not_counted():
    lost = [game(member("Ann", outcome="loss"), match_id=f"EUW1_{number}") for number in (1, 2)]
    remade = [game(member("Ann", outcome="remake"), match_id=f"EUW1_{number}") for number in (3, 4)]
    content = compose_catch_up([*lost, *remade])
    assert content.sections[0].lines[0].facts == ("2 losses, 2 other games",)


def test_a_long_catch_up_lists_the_latest_and_says_how_many_more_there_are():
    games = [
        game(
            member(f"P{number}"),
            match_id=f"EUW1_{number}",
            ended_at=ENDED + timedelta(hours=number),
        )
        for number in range(57)
    ]
    lines = shown(compose_catch_up(games)).splitlines()
    assert lines[0] == "57 games while I was away"
    assert lines[1] == "57 wins"
    assert len(lines) == 3 + 2 * MOST_LISTED
    assert "P37" in lines[3]  # 57 - 20
    assert "P56" in lines[-2]
    assert lines[-1] == "… and 37 more"


def test_the_preview_is_the_same_text_in_commonmark():
    assert text.markdown(compose_game(game(member("Ann")))) == (
        "🟢 **[Victory · Ranked Solo · 32:10](https://www.leagueofgraphs.com/match/euw/5000000001)**"
        "\n\n"
        "**Ann** · Jinx · 10/2/8  \n"
        "KDA 9.0 · 7.8 CS/min · 72% KP"
        "\n\nEUW1\\_5000000001"
    )


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (18, "18th"),
        (21, "21st"),
        (22, "22nd"),
        (23, "23rd"),
        (111, "111th"),
        (121, "121st"),
    ],
)
def test_places_are_written_as_people_say_them(number, word):
    assert ENGLISH.ordinal(number) == word


def test_lp_stands_first_below_a_members_name() -> None:
    moved = Moved(Rank("GOLD", "II", 45), Rank("GOLD", "II", 66), 1)
    (section,) = compose_game(game(member("Ann", moved=moved), member("Bob"))).sections
    ann, bob = section.lines
    assert ann.rank == "+21 LP (Gold II 45 → 66)"
    assert (bob.rank, bob.details) == ("", ann.details), "what is not known leaves no gap"
    assert text.plain_rows(ann)[:2] == ["Jinx · 10/2/8", ann.rank]
