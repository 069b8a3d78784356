"""A datagram explained byte by byte: every field, its value, what it means, and what is wrong with it.

Follows the declarations through `fields`, and asks the codec what it would refuse, so neither an offset
nor a rule is written here. Takes any bytes whatever and never raises; what came from a peer is escaped.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from mayhem_udp.errors import PeerError
from mayhem_udp.limits import MESSAGE_MAX_BYTES
from mayhem_udp.wire import codec, declarations, frames, layout, messages
from mayhem_udp.wire.ack_ranges import ranges_of_ack
from mayhem_udp.wire.declarations import (
    BODIES,
    FRAMES,
    MAGIC,
    VERSIONS_SPOKEN,
    DatagramType,
    FrameType,
)
from mayhem_udp.wire.fields import WRONG, CutShort, Field, Inside, Values, Walk, Words
from mayhem_udp.wire.frames import Ack
from mayhem_udp.wire.meanings import DATAGRAMS, words_of
from mayhem_udp.wire.messages import MessageType
from mayhem_udp.wire.seal import is_intact, seal

_HEADER_WORDS: Final = words_of("header")


def describe(datagram: bytes) -> Sequence[Field]:
    """The fields of a datagram, in the order of their offsets; every byte is in exactly one of them."""
    return list(_datagram(bytes(datagram)))


def describe_frames(body: bytes) -> Sequence[Field]:
    """The fields of frames, one after the other, without a datagram around them."""
    return list(_guarded(_frames(body, 0, len(body))))


def describe_message(payload: bytes) -> Sequence[Field]:
    """The fields of one session message, without the length that stands before it in a stream."""
    return list(_guarded(_message(payload, 0, len(payload))))


def _guarded(fields: Iterator[Field]) -> Iterator[Field]:
    with suppress(CutShort):
        yield from fields


def _datagram(data: bytes) -> Iterator[Field]:
    walk = Walk(data, 0, len(data))
    values: Values = {}

    def words(key: str, value: Any, before: Values) -> tuple[object, str]:
        values[key] = value
        shown, meaning = _HEADER_WORDS(key, value, before)
        return shown, _of_header(key, values, len(data)) or meaning

    try:
        for field in walk.struct(declarations.HEADER, prefix="header", words=words):
            yield field
            if values.get("magic") != MAGIC:
                yield from walk.rest("rest", "whatever it is, it is not of this protocol")
                return
    except CutShort:
        return
    stop = min(layout.HEADER_BYTES + values["length"], len(data))
    yield from _guarded(_body(data, values, stop))
    yield from _seal(data, stop)


def _of_header(key: str, values: Values, total: int) -> str:
    """What is special about a field of this header; empty where nothing is."""
    value = values[key]
    match key:
        case "magic" if value != MAGIC:
            return f"{WRONG}, should be {MAGIC:04x}: this is no datagram of mayhem_udp"
        case "version" if value not in VERSIONS_SPOKEN:
            return "of the protocol: one that is not spoken here"
        case "type" if _is_readable(values):
            return f"{DatagramType(value).name}: {DATAGRAMS[DatagramType(value)]}"
        case "type" if values["version"] in VERSIONS_SPOKEN:
            return f"{WRONG}: no type of this version"
        case "type":
            return "of that version"
        case "key_phase" if value and values["version"] in VERSIONS_SPOKEN:
            return f"{WRONG}, should be 0"
        case "length" if total < layout.FRAMES_OVERHEAD_BYTES:
            return (
                f"{WRONG}: the datagram has {total} bytes, and {layout.FRAMES_OVERHEAD_BYTES} are the least"
            )
        case "length" if value + layout.FRAMES_OVERHEAD_BYTES != total:
            return (
                f"{WRONG}, should be {total - layout.FRAMES_OVERHEAD_BYTES}: the datagram has {total} bytes"
            )
    return ""


def _is_readable(values: Values) -> bool:
    """Whether the body's form is known: the list of versions has the same in every version."""
    number = values["type"]
    return number == DatagramType.VERSIONS or (
        values["version"] in VERSIONS_SPOKEN and number in set(DatagramType)
    )


