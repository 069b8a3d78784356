"""Telling the owners of bytes and frames what became of them, and ending requests that are done.

Takes outcomes from `recovery`. Never decides what is lost, never sends.
"""

from mayhem_udp.limits import DATAGRAM_MIN_BYTES
from mayhem_udp.transport.core import Core
from mayhem_udp.transport.ledger import Run
from mayhem_udp.transport.outbound import Outbound
from mayhem_udp.transport.recovery import Outcome
from mayhem_udp.transport.streams.bodies import BodySend
from mayhem_udp.transport.streams.numbers import request_of
from mayhem_udp.transport.streams.table import Request
from mayhem_udp.wire.frames import Frame, Handshake, MaxRequests, MaxStream, Stream


class Settler:
    """Settles the accounts of one connection."""

    __slots__ = ("_core", "_outbound")

    def __init__(self, core: Core, outbound: Outbound) -> None:
        self._core = core
        self._outbound = outbound

    def settle(self, outcome: Outcome) -> None:
        """Tell everybody what arrived and what was lost."""
        core = self._core
        before = core.path.mtu.current_bytes
        touched: set[int] = set()
        for run in (*outcome.acked, *outcome.spurious):
            self._on_acked(run, touched)
        for run in outcome.lost:
            self._on_lost(run)
        self._look_for_black_hole(outcome.lost)
        core.stats.lost += _datagrams(outcome.lost)
        core.stats.spurious += _datagrams(outcome.spurious)
        if core.path.mtu.current_bytes != before:
            core.path.controller.on_datagram_bytes(core.path.mtu.current_bytes)
        for number in touched:
            request = core.requests.open.get(number)
            if request is not None:
                self.end_if_settled(request)

    def say_again(self, unheard: list[Run]) -> None:
        """What a server that keeps nothing of strangers did not listen to: the network has lost none of it."""
        for run in unheard:
            self._on_lost(run)

    def end_if_settled(self, request: Request) -> None:
        """End a request that has said all, once all is acknowledged."""
        if request.is_finished and request.is_settled:
            self.end(request)

    def end(self, request: Request) -> None:
        """End a request now."""
        self._core.requests.end(request.number)
        if request.body_sent is not None:
            self._outbound.forget(request.body_sent)

    def _look_for_black_hole(self, lost: list[Run]) -> None:
        path = self._core.path
        if not lost or path.mtu.current_bytes <= DATAGRAM_MIN_BYTES:
            return
        timeout_ns = path.rtt.pto_ns(ack_delay_max_ns=self._core.settings.ack_delay_max_ns, backoff=0)
        for run in lost:
            if not run.probe_bytes and path.mtu.on_swallowed(
                run.datagram_bytes, run.count, sent_ns=run.sent_ns, timeout_ns=timeout_ns
            ):
                path.mtu.on_black_hole(ceiling_bytes=self._core.ceiling_bytes)
                return

    def _on_acked(self, run: Run, touched: set[int]) -> None:
        core = self._core
        core.path.mtu.on_arrived(run.datagram_bytes, sent_ns=run.sent_ns)
        if isinstance(run.body, BodySend):
            run.body.on_acked(run.offset, run.length)
            touched.add(request_of(run.body.stream_id))
        elif run.probe_bytes:
            core.path.mtu.on_acked(run.probe_bytes)
        if run.told_largest >= 0:
            core.acks.on_ack_seen(run.told_largest)
        for frame in run.frames:
            match frame:
                case Stream(number, offset, data):
                    request = core.requests.open.get(request_of(number))
                    if request is not None:
                        request.messages_sent.on_acked(offset, offset + len(data))
                        touched.add(request.number)
                case Handshake():
                    core.handshake.on_acked(frame)

    def _on_lost(self, run: Run) -> None:
        core = self._core
        if isinstance(run.body, BodySend):
            run.body.on_lost(run.offset, run.length)
            if request_of(run.body.stream_id) in core.requests.open:
                self._outbound.wake(run.body)
        elif run.probe_bytes:
            core.path.mtu.on_lost(run.probe_bytes)
        for frame in run.frames:
            self._repeat(frame)

    def _repeat(self, frame: Frame) -> None:
        """See to it that what a lost frame said is said again, as it is now."""
        core = self._core
        match frame:
            case Stream(number, offset, data):
                request = core.requests.open.get(request_of(number))
                if request is not None:
                    request.messages_sent.on_lost(offset, offset + len(data))
            case Handshake():
                core.handshake.on_lost(frame)
            case MaxStream(number) if request_of(number) not in core.requests.open:
                pass
            case MaxRequests():
                self._queue(MaxRequests(core.requests.limit))
            case _:
                self._queue(frame)

    def _queue(self, frame: Frame) -> None:
        """Say a frame again, once, however many copies of it were lost."""
        if frame not in self._core.control:
            self._core.control.append(frame)


def _datagrams(runs: list[Run]) -> int:
    """How many there are, without probes: one that is too large for the path tells of no loss (RFC 8899 section 3)."""
    return sum(run.count for run in runs if not run.probe_bytes)
