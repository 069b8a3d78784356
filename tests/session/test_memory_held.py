"""What a session keeps in memory: within the window while the disk is slow, given back whatever happens."""

from hashlib import sha256
from io import BytesIO

import pytest
from virtual_pair import ADMIT_ALL, CLIENT, SERVER, some_bytes
from virtual_sessions import LateWorkers, SessionPair

from mayhem_udp.endpoint.workers import InlineWorkers
from mayhem_udp.errors import Code, RefusedError
from mayhem_udp.limits import MEMORY_FLOOR_BYTES
from mayhem_udp.mayhem.spec import parse_spec
from mayhem_udp.session.get import GetReceiver
from mayhem_udp.session.pack_shape import SmallFile
from mayhem_udp.session.packs import GetPackReceiver, PutPackSender
from mayhem_udp.store.outflow import Outflow
from mayhem_udp.transport.memory import CONNECTION_BYTES
from mayhem_udp.units import KIB, MIB, SECOND
from mayhem_udp.wire.messages import SIZE_UNKNOWN, Accept, List, PingRequest, PutPack, Stat


def slow_pair(folder, *, job_ns, **settings):
    """A pair whose server's disk takes so long for each job."""
    pair = None
    workers = LateWorkers(lambda: pair.now_ns if pair else 0, lambda: job_ns)
    pair = SessionPair(folder, server=settings, server_options={"workers": workers})
    pair.open()
    return pair


def slow_client(folder, *, job_ns):
    """A pair whose client takes so long for each job."""
    pair = None
    workers = LateWorkers(lambda: pair.now_ns if pair else 0, lambda: job_ns)
    pair = SessionPair(folder, client_options={"workers": workers})
    pair.open()
    return pair


def small_files(count, size):
    for number in range(count):
        data = some_bytes(size, seed=number)
        yield SmallFile(b"%d" % number, data, 0, 0o600, Code.OK, sha256(data).digest())


def put_pack(pair, count, size):
    codes = []
    exchange = pair.client.start(
        lambda *where: PutPackSender(
            *where,
            files=small_files(count, size),
            count=count,
            on_codes=lambda _, these: codes.extend(these),
        )
    )
    return exchange, codes


def held(pair):
    """What the server holds of the one client."""
    (session,) = pair.server.sessions.values()
    return session.connection.memory.used_bytes


def all_held(pair):
    return pair.server.listener.memory.used_bytes


# --- Slow disks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [100, 4 * KIB, 64 * KIB])
def test_a_pack_waits_for_its_disk_at_the_sender(tmp_path, size):
    window = 256 * KIB
    pair = slow_pair(tmp_path, job_ns=SECOND, body_window_initial_bytes=window, body_window_max_bytes=window)
    count = 4 * MIB // size if size > KIB else 2_500
    exchange, codes = put_pack(pair, count, size)
    most = 0
    for _ in range(5_000):
        pair.run(seconds=0.05)
        most = max(most, held(pair)) if pair.server.sessions else most
        if exchange.is_over:
            break
    assert exchange.error is None
    assert codes == [Code.OK] * count
    assert 0 < most <= window + 70 * KIB, "a window, and a file that is not whole"
    assert held(pair) == 0


