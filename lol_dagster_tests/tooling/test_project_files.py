"""The files that make two commands enough on a fresh machine."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest

from lol_dagster_tests.tooling.scripts import CHECKOUT, load_tool


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((CHECKOUT / name).read_text())


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """tools/bootstrap.py as a module that takes an empty folder for the checkout."""
    module = load_tool("bootstrap")
    for name in module.INPUTS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    venv = tmp_path / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", venv)
    monkeypatch.setattr(module, "BIN", venv / "bin")
    monkeypatch.setattr(module, "STAMP", venv / ".set-up-for")
    return module


def test_no_dagster_table_overrides_workspace_yaml() -> None:
    """`[tool.dagster]` and `[tool.dg]` silently win over it."""
    assert not {"dagster", "dg"} & _toml("pyproject.toml")["tool"].keys()


def test_the_lock_names_no_index_but_the_public_one() -> None:
    text = (CHECKOUT / "uv.lock").read_text()
    hosts = {urlsplit(url).hostname for url in re.findall(r'"(https?://[^"]+)"', text)}
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


def test_all_locks_name_the_same_versions() -> None:
    packages = _toml("uv.lock")["package"]
    by_uv = {each["name"]: each["version"] for each in packages if "registry" in each["source"]}
    runs_on, besides = _pip_lock("requirements.lock"), _pip_lock("requirements-dev.lock")
    assert not runs_on.keys() & besides.keys()
    assert runs_on | besides == by_uv


def test_the_image_has_what_the_product_runs_on_and_no_tools() -> None:
    packages = {each["name"]: each for each in _toml("uv.lock")["package"]}
    needed: set[str] = set()

    def need(dependencies: list[dict[str, Any]]) -> None:
        for each in dependencies:
            package = packages[each["name"]]
            if each["name"] not in needed:
                needed.add(each["name"])
                need(package.get("dependencies", []))
            for extra in each.get("extra", ()):
                need(package["optional-dependencies"][extra])

    need(packages["lol-dagster"]["dependencies"])
    runs_on = _pip_lock("requirements.lock")
    assert set(runs_on) == needed
    assert not {"pytest", "mypy", "playwright", "hypothesis", "ruff"} & set(runs_on)
    *_, image = (CHECKOUT / "deploy/containers/Containerfile").read_text().split("\nFROM ")
    assert image.startswith("base\n")
    assert "requirements" not in image


@pytest.mark.parametrize("extra", ["celery", "k8s"])
def test_an_extra_has_a_lock_of_what_it_needs_besides(extra: str) -> None:
    packages = {each["name"]: each for each in _toml("uv.lock")["package"]}
    needed: set[str] = set()

    def need(dependencies: list[dict[str, Any]]) -> None:
        for each in dependencies:
            if each["name"] not in needed:
                needed.add(each["name"])
                need(packages[each["name"]].get("dependencies", []))

    need(packages["lol-dagster"]["optional-dependencies"][extra])
    found, everywhere = _pip_lock(f"requirements-{extra}.lock"), _pip_lock("requirements.lock")
    assert set(found) == needed - set(everywhere)
    assert found.items() <= _pip_lock("requirements-dev.lock").items()


def test_whatever_the_image_is_built_with_comes_by_its_hash() -> None:
    text = (CHECKOUT / "deploy/containers/Containerfile").read_text()
    for options in re.findall(r"\bpip (?:install|wheel) (.*)", text):
        # Of a wheel that is built here, or of what has a hash; building alone fetches its tools without.
        assert {"--require-hashes", "--no-index", "--no-build-isolation"} & set(options.split())
        assert "--no-deps" in options.split()


def test_every_dependency_is_in_the_lock() -> None:
    project = _toml("pyproject.toml")
    wanted = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    names = {re.split(r"[<>=\[ ]", each)[0] for each in wanted}
    (locked,) = [p for p in _toml("uv.lock")["package"] if p["name"] == "lol-dagster"]
    in_lock = {d["name"] for d in locked["dependencies"] + locked["dev-dependencies"]["dev"]}
    assert in_lock == names


def test_every_requirement_of_the_pip_lock_has_a_hash() -> None:
    for name in [each.name for each in CHECKOUT.glob("requirements*.lock")]:
        text = (CHECKOUT / name).read_text().replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert lines
        assert [line for line in lines if "--hash=sha256:" not in line] == []


def _pip_lock(name: str) -> dict[str, str]:
    """Version by package."""
    found = re.findall(r"^([a-z0-9.-]+)==([^ ;\\]+)", (CHECKOUT / name).read_text(), re.MULTILINE)
    return dict(found)


def test_make_runs_the_bootstrap() -> None:
    for target in ("setup", "demo", "test", "mutants", "up", "bench"):
        made = subprocess.run(
            ["make", "--dry-run", "--no-print-directory", target],
            cwd=CHECKOUT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert made.stdout == f"python3 tools/bootstrap.py {target}\n"


def test_an_environment_that_is_up_to_date_is_left_alone(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[str] = []
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)

    def install(python: str) -> None:
        installed.append(python)
        (bootstrap.BIN / "lol-dagster").touch()

    monkeypatch.setattr(bootstrap, "install_with_pip", install)
    bootstrap.setup()
    bootstrap.setup()
    assert len(installed) == 1
    (bootstrap.ROOT / "uv.lock").write_text("another version of something")
    bootstrap.setup()
    assert len(installed) == 2
    (bootstrap.BIN / "lol-dagster").unlink()
    bootstrap.setup()
    assert len(installed) == 3


def test_nothing_is_left_to_be_compiled_by_a_service_that_may_write_nothing(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours each time it is set up, as a `git pull` changes no lock; and what is installed, by uv too."""
    uv = tmp_path / "uv"
    uv.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ntouch {bootstrap.BIN}/lol-dagster\n')
    uv.chmod(0o755)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: str(uv) if name == "uv" else None)
    module = tmp_path / "lol_dagster" / "cli" / "module.py"
    module.parent.mkdir(parents=True)
    for code, result in (("answer = 41", b"41"), ("answer = 40 + 2 + 0.0", b"42.0")):
        module.write_text(code)
        bootstrap.setup()
        ask = "import sys; sys.path[:0] = [sys.argv[1]]; import module; print(module.answer)"
        compiled = importlib.util.cache_from_source(str(module))
        shutil.move(compiled, module.with_suffix(".pyc"))
        module.unlink()
        asked = [sys.executable, "-c", ask, str(module.parent)]
        assert subprocess.check_output(asked).strip() == result
        module.with_suffix(".pyc").unlink()
    (asked_of_uv,) = (tmp_path / "asked").read_text().splitlines()
    assert "--compile-bytecode" in asked_of_uv.split()


