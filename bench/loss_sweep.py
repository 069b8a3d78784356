"""Goodput against loss without root: through the product's own proxy, between two real processes.

Owns the rows of that table. The proxy is a program in Python and the links are slow for its sake; the table
of wide-area links, over the emulator, is the one that counts.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from bench import own
from bench.files import mismatch
from bench.links import Link
from bench.peers import INSTALLABLE
from bench.peers.base import LOOPBACK, Job, Peer, measure
from bench.plan import Measurement, Storage
from bench.processes import program
from bench.runs import Run

TABLE: Final = "loss_sweep"
LOSSES: Final = (0.0, 0.01, 0.05, 0.10, 0.20, 0.30)
LINK: Final = Link(rate_mbit=20, rtt_ms=50)
SECONDS: Final = 4.0
PATIENCE: Final = 2.0
"""Whoever takes so many times longer than the link needs is cut, and counts with what had arrived."""
PORT: Final = re.compile(r"listening on \S+:(\d+),")


def measurements(*, seconds: float = SECONDS) -> list[Measurement]:
    """Every loss, by us and by the peers that go through a proxy."""
    found = []
    for loss in LOSSES:
        row = f"loss {100 * loss:.4g}%"
        run = partial(_own, loss=loss, row=row, seconds=seconds)
        found.append(Measurement(table=TABLE, row=row, system="mayhem", run=run))
        for peer in INSTALLABLE:
            if peer.is_installed and peer.goes_through_proxies:
                run = partial(_peer, peer=peer, loss=loss, row=row, seconds=seconds)
                found.append(Measurement(table=TABLE, row=row, system=peer.name, run=run, is_peer=True))
    return found


def spec_of(link: Link, *, seed: int) -> str:
    """The link as the proxy understands it."""
    return (
        f"rate={link.rate_mbit:g}M,delay={link.rtt_ms / 2:g}ms,queue={link.queue_bytes},drop={link.loss:g},"
        f"seed={seed}"
    )


@contextmanager
def proxy(folder: Path, port: int, link: Link, *, seed: int) -> Iterator[int]:
    """A proxy to a port, as long as the block lasts: its own port."""
    to = ["--listen", f"{LOOPBACK}:0", "--to", f"{LOOPBACK}:{port}"]
    command = [own.COMMAND, "proxy", *to, "--mayhem", spec_of(link, seed=seed)]
    with program(command, env=own.environment(folder)) as running:
        running.wait_until(lambda it: bool(PORT.search(it.stderr())), what="the proxy does not listen")
        found = PORT.search(running.stderr())
        assert found is not None
        yield int(found[1])


def _own(storage: Storage, seed: int, *, loss: float, row: str, seconds: float) -> Run:
    link = replace(LINK, loss=loss)
    capacity_bps = link.capacity_bps(overhead_bytes=own.OVERHEAD_BYTES)
    size = int(capacity_bps * seconds / 8)
    source, digest = storage.source(size)
    settings: dict[str, object] = {"transport.datagram_max": own.ETHERNET_DATAGRAM_BYTES}
    with storage.run() as folder, own.daemon(folder, settings=settings) as server:
        port = int(server.url.rstrip("/").rpartition(":")[2])
        with proxy(folder, port, link, seed=seed) as way:
            url = f"mayhem://{LOOPBACK}:{way}/data"
            timeout_s = own.STARTUP_S + 3 * seconds
            before_s = server.program.cpu_s()
            ended = own.mayhem(folder, "put", source, url, "-q", settings=settings, timeout_s=timeout_s)
        cpu_s = ended.cpu_s + server.program.cpu_s() - before_s
        memory_bytes = max(ended.memory_max_bytes, server.program.memory_max_bytes())
        error = ended.trouble or mismatch(server.root / "data", size=size, sha256=digest) or ""
    figures = {"capacity_bps": capacity_bps}
    if not error:
        figures["share"] = size * 8 / ended.wall_s / capacity_bps
    return Run(
        table=TABLE,
        row=row,
        system="mayhem",
        seconds=ended.wall_s,
        bytes=0 if error else size,
        cpu_s=cpu_s,
        memory_bytes=memory_bytes,
        figures=figures,
        error=error,
    )


def _peer(storage: Storage, seed: int, *, peer: Peer, loss: float, row: str, seconds: float) -> Run:
    link = replace(LINK, loss=loss)
    capacity_bps = link.capacity_bps(overhead_bytes=own.OVERHEAD_BYTES)
    size = int(capacity_bps * seconds / 8)
    source, digest = storage.source(size)
    with storage.run() as folder, ExitStack() as stack:

        def way_to(port: int) -> int:
            return stack.enter_context(proxy(folder, port, link, seed=seed))

        job = Job(
            source=source,
            size=size,
            sha256=digest,
            folder=folder / "to",
            timeout_s=PATIENCE * seconds,
            way_to=way_to,
        )
        job.folder.mkdir()
        found = measure(peer, job, table=TABLE, row=row, seed=seed)
    figures = {**found.figures, "capacity_bps": capacity_bps}
    if not found.error:
        figures["share"] = found.goodput_bps / capacity_bps
    return replace(found, figures=figures)
