"""The messages of the session, declared with construct, and their values.

Each is one byte of type, then its fields; a request's first message says what is asked. The only place
that knows the bytes of a message. `encode` and `decode` are the door; nothing here keeps state.
"""

from enum import IntEnum
from typing import Any, Final

import msgspec
from construct import (
    Bytes,
    ConstructError,
    GreedyBytes,
    Int8ub,
    Int16ub,
    Int32ub,
    Int64sb,
    Int64ub,
    Prefixed,
    PrefixedArray,
    Struct,
)

from mayhem_udp.errors import Code, PeerError

SIZE_UNKNOWN: Final = (1 << 64) - 1
"""The size of a file that ends when it ends (standard input)."""
NO_DIGEST: Final = bytes(32)
NO_FINGERPRINT: Final = bytes(16)


class MessageType(IntEnum):
    """What a message is; its first byte. Below 0x20: what a client asks."""

    PUT = 0x01
    GET = 0x02
    ECHO = 0x03
    LIST = 0x04
    STAT = 0x05
    REMOVE = 0x06
    PING = 0x07
    PUT_PACK = 0x08
    GET_PACK = 0x09
    ACCEPT = 0x20
    TRAILER = 0x21
    RESULT = 0x22
    ENTRY = 0x23
    DIGESTS = 0x24
    REPAIR = 0x25
    REPAIRED = 0x26
    PACK_RESULT = 0x27


class EntryKind(IntEnum):
    """What stands in a listing."""

    FILE = 1
    DIRECTORY = 2


_TEXT: Final = Prefixed(Int16ub, GreedyBytes)
_RANGE: Final = Struct("start" / Int64ub, "stop" / Int64ub)
_FINGERPRINT: Final = Bytes(16)
_DIGEST: Final = Bytes(32)

DECLARATIONS: Final[dict[MessageType, Any]] = {
    MessageType.PUT: Struct(
        "size" / Int64ub, "mtime_ns" / Int64sb, "mode" / Int16ub, "fingerprint" / _FINGERPRINT, "name" / _TEXT
    ),
    MessageType.GET: Struct(
        "fingerprint" / _FINGERPRINT, "have" / PrefixedArray(Int16ub, _RANGE), "name" / _TEXT
    ),
    MessageType.ECHO: Struct("size" / Int64ub, "name" / _TEXT),
    MessageType.LIST: Struct("recursive" / Int8ub, "pattern" / _TEXT),
    MessageType.STAT: Struct("digest" / Int8ub, "name" / _TEXT),
    MessageType.REMOVE: Struct("name" / _TEXT),
    MessageType.PING: Struct("number" / Int64ub),
    MessageType.PUT_PACK: Struct("count" / Int32ub),
    MessageType.GET_PACK: Struct("names" / PrefixedArray(Int16ub, _TEXT)),
    MessageType.ACCEPT: Struct(
        "size" / Int64ub,
        "mtime_ns" / Int64sb,
        "mode" / Int16ub,
        "fingerprint" / _FINGERPRINT,
        "have" / PrefixedArray(Int16ub, _RANGE),
    ),
    MessageType.TRAILER: Struct("size" / Int64ub, "sha256" / _DIGEST),
    MessageType.RESULT: Struct("code" / Int16ub, "size" / Int64ub, "sha256" / _DIGEST, "text" / _TEXT),
    MessageType.ENTRY: Struct(
        "kind" / Int8ub,
        "size" / Int64ub,
        "mtime_ns" / Int64sb,
        "mode" / Int16ub,
        "sha256" / _DIGEST,
        "name" / _TEXT,
    ),
    MessageType.DIGESTS: Struct("first_block" / Int64ub, "digests" / PrefixedArray(Int16ub, _FINGERPRINT)),
    MessageType.REPAIR: Struct("offset" / Int64ub, "data" / _TEXT),
    MessageType.REPAIRED: Struct("blocks" / Int64ub),
    MessageType.PACK_RESULT: Struct("first" / Int32ub, "codes" / PrefixedArray(Int16ub, Int16ub)),
}

PACK_ENTRY: Final = Struct(
    "name_length" / Int16ub,
    "size" / Int32ub,
    "mtime_ns" / Int64sb,
    "mode" / Int16ub,
    "code" / Int16ub,
    "sha256" / _DIGEST,
)
"""The head of one file in a pack; its name and its bytes follow. `code` is not zero where a file that was
asked for cannot be had: then the size is zero."""


class Put(msgspec.Struct, frozen=True):
    """Store the body under `name`. `size` may be `SIZE_UNKNOWN`."""

    size: int
    mtime_ns: int
    mode: int
    fingerprint: bytes
    name: bytes


class Get(msgspec.Struct, frozen=True):
    """Send the file `name`; of the version with `fingerprint`, the ranges `have` are here already."""

    fingerprint: bytes
    have: tuple[tuple[int, int], ...]
    name: bytes


