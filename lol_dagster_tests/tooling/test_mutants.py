"""How mutants are tried, and the report on them; whether mutmut makes good ones is not ours to test."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

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


CODE = """
from threading import Event


def double(number):
    return number * 2


def forget(number):
    return number + 1


def ignore():
    return 3


def fill(number):
    while not number:
        number = "none"
    return number


def give(number):
    if not number:
        Event().wait()
    return number
"""
TESTS = """
from pathlib import Path

import pytest

import lol_dagster
from lol_dagster.stats.code import double, fill, forget, give


@pytest.fixture(scope="session")
def two():
    return 2


def test_that_reads_a_file_of_the_package():
    assert (Path(lol_dagster.__file__).parent / "words.txt").read_text() == "old"


def test_that_notices_what_is_altered(two):
    assert double(two) == 4


def test_that_notices_nothing(two):
    forget(two)


def test_that_would_never_end(two):
    assert fill(two) == two
    assert fill(0) == "none"


def test_that_would_do_nothing_forever(two):
    assert give(two) == two
"""
PROJECT = """
[tool.mutmut]
source_paths = ["lol_dagster"]
only_mutate = ["lol_dagster/stats/*.py"]
also_copy = ["tests"]
pytest_add_cli_args_test_selection = ["tests"]
"""


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_each_mutant_is_tried_on_the_tests_that_call_its_function(tmp_path: Path) -> None:
    write(tmp_path / "pyproject.toml", PROJECT)
    write(tmp_path / "lol_dagster/__init__.py", "")
    write(tmp_path / "lol_dagster/words.txt", "old")
    write(tmp_path / "lol_dagster/stats/__init__.py", "")
    write(tmp_path / "lol_dagster/stats/code.py", CODE)
    write(tmp_path / "tests/test_code.py", TESTS)
    write(tmp_path / "tools/mutants.toml", "")
    write(tmp_path / "docs/reference/mutants.md", "")
    script = tmp_path / "tools/mutants.py"
    write(
        script,
        Path(str(tool.__file__)).read_text().replace("_STUCK_AFTER = 30.0", "_STUCK_AFTER = 3.0"),
    )

    def run() -> list[str]:
        done = subprocess.run(
            (sys.executable, script), cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return done.stderr.splitlines()

    # `double` has two mutants, another factor and a division, and a test that notices both; `fill` has
    # four, two other words and two loops without an end; `give` one, which waits without an end.
    survived = "survived, and nobody has said why it may: stats.code."
    assert run() == [
        "stats: only 70.0% are found",
        f"{survived}forget: return number + 1 → return number + 2",
        f"{survived}forget: return number + 1 → return number - 1",
        f"{survived}ignore: return 3 → return 4",
    ]
    report = (tmp_path / "docs/reference/mutants.md").read_text()
    assert "| stats | 10 | 7 | 70.0% | 0 |" in report

    write(tmp_path / "lol_dagster/words.txt", "new")
    assert run() == ["nothing can be said about what tests notice while they fail"]


MADE = """
def x_tell__mutmut_orig(what):
    \"\"\"What is to be said.\"\"\"
    if what is None or (
        what == ""
    ):
        return "nothing"
    for part in what:
        print(
            part,
            1,
        )
    return what


def x_tell__mutmut_1(what):
    \"\"\"What is to be said.\"\"\"
    if what is None or (
        what != ""
    ):
        return "nothing"
    for part in what:
        print(
            part,
            1,
        )
    return what


def x_tell__mutmut_2(what):
    \"\"\"What is to be said.\"\"\"
    if what is None or (
        what == ""
    ):
        return "nothing"
    for part in what:
        print(
            part,
            )
    return what


def x_tell__mutmut_3(what=1):
    \"\"\"What is to be said.\"\"\"
    if what is None or (
        what == ""
    ):
        return "nothing"
    for part in what:
        print(
            part,
            1,
        )
    return what
"""


def test_only_whoever_reaches_the_altered_statement_is_asked(tmp_path: Path) -> None:
    """Of one that has others inside its own lines are meant: here the condition, and the call."""
    write(tmp_path / "code.py", MADE)
    (function,) = tool._functions_of(tmp_path / "code.py")
    lines = {
        mutant[-1]: [number for number in range(12) if bits >> number & 1]
        for mutant, bits in function.altered.items()
    }
    # Counted from the line with the name; what alters this one concerns all.
    assert lines == {"1": [2, 3, 4], "2": [7, 8, 9, 10], "3": list(range(12))}


def test_tests_that_run_in_processes_of_their_own_are_left_out() -> None:
    """These would import the code as it is, and some kill the process that they are in."""
    settings = tomllib.loads((tool.ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    proofs = Path("lol_dagster_tests/delivery/proof")
    in_processes = {
        f"--ignore={proofs / path.name}"
        for path in (tool.ROOT / proofs).glob("test_*.py")
        if re.search(r"\bharness\b", path.read_text())
    }
    assert in_processes
    assert in_processes <= set(settings["pytest_add_cli_args_test_selection"])
