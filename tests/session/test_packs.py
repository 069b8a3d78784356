"""Many small files in one request: each checked by itself, each with its own outcome, none made up."""

from hashlib import sha256

import pytest
from virtual_pair import some_bytes
from virtual_sessions import KIB, SECOND, LateWorkers, SessionPair

from mayhem_udp.errors import Code
from mayhem_udp.limits import SMALL_FILE_MAX_BYTES
from mayhem_udp.session.pack_shape import SmallFile, encode_file
from mayhem_udp.session.packs import PACK_FILES_MAX, GetPackReceiver, PutPackSender
from mayhem_udp.store.quota import StoreLimits
from mayhem_udp.wire.messages import NO_DIGEST, GetPack, PackResult, PingRequest, PutPack, Result


def small(name, data, *, digest=None):
    return SmallFile(name.encode(), data, 0, 0o644, Code.OK, digest or sha256(data).digest())


def put_pack(pair, files, *, count=None):
    codes = {}

    def note(first, found):
        codes.update(enumerate(found, first))

    done = pair.finish(
        pair.client.start(
            lambda *where: PutPackSender(*where, files=iter(files), count=count or len(files), on_codes=note)
        )
    )
    return done, [codes.get(index) for index in range(len(files))]


def get_pack(pair, *names):
    codes = {}

    def store(files):
        outcomes = iter(pair.client.store.write_small([file for file in files if file.code == Code.OK]))
        return [next(outcomes) if file.code == Code.OK else file.code for file in files]

    def note(first, found):
        codes.update(enumerate(found, first))

    wanted = tuple(name.encode() for name in names)
    done = pair.finish(
        pair.client.start(lambda *where: GetPackReceiver(*where, names=wanted, store=store, on_codes=note))
    )
    return done, [codes.get(index) for index in range(len(names))]


def test_a_pack_of_files_of_all_sizes_arrives_exact(hostile):
    contents = {f"{size}.bin": some_bytes(size) for size in (0, 1, 1_023, 1_024, 1_025, SMALL_FILE_MAX_BYTES)}
    done, codes = put_pack(hostile, [small(name, data) for name, data in contents.items()])
    assert done.error is None
    assert set(codes) == {Code.OK}
    assert {name: hostile.served(name) for name in contents} == contents
    done, codes = get_pack(hostile, *contents)
    assert set(codes) == {Code.OK}
    assert {name: hostile.fetched(name) for name in contents} == contents
    assert hostile.stagings() == []


def test_a_thousand_files_travel_in_one_request(sessions):
    files = [small(f"dir{index % 7}/{index}", b"%d" % index) for index in range(1_000)]
    done, codes = put_pack(sessions, files)
    assert done.error is None
    assert codes == [Code.OK] * 1_000
    assert sessions.served("dir6/111") == b"111"


def test_each_file_of_a_pack_has_its_own_outcome(sessions):
    (sessions.root / "folder").mkdir()
    files = [
        small("good", b"1"),
        small("../out", b"2"),
        small(".mayhem-x", b"3"),
        small("folder", b"4"),
        small("damaged", b"5", digest=bytes(32)),
        small("good/too", b"6"),
        small("last", b"7"),
    ]
    done, codes = put_pack(sessions, files)
    assert done.error is None
    assert codes[:5] == [Code.OK, Code.NAME_REFUSED, Code.NAME_RESERVED, Code.IS_DIRECTORY, Code.INTEGRITY]
    assert codes[5] != Code.OK
    assert codes[6] == Code.OK
    assert sessions.served("damaged") is None
    assert sessions.stagings() == []


def test_what_cannot_be_had_is_told_in_its_place(sessions):
    (sessions.root / "here").write_bytes(b"x")
    (sessions.root / "large").write_bytes(bytes(SMALL_FILE_MAX_BYTES + 1))
    done, codes = get_pack(sessions, "missing", "here", "large", "../out")
    assert done.error is None
    assert codes == [Code.NOT_FOUND, Code.OK, Code.FILE_TOO_LARGE, Code.NAME_REFUSED]
    assert sessions.fetched("here") == b"x"


def test_a_store_that_gets_full_in_the_midst_takes_what_fits(tmp_path):
    pair = SessionPair(tmp_path, server_options={"limits": StoreLimits(stored_max_bytes=2_500)})
    _, codes = put_pack(pair, [small(f"{index}", bytes(1_000)) for index in range(4)])
    assert codes == [Code.OK, Code.OK, Code.STORE_FULL, Code.STORE_FULL]


@pytest.mark.parametrize("count", [0, PACK_FILES_MAX + 1])
def test_a_pack_of_none_or_too_many_files_costs_the_connection(sessions, count):
    bare = sessions.use_bare_client()
    bare.open_request(PutPack(count))
    sessions.run(seconds=1)
    assert bare.closed_code == Code.LIMIT_EXCEEDED


