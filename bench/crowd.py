"""Many at once: two hundred clients, two thousand idle connections, fifty bad links.

Owns the rows of that table. The daemon is the real one; the clients use the library, in processes of their
own that are ready before the start is given: two hundred interpreters that start at once would be all that
is measured. Those that send files have sent a small one before, as somebody else: a forked process takes its
first steps through pages that it shares, and has to copy each.
"""

import ctypes
import json
import os
import signal
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from bench import own
from bench.files import mismatch, random_file
from bench.links import NAMESPACES, SERVER_HOST, Link, standing
from bench.plan import Measurement, Storage
from bench.processes import ProgramError
from bench.runs import Run

TABLE: Final = "crowd"
SYSTEM: Final = "mayhem"
CLIENTS: Final = 200
FILE_BYTES: Final = 5 * 10**6
REHEARSAL_BYTES: Final = 50_000
ONE_CLIENT: Final = "one client, 200 files of 5 MB"
MANY_CLIENTS: Final = "200 clients, 5 MB each"
IDLE: Final = "2,000 idle connections"
LOSSY: Final = "50 clients over 5% loss, 1 Mbit/s each"
LOSSY_FAST: Final = "50 clients over 5% loss, 4 Mbit/s each"
"""Datagrams that come one by one cost most: on two cores this is past what the machine can do."""
IDLE_PROCESSES: Final = 20
IDLE_PER_PROCESS: Final = 100
WARM_UP: Final = 20
LOSSY_CLIENTS: Final = 50
LOSSY_LINKS: Final = {
    row: Link(rate_mbit=rate, rtt_ms=50, loss=0.05, queue_packets=25, has_own_links=True)
    for row, rate in ((LOSSY, 1.0), (LOSSY_FAST, 4.0))
}
LOSSY_SECONDS: Final = 20.0
TIMEOUT_S: Final = 240.0
CLONE_NEWNET: Final = 0x40000000

Work = Callable[[int], dict[str, Any]]
"""What a client does once the start is given; its own number in, what it found out."""


def measurements() -> list[Measurement]:
    """All rows."""
    rows: dict[str, Callable[[Storage, int], Run]] = {ONE_CLIENT: _one, MANY_CLIENTS: _many, IDLE: _idle}
    rows |= {row: partial(_lossy, row=row) for row in LOSSY_LINKS}
    return [Measurement(table=TABLE, row=row, system=SYSTEM, run=run) for row, run in rows.items()]


# --- The rows ---------------------------------------------------------------------------------------


def _one(storage: Storage, seed: int) -> Run:
    with storage.run() as folder, own.daemon(folder) as server:
        digest = random_file(folder / "source", FILE_BYTES, seed=seed)
        names = [f"file{number:03}" for number in range(CLIENTS)]
        work = partial(_put_all, url=server.url, source=folder / "source", names=names, folder=folder)
        with Crowd(1, work, rehearsal=_rehearsal(server.url, folder)) as crowd:
            found = crowd.start(timeout_s=TIMEOUT_S)
        error = found.error or _wrong(server.root, names, FILE_BYTES, digest)
        memory_bytes = server.program.memory_max_bytes()
    return _run_of(ONE_CLIENT, found, CLIENTS * FILE_BYTES, memory_bytes, error=error)


def _many(storage: Storage, seed: int) -> Run:
    with storage.run() as folder, own.daemon(folder) as server:
        digest = random_file(folder / "source", FILE_BYTES, seed=seed)
        names = [f"file{number:03}" for number in range(CLIENTS)]
        work = partial(_put_one, url=server.url, source=folder / "source", folder=folder)
        with Crowd(CLIENTS, work, rehearsal=_rehearsal(server.url, folder)) as crowd:
            crowd.wait_until_ready()
            before_s = server.program.cpu_s()
            found = crowd.start(timeout_s=TIMEOUT_S)
        error = found.error or _wrong(server.root, names, FILE_BYTES, digest)
        cpu_s = server.program.cpu_s() - before_s
        memory_bytes = server.program.memory_max_bytes()
    return _run_of(MANY_CLIENTS, found, CLIENTS * FILE_BYTES, memory_bytes, error=error, cpu_s=cpu_s)


