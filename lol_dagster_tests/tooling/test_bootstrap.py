"""tools/bootstrap.py against programs that stand in for uv, pip and apt-get."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lol_dagster_tests.tooling.scripts import CHECKOUT, load_tool

# Stands in for the interpreter's pip and venv: leaves what a set-up leaves, and says that it ran.
PIP = """
import bootstrap, pathlib, sys, time
def install(python):
    bootstrap.BIN.mkdir(parents=True, exist_ok=True)
    with open("installs", "a") as installs:
        installs.write("begun ")
        installs.flush()
        # The other process has begun, too, or never will: it waits for the lock.
        deadline = time.monotonic() + float(sys.argv[1])
        while pathlib.Path("installs").read_text().count("begun") < 2:
            if time.monotonic() > deadline:
                break
            time.sleep(0.01)
        installs.write("done ")
    (bootstrap.BIN / "python").symlink_to(sys.executable)
    (bootstrap.BIN / "lol-dagster").touch()
bootstrap.install_with_pip = install
bootstrap.main(["setup"])
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing but the bootstrap and what it reads."""
    folder = tmp_path / "checkout"
    (folder / "tools").mkdir(parents=True)
    shutil.copy(CHECKOUT / "tools/bootstrap.py", folder / "tools")
    for name in ("pyproject.toml", "uv.lock", "requirements.lock", "requirements-dev.lock"):
        (folder / name).write_text("")
    return folder


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def script(path: Path, *lines: str) -> None:
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)


def set_up(checkout: Path, *, wait: float = 0.0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PIP, str(wait)],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout / "tools")},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_at_once_set_up_one_after_the_other_and_only_once(
    checkout: Path, programs: Path
) -> None:
    # Without the lock both would be installing at once, and each end its wait with the other's word.
    together = [set_up(checkout, wait=0.5), set_up(checkout, wait=0.5)]
    said = [each.communicate(timeout=30)[0] for each in together]
    assert [each.returncode for each in together] == [0, 0]
    assert (checkout / "installs").read_text() == "begun done "
    assert sorted(bool(each) for each in said) == [False, True]


def test_uv_is_used_where_it_is(checkout: Path, programs: Path) -> None:
    script(
        programs / "uv",
        'echo "$UV_PROJECT_ENVIRONMENT: $@" > uv-was-asked',
        "/bin/mkdir -p .venv/bin",
        ": > .venv/bin/lol-dagster",
    )
    done = set_up(checkout)
    assert "with pip" not in done.communicate(timeout=30)[0]
    asked = (checkout / "uv-was-asked").read_text()
    assert asked.startswith(f"{checkout}/.venv: sync --locked ")
    assert not (checkout / "installs").exists()


def test_pip_does_it_where_uv_cannot(checkout: Path, programs: Path) -> None:
    script(programs / "uv", "exit 2")
    done = set_up(checkout)
    assert done.communicate(timeout=30)[0].splitlines() == [
        "Setting up .venv with uv …",
        "uv could not do it.",
        "Setting up .venv with pip, which takes a minute or two …",
        "Done: .venv/bin/lol-dagster is there.",
    ]
    assert (checkout / "installs").read_text() == "begun done "


class TestChromium:
    def provide(self) -> None:
        module = load_tool("bootstrap")
        module.os = type("AsRoot", (), {"geteuid": lambda: 0, "environ": os.environ})
        module.provide_chromium()

    def test_is_installed_where_root_may(
        self, programs: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        script(
            programs / "apt-get",
            f'echo "$1 $DEBIAN_FRONTEND" >> {programs}/asked',
            f'[ "$1" = update ] || {{ : > {programs}/chromium; /bin/chmod +x {programs}/chromium; }}',
        )
        self.provide()
        asked = (programs / "asked").read_text().splitlines()
        assert asked == ["update noninteractive", "install noninteractive"]
        assert "!!!" not in capfd.readouterr().out

    def test_that_is_there_is_left_alone(
        self, programs: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        script(programs / "chromium", "exit 0")
        script(programs / "apt-get", f": > {programs}/asked")
        self.provide()
        assert not (programs / "asked").exists()
        assert capfd.readouterr().out == ""

    def test_that_cannot_be_had_is_said_loudly(
        self,
        programs: Path,
        capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("CI", "true")  # as every hosting service has it
        self.provide()
        assert "!!! there is no chromium on the PATH" in capfd.readouterr().out

    def test_that_cannot_be_had_fails_where_all_tests_are_demanded(
        self, programs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOL_TESTS_DEMAND_ALL", "1")
        script(programs / "apt-get", "exit 100")
        with pytest.raises(SystemExit, match="there is no chromium on the PATH"):
            self.provide()


class TestProxies:
    def provide(self, tmp_path: Path) -> None:
        module = load_tool("bootstrap")
        module.PROGRAMS = tmp_path / "unpacked"
        module.os = type("AsRoot", (), {"geteuid": lambda: 0, "environ": os.environ})
        module.provide_proxies()

    def test_are_unpacked_and_not_installed(
        self, programs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        script(programs / "caddy", "exit 0")
        script(
            programs / "apt-get",
            f'echo "$1" >> {programs}/asked',
            '[ "$1" = update ] || for each in "$@"; do name=$each; done',
            '[ "$1" = update ] || : > $name.deb',
        )
        script(
            programs / "dpkg-deb",
            '/bin/mkdir -p "$3/usr/sbin"',
            ': > "$3/usr/sbin/nginx"',
            '/bin/chmod +x "$3/usr/sbin/nginx"',
        )
        self.provide(tmp_path)
        assert (programs / "asked").read_text().split() == ["update", "download"]
        assert [each.name for each in (tmp_path / "unpacked").iterdir()] == ["usr"]
        assert "Unpacking Debian's nginx for" in capfd.readouterr().out
        self.provide(tmp_path)
        assert capfd.readouterr().out == "", "what is there is left alone"

    def test_that_cannot_be_had_are_said_loudly_or_demanded(
        self,
        programs: Path,
        tmp_path: Path,
        capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("shutil.which", lambda *_, **__: None)
        self.provide(tmp_path)
        assert "!!! caddy and nginx cannot be had" in capfd.readouterr().out
        monkeypatch.setenv("LOL_TESTS_DEMAND_ALL", "1")
        with pytest.raises(SystemExit, match="caddy and nginx cannot be had"):
            self.provide(tmp_path)
