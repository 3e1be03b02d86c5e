"""Mutation testing, `make mutants`: alters the code in one place at a time, and names what no test notices.

    .venv/bin/python tools/mutants.py            go on where it stopped, then report; an hour the first time
    .venv/bin/python tools/mutants.py report     report what is known so far

What is altered, and which tests are tried on it, stands in pyproject.toml (`[tool.mutmut]`). The verdicts
lie in mutants/: a function that did not change is not tried again, but for its survivors, as there may be
new tests; after a change of tests that notice less, delete mutants/.

mutmut makes the mutants; they are tried here, as it begins pytest anew for each. One session collects all
tests and runs each as the code is, which shows what lines it reaches. Then each mutant is a fork
of this process, which runs those tests that reach the altered statement: those of its module's own file first,
and of these the quick ones that call few functions, as they are about it; before all the one that noticed its
neighbour.

A survivor that somebody has reviewed stands in tools/mutants.toml with the reason why it may survive.
The report writes docs/reference/mutants.md, and fails where a package is below `LEAST` or a survivor is
not in that list.
"""

from __future__ import annotations

import ast
import gc
import math
import mmap
import os
import re
import resource
import shutil
import signal
import sqlite3
import sys
import threading
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, NamedTuple

import pytest
from hypothesis import Phase, settings

if TYPE_CHECKING:
    from mutmut.mutation.data import SourceFileMutationData

ROOT = Path(__file__).resolve().parent.parent
REVIEWED = ROOT / "tools/mutants.toml"
PAGE = ROOT / "docs/reference/mutants.md"
LEAST = 0.9
_SECONDS = 30.0
"""Of tests for one mutant, as the code is. What only later ones notice has no test of its own."""
_OF_ANY_TEST = 0.02
"""Seconds that its set-up takes in a process that was forked for it."""
_STUCK_AFTER = 30.0
_NEXT_TO_NOTHING = 0.01
"""Seconds of processor time in so many: less has none that still works, however busy the others are."""
_BYTES = 4
"""Of the number of a test."""
_QUICK = 0.5
"""Seconds of a test that may come before all others."""
_PACKAGES = ("stats", "messages", "http", "riot", "delivery/transports", "delivery")
_FOUND = {"killed", "timeout", "segfault"}
_UNTRIED = {"not checked", "check was interrupted by user", "suspicious", "skipped"}
_SEEN_BY_NOBODY = {"survived", "no tests"}
_TIMEOUT = 36
"""As mutmut writes it down."""


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
    like: tuple[str, ...] = ()
    """Regular expressions for whole alterations."""

    def covers(self, mutant: Mutant) -> bool:
        return any(
            mutant.alteration.startswith(each[:-1])
            if each.endswith("*")
            else mutant.alteration == each
            for each in self.alterations
        ) or any(re.fullmatch(each, mutant.alteration) for each in self.like)


def main(arguments: Sequence[str]) -> None:
    if list(arguments) not in ([], ["report"]):
        sys.exit(__doc__)
    os.chdir(ROOT)
    reviews = read_reviews(REVIEWED.read_text())
    if not arguments:
        os.nice(10)
        make_mutants()
        chosen = [each for each in mutants() if each.status in _UNTRIED or is_new(each, reviews)]
        if chosen:  # to learn what tests reach takes minutes
            try_mutants(chosen)
    text, complaints = report(mutants(), reviews)
    PAGE.write_text(text)
    if complaints:
        sys.exit("\n".join(complaints))


def make_mutants() -> None:
    """Bring mutants/ up to date with the code and its tests; what has not changed keeps its verdicts."""
    from mutmut.__main__ import create_mutants
    from mutmut.mutation.trampoline import set_mutant_under_test
    from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir, setup_source_paths

    set_mutant_under_test("mutant_generation")
    copy_src_dir()
    copy_also_copy_files()
    setup_source_paths()
    for data in Path("lol_dagster").rglob("*"):  # of these it copies new ones alone
        if data.is_file() and data.suffix not in {".py", ".pyc"}:
            shutil.copy2(data, "mutants" / data)
    create_mutants(1)
    for copy in Path("mutants").rglob("*.py"):
        if not copy.relative_to("mutants").exists():
            copy.unlink()


