"""From an ACK frame, or from time passing, to outcomes: what arrived, what was lost, how fast.

Wires the ledger, the loss detector, the round trip, the delivery counters and the congestion
controller of a path. Returns outcomes; who owns the bytes is told by `connection`. Never sends.
"""

from typing import Final

from msgspec import Struct

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.limits import ACK_PAIRS_MAX
from mayhem_udp.transport.congestion.base import AckSample
from mayhem_udp.transport.ledger import UNSENT, Ledger, Run
from mayhem_udp.transport.path import Path
from mayhem_udp.transport.timers import NEVER
from mayhem_udp.units import US
from mayhem_udp.wire.ack_ranges import ranges_of_ack
from mayhem_udp.wire.frames import Ack

CORRUPT_JUMP_MAX: Final = 1 << 31
"""The count of damaged datagrams is 32 bits wide: more ahead than half of that is behind."""
REPEAT_DELAYS: Final = 2
"""An ACK that has waited for so many times the peer's longest delay is one that was lost, and is said again."""
LOST_KEPT_ROUND_TRIPS: Final = 3
"""How long something declared lost may still turn out to have arrived."""


class Outcome(Struct, frozen=True):
    """What became of runs in flight. `spurious` were declared lost before, and arrived after all."""

    acked: list[Run]
    lost: list[Run]
    spurious: list[Run]


NOTHING = Outcome([], [], [])