def _idle(storage: Storage, _seed: int) -> Run:
    with storage.run() as folder, own.daemon(folder) as server:
        with Crowd(1, partial(_connect, url=server.url, count=WARM_UP, folder=folder)) as crowd:
            warm = crowd.start(timeout_s=TIMEOUT_S)
        before_bytes = server.program.memory_bytes()
        work = partial(_connect, url=server.url, count=IDLE_PER_PROCESS, folder=folder)
        with Crowd(IDLE_PROCESSES, work) as crowd:
            found = crowd.start(timeout_s=TIMEOUT_S)
            after_bytes = server.program.memory_bytes()
        total = IDLE_PROCESSES * IDLE_PER_PROCESS
    return Run(
        table=TABLE,
        row=IDLE,
        system=SYSTEM,
        seconds=found.wall_s,
        memory_bytes=after_bytes,
        figures={"bytes_per_connection": (after_bytes - before_bytes) / total, "connections": total},
        error=warm.error or found.error,
    )


def _lossy(storage: Storage, seed: int, *, row: str) -> Run:
    link = LOSSY_LINKS[row]
    capacity_bps = link.capacity_bps(overhead_bytes=own.OVERHEAD_BYTES)
    size = int(capacity_bps * LOSSY_SECONDS / 8)
    with (
        storage.run() as folder,
        standing(link, clients=LOSSY_CLIENTS, seed=seed) as net,
        own.daemon(folder, host=SERVER_HOST, namespace=net.server) as server,
    ):
        digest = random_file(folder / "source", size, seed=seed)
        names = [f"file{number:03}" for number in range(LOSSY_CLIENTS)]
        put = partial(_put_one, url=server.url, source=folder / "source", folder=folder)
        rehearsal = _rehearsal(server.url, folder)
        with Crowd(LOSSY_CLIENTS, put, namespaces=net.clients, rehearsal=rehearsal) as crowd:
            found = crowd.start(timeout_s=TIMEOUT_S)
        error = found.error or _wrong(server.root, names, size, digest)
        memory_bytes = server.program.memory_max_bytes()
    run = _run_of(row, found, LOSSY_CLIENTS * size, memory_bytes, error=error)
    share = run.goodput_bps / (LOSSY_CLIENTS * capacity_bps)
    return replace(run, figures={**run.figures, "capacity_bps": LOSSY_CLIENTS * capacity_bps, "share": share})


def _run_of(row: str, found: "Race", size: int, memory_bytes: int, *, error: str, cpu_s: float = 0.0) -> Run:
    seconds = [float(each["seconds"]) for each in found.told if "seconds" in each]
    figures = {}
    if seconds:
        middle = statistics.median(seconds)
        figures = {
            "client_seconds_median": middle,
            "client_seconds_most": max(seconds),
            "slowest_to_median": max(seconds) / middle,
        }
    return Run(
        table=TABLE,
        row=row,
        system=SYSTEM,
        seconds=found.wall_s,
        bytes=0 if error else size,
        cpu_s=cpu_s,
        memory_bytes=memory_bytes,
        figures=figures,
        error=error,
    )


def _wrong(root: Path, names: list[str], size: int, digest: str) -> str:
    for name in names:
        if wrong := mismatch(root / name, size=size, sha256=digest):
            return f"{name}: {wrong}"
    return ""


# --- What clients do --------------------------------------------------------------------------------


def _put_one(number: int, *, url: str, source: Path, folder: Path) -> dict[str, Any]:
    import mayhem_udp  # noqa: PLC0415  # the bench's other tables need no library

    with mayhem_udp.connect(url, client__cache_dir=str(folder / f"cache{number}")) as server:
        server.put(source, f"file{number:03}")
    return {}


def _put_all(_number: int, *, url: str, source: Path, names: list[str], folder: Path) -> dict[str, Any]:
    import mayhem_udp  # noqa: PLC0415  # likewise

    with mayhem_udp.connect(url, client__cache_dir=str(folder / "cache")) as server:
        for outcome in server.put_many((source, name) for name in names):
            if isinstance(outcome, mayhem_udp.TransferFailure):
                raise outcome.error
    return {}


def _rehearsal(url: str, folder: Path) -> Work:
    source = folder / "rehearsal"
    random_file(source, REHEARSAL_BYTES, seed=0)
    return partial(_rehearse, url=url, source=source, folder=folder)


def _rehearse(number: int, *, url: str, source: Path, folder: Path) -> dict[str, Any]:
    """A small file, with a cache of its own: when it counts, the client is a stranger to the server."""
    import mayhem_udp  # noqa: PLC0415  # likewise

    with mayhem_udp.connect(url, client__cache_dir=str(folder / f"rehearsal-cache{number}")) as server:
        server.put(source, f"rehearsal{number}")
    return {}


