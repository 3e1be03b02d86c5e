"""Sets the project up and runs it, on a machine with Python 3.11 to 3.13 and a package index.

    python3 tools/bootstrap.py setup|demo|test|mutants|soak|soak-operations|up|bench|gallery

The Makefile's targets call it. Standard library only, as it runs before anything is installed. The
environment is made by uv where that is on the PATH, and by venv and pip from requirements*.lock where
it is not, or where it fails (an old uv, or one that does not know the package index that pip is
configured for); either way of exactly the locked versions, whose hashes are checked.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
PROGRAMS = VENV / "programs"
STAMP = VENV / ".set-up-for"
PYTHONS = ((3, 11), (3, 12), (3, 13))
INPUTS = (
    "pyproject.toml", "uv.lock", "requirements.lock", "requirements-dev.lock", "tools/bootstrap.py"
)  # fmt: skip
# The checks run together; then the tests, in four processes for a small machine's two cores: half of the
# time of many is waiting.
CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
    ("python", "tools/check_words.py"),
)
TESTS = ("pytest", "-n", "4", "--dist", "worksteal")


def main(arguments: Sequence[str]) -> None:
    commands = {
        "setup": setup,
        "demo": demo,
        "test": test,
        "mutants": mutants,
        "soak": soak,
        "soak-operations": soak_operations,
        "up": up,
        "bench": bench,
        "gallery": gallery,
    }
    if len(arguments) != 1 or arguments[0] not in commands:
        sys.exit("usage: python3 tools/bootstrap.py " + "|".join(commands))
    if sys.version_info[:2] not in PYTHONS:
        python = another_python()
        os.execv(python, [python, __file__, *arguments])  # noqa: S606 - no shell is wanted
    os.chdir(ROOT)
    try:
        commands[arguments[0]]()
    except KeyboardInterrupt:
        sys.exit(130)  # as a shell would say it


def setup() -> None:
    """Make .venv what the locks say; nothing to do where it is."""
    # The base: run from .venv itself, that is what it is made of. Its real path: one interpreter
    # is one, whatever name it was called by.
    python = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    wanted = stamp_for(python)
    with alone():
        if not ((BIN / "lol-dagster").exists() and STAMP.exists() and STAMP.read_text() == wanted):
            STAMP.unlink(missing_ok=True)
            if not install_with_uv(python):
                say("Setting up .venv with pip, which takes a minute or two …")
                install_with_pip(python)
            STAMP.write_text(wanted)
            say("Done: .venv/bin/lol-dagster is there.")
        # Each time, as the code may have changed: a service may write nothing here, and each of its
        # processes would compile all of it again. Where we may not either, it only goes slower.
        subprocess.call(tool("python", "-m", "compileall", "-qq", str(ROOT / "lol_dagster")))


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Let one process at a time set up. The system lets go of the lock however its owner dies."""
    checkout = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(checkout, fcntl.LOCK_EX)
        yield
    finally:
        os.close(checkout)


def install_with_uv(python: str) -> bool:
    """Whether there is a uv and it worked."""
    uv = shutil.which("uv")
    if uv is None:
        return False
    say("Setting up .venv with uv …")
    os.environ["UV_PROJECT_ENVIRONMENT"] = str(VENV)
    sync = (
        uv,
        "sync",
        "--locked",
        "--all-extras",
        "--compile-bytecode",
        "--quiet",
        "--no-python-downloads",
    )
    if subprocess.call((*sync, "--python", python)) == 0:
        return True
    say("uv could not do it.")
    return False


