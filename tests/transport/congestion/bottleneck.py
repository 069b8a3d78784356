"""A small, deterministic model of a bottleneck with senders on both sides of every kind of trouble.

Virtual time, bursts as events, one generator of chance for a whole run. `Link` says what the path is,
`Simulation` runs flows (`sender`) over it. It stands for the engine where only congestion control is
of interest: whoever wants bytes on a wire takes the simulator of `mayhem_udp.mayhem`.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

from mayhem_udp.units import MS, SECOND

HEADER_BYTES = 28
"""IPv4 and UDP: what a datagram has on the link beyond its payload."""
BITS_A_SECOND = 8 * SECOND


@dataclass(frozen=True, slots=True)
class Link:
    """One path, in the direction of the data; times in nanoseconds. `queue_bdp` counts round trips."""

    rate_bps: float
    round_trip_ns: int
    queue_bdp: float = 1.0
    queue_bytes: int = 0
    loss: float = 0.0
    ack_loss: float = -1.0
    loss_after_queue: float = 0.0
    burst: float = 1.0
    jitter_ns: int = 0
    corrupt: float = 0.0
    other_rate_bps: float = 0.0
    """The rate changes between both, every `change_ns`."""
    change_ns: int = 0
    away_every_ns: int = 0
    """Once in so long the link goes away ..."""
    away_ns: int = 0
    """... for so long, at the end of each period."""

    pause_share: float = 0.0
    """Part of the time in which either host's program does not run, independently, ..."""
    pause_min_ns: int = 5 * MS
    pause_max_ns: int = 30 * MS
    """... each time for so long."""

    @property
    def queue_limit_bytes(self) -> float:
        """What the queue holds."""
        return self.queue_bytes or self.queue_bdp * self.rate_bps * self.round_trip_ns / BITS_A_SECOND

    @property
    def back_loss(self) -> float:
        """Loss of ACKs: that of the data unless it is given."""
        return self.loss + self.loss_after_queue if self.ack_loss < 0 else self.ack_loss

    def is_away(self, now_ns: int) -> bool:
        """Whether the link carries nothing now."""
        every = self.away_every_ns
        return every > 0 and now_ns % every >= every - self.away_ns

    def capacity_bytes(self, start_ns: int, stop_ns: int) -> float:
        """What the link could have carried."""
        step, carried, now_ns = 1 * MS, 0.0, start_ns
        while now_ns < stop_ns:
            if not self.is_away(now_ns):
                carried += self.rate_at(now_ns) * step / BITS_A_SECOND
            now_ns += step
        return carried * (1 - self.loss) * (1 - self.loss_after_queue) * (1 - self.corrupt)

    def rate_at(self, now_ns: int) -> float:
        """The rate in force."""
        if self.change_ns and now_ns // self.change_ns % 2:
            return self.other_rate_bps
        return self.rate_bps


class Queue:
    """The rate and the finite queue that all flows share; drops at its tail."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._free_ns = 0.0
        self._waiting: deque[tuple[float, int]] = deque()
        self._bytes = 0
        self.dropped = 0

    def delay_ns(self, now_ns: int) -> float:
        """How long a datagram waits that comes now."""
        return max(self._free_ns - now_ns, 0.0)

    def admit(self, size: int, now_ns: int) -> float | None:
        """When a datagram that comes now has left; None if there is no room."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= now_ns:
            self._bytes -= waiting.popleft()[1]
        size += HEADER_BYTES
        if self._bytes > self._link.queue_limit_bytes:
            self.dropped += 1
            return None
        start = self._free_ns if self._free_ns > now_ns else float(now_ns)
        self._free_ns = self._left_ns(start, size)
        self._bytes += size
        waiting.append((self._free_ns, size))
        return self._free_ns

    def _left_ns(self, start: float, size: int) -> float:
        link = self._link
        if not link.change_ns:
            return start + size * BITS_A_SECOND / link.rate_bps
        bits = size * 8.0
        while True:
            rate = link.rate_at(int(start))
            left_ns = link.change_ns - start % link.change_ns
            if bits * SECOND / rate <= left_ns:
                return start + bits * SECOND / rate
            bits -= left_ns * rate / SECOND
            start += left_ns + 1


class Losses:
    """Random loss with a mean and a mean length of its bursts (Gilbert-Elliott)."""

    def __init__(self, rng: Random, share: float, burst: float) -> None:
        self._random = rng.random
        self._share = share
        self._leave = 1 / burst
        self._enter = share / (1 - share) / burst if share else 0.0
        self._bursty = burst > 1
        self._inside = False

    def strikes(self) -> bool:
        """Whether the next one is lost."""
        if not self._share:
            return False
        if not self._bursty:
            return self._random() < self._share
        if self._inside:
            self._inside = self._random() >= self._leave
        else:
            self._inside = self._random() < self._enter
        return self._inside


class Pauses:
    """A host that is busy with something else from time to time."""

    def __init__(self, rng: Random, link: Link) -> None:
        self._rng = rng
        self._link = link
        self._start_ns = self._stop_ns = 0

    def over_ns(self, now_ns: int) -> int:
        """When the program runs: now, or at the end of the pause."""
        link, rng = self._link, self._rng
        if not link.pause_share:
            return now_ns
        while self._stop_ns <= now_ns:
            length_ns = rng.randint(link.pause_min_ns, link.pause_max_ns)
            run_ns = length_ns * (1 - link.pause_share) / link.pause_share
            self._start_ns = self._stop_ns + int(run_ns)
            self._stop_ns = self._start_ns + length_ns
        return self._stop_ns if now_ns >= self._start_ns else now_ns


@dataclass(slots=True)
class Simulation:
    """Virtual time, the link, and whoever uses it."""

    link: Link
    seed: int = 1
    now_ns: int = 0
    queue: Queue = field(init=False)
    rng: Random = field(init=False)
    before: Losses = field(init=False)
    after: Losses = field(init=False)
    back: Losses = field(init=False)
    _heap: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = field(default_factory=list)
    _turn: int = 0

    def __post_init__(self) -> None:
        link = self.link
        self.rng = Random(self.seed)
        self.queue = Queue(link)
        self.before = Losses(self.rng, link.loss, link.burst)
        self.after = Losses(self.rng, link.loss_after_queue, link.burst)
        self.back = Losses(self.rng, link.back_loss, 1.0)

    def at(self, when_ns: float, act: Callable[..., None], *args: object) -> None:
        """Do something later."""
        self._turn += 1
        heappush(self._heap, (int(when_ns), self._turn, act, args))

    def run(self, *, until_ns: int) -> None:
        """Let time pass."""
        heap = self._heap
        while heap and heap[0][0] <= until_ns:
            self.now_ns, _, act, args = heappop(heap)
            act(*args)
        self.now_ns = until_ns

    def cross(self, size: int) -> float | None:
        """When a datagram sent now has passed the bottleneck; None if it does not."""
        if self.link.away_every_ns and self.link.is_away(self.now_ns):
            return None
        if self.before.strikes():
            return None
        left_ns = self.queue.admit(size, self.now_ns)
        return None if left_ns is None or self.after.strikes() else left_ns

    def jitter_ns(self) -> float:
        """What a datagram is late by, on one way."""
        return self.rng.random() * self.link.jitter_ns
