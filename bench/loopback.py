"""Loopback: one large file in memory-backed storage, our command against the peers and the floor.

Owns the systems of that table and their turns: they alternate within each repeat, so that whatever else
the machine does hits all of them. Run it alone with

    python -m bench.loopback --size 1e9 --repeat 3
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench import floor, own
from bench.files import has_room, mismatch, random_file, scratch_folder
from bench.peers import INSTALLABLE
from bench.peers.base import Job, Peer, measure
from bench.processes import ProgramError, end_with_cleanup_on_signals
from bench.runs import Run

TABLE: Final = "loopback"
ROW: Final = "one file"
ETHERNET: Final = {"transport.datagram_max": own.ETHERNET_DATAGRAM_BYTES}
SLOWEST_BYTES_PER_S: Final = 40e6
"""Whoever is slower than this is cut."""

System = Callable[[Path, int, str, Path], Run]
"""Source, size, SHA-256 and an empty folder in; a measurement out."""


def systems() -> dict[str, System]:
    """Everything that can be measured here, by name."""
    found: dict[str, System] = {
        "mayhem": lambda *job: _own(*job, name="mayhem", settings={}),
        "mayhem, 1,472 bytes": lambda *job: _own(*job, name="mayhem, 1,472 bytes", settings=ETHERNET),
        "mayhem get": lambda *job: _own(*job, name="mayhem get", settings={}, verb="get"),
        "floor, 1,472 bytes": lambda *job: _floor(*job, datagram_bytes=floor.ETHERNET_DATAGRAM_BYTES),
        "floor, discovered size": lambda *job: _floor(*job, datagram_bytes=floor.LARGEST_DATAGRAM_BYTES),
    }
    for peer in INSTALLABLE:
        if peer.is_installed and not peer.checks_by_itself:
            found[peer.name] = _of_peer(peer)
    return found


def timeout_s(size: int) -> float:
    """How long a system may take."""
    return 20 + size / SLOWEST_BYTES_PER_S


def _own(
    source: Path,
    size: int,
    sha256: str,
    folder: Path,
    *,
    name: str,
    settings: dict[str, object],
    verb: str = "put",
) -> Run:
    try:
        with own.daemon(folder, settings=settings) as server:
            here, there = folder / "got", server.root / "data"
            if verb == "get":
                there.hardlink_to(source)
            words = (
                ("put", source, f"{server.url}data") if verb == "put" else ("get", f"{server.url}data", here)
            )
            before_s = server.program.cpu_s()
            ended = own.mayhem(
                folder, *words, "--json", "--no-progress", settings=settings, timeout_s=timeout_s(size)
            )
            target = there if verb == "put" else here
            error = ended.trouble or mismatch(target, size=size, sha256=sha256) or ""
            server_cpu_s = server.program.cpu_s() - before_s
            server_memory_bytes = server.program.memory_max_bytes()
    except ProgramError as failure:
        return Run(table=TABLE, row=ROW, system=name, error=str(failure))
    told = own.results(ended)
    return Run(
        table=TABLE,
        row=ROW,
        system=name,
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


def _floor(source: Path, size: int, sha256: str, folder: Path, *, datagram_bytes: int) -> Run:
    found = floor.measure(source, folder, size=size, sha256_hex=sha256, datagram_bytes=datagram_bytes)
    return replace(found, table=TABLE, row=ROW)


def _of_peer(peer: Peer) -> System:
    def run(source: Path, size: int, sha256: str, folder: Path) -> Run:
        job = Job(
            source=source,
            size=size,
            sha256=sha256,
            folder=folder / "to",
            timeout_s=timeout_s(size),
            mtu=65_536,
        )
        job.folder.mkdir()
        found = measure(peer, job, table=TABLE, row=ROW)
        if found.figures.get("cut"):
            return replace(found, error=f"not done after {found.seconds:.0f} s", bytes=0)
        return found

    return run


def measure_all(size: int, *, repeat: int, chosen: list[str] | None = None, seed: int = 1) -> Iterator[Run]:
    """Every system in turn, again and again. Raises `ProgramError` if the memory does not suffice."""
    if not has_room(2 * size):
        raise ProgramError(f"two files of {size / 1e9:.1f} GB do not fit into memory-backed storage")
    known = systems()
    with scratch_folder() as scratch:
        digest = random_file(scratch / "data", size, seed=seed)
        for number in range(repeat):
            for name in chosen or known:
                folder = scratch / "run"
                folder.mkdir()
                try:
                    yield replace(known[name](scratch / "data", size, digest, folder), seed=seed + number)
                finally:
                    shutil.rmtree(folder)


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
    parser.add_argument("--size", type=float, default=1e9, help="bytes")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument(
        "--only", action="append", choices=systems(), metavar="SYSTEM", help="one of the systems"
    )
    arguments = parser.parse_args()
    end_with_cleanup_on_signals()
    for found in measure_all(int(arguments.size), repeat=arguments.repeat, chosen=arguments.only):
        print(line_of(found), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
