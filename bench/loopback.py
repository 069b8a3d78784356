"""Loopback: one large file in memory-backed storage, our command against the peers and the floor.

Owns the systems of that table and their turns: they alternate within each repeat, so that whatever else
the machine does hits all of them. Run it alone with

    python -m bench.loopback --size 1e9 --repeat 3
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench import floor, own
from bench.files import mismatch
from bench.peers import INSTALLABLE
from bench.peers.base import Job, Peer, measure
from bench.plan import Measurement, Storage, carry_out, chosen
from bench.processes import end_with_cleanup_on_signals
from bench.runs import Results, Run

TABLE: Final = "loopback"
SIZE_BYTES: Final = 10**9
ETHERNET: Final = {"transport.datagram_max": own.ETHERNET_DATAGRAM_BYTES}
SLOWEST_BYTES_PER_S: Final = 40e6
"""Whoever is slower than this is cut."""
LOOPBACK_MTU_BYTES: Final = 65_536


def row_of(size: int) -> str:
    """The row's name."""
    return f"{size / 1e9:g} GB" if size >= 10**9 else f"{size / 1e6:g} MB"


def measurements(size: int = SIZE_BYTES) -> list[Measurement]:
    """Everything that can be measured here with one file of this size."""
    found = [
        _own("mayhem", size, settings={}),
        _own("mayhem, 1,472 bytes", size, settings=ETHERNET),
        _own("mayhem get", size, settings={}, verb="get"),
        _floor("floor", size, datagram_bytes=floor.LARGEST_DATAGRAM_BYTES),
        _floor("floor, 1,472 bytes", size, datagram_bytes=floor.ETHERNET_DATAGRAM_BYTES),
    ]
    peers = [peer for peer in INSTALLABLE if peer.is_installed and not peer.checks_by_itself]
    return found + [_peer(peer, size) for peer in peers]


def timeout_s(size: int) -> float:
    """How long a system may take."""
    return 20 + size / SLOWEST_BYTES_PER_S


def _own(name: str, size: int, *, settings: dict[str, object], verb: str = "put") -> Measurement:
    def run(storage: Storage, _seed: int) -> Run:
        source, digest = storage.source(size)
        with storage.run() as folder:
            return transfer_own(source, size, digest, folder, settings=settings, verb=verb)

    return Measurement(table=TABLE, row=row_of(size), system=name, run=run)


def transfer_own(
    source: Path, size: int, sha256: str, folder: Path, *, settings: dict[str, object], verb: str = "put"
) -> Run:
    """Our daemon and command line, one file."""
    with own.daemon(folder, settings=settings) as server:
        here, there = folder / "got", server.root / "data"
        if verb == "get":
            there.hardlink_to(source)
        words = ("put", source, f"{server.url}data") if verb == "put" else ("get", f"{server.url}data", here)
        before_s = server.program.cpu_s()
        ended = own.mayhem(
            folder, *words, "--json", "--no-progress", settings=settings, timeout_s=timeout_s(size)
        )
        server_cpu_s = server.program.cpu_s() - before_s
        server_memory_bytes = server.program.memory_max_bytes()
        target = there if verb == "put" else here
        error = ended.trouble or mismatch(target, size=size, sha256=sha256) or ""
    told = own.results(ended)
    return Run(
        table=TABLE,
        row=row_of(size),
        system="mayhem",
        seconds=ended.wall_s,
        bytes=0 if error else size,
        cpu_s=ended.cpu_s + server_cpu_s,
        memory_bytes=max(ended.memory_max_bytes, server_memory_bytes),
        figures={
            "client_cpu_s": ended.cpu_s,
            "server_cpu_s": server_cpu_s,
            "client_memory_bytes": ended.memory_max_bytes,
            "server_memory_bytes": server_memory_bytes,
            **({"told_seconds": float(str(told[0]["seconds"]))} if told else {}),
        },
        error=error,
    )


def _floor(name: str, size: int, *, datagram_bytes: int) -> Measurement:
    def run(storage: Storage, _seed: int) -> Run:
        source, digest = storage.source(size)
        with storage.run() as folder:
            return floor.measure(source, folder, size=size, sha256_hex=digest, datagram_bytes=datagram_bytes)

    return Measurement(table=TABLE, row=row_of(size), system=name, run=run)


def _peer(peer: Peer, size: int) -> Measurement:
    def run(storage: Storage, _seed: int) -> Run:
        source, digest = storage.source(size)
        with storage.run() as folder:
            job = Job(
                source=source,
                size=size,
                sha256=digest,
                folder=folder / "to",
                timeout_s=timeout_s(size),
                mtu=LOOPBACK_MTU_BYTES,
            )
            job.folder.mkdir()
            found = measure(peer, job, table=TABLE, row=row_of(size))
            if found.figures.get("cut"):
                return replace(found, error=f"not done after {found.seconds:.0f} s", bytes=0)
            return found

    return Measurement(table=TABLE, row=row_of(size), system=peer.name, run=run, is_peer=True)


def line_of(found: Run) -> str:
    """One measurement as a line."""
    if found.error:
        return f"{found.system:24} FAILED {found.error}"
    figures = found.figures
    told = f" (transfer itself {figures['told_seconds']:.2f} s)" if "told_seconds" in figures else ""
    parts = ""
    if "client_cpu_s" in figures:
        parts = f" (client {figures['client_cpu_s']:.2f}, daemon {figures['server_cpu_s']:.2f})"
    return (
        f"{found.system:24} {found.seconds:6.2f} s{told}  {found.goodput_bps / 1e9:5.2f} Gbit/s  "
        f"CPU {found.cpu_s:5.2f} s{parts}  memory {found.memory_bytes / 1e6:4.0f} MB"
    )


def main() -> int:
    """Measure, and print what came out."""
    parser = argparse.ArgumentParser(prog="python -m bench.loopback", description=__doc__)
    parser.add_argument("--size", type=float, default=SIZE_BYTES, help="bytes")
    parser.add_argument("--repeat", type=int, default=1)
    known = [each.system for each in measurements()]
    parser.add_argument("--only", action="append", choices=known, metavar="SYSTEM", help="one of the systems")
    arguments = parser.parse_args()
    end_with_cleanup_on_signals()
    wanted = chosen(measurements(int(arguments.size)), systems=arguments.only or ())
    carry_out(
        wanted,
        Results({}),
        repeat=arguments.repeat,
        peer_repeat=arguments.repeat,
        seed=1,
        on_run=lambda found: print(line_of(found), flush=True),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
