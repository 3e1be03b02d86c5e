"""The benchmarks run; what they measure is not for tests to judge."""

from __future__ import annotations

from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


def test_the_benchmarks_measure_every_way(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # On the path, so that the processes that it spawns find it under the same name.
    monkeypatch.syspath_prepend(TOOLS)
    monkeypatch.setenv("COLUMNS", "200")  # so that no line is broken, however large the figures
    import bench  # type: ignore[import-not-found]  # not a part of the package
    import bench_growth

    monkeypatch.setattr(
        bench_growth, "find_binaries", lambda: None
    )  # another engine, the same code
    measured = bench.run(bench.Size(repeats=1, games=3, batch=2, matches=50, history=60, calls=2))

    figures = [each for group in measured["milliseconds"] for each in group["figures"]]
    assert len(figures) == 64
    assert all(each["median"] > 0 and each["ratio"] > 0 for each in figures)
    shown = capsys.readouterr().out
    assert [each["way"] for each in figures if each["way"] not in shown] == []


def test_the_ratio_is_to_the_first_way_and_the_first_turn_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(TOOLS)
    import bench

    clock = [0.0]
    monkeypatch.setattr(bench.time, "perf_counter", lambda: clock[0])

    def takes(*seconds: float) -> object:
        left = iter(seconds)

        def call() -> None:
            clock[0] += next(left)

        return call

    # The first turn would spoil every figure: 9 s. Then medians of 1, 2, 3 s and of 6, 6, 12 s for
    # two units each: 2000 ms, and 6000 / 2 = 3000 ms a unit, which is 1.5 times as much.
    ways = {"one": (1, takes(9, 1, 2, 3)), "two": (2, takes(9, 12, 6, 6))}
    one, two = bench.compare("title", "unit", ways, 3).figures
    assert (one.median, one.least, one.most, one.ratio) == (2000, 1000, 3000, 1)
    assert (two.median, two.least, two.most, two.ratio) == (3000, 3000, 6000, 1.5)
