"""The world as a process of its own, and as a server that outlives bad clients."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from lol_dagster.simulator.main import Simulator, environment
from lol_dagster_tests._support.waiting import wait_for
from lol_dagster_tests.simulator.asking import ask, post_discord

COMMAND = [sys.executable, "-m", "lol_dagster.simulator"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_a_process_prints_its_settings_and_ends_at_a_signal(tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", "--truth", str(truth)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        printed = [process.stdout.readline().strip() for _ in range(10)]
        settings = dict(line.split("=", 1) for line in printed if line.startswith("LOL_"))
        port = int(settings["LOL_SLACK_URL"].split(":")[2].partition("/")[0])
        assert settings == environment(port)
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(b"GET /riot/na1/x HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 401 ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    (entry,) = [json.loads(line) for line in truth.read_text().splitlines()]
    assert (entry["event"], entry["status"]) == ("call", 401)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--faults", "riot=nonsense"], "fault kind 'nonsense' should be one of"),
        (["--riot-limits", "20"], "rate limit '20' should be CALLS:SECONDS"),
        (["--games", "/nowhere/at/all"], "/nowhere/at/all holds no match-v5 payload"),
        (["--pace", "0"], "pace 0 should be a number of seconds greater than 0"),
    ],
)
def test_a_wrong_argument_is_one_line_and_status_2(arguments: list[str], says: str) -> None:
    ended = run("--port", "0", *arguments)
    assert ended.returncode == 2
    assert says in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_a_taken_port_is_named(world: Simulator) -> None:
    with pytest.raises(OSError, match=f"port {world.port} of 127.0.0.1 cannot be used"):
        Simulator(port=world.port)


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/2\r\n\r\n",
        b"POST /faults HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /faults HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        b"POST /faults HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 300 + b"\r\n",
    ],
)
def test_what_is_no_request_is_a_400_and_hurts_nobody(world: Simulator, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", world.port), timeout=60) as connection:
        connection.sendall(sent)
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    assert ask(world, "GET", "/faults", {}).status == 200


def test_one_connection_serves_many_requests(world: Simulator) -> None:
    with socket.create_connection(("127.0.0.1", world.port), timeout=60) as connection:
        stream = connection.makefile("rb")
        for _ in range(3):
            connection.sendall(b"GET /faults HTTP/1.1\r\n\r\n")
            assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
            length = 0
            while (line := stream.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            assert json.loads(stream.read(length)) == {"spec": ""}
        stream.close()


def test_many_at_once_are_all_counted_once(world: Simulator) -> None:
    channels = [f"{number:018d}" for number in range(1, 9)]

    def post(channel: str) -> None:
        for number in range(5):
            assert post_discord(world, channel, content=str(number)).status == 200

    threads = [Thread(target=post, args=(channel,)) for channel in channels]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(world.truth.posted) == 40
    assert len({one["message"] for one in world.truth.posted}) == 40
    numbers = [entry["seq"] for entry in world.truth.events() + world.truth.calls()]
    assert sorted(numbers) == list(range(1, 81))  # 40 messages and the 40 calls that posted them


def test_leaving_ends_the_connections_that_wait(world: Simulator) -> None:
    with Simulator() as other:
        other.set_faults("riot=no-answer")
        connection = socket.create_connection(("127.0.0.1", other.port), timeout=60)
        key = other.environment["LOL_RIOT_API_KEY"]
        path = "/riot/na1/lol/status/v4/platform-data"
        connection.sendall(f"GET {path} HTTP/1.1\r\nX-Riot-Token: {key}\r\n\r\n".encode())
        wait_for("call", lambda: other.truth.calls("riot.status"))
    with connection:
        assert connection.recv(10) == b""