class Recovery:
    """The sender's half of acknowledgement, for one connection."""

    __slots__ = ("_ack_delay_max_ns", "_corrupt_seen", "ledger", "loss_deadline_ns")

    def __init__(self, *, ack_delay_max_ns: int) -> None:
        self.ledger = Ledger()
        self.loss_deadline_ns = NEVER
        self._ack_delay_max_ns = ack_delay_max_ns
        self._corrupt_seen = 0

    def on_peer_delay(self, ack_delay_max_ns: int) -> None:
        """The longest that the peer waits with an ACK."""
        self._ack_delay_max_ns = ack_delay_max_ns

    def on_ack(self, ack: Ack, path: Path, *, now_ns: int) -> Outcome:
        """Take an ACK. Raises `PeerError` when it names what was never sent."""
        ledger = self.ledger
        ranges = self._checked(ack)
        prior_bytes = ledger.in_flight_bytes
        acked: list[Run] = []
        spurious: list[Run] = []
        for start, stop in ranges:
            acked += ledger.acknowledge(start, stop)
            spurious += ledger.acknowledge_lost(start, stop)
        if not acked and not spurious and ack.largest <= path.loss.largest_acked:
            return NOTHING
        largest = max(ack.largest, path.loss.largest_acked)
        path.loss.largest_acked = largest
        path.loss.probes = 0
        rtt_ns = self._sample_rtt(ack, acked, path, now_ns=now_ns)
        for run in spurious:
            path.loss.on_spurious(run, path.rtt, now_ns=now_ns)
            if run.first >= path.first_number and not run.probe_bytes:
                path.delivery.lost_bytes -= run.wire_bytes
        lost, self.loss_deadline_ns = path.loss.detect(ledger, path.rtt, now_ns=now_ns)
        if not acked and not spurious and not lost:  # it named what asks for no answer, and nothing follows
            return NOTHING
        corrupt = self._new_corrupt(ack)
        ledger.forget_lost_before(now_ns - LOST_KEPT_ROUND_TRIPS * path.rtt.smoothed_ns)
        self._report(
            path,
            acked=acked + spurious,
            lost=lost,
            rtt_ns=rtt_ns,
            prior_bytes=prior_bytes,
            corrupt=corrupt,
            now_ns=now_ns,
        )
        return Outcome(acked, lost, spurious)

    def _checked(self, ack: Ack) -> list[tuple[int, int]]:
        """The ranges of an ACK that an honest peer can have sent; raises `PeerError` for others."""
        if len(ack.pairs) > 2 * ACK_PAIRS_MAX:
            raise PeerError("an ACK names more ranges than fit in one", code=Code.LIMIT_EXCEEDED)
        if ack.largest >= self.ledger.next_number:
            raise PeerError("an ACK names a datagram that was never sent", code=Code.BAD_ACK)
        ranges = ranges_of_ack(ack)
        if not ranges or ranges[0][1] != ack.largest + 1:
            raise PeerError("an ACK does not name its largest number", code=Code.BAD_ACK)
        if ranges[-1][0] < self.ledger.first_number:
            raise PeerError("an ACK names a datagram that was never sent", code=Code.BAD_ACK)
        skipped = self.ledger.skipped
        if skipped and any(True for start, stop in ranges for _ in skipped.overlap(start, stop)):
            raise PeerError("an ACK names a number that was skipped", code=Code.BAD_ACK)
        return ranges

    def _new_corrupt(self, ack: Ack) -> int:
        """How many more arrived damaged than was known; none where a later ACK has come first."""
        new = (ack.corrupt - self._corrupt_seen) & 0xFFFFFFFF
        if new > CORRUPT_JUMP_MAX:
            return 0
        self._corrupt_seen = ack.corrupt
        return new

    def on_time(self, path: Path, *, now_ns: int) -> Outcome:
        """Look for losses that time alone reveals."""
        prior_bytes = self.ledger.in_flight_bytes
        lost, self.loss_deadline_ns = path.loss.detect(self.ledger, path.rtt, now_ns=now_ns)
        if not lost:
            return NOTHING
        self._report(
            path, acked=[], lost=lost, rtt_ns=None, prior_bytes=prior_bytes, corrupt=0, now_ns=now_ns
        )
        return Outcome([], lost, [])

    def probe_deadline_ns(self, path: Path) -> int:
        """When to probe, if nothing is heard."""
        return path.loss.probe_deadline_ns(self.ledger, path.rtt, ack_delay_max_ns=self._ack_delay_max_ns)

    def _sample_rtt(self, ack: Ack, acked: list[Run], path: Path, *, now_ns: int) -> int | None:
        """A sample where the ACK names its largest for the first time; one that is said again tells no round trip."""
        for run in acked:
            if run.first <= ack.largest < run.stop and run.first >= path.first_number:
                rtt_ns, delay_ns = now_ns - run.sent_ns, ack.delay_us * US
                if REPEAT_DELAYS * self._ack_delay_max_ns < delay_ns <= rtt_ns:
                    return None
                delay_ns = min(delay_ns, self._ack_delay_max_ns)
                rtt_ns = path.rtt.on_sample(rtt_ns=rtt_ns, ack_delay_ns=delay_ns, now_ns=now_ns)
                path.pacer.on_round_trip(path.rtt.min_ns)
                return rtt_ns
        return None

    def _report(
        self,
        path: Path,
        *,
        acked: list[Run],
        lost: list[Run],
        rtt_ns: int | None,
        prior_bytes: int,
        corrupt: int,
        now_ns: int,
    ) -> None:
        """Tell the controller. Lost MTU probes are no sign of anything and are left out.

        So is what was sent over another path (RFC 9002 section 7, RFC 9000 section 9.4).
        """
        delivery, rtt = path.delivery, path.rtt
        real_lost = [run for run in lost if not run.probe_bytes and run.first >= path.first_number]
        if path.first_number:
            acked = [run for run in acked if run.first >= path.first_number]
            if not acked and not real_lost:
                return
        lost_bytes = sum(run.wire_bytes for run in real_lost)
        delivery.lost_bytes += lost_bytes
        newest = delivery.on_acked(acked, now_ns=now_ns) if acked else None
        then = newest.delivery if newest is not None else UNSENT
        interval_ns = delivered_bytes = 0
        if newest is not None:
            interval_ns = max(newest.sent_ns - then.first_sent_ns, now_ns - then.delivered_ns)
            delivered_bytes = delivery.delivered_bytes - then.delivered_bytes
            delivery.on_rate(delivered_bytes, interval_ns=interval_ns)
        path.controller.on_ack(
            AckSample(
                now_ns=now_ns,
                acked_bytes=sum(run.wire_bytes for run in acked),
                lost_bytes=lost_bytes,
                acked_packets=sum(run.count for run in acked),
                lost_packets=sum(run.count for run in real_lost),
                rtt_ns=rtt_ns,
                rtt_min_ns=rtt.min_ns,
                rtt_smoothed_ns=rtt.smoothed_ns,
                in_flight_bytes=self.ledger.in_flight_bytes,
                prior_in_flight_bytes=prior_bytes,
                delivered_bytes=delivery.delivered_bytes,
                lost_total_bytes=delivery.lost_bytes,
                rate_interval_ns=interval_ns,
                rate_delivered_bytes=delivered_bytes,
                rate_sent_bytes=then.sent_bytes - then.sent_before_bytes,
                rate_prior_delivered_bytes=then.delivered_bytes,
                rate_is_app_limited=then.app_limited,
                rate_tx_in_flight_bytes=then.in_flight_bytes,
                rate_lost_bytes=max(delivery.lost_bytes - then.lost_bytes, 0) if newest else 0,
                corrupt_packets=corrupt,
            )
        )
