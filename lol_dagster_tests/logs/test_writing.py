"""Lines get into the file whole, whoever writes beside us and whatever stands in them."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr
from time_machine import TimeMachineFixture

from lol_dagster.logs import writing
from lol_dagster.logs.reading import read_log
from lol_dagster.logs.terminal import warn_on_terminal
from lol_dagster.logs.writing import (
    DailyFile,
    file_of,
    prune_logs,
    start_logging,
    stop_logging,
)
from lol_dagster.services import supervisor
from lol_dagster.settings import Settings

log = logging.getLogger("lol_dagster.test")

_WRITERS = 4
_LINES = 2_000
# Of different lengths, up to more than a page and more than a buffer of Python's.
_WRITER = f"""
import json, logging, pathlib, sys
from lol_dagster.logs.writing import DailyFile
log = logging.getLogger("writer")
log.addHandler(DailyFile(pathlib.Path(sys.argv[1])))
print("ready", flush=True)
sys.stdin.read()  # until all are
for number in range({_LINES}):
    line = {{"writer": sys.argv[2], "number": number, "filling": "x" * (number * 7 % 9000)}}
    log.warning("%s", json.dumps(line))
"""


@pytest.fixture
def started(settings: Settings) -> Path:
    """The logs' folder of a process that logs."""
    start_logging(settings, "test")
    return settings.logs_dir