def _body(data: bytes, values: Values, stop: int) -> Iterator[Field]:
    walk = Walk(data, layout.HEADER_BYTES, stop)
    start = walk.position
    if not _is_readable(values):
        yield from walk.rest("body", "")
        return
    kind = DatagramType(values["type"])
    inside: Inside = {"frames": lambda first, last, _: _frames(data, first, last)}
    yield from walk.struct(BODIES[kind], prefix=kind.name, words=words_of(kind.name), inside=inside)
    if walk.position < stop:
        yield from walk.rest("surplus", f"{WRONG}: {kind.name} ends before these bytes")
        return
    yield from _refusal(_CHECKS[kind], data[start:stop], start, stop, kind.name)


def _check_data(body: bytes) -> object:
    if len(body) == layout.DATA_HEAD.size:
        raise PeerError("a DATA datagram carries no data")
    return None


def _fine(_body: bytes) -> None:
    """Whatever the declaration takes."""


_CHECKS: Final[dict[DatagramType, Callable[[bytes], object]]] = {
    DatagramType.HELLO: codec.split_hello,
    DatagramType.RETRY: codec.retry_token,
    DatagramType.VERSIONS: codec.split_versions,
    DatagramType.FRAMES: _fine,  # each frame is checked by itself
    DatagramType.DATA: _check_data,
    DatagramType.RESET: _fine,
}


def _refusal(
    check: Callable[[bytes], object], data: bytes, start: int, stop: int, name: str
) -> Iterator[Field]:
    """What the codec says against bytes that are declared well: a field of no length at their end."""
    try:
        check(data)
    except PeerError as error:
        yield Field(stop, 0, name, f"bytes {start} to {stop}", f"{WRONG}: {error.message}")


def _seal(data: bytes, start: int) -> Iterator[Field]:
    walk = Walk(data, start, len(data))

    def words(_key: str, value: Any, _before: Values) -> tuple[object, str]:
        stop = start + layout.SEAL_BYTES
        if is_intact(data[:stop]):
            return f"{value:08x}", "right"
        right = layout.SEAL.unpack(seal(data[:start])[-layout.SEAL_BYTES :])[0]
        return f"{value:08x}", f"{WRONG}, should be {right:08x}"

    yield from _guarded(walk.struct(declarations.SEAL, prefix="seal", words=words))
    yield from walk.rest("surplus", f"{WRONG}: the datagram ends before these bytes")


# --- Frames -------------------------------------------------------------------------------------------


def _frames(data: bytes, start: int, stop: int) -> Iterator[Field]:
    walk = Walk(data, start, stop)
    while walk.position < stop:
        number = data[walk.position]
        if number == FrameType.PADDING:
            what = WRONG + ": padding is zeros" if any(data[walk.position : stop]) else "zeros up to the end"
            yield from walk.rest("PADDING", what)
        elif number not in FRAMES:
            yield from walk.rest("frame", f"{WRONG}: frame type {number:#04x} is unknown")
        else:
            yield from _frame(walk, FrameType(number))


def _frame(walk: Walk, kind: FrameType) -> Iterator[Field]:
    data, start = walk.data, walk.position
    plain = words_of(kind.name)
    words = _AckWords(plain) if kind is FrameType.ACK else plain

    def titled(key: str, value: Any, before: Values) -> tuple[object, str]:
        return (value, _title(kind)) if key == "frame_type" else words(key, value, before)

    inside: Inside = {}
    if kind is FrameType.STREAM:
        inside["data"] = lambda first, last, values: _stream(data, first, last, values["offset"])
    elif kind is FrameType.HANDSHAKE:
        inside["data"] = lambda first, last, values: _handshake(data, first, last, values["offset"])
    yield from walk.struct(FRAMES[kind], prefix=kind.name, words=titled, inside=inside)
    yield from _refusal(_check_frame, data[start : walk.position], start, walk.position, kind.name)


def _check_frame(data: bytes) -> None:
    for frame in codec.decode_frames(data):
        if isinstance(frame, Ack):
            ranges_of_ack(frame)


def _title(kind: FrameType) -> str:
    return f"{kind.name}: {_first_sentence(frames.VALUES[kind])}"


def _first_sentence(value: type[Any]) -> str:
    said = (value.__doc__ or "").split("\n")[0].split(". ")[0].rstrip(".").replace("`", "")
    return said[:1].lower() + said[1:]


