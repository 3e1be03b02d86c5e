"""How a game went, from timelines of which every figure is worked out by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lol_dagster.riot.timeline import parse_timeline
from lol_dagster.stats.course import BLUE, RED, Course, Kill, Swing, course_of
from lol_dagster.stats.metrics import gold_lead_at_15, highlights
from lol_dagster.stats.reading import GameReading, ParticipantReading, read_game
from lol_dagster_tests._support.payloads import ENDED_AT, encode, match_payload, participant
from lol_dagster_tests._support.timelines import building, kill, monster, timeline

ID = "NA1_5000000001"


def game(**said: Any) -> GameReading:
    """Participants 1 to 5 are the blue side, TOP to UTILITY, and 6 to 10 the red one."""
    payload = match_payload(ID, **{"participants": [participant("Ann")], **said})
    return read_game(ID, encode(payload), fetched_at=ENDED_AT)


def course(leads: list[int], events: Any = (), **said: Any) -> Course:
    found = course_or_none(leads, events, **said)
    assert found is not None
    return found


def course_or_none(
    leads: list[int], events: Any = (), *, of: GameReading | None = None, **said: Any
) -> Course | None:
    body = json.dumps(timeline(ID, leads, events, **said)).encode()
    return course_of(of or game(), parse_timeline(ID, body))


def seat(of: GameReading, number: int) -> ParticipantReading:
    return next(each for each in of.participants if each.participant_id == number)


# --- who was ahead ---------------------------------------------------------------------------------


def test_the_lead_is_the_difference_of_all_gold_in_each_frame() -> None:
    found = course([0, 200, -500])
    # Frames are 20 ms a minute late: whole seconds.
    assert found.leads == ((0, 0), (60, 200), (120, -500))
    assert (found.final_lead(BLUE), found.final_lead(RED)) == (-500, 500)
    assert (found.lead(BLUE, 60), found.lead(RED, 60)) == (200, -200)
    assert found.lead(BLUE, 180) is None, "it was over"
    assert found.sides == {BLUE: (1, 2, 3, 4, 5), RED: (6, 7, 8, 9, 10)}


@pytest.mark.parametrize(("at", "lead"), [(60, 5), (119, 5), (120, None)])
def test_a_lead_is_that_of_a_frame_within_a_minute(at: int, lead: int | None) -> None:
    found = Course(((0, 0), (at, 5)), {}, {}, None, None, {})
    assert found.lead(BLUE, 60) == lead


def test_how_far_behind_a_side_was_at_most_and_when() -> None:
    found = course([0, -300, -900, 400, 1000])
    assert found.most_behind(BLUE) == (120, 900)
    assert found.most_behind(RED) == (240, 1000)
    assert course([0, 100]).most_behind(BLUE)[1] == 0, "never"


def test_it_stays_the_same_as_json() -> None:
    found = course([0, 200, 2000], [kill(1.5, 2, helped_by=[3]), monster(1.7, 100)])
    written = found.to_json()
    assert Course.from_json(written) == found
    # Compared with what stands in the database, it is the same.
    assert json.loads(json.dumps(written)) == written


@pytest.mark.parametrize(
    "said", [{"mode": "aram"}, {"mode": "urf"}, {"remake": True, "duration_s": 200}]
)
def test_games_that_are_not_played_out_on_the_rift_have_none(said: dict[str, Any]) -> None:
    assert course_or_none([0, 100], of=game(**said)) is None


def test_a_timeline_that_lacks_somebodys_gold_tells_nothing() -> None:
    body = timeline(ID, [0, 100])
    del body["info"]["frames"][1]["participantFrames"]["7"]
    assert course_of(game(), parse_timeline(ID, json.dumps(body).encode())) is None
    body["info"]["frames"] = []
    assert course_of(game(), parse_timeline(ID, json.dumps(body).encode())) is None


# --- gold at 15 minutes ----------------------------------------------------------------------------


def test_gold_at_15_minutes_and_the_lead_over_the_lane_opponent() -> None:
    """MIDDLE are participants 3 and 8: 7,000 − 6,100 = 900. Everybody else has 500 + 15 × 400 = 6,500."""
    of = game()
    found = course([0] * 20, of=of, gold={(15, 3): 7000, (15, 8): 6100, (14, 3): 1, (16, 8): 1})
    assert (found.gold_at_15[3], found.gold_at_15[8], found.gold_at_15[1]) == (7000, 6100, 6500)
    leads = [gold_lead_at_15(of, seat(of, number), found) for number in (3, 8, 1)]
    assert leads == [900, -900, 0]
    assert found.gold_at_10[3] == 4500, "500 + 10 × 400"


@pytest.mark.parametrize(
    ("ends_ms", "known"), [(899_999, False), (900_000, True), (959_999, True), (960_000, False)]
)
def test_of_a_game_that_ended_before_15_minutes_it_is_not_known(
    ends_ms: int, *, known: bool
) -> None:
    """The frame of minute 15 is the first from then on, within a minute."""
    of = game()
    found = course([0] * 15 + [50], of=of, ends_ms=ends_ms)
    assert bool(found.gold_at_15) is known
    assert (gold_lead_at_15(of, seat(of, 1), found) is not None) is known


def test_without_a_timeline_or_an_opponent_there_is_no_lead() -> None:
    of = game()
    assert gold_lead_at_15(of, seat(of, 1), None) is None
    alone = game(participants=[participant("Ann", teamPosition="")])
    assert gold_lead_at_15(alone, seat(alone, 1), course([0] * 20, of=alone)) is None


# --- comebacks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behind", "winner", "is_comeback"),
    [(8000, 100, False), (8001, 100, True), (8001, 200, False)],
)
def test_a_comeback_is_to_win_after_more_than_8000_gold_behind(
    behind: int, winner: int, *, is_comeback: bool
) -> None:
    of = game(winner=winner)
    found = course([0, -behind, 500], of=of)
    for number in range(1, 6):  # it is the whole side's
        assert ("comeback" in highlights(of, seat(of, number), found)) is is_comeback
    assert "comeback" not in highlights(of, seat(of, 6), found)
    assert "comeback" not in highlights(of, seat(of, 1), None)


# --- first blood and the largest swing -------------------------------------------------------------


def test_first_blood_is_the_first_kill_by_somebody() -> None:
    executed = kill(1.0, 0, victim=4)
    assert course([0, 0, 0], [kill(1.9, 8), executed, kill(1.5, 2)]).first_blood == (2, 90)
    assert course([0, 0], [executed]).first_blood is None


def test_the_largest_swing_is_the_most_that_changed_in_three_minutes() -> None:
    leads = [0, -100, 800, 1700, 2100, 600, -800, -700]
    # From each frame to the third after it, or the last: 1700, 2200, -200, -2500, -2800, -1300, 100.
    events = [
        kill(3.9, 6),  # before it
        kill(4.5, 6, helped_by=[7, 8]),
        kill(5.5, 9),
        kill(5.6, 1),  # the other side's
        monster(6.5, 200, "BARON_NASHOR"),
        monster(4.6, 200, "DRAGON", "ELDER_DRAGON"),
        monster(4.7, 100),
        building(6.6, lost_by=100),
        building(6.7, lost_by=100, kind="INHIBITOR_BUILDING"),
        building(6.8, lost_by=200),
    ]
    assert course(leads, events).swing == Swing(
        start_s=240,
        end_s=420,
        side=RED,
        gold=2800,
        kills=(Kill(6, (7, 8)), Kill(9, ())),
        monsters=("ELDER_DRAGON", "BARON_NASHOR"),
        towers=1,
        inhibitors=1,
    )


def test_what_falls_into_the_second_of_a_frame_counts_before_and_after_it() -> None:
    """Frames come up to a second late, and are known by whole seconds: here from 0:00 to 3:00."""
    of_blue = [
        kill(at / 60_000, killer) for killer, at in enumerate((0, 1, 180_999, 181_000), start=1)
    ]
    swing = course([0, 0, 0, 1, 1], of_blue).swing
    assert swing is not None
    assert (swing.start_s, swing.end_s, swing.side) == (0, 180, BLUE)
    assert [each.killer for each in swing.kills] == [2, 3]


def test_a_swing_begins_right_after_its_first_frame() -> None:
    """From the frame at 1:00 to that at 4:00."""
    of_blue = [kill(at / 60_000, killer) for killer, at in enumerate((60_000, 60_001), start=1)]
    swing = course([5, 0, 0, 0, 900, 900], of_blue).swing
    assert swing is not None
    assert (swing.start_s, swing.end_s) == (60, 240)
    assert [each.killer for each in swing.kills] == [2]


def test_a_monster_is_the_sides_that_riot_names_whoever_has_killed_it() -> None:
    """Minions and towers have no number of a participant."""
    nobodys = {**monster(0.5, 200), "killerId": 0}
    swing = course([0, -900], [nobodys]).swing
    assert swing is not None
    assert swing.monsters == ("DRAGON",)


def test_a_monster_is_its_sides_or_its_killers_where_riot_names_no_side() -> None:
    by_seven = monster(0.5, 0, "RIFTHERALD")  # participant 7, of the red side
    swing = course([0, -900], [monster(0.4, 100), monster(0.4, 200), by_seven]).swing
    assert swing is not None
    assert swing.monsters == ("DRAGON", "RIFTHERALD")


def test_of_two_swings_that_are_as_large_the_earlier_one_counts() -> None:
    swing = course([0, 0, 0, 900, 900, 900, 0]).swing
    assert swing is not None
    assert (swing.start_s, swing.end_s, swing.side) == (0, 180, BLUE)


def test_a_short_game_swings_from_its_beginning_to_its_end_and_an_even_one_not_at_all() -> None:
    swing = course([0, -700], ends_ms=90_500).swing
    assert swing is not None
    assert (swing.start_s, swing.end_s, swing.gold, swing.side) == (0, 90, 700, RED)
    assert course([0, 0, 0]).swing is None
