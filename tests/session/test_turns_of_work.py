"""How much work one turn of the loop does: a piece, whoever asks for how much."""

from hashlib import sha256

from mayhem_udp.limits import BLOCK_BYTES
from mayhem_udp.session.exchange import Exchange
from mayhem_udp.session.sending import SKIP_ROUND_BYTES, FileSender
from mayhem_udp.session.session import Session
from mayhem_udp.store.source import BytesSource
from mayhem_udp.wire.messages import Trailer


class CountedSource(BytesSource):
    """Bytes in memory, and how many of them were read by whom."""

    def __init__(self, data):
        super().__init__(data)
        self.read_bytes = self.read_blocking_bytes = 0

    def read(self, offset, size):
        self.read_bytes += size
        return super().read(offset, size)

    def read_blocking(self, offset, size):
        self.read_blocking_bytes += size
        return super().read(offset, size)


class Peerless:
    """An exchange, its connection and its workers in one, with a receiver that has no room: only what the sender wants of them."""

    request = 1
    wants_pump = False
    chunk_bytes = 1_400

    def __init__(self, room_bytes=0):
        self.connection = self
        self.room_bytes = room_bytes
        self.jobs = []
        self.said = []
        self.supplied = []

    def skip_body(self, request, start, stop):
        assert request == self.request

    def body_room_bytes(self, request):
        return self.room_bytes

    def supply_body(self, request, offset, block):
        self.room_bytes -= len(block)
        self.supplied.append((offset, len(block)))

    def body_sent(self, request):
        return None  # nobody asks how much the peer has

    def elsewhere(self, job, back, *, holds_bytes=0):
        self.jobs.append((job, back))

    def say(self, message):
        self.said.append(message)

    def work(self):
        job, back = self.jobs.pop()
        back(job())


def test_what_is_not_sent_is_hashed_by_workers_a_piece_at_a_time():
    """A GET that claims to have everything costs its peer a few bytes, and us the whole file: not in the loop."""
    data = bytes(range(256)) * (2 * SKIP_ROUND_BYTES // 256) + b"and a little"
    exchange, source = Peerless(), CountedSource(data)
    sender = FileSender(exchange, source)
    sender.skip(((0, len(data)),))
    pieces = []
    for _ in range(4):
        assert sender.pump() is False
        if exchange.jobs:
            before = source.read_blocking_bytes
            assert sender.pump() is False and len(exchange.jobs) == 1, "one piece at a time"
            exchange.work()
            pieces.append(source.read_blocking_bytes - before)
    assert source.read_bytes == 0
    assert pieces == [SKIP_ROUND_BYTES, SKIP_ROUND_BYTES, 12]
    assert exchange.said == [Trailer(len(data), sha256(data).digest())]


def test_what_is_sent_goes_on_where_the_skipped_part_ends():
    data = bytes(BLOCK_BYTES + 5)
    exchange, source = Peerless(), CountedSource(data)
    sender = FileSender(exchange, source)
    sender.skip(((0, BLOCK_BYTES),))
    sender.pump()
    exchange.work()
    sender.pump()
    assert not exchange.jobs and not exchange.said, "there is no room to send the rest"
    assert sender.offset == BLOCK_BYTES


def test_what_is_read_at_once_is_a_piece_of_whole_datagrams():
    exchange = Peerless(room_bytes=8 * BLOCK_BYTES)
    data = bytes(3 * BLOCK_BYTES)
    sender = FileSender(exchange, BytesSource(data))
    turns = 1
    while sender.pump():
        turns += 1
    *full, (_, last) = exchange.supplied
    assert len(full) >= 3 and all(length % exchange.chunk_bytes == 0 for _, length in full)
    assert [offset for offset, _ in exchange.supplied] == [
        sum(n for _, n in full[:i]) for i in range(len(full) + 1)
    ]
    assert sum(length for _, length in full) + last == len(data)
    assert turns >= len(full), "a turn reads a block at most"


class Busy(Exchange):
    """An exchange that could always go on."""

    def __init__(self, request, diary):
        super().__init__(None, None, request)
        self.diary = diary

    def pump(self, *, now_ns):
        self.diary.append(self.request)
        self.wants_pump = True


def test_of_exchanges_that_could_go_on_each_has_a_turn_of_the_loop_to_itself():
    diary = []
    session = Session(None)
    for request in (1, 2, 3):
        session.start(Busy(request, diary))
    assert all(session.pump(now_ns=0) for _ in range(6))
    assert diary == [1, 2, 3, 1, 2, 3]
