"""The only door between bytes and values: headers, frames and handshake parameters.

Checks every length itself (a compiled construct parser does not) and raises `PeerError` with
`Code.FRAME_MALFORMED` for anything that is not exactly as declared. Never keeps state.
"""

import struct
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict

from mayhem_udp import limits
from mayhem_udp.errors import Code, PeerError
from mayhem_udp.units import US
from mayhem_udp.wire import layout
from mayhem_udp.wire.declarations import (
    MAGIC,
    PARAMETERS,
    VERSION,
    VERSIONS,
    VERSIONS_SPOKEN,
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


_TYPES: Final = frozenset(int(each) for each in DatagramType)


def decode_header(datagram: Buffer) -> Header | None:
    """The header, or None where these bytes cannot be a datagram of ours.

    Of a version that is not spoken here, only what all versions share is checked.
    """
    if len(datagram) < layout.HEADER_BYTES + layout.SEAL_BYTES:
        return None
    header = Header(*layout.HEADER.unpack_from(datagram))
    if header.magic != MAGIC or header.length + layout.FRAMES_OVERHEAD_BYTES != len(datagram):
        return None
    if header.version in VERSIONS_SPOKEN and (header.type not in _TYPES or header.key_phase):
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

_PATH_TYPES: Final = {PathChallenge: FrameType.PATH_CHALLENGE, PathResponse: FrameType.PATH_RESPONSE}

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
        case PathChallenge(nonce) | PathResponse(nonce):
            return _PATH.pack(_PATH_TYPES[type(frame)], nonce)
        case Token(token):
            return _TOKEN.pack(FrameType.TOKEN, len(token)) + token
        case Ping():
            return _PING.pack(FrameType.PING)


def decode_frames(body: Buffer) -> list[Frame]:
    """Every frame of a body, in order; raises `PeerError` unless all of it is well formed.

    Padding is zeros, runs to the end, and is not returned.
    """
    view = memoryview(body)
    frames: list[Frame] = []
    position, end = 0, len(view)
    while position < end:
        kind = view[position]
        if kind == FrameType.PADDING:
            if bytes(view[position:]).strip(b"\0"):
                raise _malformed("padding is not all zeros")
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


def _decode_ping(_view: memoryview, position: int) -> tuple[Frame, int]:
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
    return ResetRequest(request, code, _reason(view, start, length)), start + length


def _decode_challenge(view: memoryview, position: int) -> tuple[Frame, int]:
    _, nonce = _PATH.unpack_from(view, position)
    return PathChallenge(nonce), position + _PATH.size


def _decode_response(view: memoryview, position: int) -> tuple[Frame, int]:
    _, nonce = _PATH.unpack_from(view, position)
    return PathResponse(nonce), position + _PATH.size


def _decode_close(view: memoryview, position: int) -> tuple[Frame, int]:
    _, code, length = _CLOSE.unpack_from(view, position)
    start = position + _CLOSE.size
    return Close(code, _reason(view, start, length)), start + length


def _reason(view: memoryview, start: int, length: int) -> bytes:
    if length > limits.REASON_MAX_BYTES:
        raise _malformed("a reason is longer than allowed")
    return bytes(_tail(view, start, length))


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


# --- Hello, retry, versions, handshake ------------------------------------------------------------------


def split_hello(body: Buffer) -> tuple[bytes, memoryview]:
    """A HELLO's token and its frames; raises `PeerError`."""
    view = memoryview(body)
    token = _counted(view)
    return token, view[layout.TOKEN_HEAD.size + len(token) :]


def join_hello(token: bytes, frames: bytes) -> bytes:
    """The body of a HELLO."""
    return layout.TOKEN_HEAD.pack(len(token)) + token + frames


def join_retry(token: bytes) -> bytes:
    """The body of a RETRY."""
    return layout.TOKEN_HEAD.pack(len(token)) + token


def retry_token(body: Buffer) -> bytes:
    """A RETRY's token; raises `PeerError`."""
    view = memoryview(body)
    token = _counted(view)
    if not token or len(view) != layout.TOKEN_HEAD.size + len(token):
        raise _malformed("a RETRY is a token and nothing else")
    return token


def _counted(view: memoryview) -> bytes:
    if len(view) < layout.TOKEN_HEAD.size:
        raise _malformed("a token has no length")
    (length,) = layout.TOKEN_HEAD.unpack_from(view)
    if length > limits.TOKEN_MAX_BYTES:
        raise _malformed("a token has an impossible length")
    return bytes(_tail(view, layout.TOKEN_HEAD.size, length))


def join_versions(versions: tuple[int, ...]) -> bytes:
    """The body of a VERSIONS."""
    body: bytes = VERSIONS.build({"count": len(versions), "versions": versions})
    return body


def split_versions(body: Buffer) -> tuple[int, ...]:
    """The versions that a VERSIONS names; raises `PeerError`."""
    view = bytes(body)
    if not view or view[0] == 0 or len(view) != 1 + view[0]:
        raise _malformed("a list of versions does not have the length that it says")
    return tuple(VERSIONS.parse(view).versions)


class Parameters(Struct, frozen=True):
    """What one side tells the other about itself in the handshake.

    `datagram_max_bytes` is the largest UDP payload it takes, `chunk_bytes` the payload it wants in
    each DATA datagram sent to it (0: as the path allows), `reset_token` is the server's (zeros from a
    client), `body_window_bytes` the first credit of each body, `requests_max` of requests. `rate_cap_bps`
    is the rate that nobody may exceed in what is sent to it (0: no cap).
    """

    idle_timeout_ms: int
    datagram_max_bytes: int
    chunk_bytes: int
    ack_delay_max_us: int
    body_window_bytes: int
    requests_max: int
    rate_cap_bps: int
    reset_token: bytes
    agent: str


def encode_handshake(parameters: Parameters) -> bytes:
    """A handshake message: its length, then the parameters."""
    agent = parameters.agent.encode()[:AGENT_MAX_BYTES].decode("utf-8", "ignore").encode()  # whole characters
    values = asdict(parameters) | {"agent": agent, "agent_length": len(agent)}
    body: bytes = PARAMETERS.build(values)
    return layout.HANDSHAKE_HEAD.pack(len(body)) + body


AGENT_MAX_BYTES: Final = 255


def decode_handshake(stream: Buffer) -> Parameters | None:
    """The parameters, or None while the message is not whole; raises `PeerError`.

    What follows the last parameter that is known here is a later version's, and is passed over.
    """
    view = bytes(stream)
    start = layout.HANDSHAKE_HEAD.size
    if len(view) < start:
        return None
    (length,) = layout.HANDSHAKE_HEAD.unpack_from(view)
    if len(view) < start + length:
        return None
    body = view[start : start + length]
    fixed = layout.PARAMETERS_HEAD_BYTES
    if len(body) < fixed or len(body) < fixed + body[fixed - 1]:
        raise _malformed("handshake parameters are cut short")
    parsed = PARAMETERS.parse(body)
    if not _are_legal(parsed):
        raise _malformed("handshake parameters are out of range")
    try:
        agent = parsed.agent.decode()
    except UnicodeDecodeError:
        raise _malformed("the agent of the handshake is not UTF-8") from None
    return Parameters(
        idle_timeout_ms=parsed.idle_timeout_ms,
        datagram_max_bytes=parsed.datagram_max_bytes,
        chunk_bytes=parsed.chunk_bytes,
        ack_delay_max_us=parsed.ack_delay_max_us,
        body_window_bytes=parsed.body_window_bytes,
        requests_max=parsed.requests_max,
        rate_cap_bps=parsed.rate_cap_bps,
        reset_token=parsed.reset_token,
        agent=agent,
    )


def _are_legal(parsed: Any) -> bool:
    return bool(
        parsed.datagram_max_bytes >= limits.DATAGRAM_MIN_BYTES
        and (parsed.chunk_bytes == 0 or parsed.chunk_bytes >= limits.CHUNK_MIN_BYTES)
        and (parsed.rate_cap_bps == 0 or parsed.rate_cap_bps >= limits.RATE_CAP_MIN_BPS)
        and parsed.ack_delay_max_us * US <= limits.ACK_DELAY_MAX_NS
    )
