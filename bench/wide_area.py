"""Wide-area links: goodput as a share of what each link can carry.

Owns the rows of that table, their links and the shares that are asked for, and the measurement of our own
command line over one of them. The peers' are in `peers`. Run it alone with

    python -m bench.wide_area --row 'loss 10%' --seconds 20
"""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from bench import own
from bench.files import mismatch, on_disk_bytes, random_file, scratch_folder
from bench.links import CLIENT_HOST, SERVER_HOST, Link, Net, standing
from bench.peers import INSTALLABLE, iperf3, rsync, scp
from bench.peers.base import Job, Peer, measure
from bench.plan import Measurement, Storage
from bench.processes import ProgramError, end_with_cleanup_on_signals
from bench.runs import Run
from bench.traces import Trace

TABLE: Final = "wide_area"
PATIENCE: Final = 3.0
"""A transfer may take so many times as long as the link needs."""
PEER_PATIENCE: Final = 2.0
CARRIED_S: Final = 4.0
SAME_AS_TCP: Final = (rsync.PEER, scp.PEER)
"""What these carry over a link is what TCP does."""


@dataclass(frozen=True, slots=True)
class Row:
    """One link of the table."""

    name: str
    link: Link
    share_min: float
    """What part of the link's capacity has to be reached."""
    is_limited_by_emulator: bool = False
    """The link's rate is what bare datagrams carry over the emulator in the same run."""


def _rows() -> tuple[Row, ...]:
    def broadband(**more: object) -> Link:
        return Link(rate_mbit=100, rtt_ms=50, **more)  # type: ignore[arg-type]  # fields by name, checked at run time

    losses = [
        (0.0, 0.90),
        (0.001, 0.90),
        (0.01, 0.90),
        (0.05, 0.90),
        (0.10, 0.90),
        (0.20, 0.90),
        (0.30, 0.90),
    ]
    return (
        *(Row(f"loss {100 * loss:.4g}%", broadband(loss=loss), share) for loss, share in losses),
        Row("loss 50%", broadband(loss=0.5), 0.80),
        *(
            Row(f"gigabit, loss {100 * loss:.4g}%", Link(rate_mbit=1_000, rtt_ms=100, loss=loss), 0.85, True)
            for loss in (0.0, 0.001, 0.01)
        ),
        *(
            Row(f"satellite, loss {100 * loss:.4g}%", Link(rate_mbit=10, rtt_ms=600, loss=loss), 0.85)
            for loss in (0.0, 0.02)
        ),
        Row("queue of 25 packets", Link(rate_mbit=10, rtt_ms=30, queue_packets=25), 0.90),
        Row("bursts of 5", broadband(loss=0.05, burst=5), 0.85),
        Row("bursts of 20", broadband(loss=0.05, burst=20), 0.85),
        Row("jitter 10 ms", broadband(jitter_ms=10), 0.85),
        Row("corruption 1%", broadband(corrupt=0.01), 0.85),
        Row("MTU 1280", broadband(mtu=1_280), 0.85),
        Row("queue 0.2 BDP", broadband(queue_bdp=0.2), 0.85),
        Row("queue 5 BDP", broadband(queue_bdp=5.0), 0.85),
        Row("asymmetric 10:1", broadband(down_rate_mbit=10), 0.85),
        Row("5 to 100 Mbit/s", Link(rate_mbit=5, other_rate_mbit=100, alternate_s=4, rtt_ms=50), 0.75),
        Row("blackouts", broadband(blackout=(5.0, 2.0, 7.0)), 0.75),
    )


ROWS: Final = {row.name: row for row in _rows()}


def measure_own(
    row: Row, *, seconds: float, seed: int, verb: str = "put", settings: dict[str, object] | None = None
) -> Run:
    """Our daemon and command line over one link, once; what failed is told in the run."""
    settings = {"transport.datagram_max": row.link.mtu - own.HEADERS_BYTES, **(settings or {})}
    link = row.link if verb == "put" else row.link.reversed()
    try:
        with scratch_folder() as scratch, standing(link, seed=seed) as net:
            capacity_bps = capacity_of(row, net)
            size = int(capacity_bps * seconds / 8)
            return _transfer(row, net, scratch, size, capacity_bps, seed=seed, verb=verb, settings=settings)
    except ProgramError as error:
        return Run(table=TABLE, row=row.name, system="mayhem", error=str(error), seed=seed)


