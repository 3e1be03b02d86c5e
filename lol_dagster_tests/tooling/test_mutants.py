"""The report on mutants; whether mutmut makes good ones is not ours to test."""

from __future__ import annotations

from lol_dagster_tests.tooling.scripts import load_tool

tool = load_tool("mutants")

REVIEWS = tool.read_reviews(
    """
    [[reviewed]]
    verdict = "equivalent"
    why = "Never negative."
    mutants = ["stats.form.f: a > 0 → a != 0"]

    [[reviewed]]
    verdict = "may stay"
    why = "Words of a log line."
    mutants = ["stats.form.g: log*"]
    """
)


def found(number: int, package: str = "stats") -> list[object]:
    return [tool.Mutant(f"m{each}", package, "killed") for each in range(number)]


def survivor(alteration: str, package: str = "stats") -> object:
    return tool.Mutant("m", package, "survived", alteration)


def test_survivors_with_a_reason_are_listed_under_it() -> None:
    tried = [
        *found(18),
        survivor("stats.form.f: a > 0 → a != 0"),
        survivor('stats.form.g: log.info("a") → log.info(None)'),
    ]
    text, complaints = tool.report(tried, REVIEWS)
    assert complaints == []
    assert "| stats | 20 | 18 | 90.0% | 0 |" in text
    equivalent, may_stay = text.split("## Equivalent")[1].split("## May stay")
    assert "Never negative.\n\n- `` stats.form.f: a > 0 → a != 0 ``" in equivalent
    assert "Words of a log line." in may_stay


def test_a_survivor_without_a_reason_is_named() -> None:
    text, complaints = tool.report([*found(18), survivor("stats.form.f: a → b")], REVIEWS)
    assert complaints == ["survived, and nobody has said why it may: stats.form.f: a → b"]
    assert "## Not reviewed yet" in text


def test_a_package_of_which_too_few_are_found_is_named() -> None:
    known = survivor("stats.form.f: a > 0 → a != 0", "http")
    _, complaints = tool.report([*found(20), *found(8, "http"), known], REVIEWS)
    assert complaints == ["http: only 88.9% are found"]  # 8 of 9


def test_what_was_not_tried_counts_for_nothing() -> None:
    untried = [tool.Mutant("m", "stats", "not checked") for _ in range(5)]
    text, complaints = tool.report([*found(3), *untried], REVIEWS)
    assert complaints == []
    assert "| stats | 3 | 3 | 100.0% | 5 |" in text