def try_mutants(chosen: Sequence[Mutant]) -> None:
    """Find out which of these some test notices, in a copy of the tree with all of them in it.

    Raises:
        SystemExit: a test fails without them.
    """
    from mutmut.configuration import config

    trials = _Trials(chosen, _verdicts())
    # That a test fails is enough: to tell why, or the smallest example, takes longer than most tests.
    settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate), database=None)
    settings.load_profile("mutants")
    how = ("--rootdir=.", "--quiet", "--assert=plain", "--tb=native")
    which = config().pytest_add_cli_args_test_selection
    os.chdir("mutants")
    status = pytest.main([*how, *config().pytest_add_cli_args, *which], plugins=[trials])
    os.chdir(ROOT)
    if status != pytest.ExitCode.OK or trials.failed:
        sys.exit("nothing can be said about what tests notice while they fail")


class _Trials:
    """A plugin for pytest, which runs what it has collected in its own way."""

    def __init__(
        self, chosen: Sequence[Mutant], verdicts: Mapping[str, SourceFileMutationData]
    ) -> None:
        self._chosen = chosen
        self._verdicts = verdicts
        self._seconds: dict[str, float] = {}
        """Of processor time, by test."""
        self._reached: dict[str, dict[str, int]] = {}
        """Function → test → the lines of it that the test reaches, counted from its first one, as bits."""
        self._callers: dict[str, list[pytest.Item]] = {}
        """The tests that call a function; the one that notices should come early."""
        self._called: dict[str, int] = {}
        """How many functions a test calls."""
        self._altered: dict[str, int] = {}
        """The lines of the statements that a mutant alters, as bits."""
        self.failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        functions = [each for path in _mutated_files() for each in _functions_of(path)]
        for each in functions:
            self._altered |= each.altered
        self._learn(session, functions)
        if not self.failed:
            by_id = {item.nodeid: item for item in session.items}
            for function, tests in self._reached.items():
                self._callers[function] = sorted(
                    map(by_id.__getitem__, tests), key=partial(self._turn_of, _test_file(function))
                )
            gc.freeze()  # or the forks would copy all that they count
            self._try_all(session)
        return True

    def _learn(self, session: pytest.Session, functions: Sequence[_Function]) -> None:
        """Run each test with the code as it is: how long it takes, and what it reaches."""
        from coverage import Coverage
        from mutmut.mutation.trampoline import set_mutant_under_test

        set_mutant_under_test("")
        with TemporaryDirectory() as folder:
            lines = Path(folder, "lines")
            watcher = Coverage(data_file=str(lines), config_file=False, include="lol_dagster/*")
            watcher.start()
            for item in session.items:
                watcher.switch_context(item.nodeid)
                begun = time.process_time()
                _run(session, item)
                self._seconds[item.nodeid] = time.process_time() - begun
            watcher.stop()
            watcher.save()
            self._note_reached(lines, functions)

    def _note_reached(self, lines: Path, functions: Sequence[_Function]) -> None:
        """
        Args:
            lines: coverage's database (https://coverage.readthedocs.io/en/latest/dbschema.html). Its own way to read
                it takes longer than the tests.
        """
        of_file: dict[str, list[_Function]] = {}
        for each in functions:
            of_file.setdefault(str(each.path.resolve()), []).append(each)
            self._reached.setdefault(each.name, {})
        with closing(sqlite3.connect(lines)) as database:
            rows = database.execute(
                "SELECT path, context, numbits FROM line_bits JOIN file ON file.id = file_id "
                "JOIN context ON context.id = context_id WHERE context != ''"
            )
            for path, test, numbits in rows:
                bits = int.from_bytes(numbits, "little")
                for each in of_file.get(path, ()):
                    inside = (1 << each.last - each.first + 1) - 2  # without the line of its name
                    if reached := bits >> each.first & inside:
                        self._reached[each.name][test] = reached
                        self._called[test] = self._called.get(test, 0) + 1

    def _seconds_of(self, item: pytest.Item) -> float:
        return self._seconds[item.nodeid]

    def _turn_of(self, own_file: str, item: pytest.Item) -> tuple[bool, float]:
        costs = self._called[item.nodeid] * (self._seconds_of(item) + _OF_ANY_TEST)
        return item.path.name != own_file, costs

    def _try_all(self, session: pytest.Session) -> None:
        """The quick ones first, as many at a time as there are processors."""
        waiting = sorted(self._chosen, key=lambda each: self._tests_of(each)[1], reverse=True)
        running: dict[int, _Trial] = {}
        while waiting or running:
            if waiting and len(running) < (os.cpu_count() or 1):
                pid, trial = self._fork(session, waiting.pop())
                running[pid] = trial
                continue
            time.sleep(0.005)
            for pid, trial in list(running.items()):
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    del running[pid]
                    self._note(trial, os.waitstatus_to_exitcode(status))
                    print(f"\r{len(waiting)} mutants to be tried  ", end="", flush=True)

    def _tests_of(self, mutant: Mutant) -> tuple[list[pytest.Item], float]:
        """What is run on it, and how many seconds that takes where no test fails."""
        tests: list[pytest.Item] = []
        seconds = 0.0
        function, altered = _function(mutant), self._altered[mutant.name]
        for item in self._callers[function]:
            if not self._reached[function][item.nodeid] & altered:
                continue
            seconds += self._seconds_of(item)
            if seconds > _SECONDS and tests:
                break
            tests.append(item)
        return tests, seconds

    def _fork(self, session: pytest.Session, mutant: Mutant) -> tuple[int, _Trial]:
        """A process that ends with status 1 as soon as a test fails, or with 0."""
        from mutmut.mutation.trampoline import set_mutant_under_test

        tests, _ = self._tests_of(mutant)
        noticed = mmap.mmap(-1, _BYTES)
        pid = os.fork()
        if pid != 0:
            return pid, _Trial(mutant, tests, noticed)
        try:
            os.setpgid(0, 0)
            session.config.pluginmanager.unregister(name="terminalreporter")
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in (1, 2):
                os.dup2(nowhere, stream)
            threading.Thread(target=_end_if_stuck, daemon=True).start()
            set_mutant_under_test(mutant.name)
            for number, item in enumerate(tests, start=1):
                self._limit(item)
                _run(session, item)
                if self.failed:
                    noticed.write(number.to_bytes(_BYTES))
                    break
        finally:
            os._exit(1 if self.failed or sys.exc_info()[0] else 0)

    def _limit(self, item: pytest.Item) -> None:
        """An alteration may have made a loop endless. How long a test takes is no limit: others may be busy."""
        limit = math.ceil(time.process_time() + 1 + 5 * self._seconds_of(item))
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
        item.add_marker(pytest.mark.timeout(0), append=False)

    def _note(self, trial: _Trial, status: int) -> None:
        number = int.from_bytes(trial.noticed.read(_BYTES))
        if number:
            self._comes_first(trial.tests[number - 1], _function(trial.mutant))
        verdict = _TIMEOUT if status in (-signal.SIGKILL, -signal.SIGXCPU) else status
        data = self._verdicts[trial.mutant.name]
        data.exit_code_by_key[trial.mutant.name] = verdict
        data.save()

    def _comes_first(self, item: pytest.Item, function: str) -> None:
        """What noticed one alteration of a function is likely to notice its neighbours."""
        if self._seconds_of(item) < _QUICK:
            tests = self._callers[function]
            tests.remove(item)
            tests.insert(0, item)


