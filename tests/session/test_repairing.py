"""Repair: damage that got past every checksum of a datagram is found by digests, and made good or admitted."""

from hashlib import sha256

import pytest
from damage_in_flight import FickleSource, Flipper
from virtual_pair import SERVER, some_bytes
from virtual_sessions import SessionPair
from xxhash import xxh3_128_digest

from mayhem_udp.endpoint.workers import InlineWorkers
from mayhem_udp.errors import Code, IntegrityError
from mayhem_udp.limits import BLOCK_BYTES, REPAIR_ROUNDS_MAX
from mayhem_udp.rangeset import RangeSet
from mayhem_udp.session.repairing import COMPARED_AT_ONCE, REPAIR_QUEUE_BYTES
from mayhem_udp.store.source import BytesSource
from mayhem_udp.units import MIB
from mayhem_udp.wire.messages import Accept, Digests, Echo, Put, Repair, Repaired, Result, Trailer

FINGERPRINT = b"sixteen bytes..."
SIZE = 3 * MIB + 12_345


def with_faulty_server(pair, *offsets):
    flipper = Flipper(pair.server, *offsets)
    pair.simulator.replace(SERVER, flipper)
    return flipper


def with_faulty_client(pair, *offsets):
    flipper = Flipper(pair.client, *offsets)
    pair.simulator.replace(pair.client_address, flipper)
    return flipper


