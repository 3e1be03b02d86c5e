"""Mutation testing, `make mutants`: alters the code in one place at a time, and names what no test notices.

    .venv/bin/python tools/mutants.py            go on where it stopped, then report; hours the first time
    .venv/bin/python tools/mutants.py report     report what is known so far

What is altered, and which tests are tried on it, stands in pyproject.toml (`[tool.mutmut]`; after a
change there, delete mutants/). The verdicts lie in mutants/: a function that did not change is not tried
again, but for its survivors, as there may be new tests.

A survivor that somebody has reviewed stands in tools/mutants.toml with the reason why it may survive.
The report writes docs/reference/mutants.md, and fails where a package is below `LEAST` or a survivor is
not in that list.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
REVIEWED = ROOT / "tools/mutants.toml"
PAGE = ROOT / "docs/reference/mutants.md"
LEAST = 0.9
_SLOW = "postgresql or test_every_interleaving or test_state_machine"
"""Tests, as pytest's -k takes them, that are tried only on what the others have not found."""
_PACKAGES = ("stats", "messages", "http", "riot", "delivery/transports", "delivery")
_FOUND = {"killed", "timeout", "segfault"}
_UNTRIED = {"not checked", "check was interrupted by user", "suspicious", "skipped"}
_SEEN_BY_NOBODY = {"survived", "no tests"}


class Mutant(NamedTuple):
    """One alteration, and its verdict."""

    name: str
    """mutmut's; the number changes with the function."""
    package: str
    status: str
    alteration: str = ""
    """`<function>: <old lines> → <new lines>`; of survivors only."""


class Review(NamedTuple):
    """Survivors that may survive, and why."""

    verdict: Literal["equivalent", "may stay"]
    why: str
    alterations: tuple[str, ...]
    """As `Mutant.alteration`; what ends in `*` stands for all that begin so."""

    def covers(self, mutant: Mutant) -> bool:
        return any(
            mutant.alteration.startswith(each[:-1])
            if each.endswith("*")
            else mutant.alteration == each
            for each in self.alterations
        )


def main(arguments: Sequence[str]) -> None:
    if list(arguments) not in ([], ["report"]):
        sys.exit(__doc__)
    os.chdir(ROOT)
    reviews = read_reviews(REVIEWED.read_text())
    if not arguments:
        run_mutmut(tests=f"not ({_SLOW})")
        unseen = [each.name for each in mutants() if is_new(each, reviews)]
        if unseen:
            run_mutmut(*unseen)
    text, complaints = report(mutants(), reviews)
    PAGE.write_text(text)
    if complaints:
        sys.exit("\n".join(complaints))


def run_mutmut(*names: str, tests: str = "") -> None:
    """Try what has no verdict yet, or these mutants again.

    Args:
        tests: Which of the tests, as pytest's -k takes it.
    """
    command = (str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", "1", *names)
    environment = {**os.environ, "PYTEST_ADDOPTS": f"-k {shlex.quote(tests)}"}
    status = subprocess.call(("nice", *command), env=environment)
    if status != 0:
        sys.exit(f"mutmut failed with status {status}")


def mutants() -> list[Mutant]:
    """Those that mutmut has made, with their verdicts so far."""
    from mutmut.utils.file_utils import walk_mutatable_files

    return [each for path in sorted(walk_mutatable_files()) for each in _mutants_of(path)]


def _mutants_of(path: Path) -> Iterable[Mutant]:
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.stats import status_by_exit_code

    package = next(each for each in _PACKAGES if str(path).startswith(f"lol_dagster/{each}"))
    data = SourceFileMutationData(path=path)
    data.load()
    for name, exit_code in data.exit_code_by_key.items():
        status = status_by_exit_code[exit_code]
        alteration = _alteration(path, name) if status in _SEEN_BY_NOBODY else ""
        yield Mutant(name, package, status, alteration)


def _alteration(path: Path, name: str) -> str:
    from mutmut.mutation.diff_apply import get_diff_for_mutant
    from mutmut.utils.format_utils import orig_function_and_class_names_from_key

    function, class_name = orig_function_and_class_names_from_key(name)
    lines = get_diff_for_mutant(name, path=path).splitlines()[2:]
    old, new = (
        " ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+"
    )
    module = ".".join(path.with_suffix("").parts[1:])
    where = f"{module}.{class_name}.{function}" if class_name else f"{module}.{function}"
    return f"{where}: {old} → {new}"


def read_reviews(text: str) -> list[Review]:
    return [
        Review(each["verdict"], each["why"], tuple(each["mutants"]))
        for each in tomllib.loads(text).get("reviewed", [])
    ]


def is_new(mutant: Mutant, reviews: Sequence[Review]) -> bool:
    """Whether it survived and nobody has reviewed it."""
    return mutant.status in _SEEN_BY_NOBODY and not any(each.covers(mutant) for each in reviews)


def report(tried: Sequence[Mutant], reviews: Sequence[Review]) -> tuple[str, list[str]]:
    """The page, and what is not as it should be."""
    rows: list[str] = []
    complaints: list[str] = []
    for package in _PACKAGES:
        own = [each for each in tried if each.package == package and each.status not in _UNTRIED]
        untried = sum(each.package == package for each in tried) - len(own)
        if not own:
            continue
        found = sum(each.status in _FOUND for each in own)
        rows.append(
            f"| {package} | {len(own):,} | {found:,} | {found / len(own):.1%} | {untried:,} |"
        )
        if found < LEAST * len(own):
            complaints.append(f"{package}: only {found / len(own):.1%} are found")
    new = sorted(each.alteration for each in tried if is_new(each, reviews))
    complaints += [f"survived, and nobody has said why it may: {each}" for each in new]
    return _page(rows, tried, reviews, new), complaints


def _page(
    rows: Sequence[str], tried: Sequence[Mutant], reviews: Sequence[Review], new: Sequence[str]
) -> str:
    lines = [
        "# Mutants",
        "",
        "*Written by `tools/mutants.py`: run `make mutants`.*",
        "",
        "Each is the code with one place altered: a comparison, a number, an argument that is left out.",
        "It is found if some test fails with it. What survives is listed, with the reason why it may.",
        "",
        "| Package | Tried | Found | | Not tried yet |",
        "| --- | ---: | ---: | ---: | ---: |",
        *rows,
    ]
    for verdict, title in (("equivalent", "Equivalent"), ("may stay", "May stay")):
        lines += ["", f"## {title}"]
        for review in (each for each in reviews if each.verdict == verdict):
            known = sorted({each.alteration for each in tried if review.covers(each)})
            if known:
                lines += ["", f"{review.why}", "", *(f"- `` {each} ``" for each in known)]
    if new:
        lines += ["", "## Not reviewed yet", "", *(f"- `` {each} ``" for each in new)]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main(sys.argv[1:])
