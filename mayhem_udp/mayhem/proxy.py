"""The proxy's core, without sockets: flows of clients to one server, each with links of its own.

Owns which client belongs to which flow, their bounded number and their end by idleness, and the links
between. Each flow's faults come from the seed and the flow's number, the first client having number 0,
so that a run with clients in the same order meets the same faults.
Never opens a socket and never looks into a datagram: any UDP program can be on either side.
"""

from collections import OrderedDict
from typing import Final

from msgspec import Struct

from mayhem_udp.mayhem.agenda import Agenda
from mayhem_udp.mayhem.batches import Batch, join, split
from mayhem_udp.mayhem.faults import Direction, MayhemSpec
from mayhem_udp.mayhem.link import LinkCounts, LinkPair
from mayhem_udp.mayhem.schedule import derive_seed
from mayhem_udp.transport.datagrams import Address, ReceivedBatch
from mayhem_udp.units import SECOND

FLOWS_MAX: Final = 1_024
FLOW_IDLE_NS: Final = 300 * SECOND
"""A flow is forgotten when nothing has crossed for so long (RFC 4787, REQ-5 recommends 5 minutes)."""
FLOW_QUIET_NS: Final = 5 * SECOND
"""When all flows are in use, one that has been quiet for so long makes room for a new client."""


class Flow:
    """One client's datagrams, both ways."""

    __slots__ = ("active_ns", "client", "links", "number")

    def __init__(self, number: int, client: Address, links: LinkPair[None], *, now_ns: int) -> None:
        self.number = number
        self.client = client
        self.links = links
        self.active_ns = now_ns


class Delivery(Struct, frozen=True):
    """A batch that has come through: OUT goes to the server from the flow's socket, IN to its client."""

    flow: Flow
    direction: Direction
    batch: Batch[None]


class ProxyCounts(Struct, frozen=True):
    """What a proxy has done so far."""

    flows: int
    """Open now."""
    flows_seen: int
    refused: int
    """Datagrams of clients for whom there was no room."""
    outward: LinkCounts
    inward: LinkCounts


class Proxy:
    """Flows and links between clients and one server."""

    def __init__(
        self, spec: MayhemSpec, *, flows_max: int = FLOWS_MAX, flow_idle_ns: int = FLOW_IDLE_NS
    ) -> None:
        self.spec = spec
        self._flows_max = flows_max
        self._flow_idle_ns = flow_idle_ns
        self._flows: OrderedDict[Address, Flow] = OrderedDict()  # the longest quiet first
        self._agenda: Agenda[tuple[Address, Direction]] = Agenda()
        self._ended = {direction: LinkCounts() for direction in Direction}
        self._seen = 0
        self._refused = 0

    def flow_of(self, client: Address, *, now_ns: int) -> tuple[Flow | None, list[Flow]]:
        """The flow of a client, made when it is new, and those that ended to make room.

        None when all flows are in use: the client's datagrams are then lost.
        """
        flow = self._flows.get(client)
        if flow is not None:
            return flow, []
        ended: list[Flow] = []
        if len(self._flows) >= self._flows_max:
            ended = self._end_quiet(now_ns - FLOW_QUIET_NS, count=1)
            if not ended:
                return None, []
        links: LinkPair[None] = LinkPair.of(self.spec, seed=derive_seed(self.spec.seed, self._seen))
        flow = self._flows[client] = Flow(self._seen, client, links, now_ns=now_ns)
        self._seen += 1
        return flow, ended

    def refuse(self, batch: ReceivedBatch) -> None:
        """Count datagrams of a client for whom there is no flow."""
        self._refused += -(-batch.total_bytes // max(batch.segment_bytes, 1))

    def enter(self, flow: Flow, direction: Direction, batch: ReceivedBatch, *, now_ns: int) -> None:
        """Datagrams have come in: OUT from the flow's client, IN from the server."""
        flow.active_ns = now_ns
        self._flows.move_to_end(flow.client)
        link = flow.links.toward(direction)
        datagrams = split(batch.buffer, segment_bytes=batch.segment_bytes, total_bytes=batch.total_bytes)
        link.push_batch(datagrams, now_ns=now_ns)
        self._agenda.put((flow.client, direction), link.next_due_ns())

    def poll(self, *, now_ns: int) -> list[Delivery]:
        """What has come through by now."""
        out: list[Delivery] = []
        for client, direction in self._agenda.pop_due(now_ns=now_ns):
            flow = self._flows[client]
            link = flow.links.toward(direction)
            out += (Delivery(flow, direction, batch) for batch in join(link.pop_due_tagged(now_ns=now_ns)))
            self._agenda.put((client, direction), link.next_due_ns())
        return out

    def expire(self, *, now_ns: int) -> list[Flow]:
        """End the flows that have been idle for too long, and tell which."""
        return self._end_quiet(now_ns - self._flow_idle_ns, count=len(self._flows))

    def next_deadline_ns(self) -> int | None:
        """When `poll` or `expire` has something to do at the latest; None: never."""
        due_ns = self._agenda.next_ns()
        if not self._flows:
            return due_ns
        idle_ns = next(iter(self._flows.values())).active_ns + self._flow_idle_ns
        return idle_ns if due_ns is None else min(due_ns, idle_ns)

    @property
    def counts(self) -> ProxyCounts:
        """What happened so far, over all flows, the ended ones too."""
        totals = dict(self._ended)
        for flow in self._flows.values():
            for direction in Direction:
                totals[direction] += flow.links.toward(direction).counts
        return ProxyCounts(
            len(self._flows), self._seen, self._refused, totals[Direction.OUT], totals[Direction.IN]
        )

    def _end_quiet(self, since_ns: int, *, count: int) -> list[Flow]:
        """End at most `count` flows that have been quiet since then; what is on their links is lost."""
        ended: list[Flow] = []
        while self._flows and len(ended) < count:
            client, flow = next(iter(self._flows.items()))
            if flow.active_ns > since_ns:
                break
            del self._flows[client]
            for direction in Direction:
                self._agenda.put((client, direction), None)
                self._ended[direction] += flow.links.toward(direction).counts.settled()
            ended.append(flow)
        return ended
