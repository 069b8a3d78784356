"""A sender with its receiver, as far as congestion control can tell it from the engine.

Loss by packet and time thresholds that adapt to reordering, probe timeouts, delivery rate samples in
runs, pacing, ACKs some times in a round trip: the engine's own rules (`mayhem_udp.transport`), in the
smallest form. What is lost is sent again as a new datagram, so a bulk flow always has something.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from bottleneck import Pauses, Simulation

from mayhem_udp.transport.congestion.base import AckSample, CongestionController
from mayhem_udp.transport.pacing import Pacer
from mayhem_udp.units import MS, SECOND

IN_FLIGHT, ACKED, LOST = 0, 1, 2
PTO_MAX_NS = 2 * SECOND
ACK_DELAY_MAX_NS = 25 * MS
PERSISTENT_PROBES = 3


class Run:
    """A burst, with the state of delivery when it left."""

    __slots__ = (
        "app_limited", "delivered", "delivered_ns", "first_sent_ns", "in_flight", "lost", "sent", "sent_before",
        "sent_ns",
    )  # fmt: skip


@dataclass(slots=True)
class Receiver:
    """Remembers arrivals in their order, so that a later ACK says what a lost one would have."""

    log: list[int] = field(default_factory=list)
    largest: int = -1
    largest_ns: int = 0
    waiting: int = 0
    timer_ns: int = 0
    every: int = 2
    delay_ns: int = 1 * MS
    corrupt: int = 0


class Flow:
    """One bulk transfer."""

    def __init__(
        self,
        simulation: Simulation,
        make: Callable[[int], CongestionController],
        *,
        round_trip_ns: int = 0,
        start_ns: int = 0,
        datagram_bytes: int = 1_472,
        app_rate_bps: Callable[[int], float] | None = None,
        fixed_rhythm: int = 0,
        watch: Callable[["Flow"], None] | None = None,
    ) -> None:
        self.simulation = simulation
        self.one_way_ns = (round_trip_ns or simulation.link.round_trip_ns) // 2
        self.size = datagram_bytes
        self.receiver = Receiver()
        self._pauses_here = Pauses(simulation.rng, simulation.link)
        self._pauses_there = Pauses(simulation.rng, simulation.link)
        self.controller: CongestionController
        self.pacer: Pacer
        self.in_flight = 0
        self.delivered = 0
        self.lost = 0
        self.sent = 0
        self.repeated = 0
        """Datagrams that arrived though they had been declared lost."""
        self._make = make
        self._app_rate_bps = app_rate_bps
        self._app_bytes = 0.0
        self._app_ns = start_ns
        self._app_limited_until = 0
        self._fixed_rhythm = fixed_rhythm
        self._watch = watch
        self._status = bytearray()
        self._runs: list[Run] = []
        self._front = 0
        self._largest_acked = -1
        self._taken = 0
        self._corrupt_taken = 0
        self._threshold = 3
        self._reordering_ns = 0
        self._delivered_ns = self._first_sent_ns = self._first_sent_before = 0
        self.rtt_min_ns = 0
        self.srtt_ns = 0
        self._rtt_var_ns = 0
        self._probes = 0
        self._last_sent_ns = 0
        self._timer_ns = 0
        self._wake_ns = -1
        simulation.at(start_ns, self._start)

    # --- Sending -----------------------------------------------------------------------------------

    def _start(self) -> None:
        now_ns = self.simulation.now_ns
        self.controller = self._make(now_ns)
        self.pacer = Pacer(now_ns=now_ns)
        self._send()

    def _is_paused(self, pauses: Pauses, act: Callable[..., None], *args: object) -> bool:
        """Whether the program at that end does not run now; then the same happens when it does."""
        over_ns = pauses.over_ns(self.simulation.now_ns)
        if over_ns == self.simulation.now_ns:
            return False
        self.simulation.at(over_ns, act, *args)
        return True

    def _wake(self, armed_ns: int) -> None:
        if self._is_paused(self._pauses_here, self._wake, armed_ns):
            return
        if armed_ns == self._wake_ns:  # else an earlier one has taken its place
            self._wake_ns = -1
            self._send()

    def _send(self) -> None:
        now_ns, size, controller, pacer = self.simulation.now_ns, self.size, self.controller, self.pacer
        while True:
            room = controller.window_bytes - self.in_flight
            if room < size and self.in_flight:
                return
            pacer.set_rate(
                rate_bps=controller.pacing_rate_bps,
                quantum_bytes=controller.send_quantum_bytes,
                now_ns=now_ns,
            )
            next_ns = pacer.next_send_ns(size)
            if next_ns > now_ns:
                self._wake_at(next_ns)
                return
            ready = self._ready()
            if ready < size:
                self._app_limited_until = max(self.delivered + self.in_flight, 1)
                controller.on_app_limited(now_ns=now_ns)
                self._wake_at(now_ns + 1 * MS)
                return
            count = max(int(min(room, pacer.budget_bytes(now_ns=now_ns), ready)) // size, 1)
            self._burst(min(count, self._fixed_rhythm) if self._fixed_rhythm else count)

    def _ready(self) -> float:
        if self._app_rate_bps is None:
            return 1e12
        now_ns = self.simulation.now_ns
        self._app_bytes += self._app_rate_bps(now_ns) * (now_ns - self._app_ns) / 8 / SECOND
        self._app_ns = now_ns
        return self._app_bytes

    def _wake_at(self, when_ns: int) -> None:
        if self._wake_ns < 0 or when_ns < self._wake_ns:
            self._wake_ns = when_ns
            self.simulation.at(when_ns, self._wake, when_ns)

    def _burst(self, count: int) -> None:
        simulation = self.simulation
        now_ns, size = simulation.now_ns, self.size
        first = len(self._status)
        self._enter(count)
        arrived: list[int] = []
        last_ns = 0.0
        link = simulation.link
        for number in range(first, first + count):
            left_ns = simulation.cross(size)
            if left_ns is None:
                continue
            if link.corrupt and simulation.rng.random() < link.corrupt:
                simulation.at(left_ns + self.one_way_ns, self._damaged)
            elif link.jitter_ns:
                simulation.at(left_ns + self.one_way_ns + simulation.jitter_ns(), self._arrive, [number])
            else:
                arrived.append(number)
                last_ns = left_ns
        if arrived:
            simulation.at(last_ns + self.one_way_ns, self._arrive, arrived)
        self._last_sent_ns = now_ns
        self._arm()

    def _enter(self, count: int) -> None:
        """What `delivery` and `ledger` do with a burst."""
        now_ns, nbytes = self.simulation.now_ns, count * self.size
        before = self.in_flight
        if before == 0:
            self._first_sent_ns = self._delivered_ns = now_ns
            self._first_sent_before = self.sent
        self.sent += nbytes
        run = Run()
        run.sent_ns = now_ns
        run.delivered, run.delivered_ns, run.first_sent_ns = (
            self.delivered,
            self._delivered_ns,
            self._first_sent_ns,
        )
        run.sent_before, run.sent, run.lost = self._first_sent_before, self.sent, self.lost
        run.in_flight = before + nbytes
        run.app_limited = self._app_limited_until > 0
        self._status.extend(bytes(count))
        self._runs += [run] * count
        self.in_flight += nbytes
        self._app_bytes -= nbytes
        self.controller.on_sent(now_ns=now_ns, sent_bytes=nbytes, in_flight_bytes=before)
        self.pacer.on_sent(nbytes, now_ns=now_ns)

    # --- Receiving ---------------------------------------------------------------------------------

    def _damaged(self) -> None:
        self.receiver.corrupt += 1

    def _arrive(self, numbers: list[int]) -> None:
        if self._is_paused(self._pauses_there, self._arrive, numbers):
            return
        receiver, now_ns = self.receiver, self.simulation.now_ns
        receiver.log += numbers
        if numbers[-1] > receiver.largest:
            receiver.largest, receiver.largest_ns = numbers[-1], now_ns
        receiver.waiting += len(numbers)
        if receiver.waiting >= receiver.every:
            self._acknowledge()
        elif not receiver.timer_ns:
            receiver.timer_ns = now_ns + receiver.delay_ns
            self.simulation.at(receiver.timer_ns, self._ack_timer, receiver.timer_ns)

    def _ack_timer(self, armed_ns: int) -> None:
        if self.receiver.timer_ns == armed_ns and self.receiver.waiting:
            self._acknowledge()

    def _acknowledge(self) -> None:
        receiver, simulation = self.receiver, self.simulation
        receiver.waiting = receiver.timer_ns = 0
        if simulation.back.strikes() or simulation.link.is_away(simulation.now_ns):
            return
        delay_ns = simulation.now_ns - receiver.largest_ns
        simulation.at(
            simulation.now_ns + self.one_way_ns + simulation.jitter_ns(),
            self._on_ack, len(receiver.log), receiver.largest, delay_ns, receiver.corrupt,
        )  # fmt: skip

    # --- Acknowledgement ---------------------------------------------------------------------------

    def _on_ack(self, taken: int, largest: int, delay_ns: int, corrupt: int) -> None:
        if self._is_paused(self._pauses_here, self._on_ack, taken, largest, delay_ns, corrupt):
            return
        if taken <= self._taken:
            return
        numbers = self.receiver.log[self._taken : taken]
        self._taken = taken
        now_ns, prior = self.simulation.now_ns, self.in_flight
        self._probes = 0
        rtt_ns = None
        if largest > self._largest_acked:
            self._largest_acked = largest
            if largest in numbers:
                rtt_ns = self._rtt(now_ns - self._runs[largest].sent_ns, delay_ns)
        status = self._status
        for number in numbers:
            if status[number] == LOST:
                self._spurious(number)
            else:
                self.in_flight -= self.size
            status[number] = ACKED
        newest = self._runs[max(numbers)]
        acked = len(numbers) * self.size
        self.delivered += acked
        self._delivered_ns, self._first_sent_ns = now_ns, newest.sent_ns
        self._first_sent_before = newest.sent
        if self._app_limited_until and self.delivered > self._app_limited_until:
            self._app_limited_until = 0
        lost = self._detect()
        self._report(acked, lost, rtt_ns, prior, newest, corrupt - self._corrupt_taken)
        self._corrupt_taken = corrupt
        self._rhythm()
        self._arm()
        self._send()
        if self._watch is not None:
            self._watch(self)

    def _rtt(self, rtt_ns: int, delay_ns: int) -> int:
        if not self.rtt_min_ns or rtt_ns < self.rtt_min_ns:
            self.rtt_min_ns = rtt_ns
            if not self._fixed_rhythm:
                self.pacer.on_round_trip(rtt_ns)
        delay_ns = min(delay_ns, ACK_DELAY_MAX_NS)
        adjusted = rtt_ns - delay_ns if rtt_ns >= self.rtt_min_ns + delay_ns else rtt_ns
        if not self.srtt_ns:
            self.srtt_ns, self._rtt_var_ns = adjusted, adjusted // 2
        self._rtt_var_ns = (3 * self._rtt_var_ns + abs(self.srtt_ns - adjusted)) // 4
        self.srtt_ns = (7 * self.srtt_ns + adjusted) // 8
        return adjusted

    def _spurious(self, number: int) -> None:
        self.repeated += 1
        self.lost -= self.size
        self._threshold = max(self._threshold, min(self._largest_acked - number + 2, 20_000))
        late_ns = self.simulation.now_ns - self._runs[number].sent_ns - self.srtt_ns * 9 // 8
        self._reordering_ns = min(max(self._reordering_ns, late_ns), self.srtt_ns)

    def _detect(self) -> int:
        """Declare losses; returns their bytes."""
        status, runs, now_ns = self._status, self._runs, self.simulation.now_ns
        wait_ns = max(self.srtt_ns * 9 // 8, 1 * MS) + self._reordering_ns
        by_count = self._largest_acked - self._threshold + 1
        front, lost = self._front, 0
        while front < self._largest_acked:
            if status[front] == IN_FLIGHT:
                if front >= by_count and runs[front].sent_ns + wait_ns > now_ns:
                    break
                status[front] = LOST
                lost += self.size
            front += 1
        self._front = front
        self.in_flight -= lost
        self.lost += lost
        return lost

    def _report(
        self, acked: int, lost: int, rtt_ns: int | None, prior: int, run: Run | None, corrupt: int
    ) -> None:
        now_ns = self.simulation.now_ns
        interval_ns = max(run.sent_ns - run.first_sent_ns, now_ns - run.delivered_ns) if run else 0
        self.controller.on_ack(
            AckSample(
                now_ns=now_ns,
                acked_bytes=acked,
                lost_bytes=lost,
                acked_packets=acked // self.size,
                lost_packets=lost // self.size,
                rtt_ns=rtt_ns,
                rtt_min_ns=self.rtt_min_ns,
                rtt_smoothed_ns=self.srtt_ns,
                in_flight_bytes=self.in_flight,
                prior_in_flight_bytes=prior,
                delivered_bytes=self.delivered,
                lost_total_bytes=self.lost,
                rate_interval_ns=interval_ns,
                rate_delivered_bytes=self.delivered - run.delivered if run else 0,
                rate_sent_bytes=run.sent - run.sent_before if run else 0,
                rate_prior_delivered_bytes=run.delivered if run else 0,
                rate_is_app_limited=run.app_limited if run else False,
                rate_tx_in_flight_bytes=run.in_flight if run else 0,
                rate_lost_bytes=self.lost - run.lost if run else 0,
                corrupt_packets=corrupt,
            )
        )

    def _rhythm(self) -> None:
        """Eight ACKs in a round trip, or as often as a TCP would."""
        if self._fixed_rhythm:
            self.receiver.every, self.receiver.delay_ns = self._fixed_rhythm, 40 * MS
            return
        self.receiver.every = max(self.controller.window_bytes // self.size // 8, 2)
        self.receiver.delay_ns = min(max(self.rtt_min_ns // 8, 1 * MS), ACK_DELAY_MAX_NS)

    # --- Time --------------------------------------------------------------------------------------

    def _arm(self) -> None:
        deadline_ns = self._deadline_ns()
        if deadline_ns and (not self._timer_ns or deadline_ns < self._timer_ns):
            self._timer_ns = deadline_ns
            self.simulation.at(deadline_ns, self._on_timer, deadline_ns)

    def _deadline_ns(self) -> int:
        if not self.in_flight:
            return 0
        if self._front < self._largest_acked:
            wait_ns = max(self.srtt_ns * 9 // 8, 1 * MS) + self._reordering_ns
            return max(self._runs[self._front].sent_ns + wait_ns, self.simulation.now_ns + 1)
        if not self.srtt_ns:
            return self._last_sent_ns + (1 * SECOND << min(self._probes, 4))
        base_ns = self.srtt_ns + max(4 * self._rtt_var_ns, 1 * MS) + ACK_DELAY_MAX_NS
        return self._last_sent_ns + min(base_ns << min(self._probes, 16), max(PTO_MAX_NS, 3 * self.srtt_ns))

    def _on_timer(self, armed_ns: int) -> None:
        if self._timer_ns != armed_ns or self._is_paused(self._pauses_here, self._on_timer, armed_ns):
            return
        self._timer_ns = 0
        now_ns, deadline_ns = self.simulation.now_ns, self._deadline_ns()
        if not deadline_ns or deadline_ns > now_ns + 1:
            self._arm()
            return
        if self._front < self._largest_acked:
            prior, lost = self.in_flight, self._detect()
            if lost:
                self._report(0, lost, None, prior, None, 0)
                self._send()
        else:
            self._probes += 1
            if self._probes == PERSISTENT_PROBES:
                self.controller.on_persistent_congestion(now_ns=now_ns)
            self._burst(2)
        self._arm()
