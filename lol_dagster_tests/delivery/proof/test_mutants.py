"""Each mutant of `mutants` is found by each check that claims to find it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from lol_dagster_tests.delivery.proof.harness import Harness
from lol_dagster_tests.delivery.proof.mutants import MUTANTS, Mutant
from lol_dagster_tests.delivery.proof.state_machine import machine
from lol_dagster_tests.delivery.proof.test_every_interleaving import search

DOCUMENT = Path(__file__).parents[3] / "docs" / "delivery.md"


def mutants(check: str) -> pytest.MarkDecorator:
    chosen = [each for each in MUTANTS if getattr(each, check) is not None]
    return pytest.mark.parametrize("mutant", chosen, ids=[each.name for each in chosen])


@mutants("searched")
def test_the_search_of_every_order_of_events_finds_it(mutant: Mutant) -> None:
    assert mutant.searched is not None
    _, counterexample = search(mutant.start, mutant.searched, only=mutant.finds)
    assert counterexample is not None
    assert counterexample[-1] == mutant.finds


@mutants("walked")
def test_hypothesis_walks_find_it(mutant: Mutant) -> None:
    assert mutant.walked is not None
    walks = settings(
        max_examples=3000,
        stateful_step_count=60,
        derandomize=True,
        database=None,
        phases=[Phase.generate],  # a shortest way to it is the search's business
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    with pytest.raises(AssertionError, match=r"duplicate|posts what was delivered|a lie|stuck"):
        run_state_machine_as_test(machine(*mutant.walked, is_whole=False), settings=walks)


@mutants("scenario")
def test_real_processes_without_it_post_twice_and_with_it_do_not(
    harness: Harness, mutant: Mutant
) -> None:
    assert mutant.scenario is not None
    assert mutant.scenario(harness, None).wrong == {}
    assert mutant.scenario(harness, mutant.mechanism).wrong.keys() == {"duplicated"}


def test_the_document_lists_them_all() -> None:
    text = DOCUMENT.read_text()
    for each in MUTANTS:
        assert f"| {each.name} | {each.taken_out} |" in text
