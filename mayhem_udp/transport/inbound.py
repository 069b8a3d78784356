"""What comes in: stretches of intact datagrams, into what they mean for the connection.

Dispatches frames and bodies to the parts that own them and queues events. Raises `PeerError` where
the peer breaks a rule; `connection` then closes. Never sends: it leaves frames for `outbound`.
"""

from collections import deque
from typing import Final

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.limits import MEMORY_FLOOR_BYTES, PATH_ANSWERS_MAX
from mayhem_udp.transport import unpacking
from mayhem_udp.transport.core import Core
from mayhem_udp.transport.events import BodyReceived, MessageReceived, RequestReset, TokenReceived
from mayhem_udp.transport.opening import Opened
from mayhem_udp.transport.path import PathCheck
from mayhem_udp.transport.recovery import Outcome
from mayhem_udp.transport.streams.bodies import BodySend
from mayhem_udp.transport.streams.numbers import Kind, Side, kind_of, request_of, sender_of
from mayhem_udp.wire.codec import Parameters, decode_frames, split_hello
from mayhem_udp.wire.declarations import DatagramFlag, DatagramType
from mayhem_udp.wire.frames import (
    Ack,
    AckFrequency,
    Close,
    Frame,
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
from mayhem_udp.wire.layout import DATA_OVERHEAD_BYTES, HEADER, HEADER_BYTES, SEAL_BYTES

ACK_NOW: Final = int(DatagramFlag.ACK_NOW)
"""As a plain number: flags of enums cost a microsecond each time."""


class Inbound:
    """The receiving direction of one connection.

    What `connection` has to act on is left in `outcomes` (acknowledgements), `peer_parameters`
    (a handshake that is done), `credited` (bodies that may go on), `close` and `path_answer`.
    """

    __slots__ = ("_core", "answers", "close", "credited", "outcomes", "path_answer", "peer_parameters")

    def __init__(self, core: Core) -> None:
        self._core = core
        self.outcomes: deque[Outcome] = deque()
        self.credited: deque[BodySend] = deque()
        self.peer_parameters: Parameters | None = None
        self.close: Close | None = None
        self.path_answer: PathCheck | None = None
        self.answers: deque[PathResponse] = deque(maxlen=PATH_ANSWERS_MAX)
        """Responses to challenges; not repeated when lost, the challenge is."""

    def handle(self, opened: Opened, *, now_ns: int) -> None:
        """Take one stretch of datagrams of this connection. Raises `PeerError`."""
        core = self._core
        stats = core.stats
        stats.datagrams_received += opened.count
        stats.bytes_received += opened.total_bytes
        stats.batches_received += 1
        if opened.header.type == DatagramType.DATA:
            self._handle_data(opened, now_ns=now_ns)
        else:
            self._handle_each(opened, now_ns=now_ns)
        stats.duplicate_dropped = core.acks.duplicates

    # --- Bodies ------------------------------------------------------------------------------------

    def _handle_data(self, opened: Opened, *, now_ns: int) -> None:
        acks = self._core.acks
        gap = 0
        chunk = opened.segment_bytes - DATA_OVERHEAD_BYTES
        runs, taken = unpacking.data_runs(opened), opened.count
        if self._core.memory.left_bytes <= 0:  # as if a buffer on the way had been full: it comes again
            runs = [part for run in runs if (part := self._what_fills_holes(run, opened)) is not None]
            taken = sum(run.datagrams for run in runs)
            self._core.stats.no_room_dropped += opened.count - taken
            if not taken:
                return
        for run in runs:
            gap += run.first != acks.largest + 1
            new = acks.record(run.first, run.datagrams, now_ns=now_ns)
            for fresh in unpacking.new_parts(run, new, chunk_bytes=chunk):
                self._take_body(opened, fresh, now_ns=now_ns)
        ack_now = opened.flags & ACK_NOW
        acks.on_eliciting(taken, ack_now=bool(ack_now), gap=gap, now_ns=now_ns)

    def _what_fills_holes(self, run: unpacking.DataRun, opened: Opened) -> unpacking.DataRun | None:
        """The part of a run below what has come of its body: what waits for it can only be let go of with it."""
        request = self._core.requests.open.get(request_of(run.stream_id))
        body = request.body_received if request is not None else None
        if body is None or not body.received:
            return None
        chunk = opened.segment_bytes - DATA_OVERHEAD_BYTES
        is_last = run.row + run.datagrams == opened.count
        short = opened.count * opened.segment_bytes - opened.total_bytes if is_last else 0
        if run.offset + run.datagrams * chunk - short <= body.received.stop:
            return run
        count = (body.received.stop - run.offset) // chunk
        return unpacking.part(run, run.first, run.first + count, chunk_bytes=chunk) if count > 0 else None

    def _take_body(self, opened: Opened, run: unpacking.DataRun, *, now_ns: int) -> None:
        core = self._core
        stream = run.stream_id
        if kind_of(stream) is not Kind.BODY or sender_of(stream) is core.side:
            raise PeerError("data came on a stream that cannot carry it", code=Code.STATE_ILLEGAL)
        request = core.requests.of_peer(request_of(stream))
        if request is None:
            return
        body = core.requests.body_received(request)
        data = unpacking.payload(opened, run)
        for offset, part in body.put(run.offset, data):
            body.window.on_received(offset + len(part))
            core.events.append(BodyReceived(request.number, offset, part))

    # --- Frames ------------------------------------------------------------------------------------

    def _handle_each(self, opened: Opened, *, now_ns: int) -> None:
        view = memoryview(opened.rows)
        for start in range(0, opened.total_bytes, opened.segment_bytes):
            datagram = view[start : start + opened.segment_bytes]
            header = HEADER.unpack_from(datagram)
            body = datagram[HEADER_BYTES : len(datagram) - SEAL_BYTES]
            self._handle_frames(body, header[2], header[3], header[7], opened, now_ns=now_ns)

    def _handle_frames(
        self, body: memoryview, kind: int, flags: int, number: int, opened: Opened, *, now_ns: int
    ) -> None:
        core = self._core
        if kind == DatagramType.HELLO:
            _, body = split_hello(body)
        frames = decode_frames(body)
        gap = number != core.acks.largest + 1
        if not core.acks.record(number, 1, now_ns=now_ns):
            return
        eliciting = False
        for frame in frames:
            self._handle_frame(frame, opened, now_ns=now_ns)
            eliciting = eliciting or not isinstance(frame, Ack | Close)
        if eliciting:
            ack_now = bool(flags & ACK_NOW)
            core.acks.on_eliciting(1, ack_now=ack_now, gap=gap, now_ns=now_ns)

    def _handle_frame(self, frame: Frame, opened: Opened, *, now_ns: int) -> None:
        """What a frame says of the connection; what it says of a request is another's."""
        core = self._core
        match frame:
            case Ack():
                core.stats.acks_received += 1
                core.stats.peer_corrupt = frame.corrupt
                self.outcomes.append(core.recovery.on_ack(frame, core.path, now_ns=now_ns))
            case MaxRequests() | Token() if core.side is Side.SERVER:
                raise PeerError("a client said what only a server can", code=Code.STATE_ILLEGAL)
            case Handshake():
                self.peer_parameters = core.handshake.put(frame) or self.peer_parameters
            case Token(token):
                core.events.append(TokenReceived(token))
            case AckFrequency():
                core.acks.on_frequency(frame, delay_max_ns=core.settings.ack_delay_max_ns)
            case PathChallenge(nonce):
                self.answers.append(PathResponse(nonce))
            case PathResponse(nonce):
                check = core.challenge
                if check is not None and check.nonce == nonce and check.address == opened.address:
                    self.path_answer = check
            case Close():
                self.close = frame
            case _:
                self._handle_request_frame(frame)

    def _handle_request_frame(self, frame: Frame) -> None:
        core = self._core
        match frame:
            case Stream():
                self._take_message(frame)
            case MaxStream(stream_id, limit):
                self._take_credit(stream_id, limit)
            case MaxRequests(limit):
                core.requests.peer_limit = max(core.requests.peer_limit, limit)
            case ResetRequest(number, code, reason):
                if core.requests.of_peer(number) is not None:
                    core.requests.end(number)
                    core.events.append(RequestReset(number, code, reason.decode("utf-8", "replace")))
            case _:
                assert isinstance(frame, Ping), "every kind of frame is handled"

    def _take_message(self, frame: Stream) -> None:
        core = self._core
        if kind_of(frame.stream_id) is not Kind.MESSAGES or sender_of(frame.stream_id) is core.side:
            raise PeerError("a message came on a stream that cannot carry it", code=Code.STATE_ILLEGAL)
        request = core.requests.of_peer(request_of(frame.stream_id))
        if request is None:
            return
        receive = request.messages_received
        for payload in receive.put(frame.offset, frame.data):
            core.events.append(MessageReceived(request.number, payload))
        if receive.held_bytes and core.memory.left_bytes <= 0:
            self._check_messages()
        limit = receive.new_credit()
        if limit is not None:
            core.control.append(MaxStream(frame.stream_id, limit))

    def _check_messages(self) -> None:
        """Memory is used up, and this peer's messages are not whole: it may be that it never ends them."""
        waiting = sum(each.messages_received.held_bytes for each in self._core.requests.open.values())
        if waiting > MEMORY_FLOOR_BYTES:
            raise PeerError("too many messages are not whole", code=Code.OUT_OF_MEMORY_BUDGET)

    def _take_credit(self, stream_id: int, limit: int) -> None:
        core = self._core
        if sender_of(stream_id) is not core.side:
            raise PeerError("credit came for a stream of the peer's own", code=Code.STATE_ILLEGAL)
        request = core.requests.of_peer(request_of(stream_id))
        if request is None:
            return
        if kind_of(stream_id) is Kind.BODY:
            body = core.requests.body_sent(request)
            if limit > body.limit:
                body.limit = limit
                self.credited.append(body)
        else:
            request.messages_sent.limit = max(request.messages_sent.limit, limit)