def test_a_set_up_that_failed_half_way_is_done_again(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    (bootstrap.BIN / "lol-dagster").touch()
    bootstrap.STAMP.write_text("of an older lock")

    def fail(python: str) -> None:
        raise SystemExit("no network")

    monkeypatch.setattr(bootstrap, "install_with_pip", fail)
    with pytest.raises(SystemExit):
        bootstrap.setup()
    assert not bootstrap.STAMP.exists()


def test_an_old_python_hands_over_to_a_newer_one(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "path"
    folder.mkdir()
    (folder / "python3.13").write_text("#!/bin/sh\nexit 127\n")  # a shim that leads nowhere
    (folder / "python3.12").symlink_to(sys.executable)
    (folder / "python3.13").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    assert bootstrap.another_python() == str(folder / "python3.12")
    (folder / "python3.12").unlink()
    with pytest.raises(SystemExit, match=r"needs Python 3\.11, 3\.12 or 3\.13: this is 3\.1\d, "):
        bootstrap.another_python()


def test_an_unknown_command_lists_the_known_ones(bootstrap: ModuleType) -> None:
    with pytest.raises(
        SystemExit, match=r"setup\|demo\|test\|mutants\|soak\|soak-operations\|up\|bench"
    ):
        bootstrap.main(["build"])


def test_make_demo_and_make_up_take_options(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    run: list[tuple[str, ...]] = []
    monkeypatch.setattr(bootstrap, "setup", lambda: None)
    monkeypatch.setattr(bootstrap, "become", lambda *command: run.append(command))
    monkeypatch.setenv("ARGS", "--ui-port 4000 --public-url 'https://lol.example.org'")
    bootstrap.demo()
    bootstrap.up()
    given = ("--ui-port", "4000", "--public-url", "https://lol.example.org")
    assert run == [("lol-dagster", "demo", *given), ("lol-dagster", "up", *given)]


def test_the_bootstrap_can_be_read_by_older_pythons() -> None:
    """It has to get as far as handing over: nothing newer than 3.8's syntax."""
    import ast

    ast.parse((CHECKOUT / "tools/bootstrap.py").read_text(), feature_version=(3, 8))