def _connect(number: int, *, url: str, count: int, folder: Path) -> dict[str, Any]:
    """Open connections and leave them open: they end with the process."""
    import mayhem_udp  # noqa: PLC0415  # likewise

    for _ in range(count):
        client = mayhem_udp.connect(url, client__cache_dir=str(folder / f"cache{number}"))
        client.ping(1)
        _OPEN.append(client)
    return {"connections": count}


_OPEN: list[Any] = []


def _import_once() -> None:
    """Have in this process, before it forks, all that the library imports late and all that it reads."""
    import mayhem_udp  # noqa: PLC0415  # likewise
    import mayhem_udp.api.client  # noqa: PLC0415  # likewise

    mayhem_udp.connect("mayhem://127.0.0.1:9/")  # contacts nobody: only a request would


# --- Processes that start together ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Race:
    """What came of it."""

    wall_s: float
    """From the start to the last who told."""
    told: list[dict[str, Any]]
    error: str


class Crowd:
    """Processes, forked from this one, that wait for the start, work, tell, and then wait for the end."""

    def __init__(
        self, count: int, work: Work, *, namespaces: tuple[str, ...] = (), rehearsal: Work | None = None
    ) -> None:
        _import_once()
        self._count = count
        self._work = work
        self._rehearsal = rehearsal
        self._namespaces = namespaces
        self._pids: list[int] = []
        self._unready = count
        self._ready, self._start, self._told, self._end = os.pipe(), os.pipe(), os.pipe(), os.pipe()

    def __enter__(self) -> Self:
        for number in range(self._count):
            pid = os.fork()
            if pid == 0:
                self._live(number)
            self._pids.append(pid)
        return self

    def wait_until_ready(self) -> None:
        """Wait until everybody waits for the start."""
        while self._unready:
            self._unready -= len(os.read(self._ready[0], self._unready))

    def start(self, *, timeout_s: float) -> Race:
        """Give the start, and wait until everybody has told, or until the time is over."""
        self.wait_until_ready()
        os.set_blocking(self._told[0], False)
        began_s = time.monotonic()
        os.write(self._start[1], b"g" * self._count)
        text, told = b"", 0
        while told < self._count and time.monotonic() - began_s < timeout_s:
            with suppress(BlockingIOError):
                text += os.read(self._told[0], 65_536)
                told = text.count(b"\n")
            time.sleep(0.001)
        wall_s = time.monotonic() - began_s
        values = [json.loads(line) for line in text.splitlines() if line.endswith(b"}")]
        for value in values:
            value["seconds"] = value.get("ended_s", 0.0) - began_s
        errors = [value["error"] for value in values if "error" in value]
        error = f"{len(errors)} of {self._count} clients failed: {errors[0]}" if errors else ""
        if not error and told < self._count:
            error = f"{self._count - told} of {self._count} clients were not done after {timeout_s:.0f} s"
        return Race(wall_s, values, error)

    def __exit__(self, *_: object) -> None:
        for pid in self._pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in self._pids:
            os.waitpid(pid, 0)
        for pair in (self._ready, self._start, self._told, self._end):
            for descriptor in pair:
                os.close(descriptor)

    def _live(self, number: int) -> None:
        """A client's life; it never returns."""
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.close(self._start[1])  # so that the bench's own end is the end of all
            os.close(self._end[1])
            if self._namespaces:
                _enter(self._namespaces[number])
            before = _tried(self._rehearsal, number) if self._rehearsal else {}
            os.write(self._ready[1], b"r")
            if not os.read(self._start[0], 1):
                return
            found = before if "error" in before else _tried(self._work, number)
            os.write(self._told[1], json.dumps(found).encode() + b"\n")
            os.read(self._end[0], 1)  # nobody writes: killed here
        finally:
            os._exit(0)


def _tried(work: Work, number: int) -> dict[str, Any]:
    try:
        return {**work(number), "ended_s": time.monotonic()}  # one clock for all processes
    except Exception as error:  # noqa: BLE001  # whatever it was, the parent tells it
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def _enter(namespace: str) -> None:
    descriptor = os.open(NAMESPACES / namespace, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
        raise ProgramError(f"cannot enter {namespace}: {os.strerror(ctypes.get_errno())}")