@pytest.mark.parametrize(
    "offsets", [(0,), (SIZE - 1,), (BLOCK_BYTES,), (5, BLOCK_BYTES - 1, 3 * BLOCK_BYTES)]
)
def test_an_upload_with_flipped_bits_is_mended_block_by_block(tmp_path, offsets):
    pair = SessionPair(tmp_path, "delay=1ms", gather_ns=100_000)
    flipper = with_faulty_server(pair, *offsets)
    data = some_bytes(SIZE)
    done = pair.finish(pair.client.put("a", data))
    assert flipper.flips
    assert done.error is None
    assert pair.served("a") == data
    again = pair.client.connection.stats.bytes_sent - SIZE
    blocks = len({offset // BLOCK_BYTES for offset in offsets})
    assert again < (blocks + 0.4) * BLOCK_BYTES, "only the damaged blocks are sent again"


def test_a_download_with_flipped_bits_is_mended(tmp_path):
    pair = SessionPair(tmp_path, "delay=1ms", gather_ns=100_000)
    flipper = with_faulty_client(pair, 1_500_000)
    data = some_bytes(SIZE)
    (pair.root / "a").write_bytes(data)
    done = pair.finish(pair.client.get("a"))
    assert flipper.flips == 1
    assert done.error is None
    assert pair.fetched("a") == data


@pytest.mark.parametrize("with_faulty", [with_faulty_client, with_faulty_server])
def test_a_round_trip_with_flipped_bits_is_mended_either_way(tmp_path, with_faulty):
    pair = SessionPair(tmp_path, "delay=1ms", gather_ns=100_000)
    flipper = with_faulty(pair, 70_000)
    data = some_bytes(100_000)
    done = pair.finish(pair.client.echo("a", data))
    assert flipper.flips == 1
    assert done.error is None
    assert pair.fetched("received_a") == data


def test_damage_that_cannot_be_mended_is_an_integrity_error_and_sets_the_staging_aside(tmp_path):
    pair = SessionPair(tmp_path, "delay=1ms")
    with_faulty_server(pair, 70_000)
    (pair.root / "a").write_bytes(b"the old version")
    source = FickleSource(some_bytes(100_000))
    done = pair.finish(pair.client.put("a", b"", source=source))
    assert isinstance(done.error, IntegrityError)
    assert done.error.exit_code == 4
    assert pair.served("a") == b"the old version"
    (aside,) = pair.stagings()
    assert aside.endswith(".damaged")
    assert pair.server.store.quota.open_files == 0


def bare_upload(pair, *, digest, size=100_000):
    bare = pair.use_bare_client()
    request = bare.open_request(Put(size, 0, 0o644, FINGERPRINT, b"a"))
    bare.send(request, 0, bytes(size))
    bare.say(request, Trailer(size, digest))
    return bare, request


def rounds_heard(bare, request):
    return sum(isinstance(each, Digests) and each.first_block == 0 for each in bare.heard(request))


def test_repair_ends_after_three_rounds(sessions):
    bare, request = bare_upload(sessions, digest=sha256(b"something else").digest())
    for number in range(1, REPAIR_ROUNDS_MAX + 1):
        sessions.run_until(lambda number=number: rounds_heard(bare, request) == number)
        bare.say(request, Repaired(0))
    sessions.run(seconds=1)
    assert bare.heard_code(request) == Code.INTEGRITY
    assert rounds_heard(bare, request) == REPAIR_ROUNDS_MAX
    assert sessions.served("a") is None


def test_an_empty_file_whose_digest_is_wrong_ends_too(sessions):
    bare, request = bare_upload(sessions, digest=bytes(32), size=0)
    for number in range(1, REPAIR_ROUNDS_MAX + 1):
        sessions.run_until(lambda number=number: rounds_heard(bare, request) == number)
        bare.say(request, Repaired(0))
    sessions.run(seconds=1)
    assert bare.heard_code(request) == Code.INTEGRITY
    assert sessions.served("a") is None


def test_a_repair_that_makes_it_right_puts_the_file_in_place(sessions):
    right = bytes(99_999) + b"!"
    bare, request = bare_upload(sessions, digest=sha256(right).digest())
    sessions.run_until(lambda: rounds_heard(bare, request) == 1)
    bare.say(request, Repair(99_999, b"!"), Repaired(1))
    sessions.run(seconds=1)
    assert isinstance(bare.heard(request)[-1], Result)
    assert sessions.served("a") == right


def test_a_repair_outside_the_file_costs_the_connection(sessions):
    bare, request = bare_upload(sessions, digest=bytes(32))
    sessions.run_until(lambda: rounds_heard(bare, request) == 1)
    bare.say(request, Repair(99_999, b"!!"))
    sessions.run(seconds=1)
    assert bare.closed_code == Code.STATE_ILLEGAL
    assert sessions.served("a") is None


@pytest.mark.parametrize("message", [Repair(0, b"x"), Repaired(0)])
def test_a_repair_that_nobody_asked_for_costs_the_connection(sessions, message):
    bare = sessions.use_bare_client()
    request = bare.open_request(Put(1_000, 0, 0o644, FINGERPRINT, b"a"), message)
    sessions.run(seconds=1)
    assert bare.closed_code == Code.STATE_ILLEGAL
    assert bare.diary.closed.reason
    assert sessions.server.transfers == 0
    assert request == 0


@pytest.mark.parametrize(
    "digests",
    [
        Digests(1, (bytes(16),)),
        Digests(0, (bytes(16),) * 3),
    ],
)
def test_digests_that_do_not_fit_the_file_cost_the_connection(sessions, digests):
    bare = sessions.use_bare_server()
    exchange = sessions.client.put("a", some_bytes(100_000))
    sessions.run_until(lambda: len(bare.heard(exchange.request)) == 2)
    bare.say(exchange.request, digests)
    sessions.finish(exchange)
    sessions.run(seconds=1)
    assert bare.closed_code in {Code.STATE_ILLEGAL, Code.SIZE_MISMATCH}


def test_digests_before_all_was_sent_cost_the_connection(sessions):
    bare = sessions.use_bare_server()
    bare.diary.gives_credit = False
    exchange = sessions.client.put("a", some_bytes(8 * MIB))
    sessions.run(seconds=0.5)
    assert not exchange.sender.is_sent
    bare.say(exchange.request, Accept(8 * MIB, 0, 0, FINGERPRINT, ()), Digests(0, (bytes(16),)))
    sessions.finish(exchange)
    sessions.run(seconds=1)
    assert bare.closed_code == Code.STATE_ILLEGAL


def test_a_server_that_asks_for_repair_forever_is_left(sessions):
    bare = sessions.use_bare_server()
    exchange = sessions.client.put("a", some_bytes(1_000))
    sessions.run_until(lambda: len(bare.heard(exchange.request)) == 2)
    for _ in range(REPAIR_ROUNDS_MAX + 1):
        bare.say(exchange.request, Digests(0, (bytes(16),)))
        sessions.run(seconds=1)
    assert isinstance(exchange.error, IntegrityError)
    assert bare.heard_code(exchange.request) == Code.INTEGRITY


def test_digests_that_come_while_a_repair_is_under_way_cost_the_connection(sessions):
    bare = sessions.use_bare_server()
    exchange = sessions.client.put("a", some_bytes(1_000))
    sessions.run_until(lambda: len(bare.heard(exchange.request)) == 2)
    bare.say(exchange.request, Digests(0, (bytes(16),)), Digests(1, ()))
    sessions.finish(exchange)
    sessions.run(seconds=1)
    assert bare.closed_code == Code.STATE_ILLEGAL


class NotingSource(BytesSource):
    """Waits for a disk with every read, and notes them."""

    def __init__(self, data):
        super().__init__(data)
        self.sizes = []

    def read(self, _offset, _size):
        return None

    def read_blocking(self, offset, size):
        self.sizes.append(size)
        return super().read(offset, size)


class ElsewhereWorkers(InlineWorkers):
    """Knows whether a job is running."""

    is_at_it = False

    def submit(self, key, job, done):
        def noted():
            self.is_at_it = True
            try:
                return job()
            finally:
                self.is_at_it = False

        super().submit(key, noted, done)


def test_a_repair_never_waits_for_a_disk_on_the_loop(tmp_path):
    workers = ElsewhereWorkers()

    class Source(NotingSource):
        def read_blocking(self, offset, size):
            assert workers.is_at_it
            return super().read_blocking(offset, size)

    pair = SessionPair(tmp_path, "delay=1ms", client_options={"workers": workers})
    with_faulty_server(pair, 5)
    data = some_bytes(100_000)
    done = pair.finish(pair.client.put("a", data, source=Source(data)))
    assert done.error is None
    assert pair.served("a") == data


def resumed_upload(pair, source):
    """An upload all of which the server says it has, up to where it would be told that it is damaged."""
    bare = pair.use_bare_server()
    exchange = pair.client.put("a", b"", source=source)
    pair.run(seconds=0.1)
    bare.say(exchange.request, Accept(source.size, 0, 0, source.fingerprint, ((0, source.size),)))
    pair.run_until(lambda: exchange.sender.is_sent)
    source.sizes.clear()
    return bare, exchange.request


def repairs_heard(bare, request):
    return [each for each in bare.heard(request) if isinstance(each, Repair)]


def test_a_file_that_is_said_to_be_wrong_all_over_is_mended_before_all_of_it_is_compared(sessions):
    blocks = 3 * COMPARED_AT_ONCE
    source = NotingSource(bytes(blocks * BLOCK_BYTES))
    bare, request = resumed_upload(sessions, source)
    bare.say(request, Digests(0, (bytes(16),) * blocks))
    sessions.run_until(lambda: repairs_heard(bare, request))
    assert source.sizes.count(BLOCK_BYTES) == COMPARED_AT_ONCE
    assert sessions.client.connection.memory.used_bytes < 8 * REPAIR_QUEUE_BYTES


def test_the_blocks_that_differ_are_sent_wherever_they_are(sessions):
    data = bytes(COMPARED_AT_ONCE * BLOCK_BYTES) + b"the last block"
    bare, request = resumed_upload(sessions, NotingSource(data))
    digests = [xxh3_128_digest(data[at : at + BLOCK_BYTES]) for at in range(0, len(data), BLOCK_BYTES)]
    digests[1] = digests[-1] = bytes(16)
    bare.say(request, Digests(0, tuple(digests)))
    sessions.run_until(lambda: bare.heard(request)[-1] == Repaired(2))
    mended = RangeSet()
    for each in repairs_heard(bare, request):
        assert each.data == data[each.offset : each.offset + len(each.data)]
        mended.add(each.offset, each.offset + len(each.data))
    assert list(mended) == [(BLOCK_BYTES, 2 * BLOCK_BYTES), (len(data) - 14, len(data))]
    assert sessions.client.connection.memory.used_bytes < BLOCK_BYTES


def test_an_echo_is_compared_with_what_was_sent(sessions):
    bare = sessions.use_bare_server()
    exchange = sessions.client.echo("a", some_bytes(1_000))
    sessions.run_until(lambda: len(bare.heard(exchange.request)) == 2)
    assert isinstance(bare.heard(exchange.request)[0], Echo)
    other = some_bytes(1_000, seed=9)
    bare.send(exchange.request, 0, other)
    bare.say(exchange.request, Trailer(1_000, sha256(other).digest()))
    sessions.finish(exchange)
    assert isinstance(exchange.error, IntegrityError)
    assert sessions.fetched("received_a") is None
    assert sessions.stagings() == []


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_upload_that_is_given_again_is_mended_though_its_bytes_come_late(tmp_path, seed):
    """A byte that was lost is repeated before its sender hears that all is here; the repair has begun by then."""
    pair = SessionPair(tmp_path, "delay=300ms,out.drop=30%", seed=seed, client={"chunk_bytes": 1_024})
    flipper = with_faulty_server(pair, 5)
    data = some_bytes(14_336)
    pair.client.put("a", data)
    pair.run_until(lambda: flipper.flips and is_all_here(pair, len(data)))
    pair.restart_client()
    done = pair.finish(pair.client.put("a", data))
    assert done.error is None
    assert pair.served("a") == data


def is_all_here(pair, size):
    """Whether the server has so many bytes of an upload."""
    return any(
        exchange.receiver is not None and exchange.receiver.received_bytes >= size
        for session in pair.server.sessions.values()
        for exchange in session.exchanges.values()
    )