def test_a_get_of_no_files_costs_the_connection(sessions):
    bare = sessions.use_bare_client()
    bare.open_request(GetPack(()))
    sessions.run(seconds=1)
    assert bare.closed_code == Code.LIMIT_EXCEEDED


def test_more_files_than_were_announced_cost_the_connection(sessions):
    bare = sessions.use_bare_client()
    request = bare.open_request(PutPack(1))
    bare.send(request, 0, encode_file(small("a", b"1")) + encode_file(small("b", b"2")))
    sessions.run(seconds=1)
    assert bare.closed_code == Code.SIZE_MISMATCH
    assert sessions.served("b") is None


def test_a_file_that_claims_to_be_large_costs_the_connection(sessions):
    bare = sessions.use_bare_client()
    request = bare.open_request(PutPack(1))
    bare.send(request, 0, encode_file(small("a", bytes(SMALL_FILE_MAX_BYTES + 1))))
    sessions.run(seconds=1)
    assert bare.closed_code is not None
    assert sessions.served("a") is None


def test_a_server_that_sends_another_file_than_was_asked_for_is_left(sessions):
    bare = sessions.use_bare_server()
    stored = []
    exchange = sessions.client.start(
        lambda *where: GetPackReceiver(
            *where, names=(b"wanted",), store=stored.append, on_codes=lambda *_: None
        )
    )
    sessions.run(seconds=0.1)
    bare.send(exchange.request, 0, encode_file(small(".bashrc", b"evil")))
    sessions.finish(exchange)
    sessions.run(seconds=1)
    assert bare.closed_code == Code.SIZE_MISMATCH
    assert stored == []


def test_a_server_that_sends_more_files_than_were_asked_for_is_left(sessions):
    bare = sessions.use_bare_server()
    exchange = sessions.client.start(
        lambda *where: GetPackReceiver(
            *where, names=(b"a",), store=lambda files: [0] * len(files), on_codes=lambda *_: None
        )
    )
    sessions.run(seconds=0.1)
    bare.send(exchange.request, 0, encode_file(small("a", b"1")) + encode_file(small("a", b"2")))
    sessions.finish(exchange)
    sessions.run(seconds=1)
    assert bare.closed_code == Code.SIZE_MISMATCH


@pytest.mark.parametrize(
    "messages",
    [
        [PackResult(1, (0,))],
        [PackResult(0, (0,)), PackResult(0, (0,))],
        [Result(Code.OK, 0, NO_DIGEST, b"")],
        [PackResult(0, (0,)), Result(Code.OK, 0, NO_DIGEST, b"")],
    ],
)
def test_outcomes_out_of_order_or_an_end_before_all_are_told_cost_the_connection(sessions, messages):
    bare = sessions.use_bare_server()
    files = [small("a", b"1"), small("b", b"2")]
    exchange = sessions.client.start(
        lambda *where: PutPackSender(*where, files=iter(files), count=2, on_codes=lambda *_: None)
    )
    sessions.run(seconds=0.1)
    bare.say(exchange.request, *messages)
    sessions.finish(exchange)
    sessions.run(seconds=1)
    assert bare.closed_code == Code.STATE_ILLEGAL


def test_a_pack_that_is_cut_leaves_whole_files_and_nothing_else(tmp_path):
    pair = SessionPair(tmp_path, "delay=10ms,rate=2M")
    files = [small(f"{index}", some_bytes(20 * KIB, seed=index)) for index in range(40)]
    pair.client.start(
        lambda *where: PutPackSender(*where, files=iter(files), count=40, on_codes=lambda *_: None)
    )
    pair.run_until(lambda: pair.served("9") is not None)
    pair.restart_server()
    for index in range(40):
        assert pair.served(f"{index}") in (None, files[index].data)
    pair.server.store.sweep(before_ns=0)
    assert pair.stagings() == []


def test_files_of_a_pack_are_read_where_a_slow_disk_holds_up_nobody_else(tmp_path):
    pair = None
    slow = LateWorkers(lambda: pair.now_ns if pair else 0, lambda: 2 * SECOND)
    pair = SessionPair(tmp_path, server_options={"workers": slow})
    (pair.root / "here").write_bytes(b"x")
    pair.open()
    began_ns = pair.now_ns
    pack = pair.client.start(
        lambda *where: GetPackReceiver(
            *where, names=(b"here",), store=lambda files: [0] * len(files), on_codes=lambda *_: None
        )
    )
    pair.finish(pair.client.ask(PingRequest(1)))
    assert pair.now_ns - began_ns < SECOND
    assert not pack.is_over
    pair.finish(pack)
    assert pack.error is None
    assert pair.now_ns - began_ns >= 2 * SECOND
