"""A stream's number: which request it belongs to, which way it goes, what it carries.

Bits 2 to 31 are the request, bit 1 is set for a body (clear for messages), bit 0 is set from the
server to the client. Never keeps anything.
"""

from enum import IntEnum


class Side(IntEnum):
    """Which end of a connection; also the lowest bit of the streams that it sends."""

    CLIENT = 0
    SERVER = 1

    @property
    def other(self) -> "Side":
        """The other end."""
        return Side(1 - self)


class Kind(IntEnum):
    """What a stream carries; its second bit."""

    MESSAGES = 0
    BODY = 1


def stream_id(request: int, kind: Kind, sender: Side) -> int:
    """The number of a stream."""
    return request << 2 | kind << 1 | sender


def request_of(stream: int) -> int:
    """The request that a stream belongs to."""
    return stream >> 2


def kind_of(stream: int) -> Kind:
    """What a stream carries."""
    return Kind(stream >> 1 & 1)


def sender_of(stream: int) -> Side:
    """Which side sends it."""
    return Side(stream & 1)
