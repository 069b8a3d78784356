"""Filling one datagram of frames: what fits, what is repeated if it is lost, what wants an answer.

Never decides which frames are due.
"""

from mayhem_udp.wire.codec import encode_frame
from mayhem_udp.wire.frames import Ack, Close, Frame, PathChallenge, PathResponse, Ping


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
        if not isinstance(frame, Ack | Close):
            self.wants_answer = True
        if not isinstance(frame, Ack | Close | Ping | PathChallenge | PathResponse):
            self.repeat.append(frame)

    def body(self, *, pad_to_bytes: int = 0) -> bytes:
        """The frames one after the other, padded with zeros."""
        return b"".join(self.parts).ljust(pad_to_bytes, b"\0")
