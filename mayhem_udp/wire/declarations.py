"""The bytes of every datagram and frame, declared with construct.

The only place that knows an offset or a width. `layout` derives the hot path's structures from it,
`codec` turns bytes into values with them, `docs/protocol.md` explains what they mean.
All numbers are big-endian, except the CRC32, which is little-endian so that the CRC32 of a whole
datagram, its own checksum included, is one constant (see `seal`).
"""

from enum import IntEnum, IntFlag
from typing import Final

from construct import (
    Array,
    BitsInteger,
    BitStruct,
    Bytes,
    Const,
    GreedyBytes,
    Int8ub,
    Int16ub,
    Int32ub,
    Int32ul,
    Int64ub,
    Struct,
    this,
)

MAGIC: Final = 0x4D59
"""`MY`, the first two bytes of every datagram of every version."""
VERSION: Final = 1
VERSIONS_SPOKEN: Final = (VERSION,)


class DatagramType(IntEnum):
    """What a datagram is; the fourth byte of its header."""

    HELLO = 1
    RETRY = 2
    VERSIONS = 3
    FRAMES = 4
    DATA = 5
    RESET = 6


class DatagramFlag(IntFlag):
    """The fifth byte of the header."""

    NONE = 0
    ACK_NOW = 1
    """Acknowledge at once: the sender has nothing more to send, or probes."""
    EARLY = 2
    """Sent before the server's answer was seen: no stateless reset, please."""


class FrameType(IntEnum):
    """What a frame is; its first byte."""

    PADDING = 0x00
    PING = 0x01
    ACK = 0x02
    STREAM = 0x03
    MAX_STREAM = 0x04
    MAX_REQUESTS = 0x05
    RESET_REQUEST = 0x06
    PATH_CHALLENGE = 0x07
    PATH_RESPONSE = 0x08
    CLOSE = 0x09
    HANDSHAKE = 0x0A
    TOKEN = 0x0B
    ACK_FREQUENCY = 0x0C


# --- Every datagram: header, body, seal -------------------------------------------------------------

HEADER: Final = Struct(
    "magic" / Const(MAGIC, Int16ub),
    "version" / Int8ub,
    "type" / Int8ub,
    "flags" / Int8ub,
    "key_phase" / Const(0, Int8ub),
    "length" / Int16ub,
    "connection_id" / Int64ub,
    "sequence" / Int64ub,
)
SEAL: Final = Struct("crc32" / Int32ul)

DATAGRAM: Final = Struct("header" / HEADER, "body" / Bytes(this.header.length), "seal" / SEAL)

# --- The bodies ---------------------------------------------------------------------------------------

HELLO: Final = Struct("token_length" / Int16ub, "token" / Bytes(this.token_length), "frames" / GreedyBytes)
RETRY: Final = Struct("token_length" / Int16ub, "token" / Bytes(this.token_length))
VERSIONS: Final = Struct("count" / Int8ub, "versions" / Array(this.count, Int8ub))
DATA: Final = Struct("stream_id" / Int32ub, "offset" / Int64ub, "data" / GreedyBytes)
RESET: Final = Struct("reset_token" / Bytes(16))

BODIES: Final = {
    DatagramType.HELLO: HELLO,
    DatagramType.RETRY: RETRY,
    DatagramType.VERSIONS: VERSIONS,
    DatagramType.FRAMES: Struct("frames" / GreedyBytes),
    DatagramType.DATA: DATA,
    DatagramType.RESET: RESET,
}

STREAM_ID: Final = BitStruct("request" / BitsInteger(30), "kind" / BitsInteger(1), "sender" / BitsInteger(1))
"""The bits of a stream's number; `transport.streams.numbers` says what they mean."""

# --- The frames ---------------------------------------------------------------------------------------

ACK_PAIR: Final = Struct("gap" / Int16ub, "length" / Int16ub)

FRAMES: Final = {
    FrameType.PING: Struct("frame_type" / Int8ub),
    FrameType.ACK: Struct(
        "frame_type" / Int8ub,
        "largest" / Int64ub,
        "delay_us" / Int32ub,
        "corrupt" / Int32ub,
        "pair_count" / Int16ub,
        "pairs" / Array(this.pair_count, ACK_PAIR),
    ),
    FrameType.STREAM: Struct(
        "frame_type" / Int8ub,
        "stream_id" / Int32ub,
        "offset" / Int64ub,
        "length" / Int16ub,
        "data" / Bytes(this.length),
    ),
    FrameType.MAX_STREAM: Struct("frame_type" / Int8ub, "stream_id" / Int32ub, "limit" / Int64ub),
    FrameType.MAX_REQUESTS: Struct("frame_type" / Int8ub, "limit" / Int32ub),
    FrameType.RESET_REQUEST: Struct(
        "frame_type" / Int8ub,
        "request" / Int32ub,
        "code" / Int16ub,
        "length" / Int16ub,
        "reason" / Bytes(this.length),
    ),
    FrameType.PATH_CHALLENGE: Struct("frame_type" / Int8ub, "nonce" / Int64ub),
    FrameType.PATH_RESPONSE: Struct("frame_type" / Int8ub, "nonce" / Int64ub),
    FrameType.CLOSE: Struct(
        "frame_type" / Int8ub, "code" / Int16ub, "length" / Int16ub, "reason" / Bytes(this.length)
    ),
    FrameType.HANDSHAKE: Struct(
        "frame_type" / Int8ub, "offset" / Int32ub, "length" / Int16ub, "data" / Bytes(this.length)
    ),
    FrameType.TOKEN: Struct("frame_type" / Int8ub, "length" / Int16ub, "token" / Bytes(this.length)),
    FrameType.ACK_FREQUENCY: Struct(
        "frame_type" / Int8ub, "number" / Int32ub, "every" / Int16ub, "delay_us" / Int32ub
    ),
}

# --- Session messages, as they stand in their streams ---------------------------------------------------

MESSAGE: Final = Struct("length" / Int32ub, "payload" / Bytes(this.length))

# --- The handshake's two messages ---------------------------------------------------------------------

PARAMETERS: Final = Struct(
    "idle_timeout_ms" / Int32ub,
    "datagram_max_bytes" / Int16ub,
    "chunk_bytes" / Int16ub,
    "ack_delay_max_us" / Int32ub,
    "body_window_bytes" / Int32ub,
    "requests_max" / Int32ub,
    "rate_cap_bps" / Int64ub,
    "reset_token" / Bytes(16),
    "agent_length" / Int8ub,
    "agent" / Bytes(this.agent_length),
)
HANDSHAKE: Final = Struct("length" / Int16ub, "parameters" / PARAMETERS)
