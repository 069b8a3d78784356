"""What goes out: the next batch of datagrams, when there is one to send.

Decides *what* to send: acknowledgements and control first, then messages, then bodies, those in turn.
*When* is the pacer's and the congestion controller's; what to send *again* its owner's.
Enters everything that wants an answer into the ledger. Never interprets what comes in.
"""

from collections import deque
from itertools import islice
from typing import Final

from mayhem_udp.limits import (
    BATCH_MAX_BYTES,
    FLIGHT_RUNS_MAX,
    HELLO_MIN_BYTES,
    TRAIN_MAX_BYTES,
    TRAIN_MAX_DATAGRAMS,
)
from mayhem_udp.transport.core import Core
from mayhem_udp.transport.datagrams import Transmit
from mayhem_udp.transport.departures import Departures
from mayhem_udp.transport.framing import FrameLoad
from mayhem_udp.transport.ledger import Run
from mayhem_udp.transport.packing import Load, pack_data
from mayhem_udp.transport.path_probes import PathProbes
from mayhem_udp.transport.rhythm import AckRhythm
from mayhem_udp.transport.state import State
from mayhem_udp.transport.streams.bodies import BodySend
from mayhem_udp.transport.streams.numbers import Kind, Side, request_of, stream_id
from mayhem_udp.transport.timers import Timer
from mayhem_udp.wire.codec import (
    HANDSHAKE_FRAME_OVERHEAD_BYTES,
    STREAM_FRAME_OVERHEAD_BYTES,
    encode_datagram,
    encode_frame,
    join_hello,
)
from mayhem_udp.wire.declarations import DatagramFlag, DatagramType
from mayhem_udp.wire.frames import Close, MaxRequests, PathResponse, Ping, Stream
from mayhem_udp.wire.layout import DATA_OVERHEAD_BYTES, FRAMES_OVERHEAD_BYTES

SKIP_EVERY: Final = 2_048
"""About every so many datagrams one number is left out, to catch peers that acknowledge blindly."""
ELICIT_EVERY: Final = 16
"""Every so many datagrams that only acknowledge, one asks to be acknowledged itself."""
FRAME_ROOM_BYTES: Final = 280
"""With less room than this left, a datagram takes no more control frames (a reason is the longest)."""
PROBE_RUNS_MAX: Final = 8
"""A probe repeats the frames of so many datagrams, as far as there is room."""
PIECE_MIN_BYTES: Final = 64
"""A piece of a message shorter than this waits for the next datagram."""