class Echo(msgspec.Struct, frozen=True):
    """Take the body, and send it back."""

    size: int
    name: bytes


class List(msgspec.Struct, frozen=True):
    """Name the files that match `pattern`; below directories too where `recursive` is 1."""

    recursive: int
    pattern: bytes


class Stat(msgspec.Struct, frozen=True):
    """Tell about one file; with its SHA-256 where `digest` is 1."""

    digest: int
    name: bytes


class Remove(msgspec.Struct, frozen=True):
    """Remove one file."""

    name: bytes


class PingRequest(msgspec.Struct, frozen=True):
    """Answer at once."""

    number: int


class PutPack(msgspec.Struct, frozen=True):
    """Store `count` small files, one after the other in the body."""

    count: int


class GetPack(msgspec.Struct, frozen=True):
    """Send these small files, one after the other in the body."""

    names: tuple[bytes, ...]


class Accept(msgspec.Struct, frozen=True):
    """Go on: about the file, and which ranges of it need not be sent."""

    size: int
    mtime_ns: int
    mode: int
    fingerprint: bytes
    have: tuple[tuple[int, int], ...]


class Trailer(msgspec.Struct, frozen=True):
    """The body is complete: so many bytes, with this SHA-256."""

    size: int
    sha256: bytes


class Result(msgspec.Struct, frozen=True):
    """How the request ended; `sha256` is of the bytes that are in place now."""

    code: int
    size: int
    sha256: bytes
    text: bytes


class EntryMessage(msgspec.Struct, frozen=True):
    """One line of a listing."""

    kind: int
    size: int
    mtime_ns: int
    mode: int
    sha256: bytes
    name: bytes


class Digests(msgspec.Struct, frozen=True):
    """The receiver's block digests from `first_block`, because the whole did not fit."""

    first_block: int
    digests: tuple[bytes, ...]


class Repair(msgspec.Struct, frozen=True):
    """Bytes to be written over those at `offset`."""

    offset: int
    data: bytes


class Repaired(msgspec.Struct, frozen=True):
    """So many blocks were sent again; check once more."""

    blocks: int


class PackResult(msgspec.Struct, frozen=True):
    """The outcome of files of a pack, from number `first`."""

    first: int
    codes: tuple[int, ...]


Message = (
    Put
    | Get
    | Echo
    | List
    | Stat
    | Remove
    | PingRequest
    | PutPack
    | GetPack
    | Accept
    | Trailer
    | Result
    | EntryMessage
    | Digests
    | Repair
    | Repaired
    | PackResult
)

VALUES: Final[dict[MessageType, type[Any]]] = {
    MessageType.PUT: Put,
    MessageType.GET: Get,
    MessageType.ECHO: Echo,
    MessageType.LIST: List,
    MessageType.STAT: Stat,
    MessageType.REMOVE: Remove,
    MessageType.PING: PingRequest,
    MessageType.PUT_PACK: PutPack,
    MessageType.GET_PACK: GetPack,
    MessageType.ACCEPT: Accept,
    MessageType.TRAILER: Trailer,
    MessageType.RESULT: Result,
    MessageType.ENTRY: EntryMessage,
    MessageType.DIGESTS: Digests,
    MessageType.REPAIR: Repair,
    MessageType.REPAIRED: Repaired,
    MessageType.PACK_RESULT: PackResult,
}
_TYPES: Final = {value: kind for kind, value in VALUES.items()}

for _kind, _value in VALUES.items():
    _declared = [each.name for each in DECLARATIONS[_kind].subcons]
    assert _declared == list(_value.__struct_fields__), f"{_kind.name}: declaration and value agree"


def encode(message: Message) -> bytes:
    """The bytes of a message."""
    kind = _TYPES[type(message)]
    values = {name: getattr(message, name) for name in message.__struct_fields__}
    if "have" in values:
        values["have"] = [{"start": start, "stop": stop} for start, stop in values["have"]]
    body: bytes = DECLARATIONS[kind].build(values)
    return bytes([kind]) + body


def decode(payload: bytes) -> Message:
    """The message; raises `PeerError` unless the bytes are exactly one."""
    try:
        kind = MessageType(payload[0])
    except (IndexError, ValueError):
        raise PeerError("a message of an unknown type", code=Code.VERB_UNKNOWN) from None
    declaration = DECLARATIONS[kind]
    try:
        parsed = declaration.parse(payload[1:])
        exact = declaration.build(parsed) == payload[1:]
    except (ConstructError, ValueError) as error:
        raise PeerError(f"a {kind.name} message is malformed", code=Code.MESSAGE_MALFORMED) from error
    if not exact:
        raise PeerError(f"a {kind.name} message has bytes to spare", code=Code.MESSAGE_MALFORMED)
    values = {name: _plain(parsed[name]) for name in VALUES[kind].__struct_fields__}
    if "have" in values:
        values["have"] = tuple((each.start, each.stop) for each in parsed.have)
    message: Message = VALUES[kind](**values)
    return message


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
