"""What the documentation, docstrings and comments name is there."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click

from lol_dagster.cli import cli
from lol_dagster_tests.tooling.scripts import CHECKOUT, load_tool

FOLDERS = ("docs", "deploy", "tools", "lol_dagster", "lol_dagster_tests")
PAGES = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md"),
                *(CHECKOUT / "deploy").rglob("*.md"), *(CHECKOUT / "lol_dagster_tests").rglob("*.md")])  # fmt: skip
SOURCES = sorted(
    path for folder in ("tools", "lol_dagster", "lol_dagster_tests")
    for path in (CHECKOUT / folder).rglob("*.py")
)  # fmt: skip
TEMPLATES = sorted((CHECKOUT / "lol_dagster").rglob("*.html"))

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ALTERED = re.compile(r"`` .*? ``")
"""Code on the page of mutants, which may look like a link."""
_PATH = re.compile(
    r"(?<![\w/.{*<…-])(?:[\w.-]+/)*[\w-]+\.(?:py|md|js|html|css|yaml|toml)\b(?!\.\w)"
)
_MODULE = re.compile(r"(?<![\w/.-])lol_dagster(?:_tests)?(?:\.\w+)+")
_COMMAND = re.compile(r"(?<![\w/.-])(?<!\*\*)lol-dagster((?: [a-z][a-z-]*)+)([^`'\"\n]*)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")

# Named as examples, or made when it runs.
NOT_OURS = {
    "dagster/_utils/interrupts.py",
    "a/b/c.py",
    "b/c.py",
    "c.py",
    "LOL_HOME/dagster/dagster.yaml",
}


def name(path: Path) -> str:
    return path.relative_to(CHECKOUT).as_posix()


@cache
def known_paths() -> frozenset[str]:
    """Every file of ours, and each end of its path: `a/b/c.py`, `b/c.py`, `c.py`."""
    files = [path for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*")]
    files += [path for path in CHECKOUT.iterdir() if path.is_file()]
    parts = [path.relative_to(CHECKOUT).parts for path in files if path.is_file()]
    return frozenset("/".join(each[at:]) for each in parts for at in range(len(each)))


def said_in(path: Path) -> Iterator[str]:
    """The comments and docstrings of a source, or all of another text."""
    text = path.read_text()
    if path.suffix != ".py":
        yield text
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(text)):
        # A string that is a statement: of a module, class, function or attribute.
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield str(node.value.value)


def test_every_path_that_is_named_is_there() -> None:
    known = known_paths() | NOT_OURS
    missing = [
        f"{name(path)}: {found}"
        for path in [*PAGES, *SOURCES]
        for text in said_in(path)
        for found in _PATH.findall(re.sub(r"https?://\S+", "", text))
        if found.lstrip("./") not in known
    ]
    assert missing == []


def test_every_module_that_is_named_is_there() -> None:
    missing = [
        f"{name(path)}: {found}"
        for path in [*PAGES, *SOURCES]
        for text in said_in(path)
        for found in _MODULE.findall(text)
        if not found.startswith("lol_dagster.sqlite") and not is_there(found)
    ]
    assert missing == []


def is_there(dotted: str) -> bool:
    """Whether it is a module, or a name in one."""
    parts = dotted.split(".")
    for end in range(len(parts), 0, -1):
        place = CHECKOUT.joinpath(*parts[:end])
        if (module := place.with_suffix(".py")).is_file() or (
            module := place / "__init__.py"
        ).is_file():
            return (
                end == len(parts) or re.search(rf"\b{parts[end]}\b", module.read_text()) is not None
            )
    return False


def test_every_link_leads_somewhere() -> None:
    links = [
        (page, link) for page in PAGES for link in _LINK.findall(_ALTERED.sub("", page.read_text()))
    ]
    lost = [f"{name(page)}: {link}" for page, link in links if not leads_somewhere(page, link)]
    assert lost == []


def leads_somewhere(page: Path, link: str) -> bool:
    target, _, heading = link.partition("#")
    if "://" in target:
        return True
    file = (page.parent / target).resolve() if target else page
    return file.exists() and (not heading or heading in headings_of(file))


def headings_of(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_every_command_that_is_named_is_there() -> None:
    wrong = [
        f"{name(path)}: lol-dagster{words}{rest}"
        for path in [*PAGES, *SOURCES, *TEMPLATES]
        for words, rest in _COMMAND.findall(path.read_text())
        if not is_a_command(words.split(), _OPTION.findall(words + rest))
    ]
    assert wrong == []


def is_a_command(words: list[str], options: list[str]) -> bool:
    command: click.Command = cli
    context = click.Context(cli)
    known = {"--help", "--version"}
    for word in words:
        if not isinstance(command, click.Group):
            break  # an argument
        inner = command.get_command(context, word)
        if inner is None:
            return False
        command = inner
        known |= {option for each in command.params for option in each.opts}
    return set(options) <= known


def test_the_references_are_what_the_code_says() -> None:
    reference = load_tool("reference")
    for path, text in reference.documents().items():
        assert path.read_text() == text, "run .venv/bin/python tools/reference.py"


def test_the_tests_that_hold_a_mechanism_are_there() -> None:
    page = (CHECKOUT / "docs/architecture.md").read_text()
    table = page.partition("| mechanism | test |")[2].partition("\n\n")[0]
    named = re.findall(r"`([\w/]+\.py)`(?:: ((?:`…\w+…`(?:, )?)+))?", table)
    assert len(named) > 15
    for file, tests in named:
        text = (CHECKOUT / "lol_dagster_tests" / file).read_text()
        functions = re.findall(r"def (test_\w+)", text)
        for part in re.findall(r"…(\w+)…", tests):
            assert any(part in each for each in functions), f"{file}: {part}"


def test_decisions_are_numbered_and_of_one_form() -> None:
    pages = sorted((CHECKOUT / "docs/decisions").glob("[0-9]*.md"))
    assert [int(page.name[:3]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
        assert headings[1:] == ["Context", "Decision", "Consequences"], page.name


def test_the_version_is_that_of_the_changelog() -> None:
    version = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    released = re.findall(
        r"^## \[([\d.]+)\]", (CHECKOUT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert released[0] == version


def test_the_search_sees_what_is_missing() -> None:
    assert not is_there("lol_dagster.storage.engine")
    assert is_there("lol_dagster.storage.database.Database")
    assert _PATH.findall("see `storage/engine.py` and http.py.") == ["storage/engine.py", "http.py"]
    assert "storage/engine.py" not in known_paths()
    assert "http.py" in known_paths()
    assert is_a_command(["db", "restore"], ["--json"])
    assert not is_a_command(["db", "mend"], [])
    assert not is_a_command(["status"], ["--colour"])
