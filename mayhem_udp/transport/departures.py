"""What all datagrams that leave have in common: their numbers, the ledger, the counters.

Owns the count of probes that are due, since any datagram that wants an answer is one. Never decides what
is sent, or when.
"""

import numpy as np

from mayhem_udp.transport.core import Core
from mayhem_udp.transport.datagrams import Address, Transmit
from mayhem_udp.transport.ledger import Run


class Departures:
    """Where batches leave from, of one connection."""

    __slots__ = ("_core", "probes_due")

    def __init__(self, core: Core) -> None:
        self._core = core
        self.probes_due = 0
        """Datagrams to send whatever the window says, because a probe timeout fired."""

    def take_number(self) -> int:
        """The next sequence number; none is used twice."""
        ledger = self._core.recovery.ledger
        number = ledger.next_number
        ledger.next_number += 1
        return number

    def enter(self, run: Run, *, now_ns: int) -> None:
        """Note what wants to be acknowledged, and pay the pacer for it."""
        core = self._core
        if self.probes_due:
            self.probes_due -= 1
            core.stats.probes_sent += 1
        core.stats.eliciting_sent += run.count
        ledger = core.recovery.ledger
        before = ledger.in_flight_bytes
        core.path.delivery.on_sent(run, in_flight_before_bytes=before)
        ledger.sent(run)
        core.path.controller.on_sent(now_ns=now_ns, sent_bytes=run.wire_bytes, in_flight_bytes=before)
        core.path.pacer.on_sent(run.wire_bytes, now_ns=now_ns)

    def single(self, datagram: bytes, address: Address) -> Transmit:
        """One datagram, counted, as a batch."""
        return self.batch(datagram, segment_bytes=len(datagram), count=1, address=address)

    def batch(
        self, buffer: bytes | np.ndarray, *, segment_bytes: int, count: int, address: Address
    ) -> Transmit:
        """`count` datagrams, counted, as a batch."""
        stats = self._core.stats
        stats.datagrams_sent += count
        stats.bytes_sent += len(buffer)
        stats.batches_sent += 1
        return Transmit(buffer, segment_bytes, len(buffer), address)