def install_with_pip(python: str) -> None:
    if not succeeds(python, "-c", "import ensurepip, venv"):
        sys.exit(f"{python} cannot make virtual environments: on Debian, install python3-venv")
    run(python, "-m", "venv", "--clear", str(VENV))
    pip = (str(BIN / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    # --no-deps: the locks name everything, and pip refuses extras among hashed requirements.
    locks = ("-r", "requirements.lock", "-r", "requirements-dev.lock")
    run(*pip, "--no-deps", "--require-hashes", *locks)
    run(*pip, "--no-deps", "--no-build-isolation", "--editable", ".")


def stamp_for(python: str) -> str:
    digest = hashlib.sha256(f"{python} {sys.version}".encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def another_python() -> str:
    """The newest interpreter on the PATH that will do, when the running one will not."""
    for major, minor in reversed(PYTHONS):
        found = shutil.which(f"python{major}.{minor}")
        # A version manager's shim may be there and lead nowhere.
        if found and succeeds(found, "-c", "pass"):
            return found
    major, minor = sys.version_info[:2]
    sys.exit(
        f"lol_dagster needs Python 3.11, 3.12 or 3.13: this is {major}.{minor}, and none of them is "
        "on the PATH. Install one, or name one: make setup PYTHON=/path/to/python3.12"
    )


def demo() -> NoReturn:
    setup()
    become("lol-dagster", "demo", *options())


def up() -> NoReturn:
    setup()
    become("lol-dagster", "up", *options())


def options() -> list[str]:
    """What `make demo ARGS='--ui-port 4000'` or `make test ARGS=--on-postgresql` adds to the command."""
    return shlex.split(os.environ.get("ARGS", ""))


def bench() -> NoReturn:
    setup()
    become("python", "tools/bench.py")


def gallery() -> NoReturn:
    setup()
    become("python", "tools/gallery.py")


def mutants() -> NoReturn:
    setup()
    become("python", "tools/mutants.py")


def soak() -> NoReturn:
    setup()
    become("pytest", "-m", "soak", "-s", "-p", "no:randomly")


def soak_operations() -> NoReturn:
    setup()
    become("pytest", "-m", "soak_operations", "-s", "-p", "no:randomly")


def test() -> None:
    setup()
    provide_chromium()
    provide_proxies()
    with ThreadPoolExecutor() as pool:
        results = [pool.submit(run_check, check) for check in CHECKS]
    failed = [check for check, result in zip(CHECKS, results, strict=True) if not result.result()]
    tests = (*TESTS, *options())
    say(f"$ {shlex.join(tests)}")
    if subprocess.call(tool(*tests)) != 0:
        failed.append(TESTS)
    if failed:
        sys.exit("failed: " + ", ".join(" ".join(each) for each in failed))


def provide_chromium() -> None:
    """Have the browser that the browser tests drive."""
    apt_get = shutil.which("apt-get")
    if not has_browser() and apt_get is not None and os.geteuid() == 0:
        say("Installing Debian's chromium for the browser tests …")
        quietly = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = (apt_get, "install", "-y", "-qq", "--no-install-recommends", "chromium")
        subprocess.call((apt_get, "update", "-qq"), env=quietly)
        subprocess.call(install, env=quietly, stdout=subprocess.DEVNULL)
    if not has_browser():
        missing = "there is no chromium on the PATH: the browser tests cannot run"
        if os.environ.get("LOL_TESTS_DEMAND_ALL") == "1":
            sys.exit(missing)
        say(f"!!! {missing} and are skipped. On Debian: apt-get install chromium")


def has_browser() -> bool:
    return any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))


def provide_proxies() -> None:
    """Have the programs that read what stands in deploy/proxy. Debian's, and only unpacked: installed they
    would serve this machine.
    """
    apt_get, dpkg = shutil.which("apt-get"), shutil.which("dpkg-deb")
    missing = missing_proxies()
    if missing and apt_get is not None and dpkg is not None:
        say(f"Unpacking Debian's {' and '.join(missing)} for the tests of deploy/ …")
        PROGRAMS.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            subprocess.call((apt_get, "update", "-qq"))
        quietly = ("-qq", "-o", "APT::Sandbox::User=root")
        subprocess.call((apt_get, "download", *quietly, *missing), cwd=PROGRAMS)
        for package in PROGRAMS.glob("*.deb"):
            subprocess.call((dpkg, "-x", str(package), str(PROGRAMS)))
            package.unlink()
    if missing := missing_proxies():
        what = f"{' and '.join(missing)} cannot be had"
        if os.environ.get("LOL_TESTS_DEMAND_ALL") == "1":
            sys.exit(f"{what}: the tests of deploy/proxy cannot run")
        say(f"!!! {what}: the tests of deploy/proxy are skipped")


def missing_proxies() -> list[str]:
    where = f"{os.environ['PATH']}:/usr/sbin:{PROGRAMS}/usr/bin:{PROGRAMS}/usr/sbin"
    return [name for name in ("caddy", "nginx") if shutil.which(name, path=where) is None]


def run_check(check: tuple[str, ...]) -> bool:
    done = subprocess.run(
        tool(*check), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    say(f"$ {' '.join(check)}\n{done.stdout.rstrip()}")
    return done.returncode == 0


def tool(name: str, *arguments: str) -> list[str]:
    return [str(BIN / name), *arguments]


def become(name: str, *arguments: str) -> NoReturn:
    """Go on as this command: its signals and its exit status are ours."""
    os.execv(BIN / name, tool(name, *arguments))  # noqa: S606 - no shell is wanted


def run(*command: str) -> None:
    status = subprocess.call(command)
    if status != 0:
        sys.exit(f"this command failed with status {status}: {' '.join(command)}")


def succeeds(*command: str) -> bool:
    nothing = subprocess.DEVNULL
    return subprocess.call(command, stdout=nothing, stderr=nothing) == 0


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
