"""The legal values of frames, as frozen structs in a closed union.

The bytes are declared in `declarations`; `codec` is the door between the two.
"""

from typing import Any, Final

from msgspec import Struct

from mayhem_udp.wire.declarations import FrameType


class Ping(Struct, frozen=True):
    """Asks for an acknowledgement, says nothing."""


class Ack(Struct, frozen=True):
    """Sequence numbers received, newest first.

    `pairs` are alternating gap and length, walking down from `largest`: skip `gap` numbers, then
    `length` numbers are acknowledged. Either may be zero, so any distance can be said.
    `corrupt` counts the datagrams of this connection that arrived damaged (modulo 2**32).
    """

    largest: int
    delay_us: int
    corrupt: int
    pairs: tuple[int, ...]


class Stream(Struct, frozen=True):
    """A piece of a stream that shares its datagram with others."""

    stream_id: int
    offset: int
    data: bytes | memoryview


class MaxStream(Struct, frozen=True):
    """Credit: the peer may send this stream up to the offset `limit`."""

    stream_id: int
    limit: int


class MaxRequests(Struct, frozen=True):
    """The peer may open requests with numbers below `limit`."""

    limit: int


class ResetRequest(Struct, frozen=True):
    """A request ends now, both ways."""

    request: int
    code: int
    reason: bytes


class PathChallenge(Struct, frozen=True):
    """Whoever is at this address must send `nonce` back."""

    nonce: int


class PathResponse(Struct, frozen=True):
    """The answer to a challenge."""

    nonce: int


class Close(Struct, frozen=True):
    """The connection ends now."""

    code: int
    reason: bytes


class Handshake(Struct, frozen=True):
    """A piece of the handshake's own byte stream."""

    offset: int
    data: bytes | memoryview


class Token(Struct, frozen=True):
    """Proof of this address for the client's next visit."""

    token: bytes


class AckFrequency(Struct, frozen=True):
    """How often the peer is asked to acknowledge; a higher `number` overrides a lower one."""

    number: int
    every: int
    delay_us: int


Frame = (
    Ping
    | Ack
    | Stream
    | MaxStream
    | MaxRequests
    | ResetRequest
    | PathChallenge
    | PathResponse
    | Close
    | Handshake
    | Token
    | AckFrequency
)

VALUES: Final[dict[FrameType, type[Any]]] = {
    FrameType.PING: Ping,
    FrameType.ACK: Ack,
    FrameType.STREAM: Stream,
    FrameType.MAX_STREAM: MaxStream,
    FrameType.MAX_REQUESTS: MaxRequests,
    FrameType.RESET_REQUEST: ResetRequest,
    FrameType.PATH_CHALLENGE: PathChallenge,
    FrameType.PATH_RESPONSE: PathResponse,
    FrameType.CLOSE: Close,
    FrameType.HANDSHAKE: Handshake,
    FrameType.TOKEN: Token,
    FrameType.ACK_FREQUENCY: AckFrequency,
}
"""The value of each type; padding has none."""
