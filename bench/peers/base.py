"""What every peer is: a program that may be installed, and one transfer by it, checked like our own.

Owns the measurement: who is started where, for how long, and what is done with what arrived. Never knows
one of the programs.
"""

import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.files import mismatch, on_disk_bytes
from bench.links import inside
from bench.processes import Ended, Program, ProgramError
from bench.runs import Run

LOOPBACK: Final = "127.0.0.1"
VERSION_TIMEOUT_S: Final = 5
VERSION: Final = re.compile(r"\d+\.\d+[\w.]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One file to move, and where from and to."""

    source: Path
    size: int
    sha256: str
    folder: Path
    """An empty folder, the receiver's."""
    timeout_s: float
    host: str = LOOPBACK
    server: str | None = None
    """The namespace of the server; None: the machine's own."""
    client: str | None = None
    rate_mbit: float = 0.0
    """What the link carries, for those who have to be told; 0: as fast as it goes."""
    mtu: int = 1_500
    tree: bool = False
    """Whether `source` is a folder, to be moved with all that is in it."""
    way_to: Callable[[int], int] = int
    """From the server's port to the one that the client has to use: a proxy may be between them."""

    def at_server(self, command: Sequence[str | Path]) -> list[str | Path]:
        """A command of the server's side."""
        return inside(self.server, command)

    def at_client(self, command: Sequence[str | Path]) -> list[str | Path]:
        """A command of the client's side."""
        return inside(self.client, command)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What came of a job."""

    ended: Ended
    """The client's program."""
    server_cpu_s: float
    server_memory_bytes: int
    target: Path
    """Where the file should be."""
    bytes_arrived: int | None = None
    """What the program itself has told; None: look at the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One program, or one way to use it."""

    name: str
    programs: tuple[str, ...]
    """Commands that have to be there."""
    packages: tuple[str, ...]
    """Debian's names."""
    version_command: tuple[str, ...]
    move: Callable[[Job], Moved]
    moves_trees: bool = False
    goes_through_proxies: bool = False
    """It talks UDP, and keeps to the one port that it was told."""
    checks_by_itself: bool = False
    """Nothing is written: the figure is what the program tells (iperf3)."""
    is_download: bool = False
    """The client receives: over a link, its seat is the server's, so that data goes the same way."""

    @property
    def is_installed(self) -> bool:
        """Whether its programs are on this machine."""
        return all(shutil.which(program) for program in self.programs)

    def version(self) -> str:
        """What it says of itself, in a few words."""
        try:
            told = subprocess.run(
                self.version_command, capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return "unknown"
        found = VERSION.search(told.stdout + told.stderr)
        return found[0] if found else "unknown"


def measure(peer: Peer, job: Job, *, table: str, row: str, seed: int = 0) -> Run:
    """Let a peer do a job, once; what failed is told in the run."""
    try:
        moved = peer.move(job)
    except ProgramError as error:
        return Run(table=table, row=row, system=peer.name, error=str(error), seed=seed)
    arrived, error, figures = _judged(peer, job, moved)
    return Run(
        table=table,
        row=row,
        system=peer.name,
        seconds=moved.ended.wall_s,
        bytes=arrived,
        cpu_s=moved.ended.cpu_s + moved.server_cpu_s,
        memory_bytes=max(moved.ended.memory_max_bytes, moved.server_memory_bytes),
        figures=figures,
        error=error,
        seed=seed,
    )


def _judged(peer: Peer, job: Job, moved: Moved) -> tuple[int, str, dict[str, float]]:
    """Bytes that arrived, what went wrong, and whether it was cut short.

    A transfer that is cut because its time is over counts with what had arrived by then.
    """
    ended = moved.ended
    if peer.checks_by_itself:
        return moved.bytes_arrived or 0, ended.trouble or "", {}
    if ended.was_cut and not job.tree:
        arrived = moved.bytes_arrived
        if arrived is None:
            arrived = on_disk_bytes(job.folder)
        return min(arrived, job.size), "", {"cut": 1.0}
    if ended.trouble:
        return 0, ended.trouble, {}
    if job.tree:
        return job.size, tree_mismatch(job.source, moved.target) or "", {}
    wrong = mismatch(moved.target, size=job.size, sha256=job.sha256)
    return (0, wrong, {}) if wrong else (job.size, "", {})


def tree_mismatch(source: Path, target: Path) -> str | None:
    """What is wrong with a tree that arrived, in words; None if every byte of it is the same."""
    for file in sorted(source.rglob("*")):
        if not file.is_file():
            continue
        there = target / file.relative_to(source)
        if not there.is_file():
            return f"{file.relative_to(source)} has not arrived"
        if there.read_bytes() != file.read_bytes():
            return f"{file.relative_to(source)} arrived with other contents"
    return None


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of this machine that nobody has just now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_listening(port: int, *, protocol: str = "tcp") -> Callable[[Program], bool]:
    """Whether a port of a program's side is taken by now: read from the kernel, nothing is sent."""
    state = "0A" if protocol == "tcp" else "07"  # listening; bound, and not connected

    def look(running: Program) -> bool:
        for table in (protocol, f"{protocol}6"):
            path = Path(f"/proc/{running.process_id}/net/{table}")  # of the process's own namespace
            if not path.exists():
                continue
            for line in path.read_text().splitlines()[1:]:
                _, local, _, its_state, *_ = line.split()
                if its_state == state and int(local.rpartition(":")[2], 16) == port:
                    return True
        return False

    return look