def _transfer(
    row: Row,
    net: Net,
    scratch: Path,
    size: int,
    capacity_bps: float,
    *,
    seed: int,
    verb: str,
    settings: dict[str, object],
) -> Run:
    timeout_s = PATIENCE * size * 8 / capacity_bps + own.STARTUP_S
    with own.daemon(scratch, host=SERVER_HOST, namespace=net.server, settings=settings) as server:
        here, there = scratch / "data", server.root / "data"
        source, target = (here, there) if verb == "put" else (there, here)
        digest = random_file(source, size, seed=seed)
        words = ("put", here, f"{server.url}data") if verb == "put" else ("get", f"{server.url}data", here)
        before_s = server.program.cpu_s()
        ended = own.mayhem(
            scratch,
            *(*words, "--json", "--no-progress"),
            namespace=net.client,
            settings=settings,
            timeout_s=timeout_s,
        )
        cpu_s = ended.cpu_s + server.program.cpu_s() - before_s
        memory_bytes = max(ended.memory_max_bytes, server.program.memory_max_bytes())
        arrived = on_disk_bytes(target.parent) if ended.trouble else 0
        error = ended.trouble or mismatch(target, size=size, sha256=digest) or ""
        if ended.trouble:
            error += f" ({arrived / 1e6:.1f} of {size / 1e6:.1f} MB had arrived)"
        figures = {"capacity_bps": capacity_bps, "emulator_cpu_s": net.emulator_cpu_s()}
        figures |= _told(own.results(ended)) | queue_figures(net)
        if not error:
            figures |= shares(size * 8 / ended.wall_s, capacity_bps, row.link)
        return Run(
            table=TABLE,
            row=row.name,
            system="mayhem" if verb == "put" else f"mayhem {verb}",
            seconds=ended.wall_s,
            bytes=0 if error else size,
            cpu_s=cpu_s,
            memory_bytes=memory_bytes,
            figures=figures,
            error=error,
            seed=seed,
        )


def _told(results: list[dict[str, object]]) -> dict[str, float]:
    """What our command says of the transfer itself."""
    names = ("datagrams_sent", "datagrams_received", "retransmitted", "corrupt_dropped", "loss", "srtt_ms")
    told = results[0] if results else {}
    return {f"told_{name}": float(str(told[name])) for name in (*names, "seconds") if name in told}


def queue_figures(net: Net) -> dict[str, float]:
    """The queue that was built on the way up, in milliseconds."""
    trace = Trace.read(net.trace)
    if not trace or net.link.alternate_s:
        return {}
    queue_ms = trace.queue_ms(rate_mbit=net.link.rate_mbit)
    return {
        "queue_ms_mean": float(np.mean(queue_ms)),
        "queue_ms_p95": float(np.percentile(queue_ms, 95)),
        "queue_ms_max": float(np.max(queue_ms)),
    }


def shares(goodput_bps: float, capacity_bps: float, link: Link) -> dict[str, float]:
    """Goodput as parts of two things.

    `share`: of what arrives of a sender who offers the link's rate. `of_line`: of what the bottleneck would carry if
    it were never idle, since the emulator loses before it.
    """
    return {"share": goodput_bps / capacity_bps, "of_line": goodput_bps * (1 - link.loss) / capacity_bps}


def capacity_of(row: Row, net: Net) -> float:
    """What the link carries of payload, in bits a second; measured first where the emulator may limit it."""
    carried_bps = None
    if row.is_limited_by_emulator:
        if not iperf3.CUBIC.is_installed:
            raise ProgramError("iperf3 is needed to see what the emulator carries")
        job = _job(row, net, source=Path(), size=0, sha256="", folder=Path(), timeout_s=0)
        arrived_bps = iperf3.carried_bare(job, seconds=CARRIED_S, headers_bytes=own.HEADERS_BYTES)
        carried_bps = arrived_bps / (1 - row.link.loss)
    return row.link.capacity_bps(overhead_bytes=own.OVERHEAD_BYTES, carried_bps=carried_bps)


