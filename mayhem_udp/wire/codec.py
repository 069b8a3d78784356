"""The only door between bytes and values: headers, frames and handshake parameters.

Checks every length itself (a compiled construct parser does not) and raises `PeerError` with
`Code.FRAME_MALFORMED` for anything that is not exactly as declared. Never keeps state.
"""

import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from mayhem_udp import limits
from mayhem_udp.errors import Code, PeerError
from mayhem_udp.wire import layout
from mayhem_udp.wire.declarations import (
    HANDSHAKE,
    MAGIC,
    PARAMETERS,
    VERSION,
    DatagramFlag,
    DatagramType,
    FrameType,
)
from mayhem_udp.wire.frames import (
    Ack,
    AckFrequency,
    Close,
    Frame,
    Handshake,
    MaxRequests,
    MaxStream,
    PathChallenge,
    PathResponse,
    Ping,
    ResetRequest,
    Stream,
    Token,
)
from mayhem_udp.wire.seal import seal

Buffer = bytes | bytearray | memoryview


class Header(NamedTuple):
    """The head of a datagram, as it stands on the wire; `length` is the body's, in bytes."""

    magic: int
    version: int
    type: int
    flags: int
    key_phase: int
    length: int
    connection_id: int
    sequence: int


def decode_header(datagram: Buffer) -> Header | None:
    """The header, or None where these bytes cannot be a datagram of any version of ours."""
    if len(datagram) < layout.HEADER_BYTES + layout.SEAL_BYTES:
        return None
    header = Header(*layout.HEADER.unpack_from(datagram))
    if header.magic != MAGIC or header.length + layout.FRAMES_OVERHEAD_BYTES != len(datagram):
        return None
    return header


def encode_datagram(
    kind: DatagramType,
    body: bytes | bytearray,
    *,
    connection_id: int,
    sequence: int,
    flags: int = DatagramFlag.NONE,
    version: int = VERSION,
) -> bytes:
    """One whole sealed datagram."""
    head = layout.HEADER.pack(MAGIC, version, kind, flags, 0, len(body), connection_id, sequence)
    return seal(head + body)


# --- Frames -------------------------------------------------------------------------------------------

_PING: Final = layout.FRAME_HEADS[FrameType.PING]
_ACK: Final = layout.FRAME_HEADS[FrameType.ACK]
_STREAM: Final = layout.FRAME_HEADS[FrameType.STREAM]
_MAX_STREAM: Final = layout.FRAME_HEADS[FrameType.MAX_STREAM]
_MAX_REQUESTS: Final = layout.FRAME_HEADS[FrameType.MAX_REQUESTS]
_RESET: Final = layout.FRAME_HEADS[FrameType.RESET_REQUEST]
_PATH: Final = layout.FRAME_HEADS[FrameType.PATH_CHALLENGE]
_CLOSE: Final = layout.FRAME_HEADS[FrameType.CLOSE]
_HANDSHAKE: Final = layout.FRAME_HEADS[FrameType.HANDSHAKE]
_TOKEN: Final = layout.FRAME_HEADS[FrameType.TOKEN]
_FREQUENCY: Final = layout.FRAME_HEADS[FrameType.ACK_FREQUENCY]

STREAM_FRAME_OVERHEAD_BYTES: Final = _STREAM.size
HANDSHAKE_FRAME_OVERHEAD_BYTES: Final = _HANDSHAKE.size


