"""What a server says without knowing the connection, as its client hears it: RETRY, VERSIONS, RESET.

Each is believed only where it can be true: from the server's address, in the right state, and a RESET
only with the token that the server gave in the handshake (RFC 9000 section 10.3).
"""

from typing import Final

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.transport.core import Core
from mayhem_udp.transport.events import Origin
from mayhem_udp.transport.ledger import Run
from mayhem_udp.transport.opening import Opened
from mayhem_udp.transport.state import Signal, State
from mayhem_udp.transport.streams.numbers import Side
from mayhem_udp.wire.codec import retry_token, split_versions
from mayhem_udp.wire.declarations import VERSION, VERSIONS_SPOKEN, DatagramType
from mayhem_udp.wire.layout import HEADER_BYTES, SEAL_BYTES

RETRIES_MAX: Final = 3
"""More than these a client does not follow."""
ENDINGS = (DatagramType.VERSIONS, DatagramType.RESET, DatagramType.RETRY)
"""RETRY too, where it comes too late to begin anew."""

Ending = tuple[Code, str, Origin, Signal]


def take_retry(core: Core, opened: Opened, *, now_ns: int) -> list[Run]:
    """Take a RETRY; returns what the server kept nothing of: all of it is to be said again.

    More than one, unlike RFC 9000 section 17.2.5.2: a server that was restarted meanwhile knows no token of
    its predecessor's. Each must answer what was said since the last.
    """
    handshake = core.handshake
    if (
        core.state is not State.OPENING
        or handshake.retries >= RETRIES_MAX
        or not _is_from_server(core, opened)
    ):
        return []
    if not _answers_what_was_said(core, opened):
        return []
    token = _retry_token(opened)
    if token is None:
        return []
    ledger = core.recovery.ledger
    for run in ledger.flight.runs:
        if run.first <= opened.header.sequence < run.stop:
            core.path.rtt.on_sample(rtt_ns=now_ns - run.sent_ns, ack_delay_ns=0, now_ns=now_ns)
    unheard = ledger.declare_lost(0, ledger.next_number)  # not by the network: no sign of congestion
    ledger.lost.drop_first(len(ledger.lost))
    handshake.restart(token, number=ledger.next_number)
    core.path.loss.probes = 0
    return unheard


def handle_stateless(core: Core, opened: Opened) -> Ending | None:
    """Take a VERSIONS or RESET; returns how the connection ends, if it does."""
    if not _is_from_server(core, opened):
        return None
    body = _body_of(opened)
    match opened.header.type:
        case DatagramType.VERSIONS if core.state is State.OPENING:
            return versions_ending(body)
        case DatagramType.RETRY if core.state is State.OPENING and _answers_what_was_said(core, opened):
            # Its predecessor has answered, and what that said is not taken back: a request would be half of the
            # one's and half of the other's.
            return _lost(Signal.EXPIRED) if _retry_token(opened) is not None else None
        case DatagramType.RESET if core.peer is not None:
            if any(body) and body == core.peer.reset_token:
                return _lost(Signal.RESET_SEEN)
    return None


def _lost(signal: Signal) -> Ending:
    text = "the server no longer knows this connection; it was probably restarted"
    return Code.CONNECTION_LOST, text, Origin.RESET, signal


def versions_ending(body: bytes) -> Ending | None:
    """How a connection ends whose version the server does not speak; None where it says that it does."""
    try:
        theirs = split_versions(body)
    except PeerError:
        return None
    if VERSION in theirs:
        return None
    spoken = ", ".join(str(each) for each in theirs)
    ours = ", ".join(str(each) for each in VERSIONS_SPOKEN)
    text = f"the server speaks version {spoken} of the protocol, this side speaks {ours}"
    return Code.VERSION_UNKNOWN, text, Origin.PEER, Signal.EXPIRED


def has_answered(core: Core) -> bool:
    """Whether anything has come that only a server can have said who knows this connection."""
    return core.acks.largest >= 0


def _answers_what_was_said(core: Core, opened: Opened) -> bool:
    return core.handshake.retried_at <= opened.header.sequence < core.recovery.ledger.next_number


def _retry_token(opened: Opened) -> bytes | None:
    """The token of a RETRY; None where it has none."""
    try:
        return retry_token(_body_of(opened))
    except PeerError:
        return None


def _is_from_server(core: Core, opened: Opened) -> bool:
    return core.side is Side.CLIENT and opened.address == core.path.address


def _body_of(opened: Opened) -> bytes:
    """The body of the first datagram."""
    stop = min(opened.segment_bytes, opened.total_bytes) - SEAL_BYTES
    return opened.rows[HEADER_BYTES:stop].tobytes()
