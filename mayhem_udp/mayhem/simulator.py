"""Peers and hostile networks under one virtual clock, from one seed.

Owns the virtual time, the topology and the order of events: it jumps to the earliest timer or arrival,
hands datagrams over in batches as a socket would, and asks who was woken what to send. A run is a
function of its seed and its peers, so a failure names the one command that replays it.
Never sleeps, never reads a clock, and knows nothing of what peers say to each other: anything that
satisfies `Peer` takes part. Two or two hundred of them, and links may be shared.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from msgspec import Struct, field

from mayhem_udp.mayhem.agenda import Agenda
from mayhem_udp.mayhem.batches import join, split
from mayhem_udp.mayhem.faults import MayhemSpec
from mayhem_udp.mayhem.link import Link, LinkPair
from mayhem_udp.mayhem.schedule import derive_seed
from mayhem_udp.mayhem.trace import TRACE_MAX, Happening, Trace, TraceEntry
from mayhem_udp.transport.datagrams import Address, ReceivedBatch, Transmit
from mayhem_udp.units import SECOND

EVENTS_AT_ONE_INSTANT_MAX: Final = 10_000
"""More events without the time moving is a livelock."""
BATCHES_AT_ONCE_MAX: Final = 10_000
"""A peer that gives more batches when asked once will never stop."""
PATH_MAX: Final = 8
"""Links on the way from one peer to another."""


class Peer(Protocol):
    """What takes part in a simulation: an engine behind a socket, or anything that behaves like one."""

    def handle_batch(self, batch: ReceivedBatch, *, now_ns: int) -> None:
        """Datagrams have arrived; the buffer may be kept."""

    def handle_timeout(self, *, now_ns: int) -> None:
        """The deadline has come."""

    def next_deadline_ns(self) -> int | None:
        """When `handle_timeout` is to be called at the latest."""

    def poll_transmit(self, *, now_ns: int) -> Transmit | None:
        """A batch to send; None when there is nothing to send now."""


class SimulationFailure(AssertionError):
    """Something that must not happen did; the message ends with how to see it again."""


class _Journey(NamedTuple):
    """Where a datagram on a link comes from, goes to, and how far it has got."""

    source: Address
    destination: Address
    path: tuple[int, ...]
    hop: int


_Inbox = list[tuple[bytes, Address]]
_Key = tuple[str, int]
_NODE, _LINK, _INBOX, _ACTION = "node", "link", "inbox", "action"


class _Node(Struct):
    """One peer in its place. Its clock runs beside the simulation's, by `clock_offset_ns`."""

    number: int
    peer: Peer
    address: Address
    clock_offset_ns: int
    inbox: _Inbox = field(default_factory=list)
    asleep_until_ns: int = 0


