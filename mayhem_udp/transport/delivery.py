"""How fast the path delivers: the samples that congestion control lives on.

After draft-ietf-ccwg-bbr (delivery rate estimation), in runs, with one addition: beside what was
delivered over the interval, what was *sent* over the matching one, so that a controller can tell
loss that depends on its rate from loss that does not.
Owns the counters of sent, delivered and lost bytes. Never decides a rate.
"""

from mayhem_udp.transport.ledger import DeliveryState, Run
from mayhem_udp.units import SECOND


class Delivery:
    """Counters of one path, in wire bytes."""

    __slots__ = (
        "_delivered_ns",
        "_first_sent_before_bytes",
        "_first_sent_ns",
        "app_limited_until_bytes",
        "delivered_bytes",
        "fastest_bytes_per_s",
        "lost_bytes",
        "sent_bytes",
    )

    def __init__(self) -> None:
        self.delivered_bytes = 0
        self.sent_bytes = 0
        self.lost_bytes = 0
        self.fastest_bytes_per_s = 0
        """The most that any sample has shown."""
        self.app_limited_until_bytes = 0
        """Samples of what was sent before this much is delivered do not show the path's limit."""
        self._delivered_ns = 0
        self._first_sent_ns = 0
        self._first_sent_before_bytes = 0

    def on_sent(self, run: Run, *, in_flight_before_bytes: int) -> None:
        """Write the state of delivery into a run that is being sent."""
        if in_flight_before_bytes == 0:
            self._first_sent_ns = self._delivered_ns = run.sent_ns
            self._first_sent_before_bytes = self.sent_bytes
        self.sent_bytes += run.wire_bytes
        run.delivery = DeliveryState(
            delivered_bytes=self.delivered_bytes,
            delivered_ns=self._delivered_ns,
            first_sent_ns=self._first_sent_ns,
            sent_before_bytes=self._first_sent_before_bytes,
            sent_bytes=self.sent_bytes,
            lost_bytes=self.lost_bytes,
            in_flight_bytes=in_flight_before_bytes + run.wire_bytes,
            app_limited=self.app_limited_until_bytes > 0,
        )

    def on_app_limited(self, *, in_flight_bytes: int) -> None:
        """There was nothing to send although the path would have taken it."""
        self.app_limited_until_bytes = max(self.delivered_bytes + in_flight_bytes, 1)

    def on_acked(self, runs: list[Run], *, now_ns: int) -> Run:
        """Count runs as delivered; returns the newest, from which the sample is made."""
        for run in runs:
            self.delivered_bytes += run.wire_bytes
        newest = max(runs, key=_number)
        self._delivered_ns = now_ns
        if newest.delivery.first_sent_ns <= newest.sent_ns:
            self._first_sent_ns = newest.sent_ns
            self._first_sent_before_bytes = newest.delivery.sent_bytes
        if self.app_limited_until_bytes and self.delivered_bytes > self.app_limited_until_bytes:
            self.app_limited_until_bytes = 0
        return newest

    def on_rate(self, delivered_bytes: int, *, interval_ns: int) -> None:
        """Note how fast that was."""
        if interval_ns:
            bytes_per_s = delivered_bytes * SECOND // interval_ns
            self.fastest_bytes_per_s = max(self.fastest_bytes_per_s, bytes_per_s)


def _number(run: Run) -> int:
    return run.first
