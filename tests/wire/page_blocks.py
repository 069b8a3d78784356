"""The blocks of docs/protocol.md: how they are read, and how they look when they are right.

Two kinds. `fields` has a line for each declaration, with its fields in order; the others are examples in
hexadecimal, explained as `mayhem decode` explains them, with `00 x 9` for nine zero bytes. Owns their form,
so that a test can compare the page with the code, and show what should stand there.
"""

import re
from pathlib import Path

import construct

from mayhem_udp.wire import declarations, messages
from mayhem_udp.wire.describe import describe, describe_frames, describe_message
from mayhem_udp.wire.fields import Walk, text_of
from mayhem_udp.wire.meanings import words_of

PATH = Path(__file__).parents[2] / "docs" / "protocol.md"
BYTES_A_LINE = 8
_BLOCK = re.compile(r"^```([\w -]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_REPEATED = re.compile(r"^([0-9a-f]{2}) x ([0-9]+)(?=  |$)")
_HEX = re.compile(r"^[0-9a-f]{2}(?: [0-9a-f]{2})*(?=  |$)")

DECLARED = {
    "HEADER": declarations.HEADER,
    "SEAL": declarations.SEAL,
    **{kind.name: each for kind, each in declarations.BODIES.items()},
    **{f"{kind.name} frame": each for kind, each in declarations.FRAMES.items()},
    "HANDSHAKE message": declarations.HANDSHAKE,
    "PARAMETERS": declarations.PARAMETERS,
    "MESSAGE": declarations.MESSAGE,
    **{f"{kind.name} message": each for kind, each in messages.DECLARATIONS.items()},
    "PACK_ENTRY": messages.PACK_ENTRY,
}
EXAMPLES = {"datagram", "frame", "handshake", "message", "pack"}


def blocks(page, *kinds):
    """The blocks of some kinds: kind, first line on the page, text."""
    for found in _BLOCK.finditer(page):
        if found[1] in kinds:
            yield found[1], page[: found.start()].count("\n") + 1, found[2]


def bytes_of(text):
    """The bytes of an example: what stands in hexadecimal at the beginning of its lines."""
    parts = []
    for line in text.splitlines():
        if found := _REPEATED.match(line):
            parts.append(bytes.fromhex(found[1]) * int(found[2]))
        elif found := _HEX.match(line):
            parts.append(bytes.fromhex(found[0]))
    return b"".join(parts)


def explained(kind, data):
    """An example as it should stand on the page."""
    lines = []
    fields = fields_of(kind, data)
    names = max(len(field.name) for field in fields)
    for field in fields:
        first, *more = _rows(data[field.offset : field.offset + field.length])
        is_long = field.length > BYTES_A_LINE and isinstance(field.value, bytes)
        value = "" if is_long else field.value.hex() if isinstance(field.value, bytes) else field.value
        meaning = f"({field.meaning})" if field.meaning else ""
        words = "  ".join(str(each) for each in (value, meaning) if each != "")
        lines += [f"{first:<23}  {field.name:<{names}}  {words}".rstrip(), *more]
    return "".join(f"{line}\n" for line in lines)


def _rows(data):
    if len(data) > BYTES_A_LINE and len(set(data)) == 1:
        return [f"{data[:1].hex()} x {len(data)}"]
    return [data[start : start + BYTES_A_LINE].hex(" ") for start in range(0, len(data), BYTES_A_LINE)]


def fields_of(kind, data):
    """The fields of an example, those of no length left out."""
    match kind:
        case "datagram":
            found = describe(data)
        case "frame" | "handshake":
            found = describe_frames(data)
        case "message":
            found = describe_message(data)
        case "pack":
            found = _pack(data)
    return [field for field in found if field.length]


def _pack(data):
    walk = Walk(data, 0, len(data))
    while walk.position < len(data):
        head = messages.PACK_ENTRY.parse(data[walk.position :])
        yield from walk.struct(messages.PACK_ENTRY, prefix="PACK_ENTRY", words=words_of("PACK_ENTRY"))
        for name, size in (("name", head.name_length), ("data", head.size)):
            inside = data[walk.position : walk.position + size]
            yield from Walk(data, walk.position, walk.position + size).rest(name, text_of(inside))
            walk.position += size


def signature(name):
    """The line of a declaration in a `fields` block."""
    return f"{name}: " + ", ".join(_field(each) for each in DECLARED[name].subcons)


def _field(named):
    kind = named.subcon
    match kind:
        case construct.Struct():
            return f"{named.name} (as below)"
        case construct.Const():
            return f"{named.name} {_type(kind.subcon)} = {kind.value:#x}"
        case _:
            return f"{named.name} {_type(kind)}"


def _type(kind):
    match kind:
        case construct.FormatField():
            letter = "i" if kind.fmtstr[1].islower() else "u"
            return f"{letter}{8 * kind.sizeof()}" + (" little-endian" if kind.fmtstr[0] == "<" else "")
        case construct.Array():
            return f"{_type(kind.subcon)}[{_name(kind.count)}]"
        case construct.FocusedSeq():
            return f"list of {_type(kind.subcons[1].subcon.subcon)}"
        case construct.Prefixed():
            return "text"
        case construct.Struct():
            return "(" + ", ".join(_field(each) for each in kind.subcons) + ")"
    return "bytes to the end" if kind is construct.GreedyBytes else f"bytes[{_name(kind.length)}]"


def _name(length):
    return re.sub(r"this\[?'?\.?(\w+)'?\]?", r"\1", repr(length)) if callable(length) else str(length)