class Simulator:
    """The world: peers by address, links between them, and the time."""

    def __init__(
        self, *, seed: int = 0, replay: str = "", gather_ns: int = 0, trace_max: int = TRACE_MAX
    ) -> None:
        """`replay` is the command that runs this seed again, for messages.

        `gather_ns` is how long a socket gathers what arrives before the peer wakes up: 0 wakes it for each
        datagram, some 100 µs are as a real host does it, and much faster to simulate.
        """
        self.seed = seed
        self.now_ns = 0
        self.trace = Trace(entries_max=trace_max)
        self._replay = replay
        self._gather_ns = gather_ns
        self._agenda: Agenda[_Key] = Agenda()
        self._nodes: list[_Node] = []
        self._here: dict[Address, _Node] = {}
        self._links: list[Link[_Journey]] = []
        self._paths: dict[tuple[int, int], tuple[int, ...]] = {}
        self._pairs = 0
        self._actions: list[Callable[[], None]] = []
        self._events_now = 0

    # --- The topology --------------------------------------------------------------------------------

    def add(self, peer: Peer, address: Address, *, clock_ns: int = 0) -> None:
        """Put a peer at an address; `clock_ns` is what its clock shows now."""
        assert address not in self._here, f"{address} is taken"
        node = _Node(len(self._nodes), peer, address, clock_ns - self.now_ns)
        self._nodes.append(node)
        self._here[address] = node
        self.wake(address)

    def connect(self, client: Address, server: Address, spec: MayhemSpec) -> LinkPair[_Journey]:
        """Join two peers by a pair of links of their own; the seeds follow from the simulation's."""
        pair: LinkPair[_Journey] = LinkPair.of(spec, seed=derive_seed(self.seed, self._pairs), origin_ns=0)
        self._pairs += 1
        self.route(client, server, (pair.outward,))
        self.route(server, client, (pair.inward,))
        return pair

    def route(self, source: Address, destination: Address, links: Sequence[Link[_Journey]]) -> None:
        """Send what goes from one peer to the other through these links; several routes may share one."""
        assert 0 < len(links) <= PATH_MAX, "a path has at least one link, and an end"
        path = tuple(self._number_of(link) for link in links)
        self._paths[self._here[source].number, self._here[destination].number] = path

    def move(self, address: Address, to: Address) -> None:
        """Give a peer another address, as a NAT or a change of network does; nobody is told."""
        assert to not in self._here, f"{to} is taken"
        node = self._here.pop(address)
        node.address = to
        self._here[to] = node

    def replace(self, address: Address, peer: Peer) -> None:
        """Put another peer in the place of one, as a crash and a restart do; its inbox is lost."""
        node = self._here[address]
        node.peer = peer
        node.inbox.clear()
        self.wake(address)

    def suspend(self, address: Address, *, length_ns: int) -> None:
        """Put a peer to sleep: its clock stands still, its timers wait, and what arrives is lost.

        Who sleeps already sleeps until the later of both ends.
        """
        node = self._here[address]
        from_ns = max(node.asleep_until_ns, self.now_ns)
        until_ns = max(node.asleep_until_ns, self.now_ns + length_ns)
        node.asleep_until_ns = until_ns
        node.clock_offset_ns -= until_ns - from_ns
        node.inbox.clear()
        self._agenda.put((_INBOX, node.number), None)
        self._agenda.put((_NODE, node.number), node.asleep_until_ns)

    # --- What happens --------------------------------------------------------------------------------

    def at(self, at_ns: int, action: Callable[[], None]) -> None:
        """Do something at a time: cut a link, move a peer, inject a datagram."""
        self._actions.append(action)
        self._agenda.put((_ACTION, len(self._actions) - 1), max(at_ns, self.now_ns))

    def inject(self, datagram: bytes, *, source: Address, destination: Address) -> None:
        """Let a datagram arrive now, whoever it claims to be from, as a forger does."""
        self._arrive(datagram, source, destination)

    def wake(self, address: Address) -> None:
        """Have a peer asked, as the next event, what it sends and when it is due: after a command to it."""
        node = self._here[address]
        self._agenda.put((_NODE, node.number), max(self.now_ns, node.asleep_until_ns))

    def step(self) -> bool:
        """Jump to the next event and let it happen; False when there is none."""
        due_ns = self._agenda.next_ns()
        if due_ns is None:
            return False
        if due_ns > self.now_ns:
            self.now_ns, self._events_now = due_ns, 0
        for kind, number in self._agenda.pop_due(now_ns=self.now_ns):
            self._events_now += 1
            if self._events_now > EVENTS_AT_ONE_INSTANT_MAX:
                raise self.failure(f"time stands still: {self._events_now} events at one instant")
            if kind == _LINK:
                self._forward(number)
            elif kind == _INBOX:
                self._deliver(self._nodes[number])
            elif kind == _NODE:
                self._time_out(self._nodes[number])
            else:
                self.trace.add(TraceEntry(self.now_ns, Happening.ACTION, f"action {number}"))
                self._actions[number]()
        return True

    def run(self, *, until_ns: int) -> None:
        """Let everything happen up to a time; the clock stands there afterwards."""
        while (due_ns := self._agenda.next_ns()) is not None and due_ns <= until_ns:
            self.step()
        self.now_ns = max(self.now_ns, until_ns)

    def run_until(self, condition: Callable[[], bool], *, within_ns: int) -> None:
        """Let things happen until the condition holds; a `SimulationFailure` when it does not in time."""
        end_ns = self.now_ns + within_ns
        while not condition():
            due_ns = self._agenda.next_ns()
            if due_ns is None:
                raise self.failure("nothing is left to happen, and what was waited for has not")
            if due_ns > end_ns:
                raise self.failure(f"what was waited for has not happened within {within_ns / SECOND:g} s")
            self.step()

    def failure(self, sentence: str) -> SimulationFailure:
        """The failure to raise: the sentence, the seed, how to replay it, and what happened last."""
        replay = f"\nreplay it with: {self._replay}" if self._replay else ""
        return SimulationFailure(
            f"{sentence} (seed {self.seed}, at {self.now_ns / SECOND:.6f} s of virtual time){replay}"
            f"\n{self._summary()}\n{self.trace.tail()}"
        )

    def _summary(self) -> str:
        return "\n".join(f"link {number}: {link.counts}" for number, link in enumerate(self._links))

    def _number_of(self, link: Link[_Journey]) -> int:
        for number, known in enumerate(self._links):
            if known is link:
                return number
        self._links.append(link)
        return len(self._links) - 1

    def _time_out(self, node: _Node) -> None:
        if node.asleep_until_ns > self.now_ns:
            return  # suspended at this very instant; woken when that ends
        now_ns = self.now_ns + node.clock_offset_ns
        deadline_ns = node.peer.next_deadline_ns()
        if deadline_ns is not None and deadline_ns <= now_ns:
            self._note(node, Happening.TIMER)
            node.peer.handle_timeout(now_ns=now_ns)
        self._poll(node)

    def _poll(self, node: _Node) -> None:
        """Take what a peer sends now, then its deadline."""
        now_ns = self.now_ns + node.clock_offset_ns
        for _ in range(BATCHES_AT_ONCE_MAX):
            batch = node.peer.poll_transmit(now_ns=now_ns)
            if batch is None:
                break
            self._send(node, batch)
        else:
            raise self.failure(f"{node.address} does not stop sending")
        deadline_ns = node.peer.next_deadline_ns()
        if deadline_ns is not None:
            deadline_ns = max(deadline_ns - node.clock_offset_ns, self.now_ns)
        self._agenda.put((_NODE, node.number), deadline_ns)

    def _send(self, node: _Node, batch: Transmit) -> None:
        datagrams = split(batch.buffer, segment_bytes=batch.segment_bytes, total_bytes=batch.total_bytes)
        target = self._here.get(batch.address)
        path = self._paths.get((node.number, target.number)) if target else None
        if path is None:
            self._note(node, Happening.NOWHERE, batch.address, len(datagrams), batch.total_bytes)
            return
        self._note(node, Happening.SENT, batch.address, len(datagrams), batch.total_bytes)
        journey = _Journey(node.address, batch.address, path, 0)
        self._links[path[0]].push_batch(datagrams, now_ns=self.now_ns, tag=journey)
        self._agenda.put((_LINK, path[0]), self._links[path[0]].next_due_ns())

    def _forward(self, number: int) -> None:
        """What has come through one link goes on to the next, or arrives."""
        for datagram, journey in self._links[number].pop_due_tagged(now_ns=self.now_ns):
            hop = journey.hop + 1
            if hop == len(journey.path):
                self._arrive(datagram, journey.source, journey.destination)
                continue
            following = self._links[journey.path[hop]]
            following.push(datagram, now_ns=self.now_ns, tag=journey._replace(hop=hop))
            self._agenda.put((_LINK, journey.path[hop]), following.next_due_ns())
        self._agenda.put((_LINK, number), self._links[number].next_due_ns())

    def _arrive(self, datagram: bytes, source: Address, destination: Address) -> None:
        """Into the inbox of whoever has that address by now."""
        node = self._here.get(destination)
        if node is None:
            self.trace.add(TraceEntry(self.now_ns, Happening.NOWHERE, source, destination, 1, len(datagram)))
        elif node.asleep_until_ns > self.now_ns:
            self._note(node, Happening.ASLEEP, source, 1, len(datagram))
        else:
            if not node.inbox:
                self._agenda.put((_INBOX, node.number), self.now_ns + self._gather_ns)
            node.inbox.append((datagram, source))

    def _deliver(self, node: _Node) -> None:
        inbox, node.inbox = node.inbox, []
        now_ns = self.now_ns + node.clock_offset_ns
        for batch in join(inbox):
            size = len(batch.data)
            self._note(node, Happening.ARRIVED, batch.tag, -(-size // batch.segment_bytes), size)
            received = ReceivedBatch(batch.data, batch.segment_bytes, size, batch.tag)
            node.peer.handle_batch(received, now_ns=now_ns)
        self._poll(node)

    def _note(
        self,
        node: _Node,
        happening: Happening,
        other: Address | None = None,
        datagrams: int = 0,
        size: int = 0,
    ) -> None:
        self.trace.add(TraceEntry(self.now_ns, happening, node.address, other, datagrams, size))
