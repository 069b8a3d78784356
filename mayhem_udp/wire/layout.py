"""The hot path's view of the declarations: one `struct.Struct` and one numpy dtype for each fixed head.

Derived by walking the construct declarations once at import, so that no offset is written twice.
Never declares a field itself.
"""

import struct
from typing import Any, Final

import numpy as np
from construct import Const, FormatField, Renamed

from mayhem_udp.wire import declarations


def fixed_fields(declaration: Any) -> list[tuple[str, str]]:
    """The leading fields of fixed width as `(name, struct code)`, up to the first that varies.

    The code carries its byte order: `>H`, `<I`.
    """
    fields: list[tuple[str, str]] = []
    for named in declaration.subcons:
        inner = named
        while isinstance(inner, Renamed | Const):  # not Array: its items are many
            inner = inner.subcon
        if not isinstance(inner, FormatField):
            break
        fields.append((named.name, inner.fmtstr))
    return fields


def head_struct(declaration: Any) -> struct.Struct:
    """The fixed head of a declaration as one `struct.Struct`."""
    codes = [code for _, code in fixed_fields(declaration)]
    orders = {code[0] for code in codes}
    assert len(orders) == 1, "a head has one byte order"
    return struct.Struct(orders.pop() + "".join(code[1] for code in codes))


def head_bytes(declaration: Any, *, until: str) -> int:
    """How long a declaration is up to the field `until`, all before it being of fixed width."""
    names = [each.name for each in declaration.subcons]
    return sum(each.sizeof() for each in declaration.subcons[: names.index(until)])


_NUMPY_CODES: Final = {"B": "u1", "H": "u2", "L": "u4", "Q": "u8", "l": "i4", "q": "i8"}


def head_dtype(*parts: Any) -> np.dtype[np.void]:
    """The fixed heads of several declarations, one after the other, as a packed numpy dtype."""
    fields = [field for part in parts for field in fixed_fields(part)]
    return np.dtype([(name, code[0] + _NUMPY_CODES[code[1]]) for name, code in fields])


HEADER: Final = head_struct(declarations.HEADER)
HEADER_BYTES: Final = HEADER.size
SEAL: Final = head_struct(declarations.SEAL)
SEAL_BYTES: Final = SEAL.size
DATA_HEAD: Final = head_struct(declarations.DATA)
ACK_PAIR: Final = head_struct(declarations.ACK_PAIR)
MESSAGE_HEAD: Final = head_struct(declarations.MESSAGE)
TOKEN_HEAD: Final = head_struct(declarations.HELLO)
HANDSHAKE_HEAD: Final = head_struct(declarations.HANDSHAKE)
PARAMETERS_HEAD_BYTES: Final = head_bytes(declarations.PARAMETERS, until="agent")

DATA_DTYPE: Final = head_dtype(declarations.HEADER, declarations.DATA)
"""Header and head of a DATA datagram: what precedes the payload."""
SEAL_DTYPE: Final = np.dtype("<u4")
PAIR_DTYPE: Final = np.dtype(">u2")

DATA_HEAD_BYTES: Final = DATA_DTYPE.itemsize
DATA_OVERHEAD_BYTES: Final = DATA_HEAD_BYTES + SEAL_BYTES
"""What a DATA datagram adds to its payload."""
FRAMES_OVERHEAD_BYTES: Final = HEADER_BYTES + SEAL_BYTES

_fields = DATA_DTYPE.fields
assert _fields is not None
SAME_BYTES: Final = int(_fields["sequence"][1])
"""The leading bytes that all datagrams of one size, type and connection have in common."""

FRAME_HEADS: Final = {kind: head_struct(declaration) for kind, declaration in declarations.FRAMES.items()}
