"""What is known of the path: one model that all phases look at.

Owns the count of round trips, the estimates (bandwidth, queue, random loss, aggregation), the bounds
that congestion has set, and the verdict on each epoch, a round trip or a little more.
Never decides a rate: the phases do, from this.
"""

from mayhem_udp.transport.congestion.base import AckSample
from mayhem_udp.transport.congestion.bbr.aggregation import Aggregation
from mayhem_udp.transport.congestion.bbr.bandwidth import Bandwidth
from mayhem_udp.transport.congestion.bbr.constants import (
    BETA,
    CROWD_BETA,
    CROWD_LOSS_MAX,
    CROWD_LOSS_MEMORY,
    CROWD_NS,
    CROWD_RTTS,
    EPOCH_MIN_NS,
    HEADROOM,
    LOOK_BLIND_ROUNDS,
    LOSS_DEVIATIONS,
    LOSS_THRESHOLD,
    PROBE_RTT_CROWD_NS,
    PROBE_RTT_INTERVAL_NS,
    WINDOW_GAIN,
    WINDOW_MIN_BURSTS_MAX,
    WINDOW_MIN_DATAGRAMS,
    WINDOW_MIN_NS,
    WINDOW_MIN_QUANTA,
)
from mayhem_udp.transport.congestion.bbr.host_room import HostRoom
from mayhem_udp.transport.congestion.bbr.queue import Queue
from mayhem_udp.transport.congestion.bbr.random_loss import RandomLoss
from mayhem_udp.units import SECOND

INFINITE = float("inf")


