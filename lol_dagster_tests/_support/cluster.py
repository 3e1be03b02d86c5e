"""An installation on several hosts, as deploy/celery has it: `up`, worker hosts, PostgreSQL and Redis, and a
simulated world, each with real processes on a host of its own (hosts.py).
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine, create_engine, text

from lol_dagster.orchestration.resources import AppContext
from lol_dagster.settings import Settings
from lol_dagster.simulator.main import Options, Simulator
from lol_dagster.storage.models import Match
from lol_dagster_tests._support.hosts import Host, network
from lol_dagster_tests._support.payloads import participant
from lol_dagster_tests._support.postgres import PostgresServer, _reachable, find_binaries
from lol_dagster_tests._support.process_harness import LOL_DAGSTER
from lol_dagster_tests._support.shifted_clock import ShiftedClock
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests._support.world import World

PLATFORMS = ("EUW1", "NA1", "KR", "OC1")
"""One of each of Riot's routes."""
_CONFIG = Path(__file__).parents[2] / "deploy/celery/dagster.yaml"
_KEY = "a-key-of-several-hosts-0123456789abcdef"


@dataclass
class Cluster:
    folder: Path
    store: Host
    hosts: dict[str, Host]
    world: World
    dagster: Engine
    """Dagster's own database."""
    binaries: Path
    clock: ShiftedClock | None
    games: list[str] = field(default_factory=list)

    def environment(self, host: Host) -> dict[str, str]:
        """Of the processes of a host."""
        home = self.folder / host.name
        at = self.store.address
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LOL_HOME": str(home),
            "LOL_SECRET_KEY": _KEY,
            "LOL_DATABASE_URL": f"postgresql://postgres@{at}/lol",
            "DAGSTER_POSTGRES_URL": f"postgresql+psycopg2://postgres@{at}/dagster",
            "DAGSTER_CELERY_BROKER": f"redis://{at}:6379/0",
            "DAGSTER_COMPUTE_LOGS": str(self.folder / "printed"),
            **self.world.simulator.environment,
        }

    def silence(self, host: str) -> None:
        """A minute passes without a heartbeat of that host's workers."""
        aged = text("UPDATE run_workers SET beat_at = beat_at - 61 WHERE host = :host")
        with self.world.app.database.writing() as session:
            session.execute(aged, {"host": host})

    def said_of_runs(self) -> str:
        """All that Dagster shows of all runs."""
        with self.dagster.connect() as connection:
            return "\n".join(connection.scalars(text("SELECT event FROM event_logs")))

    def _home(self, host: Host) -> Path:
        home = self.folder / host.name
        (home / "dagster").mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copy(_CONFIG, home / "dagster/dagster.yaml")
        return home

    def start_up(self, name: str, **more: str) -> subprocess.Popen[bytes]:
        """`lol-dagster up` on that host."""
        host = self.hosts[name]
        home = self._home(host)
        env = {**self.environment(host), **more}
        return host.start([LOL_DAGSTER, "up"], env, home / "out", cwd=home)

    def keep_up(self, name: str) -> subprocess.Popen[bytes]:
        """`up` as systemd keeps it: started again ten seconds after it has ended."""
        host = self.hosts[name]
        home = self._home(host)
        again = ["sh", "-c", 'while :; do "$0" up; sleep 10; done', LOL_DAGSTER]
        return host.start(again, self.environment(host), home / "out", cwd=home)

    def start_workers(self, name: str, *, at_once: int = 2, **more: str) -> subprocess.Popen[bytes]:
        host = self.hosts[name]
        home = self._home(host)
        # Or `wait_for_workers` would read that former ones were ready.
        (home / "out").unlink(missing_ok=True)
        program = [sys.executable, "-m", "lol_dagster.orchestration.celery_workers"]
        env = {**self.environment(host), **more}
        return host.start([*program, "--at-once", str(at_once)], env, home / "out", cwd=home)

    def wait_for_workers(self, name: str) -> None:
        """Until they take runs."""
        out = self.folder / name / "out"
        wait_for(f"workers of {name}", lambda: "ready." in out.read_text(), seconds=120)

    def start_store(self) -> None:
        """PostgreSQL and Redis."""
        self.start_redis()
        if (
            self.clock
        ):  # or no worker could be silent for a minute before the server is there for one
            self.clock.shift(-3600)
        self.start_postgres()
        if self.clock:
            self.clock.shift(0)

    def start_redis(self) -> None:
        """Empty."""
        redis = ["redis-server", "--bind", self.store.address, "--save", "", "--dir", self.folder]
        self.store.start(
            [*redis, "--protected-mode", "no"], {"PATH": os.environ["PATH"]}, self.folder / "redis"
        )

    def start_postgres(self) -> None:
        """Also after it was stopped."""
        nobody = pwd.getpwnam("nobody")
        data = self.folder / "pg/data"
        self.store.start(
            [self.binaries / "postgres", "-D", data, "-k", data.parent,
             "-c", f"listen_addresses={self.store.address}", "-c", "fsync=off",
             "-c", "shared_buffers=32MB", "-c", "max_connections=100"],
            self.clock.environment if self.clock else {},
            self.folder / "postgres",
            cwd=data, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[],
        )  # fmt: skip
        wait_for("PostgreSQL", self._answers)

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg2.OperationalError):
            server = PostgresServer(self.folder / "pg")
            server.connect().close()
            return True
        return False

    def list_games(self, count: int) -> list[str]:
        """So many more games end and are listed, on each of Riot's routes as many."""
        now = datetime.now(UTC)
        new = []
        for number in range(count):
            platform = PLATFORMS[number % len(PLATFORMS)]
            match_id = f"{platform}_{7_000_000_000 + len(self.games) + number}"
            self.world.finish(match_id, participants=[participant("Ann"), participant("Ben")])
            new.append(match_id)
        with self.world.app.database.writing() as session:
            for match_id in new:
                session.merge(
                    Match(match_id=match_id, state="listed", listed_at=now, next_try_at=now)
                )
        self.games += new
        return new

    def posts(self) -> Counter[str]:
        """How often each game stands in the channel."""
        bodies = [str(body) for body in self.world.posted("Gamers")]
        numbers = {match_id: match_id.partition("_")[2] for match_id in self.games}
        return Counter(
            {each: sum(number in body for body in bodies) for each, number in numbers.items()}
        )

    def wait_until_posted(self, games: Sequence[str], seconds: float = 300.0) -> float:
        """Until each of them stands in the channel; how long that took."""
        began = time.monotonic()
        wait_for("messages", lambda: all(self.posts()[each] for each in games), seconds=seconds)
        return time.monotonic() - began

    def runs(self) -> Counter[tuple[str, str]]:
        """Job and status of all runs."""
        with self.dagster.connect() as connection:
            rows = connection.execute(text("SELECT pipeline_name, status FROM runs"))
            return Counter((job, status) for job, status in rows)

    def beginning(self) -> bool:
        """Whether a worker was asked for, or has begun, that has given no heartbeat yet."""
        with self.dagster.connect() as connection:
            rows = connection.execute(text("SELECT run_id, status FROM runs"))
            status = {row.run_id: row.status for row in rows}
        with self.world.app.database.reading() as session:
            beating = set(session.scalars(text("SELECT run_id FROM run_workers")))
        return "STARTING" in status.values() or any(
            status[run_id] == "STARTED" for run_id in status.keys() - beating
        )

    def working_on(self, host: str) -> list[str]:
        """Runs whose worker beats on that host, by the database's word."""
        query = text("SELECT run_id FROM run_workers WHERE host = :host")
        with self.world.app.database.reading() as session:
            return list(session.scalars(query, {"host": host}))


