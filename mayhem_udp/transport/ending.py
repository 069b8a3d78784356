"""How a connection ends: said by us, said by the peer, or without a word.

Owns what is said at the end, and that nothing is left: no request, no timer, nothing to acknowledge
(RFC 9000 section 10). Never decides that it is time to end.
"""

from mayhem_udp.errors import Code
from mayhem_udp.limits import CLOSING_NS, REASON_MAX_BYTES
from mayhem_udp.transport.core import Core
from mayhem_udp.transport.events import Closed, Origin
from mayhem_udp.transport.opening import Opened
from mayhem_udp.transport.outbound import Outbound
from mayhem_udp.transport.state import Signal, advance
from mayhem_udp.transport.timers import Timer
from mayhem_udp.wire.frames import Close


class Ending:
    """The end of one connection; each way happens once at most, since the table of states says so."""

    __slots__ = ("_core", "_goodbye", "_late_batches", "_outbound")

    def __init__(self, core: Core, outbound: Outbound) -> None:
        self._core = core
        self._outbound = outbound
        self._goodbye: Close | None = None
        self._late_batches = 0

    def close(self, code: int, reason: str, *, now_ns: int) -> None:
        """End it, and tell the peer."""
        core = self._core
        after = advance(core.state, Signal.CLOSE_ASKED)
        if after is None:
            return
        core.state = after
        self._outbound.closing = self._goodbye = Close(code, reason.encode()[:REASON_MAX_BYTES])
        core.events.append(Closed(code, reason, Origin.LOCAL))
        self._wind_down(now_ns=now_ns)

    def on_late(self, opened: Opened) -> None:
        """The peer goes on after our goodbye: the 1st, 2nd, 4th, 8th ... batch hears it again (10.2.1)."""
        self._core.stats.datagrams_received += opened.count
        self._late_batches += 1
        if self._late_batches.bit_count() == 1:
            self._outbound.closing = self._goodbye

    def on_peer_close(self, close: Close, *, now_ns: int) -> None:
        """The peer has said goodbye."""
        core = self._core
        after = advance(core.state, Signal.PEER_CLOSED)
        if after is None:
            return
        core.state = after
        core.events.append(Closed(close.code, close.reason.decode("utf-8", "replace"), Origin.PEER))
        self._wind_down(now_ns=now_ns)

    def over(self, code: Code, text: str, origin: Origin, signal: Signal) -> None:
        """It ends without a word to the peer."""
        core = self._core
        after = advance(core.state, signal)
        if after is None:
            return
        core.state = after
        core.events.append(Closed(code, text, origin))
        self._forget_everything()

    def _wind_down(self, *, now_ns: int) -> None:
        self._forget_everything()
        self._core.timers.set(Timer.CLOSING, now_ns + CLOSING_NS)

    def _forget_everything(self) -> None:
        core = self._core
        for number in list(core.requests.open):
            core.requests.end(number)
        core.control.clear()
        core.acks.stop()
        for timer in Timer:
            core.timers.stop(timer)