class PathModel:
    """The model of one path. Rates are bytes a second as sent, retransmissions and losses included."""

    def __init__(self, *, datagram_bytes: int, now_ns: int) -> None:
        self.datagram_bytes = datagram_bytes
        self.quantum_bytes = 2 * datagram_bytes
        self.now_ns = now_ns
        self.bandwidth = Bandwidth()
        self.queue = Queue()
        self.random_loss = RandomLoss()
        self.aggregation = Aggregation()
        self.host_room = HostRoom()
        self.rounds = 0
        self.round_start = False
        self.epoch_end = False
        self.full_reached = False
        self.in_flight_high = INFINITE
        self.in_flight_low = INFINITE
        self.rate_low = INFINITE
        self.probed_ns = now_ns
        self.probed_round = 0
        self.looked_round = 0
        self.window_bytes = 0.0
        self.delivered_rate = 0.0
        self.loss = 0.0
        """The part that was lost of what was sent over the last epoch."""
        self.loss_of_late = 0.0
        """The same, averaged over the last epochs."""
        self.excess_loss = False
        self.app_limited = False
        self.in_flight_bytes = 0
        self._round_ends_at = 0
        self._epoch_ns = now_ns
        self._epoch_delivered = 0
        self._epoch_lost = 0
        self._last_epoch = (0, 0)
        self._pending: tuple[float, float, float] | None = None
        self._was_quiet = False
        self.blind_rounds = 0

    @property
    def rate(self) -> float:
        return min(self.bandwidth.rate, self.rate_low)

    @property
    def bdp_bytes(self) -> float:
        return self.rate * self.queue.rtt_min_ns / SECOND

    def on_ack(self, sample: AckSample) -> None:
        now_ns = self.now_ns = sample.now_ns
        self.in_flight_bytes = sample.in_flight_bytes
        self.round_start = self.epoch_end = False
        if sample.rtt_ns is not None and self.queue.on_rtt(sample.rtt_ns, now_ns=now_ns):
            self.random_loss = RandomLoss()  # it was learned under a queue
        if not sample.acked_bytes:
            return
        self.app_limited = sample.rate_is_app_limited
        if sample.rate_prior_delivered_bytes >= self._round_ends_at:
            self._round_ends_at = sample.delivered_bytes
            self.rounds += 1
            self.round_start = True
            if self.blind_rounds:
                self.blind_rounds -= 1
            if now_ns - self._epoch_ns >= EPOCH_MIN_NS:
                self._end_epoch(sample)
        self._sample_bandwidth(sample)
        self.aggregation.on_ack(
            sample.acked_bytes / (1 - self.random_loss.share),
            rate=self.rate,
            limit_bytes=self.bdp_bytes,
            rounds=self.rounds,
            now_ns=now_ns,
        )

    def _sample_bandwidth(self, sample: AckSample) -> None:
        interval_ns = sample.rate_interval_ns
        if interval_ns < self.queue.rtt_min_ns or not interval_ns:
            return
        delivered = sample.rate_delivered_bytes
        sent = min(delivered / (1 - self.random_loss.share), max(sample.rate_sent_bytes, delivered))
        rate = sent * SECOND / interval_ns
        if rate > self.bandwidth.rate or not sample.rate_is_app_limited:
            self.bandwidth.add(rate)

    def _end_epoch(self, sample: AckSample) -> None:
        now_ns = sample.now_ns
        self.epoch_end = True
        self.queue.end_epoch(rate=self.rate, quantum_bytes=self.quantum_bytes, now_ns=now_ns)
        delivered = sample.delivered_bytes - self._epoch_delivered
        b, n = self._last_epoch
        self._last_epoch = (delivered, now_ns - self._epoch_ns)
        self.delivered_rate = (delivered + b) * SECOND / (now_ns - self._epoch_ns + n)
        self._epoch_ns, self._epoch_delivered = now_ns, sample.delivered_bytes
        sent = max(sample.rate_sent_bytes, 1)
        # As declared: what was sent and delivered in a sample's spans differs by the jitter at either end.
        lost = max(sample.lost_total_bytes - self._epoch_lost, 0)
        self._epoch_lost = sample.lost_total_bytes
        self.loss = loss = lost / max(lost + delivered, 1)
        self.loss_of_late += (loss - self.loss_of_late) / CROWD_LOSS_MEMORY
        datagrams = (lost + delivered) / self.datagram_bytes
        self._commit_pending()
        speed = 0.0
        if sample.rate_interval_ns and self.bandwidth.rate:
            speed = sent * SECOND / sample.rate_interval_ns / self.bandwidth.rate
        noise = LOSS_DEVIATIONS * self.random_loss.deviation(datagrams)
        if self.is_tiny and self.host_room.on_epoch(loss, now_ns=now_ns):
            self.excess_loss = False  # of a socket's buffer, not of the path
            return
        self.excess_loss = (
            loss - self.random_loss.share > max(LOSS_THRESHOLD, noise) and not self.blind_rounds
        )
        is_quiet = not self.blind_rounds and self.queue.is_quiet
        if is_quiet and self._was_quiet:
            self._pending = (loss, datagrams, speed)
        self._was_quiet = is_quiet

    def _commit_pending(self) -> None:
        """A quiet epoch counts between two others.

        A queue shows after what it has cost, and what it has cost is known a round trip later: losses of an epoch
        that follows a full queue are the queue's. One such, learned as chance, made a flow take seven tenths
        of a link from three others, and keep it.
        """
        pending, self._pending = self._pending, None
        if pending is None or not self.queue.is_quiet:
            return
        loss, datagrams, speed = pending
        if self.full_reached:
            self.random_loss.on_quiet_round(loss, datagrams, speed=speed)

    @property
    def fair_rate(self) -> float:
        """What the path carried of ours over the last epoch, as sent."""
        return self.delivered_rate / (1 - self.random_loss.share)

    @property
    def has_congestive_loss(self) -> bool:
        return self.excess_loss and self.queue.is_full

    @property
    def needs_look(self) -> bool:
        """Whether to empty the path for a moment and see its round trip.

        Where the smallest has not been seen for long, or where much is lost without a queue: that may
        be chance, or a queue that never empties.
        """
        after_ns = PROBE_RTT_CROWD_NS if self.is_crowded else PROBE_RTT_INTERVAL_NS
        if self.queue.is_stale(after_ns=after_ns, now_ns=self.now_ns):
            return True
        return self.epoch_end and self.excess_loss and not self.queue.is_known

    @property
    def is_tiny(self) -> bool:
        """Whether the path holds less than the few bursts that are allowed in any case.

        So it is on loopback and in a LAN: the queue is never longer than these, and the delay beyond
        is a program's that had to wait for its processor.
        """
        return WINDOW_GAIN * self.bdp_bytes < self.window_min_bytes

    @property
    def window_min_bytes(self) -> int:
        """The few bursts that may be in flight in any case."""
        worth = min(self.rate * WINDOW_MIN_NS / SECOND, WINDOW_MIN_BURSTS_MAX * self.host_room.burst_bytes)
        return int(
            max(worth, WINDOW_MIN_QUANTA * self.quantum_bytes, WINDOW_MIN_DATAGRAMS * self.datagram_bytes)
        )

    @property
    def is_crowded(self) -> bool:
        """Whether others keep the queue standing: giving way then only feeds them."""
        queue = self.queue
        since_ns = self.now_ns - queue.high_since_ns
        is_old = since_ns > max(CROWD_NS, CROWD_RTTS * queue.rtt_min_ns)
        return queue.stands and is_old and self.loss_of_late < CROWD_LOSS_MAX

    @property
    def has_own_queue(self) -> bool:
        """Whether a queue stands that we, and others of our kind who see it too, can empty by giving way."""
        return self.queue.stands and not (self.is_crowded or self.is_tiny)

    @property
    def shows_restraint(self) -> bool:
        """Whether so little is delivered because we have just looked."""
        return self.rounds - self.looked_round <= LOOK_BLIND_ROUNDS

    def lower_short_term(self) -> None:
        """A round trip of congestion: step down to what was delivered, but not too far (draft 5.5.10.3).

        What was delivered in a round trip is as long as the round trip was, queue included: less in flight
        than that would take more than was lost, and leave it to whoever is deaf to loss.
        """
        latest, beta = self.fair_rate, CROWD_BETA if self.is_crowded else BETA
        rate = min(self.rate_low, self.bandwidth.rate)
        self.rate_low = max(latest, beta * rate)
        volume = min(self.in_flight_low, self.window_bytes)
        round_trip_ns = self.queue.rtt_min_ns + self.queue.delay_ns
        self.in_flight_low = max(self.rate_low * round_trip_ns / SECOND, beta * volume)

    def reset_short_term(self) -> None:
        self.rate_low = self.in_flight_low = INFINITE

    @property
    def in_flight_with_headroom(self) -> float:
        if self.is_crowded:
            return max(self.in_flight_high, WINDOW_GAIN * self.bdp_bytes)
        return self.in_flight_high * (1 - HEADROOM)

    def on_probed(self) -> None:
        """A probe for bandwidth is over."""
        self.probed_ns = self.now_ns
        self.probed_round = self.rounds

    def on_looked(self) -> None:
        """A look at the empty path is over."""
        self.probed_ns = self.now_ns
        self.looked_round = self.rounds

    def want_probe(self) -> None:
        """Let the next probe come as soon as it may."""
        self.probed_ns = 0
