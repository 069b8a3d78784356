"""The handshake: who we are, what we can take, and proof of address.

Two messages, one each way, in a byte stream of their own that is as reliable as any other (and that
will carry a TLS exchange one day). The client's travels in HELLO datagrams with its token.
Owns that stream's two halves and the token. Never decides when to send.
"""

from typing import Final

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.limits import HANDSHAKE_MAX_BYTES
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.wire.codec import Parameters, decode_handshake, encode_handshake
from mayhem_udp.wire.frames import Handshake

NO_TOKEN: Final = b""


class HandshakeStream:
    """Both halves of the handshake of one side."""

    __slots__ = (
        "_acked",
        "_incoming",
        "_lost",
        "_outgoing",
        "_received",
        "peer",
        "retried_at",
        "retries",
        "token",
    )

    def __init__(self, parameters: Parameters, *, token: bytes = NO_TOKEN) -> None:
        self._outgoing = encode_handshake(parameters)
        self._lost = RangeSet([(0, len(self._outgoing))])  # nothing is sent yet
        self._acked = RangeSet()
        self._incoming = bytearray()
        self._received = RangeSet()
        self.peer: Parameters | None = None
        self.token = token
        self.retries = 0
        """How often the server has asked for everything again."""
        self.retried_at = 0
        """The number from which on it has been said again."""

    @property
    def is_acked(self) -> bool:
        """Whether the peer has all of this side's part."""
        return self._acked.covered == len(self._outgoing)

    @property
    def wants_to_send(self) -> bool:
        """Whether `take` would give something."""
        return bool(self._lost)

    def take(self, max_bytes: int) -> Handshake | None:
        """The next piece to send."""
        if not self._lost:
            return None
        start, stop = self._lost.lowest()
        stop = min(stop, start + max_bytes)
        self._lost.remove(start, stop)
        return Handshake(start, self._outgoing[start:stop])

    def on_acked(self, frame: Handshake) -> None:
        """The peer has this piece."""
        stop = frame.offset + len(frame.data)
        self._acked.add(frame.offset, stop)
        self._lost.remove(frame.offset, stop)

    def on_lost(self, frame: Handshake) -> None:
        """This piece was lost."""
        for start, stop in list(self._acked.holes(frame.offset, frame.offset + len(frame.data))):
            self._lost.add(start, stop)

    def repeat(self) -> None:
        """Say again whatever the peer has not acknowledged: without it, nothing else makes sense to it."""
        for start, stop in list(self._acked.holes(0, len(self._outgoing))):
            self._lost.add(start, stop)

    def restart(self, token: bytes, *, number: int) -> None:
        """The server asks for everything again, with this token, from this number on."""
        self.token = token
        self.retries += 1
        self.retried_at = number
        self._lost.add(0, len(self._outgoing))

    def put(self, frame: Handshake) -> Parameters | None:
        """Take a piece from the peer; returns its parameters once, when they are whole.

        Raises `PeerError` for a handshake longer than any can be.
        """
        stop = frame.offset + len(frame.data)
        if stop > HANDSHAKE_MAX_BYTES:
            raise PeerError("a handshake is longer than allowed", code=Code.LIMIT_EXCEEDED)
        if self.peer is not None:
            return None
        if len(self._incoming) < stop:
            self._incoming.extend(bytes(stop - len(self._incoming)))
        self._incoming[frame.offset : stop] = frame.data
        self._received.add(frame.offset, stop)
        ready = self._received.stop_of(0)
        self.peer = decode_handshake(self._incoming[:ready])
        return self.peer
