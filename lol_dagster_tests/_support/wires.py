"""The network between simulated hosts (hosts.py): reads packets from their interfaces and hands them on.

    python wires.py FILE FD…

Host number n has the address 10.77.0.n. FILE holds three doubles for each host, which may change at any
time: whether its link is up, the seconds that a packet takes, the share of packets that is lost. Not the kernel's own
netem: many kernels come without it.
"""

from __future__ import annotations

import heapq
import mmap
import os
import random
import select
import struct
import sys
import time
from pathlib import Path

_EACH = struct.Struct("ddd")


def main() -> None:
    file, interfaces = Path(sys.argv[1]), [int(each) for each in sys.argv[2:]]
    with file.open("rb") as opened:
        links = mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ)
    under_way: list[tuple[float, int, int, bytes]] = []
    chance, number = random.Random(1), 0
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else 1.0
        ready, _, _ = select.select(interfaces, [], [], wait)
        now = time.monotonic()
        for interface in ready:
            packet = os.read(interface, 70_000)
            source = interfaces.index(interface)
            target = _target(packet, len(interfaces))
            if target is None:
                continue
            (up, delay, loss), (other_up, other_delay, other_loss) = (
                _EACH.unpack_from(links, _EACH.size * host) for host in (source, target)
            )
            if not (up and other_up) or chance.random() < loss or chance.random() < other_loss:
                continue
            number += 1
            heapq.heappush(under_way, (now + delay + other_delay, number, target, packet))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, target, packet = heapq.heappop(under_way)
            os.write(interfaces[target], packet)


def _target(packet: bytes, hosts: int) -> int | None:
    is_ours = len(packet) >= 20 and packet[0] >> 4 == 4 and packet[16:19] == bytes([10, 77, 0])
    return packet[19] - 1 if is_ours and 0 < packet[19] <= hosts else None


if __name__ == "__main__":
    main()
