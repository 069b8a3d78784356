"""Good manners: how our flows share a link with each other, with TCP, and with whoever needs the queue.

Owns the rows of that table. Flows are real transfers from namespaces of their own over one bottleneck; what
each got is read off the emulator's trace, over the time in which all of them were at it.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from bench import own
from bench.files import random_file
from bench.links import SERVER_HOST, Link, Net, inside, standing
from bench.peers import iperf3
from bench.peers.base import is_listening
from bench.plan import Measurement, Storage
from bench.processes import Program, ProgramError, program
from bench.runs import Run
from bench.traces import Trace, jain_index

TABLE: Final = "fairness"
RATE_MBIT: Final = 100.0
RTT_MS: Final = 50.0
SETTLE_S: Final = 5.0
"""From the last start to where the counting begins."""
COUNTED_S: Final = 25.0
OWN: Final = "mayhem"
TCP_PORT: Final = 5_201


@dataclass(frozen=True, slots=True)
class Row:
    """Some flows on one link."""

    name: str
    link: Link
    flows: tuple[str, ...] = (OWN,) * 4
    """Ours, or the congestion control of a TCP stream."""
    starts_s: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)


def _link(**more: object) -> Link:
    return Link(rate_mbit=RATE_MBIT, rtt_ms=RTT_MS, **more)  # type: ignore[arg-type]  # fields by name


ROWS: Final = {
    row.name: row
    for row in (
        Row("four flows", _link()),
        Row("four flows, one after the other", _link(), starts_s=(0.0, 5.0, 10.0, 15.0)),
        Row("four flows, round trips of 50 and 100 ms", _link(extra_rtt_ms=(0.0, 0.0, RTT_MS, RTT_MS))),
        Row("beside TCP CUBIC", _link(), (OWN, "cubic"), (0.0, 0.0)),
        Row("beside TCP BBR", _link(), (OWN, "bbr"), (0.0, 0.0)),
        Row("alone with a deep queue", _link(queue_bdp=5.0), (OWN,), (0.0,)),
        Row("loss from congestion: four flows, queue of 0.25 BDP", _link(queue_bdp=0.25)),
        Row("loss from elsewhere: one flow, 2%", _link(loss=0.02), (OWN,), (0.0,)),
        Row("both: four flows, queue of 0.25 BDP, 2%", _link(queue_bdp=0.25, loss=0.02)),
    )
}


def measurements(*, counted_s: float = COUNTED_S) -> list[Measurement]:
    """Every row; those with TCP only where iperf3 is there."""
    return [
        Measurement(table=TABLE, row=row.name, system=OWN, run=partial(_run, row=row, counted_s=counted_s))
        for row in ROWS.values()
    ]


def _run(storage: Storage, seed: int, *, row: Row, counted_s: float) -> Run:
    if set(row.flows) != {OWN} and not iperf3.CUBIC.is_installed:
        raise ProgramError("iperf3 is not installed")
    start_s = max(row.starts_s) + SETTLE_S
    stop_s = start_s + counted_s
    with (
        storage.run() as folder,
        standing(row.link, clients=len(row.flows), seed=seed) as net,
        own.daemon(folder, host=SERVER_HOST, namespace=net.server) as server,
    ):
        source = folder / "source"
        random_file(source, int(RATE_MBIT * 1e6 / 8 * (stop_s + SETTLE_S)), seed=seed)
        began_s = time.monotonic()
        with ExitStack() as stack:
            flows: list[Program] = []
            order = sorted(range(len(row.flows)), key=row.starts_s.__getitem__)
            for number in order:
                _sleep_until(began_s + row.starts_s[number])
                if row.flows[number] == OWN:
                    command = [own.COMMAND, "put", source, f"{server.url}flow{number}", "-q", "--no-progress"]
                else:
                    command = _tcp(row.flows[number], net, TCP_PORT + number, stop_s + SETTLE_S, stack)
                command = inside(net.clients[number], command)
                flows.append(stack.enter_context(program(command, env=own.environment(folder / f"{number}"))))
            _sleep_until(began_s + stop_s)
            for flow in flows:
                if flow.poll() and flow.ended is not None and flow.ended.trouble:
                    raise ProgramError(f"a flow ended: {flow.ended.trouble}")
        trace = Trace.read(net.trace)
    return _judged(row, trace, start_s=start_s, stop_s=stop_s)


def _tcp(controller: str, net: Net, port: int, seconds: float, stack: ExitStack) -> list[str | Path]:
    """A stream of iperf3; its receiver lives as long as the stack."""
    receiver = stack.enter_context(program(inside(net.server, ["iperf3", "-s", "-1", "-p", str(port)])))
    receiver.wait_until(is_listening(port), what="iperf3 does not listen")
    return ["iperf3", "-c", SERVER_HOST, "-p", str(port), "-C", controller, "-t", str(round(seconds))]


def _judged(row: Row, trace: Trace, *, start_s: float, stop_s: float) -> Run:
    """Shares of the link's rate by flow, Jain's index, and the queue, all over the time that counts."""
    carried_bps = row.link.rate_mbit * 1e6 * (1 - row.link.loss)
    rates = [
        trace.rate_bps(number, start_s=start_s, stop_s=stop_s) / carried_bps
        for number in range(len(row.flows))
    ]
    counted = (trace.seconds >= start_s) & (trace.seconds <= stop_s)
    queue_ms = trace.queue_ms(rate_mbit=row.link.rate_mbit)
    dropped = np.interp([start_s, stop_s], trace.seconds, trace.columns["up_dropped_0"])
    delivered_packets = sum(rates) * carried_bps * (stop_s - start_s) / 8 / row.link.mtu
    figures = {f"share_{number}_{flow}": rates[number] for number, flow in enumerate(row.flows)}
    return Run(
        table=TABLE,
        row=row.name,
        system=OWN,
        seconds=stop_s - start_s,
        figures={
            **figures,
            "jain": jain_index(rates),
            "share_total": sum(rates),
            "share_least": min(rates),
            "dropped_share": float(dropped[1] - dropped[0]) / max(1.0, delivered_packets),
            "queue_ms_p95": float(np.percentile(queue_ms[counted], 95)),
            "queue_ms_p95_from_the_start": float(np.percentile(queue_ms, 95)),
            "queue_ms_max": float(np.max(queue_ms)),
            "rtt_ms": row.link.rtt_ms,
        },
    )


def _sleep_until(when_s: float) -> None:
    time.sleep(max(0.0, when_s - time.monotonic()))