def test_what_comes_while_a_worker_writes_is_its_next_job_and_one(tmp_path):
    """A job for each batch of datagrams cost a fifth of an upload's time, in threads that wait for each other."""
    pair = slow_client(tmp_path, job_ns=SECOND // 10)
    data = some_bytes(4 * MIB)
    (pair.root / "a").write_bytes(data)
    stream, pieces = BytesIO(), []

    def stage(_accept):
        flow = Outflow(stream)
        deferred = flow.deferred
        flow.deferred = lambda these: pieces.append(len(these)) or deferred(these)
        return flow

    pair.finish(
        pair.client.start(lambda *where: GetReceiver(*where, name="a", stage=stage, partial=None)), seconds=60
    )
    assert stream.getvalue() == data
    assert sum(pieces) > 5 * len(pieces), "many batches a job"
    pair.run(seconds=1)
    assert pair.client.connection.memory.used_bytes == 0


def test_what_was_gathered_for_a_worker_is_given_back_when_its_request_ends(tmp_path):
    pair = slow_client(tmp_path, job_ns=5 * SECOND)
    (pair.root / "a").write_bytes(some_bytes(4 * MIB))
    fetch = pair.client.start(
        lambda *where: GetReceiver(*where, name="a", stage=lambda _: Outflow(BytesIO()), partial=None)
    )
    memory = pair.client.connection.memory
    pair.run(seconds=6)
    assert len(fetch.receiver._gathered) > 5
    fetch.fail(RefusedError("never mind", code=Code.CANCELLED))
    at_work_bytes = memory.used_bytes
    assert at_work_bytes < MIB, "only what the worker has"
    pair.run(seconds=20)
    assert memory.used_bytes == 0


def test_a_pack_larger_than_the_smallest_window_gets_through(tmp_path):
    window = {"body_window_initial_bytes": 64 * KIB, "body_window_max_bytes": 64 * KIB}
    pair = SessionPair(tmp_path, server=window, client=window)
    exchange, codes = put_pack(pair, 9, 64 * KIB)
    assert pair.finish(exchange).error is None
    assert codes == [Code.OK] * 9
    names = tuple(b"%d" % number for number in range(9))
    back = []
    fetch = pair.client.start(
        lambda *where: GetPackReceiver(
            *where,
            names=names,
            store=pair.client.store.write_small,
            on_codes=lambda _, these: back.extend(these),
        )
    )
    assert pair.finish(fetch).error is None
    assert back == [Code.OK] * 9
    pair.run(seconds=1)
    assert pair.client.connection.memory.used_bytes == held(pair) == 0


def test_packs_of_one_peer_are_stored_one_after_the_other(tmp_path):
    """Threads that store side by side wait for the interpreter's lock: 10,000 files took twice as long."""
    lanes = []
    workers = InlineWorkers()
    submit = workers.submit
    workers.submit = lambda key, job, done: lanes.append(key) or submit(key, job, done)
    pair = SessionPair(tmp_path, server_options={"workers": workers})
    pair.open()
    exchanges = [put_pack(pair, 300, 100)[0] for _ in range(3)]
    pair.finish(*exchanges)
    assert len(lanes) >= 6, "each pack has several jobs"
    assert len(set(lanes)) == 1


def test_what_a_job_holds_counts_until_it_is_done_even_if_nobody_waits_for_it(tmp_path):
    pair = slow_pair(tmp_path, job_ns=20 * SECOND)
    exchange, _ = put_pack(pair, 10, 10 * KIB)
    pair.run(seconds=1)
    assert held(pair) > 100 * KIB
    exchange.fail(RefusedError("never mind", code=Code.CANCELLED))
    pair.run(seconds=2)
    assert pair.server.transfers == 0
    assert held(pair) > 10 * KIB, "its worker is still at it"
    pair.run(seconds=60)
    assert all_held(pair) == 0, "and the connection is idle no longer, but gone"


# --- Streams ---------------------------------------------------------------------------------------------


def test_what_waits_for_a_hole_in_a_stream_holds_up_its_credit(tmp_path):
    """A server that never sends the first byte would else fill the client's memory with all the others."""
    window = 256 * KIB
    client = {"body_window_initial_bytes": window, "body_window_max_bytes": window}
    pair = SessionPair(tmp_path, client=client)
    bare = pair.use_bare_server()
    stream = BytesIO()
    exchange = pair.client.start(
        lambda *where: GetReceiver(*where, name="a", stage=lambda _: Outflow(stream), partial=None)
    )
    pair.run(seconds=0.1)
    bare.say(exchange.request, Accept(SIZE_UNKNOWN, 0, 0o600, bytes(16), ()))
    bare.diary.connection.skip_body(exchange.request, 0, 1)
    bare.send(exchange.request, 1, bytes(4 * MIB))
    pair.run(seconds=10)
    assert sum(map(len, exchange.receiver.staging._ahead.values())) > window // 2
    assert sum(map(len, exchange.receiver.staging._ahead.values())) <= window
    assert stream.getvalue() == b""


# --- Memory used up --------------------------------------------------------------------------------------


def crowded(folder, left_bytes):
    """A pair whose server has so much memory left when its client is connected, because of others."""
    pair = SessionPair(folder, admission=ADMIT_ALL)
    pair.open()
    pair.run(seconds=1)
    memory = pair.server.listener.memory
    memory.take(memory.left_bytes - left_bytes)
    return pair


@pytest.mark.parametrize(
    "verb",
    [
        lambda pair: pair.client.put("new", b"data"),
        lambda pair: pair.client.get("old"),
        lambda pair: pair.client.echo("new", b"data"),
        lambda pair: put_pack(pair, 1, 10)[0],
        lambda pair: pair.client.ask(Stat(0, b"old")),
        lambda pair: pair.client.ask(List(0, b"*")),
    ],
)
def test_a_server_without_memory_takes_no_more_requests_and_says_so(tmp_path, verb):
    pair = crowded(tmp_path, left_bytes=CONNECTION_BYTES)
    (pair.root / "old").write_bytes(b"old")
    assert pair.finish(verb(pair)).error is None, "there is some left"
    pair.run(seconds=1)
    memory = pair.server.listener.memory
    memory.take(memory.left_bytes)
    error = pair.finish(verb(pair)).error
    assert type(error) is RefusedError
    assert error.code is Code.OUT_OF_MEMORY_BUDGET
    assert "the server has no memory to spare for another request" in str(error)
    assert pair.finish(pair.client.ask(PingRequest(1))).error is None, "it is alive"
    memory.give(MIB)
    assert pair.finish(verb(pair)).error is None


@pytest.mark.parametrize("way", ["put", "get"])
def test_transfers_that_are_under_way_go_on_when_memory_is_used_up(tmp_path, way):
    pair = crowded(tmp_path, left_bytes=MIB)
    data = some_bytes(3_000_000)
    (pair.root / "old").write_bytes(data)
    exchange = pair.client.put("new", data) if way == "put" else pair.client.get("old")
    pair.run(seconds=0.025)
    assert not exchange.is_over
    memory = pair.server.listener.memory
    memory.take(max(memory.left_bytes, 0))
    assert pair.finish(exchange).error is None
    assert (pair.served("new") if way == "put" else pair.fetched("old")) == data


def test_a_pack_on_its_way_out_takes_no_more_than_there_is(tmp_path):
    pair = crowded(tmp_path, left_bytes=0)
    pair.server.listener.memory.give(10 * KIB)
    for number in range(8):
        (pair.root / f"{number}").write_bytes(bytes(60 * KIB))
    names = tuple(b"%d" % number for number in range(8))
    codes, most = [], 0
    exchange = pair.client.start(
        lambda *where: GetPackReceiver(
            *where,
            names=names,
            store=pair.client.store.write_small,
            on_codes=lambda _, these: codes.extend(these),
        )
    )
    while not exchange.is_over:
        pair.run(seconds=0.005)
        most = max(most, held(pair))
    assert codes == [Code.OK] * 8
    assert most <= MEMORY_FLOOR_BYTES + 61 * KIB, "the floor, and the rest of the last file"


def test_listings_that_nobody_acknowledges_are_read_no_further(tmp_path):
    pair = SessionPair(tmp_path, server={"memory_max_bytes": 4 * MIB, "requests_max": 32})
    for number in range(900):
        (pair.root / f"{number}{'x' * 200}").write_bytes(b"")
    bare = pair.use_bare_client()
    for _ in range(32):
        bare.open_request(List(0, b"*"))
    pair.run(seconds=0.01)
    pair.simulator.connect(CLIENT, SERVER, parse_spec("delay=10ms,out.drop=1"))
    most = 0
    for _ in range(100):
        pair.run(seconds=0.05)
        most = max(most, held(pair))
    assert 2 * MIB < most <= 4 * MIB + 128 * KIB, "a round may be the last that fits"


def test_a_pack_that_says_more_than_it_has_gives_all_back(tmp_path):
    pair = SessionPair(tmp_path)
    bare = pair.use_bare_client()
    request = bare.open_request(PutPack(3))
    bare.diary.connection.skip_body(request, 0, 100_000)
    bare.send(request, 100_000, bytes(10_000))
    pair.run(seconds=1)
    assert held(pair) == 110_000
    bare.diary.connection.reset_request(request, Code.CANCELLED, "")
    pair.run(seconds=1)
    assert held(pair) == 0