class _Trial(NamedTuple):
    """A mutant that is being tried."""

    mutant: Mutant
    tests: list[pytest.Item]
    noticed: mmap.mmap
    """The number of the test that failed, shared with the process that runs them; 0: none has."""


def _end_if_stuck() -> None:
    """An alteration may have this process wait for what never comes: then it does nothing at all."""
    used = -1.0
    while (now := time.process_time()) > used + _NEXT_TO_NOTHING:
        used = now
        time.sleep(_STUCK_AFTER)
    os.kill(os.getpid(), signal.SIGKILL)


def _function(mutant: Mutant) -> str:
    """As mutmut counts its calls."""
    return mutant.name.partition("__mutmut_")[0]


class _Function(NamedTuple):
    """One that has mutants, as it stands in the copy."""

    name: str
    """As of `_function`."""
    path: Path
    first: int
    """Its first line, in which its name is."""
    last: int
    altered: dict[str, int]
    """Mutant → the lines, counted from the first one, of the statements that it alters, as bits."""


def _functions_of(path: Path) -> Iterator[_Function]:
    """Those of a file of the copy that has mutants in it.

    Args:
        path: Below the copy's root, which is the working directory.
    """
    text = path.read_text()
    lines, module = text.splitlines(), ".".join(path.with_suffix("").parts)
    nodes: dict[str, ast.FunctionDef] = {}
    for outer in ast.parse(text).body:
        for node in (outer, *(outer.body if isinstance(outer, ast.ClassDef) else ())):
            if isinstance(node, ast.FunctionDef) and "__mutmut_" in node.name:
                nodes[node.name] = node

    def code(node: ast.FunctionDef) -> list[str]:
        """Without the name."""
        first, *others = lines[node.lineno - 1 : node.end_lineno]
        return [first.replace(node.name, ""), *others]

    for name, node in nodes.items():
        function, _, which = name.partition("__mutmut_")
        if which != "orig":
            continue
        parts, old = list(_parts(node)), code(node)
        altered = {
            f"{module}.{mutant}": _lines_of_parts(parts, _difference(old, code(other)))
            for mutant, other in nodes.items()
            if mutant.partition("__mutmut_")[0] == function and mutant != name
        }
        yield _Function(
            f"{module}.{function}", path, node.lineno, node.end_lineno or node.lineno, altered
        )


