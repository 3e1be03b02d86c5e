"""`lol-dagster demo`, as far as it comes before anything is started."""

from __future__ import annotations

import socket
from itertools import chain

import pytest

from lol_dagster.settings import ensure_home, load_settings
from lol_dagster_tests._support.commands import refused

PORTS = ("--ui-port", "--world-port", "--admin-port")


@pytest.mark.parametrize("option", PORTS)
def test_a_port_that_is_taken_costs_no_former_demo_its_home(option: str) -> None:
    kept = ensure_home(load_settings()) / "demo" / "lol.sqlite3"
    kept.parent.mkdir()
    (kept.parent / ".made-by-the-demo").touch()
    kept.touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        # Any free ones beside it: the usual ones may be somebody else's.
        ports = dict.fromkeys(PORTS, "0") | {option: str(port)}
        line = refused("demo", *chain(*ports.items()))
    assert f"port {port} is taken by another program" in line
    assert option in line
    assert kept.exists()
