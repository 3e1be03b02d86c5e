"""What `lol-dagster up` costs at rest, and how long a game takes to its channel: this checkout beside
another version, in one run.

    .venv/bin/python tools/bench_up.py VERSION      a commit or a tag

Prints both with their ratio and writes bench-up.json. Takes a quarter of an hour, as it waits for real
time, and the machine should do nothing else meanwhile.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lol_dagster.admin.security.password import password_hash
from lol_dagster.simulator.generator import Generator
from lol_dagster.simulator.main import Simulator
from lol_dagster.simulator.people import FRIENDS, strangers

ROOT = Path(__file__).resolve().parent.parent
_SERVICES = {
    "daemon": ("dagster._daemon", "lol-daemon"),
    "webserver": ("orchestration.web_server", "lol-webserver"),
    "code-server": ("dagster api grpc", "orchestration.code_server", "lol-code-server"),
    "admin": ("main; main() admin", "lol-admin"),
    "warm start": ("lol-warm-start",),
}
"""By what their command lines are known."""
_TICKS = os.sysconf("SC_CLK_TCK")
# The demo's friends, and as many strangers as make them all the accounts. Nobody plays: whoever was added just now
# would count as somebody who does.
_SEED = """
from datetime import UTC, datetime, timedelta
from lol_dagster.cli.demo import _TEAMS, _seed
from lol_dagster.riot.client import riot_client
from lol_dagster.roster.names import RiotId
from lol_dagster.roster.players import add_player
from lol_dagster.roster.riot_lookup import ask_riot
from lol_dagster.settings import load_settings
from lol_dagster.simulator.people import strangers
from lol_dagster.storage.models import Account
from lol_dagster.storage.schema import open_database
settings = load_settings()
_seed(settings)
database = open_database(settings)
riot = riot_client(settings, database)
known = {}
for each in strangers("na1")[:STRANGERS]:
    known[each.game_name] = ask_riot(riot, RiotId(each.game_name, each.tag_line), each.platform)
now = datetime.now(UTC)
team = next(iter(_TEAMS))
with database.writing() as session:
    for name, account in known.items():
        add_player(session, name, team=team, account=account, since=now, now=now)
    for account in session.query(Account):
        account.created_at -= timedelta(days=5)
"""


@dataclass(frozen=True)
class Size:
    """How much is measured: accounts, seconds at rest, and games with a pause between two that end."""

    accounts: int = 20
    settle_s: float = 45.0
    rest_s: float = 120.0
    games: int = 12
    pace_s: float = 25.0


@dataclass(frozen=True)
class Measured:
    """One version's figures."""

    cpu_s_per_minute: dict[str, float]
    """At rest, by service; what they started is theirs."""
    memory_mb: dict[str, float]
    """At rest, by service, of 10^6 bytes; of what processes share each has its part (PSS)."""
    ticks_per_minute: float
    latencies_s: tuple[float, ...]
    """From a game's place in Riot's list to its message in the channel."""

    @property
    def cpu(self) -> float:
        return sum(self.cpu_s_per_minute.values())

    @property
    def memory(self) -> float:
        return sum(self.memory_mb.values())

    def latency(self, share: float) -> float:
        ordered = sorted(self.latencies_s) or [float("nan")]
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def measure(checkout: Path, size: Size) -> Measured:
    """Run the version in a checkout against a simulated world of its own."""
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as folder, Simulator() as world:
        others = strangers("na1")[: size.accounts - len(FRIENDS)]
        for account in (*FRIENDS, *others):
            world.add_account(account)
        home = Path(folder)
        with running_up(checkout, home, world, others=len(others)) as up:
            time.sleep(size.settle_s)
            before, ticks_before = by_service(up.pid, cpu_s), ticks(home)
            time.sleep(size.rest_s)
            after, ticks_after = by_service(up.pid, cpu_s), ticks(home)
            memory = by_service(up.pid, memory_mb)
            minutes = size.rest_s / 60
            let_play(home)
            return Measured(
                {name: (after[name] - before[name]) / minutes for name in sorted(after)},
                memory,
                (ticks_after - ticks_before) / minutes,
                tuple(latencies(world, size)),
            )


