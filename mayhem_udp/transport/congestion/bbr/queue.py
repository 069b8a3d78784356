"""The queue that stands on the path, seen through the round trip.

Owns the smallest round trip (the empty path), when it was last seen, and what of the delay is called
a queue. Never blames anybody for it: whether it is ours is for the phases to find out.
"""

from math import sqrt

from mayhem_udp.transport.congestion.bbr.constants import (
    CROWD_QUEUE_PART,
    JITTER_SAMPLES_MIN,
    JITTER_WINDOW_NS,
    QUEUE_HOST_NS,
    QUEUE_MIN_NS,
    QUEUE_QUANTA,
    QUEUE_RTT_SHARE,
    QUEUE_SCALE_BYTES,
    QUEUE_SCALE_NS,
    QUIET_PART,
    RTT_MIN_WINDOW_NS,
)
from mayhem_udp.units import SECOND


class Queue:
    """The delay of one path: of the empty path, and beyond."""

    __slots__ = (
        "_ceilings",
        "_epoch_count",
        "_epoch_min_ns",
        "_epoch_sum_ns",
        "_is_looked_at",
        "_jitters",
        "_jitters_turn_ns",
        "_latest",
        "_least_ns",
        "_looked_ns",
        "_now_ns",
        "_seen_ns",
        "_trusted_until_ns",
        "_turn_ns",
        "allowed_ns",
        "delay_ns",
        "high_since_ns",
        "latest_ns",
        "recent_ns",
        "rtt_min_ns",
        "spread_ns",
        "stands",
    )

    def __init__(self) -> None:
        self.rtt_min_ns = 0
        """The empty path; 0 before the first sample."""
        self.latest_ns = 0
        """The newest round trip beyond it."""
        self.delay_ns = 0
        """The smallest delay beyond it over the last epoch: what stood in it all the time."""
        self.allowed_ns = QUEUE_MIN_NS
        """Less than this is none."""
        self.stands = False
        self.high_since_ns = 0
        """Since when it has stood at a good part of its longest, but for what our own looks took off."""
        self._epoch_min_ns = 0
        self._seen_ns = 0
        self._latest = (0, 0, 0, 0)
        self.recent_ns = 0
        self._ceilings = [0, 0]
        self._turn_ns = 0
        self.spread_ns = 0
        self._jitters = [0, 0]
        self._jitters_turn_ns = 0
        self._epoch_sum_ns = self._epoch_count = 0
        self._looked_ns = 0
        self._least_ns = 0
        self._is_looked_at = False
        self._now_ns = 0
        self._trusted_until_ns = 0

    def on_rtt(self, rtt_ns: int, *, now_ns: int) -> bool:
        """Take in a sample; returns whether it shows that what passed for the empty path was a queue."""
        self._now_ns = now_ns
        is_revealing = rtt_ns < self.rtt_min_ns - self.allowed_ns
        if is_revealing:
            self._trusted_until_ns = 0
            self._looked_ns = now_ns
        if not self.rtt_min_ns or rtt_ns < self.rtt_min_ns:
            self.rtt_min_ns = rtt_ns
        if rtt_ns <= self.rtt_min_ns + self.allowed_ns // 2:
            self._seen_ns = now_ns
        if not self._epoch_min_ns or rtt_ns < self._epoch_min_ns:
            self._epoch_min_ns = rtt_ns
        if not self._least_ns or rtt_ns < self._least_ns:
            self._least_ns = rtt_ns
        self.latest_ns = rtt_ns - self.rtt_min_ns
        self._epoch_sum_ns += rtt_ns
        self._epoch_count += 1
        self._latest = (*self._latest[1:], rtt_ns)
        self.recent_ns = max(min(self._latest) - self.rtt_min_ns, 0)
        self._ceilings[0] = max(self._ceilings[0], self.recent_ns)
        if now_ns - self._turn_ns > RTT_MIN_WINDOW_NS:
            self._turn_ns = now_ns
            self._ceilings = [self.recent_ns, self._ceilings[0]]
        return is_revealing

    @property
    def is_empty(self) -> bool:
        """Whether the newest sample has come over an empty path, as far as one can tell."""
        return self.latest_ns <= self.allowed_ns // 2

    @property
    def is_long(self) -> bool:
        """Whether the newest sample has queued."""
        return self.latest_ns > self.allowed_ns

    @property
    def ceiling_ns(self) -> int:
        """The longest delay of the last ten to twenty seconds; a full queue, if it was ever full."""
        return max(self._ceilings)

    @property
    def is_full(self) -> bool:
        """Whether losses may be its own: it stood over the last epoch, or was near its longest."""
        return self.stands or self.delay_ns > max(QUEUE_MIN_NS, self.ceiling_ns // 2)

    @property
    def is_quiet(self) -> bool:
        """Whether there was none to speak of over the last epoch, and one would have been noticed."""
        return self.is_known and self.delay_ns <= max(QUEUE_MIN_NS, self.ceiling_ns // QUIET_PART)

    @property
    def is_known(self) -> bool:
        """Whether it is certain which round trip is that of the empty path.

        A queue that never empties looks like an empty path. So the round trip must have been seen to
        vary lately, or not to shrink when little was in flight.
        """
        enough_ns = max(2 * QUEUE_MIN_NS, int(self.rtt_min_ns * QUEUE_RTT_SHARE))
        return self.ceiling_ns > enough_ns or self._now_ns < self._trusted_until_ns

    def is_stale(self, *, after_ns: int, now_ns: int) -> bool:
        """Whether the empty path has not been seen for so long that it is worth a look."""
        return now_ns - max(self._seen_ns, self._looked_ns) > after_ns

    def begin_look(self) -> None:
        """From now on as little is in flight as we can."""
        self._least_ns = 0
        self._is_looked_at = True

    def abandon_look(self) -> None:
        """The path was lost meanwhile."""
        self._is_looked_at = False

    def on_looked(self, *, now_ns: int) -> None:
        """The path has just been emptied as far as we can.

        If that has not brought back the smallest round trip for the second time, it is history.
        """
        if self._least_ns and abs(self._least_ns - self.rtt_min_ns) <= self.allowed_ns // 2:
            self._trusted_until_ns = now_ns + RTT_MIN_WINDOW_NS
        if now_ns - self._seen_ns > RTT_MIN_WINDOW_NS and self._least_ns:
            self.rtt_min_ns = self._least_ns
            self._seen_ns = now_ns
        self._least_ns = 0
        self._is_looked_at = False
        self._looked_ns = now_ns

    def end_epoch(self, *, rate: float, quantum_bytes: int, now_ns: int) -> None:
        """Judge the epoch that ends; `rate` is the estimated bandwidth in bytes a second."""
        burst_ns = int(QUEUE_QUANTA * quantum_bytes * SECOND / rate) if rate else 0
        bdp_bytes = rate * self.rtt_min_ns / SECOND
        scaled_ns = int(QUEUE_SCALE_NS / sqrt(bdp_bytes / QUEUE_SCALE_BYTES)) if bdp_bytes else 0
        share_ns = int(self.rtt_min_ns * QUEUE_RTT_SHARE)
        scaled_ns = min(max(scaled_ns, share_ns), self.rtt_min_ns // 2)
        self.allowed_ns = max(scaled_ns, QUEUE_MIN_NS, burst_ns, QUEUE_HOST_NS - self.rtt_min_ns)
        if not self._epoch_min_ns:
            return
        self.delay_ns = max(self._epoch_min_ns - self.rtt_min_ns, 0)
        self.spread_ns = self._epoch_sum_ns // self._epoch_count - self._epoch_min_ns
        self._see_jitter(now_ns=now_ns)
        self.allowed_ns += min(self._jitters)
        self._epoch_sum_ns = self._epoch_count = 0
        self._epoch_min_ns = 0
        self.stands = self.delay_ns > self.allowed_ns
        is_low = self.delay_ns <= self.ceiling_ns // CROWD_QUEUE_PART and not self._is_looked_at
        if is_low or not self.stands:
            self.high_since_ns = now_ns

    def _see_jitter(self, *, now_ns: int) -> None:
        if self._epoch_count < JITTER_SAMPLES_MIN:
            return
        if now_ns - self._jitters_turn_ns > JITTER_WINDOW_NS:
            self._jitters_turn_ns = now_ns
            self._jitters = [self.spread_ns, self._jitters[0]]
        self._jitters[0] = min(self._jitters[0], self.spread_ns)
