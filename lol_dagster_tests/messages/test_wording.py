"""How remarks and ranks read."""

from __future__ import annotations

import string

import pytest

from lol_dagster.messages.language import language, marked
from lol_dagster.messages.wording import WORDINGS, rank_in_words, remark_in_words
from lol_dagster.stats.ranks import Moved, Rank
from lol_dagster.stats.remarks import CODES, Remark

ENGLISH = language("en")
MATCHES = [f"EUW1_{number}" for number in range(200)]


def test_every_remark_has_several_wordings_and_there_are_no_others() -> None:
    assert set(WORDINGS) == set(CODES)
    for wordings in WORDINGS.values():
        assert len(set(wordings)) == len(wordings) >= 2


@pytest.mark.parametrize("code", CODES)
def test_every_wording_of_a_remark_tells_the_same(code: str) -> None:
    fields = [
        {field for _, field, _, _ in string.Formatter().parse(each.several or each.one) if field}
        for each in WORDINGS[code]
    ]
    assert all(each == fields[0] for each in fields)


@pytest.mark.parametrize("code", CODES)
def test_the_match_id_chooses_and_each_wording_comes_up(code: str) -> None:
    remark = Remark(code, 0.01, 1234, "Jinx", "Bob")
    said = [remark_in_words(remark, match_id, ENGLISH) for match_id in MATCHES]
    assert said == [remark_in_words(remark, match_id, ENGLISH) for match_id in MATCHES]
    # Each of three has a chance of (2/3)^200, less than 10^-35, not to come up.
    assert len(set(said)) == len(WORDINGS[code])
    assert not [each for each in said if "{" in each]


def test_what_is_filled_in_is_written_as_people_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        WORDINGS, "games_together", (marked("{number} with {other} as {champion}"),)
    )
    remark = Remark("games_together", 0.001, 1000, "Kai'Sa", "קרין")
    # A name from right to left is isolated, or the number beside it would change places with it.
    assert remark_in_words(remark, "EUW1_1", ENGLISH) == "1,000 with \u2068קרין\u2069 as Kai'Sa"


def test_remarks_honour() -> None:
    words = " ".join(
        f"{each.one} {each.several}" for wordings in WORDINGS.values() for each in wordings
    ).lower()
    for word in (
        "death",
        "died",
        "worst",
        "lost",
        "loss",
        "surrender",
        "feed",
        "afk",
        "bad",
    ):
        assert word not in words


GOLD = Rank("GOLD", "II", 45)


@pytest.mark.parametrize(
    ("before", "after", "games", "words"),
    [
        (GOLD, Rank("GOLD", "II", 66), 1, "+21 LP (Gold II 45 → 66)"),
        (GOLD, Rank("GOLD", "II", 82), 3, "+37 LP over 3 games (Gold II 45 → 82)"),
        (GOLD, Rank("GOLD", "II", 26), 1, "−19 LP (Gold II 45 → 26)"),
        (GOLD, GOLD, 2, "0 LP over 2 games (Gold II 45 → 45)"),
        (Rank("GOLD", "II", 90), Rank("GOLD", "I", 11), 1,
         "+21 LP (Gold II 90 → Gold I 11, promoted)"),
        (Rank("PLATINUM", "IV", 5), Rank("GOLD", "I", 86), 1,
         "−19 LP (Platinum IV 5 → Gold I 86, demoted)"),
        (Rank("GOLD", "I", 99), Rank("PLATINUM", "IV", 0), 1,
         "+1 LP (Gold I 99 → Platinum IV 0, promoted)"),
        (Rank("DIAMOND", "I", 90), Rank("MASTER", None, 11), 1,
         "+21 LP (Diamond I 90 → Master 11, promoted)"),
        (Rank("MASTER", None, 1390), Rank("MASTER", None, 1411), 1, "+21 LP (Master 1,390 → 1,411)"),
        # A seat among the best is given out once a day, and not by a game.
        (Rank("MASTER", None, 490), Rank("GRANDMASTER", None, 511), 1,
         "+21 LP (Master 490 → Grandmaster 511)"),
        (Rank(None, None, 0), Rank("SILVER", "I", 12), 5, "Placed in Silver I with 12 LP"),
    ],
)  # fmt: skip
def test_a_rank_in_words(before: Rank, after: Rank, games: int, words: str) -> None:
    assert rank_in_words(Moved(before, after, games), ENGLISH) == words