def measure_peer(row: Row, peer: Peer, *, seconds: float, seed: int) -> Run:
    """A peer over the same link, once; it is cut when it has had twice the time that the link needs."""
    with scratch_folder() as scratch, standing(row.link, seed=seed) as net:
        capacity_bps = capacity_of(row, net)
        size = int(capacity_bps * seconds / 8)
        source = scratch / "source" / "data"
        digest = random_file(source, size, seed=seed)
        folder = scratch / "run" / "to"
        folder.mkdir(parents=True)
        timeout_s = seconds if peer.checks_by_itself else PEER_PATIENCE * seconds
        job = _job(row, net, source=source, size=size, sha256=digest, folder=folder, timeout_s=timeout_s)
        if peer.is_download:
            job = replace(job, host=CLIENT_HOST, server=net.client, client=net.server)
        found = measure(peer, job, table=TABLE, row=row.name, seed=seed)
    figures = {**found.figures, "capacity_bps": capacity_bps}
    if not found.error:
        figures |= shares(found.goodput_bps, capacity_bps, row.link)
    return replace(found, figures=figures)


def _job(row: Row, net: Net, *, source: Path, size: int, sha256: str, folder: Path, timeout_s: float) -> Job:
    return Job(
        source=source,
        size=size,
        sha256=sha256,
        folder=folder,
        timeout_s=timeout_s,
        host=SERVER_HOST,
        server=net.server,
        client=net.client,
        rate_mbit=row.link.rate_mbit,
        mtu=row.link.mtu,
    )


def measurements(*, seconds: float = 20.0) -> list[Measurement]:
    """Every row, by us and by the peers that know what a bad link is."""
    peers = [peer for peer in INSTALLABLE if peer.is_installed and peer not in SAME_AS_TCP]
    return [
        each for row in ROWS.values() for each in (_own(row, seconds), *(_of(row, p, seconds) for p in peers))
    ]


def _own(row: Row, seconds: float) -> Measurement:
    def run(_storage: Storage, seed: int) -> Run:
        return measure_own(row, seconds=seconds, seed=seed)

    return Measurement(table=TABLE, row=row.name, system="mayhem", run=run)


def _of(row: Row, peer: Peer, seconds: float) -> Measurement:
    def run(_storage: Storage, seed: int) -> Run:
        return measure_peer(row, peer, seconds=seconds, seed=seed)

    return Measurement(table=TABLE, row=row.name, system=peer.name, run=run, is_peer=True)


def main() -> int:
    """Measure one row, or all, and print what came out."""
    parser = argparse.ArgumentParser(prog="python -m bench.wide_area", description=__doc__)
    parser.add_argument(
        "--row", action="append", choices=ROWS, help="a row; may be given again; without: all"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the link would take")
    parser.add_argument("--verb", choices=("put", "get"), default="put")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="SETTING=VALUE", dest="settings")
    arguments = parser.parse_args()
    end_with_cleanup_on_signals()
    settings: dict[str, object] = dict(text.split("=", 1) for text in arguments.settings)
    for name in arguments.row or ROWS:
        for number in range(arguments.repeat):
            found = measure_own(
                ROWS[name],
                seconds=arguments.seconds,
                seed=arguments.seed + number,
                verb=arguments.verb,
                settings=settings,
            )
            print(line_of(found, ROWS[name]), flush=True)
    return 0


def line_of(found: Run, row: Row) -> str:
    """One measurement as a line."""
    if found.error:
        return f"{row.name:24} FAILED {found.error}"
    share = found.figures["share"]
    verdict = "ok" if share >= row.share_min else f"MISSED, {row.share_min:.2f} asked"
    queue = found.figures.get("queue_ms_p95")
    return (
        f"{row.name:24} {found.goodput_bps / 1e6:7.2f} Mbit/s  share {share:.3f}  {found.seconds:6.2f} s  "
        f"CPU {found.cpu_s:5.2f} s  memory {found.memory_bytes / 1e6:4.0f} MB  "
        + (f"queue p95 {queue:.0f} ms  " if queue is not None else "")
        + f"sent again {found.figures.get('told_retransmitted', 0):.0f} of "
        f"{found.figures.get('told_datagrams_sent', 0):.0f}  {verdict}"
    )


if __name__ == "__main__":
    sys.exit(main())
