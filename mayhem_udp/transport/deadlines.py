"""What happens when a timer expires.

Owns the meaning of each timer of the table in `timers`, and how long silence may last. Never reads a
clock, never sends: it leaves probes for `outbound`.
"""

from typing import Final

from mayhem_udp.errors import Code
from mayhem_udp.transport.core import Core
from mayhem_udp.transport.ending import Ending
from mayhem_udp.transport.events import Origin
from mayhem_udp.transport.loss import PATIENT_TIMEOUTS, PERSISTENT_PROBES
from mayhem_udp.transport.outbound import Outbound
from mayhem_udp.transport.pmtud import BLACK_HOLE_PROBES
from mayhem_udp.transport.settling import Settler
from mayhem_udp.transport.state import Signal, State, advance
from mayhem_udp.transport.timers import NEVER, Timer
from mayhem_udp.units import MS
from mayhem_udp.wire.codec import Parameters
from mayhem_udp.wire.frames import Ping

CREDIT_ASKED_MAX: Final = 16
"""So often one asks for credit in vain; at 50 % loss all of these are lost once in a hundred times."""


class Deadlines:
    """The timers of one connection, and what they set off."""

    __slots__ = ("_asked_for_credit", "_core", "_ending", "_idle_timeout_ns", "_outbound", "_settler")

    def __init__(self, core: Core, outbound: Outbound, settler: Settler, ending: Ending) -> None:
        self._core = core
        self._outbound = outbound
        self._settler = settler
        self._ending = ending
        self._idle_timeout_ns = core.settings.idle_timeout_ns
        self._asked_for_credit = 0

    def on_peer_parameters(self, peer: Parameters) -> None:
        """The shorter of both sides' idle times counts (RFC 9000 section 10.1)."""
        if peer.idle_timeout_ms:
            self._idle_timeout_ns = min(self._idle_timeout_ns, peer.idle_timeout_ms * MS)

    def on_heard(self, *, now_ns: int) -> None:
        """Something intact came from the peer."""
        core = self._core
        core.timers.set(Timer.IDLE, now_ns + self._idle_timeout_ns)
        if core.settings.keep_alive_ns and core.requests.open:
            core.timers.set(Timer.KEEP_ALIVE, now_ns + core.settings.keep_alive_ns)

    def fire(self, timer: Timer, *, now_ns: int) -> None:
        """Do what is due."""
        core = self._core
        match timer:
            case Timer.LOSS:
                self._on_loss_timer(now_ns=now_ns)
            case Timer.IDLE:
                self._ending.over(
                    Code.IDLE_TIMEOUT,
                    f"nothing was heard for {self._idle_timeout_ns / 1e9:.0f} s",
                    Origin.LOCAL,
                    Signal.EXPIRED,
                )
            case Timer.HANDSHAKE:
                text = f"no answer within {core.settings.handshake_timeout_ns / 1e9:g} s"
                self._ending.over(Code.HANDSHAKE_TIMEOUT, text, Origin.LOCAL, Signal.EXPIRED)
            case Timer.CLOSING:
                core.state = advance(core.state, Signal.EXPIRED) or core.state
            case Timer.KEEP_ALIVE if core.requests.open:
                core.control.append(Ping())
                core.timers.set(Timer.KEEP_ALIVE, now_ns + core.settings.keep_alive_ns)
            case Timer.CREDIT if self._is_blocked:
                self._ask_for_credit(now_ns=now_ns)
            case Timer.PATH:
                if core.challenge is not None and core.challenge.has_failed:
                    core.challenge = None
            case Timer.ACK | Timer.PACING | Timer.MTU | Timer.KEEP_ALIVE | Timer.CREDIT:
                pass  # being polled for transmission is all that is wanted

    def _on_loss_timer(self, *, now_ns: int) -> None:
        core = self._core
        path = core.path
        if core.recovery.loss_deadline_ns <= now_ns:
            self._settler.settle(core.recovery.on_time(path, now_ns=now_ns))
        elif core.recovery.probe_deadline_ns(path) <= now_ns:
            oldest_ns = core.recovery.ledger.flight.runs[0].sent_ns
            if core.state is State.OPEN and now_ns - oldest_ns >= self._idle_timeout_ns:
                text = f"nothing was acknowledged for {self._idle_timeout_ns / 1e9:.0f} s"
                self._ending.close(Code.IDLE_TIMEOUT, text, now_ns=now_ns)
                return
            path.loss.probes += 1
            self._outbound.probes_due = 1 if 1 < path.loss.probes <= PERSISTENT_PROBES else 2
            if not core.handshake.is_acked:
                core.handshake.repeat()  # before anything else (RFC 9002 section 6.2.4)
            if path.loss.probes == BLACK_HOLE_PROBES:
                path.mtu.on_black_hole(ceiling_bytes=core.ceiling_bytes)
                path.controller.on_datagram_bytes(path.mtu.current_bytes)
            if path.loss.probes == PERSISTENT_PROBES:
                path.controller.on_persistent_congestion(now_ns=now_ns)
        self.set_loss_timer(now_ns=now_ns)

    def set_loss_timer(self, *, now_ns: int) -> None:
        """When to look for losses, or to probe, after what was sent or heard."""
        core = self._core
        if not core.state.is_live:
            return  # nobody waits for an answer any more
        recovery = core.recovery
        deadline = recovery.loss_deadline_ns
        if deadline in {NEVER, 0}:
            deadline = recovery.probe_deadline_ns(core.path)
            if deadline == NEVER:
                self._set_credit_timer(now_ns=now_ns)
        core.timers.set(Timer.LOSS, deadline)

    # --- Credit --------------------------------------------------------------------------------------

    def on_credit(self) -> None:
        """The peer has given some."""
        self._asked_for_credit = 0

    @property
    def _is_blocked(self) -> bool:
        """Whether nothing is in flight, and all that waits has no credit."""
        core = self._core
        if core.state is not State.OPEN or core.recovery.ledger.flight.runs:
            return False
        return any(
            each.messages_sent.is_blocked or (each.body_sent is not None and each.body_sent.is_blocked)
            for each in core.requests.open.values()
        )

    def _set_credit_timer(self, *, now_ns: int) -> None:
        core = self._core
        if self._asked_for_credit >= CREDIT_ASKED_MAX:
            return  # it is withheld: the idle time-out, or whoever waits, decides
        if core.timers.deadline_ns(Timer.CREDIT) == NEVER and self._is_blocked:
            backoff = max(self._asked_for_credit - PATIENT_TIMEOUTS, 0)
            wait_ns = core.path.rtt.pto_ns(ack_delay_max_ns=core.settings.ack_delay_max_ns, backoff=backoff)
            core.timers.set(Timer.CREDIT, now_ns + wait_ns)

    def _ask_for_credit(self, *, now_ns: int) -> None:
        """Hear from a peer that has nothing to acknowledge, and whose credit may be lost (RFC 9000 section 4.1).

        What has arrived is said with it: so the peer finds at once what of its own has not.
        """
        self._asked_for_credit += 1
        self._core.acks.repeat(now_ns=now_ns)
        self._core.control.append(Ping())
