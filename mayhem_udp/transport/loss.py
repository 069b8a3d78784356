"""What counts as lost, and when to probe.

Packet and time thresholds and probe timeouts after RFC 9002 section 6; both thresholds adapt to
reordering as RFC 8985 (RACK) does, from losses that turned out to be none.
Owns the thresholds and the count of unanswered probes. Never repeats anything itself.
"""

from typing import Final

from mayhem_udp.transport.ledger import Ledger, Run
from mayhem_udp.transport.rtt import GRANULARITY_NS, RoundTrip
from mayhem_udp.transport.timers import NEVER
from mayhem_udp.units import MS

PACKET_THRESHOLD: Final = 3
"""RFC 9002 section 6.1.1."""
PACKET_THRESHOLD_MAX: Final = 20_000
TIME_NUMERATOR, TIME_DENOMINATOR = 9, 8
"""RFC 9002 section 6.1.2: 9/8 of a round trip."""
REORDERING_MAX_ROUND_TRIPS: Final = 1
"""The allowance for reordering grows up to one smoothed round trip (RFC 8985 section 6.2)."""
PROBE_STEPS: Final = 3
"""Into so many steps each probe timeout after the first is divided, with a probe at each. RFC 9002 section 6.2.4 has
two datagrams at the timeout; apart, each has an answer of its own, and a burst of losses rarely takes both."""
OPENING_STEPS: Final = 4
"""Into so many steps a probe timeout is divided while there is no round trip yet. It is a second long then, since nothing
is known of the path (RFC 8961 section 4); but at 20 % loss each way one opening in three loses its first question or the
answer, and what is repeated is little: ..."""
OPENING_PROBES: Final = 10
"""... so many datagrams, as many as RFC 9002 section 7.2 sends at once to a path that it does not know. From then on one
each timeout."""
PATIENT_TIMEOUTS: Final = 6
PATIENT_PROBES: Final = PATIENT_TIMEOUTS * PROBE_STEPS
"""So many steps, those of so many timeouts, are equally long, only the later ones double. At 50 % loss each way a timeout's
probes and their ACK are lost five times in eight, and doubling from the first on would wait longer and longer for
nothing (Linux does the same for thin TCP streams, `tcp_thin_linear_timeouts`)."""
PERSISTENT_PROBES: Final = 1 + PATIENT_PROBES
"""So many unanswered count as persistent congestion: as long as the three timeouts of RFC 9002 section 7.6.1,
1 + 2 + 4."""
TIME_FLOOR_NS: Final = 1 * MS


class LossDetector:
    """Decides for one path."""

    __slots__ = ("_reordering_ns", "_threshold", "largest_acked", "probes", "spurious_packets")

    def __init__(self) -> None:
        self.largest_acked = -1
        self.probes = 0
        """Probe timeouts since the last acknowledgement."""
        self.spurious_packets = 0
        self._threshold = PACKET_THRESHOLD
        self._reordering_ns = 0

    def detect(self, ledger: Ledger, rtt: RoundTrip, *, now_ns: int) -> tuple[list[Run], int]:
        """Runs that are lost as of now (moved to the ledger's lost ones), and when to look again."""
        lost: list[Run] = []
        delay_ns = self._delay_ns(rtt)
        by_count = self.largest_acked - self._threshold + 1  # numbers below it are lost
        flight = ledger.flight
        while flight.runs:
            run = flight.runs[0]
            if run.first > self.largest_acked:
                return lost, NEVER
            if run.sent_ns + delay_ns <= now_ns:
                stop = min(run.stop, self.largest_acked)
            elif run.first < by_count:
                stop = min(run.stop, by_count)
            else:
                return lost, run.sent_ns + delay_ns
            lost += ledger.declare_lost(run.first, stop)
        return lost, NEVER

    def on_spurious(self, run: Run, rtt: RoundTrip, *, now_ns: int) -> None:
        """A run that was declared lost has arrived: reordering, or a duplicate network path.

        Both thresholds grow to what would have spared it.
        """
        self.spurious_packets += run.count
        distance = self.largest_acked - run.first + 1
        self._threshold = max(self._threshold, min(distance + 1, PACKET_THRESHOLD_MAX))
        late_ns = now_ns - run.sent_ns - rtt.smoothed_ns * TIME_NUMERATOR // TIME_DENOMINATOR
        ceiling_ns = REORDERING_MAX_ROUND_TRIPS * rtt.smoothed_ns
        self._reordering_ns = min(max(self._reordering_ns, late_ns), ceiling_ns)

    def probe_deadline_ns(self, ledger: Ledger, rtt: RoundTrip, *, ack_delay_max_ns: int) -> int:
        """When to probe: some time after the last datagram that wants an answer.

        Probes for a larger size do not count while others are in flight: they come every other round trip, which
        is less than a timeout, and would put off the others' for as long as the search goes on.
        """
        runs = ledger.flight.runs
        if not runs:
            return NEVER
        last = runs[-1]
        if last.probe_bytes:
            last = next((run for run in reversed(runs) if not run.probe_bytes), last)
        if not rtt.samples:
            wait_ns = rtt.pto_ns(ack_delay_max_ns=ack_delay_max_ns, backoff=0)
            return last.sent_ns + (wait_ns // OPENING_STEPS if self.probes < OPENING_PROBES else wait_ns)
        backoff = max(self.probes - PATIENT_PROBES, 0)
        wait_ns = rtt.pto_ns(ack_delay_max_ns=ack_delay_max_ns, backoff=backoff)
        if 0 < self.probes <= PATIENT_PROBES:
            wait_ns //= PROBE_STEPS
        return last.sent_ns + wait_ns

    def _delay_ns(self, rtt: RoundTrip) -> int:
        base = max(rtt.latest_ns, rtt.smoothed_ns) * TIME_NUMERATOR // TIME_DENOMINATOR
        return max(base, GRANULARITY_NS) + self._reordering_ns
