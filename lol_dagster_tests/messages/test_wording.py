"""How remarks read."""

from __future__ import annotations

import string

import pytest

from lol_dagster.messages.wording import WORDINGS, remark_in_words
from lol_dagster.stats.remarks import CODES, Remark

MATCHES = [f"EUW1_{number}" for number in range(200)]


def test_every_remark_has_several_wordings_and_there_are_no_others() -> None:
    assert set(WORDINGS) == set(CODES)
    for wordings in WORDINGS.values():
        assert len(set(wordings)) == len(wordings) >= 2


@pytest.mark.parametrize("code", CODES)
def test_every_wording_of_a_remark_tells_the_same(code: str) -> None:
    fields = [
        {field for _, field, _, _ in string.Formatter().parse(each) if field}
        for each in WORDINGS[code]
    ]
    assert all(each == fields[0] for each in fields)


@pytest.mark.parametrize("code", CODES)
def test_the_match_id_chooses_and_each_wording_comes_up(code: str) -> None:
    remark = Remark(code, 0.01, 1234, "Jinx", "Bob")
    said = [remark_in_words(remark, match_id) for match_id in MATCHES]
    assert said == [remark_in_words(remark, match_id) for match_id in MATCHES]
    # Each of three has a chance of (2/3)^200, less than 10^-35, not to come up.
    assert len(set(said)) == len(WORDINGS[code])
    assert not [each for each in said if "{" in each]


def test_what_is_filled_in_is_written_as_people_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WORDINGS, "games_together", ("{number:,} with {other} as {champion}",))
    remark = Remark("games_together", 0.001, 1000, "Kai'Sa", "קרין")
    # A name from right to left is isolated, or the number beside it would change places with it.
    assert remark_in_words(remark, "EUW1_1") == "1,000 with \u2068קרין\u2069 as Kai'Sa"


def test_remarks_honour() -> None:
    words = " ".join(each for wordings in WORDINGS.values() for each in wordings).lower()
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
