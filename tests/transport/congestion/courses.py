"""The courses that controllers run over: the links of the goodput table, and who shares them.

Owns what is run and what is measured of it. Never judges: the tests do, and `goodput.toml` remembers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from bottleneck import Link, Simulation
from references import TcpBbr, TcpCubic
from sender import Flow

from mayhem_udp.transport.congestion import CONTROLLERS
from mayhem_udp.transport.congestion.base import CongestionController, Rates
from mayhem_udp.units import MS, SECOND

MBIT = 1_000_000
DATAGRAM_BYTES = 1_472
PACKET_BYTES = 1_500
WIDE = Link(rate_bps=100 * MBIT, round_trip_ns=50 * MS)
LONG = Link(rate_bps=1_000 * MBIT, round_trip_ns=100 * MS)
SATELLITE = Link(rate_bps=10 * MBIT, round_trip_ns=600 * MS)
SLOW = Link(rate_bps=10 * MBIT, round_trip_ns=30 * MS, queue_bytes=25 * PACKET_BYTES)


@dataclass(frozen=True, slots=True)
class Course:
    """One flow alone on a link for so long; `share` is what it has to reach."""

    link: Link
    share: float
    seconds: int = 20


COURSES: dict[str, Course] = {
    **{
        f"100 Mbit/s, 50 ms, loss {loss:g} %": Course(replace(WIDE, loss=loss / 100), share)
        for loss, share in (
            (0, 0.9), (0.1, 0.9), (1, 0.9), (5, 0.9), (10, 0.9), (20, 0.9), (30, 0.9), (50, 0.8),
        )
    },
    **{
        f"1 Gbit/s, 100 ms, loss {loss:g} %": Course(replace(LONG, loss=loss / 100), 0.85)
        for loss in (0, 0.1, 1)
    },
    "satellite": Course(SATELLITE, 0.85),
    "satellite, loss 2 %": Course(replace(SATELLITE, loss=0.02), 0.85),
    "10 Mbit/s, 30 ms, queue of 25": Course(SLOW, 0.9),
    "bursts of 5, loss 5 %": Course(replace(WIDE, loss=0.05, burst=5), 0.85),
    "bursts of 20, loss 5 %": Course(replace(WIDE, loss=0.05, burst=20), 0.85),
    "jitter 10 ms, reordering": Course(replace(WIDE, jitter_ns=10 * MS), 0.85),
    "corruption 1 %": Course(replace(WIDE, corrupt=0.01), 0.85),
    "shallow queue, 0.2 BDP": Course(replace(WIDE, queue_bdp=0.2), 0.85),
    "deep queue, 5 BDP": Course(replace(WIDE, queue_bdp=5), 0.85),
    "rate 5 to 100 Mbit/s every 4 s": Course(
        replace(WIDE, other_rate_bps=5 * MBIT, change_ns=4 * SECOND), 0.75, seconds=40
    ),
    "away 2 s in 7": Course(replace(WIDE, away_every_ns=7 * SECOND, away_ns=2 * SECOND), 0.75, seconds=35),
    "shallow queue, 0.2 BDP, loss 5 %": Course(replace(WIDE, queue_bdp=0.2, loss=0.05), 0.85),
    "policer, loss 5 %": Course(replace(WIDE, queue_bdp=0.02, loss=0.05), 0.75),
    "loss 10 % behind the bottleneck": Course(replace(WIDE, loss_after_queue=0.1), 0.85),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one flow."""

    share: float
    """Of what the link could have carried."""
    queue: float
    """The delay in the queue that 95 % of the datagrams stayed under, in round trips."""
    lost: float
    """The part of its datagrams that was lost, beyond what is lost by chance."""


class Gauge:
    """Samples a queue as often as something arrives."""

    def __init__(self, *, after_ns: int) -> None:
        self._after_ns = after_ns
        self._delays: list[float] = []

    def __call__(self, flow: Flow) -> None:
        now_ns = flow.simulation.now_ns
        if now_ns >= self._after_ns:
            self._delays.append(flow.simulation.queue.delay_ns(now_ns))

    def percentile(self, part: float) -> float:
        return sorted(self._delays)[int(part * len(self._delays))] if self._delays else 0.0


def maker(name: str) -> Callable[[int], CongestionController]:
    """Makes a controller of that name for a flow."""
    if name == "tcp cubic":
        return lambda now_ns: TcpCubic(max_datagram_bytes=DATAGRAM_BYTES, rates=Rates(), now_ns=now_ns)
    if name == "tcp bbr":
        return lambda now_ns: TcpBbr(max_datagram_bytes=DATAGRAM_BYTES, now_ns=now_ns)
    rates = Rates(fixed_bps=20 * MBIT)
    return lambda now_ns: CONTROLLERS[name](max_datagram_bytes=DATAGRAM_BYTES, rates=rates, now_ns=now_ns)


def run_alone(course: Course, *, controller: str = "bbr", seed: int = 1) -> Result:
    """One flow by itself, from its first datagram on."""
    link, until_ns = course.link, course.seconds * SECOND
    simulation = Simulation(link, seed)
    gauge = Gauge(after_ns=2 * SECOND)
    flow = Flow(simulation, maker(controller), datagram_bytes=DATAGRAM_BYTES, watch=gauge)
    simulation.run(until_ns=until_ns)
    arrived = flow.delivered * PACKET_BYTES / DATAGRAM_BYTES
    return Result(
        share=arrived / link.capacity_bytes(0, until_ns),
        queue=gauge.percentile(0.95) / link.round_trip_ns,
        lost=simulation.queue.dropped * DATAGRAM_BYTES / flow.sent,
    )


@dataclass(frozen=True, slots=True)
class Guest:
    """One of several on a link: its controller, its round trip and when it comes."""

    controller: str = "bbr"
    round_trip_ns: int = 0
    start_ns: int = 0


def run_together(link: Link, guests: list[Guest], *, from_s: int, to_s: int, seed: int = 1) -> list[float]:
    """The parts of the link that each gets between two moments."""
    simulation = Simulation(link, seed)
    flows = [
        Flow(
            simulation,
            maker(guest.controller),
            datagram_bytes=DATAGRAM_BYTES,
            round_trip_ns=guest.round_trip_ns,
            start_ns=guest.start_ns,
        )
        for guest in guests
    ]
    simulation.run(until_ns=from_s * SECOND)
    before = [flow.delivered for flow in flows]
    simulation.run(until_ns=to_s * SECOND)
    carried = link.capacity_bytes(from_s * SECOND, to_s * SECOND)
    return [
        (flow.delivered - start) * PACKET_BYTES / DATAGRAM_BYTES / carried
        for flow, start in zip(flows, before, strict=True)
    ]


def jain(shares: list[float]) -> float:
    """Jain's index of fairness: 1 where all have the same."""
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


def parties() -> Iterator[tuple[str, Link, list[Guest]]]:
    """Who meets whom, and where."""
    yield "four at once", WIDE, [Guest() for _ in range(4)]
    yield "four, 2 s apart", WIDE, [Guest(start_ns=index * 2 * SECOND) for index in range(4)]
    yield "four, round trips 50 to 100 ms", WIDE, [
        Guest(round_trip_ns=each * MS) for each in (50, 65, 80, 100)
    ]  # fmt: skip
    yield "beside a TCP CUBIC", WIDE, [Guest(), Guest("tcp cubic")]
    yield "beside a TCP BBR", WIDE, [Guest(), Guest("tcp bbr")]