class Outbound:
    """The sending direction of one connection."""

    __slots__ = (
        "_acks_alone",
        "_answers",
        "_bodies",
        "_core",
        "_departures",
        "_elicited",
        "_next_skip",
        "_path_probes",
        "_rhythm",
        "closing",
    )

    def __init__(self, core: Core, *, answers: deque[PathResponse]) -> None:
        self._core = core
        self._answers = answers
        self._bodies: dict[int, BodySend] = {}
        """Bodies that may have something to send, in the order of their turns."""
        self._rhythm = AckRhythm()
        self._acks_alone = 0
        self._elicited = -1
        """The last datagram that asked only so that the peer says which ACKs it has seen."""
        self._next_skip = self._draw_skip()
        self._departures = Departures(core)
        self._path_probes = PathProbes(core, self._departures)
        self.closing: Close | None = None
        """Said before anything else."""

    @property
    def probes_due(self) -> int:
        """Datagrams to send whatever the window says, because a probe timeout fired."""
        return self._departures.probes_due

    @probes_due.setter
    def probes_due(self, count: int) -> None:
        self._departures.probes_due = count

    def wake(self, body: BodySend) -> None:
        """A body may have something to send again."""
        self._bodies.setdefault(body.stream_id, body)

    def forget(self, body: BodySend) -> None:
        """A body's request has ended."""
        self._bodies.pop(body.stream_id, None)

    def poll(self, *, now_ns: int) -> Transmit | None:
        """The next batch, entered into the ledger; None when nothing may be sent now."""
        core = self._core
        if self.closing is not None:
            load = FrameLoad(core.path.mtu.current_bytes)
            load.add(self.closing)
            self.closing = None
            return self._send(load, now_ns=now_ns)
        if not core.state.is_live:
            return None
        challenge = self._path_probes.challenge(now_ns=now_ns)
        if challenge is not None:
            return challenge
        if self._frames_wanted(now_ns=now_ns):
            return self._frames(now_ns=now_ns)
        if not self._may_say_more:
            return None
        if self.probes_due:  # one of unknown size is none: it may be lost for that alone
            return self._data(now_ns=now_ns)
        probe = self._path_probes.mtu_probe(has_window=self._has_window, now_ns=now_ns)
        return probe if probe is not None else self._data(now_ns=now_ns)

    @property
    def _may_say_more(self) -> bool:
        """Whether more than the handshake may be sent: a client without a token has no right to."""
        core = self._core
        return core.state is State.OPEN or core.side is Side.SERVER or bool(core.handshake.token)

    @property
    def _has_window(self) -> bool:
        core = self._core
        return core.recovery.ledger.in_flight_bytes < core.path.controller.window_bytes

    # --- Frames ------------------------------------------------------------------------------------

    def _frames_wanted(self, *, now_ns: int) -> bool:
        core = self._core
        if core.acks.is_due(now_ns=now_ns) or core.handshake.wants_to_send or self._answers:
            return True
        if not self._may_say_more:
            return self.probes_due > 0
        if (
            core.control
            or core.requests.limit_is_news
            or (self._messages_wanted and (self.probes_due or self._has_window))
        ):
            return True
        return self.probes_due > 0 and not self._body_probe_ready()

    @property
    def _messages_wanted(self) -> bool:
        return any(each.messages_sent.wants_to_send for each in self._core.requests.open.values())

    def _frames(self, *, now_ns: int) -> Transmit:
        """One datagram with everything short that waits: ACK, answers, handshake, control, messages."""
        core = self._core
        token_bytes = 2 + len(core.handshake.token) if core.state is State.OPENING else 0
        load = FrameLoad(core.path.mtu.current_bytes - FRAMES_OVERHEAD_BYTES - token_bytes)
        if core.acks.is_waiting:
            load.add(core.acks.frame(now_ns=now_ns))
            core.stats.acks_sent += 1
            core.stats.ack_bytes_sent += FRAMES_OVERHEAD_BYTES + len(load.parts[0])
        while core.handshake.wants_to_send and load.room_bytes > FRAME_ROOM_BYTES:
            piece = core.handshake.take(load.room_bytes - HANDSHAKE_FRAME_OVERHEAD_BYTES)
            assert piece is not None, "the handshake wants to send"
            load.add(piece)
        while self._answers and load.room_bytes > FRAME_ROOM_BYTES:
            load.add(self._answers.popleft())
        if self._may_say_more:
            self._add_control(load, now_ns=now_ns)
            if self.probes_due or self._has_window:
                self._add_messages(load)
        self._add_probe(load)
        return self._send(load, now_ns=now_ns)

    def _add_control(self, load: FrameLoad, *, now_ns: int) -> None:
        core = self._core
        if core.requests.limit_is_news:
            core.requests.limit_is_news = False
            core.control.append(MaxRequests(core.requests.limit))
        while core.control and load.room_bytes > FRAME_ROOM_BYTES:
            load.add(core.control.popleft())

    def _add_messages(self, load: FrameLoad) -> None:
        core = self._core
        for request in core.requests.open.values():
            messages = request.messages_sent
            number = stream_id(request.number, Kind.MESSAGES, core.side)
            while messages.wants_to_send and load.room_bytes > STREAM_FRAME_OVERHEAD_BYTES + PIECE_MIN_BYTES:
                piece = messages.take(load.room_bytes - STREAM_FRAME_OVERHEAD_BYTES)
                assert piece is not None, "the stream wants to send"
                load.add(Stream(number, *piece))

    def _add_probe(self, load: FrameLoad) -> None:
        """Make a probe of the datagram when one is due, and now and then of one that only acknowledges."""
        core = self._core
        if self.probes_due:
            if not load.wants_answer:
                self._add_unheard(load)
            if not load.wants_answer:
                load.add(Ping())
        elif not load.wants_answer:
            self._acks_alone += 1
            ledger = core.recovery.ledger
            if self._acks_alone >= ELICIT_EVERY and not ledger.flight.holds(self._elicited):
                self._acks_alone = 0
                self._elicited = ledger.next_number
                load.add(Ping())

    def _add_unheard(self, load: FrameLoad) -> None:
        """What was sent first and is not acknowledged: a probe may be all that gets through for long."""
        flight = self._core.recovery.ledger.flight.runs
        runs = islice((run for run in flight if run.frames), PROBE_RUNS_MAX)
        for frame in dict.fromkeys(frame for run in runs for frame in run.frames):
            if len(encode_frame(frame)) <= load.room_bytes:
                load.add_copy(frame)

    def _send(self, load: FrameLoad, *, now_ns: int) -> Transmit:
        core = self._core
        opening = core.side is Side.CLIENT and core.state is State.OPENING
        flags = DatagramFlag.EARLY if opening else DatagramFlag.NONE
        if opening or self.probes_due or (load.wants_answer and not self._bodies):
            flags |= DatagramFlag.ACK_NOW
        number = self._departures.take_number()
        body = load.body()
        kind = DatagramType.FRAMES
        if opening:
            kind = DatagramType.HELLO
            pad = HELLO_MIN_BYTES - FRAMES_OVERHEAD_BYTES - 2 - len(core.handshake.token)
            body = join_hello(core.handshake.token, load.body(pad_to_bytes=pad))
        datagram = encode_datagram(kind, body, connection_id=core.connection_id, sequence=number, flags=flags)
        if load.wants_answer:
            self._departures.enter(
                Run(
                    first=number,
                    count=1,
                    sent_ns=now_ns,
                    wire_bytes=len(datagram),
                    frames=tuple(load.repeat),
                    told_largest=load.told_largest,
                ),
                now_ns=now_ns,
            )
        return self._departures.single(datagram, core.path.address)

    # --- Bodies ------------------------------------------------------------------------------------

    def _body_probe_ready(self) -> bool:
        """See to it that a body has something to send for a probe; False if frames must do."""
        if any(body.wants_to_send() for body in self._bodies.values()):
            return True
        for run in self._core.recovery.ledger.flight.runs:
            if isinstance(run.body, BodySend):
                if request_of(run.body.stream_id) not in self._core.requests.open:
                    continue
                run.body.on_lost(run.offset, min(run.length, run.chunk_bytes))
                if run.body.wants_to_send():
                    self.wake(run.body)
                    return True
            elif run.frames:
                return False
        return False

    def _data(self, *, now_ns: int) -> Transmit | None:
        """A batch of body data, as much as window and pacer allow."""
        core = self._core
        if not self._bodies:
            self._note_idle(now_ns=now_ns)
            return None
        segment = core.chunk_bytes + DATA_OVERHEAD_BYTES
        count = 1 if self.probes_due else self._allowed_bytes(segment, now_ns=now_ns) // segment
        if count <= 0:
            return None
        self._maybe_skip()
        loads = self._collect(_in_trains(count, segment))
        if not loads:
            self._note_idle(now_ns=now_ns)
            return None
        if core.state is State.OPEN:
            self._ask_rhythm(segment, now_ns=now_ns)
        return self._send_loads(loads, now_ns=now_ns)

    def _allowed_bytes(self, segment: int, *, now_ns: int) -> int:
        """What may be sent now, in whole datagrams of `segment` bytes; sets the pacing timer."""
        core = self._core
        ledger = core.recovery.ledger
        controller = core.path.controller
        room = controller.window_bytes - ledger.in_flight_bytes
        if (room < segment and ledger.in_flight_bytes) or len(ledger.flight) >= FLIGHT_RUNS_MAX:
            return 0
        pacer = core.path.pacer
        pacer.set_rate(
            rate_bps=controller.pacing_rate_bps, quantum_bytes=controller.send_quantum_bytes, now_ns=now_ns
        )
        next_ns = pacer.next_send_ns(segment)
        if next_ns > now_ns:
            core.timers.set(Timer.PACING, next_ns)
            return 0
        return max(min(room, pacer.budget_bytes(now_ns=now_ns), BATCH_MAX_BYTES), segment)

    def _collect(self, count: int) -> list[Load]:
        """Up to `count` datagrams of body data; a piece that does not fill its last one ends it."""
        chunk = self._core.chunk_bytes
        loads: list[Load] = []
        while count > 0 and self._bodies:
            number, body = next(iter(self._bodies.items()))
            piece = body.take(count * chunk)
            if piece is None:
                del self._bodies[number]
                continue
            datagrams = -(-piece.length // chunk)
            loads.append(Load(body, piece, datagrams))
            count -= datagrams
            if piece.length % chunk:
                break
        if loads and len(self._bodies) > 1:  # the next batch is another body's turn
            number = loads[-1].body.stream_id
            if number in self._bodies:
                self._bodies[number] = self._bodies.pop(number)
        return loads

    def _send_loads(self, loads: list[Load], *, now_ns: int) -> Transmit:
        core = self._core
        chunk = core.chunk_bytes
        early = core.side is Side.CLIENT and core.state is State.OPENING
        flags = DatagramFlag.EARLY if early else DatagramFlag.NONE
        more = any(body.wants_to_send() for body in self._bodies.values())
        last_flags = flags if more and not self.probes_due else flags | DatagramFlag.ACK_NOW
        ledger = core.recovery.ledger
        first = ledger.next_number
        buffer = pack_data(
            loads,
            chunk_bytes=chunk,
            connection_id=core.connection_id,
            first=first,
            flags=flags,
            last_flags=last_flags,
        )
        for body, piece, datagrams in loads:
            run = Run(
                first=ledger.next_number,
                count=datagrams,
                sent_ns=now_ns,
                wire_bytes=piece.length + datagrams * DATA_OVERHEAD_BYTES,
                body=body,
                offset=piece.offset,
                chunk_bytes=chunk,
                length=piece.length,
            )
            ledger.next_number += datagrams
            if piece.is_repeat:
                core.stats.retransmitted += datagrams
            self._departures.enter(run, now_ns=now_ns)
        count = ledger.next_number - first
        segment = chunk + DATA_OVERHEAD_BYTES
        return self._departures.batch(buffer, segment_bytes=segment, count=count, address=core.path.address)

    # --- Common ------------------------------------------------------------------------------------

    def _note_idle(self, *, now_ns: int) -> None:
        core = self._core
        in_flight = core.recovery.ledger.in_flight_bytes
        if in_flight < core.path.controller.window_bytes:
            core.path.delivery.on_app_limited(in_flight_bytes=in_flight)
            core.path.controller.on_app_limited(now_ns=now_ns)

    def _ask_rhythm(self, segment: int, *, now_ns: int) -> None:
        core = self._core
        delay_max_ns = core.settings.ack_delay_max_ns
        frame = self._rhythm.frame(
            core.path.rtt,
            window_bytes=core.path.controller.window_bytes,
            quantum_bytes=core.path.controller.send_quantum_bytes,
            datagram_bytes=segment,
            delay_max_ns=delay_max_ns,
            now_ns=now_ns,
        )
        if frame is not None:
            core.control.append(frame)

    def _draw_skip(self) -> int:
        core = self._core
        drawn = int.from_bytes(core.entropy(2)) % SKIP_EVERY
        return core.recovery.ledger.next_number + SKIP_EVERY // 2 + drawn

    def _maybe_skip(self) -> None:
        ledger = self._core.recovery.ledger
        if ledger.next_number >= self._next_skip:
            ledger.skip_number()
            self._next_skip = self._draw_skip()


def _in_trains(count: int, segment: int) -> int:
    """`count` datagrams, less what would need a call to the kernel for a remainder of a train."""
    train = min(TRAIN_MAX_BYTES // segment, TRAIN_MAX_DATAGRAMS)
    return count - count % train if count > train > 0 else count
