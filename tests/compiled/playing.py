"""Plays what is drawn by seed and prints what came of it, for a test that compares two engines.

A program, so that either engine can play: `python -P tests/compiled/playing.py`. Of pairs, whose world is all
virtual, it prints a digest of every datagram that was sent and when; of whole lives, whose files have times of
the real world in them, how long they took and what the links have counted.
"""

import sys
from hashlib import sha256
from itertools import product
from pathlib import Path

for folder in ("tests", "tests/simulation"):
    sys.path.append(str(Path(__file__).resolve().parents[2] / folder))

import virtual_pair  # noqa: E402  # the folders have to be known first
from life import live  # noqa: E402  # likewise

from mayhem_udp.transport import connection  # noqa: E402  # likewise

SPECS = (
    "delay=10ms",
    "rate=20M,queue=60000,delay=25ms,drop=5%",
    "rate=10M,queue=30000,delay=40ms,drop=20%,corrupt=5%,duplicate=5%",
    "rate=50M,queue=250000,delay=15ms,jitter=8ms,order=free",
    "rate=5M,queue=40000,delay=100ms,drop=4%,burst=6",
)
CONTROLLERS = ("bbr", "cubic", "fixed")
LIVES = range(40)
BODY = virtual_pair.some_bytes(1_500_000)


def played(spec, controller, *, datagram_max_bytes):
    """A digest of one upload: every batch of either side with its time, and what arrived."""
    settings = {
        "controller": controller,
        "datagram_max_bytes": datagram_max_bytes,
        "rate_fixed_bps": 8_000_000,
    }
    pair = virtual_pair.Pair(spec, seed=len(spec), client=settings, server=settings)
    noted = sha256()
    for peer in (pair.client, pair.server):
        peer.poll_transmit = noting(peer.poll_transmit, noted)
    pair.open()
    request = pair.connection.open_request()
    pair.connection.send_message(request, b"to be said first")
    pair.connection.supply_body(request, 0, memoryview(BODY))
    pair.connection.finish_request(request)
    pair.run_until(lambda: len(pair.far.bodies[request].here) == 1 and is_here(pair, request), seconds=300)
    noted.update(bytes(pair.far.bodies[request].bytes))
    return f"{pair.now_ns} {noted.hexdigest()}"


def is_here(pair, request):
    return pair.far.bodies[request].here.covers(0, len(BODY))


def noting(poll, noted):
    """The same, but for a note of what it gives."""

    def poll_and_note(*, now_ns):
        batch = poll(now_ns=now_ns)
        if batch is not None:
            noted.update(f"{now_ns} {batch.segment_bytes} {batch.address.port}".encode())
            noted.update(memoryview(batch.buffer))
        return batch

    return poll_and_note


def main():
    print("pure" if connection.__file__.endswith(".py") else "compiled")
    for spec, controller, size in product(SPECS, CONTROLLERS, (1_472, 8_192)):
        print(spec, controller, size, played(spec, controller, datagram_max_bytes=size))
    for seed in LIVES:
        life = live(seed)
        print(seed, life.simulator.now_ns, life.crashes, life.links.outward.counts, life.links.inward.counts)


if __name__ == "__main__":
    main()