class _AckWords:
    """The words for an ACK, with the numbers that each pair acknowledges."""

    def __init__(self, plain: Words) -> None:
        self._plain = plain
        self._position = 0

    def __call__(self, key: str, value: Any, before: Values) -> tuple[object, str]:
        shown, meaning = self._plain(key, value, before)
        if key == "largest":
            self._position = value + 1
        elif key == "pairs[]":
            stop = self._position - value["gap"]
            self._position = stop - value["length"]
            meaning = f"received: {self._position} to {stop - 1}" if value["length"] else "received: none"
        return shown, meaning


def _handshake(data: bytes, start: int, stop: int, offset: int) -> Iterator[Field]:
    walk = Walk(data, start, stop)
    if offset:
        yield from walk.rest("HANDSHAKE.data", "goes on with what an earlier frame has begun")
        return
    head = layout.HANDSHAKE_HEAD
    if stop - start < head.size or stop - start < head.size + head.unpack_from(data, start)[0]:
        yield from walk.rest("HANDSHAKE.data", "the beginning of a message that goes on in another frame")
        return
    whole = Walk(data, start, start + head.size + head.unpack_from(data, start)[0])
    words = words_of("PARAMETERS")
    yield from _guarded(whole.struct(declarations.HANDSHAKE, prefix="PARAMETERS", words=words))
    yield from whole.rest("PARAMETERS.later", "of a later version: passed over")
    yield from _refusal(codec.decode_handshake, data[start : whole.end], start, whole.end, "PARAMETERS")
    yield from Walk(data, whole.end, stop).rest("HANDSHAKE.data", "after the message: passed over")


# --- Session messages ---------------------------------------------------------------------------------


def _stream(data: bytes, start: int, stop: int, offset: int) -> Iterator[Field]:
    """The messages of a stretch of a stream, as far as they are whole.

    Where one begins is certain from the stream's own beginning on. Elsewhere, bytes are taken for a message
    if they read as one, and nothing is said against them if not.
    """
    walk = Walk(data, start, stop)
    inside: Inside = {"payload": lambda first, last, _: _guarded(_message(data, first, last))}
    is_certain = offset == 0
    while (length := _message_length(walk)) is not None and length <= MESSAGE_MAX_BYTES:
        begin = walk.position + layout.MESSAGE_HEAD.size
        if begin + length > stop or not (is_certain or _is_message(data[begin : begin + length])):
            break
        yield from walk.struct(
            declarations.MESSAGE, prefix="message", words=words_of("MESSAGE"), inside=inside
        )
    left = "the beginning of a message" if is_certain else "of messages that other frames have the rest of"
    if is_certain and (length or 0) > MESSAGE_MAX_BYTES:
        left = f"{WRONG}: a message has {MESSAGE_MAX_BYTES} bytes at most, this one {length}"
    yield from walk.rest("STREAM.data", left)


def _message_length(walk: Walk) -> int | None:
    """The length that the message says which begins here; None if even that is cut."""
    head = layout.MESSAGE_HEAD
    if walk.end - walk.position < head.size:
        return None
    (length,) = head.unpack_from(walk.data, walk.position)
    return int(length)


def _is_message(payload: bytes) -> bool:
    try:
        messages.decode(payload)
    except PeerError:
        return False
    return True


def _message(data: bytes, start: int, stop: int) -> Iterator[Field]:
    walk = Walk(data, start, stop)
    if start == stop:
        yield Field(start, 0, "message", "0 bytes", f"{WRONG}: a message has a type at least")
        return
    number = data[start]
    if number not in set(MessageType):
        yield from walk.rest("message", f"{WRONG}: message type {number:#04x} is unknown")
        return
    kind = MessageType(number)
    walk.position += 1
    title = f"{kind.name}: {_first_sentence(messages.VALUES[kind])}"
    yield Field(start, 1, f"{kind.name}.type", number, title)
    yield from walk.struct(messages.DECLARATIONS[kind], prefix=kind.name, words=words_of(kind.name))
    if walk.position < stop:
        yield from walk.rest("surplus", f"{WRONG}: {kind.name} ends before these bytes")
        return
    yield from _refusal(messages.decode, data[start:stop], start, stop, kind.name)
