"""Filling one datagram of frames: what fits, what is repeated if it is lost, what wants an answer.

Never decides which frames are due.
"""

from mayhem_udp.wire.codec import encode_frame
from mayhem_udp.wire.frames import Ack, Close, Frame, Handshake, PathChallenge, PathResponse, Ping, Stream


class FrameLoad:
    """The frames of one datagram, encoded; `room_bytes` is what is left."""

    __slots__ = ("parts", "repeat", "room_bytes", "told_largest", "wants_answer")

    def __init__(self, room_bytes: int) -> None:
        self.room_bytes = room_bytes
        self.parts: list[bytes] = []
        self.repeat: list[Frame] = []
        self.wants_answer = False
        self.told_largest = -1
        """What an ACK among them names first."""

    def add(self, frame: Frame) -> None:
        """Append a frame; the caller has seen to it that it fits."""
        part = encode_frame(frame)
        self.parts.append(part)
        self.room_bytes -= len(part)
        if isinstance(frame, Ack):
            self.told_largest = frame.largest
        if not isinstance(frame, Ack | Close | PathResponse):  # a response is itself the answer
            self.wants_answer = True
        if not isinstance(frame, Ack | Close | Ping | PathChallenge | PathResponse):
            self.repeat.append(frame)

    def add_copy(self, frame: Frame) -> None:
        """Append what is in flight already: a probe repeats it, and whoever owns it repeats its original.

        Pieces of streams are told apart by their offsets, so an acknowledged copy of them counts. Were other
        copies repeated too, each loss of a probe would double them.
        """
        if isinstance(frame, Stream | Handshake):
            self.add(frame)
            return
        part = encode_frame(frame)
        self.parts.append(part)
        self.room_bytes -= len(part)
        self.wants_answer = True

    def body(self, *, pad_to_bytes: int = 0) -> bytes:
        """The frames one after the other, padded with zeros."""
        return b"".join(self.parts).ljust(pad_to_bytes, b"\0")
