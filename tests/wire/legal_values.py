"""Hypothesis' idea of what is legal on the wire: every frame, message, datagram and handshake.

Owns the ranges, taken from the declarations' widths and from `limits`. Values here are such as the codec
gives back: a field that holds bytes is bytes.
"""

from hypothesis import strategies as st

from mayhem_udp import limits
from mayhem_udp.wire import codec, messages
from mayhem_udp.wire.ack_ranges import pairs_of_ranges
from mayhem_udp.wire.declarations import DatagramType, FrameType
from mayhem_udp.wire.frames import (
    Ack,
    AckFrequency,
    Close,
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
from mayhem_udp.wire.messages import MessageType


def unsigned(bits):
    """Numbers of a width, its edges among them."""
    top = (1 << bits) - 1
    return st.integers(0, top) | st.sampled_from([0, 1, top >> 1, (top >> 1) + 1, top])


signed_64 = st.integers(-(1 << 63), (1 << 63) - 1)
u8, u16, u32, u64 = (unsigned(bits) for bits in (8, 16, 32, 64))
short = st.binary(max_size=40)
reasons = st.binary(max_size=limits.REASON_MAX_BYTES)


@st.composite
def ranges(draw):
    """Ranges as a receiver names them: newest first, apart from one another, up to any number."""
    cuts = sorted(draw(st.sets(st.integers(0, 1 << 20), min_size=2, max_size=40)))
    base = draw(st.integers(0, (1 << 62) - (1 << 20)) | st.sampled_from([0, (1 << 16) - 9, (1 << 32) - 9]))
    return [(base + start, base + stop) for start, stop in zip(cuts[::2], cuts[1::2], strict=False)][::-1]


@st.composite
def acks(draw):
    """ACKs as a receiver makes them."""
    newest_first = draw(ranges())
    return Ack(newest_first[0][1] - 1, draw(u32), draw(u32), pairs_of_ranges(newest_first))


@st.composite
def streams(draw):
    data = draw(short)
    top = limits.BODY_OFFSET_MAX - len(data)
    offset = draw(st.sampled_from([0, 1 << 16, 1 << 32, top]) | st.integers(0, top))
    return Stream(draw(u32), offset, data)


FRAMES = {
    FrameType.PING: st.just(Ping()),
    FrameType.ACK: acks(),
    FrameType.STREAM: streams(),
    FrameType.MAX_STREAM: st.builds(MaxStream, u32, u64),
    FrameType.MAX_REQUESTS: st.builds(MaxRequests, u32),
    FrameType.RESET_REQUEST: st.builds(ResetRequest, u32, u16, reasons),
    FrameType.PATH_CHALLENGE: st.builds(PathChallenge, u64),
    FrameType.PATH_RESPONSE: st.builds(PathResponse, u64),
    FrameType.CLOSE: st.builds(Close, u16, reasons),
    FrameType.HANDSHAKE: st.builds(Handshake, u32, short),
    FrameType.TOKEN: st.builds(Token, st.binary(min_size=1, max_size=limits.TOKEN_MAX_BYTES)),
    FrameType.ACK_FREQUENCY: st.builds(AckFrequency, u32, u16, u32),
}
frames = st.one_of(*FRAMES.values())

digests = st.binary(min_size=32, max_size=32)
fingerprints = st.binary(min_size=16, max_size=16)
have = st.lists(st.tuples(u64, u64), max_size=5).map(tuple)

MESSAGES = {
    MessageType.PUT: st.builds(messages.Put, u64, signed_64, u16, fingerprints, short),
    MessageType.GET: st.builds(messages.Get, fingerprints, have, short),
    MessageType.ECHO: st.builds(messages.Echo, u64, short),
    MessageType.LIST: st.builds(messages.List, u8, short),
    MessageType.STAT: st.builds(messages.Stat, u8, short),
    MessageType.REMOVE: st.builds(messages.Remove, short),
    MessageType.PING: st.builds(messages.PingRequest, u64),
    MessageType.PUT_PACK: st.builds(messages.PutPack, u32),
    MessageType.GET_PACK: st.builds(messages.GetPack, st.lists(short, max_size=5).map(tuple)),
    MessageType.ACCEPT: st.builds(messages.Accept, u64, signed_64, u16, fingerprints, have),
    MessageType.TRAILER: st.builds(messages.Trailer, u64, digests),
    MessageType.RESULT: st.builds(messages.Result, u16, u64, digests, short),
    MessageType.ENTRY: st.builds(messages.EntryMessage, u8, u64, signed_64, u16, digests, short),
    MessageType.DIGESTS: st.builds(messages.Digests, u64, st.lists(fingerprints, max_size=5).map(tuple)),
    MessageType.REPAIR: st.builds(messages.Repair, u64, short),
    MessageType.REPAIRED: st.builds(messages.Repaired, u64),
    MessageType.PACK_RESULT: st.builds(messages.PackResult, u32, st.lists(u16, max_size=5).map(tuple)),
}
session_messages = st.one_of(*MESSAGES.values())

handshakes = st.builds(
    codec.Parameters,
    idle_timeout_ms=u32,
    datagram_max_bytes=st.integers(limits.DATAGRAM_MIN_BYTES, 0xFFFF),
    chunk_bytes=st.just(0) | st.integers(limits.CHUNK_MIN_BYTES, 0xFFFF),
    ack_delay_max_us=st.integers(0, limits.ACK_DELAY_MAX_NS // 1_000),
    body_window_bytes=u32,
    requests_max=u32,
    rate_cap_bps=st.just(0) | st.integers(limits.RATE_CAP_MIN_BPS, (1 << 64) - 1),
    reset_token=fingerprints,
    agent=st.text(max_size=60),
)

tokens = st.binary(max_size=limits.TOKEN_MAX_BYTES)
frame_bodies = st.lists(frames, max_size=4).map(lambda some: b"".join(map(codec.encode_frame, some)))
paddings = st.integers(0, 30).map(bytes)


def _body(kind):
    match kind:
        case DatagramType.HELLO:
            return st.builds(lambda t, f, p: codec.join_hello(t, f + p), tokens, frame_bodies, paddings)
        case DatagramType.RETRY:
            return tokens.filter(bool).map(codec.join_retry)
        case DatagramType.VERSIONS:
            return st.lists(u8, min_size=1, max_size=5).map(tuple).map(codec.join_versions)
        case DatagramType.FRAMES:
            return st.builds(bytes.__add__, frame_bodies, paddings)
        case DatagramType.DATA:
            offsets = st.integers(0, limits.BODY_OFFSET_MAX)
            data = st.binary(min_size=1, max_size=60)
            return st.builds(lambda s, o, d: s.to_bytes(4) + o.to_bytes(8) + d, u32, offsets, data)
        case DatagramType.RESET:
            return fingerprints


@st.composite
def bodies(draw):
    """A type and a body that fits it."""
    kind = draw(st.sampled_from(DatagramType))
    return kind, draw(_body(kind))


@st.composite
def datagrams(draw):
    """Whole datagrams, sealed."""
    kind, body = draw(bodies())
    return codec.encode_datagram(kind, body, connection_id=draw(u64), sequence=draw(u64), flags=draw(u8))