def _difference(old: Sequence[str], new: Sequence[str]) -> range:
    """The lines of the old one that are others in the new one; the one before if none is lost."""
    before = next(
        (i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), len(old) - 1
    )
    after = next(
        (i for i, (a, b) in enumerate(zip(old[::-1], new[::-1], strict=False)) if a != b), 0
    )
    return range(before, max(before + 1, len(old) - after))


def _lines_of_parts(parts: Sequence[Sequence[range]], altered: range) -> int:
    """Of all parts that are altered, as bits; all lines if what is altered is in none of them."""
    bits = 0
    for part in parts:
        if any(each.start < altered.stop and altered.start < each.stop for each in part):
            bits |= sum(1 << number for each in part for number in each)
    return bits or -1


def _parts(function: ast.FunctionDef) -> Iterator[list[range]]:
    """The lines, counted from the function's first one, of what is run as a whole or not at all: a
    statement, or of one that has others inside what stands before these.
    """

    def lines(first: int, last: int | None) -> range:
        return range(first - function.lineno, (last or first) + 1 - function.lineno)

    for node in ast.walk(function):
        if node is function or not isinstance(node, ast.stmt | ast.ExceptHandler):
            continue
        if isinstance(node, ast.Match):
            cases = [lines(each.pattern.lineno, each.body[0].lineno - 1) for each in node.cases]
            yield [lines(node.lineno, node.cases[0].pattern.lineno - 1), *cases]
        elif body := getattr(node, "body", None):
            yield [lines(node.lineno, body[0].lineno - 1)]
        else:
            yield [lines(node.lineno, node.end_lineno)]


def _mutated_files() -> list[Path]:
    """Of the copy, which is the working directory."""
    return [
        each for each in Path("lol_dagster").rglob("*.py") if "__mutmut_orig(" in each.read_text()
    ]


def _test_file(function: str) -> str:
    """Where the tests of its module are."""
    return f"test_{function.partition('.x')[0].rpartition('.')[2]}.py"


def _run(session: pytest.Session, item: pytest.Item) -> None:
    # What is shared by more tests than one session's is made anew: they come in any order.
    item.config.hook.pytest_runtest_protocol(item=item, nextitem=session)


def _verdicts() -> dict[str, SourceFileMutationData]:
    """Where the verdict on each mutant is kept, by its name."""
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.utils.file_utils import walk_mutatable_files

    found: dict[str, SourceFileMutationData] = {}
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        data.meta_path = data.meta_path.absolute()
        found |= dict.fromkeys(data.exit_code_by_key, data)
    return found


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
        Review(
            each["verdict"],
            each["why"],
            tuple(each.get("mutants", ())),
            tuple(each.get("like", ())),
        )
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
        "The share is of those that were tried: of a large package not all are.",
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
