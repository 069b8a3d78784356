"""What the fields of the wire mean, in a few words each.

Owns the words, by the names that the declarations give; `describe` puts them beside the bytes, and
`docs/protocol.md` says the same at length. Never knows where a field stands.
"""

from collections.abc import Callable
from typing import Any, Final

from mayhem_udp.errors import Code
from mayhem_udp.wire.declarations import STREAM_ID, DatagramFlag, DatagramType
from mayhem_udp.wire.fields import Values, text_of
from mayhem_udp.wire.messages import NO_DIGEST, NO_FINGERPRINT, SIZE_UNKNOWN, EntryKind

DATAGRAMS: Final = {
    DatagramType.HELLO: "a client opens a connection",
    DatagramType.RETRY: "a server asks for proof of address",
    DatagramType.VERSIONS: "a server names the versions that it speaks",
    DatagramType.FRAMES: "frames of a connection",
    DatagramType.DATA: "a piece of a body",
    DatagramType.RESET: "a server knows no such connection",
}

TEXTS: Final = frozenset({"name", "names[]", "pattern", "text", "reason", "agent"})
"""Fields that hold text for people; all other bytes are shown as they are, or counted."""
OPAQUE: Final = frozenset({"data", "payload"})
"""Bytes of files, of which only the number is told."""
HEXADECIMAL: Final = {"magic": 4, "connection_id": 16, "nonce": 16, "crc32": 8}
"""Numbers that nobody counts with, and how many digits they have."""


def stream_text(number: int) -> str:
    """Which stream a number means: of what request, with what in it, which way."""
    parts = STREAM_ID.parse(number.to_bytes(STREAM_ID.sizeof()))
    what = "body" if parts.kind else "messages"
    way = "server to client" if parts.sender else "client to server"
    return f"request {parts.request}, {what}, {way}"


def code_text(number: int) -> str:
    """The name of a code."""
    return Code(number).name if number in set(Code) else "a code that is not known here"


def _flags(number: int) -> str:
    return " | ".join(str(flag.name) for flag in DatagramFlag if flag and flag & number)


def _size(number: int) -> str:
    return "not known yet" if number == SIZE_UNKNOWN else "bytes"


def _rate_cap(number: int) -> str:
    return "bit/s are wanted at most" if number else "as fast as the path allows"


def _kind(number: int) -> str:
    return EntryKind(number).name.lower() if number in set(EntryKind) else "unknown"


def _range(item: dict[str, int]) -> str:
    return f"{item['stop'] - item['start']} bytes"


_MEANINGS: Final[dict[str, str | Callable[[Any], str]]] = {
    "magic": "begins every datagram",
    "version": "of the protocol",
    "flags": _flags,
    "key_phase": "for sealed datagrams, one day",
    "length": "bytes",
    "connection_id": "drawn by the client",
    "sequence": "never used twice",
    "token_length": "bytes",
    "token": "made by the server, for this client's address",
    "count": "",
    "versions[]": "spoken by the server",
    "stream_id": stream_text,
    "offset": "in the stream",
    "reset_token": "made by the server, from its secret and the connection id",
    "largest": "the highest number received",
    "delay_us": "µs",
    "corrupt": "datagrams of this connection that came damaged so far",
    "pair_count": "",
    "limit": "the highest that the peer may reach, itself not included",
    "request": "a request's number",
    "code": code_text,
    "nonce": "to be sent back",
    "number": "a higher one overrides a lower one",
    "every": "datagrams for each ACK",
    "idle_timeout_ms": "ms without a sign of life",
    "datagram_max_bytes": "of UDP payload that are taken",
    "chunk_bytes": "wanted in each DATA datagram; 0: as the path allows",
    "ack_delay_max_us": "µs that an ACK may wait",
    "body_window_bytes": "first credit of each body",
    "requests_max": "requests that may be opened",
    "rate_cap_bps": _rate_cap,
    "agent_length": "bytes",
    "agent": "the program and its version",
    "size": _size,
    "mtime_ns": "ns since 1970",
    "mode": oct,
    "fingerprint": lambda raw: "none" if raw == NO_FINGERPRINT else "of this version of the file",
    "have.count": "ranges",
    "have[]": lambda item: f"{_range(item)} that need not be sent",
    "recursive": "1: below folders too",
    "digest": "1: with its SHA-256",
    "sha256": lambda raw: "none" if raw == NO_DIGEST else "",
    "kind": _kind,
    "first_block": "the first block of 1 MiB",
    "digests.count": "blocks",
    "digests[]": "XXH3-128 of a block",
    "blocks": "sent again",
    "first": "the first file of these in the pack",
    "codes.count": "files",
    "codes[]": code_text,
    "names.count": "names",
}
"""By field. What ends in `[]` is an item of a list, `.count` how many there are, `.length` of a text."""

_OF_ONE: Final[dict[str, str | Callable[[Any], str]]] = {
    "header.length": "bytes of the body",
    "PUT_PACK.count": "files",
    "PING.number": "the client's own count",
    "PARAMETERS.reset_token": lambda raw: "" if any(raw) else "none: a client's",
    "MAX_STREAM.stream_id": stream_text,
    "MAX_STREAM.limit": "the offset up to which the peer may send",
    "MAX_REQUESTS.limit": "the client may open requests below it",
    "HANDSHAKE.offset": "in the handshake",
    "DATA.offset": "in the file",
    "REPAIR.offset": "in the file",
    "ACK.delay_us": "µs that the ACK has waited",
    "ACK_FREQUENCY.delay_us": "µs that an ACK may wait",
}
"""By owner and field, where the same name means another thing."""


def words_of(owner: str) -> Callable[[str, Any, Values], tuple[object, str]]:
    """The words for the fields of one declaration."""

    def words(key: str, value: Any, _before: Values) -> tuple[object, str]:
        said = _OF_ONE.get(f"{owner}.{key}", _MEANINGS.get(key, "bytes" if key.endswith(".length") else ""))
        return _shown(key, value), said if isinstance(said, str) else said(value)

    return words


def _shown(key: str, value: Any) -> object:
    if key in HEXADECIMAL:
        return f"{value:0{HEXADECIMAL[key]}x}"
    if key in TEXTS:
        return text_of(value)
    if key in OPAQUE:
        return f"{len(value)} bytes"
    if isinstance(value, dict):
        return " ".join(f"{name} {each}" for name, each in value.items())
    return value
