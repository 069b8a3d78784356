"""One path to the peer: its address and everything measured about it.

Owns the round trip, the congestion controller with its pacer, the delivery counters, and the datagram
size of the path; a new address gets a new one of each (RFC 9000 section 9.4).
Also the check of a new address: nothing moves there before it has echoed a nonce (section 9.3).
Never sends.
"""

from typing import Final

from mayhem_udp.limits import AMPLIFICATION_FACTOR
from mayhem_udp.transport.congestion import CONTROLLERS
from mayhem_udp.transport.congestion.base import CongestionController, Rates
from mayhem_udp.transport.datagrams import Address
from mayhem_udp.transport.delivery import Delivery
from mayhem_udp.transport.loss import LossDetector
from mayhem_udp.transport.pacing import Pacer
from mayhem_udp.transport.pmtud import PathMtu
from mayhem_udp.transport.rtt import RoundTrip
from mayhem_udp.transport.settings import TransportSettings

CHALLENGES_MAX: Final = 4
"""A new address that has not answered so many challenges is given up."""


class Path:
    """Where the peer is, and how the network between behaves."""

    __slots__ = ("address", "controller", "delivery", "first_number", "loss", "mtu", "pacer", "rtt")

    def __init__(
        self,
        address: Address,
        settings: TransportSettings,
        *,
        ceiling_bytes: int,
        rate_cap_bps: int,
        now_ns: int,
    ) -> None:
        self.address = address
        self.first_number = 0
        """What has a lower number was sent over another path, and says nothing about this one."""
        self.rtt = RoundTrip()
        self.loss = LossDetector()
        self.delivery = Delivery()
        self.mtu = PathMtu(ceiling_bytes=ceiling_bytes)
        self.controller: CongestionController = CONTROLLERS[settings.controller](
            max_datagram_bytes=self.mtu.current_bytes,
            rates=Rates(cap_bps=rate_cap_bps, fixed_bps=settings.rate_fixed_bps),
            now_ns=now_ns,
        )
        self.pacer = Pacer(now_ns=now_ns)
        self.pacer.set_rate(  # what is sent before the first body is paid for at a rate, too
            rate_bps=self.controller.pacing_rate_bps,
            quantum_bytes=self.controller.send_quantum_bytes,
            now_ns=now_ns,
        )


class PathCheck:
    """An address that wants to be the peer's new one."""

    __slots__ = ("_sent", "address", "budget_bytes", "deadline_ns", "nonce")

    def __init__(self, address: Address, nonce: int) -> None:
        self.address = address
        self.nonce = nonce
        self.deadline_ns = 0
        """When the (next) challenge is due."""
        self.budget_bytes = 0
        """What may be sent there before it is proved."""
        self._sent = 0

    def on_received(self, count: int) -> None:
        """`count` bytes came from the address."""
        self.budget_bytes += count * AMPLIFICATION_FACTOR

    def challenge_due(self, *, size: int, now_ns: int) -> bool:
        """Whether to send a challenge of `size` bytes now."""
        return self.deadline_ns <= now_ns and size <= self.budget_bytes and self._sent < CHALLENGES_MAX

    def on_challenge(self, *, size: int, again_ns: int) -> None:
        """A challenge went out; the next is due at `again_ns`."""
        self._sent += 1
        self.budget_bytes -= size
        self.deadline_ns = again_ns

    @property
    def has_failed(self) -> bool:
        """Whether every challenge was in vain (asked when the last one's time is up)."""
        return self._sent >= CHALLENGES_MAX
