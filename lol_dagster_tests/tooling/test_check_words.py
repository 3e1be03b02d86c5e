"""tools/check_words.py finds old words however they are written, and nothing else."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from lol_dagster_tests.tooling.scripts import load_tool


@pytest.fixture(scope="module")
def check_words() -> ModuleType:
    return load_tool("check_words")


OLD = "tally"  # one of the table's simplest


@pytest.mark.parametrize(
    "text",
    ["a tally", "Tally", "run_tally", "RunTally", "runTally2", "TALLY_OF", "<tally>", "tally's"],
)
def test_a_word_is_found_however_it_is_written(check_words: ModuleType, text: str) -> None:
    (hit,) = check_words.hits_in("a.py", f"one\n{text}\n")
    assert (hit.line, hit.old, hit.text) == (2, OLD, text)
    assert str(hit) == 'a.py:2: "tally" → counts, RunCounts'


@pytest.mark.parametrize("text", ["metally", "tallyho", "totally", "vitally"])
def test_a_part_of_another_word_is_not_it(check_words: ModuleType, text: str) -> None:
    assert list(check_words.hits_in("a.py", text)) == []


@pytest.mark.parametrize(
    "text", ["set_aside", "SetAside", "set-aside", "it is set\n    # aside", '"set "\n"aside"']
)
def test_two_words_are_found_over_underscores_and_line_ends(
    check_words: ModuleType, text: str
) -> None:
    (hit,) = check_words.hits_in("a.py", text)
    assert (hit.line, hit.new) == (1, "quarantined")


def test_words_that_are_ordinary_otherwise_stay(check_words: ModuleType) -> None:
    text = "the control room; later; a placeholder; household_names_of = 1; she is gone"
    assert [hit.old for hit in check_words.hits_in("a.py", text)] == ["household"]


def test_a_state_is_found_as_a_string_alone(check_words: ModuleType) -> None:
    (hit,) = check_words.hits_in("a.py", "later = (\"later\", 'late r')")
    assert hit.old == '"later"'


def test_a_file_with_an_old_name_is_found(
    check_words: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_words, "ROOT", tmp_path)
    file = tmp_path / "landing.py"
    file.touch()
    assert [hit.old for hit in check_words.hits_in_file(file)] == ["landing"]


def test_an_exception_is_for_its_lines_alone(check_words: ModuleType) -> None:
    used = dict.fromkeys(check_words.ALLOWED, False)
    key, other = check_words.hits_in("lol_dagster/orchestration/once.py", '"set_aside"\ntally')
    assert check_words._is_allowed(key, used)
    assert not check_words._is_allowed(other, used)
    assert sum(used.values()) == 1


def test_an_unpacked_archive_is_checked_without_git(
    check_words: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(check_words, "ROOT", tmp_path)
    monkeypatch.setattr(check_words, "ALLOWED", [])
    for name in ("a/b.py", ".venv/lib/x.py", "a/__pycache__/y.py", ".mypy_cache/z.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(OLD)
    assert check_words.main([]) == 1
    assert capsys.readouterr().out.splitlines()[0].startswith("a/b.py:1:")
    assert len(list(check_words._files([]))) == 1