def _lines(logs_dir: Path) -> list[dict[str, Any]]:
    """All lines; each must be JSON."""
    return [
        json.loads(line)
        for path in sorted(logs_dir.glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]


def test_processes_that_write_together_lose_and_tear_no_line(settings: Settings) -> None:
    """With a buffered file in place of one write per line, pieces of lines stand in each other."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(settings.logs_dir), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(_WRITERS)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()
    for writer in writers:
        with writer:
            assert writer.wait() == 0
    written: dict[str, list[int]] = {}
    for line in _lines(settings.logs_dir):
        written.setdefault(line["writer"], []).append(line["number"])
    # Each writer's own lines keep their order, too.
    assert written == {str(number): [*range(_LINES)] for number in range(_WRITERS)}


def test_a_line_has_its_fields_in_order_then_context_then_extra(started: Path) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)  # lines have no microseconds
    with structlog.contextvars.bound_contextvars(run_id="run-1", match_id="NA1_1"):
        log.warning("game is %s", "delayed", extra={"match_id": "NA1_2", "tries": 3})
    (line,) = _lines(started)
    written_at = datetime.fromisoformat(line.pop("ts"))
    assert before <= written_at <= datetime.now(UTC)
    assert line == {
        "level": "warning",
        "event": "game is delayed",
        "logger": "lol_dagster.test",
        "process": "test",
        "pid": os.getpid(),
        "run_id": "run-1",
        # What the call says itself counts more than what is known around it.
        "match_id": "NA1_2",
        "tries": 3,
    }
    raw = next(started.iterdir()).read_text()
    assert list(json.loads(raw))[:6] == ["ts", "level", "event", "logger", "process", "pid"]


def test_an_extra_cannot_pass_for_a_field_of_ours(started: Path) -> None:
    log.info("real", extra={"event": "forged", "level": "error", "pid": 1})
    (line,) = _lines(started)
    assert (line["event"], line["level"], line["pid"]) == ("real", "info", os.getpid())


HOSTILE = [
    "two\nlines\r\n",
    "nul \x00 bell \x07 escape \x1b[31m c1 \x9b31m delete \x7f",
    "right-to-left \u202e and back \u2066",
    "half a character \ud83d",
    "line separators \u2028 \u2029 \x85",
    '{"level": "error"} " \\',
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_one_line_of_ascii_json(started: Path, text: str) -> None:
    log.info("player %s", text, extra={"player": text, text: "as a name"})
    raw = next(started.iterdir()).read_bytes()
    assert raw.count(b"\n") == 1
    assert raw.endswith(b"\n")
    # Nothing that a terminal or an editor would obey.
    assert all(32 <= byte < 127 for byte in raw[:-1])
    line = json.loads(raw)
    # Strict readers refuse lone halves of surrogate pairs; everything else comes back as it was.
    assert line["player"] == text.replace("\ud83d", "?")
    assert line["event"] == f"player {line['player']}"
    assert next(read_log(started)).fields["player"] == line["player"]


def test_what_is_long_is_cut_and_says_so(started: Path) -> None:
    payload = "x" * 5_000_000
    log.info("payload %s", payload, extra={"body": payload, "raw": b"y" * 1_000_000})
    log.info("many", extra={"ids": list(range(1_000)), "map": dict.fromkeys(map(str, range(99)))})
    log.info("everything", extra={f"field_{n}": "z" * 3_000 for n in range(100)})
    first, second, third = _lines(started)
    assert len(first["body"]) < 4_200
    assert "[cut: 5000000 characters]" in first["body"]
    assert "[cut: 5000008 characters]" in first["event"]
    assert first["raw"] == "<1000000 bytes>"
    assert second["ids"] == [*range(50), "… 950 more"]
    assert len(second["map"]) == 51
    assert third["event"] == "everything"
    assert third["cut"].startswith("fields of 30")
    assert max(map(len, next(started.iterdir()).read_bytes().splitlines())) <= 64_000


def test_a_traceback_stands_in_the_line_without_the_values_of_variables(started: Path) -> None:
    def fail(argument: str) -> None:
        secret_local = argument * 2
        raise LookupError(f"nothing for {len(secret_local)}")

    try:
        fail("hunter2")
    except LookupError:
        log.exception("failed")
    (line,) = _lines(started)
    assert "LookupError: nothing for 14" in line["exception"]
    assert "in fail" in line["exception"]
    assert "hunter2hunter2" not in json.dumps(line)


class _Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


def test_what_cannot_be_formatted_costs_its_details_and_not_the_line(started: Path) -> None:
    # Not through the logger: pytest's own handler would fail the test for them.
    (file,) = (each for each in logging.getLogger().handlers if isinstance(each, DailyFile))
    at = {
        "name": "lol_dagster",
        "pathname": "riot/archive.py",
        "lineno": 7,
        "levelno": 30,
        "levelname": "WARNING",
    }
    file.handle(logging.makeLogRecord({**at, "msg": "%d games", "args": ("many",)}))
    file.handle(logging.makeLogRecord({**at, "msg": "odd", "thing": _Unprintable()}))
    numbers = {"nan": float("nan"), "huge": 10**5_000}
    file.handle(logging.makeLogRecord({**at, "msg": "numbers", **numbers}))
    first, second, third = _lines(started)
    where = "a log line of riot/archive.py:7 cannot be formatted"
    assert first["event"] == f"{where}: TypeError"
    assert second["event"] == f"{where}: RuntimeError"
    assert (third["nan"], third["huge"]) == ("nan", "<a number of 16610 bits>")


def _record(created: datetime, text: str = "hello") -> logging.LogRecord:
    values = {"msg": text, "created": created.timestamp(), "levelno": logging.INFO}
    return logging.makeLogRecord(values)


def test_each_day_has_its_file_by_utc(tmp_path: Path) -> None:
    file = DailyFile(tmp_path)
    file.handle(_record(datetime(2026, 11, 25, 23, 59, 59, 999_000, tzinfo=UTC), "before"))
    file.handle(_record(datetime(2026, 11, 26, tzinfo=UTC), "after"))
    file.close()
    assert file_of(tmp_path, date(2026, 11, 25)).read_text() == "before\n"
    assert file_of(tmp_path, date(2026, 11, 26)).read_text() == "after\n"


def test_a_file_that_is_taken_away_is_made_again(tmp_path: Path) -> None:
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    file = DailyFile(tmp_path / "logs")
    file.handle(_record(now, "first"))
    path = file_of(tmp_path / "logs", now.date())
    path.unlink()
    file.handle(_record(now, "second"))
    path.unlink()
    path.parent.rmdir()
    file.handle(_record(now, "third"))
    file.close()
    assert path.read_text() == "third\n"


def test_what_closes_all_handlers_of_the_process_stops_no_line(started: Path) -> None:
    """As Dagster does whenever it sets up its own (logging.config)."""
    log.info("before")
    logging.shutdown()
    log.info("after")
    assert [line["event"] for line in _lines(started)] == ["before", "after"]


def test_libraries_are_heard_from_warnings_on_and_the_application_from_notes_on(
    started: Path,
) -> None:
    library = logging.getLogger("dagster.daemon.SensorDaemon")
    library.setLevel(logging.INFO)
    library.info("noise")
    library.error("sensor failed")
    log.debug("detail")
    log.info("note")
    assert [line["event"] for line in _lines(started)] == ["sensor failed", "note"]


def test_starting_twice_writes_each_line_once(started: Path, settings: Settings) -> None:
    start_logging(settings, "test")
    log.info("once")
    assert len(_lines(started)) == 1


@contextlib.contextmanager
def _largest_file(size: int) -> Iterator[None]:
    """As a disk that holds no more than that: the write that crosses the line is cut short, the
    next one fails."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_costs_lines_and_nothing_else(
    started: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log.info("before")
    with _largest_file(next(started.iterdir()).stat().st_size + 100):
        for _ in range(50):
            log.info("lost", extra={"filling": "x" * 500})
    log.info("after")
    # The half line before it is passed over, and spoils no other.
    assert [line.event for line in read_log(started)] == ["before", "after"]
    complaints = capfd.readouterr().err.splitlines()
    assert complaints == [f"lol-dagster: log lines are lost, {started}: File too large"]


@pytest.mark.parametrize("kind", ["a file in its place", "no right to write", "/dev/full"])
def test_a_folder_that_cannot_be_written_costs_lines_and_nothing_else(
    settings: Settings, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    settings.home.mkdir(parents=True)
    if kind == "a file in its place":
        settings.logs_dir.write_text("")
    elif kind == "/dev/full":
        settings.logs_dir.mkdir()
        file_of(settings.logs_dir, datetime.now(UTC).date()).symlink_to("/dev/full")
    else:
        # Root may write everywhere, but nobody may write into /proc.
        settings.logs_dir.symlink_to("/proc/self")
    start_logging(settings, "test")
    for _ in range(10):
        log.warning("lost")
    stop_logging()
    assert capfd.readouterr().err.count("\n") == 1


def test_a_line_is_one_write_to_a_file_that_stays_open(
    started: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.info("the first opens it")
    done: list[str] = []
    for name in ("open", "write", "fsync", "close"):
        real = getattr(os, name)

        def counted(*arguments: Any, name: str = name, real: Any = real) -> Any:
            done.append(name)
            return real(*arguments)

        monkeypatch.setattr(os, name, counted)
    for _ in range(20):
        log.info("Archived %s", "NA1_5000000001", extra={"match_id": "NA1_5000000001"})
    monkeypatch.undo()
    assert done == ["write"] * 20


def test_what_the_supervisor_says_itself_stands_on_the_terminal_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = logging.getLogger().handlers[:]
    warn_on_terminal()
    try:
        logging.getLogger(supervisor.__name__).warning("daemon was killed by SIGKILL")
        logging.getLogger("lol_dagster.services.liveness_probe").warning("cannot ask")
    finally:
        logging.getLogger().handlers[:] = before
    shown = capsys.readouterr().err
    assert "cannot ask" in shown
    assert "SIGKILL" not in shown


PRUNED_AT = datetime(2026, 11, 25, 3, 0, tzinfo=UTC)


def _file(folder: Path, name: str, *, written: datetime) -> Path:
    path = folder / name
    path.write_text("x")
    os.utime(path, (written.timestamp(), written.timestamp()))
    return path


def test_files_of_days_older_than_kept_are_deleted(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    # Kept from 2026-10-26T03:00 on: of that day the files stay, of the one before they go.
    old = datetime(2026, 10, 25, 23, 59, tzinfo=UTC)
    deleted = {
        _file(logs, "lol-2026-10-25.jsonl", written=old),
        _file(logs, "daemon-2026-10-25.log", written=old),
        _file(logs, "code-server-2025-01-01.log", written=old),
    }
    kept = {
        _file(logs, "lol-2026-10-26.jsonl", written=PRUNED_AT - timedelta(days=30)),
        _file(logs, "lol-2026-11-25.jsonl", written=PRUNED_AT),
        # Started long ago, and writes to it to this day.
        _file(logs, "webserver-2026-10-01.log", written=PRUNED_AT - timedelta(hours=1)),
        # Not ours.
        _file(logs, "notes-2026-01-01.txt", written=old),
        _file(logs, "lol-2026-13-01.jsonl", written=old),
        _file(logs, "lol-2026-10-25.jsonl.bak", written=old),
    }
    assert set(prune_logs(logs, PRUNED_AT)) == deleted
    assert set(logs.iterdir()) == kept


def test_a_folder_that_is_not_there_is_nothing_to_prune(tmp_path: Path) -> None:
    assert prune_logs(tmp_path / "logs", PRUNED_AT) == []


def _again(logger: logging.Logger) -> None:
    logger.warning("again")


def _other(logger: logging.Logger) -> None:
    logger.warning("other")


def test_lines_of_one_kind_have_a_rate_and_what_is_left_out_is_counted(
    started: Path, time_machine: TimeMachineFixture
) -> None:
    """1,000 at once, and one more each second: whoever can cause one must not fill the disk."""
    time_machine.move_to(datetime(2026, 5, 4, 12, tzinfo=UTC), tick=False)
    logger = logging.getLogger("lol_dagster.test")
    for _ in range(1500):
        _again(logger)
    _other(logger)
    lines = _lines(started)
    assert len(lines) == 1001
    assert lines[-1]["event"] == "other", "another kind has its own"
    time_machine.shift(timedelta(seconds=2))
    for _ in range(5):
        _again(logger)
    more = _lines(started)[1001:]
    assert [line.get("left_out") for line in more] == [500, None]
    time_machine.shift(timedelta(hours=-1))  # a clock that is put back costs nothing
    _other(logger)
    assert len(_lines(started)) == 1004


def test_a_days_file_has_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_LARGEST_DAY", 100)
    now = datetime(2026, 11, 25, 12, tzinfo=UTC)
    file = DailyFile(tmp_path)
    for _ in range(5):
        file.handle(_record(now, "x" * 60))
    file.handle(_record(now + timedelta(days=1), "tomorrow"))
    file.close()
    # Two lines of 61 bytes pass the 100; then it says once that it is full.
    *lines, last = file_of(tmp_path, now.date()).read_text().splitlines()
    assert lines == ["x" * 60] * 2
    assert json.loads(last)["event"] == "the log of 2026-11-25 is full: no more of it is written"
    assert file_of(tmp_path, date(2026, 11, 26)).read_text() == "tomorrow\n"


@pytest.mark.parametrize(("process", "lines"), [("run-worker", 1), ("cli", 0)])
def test_lines_of_a_run_go_to_the_standard_output_where_that_is_wanted_with_their_host(
    settings: Settings, capsys: pytest.CaptureFixture[str], process: str, lines: int
) -> None:
    """And no other's: what a command prints is for whoever called it."""
    wanted = settings.model_copy(
        update={"log_to_stdout": True, "riot_api_key": SecretStr("RGAPI-0123456789")}
    )
    start_logging(wanted, process)
    log.info("fetched with %s", "RGAPI-0123456789")
    stop_logging()
    log.info("not any more")
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(printed) == lines
    for line in printed:
        assert line["host"] == os.uname().nodename
        assert "RGAPI-0123456789" not in line["event"]
    (kept,) = [line for line in _lines(settings.logs_dir) if line["process"] == process]
    assert "host" not in kept