def encode_frame(frame: Frame) -> bytes:
    """The bytes of one frame."""
    match frame:
        case Ack(largest, delay_us, corrupt, pairs):
            head = _ACK.pack(FrameType.ACK, largest, delay_us, corrupt, len(pairs) // 2)
            return head + np.array(pairs, layout.PAIR_DTYPE).tobytes()
        case Stream(stream_id, offset, data):
            return _STREAM.pack(FrameType.STREAM, stream_id, offset, len(data)) + data
        case MaxStream(stream_id, limit):
            return _MAX_STREAM.pack(FrameType.MAX_STREAM, stream_id, limit)
        case MaxRequests(limit):
            return _MAX_REQUESTS.pack(FrameType.MAX_REQUESTS, limit)
        case ResetRequest(request, code, reason):
            return _RESET.pack(FrameType.RESET_REQUEST, request, code, len(reason)) + reason
        case Handshake(offset, data):
            return _HANDSHAKE.pack(FrameType.HANDSHAKE, offset, len(data)) + data
        case AckFrequency(number, every, delay_us):
            return _FREQUENCY.pack(FrameType.ACK_FREQUENCY, number, every, delay_us)
        case Close(code, reason):
            return _CLOSE.pack(FrameType.CLOSE, code, len(reason)) + reason
        case PathChallenge(nonce):
            return _PATH.pack(FrameType.PATH_CHALLENGE, nonce)
        case PathResponse(nonce):
            return _PATH.pack(FrameType.PATH_RESPONSE, nonce)
        case Token(token):
            return _TOKEN.pack(FrameType.TOKEN, len(token)) + token
        case Ping():
            return _PING.pack(FrameType.PING)


def decode_frames(body: Buffer) -> list[Frame]:
    """Every frame of a body, in order; raises `PeerError` unless all of it is well formed.

    Padding runs from its first zero byte to the end, and is not returned.
    """
    view = memoryview(body)
    frames: list[Frame] = []
    position, end = 0, len(view)
    while position < end:
        kind = view[position]
        if kind == FrameType.PADDING:
            break
        decoder = _DECODERS.get(kind)
        if decoder is None:
            raise _malformed(f"frame type {kind:#04x} is unknown")
        try:
            frame, position = decoder(view, position)
        except struct.error:
            raise _malformed(f"a frame of type {kind:#04x} is cut short") from None
        frames.append(frame)
    return frames


def _malformed(text: str) -> PeerError:
    return PeerError(text, code=Code.FRAME_MALFORMED)


def _tail(view: memoryview, start: int, length: int) -> memoryview:
    tail = view[start : start + length]
    if len(tail) != length:
        raise _malformed("a frame claims more bytes than its datagram has")
    return tail


def _decode_ping(view: memoryview, position: int) -> tuple[Frame, int]:
    return Ping(), position + _PING.size


def _decode_ack(view: memoryview, position: int) -> tuple[Frame, int]:
    _, largest, delay_us, corrupt, count = _ACK.unpack_from(view, position)
    start = position + _ACK.size
    size = count * layout.ACK_PAIR.size
    pairs = np.frombuffer(_tail(view, start, size), layout.PAIR_DTYPE).tolist()
    return Ack(largest, delay_us, corrupt, tuple(pairs)), start + size


def _decode_stream(view: memoryview, position: int) -> tuple[Frame, int]:
    _, stream_id, offset, length = _STREAM.unpack_from(view, position)
    start = position + _STREAM.size
    if offset + length > limits.BODY_OFFSET_MAX:
        raise _malformed("a stream's offset is past any file")
    return Stream(stream_id, offset, _tail(view, start, length)), start + length


def _decode_max_stream(view: memoryview, position: int) -> tuple[Frame, int]:
    _, stream_id, limit = _MAX_STREAM.unpack_from(view, position)
    return MaxStream(stream_id, limit), position + _MAX_STREAM.size


def _decode_max_requests(view: memoryview, position: int) -> tuple[Frame, int]:
    _, limit = _MAX_REQUESTS.unpack_from(view, position)
    return MaxRequests(limit), position + _MAX_REQUESTS.size


def _decode_reset(view: memoryview, position: int) -> tuple[Frame, int]:
    _, request, code, length = _RESET.unpack_from(view, position)
    start = position + _RESET.size
    return ResetRequest(request, code, bytes(_tail(view, start, length))), start + length


def _decode_challenge(view: memoryview, position: int) -> tuple[Frame, int]:
    _, nonce = _PATH.unpack_from(view, position)
    return PathChallenge(nonce), position + _PATH.size


def _decode_response(view: memoryview, position: int) -> tuple[Frame, int]:
    _, nonce = _PATH.unpack_from(view, position)
    return PathResponse(nonce), position + _PATH.size


def _decode_close(view: memoryview, position: int) -> tuple[Frame, int]:
    _, code, length = _CLOSE.unpack_from(view, position)
    start = position + _CLOSE.size
    return Close(code, bytes(_tail(view, start, length))), start + length


def _decode_handshake(view: memoryview, position: int) -> tuple[Frame, int]:
    _, offset, length = _HANDSHAKE.unpack_from(view, position)
    start = position + _HANDSHAKE.size
    return Handshake(offset, _tail(view, start, length)), start + length


def _decode_token(view: memoryview, position: int) -> tuple[Frame, int]:
    _, length = _TOKEN.unpack_from(view, position)
    start = position + _TOKEN.size
    if not 0 < length <= limits.TOKEN_MAX_BYTES:
        raise _malformed("a token has an impossible length")
    return Token(bytes(_tail(view, start, length))), start + length


def _decode_frequency(view: memoryview, position: int) -> tuple[Frame, int]:
    _, number, every, delay_us = _FREQUENCY.unpack_from(view, position)
    return AckFrequency(number, every, delay_us), position + _FREQUENCY.size


_DECODERS: Final = {
    int(FrameType.PING): _decode_ping,
    int(FrameType.ACK): _decode_ack,
    int(FrameType.STREAM): _decode_stream,
    int(FrameType.MAX_STREAM): _decode_max_stream,
    int(FrameType.MAX_REQUESTS): _decode_max_requests,
    int(FrameType.RESET_REQUEST): _decode_reset,
    int(FrameType.PATH_CHALLENGE): _decode_challenge,
    int(FrameType.PATH_RESPONSE): _decode_response,
    int(FrameType.CLOSE): _decode_close,
    int(FrameType.HANDSHAKE): _decode_handshake,
    int(FrameType.TOKEN): _decode_token,
    int(FrameType.ACK_FREQUENCY): _decode_frequency,
}


# --- ACK ranges ---------------------------------------------------------------------------------------


def pairs_of_ranges(ranges: list[tuple[int, int]]) -> tuple[int, ...]:
    """Half-open ranges, highest first, as alternating gap and length of at most 65,535 each."""
    pairs: list[int] = []
    position = ranges[0][1]
    for start, stop in ranges:
        gap, length = position - stop, stop - start
        while gap > _PAIR_MAX:
            pairs += (_PAIR_MAX, 0)
            gap -= _PAIR_MAX
        while length > _PAIR_MAX:
            pairs += (gap, _PAIR_MAX)
            gap, length = 0, length - _PAIR_MAX
        pairs += (gap, length)
        position = start
    return tuple(pairs)


_PAIR_MAX: Final = 0xFFFF


def ranges_of_ack(ack: Ack) -> list[tuple[int, int]]:
    """The half-open ranges that an ACK names, highest first; raises `PeerError` below zero."""
    ranges: list[tuple[int, int]] = []
    position = ack.largest + 1
    pairs = ack.pairs
    for index in range(0, len(pairs), 2):
        stop = position - pairs[index]
        position = stop - pairs[index + 1]
        if position < 0:
            raise PeerError("an ACK names numbers below zero", code=Code.BAD_ACK)
        if stop > position:
            ranges.append((position, stop))
    return ranges


# --- Hello, retry, handshake ----------------------------------------------------------------------------


def split_hello(body: Buffer) -> tuple[bytes, memoryview]:
    """A HELLO's token and its frames; raises `PeerError`."""
    view = memoryview(body)
    token = _counted(view)
    return token, view[2 + len(token) :]


def join_hello(token: bytes, frames: bytes) -> bytes:
    """The body of a HELLO."""
    return len(token).to_bytes(2) + token + frames


def retry_token(body: Buffer) -> bytes:
    """A RETRY's token; raises `PeerError`."""
    return _counted(memoryview(body))


def _counted(view: memoryview) -> bytes:
    length = int.from_bytes(view[:2])
    if len(view) < 2 or length > limits.TOKEN_MAX_BYTES:
        raise _malformed("a token has an impossible length")
    return bytes(_tail(view, 2, length))


@dataclass(frozen=True, slots=True)
class Parameters:
    """What one side tells the other about itself in the handshake.

    `datagram_max_bytes` is the largest UDP payload it takes, `chunk_bytes` the payload it wants in
    each DATA datagram sent to it (0: as the path allows), `reset_token` is the server's (zeros from a
    client), `body_window_bytes` the first credit of each body, `requests_max` of requests.
    """

    idle_timeout_ms: int
    datagram_max_bytes: int
    chunk_bytes: int
    ack_delay_max_us: int
    body_window_bytes: int
    requests_max: int
    reset_token: bytes
    agent: str


def encode_handshake(parameters: Parameters) -> bytes:
    """A handshake message: its length, then the parameters."""
    agent = parameters.agent.encode()[:255]
    body: bytes = PARAMETERS.build(
        {
            "idle_timeout_ms": parameters.idle_timeout_ms,
            "datagram_max_bytes": parameters.datagram_max_bytes,
            "chunk_bytes": parameters.chunk_bytes,
            "ack_delay_max_us": parameters.ack_delay_max_us,
            "body_window_bytes": parameters.body_window_bytes,
            "requests_max": parameters.requests_max,
            "reset_token": parameters.reset_token,
            "agent_length": len(agent),
            "agent": agent,
        }
    )
    return len(body).to_bytes(2) + body


def decode_handshake(stream: Buffer) -> Parameters | None:
    """The parameters, or None while the message is not whole; raises `PeerError`."""
    view = bytes(stream)
    if len(view) < HANDSHAKE.length.sizeof() or len(view) < 2 + int.from_bytes(view[:2]):
        return None
    fixed = _PARAMETERS_FIXED_BYTES
    body = view[2 : 2 + int.from_bytes(view[:2])]
    if len(body) < fixed or len(body) < fixed + body[fixed - 1]:
        raise _malformed("handshake parameters are cut short")
    parsed = PARAMETERS.parse(body)
    if parsed.datagram_max_bytes < limits.DATAGRAM_MIN_BYTES:
        raise _malformed("handshake parameters are out of range")
    return Parameters(
        idle_timeout_ms=parsed.idle_timeout_ms,
        datagram_max_bytes=parsed.datagram_max_bytes,
        chunk_bytes=parsed.chunk_bytes,
        ack_delay_max_us=parsed.ack_delay_max_us,
        body_window_bytes=parsed.body_window_bytes,
        requests_max=parsed.requests_max,
        reset_token=parsed.reset_token,
        agent=parsed.agent.decode("utf-8", "replace"),
    )


_PARAMETERS_FIXED_BYTES: Final = sum(each.sizeof() for each in PARAMETERS.subcons if each.name != "agent")
