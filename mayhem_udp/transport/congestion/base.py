"""What a congestion controller is told, and what it is asked.

Owns the record of one acknowledgement (`AckSample`) and the interface that every controller has.
A controller decides how fast and how much; it never sees a datagram, a socket or a clock, never
asks back, and knows nothing of what is sent: time and counts come in, three numbers go out.

All bytes are wire bytes (UDP payloads, retransmissions counted each time), all times nanoseconds of
one monotonic clock.
"""

from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace


class Rates(Struct, frozen=True):
    """What users have said about speed, on either side, in bits of datagrams per second."""

    cap_bps: int = 0
    """No faster than this; 0: no cap."""
    fixed_bps: int = 0
    """The rate of the controller that has a fixed one; the others find theirs."""

    def capped(self, rate_bps: int) -> int:
        """`rate_bps`, or the cap where it is less; never zero."""
        return max(min(rate_bps, self.cap_bps) if self.cap_bps else rate_bps, 1)

    def with_cap(self, cap_bps: int) -> "Rates":
        """The same, but for the cap."""
        return replace(self, cap_bps=cap_bps)


class AckSample(Struct, frozen=True):
    """One ACK frame that acknowledged something new, or one declaration of losses without any.

    Made once for each ACK, not for each datagram; after the ledger, the round trip and the loss
    detector have taken it in.

    The fields `rate_…` are the delivery rate sample of draft-ietf-ccwg-bbr section 4.1, of the run
    with the highest number among those newly acknowledged, "the run" below. They are zero where
    nothing was acknowledged.
    """

    now_ns: int
    acked_bytes: int
    """Newly acknowledged, those included that had been declared lost wrongly."""
    lost_bytes: int
    """Newly declared lost, datagrams that probed for a larger size left out."""
    acked_packets: int
    lost_packets: int
    rtt_ns: int | None
    """The newest round trip, the peer's delay removed; None if the ACK gave no sample."""
    rtt_min_ns: int
    """The smallest over the path's life (some minutes at least); 0 before the first sample."""
    rtt_smoothed_ns: int
    in_flight_bytes: int
    """After this ACK and its losses."""
    prior_in_flight_bytes: int
    """Before them."""
    delivered_bytes: int
    """Counter: acknowledged on this path so far, this ACK included."""
    lost_total_bytes: int
    """Counter: declared lost on this path so far, less what has arrived after all."""
    rate_interval_ns: int
    """The longer of two spans: between the sending of what had been acknowledged last when the run
    was sent and the sending of the run; and between the two ACKs. 0: no sample."""
    rate_delivered_bytes: int
    """Acknowledged in the second span."""
    rate_sent_bytes: int
    """Sent in the first span, so that `1 - rate_delivered_bytes / rate_sent_bytes` is the part that
    was lost over about a round trip."""
    rate_prior_delivered_bytes: int
    """The counter `delivered_bytes` as it was when the run was sent. A round trip is over when this
    reaches the counter's value at its start."""
    rate_is_app_limited: bool
    """The run was sent while there was less to send than the path would have taken."""
    rate_tx_in_flight_bytes: int
    """In flight when the run had been sent, itself included."""
    rate_lost_bytes: int
    """Declared lost since the run was sent."""
    corrupt_packets: int
    """Newly reported by the peer as arrived damaged; they are counted as lost too, in time, and
    are never a sign of congestion."""


class CongestionController(Protocol):
    """How fast to send, and how much may be unacknowledged."""

    @property
    def window_bytes(self) -> int:
        """No more than this in flight. One datagram may always be in flight; probes are exempt."""

    @property
    def pacing_rate_bps(self) -> int:
        """Bits of datagrams per second; never zero."""

    @property
    def send_quantum_bytes(self) -> int:
        """What may leave in one burst: at least one datagram."""

    def on_sent(self, *, now_ns: int, sent_bytes: int, in_flight_bytes: int) -> None:
        """A burst of `sent_bytes` leaves; `in_flight_bytes` were in flight before it."""

    def on_ack(self, sample: AckSample) -> None:
        """Something was acknowledged, declared lost, or both."""

    def on_app_limited(self, *, now_ns: int) -> None:
        """Window and pacer would have let more go than there was to send."""

    def on_persistent_congestion(self, *, now_ns: int) -> None:
        """Several probe timeouts in a row went unanswered (RFC 9002 section 7.6)."""

    def on_rate_cap(self, cap_bps: int) -> None:
        """No faster than this from now on, 0: no cap. The peer has said in the handshake what it wants."""

    def on_datagram_bytes(self, size: int) -> None:
        """Datagrams are of this size from now on: the path's MTU was found or has changed."""
