"""The links of the guard, and what a body that crosses one of them costs: in virtual time, the whole engine.

Owns the fourteen links and what is measured of each. The engine is whole (handshake, streams, credit, pacing,
loss recovery, BBR, acknowledgements, real datagrams), and so are the links: they are those of `mayhem`. Files
and sockets are not in it (`pipeline` has them). Never judges: `test_guard` does, and `guard.toml` remembers.

The links are those of the wide-area table in `docs/performance.md` at two fifths of its rate, 40 in place of
100 Mbit/s, and for 6 s in place of 20 s, so that all of them together take a quarter of a minute. That leaves
true what is counted in round trips and shares: windows, queues and delays keep their proportions, and there
are still a hundred round trips. It makes two things harder, so that no figure here stands for one there: the
start is a larger part of the time, and an acknowledgement is a larger part of the bytes, since there are fewer
datagrams in a round trip.
"""

from collections import defaultdict
from dataclasses import dataclass

from virtual_pair import CLIENT, MIB, MS, SECOND, ClientPeer, Pair, some_bytes

from mayhem_udp.mayhem.faults import HEADER_BYTES
from mayhem_udp.session.sending import READ_MIN_BYTES
from mayhem_udp.units import BITS_PER_BYTE, US
from mayhem_udp.wire.layout import DATA_OVERHEAD_BYTES

WIDE = "rate=40M,queue=250000,delay=25ms"
"""A queue of one round trip at the link's rate."""
GATHER_NS = 100 * US
"""How long a socket gathers before its process runs, as on a real host."""
BLOCK = memoryview(some_bytes(MIB))
DATAGRAM_BYTES = 1_472
PACKET_BYTES = DATAGRAM_BYTES + HEADER_BYTES
PAYLOAD_BYTES = DATAGRAM_BYTES - DATA_OVERHEAD_BYTES
STEP_NS = 10 * MS
"""All that changes in a link, changes at multiples of this."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """One link, and how long a body crosses it, once with each seed."""

    spec: str
    seconds: int = 6
    seeds: tuple[int, ...] = (1,)


CROSSINGS: dict[str, Crossing] = {
    "no loss": Crossing(WIDE),
    "loss 1 %": Crossing(f"{WIDE},drop=1%"),
    "loss 10 %": Crossing(f"{WIDE},drop=10%"),
    "loss 30 %": Crossing(f"{WIDE},drop=30%", seeds=(1, 2)),
    "loss 50 %": Crossing(f"{WIDE},drop=50%", seeds=(1, 2, 3, 4)),  # chance decides much of its start
    "satellite, loss 2 %": Crossing("rate=10M,queue=750000,delay=300ms,drop=2%", seconds=20),
    "slow, queue of 25 packets": Crossing("rate=10M,queue=37500,delay=15ms"),
    "bursts of 5, loss 5 %": Crossing(f"{WIDE},drop=5%,burst=5"),
    "bursts of 20, loss 5 %": Crossing(
        f"{WIDE},drop=5%,burst=20", seconds=10, seeds=(1, 2, 4)
    ),  # few, and long
    "jitter 10 ms, reordering": Crossing(f"{WIDE},jitter=10ms,order=free"),
    "shallow queue, 0.2 BDP": Crossing("rate=40M,queue=50000,delay=25ms"),
    "asymmetric, 10 : 1": Crossing("out.rate=40M,out.queue=250000,in.rate=4M,in.queue=25000,delay=25ms"),
    "rate 2 to 40 Mbit/s every 2 s": Crossing(
        f"{WIDE},rate_alt=2M,rate_every=2s,drop=0.02%", seconds=8, seeds=(1, 2, 3)
    ),  # when a fall meets a probe is chance; with a few losses, seeds differ, and their mean says more
    "away 1 s in 3.5": Crossing(f"{WIDE},blackout=2s+1s/3500ms", seconds=7),
}


class Uploader(ClientPeer):
    """A client with a body that never ends, supplied as `FileSender` does."""

    def __init__(self, connection):
        super().__init__(connection)
        self.request = None
        self.offset = 0

    def poll_transmit(self, *, now_ns):
        if self.request is not None:
            self.supply()
        return super().poll_transmit(now_ns=now_ns)

    def supply(self):
        while (room := self.connection.body_room_bytes(self.request)) >= READ_MIN_BYTES:
            at = self.offset % MIB
            want = min(max(room // 2, READ_MIN_BYTES), room, MIB - at)
            self.connection.supply_body(self.request, self.offset, BLOCK[at : at + want])
            self.offset += want


class Scale:
    """Where a body lands that is only weighed, not kept; that it is exact, other tests see to."""

    def __init__(self):
        self.bytes = 0

    def put(self, _offset, data):
        self.bytes += len(data)


@dataclass(frozen=True, slots=True)
class Tally:
    """What one or more crossings came to; they add up."""

    carried_bytes: float = 0.0
    """Body bytes that arrived, with the headers that they needed."""
    capacity_bytes: float = 0.0
    """What the link could have carried of them at most."""
    forth_bytes: int = 0
    back_bytes: int = 0
    """All that entered the link on either way, IP and UDP headers included."""
    lost: int = 0
    """Datagrams that the link has lost or damaged on the way forth."""
    repeated: int = 0

    def __add__(self, other):
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    def figures(self):
        """What the table keeps."""
        return {
            "share": round(self.carried_bytes / self.capacity_bytes, 3),
            "acks": round(self.back_bytes / (self.forth_bytes + self.back_bytes), 4),
            "again": round(self.repeated / max(self.lost, 1), 3),
        }


def cross(name):
    """The figures of one link."""
    crossing = CROSSINGS[name]
    return sum((once(crossing, seed) for seed in crossing.seeds), Tally()).figures()


def once(crossing, seed):
    """One body over one link, from the request to the end of the time."""
    pair = Pair(crossing.spec, seed=seed, gather_ns=GATHER_NS)
    client = pair.client = Uploader(pair.connection)
    pair.simulator.replace(CLIENT, client)
    pair.open()
    pair.far.bodies = defaultdict(Scale)
    client.request = client.connection.open_request()
    began_ns = pair.now_ns
    pair.run(seconds=crossing.seconds)
    forth, back = pair.links.outward.counts, pair.links.inward.counts
    return Tally(
        carried_bytes=pair.far.bodies[client.request].bytes * PACKET_BYTES / PAYLOAD_BYTES,
        capacity_bytes=capacity_bytes(pair.links.outward.spec, began_ns, pair.now_ns),
        forth_bytes=forth.seen_bytes + HEADER_BYTES * forth.seen,
        back_bytes=back.seen_bytes + HEADER_BYTES * back.seen,
        lost=forth.lost + forth.corrupted,
        repeated=client.connection.stats.retransmitted,
    )


def capacity_bytes(spec, from_ns, to_ns):
    """What a link lets through at most from one time to another, less what it loses by chance."""
    rates = (rate_bps(spec, at_ns) for at_ns in range(from_ns, to_ns, STEP_NS))
    return sum(rates) * STEP_NS / SECOND / BITS_PER_BYTE * (1 - spec.drop)


def rate_bps(spec, at_ns):
    """The rate that is in force at a time."""
    if any(blackout.covers(at_ns) for blackout in spec.blackouts):
        return 0
    is_other = spec.rate_alt_bps is not None and at_ns // spec.rate_every_ns % 2
    return spec.rate_alt_bps if is_other else spec.rate_bps