@contextmanager
def running_up(
    checkout: Path, home: Path, world: Simulator, *, others: int
) -> Iterator[subprocess.Popen[bytes]]:
    """`up` of that checkout with its web view, watching the world's friends and that many others."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("LOL_")}
    env |= {**world.environment, "LOL_HOME": str(home), "PYTHONPATH": str(checkout)}
    env["LOL_ADMIN_PASSWORD_HASH"] = password_hash("of the bench")
    seed = _SEED.replace("STRANGERS", str(others))
    subprocess.run([sys.executable, "-c", seed], env=env, cwd=home, check=True)
    program = "from lol_dagster.cli import main; main()"
    with (home / "up.out").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", program, "up", "--ui-port", "0"],
            env=env, cwd=home, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def latencies(world: Simulator, size: Size) -> list[float]:
    """Let games end, one at each pace: how long each takes from Riot's list to its channel."""
    made = Generator(seed=1, pace=size.pace_s, start=time.time())
    listed: dict[str, float] = {}
    found: dict[str, float] = {}
    ends = time.time() + size.pace_s * size.games
    while time.time() < ends + 180 and (time.time() < ends or found.keys() != listed.keys()):
        time.sleep(0.25)
        for game, accounts in made.live(min(time.time(), ends)):
            if game.available_at is not None:
                world.games.add(game, accounts)
                listed[game.match_id] = max(time.time(), game.available_at)
        posted = [(entry["at"], json.dumps(entry["body"])) for entry in world.truth.posted]
        for match_id in listed.keys() - found.keys():
            number = match_id.partition("_")[2]
            for at, body in posted:
                if number in body:
                    found[match_id] = at - listed[match_id]
    return list(found.values())


def let_play(home: Path) -> None:
    """As if everybody had just played."""
    now = str(datetime.now(UTC).replace(tzinfo=None))  # as SQLite has it
    with sqlite3.connect(home / "lol.sqlite3") as connection:
        connection.execute("UPDATE accounts SET created_at = ?", [now])
        connection.execute("UPDATE account_polls SET next_poll_at = ?", [now])


def ticks(home: Path) -> int:
    """How many ticks Dagster has ever begun."""
    with sqlite3.connect(home / "dagster" / "schedules" / "schedules.db") as connection:
        (last,) = connection.execute("SELECT max(id) FROM job_ticks").fetchone()
    return int(last or 0)


def cpu_s(process: Path) -> float:
    """CPU seconds of a process and of the children that it has waited for."""
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def memory_mb(process: Path) -> float:
    """What a process holds, with its part of what it shares."""
    lines = (process / "smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


def by_service(root: int, figure: Callable[[Path], float]) -> dict[str, float]:
    """A figure of the process and of all that it has started, added up by service."""
    children, used, lines = defaultdict(list), {}, {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, IndexError, ValueError, StopIteration):
            pid = int(entry.name)
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            used[pid], lines[pid] = figure(entry), line
            children[parent].append(pid)
    total: dict[str, float] = defaultdict(float)

    def add(pid: int, service: str) -> None:
        marked = (name for name, marks in _SERVICES.items() if any(m in lines[pid] for m in marks))
        service = next(marked, service)
        total[service] += used[pid]
        for child in children[pid]:
            add(child, service)

    add(root, "up")
    return dict(total)


@contextmanager
def checked_out(version: str) -> Iterator[Path]:
    """A checkout of another version."""
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as folder:
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", folder, version], check=True, capture_output=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run([*git, "remove", "--force", folder], check=True)


def table(before: Measured, now: Measured, version: str) -> Table:
    shown = Table("", version, "now", "ratio", box=None)
    values = [
        (
            f"processor at rest, s a minute: {name}",
            before.cpu_s_per_minute.get(name, 0.0),
            now.cpu_s_per_minute.get(name, 0.0),
        )
        for name in sorted(before.cpu_s_per_minute | now.cpu_s_per_minute)
    ]
    values += [
        ("all of it", before.cpu, now.cpu),
        *(
            (
                f"memory at rest, MB: {name}",
                before.memory_mb.get(name, 0.0),
                now.memory_mb.get(name, 0.0),
            )
            for name in sorted(before.memory_mb | now.memory_mb)
        ),
        ("all of it", before.memory, now.memory),
        ("ticks a minute", before.ticks_per_minute, now.ticks_per_minute),
        ("from Riot's list to the channel, s: p50", before.latency(0.5), now.latency(0.5)),
        ("p95", before.latency(0.95), now.latency(0.95)),
    ]
    for title, first, second in values:
        ratio = f"{second / first:.2f}" if first else ""
        shown.add_row(title, f"{first:.2f}", f"{second:.2f}", ratio)
    return shown


def main() -> None:
    version, size = sys.argv[1], Size()
    with checked_out(version) as checkout:
        before, now = measure(checkout, size), measure(ROOT, size)
    Console().print(table(before, now, version))
    measured = {"size": asdict(size), version: asdict(before), "now": asdict(now)}
    (ROOT / "bench-up.json").write_text(json.dumps(measured, indent=2) + "\n")


if __name__ == "__main__":
    main()
