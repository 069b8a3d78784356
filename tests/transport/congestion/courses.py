"""The courses that controllers run over: the links of the goodput table, and who shares them.

Owns what is run and what is measured of it. Never judges: the tests do, and `goodput.toml` remembers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from bottleneck import HEADER_BYTES, Link, Simulation
from references import TcpBbr, TcpCubic
from sender import Flow

from mayhem_udp.transport.congestion import CONTROLLERS
from mayhem_udp.transport.congestion.base import CongestionController, Rates
from mayhem_udp.units import MS, SECOND

MBIT = 1_000_000
DATAGRAM_BYTES = 1_472
JUMBO_BYTES = 8_972
WIDE = Link(rate_bps=100 * MBIT, round_trip_ns=50 * MS)
LONG = Link(rate_bps=1_000 * MBIT, round_trip_ns=100 * MS)
SATELLITE = Link(rate_bps=10 * MBIT, round_trip_ns=600 * MS)
SLOW = Link(rate_bps=10 * MBIT, round_trip_ns=30 * MS, queue_bytes=25 * (DATAGRAM_BYTES + HEADER_BYTES))


@dataclass(frozen=True, slots=True)
class Course:
    """One flow alone on a link for so long; `share` is what it has to reach."""

    link: Link
    share: float
    seconds: int = 20
    datagram_bytes: int = DATAGRAM_BYTES


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
    "busy hosts, 5 Gbit/s, 0.2 ms": Course(
        Link(
            rate_bps=5_000 * MBIT, round_trip_ns=MS // 5, queue_bytes=8_000_000, pause_share=0.8
        ),
        0.8 * 0.04,  # either host runs a fifth of the time
        seconds=4,
        datagram_bytes=JUMBO_BYTES,
    ),
    "loss 10 % behind the bottleneck": Course(replace(WIDE, loss_after_queue=0.1), 0.85),
}  # fmt: skip


START_SPREAD_NS = 100 * MS
TCP_RHYTHM = 2
"""A TCP acknowledges every second segment (RFC 5681 section 4.2), and that clocks its sender."""


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


def maker(name: str, size: int = DATAGRAM_BYTES) -> Callable[[int], CongestionController]:
    """Makes a controller of that name for a flow."""
    if name == "tcp cubic":
        return lambda now_ns: TcpCubic(max_datagram_bytes=size, rates=Rates(), now_ns=now_ns)
    if name == "tcp bbr":
        return lambda now_ns: TcpBbr(max_datagram_bytes=size, now_ns=now_ns)
    rates = Rates(fixed_bps=20 * MBIT)
    return lambda now_ns: CONTROLLERS[name](max_datagram_bytes=size, rates=rates, now_ns=now_ns)


def run_alone(course: Course, *, controller: str = "bbr", seed: int = 1) -> Result:
    """One flow by itself, from its first datagram on."""
    link, until_ns = course.link, course.seconds * SECOND
    simulation = Simulation(link, seed)
    gauge = Gauge(after_ns=2 * SECOND)
    size = course.datagram_bytes
    flow = Flow(simulation, maker(controller, size), datagram_bytes=size, watch=gauge)
    simulation.run(until_ns=until_ns)
    arrived = flow.delivered * (size + HEADER_BYTES) / size
    return Result(
        share=arrived / link.capacity_bytes(0, until_ns),
        queue=gauge.percentile(0.95) / link.round_trip_ns,
        lost=simulation.queue.dropped * size / flow.sent,
    )


@dataclass(frozen=True, slots=True)
class Guest:
    """One of several on a link: its controller, its round trip and when it comes."""

    controller: str = "bbr"
    round_trip_ns: int = 0
    start_ns: int = 0


def jain(shares: list[float]) -> float:
    """Jain's index of fairness: 1 where all have the same."""
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


@dataclass(frozen=True, slots=True)
class Party:
    """Several on one link, watched from one moment to another."""

    link: Link
    guests: list[Guest]
    least: float = 0.12
    """Nobody gets a smaller part of the link."""
    from_s: int = 20
    to_s: int = 50


def beside(other: str, link: Link, least: float = 0.15) -> Party:
    """One of ours and another."""
    return Party(link, [Guest(), Guest(other)], least)


PARTIES: dict[str, Party] = {
    "four at once": Party(WIDE, [Guest() for _ in range(4)]),
    "four, 2 s apart": Party(WIDE, [Guest(start_ns=index * 2 * SECOND) for index in range(4)]),
    "four, 5 s apart": Party(
        WIDE, [Guest(start_ns=index * 5 * SECOND) for index in range(4)], from_s=30, to_s=60
    ),
    "two, 10 s apart": Party(WIDE, [Guest(start_ns=index * 10 * SECOND) for index in range(2)]),
    "four, round trips 50 to 100 ms": Party(
        WIDE, [Guest(round_trip_ns=each * MS) for each in (50, 65, 80, 100)]
    ),
    "four, shallow queue, 0.2 BDP": Party(replace(WIDE, queue_bdp=0.2), [Guest() for _ in range(4)]),
    "four, loss 5 %": Party(replace(WIDE, loss=0.05), [Guest() for _ in range(4)]),
    "beside a TCP CUBIC": beside("tcp cubic", WIDE, 0.25),
    "beside a TCP BBR": beside("tcp bbr", WIDE, 0.18),
    "beside a TCP CUBIC, 0.5 BDP": beside("tcp cubic", replace(WIDE, queue_bdp=0.5)),
    "beside a TCP CUBIC, 2 BDP": beside("tcp cubic", replace(WIDE, queue_bdp=2)),
    "beside a TCP CUBIC, 20 Mbit/s": beside("tcp cubic", replace(WIDE, rate_bps=20 * MBIT)),
    "beside a TCP BBR, 20 Mbit/s": beside("tcp bbr", replace(WIDE, rate_bps=20 * MBIT)),
}


def invite(party: Party, *, seed: int = 1) -> tuple[Simulation, list[Flow]]:
    """The flows of a party, not started yet; the seed moves each start by up to `START_SPREAD_NS`."""
    simulation = Simulation(party.link, seed)
    spread = [simulation.rng.randrange(START_SPREAD_NS) for _ in party.guests]
    return simulation, [
        Flow(
            simulation,
            maker(guest.controller),
            datagram_bytes=DATAGRAM_BYTES,
            round_trip_ns=guest.round_trip_ns,
            start_ns=guest.start_ns + late_ns,
            fixed_rhythm=TCP_RHYTHM if guest.controller.startswith("tcp") else 0,
        )
        for guest, late_ns in zip(party.guests, spread, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Sharing:
    """What became of a party."""

    shares: list[float]
    """The parts of the link that each got."""
    lost: float
    """The part of what all of them sent that the full queue dropped."""


def run_together(party: Party, *, seed: int = 1) -> Sharing:
    """A party, while it is watched."""
    simulation, flows = invite(party, seed=seed)
    simulation.run(until_ns=party.from_s * SECOND)
    before = [flow.delivered for flow in flows]
    sent, dropped = sum(flow.sent for flow in flows), simulation.queue.dropped
    simulation.run(until_ns=party.to_s * SECOND)
    carried = party.link.capacity_bytes(party.from_s * SECOND, party.to_s * SECOND)
    return Sharing(
        shares=[
            (flow.delivered - start) * (DATAGRAM_BYTES + HEADER_BYTES) / DATAGRAM_BYTES / carried
            for flow, start in zip(flows, before, strict=True)
        ],
        lost=(simulation.queue.dropped - dropped)
        * DATAGRAM_BYTES
        / (sum(flow.sent for flow in flows) - sent),
    )
