"""What the container's files say, done by hand in a copy of this machine's files, as its runtime does it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import psycopg2
import yaml

from lol_dagster_tests._support.postgres import PostgresServer
from lol_dagster_tests.conftest import skip

DEPLOY = Path(__file__).parents[2] / "deploy"
FOLDER = DEPLOY / "containers"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())


def instructions(file: Path) -> list[tuple[str, str]]:
    """Those of the last stage, each with what it is given."""
    text = re.sub(r"^#.*\n", "", file.read_text(), flags=re.MULTILINE).replace("\\\n", "")
    stages = re.split(r"^FROM .*\n", text, flags=re.MULTILINE)
    found = []
    for line in stages[-1].splitlines():
        if line.strip():
            instruction, _, argument = line.partition(" ")
            found.append((instruction, argument))
    return found


def of(instruction: str) -> str:
    (found,) = (
        argument for name, argument in instructions(FOLDER / "Containerfile") if name == instruction
    )
    return found


# Mounts as a runtime makes them: a new volume begins as a copy of the image's folder, and whatever is not there for
# something to be mounted on is made, by root.
RUNTIME = r"""
set -eu
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir changed work image volume
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changed,workdir=$1/work" image
chroot image sh -euc "$MAKE_USER" >&2
chown --reference="image$HOME_THERE" volume
chmod --reference="image$HOME_THERE" volume
cp -a "image$HOME_THERE/." volume
mount --bind volume "image$HOME_THERE"
mkdir -p "image$(dirname "$MOUNTED")"
[ -e "image$MOUNTED" ] || : > "image$MOUNTED"
mount --bind -o ro "$SOURCE" "image$MOUNTED"
exec chroot image setpriv --reuid "$USER_THERE" --regid "$USER_THERE" --clear-groups --no-new-privs \
    --bounding-set=-all --inh-caps=-all sh -euc "$AS_USER"
"""


def test_its_user_can_write_wherever_up_does(tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        skip("only root can make a container's files and mounts")
    user, volume = of("USER"), of("VOLUME")
    (make_user,) = (
        each
        for name, each in instructions(FOLDER / "Containerfile")
        if name == "RUN" and "useradd" in each
    )
    app = COMPOSE["services"]["app"]
    assert f"home:{volume}" in app["volumes"]
    assert of("ENV") == f"LOL_HOME={volume}"
    (mount,) = (each for each in app["volumes"] if each.startswith("."))
    source, mounted, _ = mount.split(":")
    as_user = (
        f"cd {volume}; touch lol.sqlite3; mkdir dagster/history; touch dagster/.dagster.yaml.shipped; "
        f"cat {mounted}; id -un"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", RUNTIME, "runtime", tmp_path],
        env={
            **os.environ,
            "MAKE_USER": make_user,
            "USER_THERE": user,
            "HOME_THERE": volume,
            "SOURCE": str((FOLDER / source).resolve()),
            "MOUNTED": mounted,
            "AS_USER": as_user,
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == (DEPLOY / "postgresql/dagster.yaml").read_text() + f"{user}\n"


def test_the_database_has_both_that_the_example_names(postgres_server: PostgresServer) -> None:
    """As its image starts: one database by its environment, the other by the script that is mounted."""
    environment = COMPOSE["services"]["db"]["environment"]
    example = (DEPLOY / "env.example").read_text()
    addresses = re.findall(
        r"^#(\w+)=postgresql(?:\+psycopg2)?://(\w+):PASSWORD@\S+/(\w+)$", example, re.MULTILINE
    )
    script = (FOLDER / "dagster-database.sql").read_text()
    assert addresses == [
        ("LOL_DATABASE_URL", environment["POSTGRES_USER"], environment["POSTGRES_DB"]),
        ("DAGSTER_POSTGRES_URL", environment["POSTGRES_USER"], "dagster"),
    ]
    url = postgres_server.empty_database()
    connection = psycopg2.connect(url.replace("+psycopg2", ""))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("DROP DATABASE IF EXISTS dagster")
            cursor.execute(script)
            cursor.execute("SELECT count(*) FROM pg_database WHERE datname = 'dagster'")
            assert cursor.fetchone() == (1,)
            cursor.execute("DROP DATABASE dagster")
    finally:
        connection.close()
        postgres_server.drop(url)
