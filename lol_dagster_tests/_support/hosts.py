"""Several hosts on one machine: each a network namespace with an address and a name of its own.

A host's processes see the other hosts through one interface, whose link can be cut, slowed down, and taken away with
the power. The file system is shared, the machine's own network is not there. Everything ends with the test's
process.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lol_dagster_tests._support import wires

_CLONE_NEWNET, _CLONE_NEWUTS = 0x40000000, 0x04000000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_LINK = struct.Struct("ddd")


class Host:
    """One of a `network`."""

    def __init__(self, number: int, name: str, network: Network) -> None:
        self.name = name
        self.address = f"10.77.0.{number}"
        self._number = number
        self._network = network
        # Holds the namespaces until the test's process ends.
        self._keeper = subprocess.Popen(
            ["unshare", "--net", "--uts", sys.executable, "-c", _HOLD, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._keeper.stdout is not None
        if self._keeper.stdout.readline() != b"there\n":
            raise PermissionError("namespaces may not be made here")
        self.interface = self.do(self._new_interface)

    def _new_interface(self) -> int:
        interface = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(interface, _TUNSETIFF, struct.pack("16sH", b"wire", _IFF_TUN | _IFF_NO_PI))
        for command in (
            "link set lo up",
            f"address add {self.address}/24 dev wire",
            "link set wire mtu 16000 up",
        ):
            subprocess.run(["ip", *command.split()], check=True)
        return interface

    def do(self, work: Callable[[], Any]) -> Any:
        """As on this host: what is opened or started in it stays there."""
        outcome: list[Any] = []

        def within() -> None:
            try:
                self._enter()
                outcome.extend([work(), None])
            except BaseException as error:  # noqa: BLE001 - raised again below
                outcome.extend([None, error])

        # Namespaces are a thread's.
        thread = threading.Thread(target=within)
        thread.start()
        thread.join()
        if outcome[1] is not None:
            raise outcome[1]
        return outcome[0]

    def _enter(self) -> None:
        for kind, flag in (("net", _CLONE_NEWNET), ("uts", _CLONE_NEWUTS)):
            with Path(f"/proc/{self._keeper.pid}/ns/{kind}").open() as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), flag):
                    raise OSError(ctypes.get_errno(), "setns")

    def start(
        self, program: Sequence[str | Path], env: Mapping[str, str], output: Path, **how: Any
    ) -> subprocess.Popen[bytes]:
        """A process of this host.

        Args:
            env: All of its environment.
            output: Where what it prints is added.
        """

        def begin() -> subprocess.Popen[bytes]:
            with output.open("ab") as file:
                return subprocess.Popen(
                    program,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    **how,
                )

        process: subprocess.Popen[bytes] = self.do(begin)
        self._network.started.append(process)
        return process

    def pids(self) -> list[int]:
        """Of all its processes."""
        own = Path(f"/proc/{self._keeper.pid}/ns/net").readlink()
        found = []
        for each in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if each.name.isdigit() and (each / "ns/net").readlink() == own:
                    found.append(int(each.name))
        return [pid for pid in found if pid != self._keeper.pid]

    def link(self, *, up: bool = True, delay_s: float = 0.0, loss: float = 0.0) -> None:
        """How its packets fare from now on, on their way out and in."""
        self._network.set(self._number, up, delay_s, loss)

    def cut_the_power(self) -> None:
        """Nothing of it says another word, not even that it ends."""
        self.link(up=False)
        self.kill_all()

    def kill_all(self) -> None:
        """SIGKILL to each process, until none is left."""
        while pids := self.pids():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._network.reap()

    def close(self) -> None:
        self.kill_all()
        self._keeper.kill()
        self._keeper.communicate()
        os.close(self.interface)


_HOLD = """
import socket, sys
socket.sethostname(sys.argv[1])
print("there", flush=True)
sys.stdin.read()
"""


class Network:
    def __init__(self, file: Path, hosts: int) -> None:
        self.started: list[subprocess.Popen[bytes]] = []
        self._file = file
        file.write_bytes(_LINK.pack(1.0, 0.0, 0.0) * hosts)

    def set(self, number: int, up: bool, delay_s: float, loss: float) -> None:
        with self._file.open("r+b") as file:
            file.seek(_LINK.size * (number - 1))
            file.write(_LINK.pack(float(up), delay_s, loss))

    def reap(self) -> None:
        for process in self.started:
            process.poll()

    def wait(self) -> None:
        """Until all have ended: they are killed by then."""
        for process in self.started:
            process.wait()


@contextlib.contextmanager
def network(folder: Path, *names: str) -> Iterator[list[Host]]:
    """Hosts that reach each other.

    Args:
        folder: For what the network keeps.

    Raises:
        OSError: namespaces may not be made here.
    """
    with contextlib.ExitStack() as end:
        net = Network(folder / "links", len(names))
        end.callback(net.wait)
        hosts = []
        for number, name in enumerate(names, 1):
            host = Host(number, name, net)
            end.callback(host.close)
            hosts.append(host)
        interfaces = [host.interface for host in hosts]
        forwarder = subprocess.Popen(
            [sys.executable, wires.__file__, folder / "links", *map(str, interfaces)],
            pass_fds=interfaces,
        )
        end.callback(forwarder.wait)
        end.callback(forwarder.kill)
        yield hosts