@contextlib.contextmanager
def cluster(folder: Path, *names: str, clock: ShiftedClock | None = None) -> Iterator[Cluster]:
    """Its store and its world run; `up` and the workers do not yet. Skipped where it cannot be.

    Args:
        folder: Open to everybody, for PostgreSQL's own user.
        names: Of the other hosts.
        clock: PostgreSQL's.
    """
    binaries = find_binaries()
    for program in ("redis-server", "unshare", "ip"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here")
    if binaries is None:
        pytest.skip("no PostgreSQL here")
    if os.geteuid() != 0:
        pytest.skip("only root may make network namespaces")
    with contextlib.ExitStack() as end:
        try:
            hosts = end.enter_context(network(folder, "store", "world", *names))
        except OSError as error:
            pytest.skip(f"no network namespaces here: {error}")
        store, outside, *rest = hosts
        options = Options(riot_limits="500:10,30000:600")
        simulator = outside.do(lambda: Simulator(options, address=outside.address))
        end.enter_context(simulator)
        binaries = _make_cluster(folder, binaries)
        instance = end.enter_context(dg.DagsterInstance.ephemeral())
        socket = f"postgresql+psycopg2://postgres@/%s?host={folder / 'pg'}"
        settings = Settings(
            _env_file=None, home=folder / "test", database_url=SecretStr(socket % "lol"),
            secret_key=SecretStr(_KEY),
        )  # fmt: skip
        app = AppContext(settings)
        engine = create_engine(socket % "dagster", pool_pre_ping=True)
        found = Cluster(
            folder, store, {host.name: host for host in rest}, World(simulator, app, instance),
            engine, binaries, clock,
        )  # fmt: skip
        found.start_store()
        server = PostgresServer(folder / "pg")
        for name in ("lol", "dagster"):
            server._execute(f"CREATE DATABASE {name}")
        end.callback(engine.dispose)
        end.callback(app.database.dispose)
        found.world.add_team("Gamers", "Ann", "Ben")
        yield found


def _make_cluster(folder: Path, binaries: Path) -> Path:
    nobody = pwd.getpwnam("nobody")
    owner: dict[str, Any] = {
        "user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []
    }  # fmt: skip
    home = folder / "pg"
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    binaries = _reachable(binaries, home, owner)
    subprocess.run(
        [binaries / "initdb", "-D", home / "data", "-U", "postgres", "-A", "trust", "-E", "UTF8",
         "--locale=C", "--no-sync", "--no-instructions"],
        cwd=home, capture_output=True, check=True, **owner,
    )  # fmt: skip
    with (home / "data/pg_hba.conf").open("a") as file:
        file.write("host all all 10.77.0.0/24 trust\n")
    return binaries
