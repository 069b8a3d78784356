"""What a peer waits for comes, though nothing else happens that could carry it: no transfer stands still."""

from hashlib import sha256

import pytest
from virtual_pair import UNIX_S, some_bytes
from virtual_sessions import KIB, SECOND, LateWorkers, SessionPair

from mayhem_udp.errors import Code
from mayhem_udp.session.pack_shape import SmallFile
from mayhem_udp.session.packs import GetPackReceiver, PutPackSender
from mayhem_udp.store.source import BytesSource
from mayhem_udp.units import MIB, MS
from mayhem_udp.wire.messages import PingRequest


def test_a_client_that_has_all_files_of_a_pack_may_say_so_before_the_server_has_looked_for_more(tmp_path):
    """Together they fill a block with the last of them; that it was the last one was found out only afterwards."""
    pair = SessionPair(tmp_path, "delay=1ms")
    pair.server.workers = LateWorkers(lambda: pair.now_ns, lambda: 50 * MS)
    names = [f"{index}" for index in range(4)]
    for name in names:
        (pair.root / name).write_bytes(some_bytes(64 * KIB))
    codes = []
    receiver = pair.client.start(
        lambda *where: GetPackReceiver(
            *where,
            names=tuple(map(str.encode, names)),
            store=pair.client.store.write_small,
            on_codes=lambda _first, found: codes.extend(found),
        )
    )
    done = pair.finish(receiver)
    pair.run(seconds=1)
    assert done.error is None
    assert codes == [Code.OK] * 4
    assert pair.client.closed == []


class ColdSource(BytesSource):
    """Nothing of it is in memory: each read waits for the disk."""

    def read(self, offset, size):
        return None


def test_what_is_being_read_when_the_answer_comes_is_sent_but_for_what_the_server_has(tmp_path):
    """The server has the first part of the block; the rest was left out with it, and never sent."""
    pair = SessionPair(tmp_path, "delay=2ms,rate=20M", client={"keep_alive_ns": 10 * SECOND})
    data = some_bytes(600 * KIB)
    pair.client.put("a", data)
    pair.run_until(
        lambda: any(
            each.receiver and each.receiver.received_bytes >= 20_000
            for session in pair.server.sessions.values()
            for each in session.exchanges.values()
        )
    )
    pair.restart_client()
    pair.run(seconds=40)
    pair.reconnect()
    pair.client.workers = LateWorkers(lambda: pair.now_ns, lambda: 30 * MS)
    pair.open()
    source = ColdSource(data, mtime_ns=UNIX_S * SECOND, mode=0o640)
    done = pair.client.put("a", data, source=source)
    pair.run(seconds=60)
    assert done.is_over
    assert done.error is None
    assert pair.served("a") == data


@pytest.mark.parametrize("seed", range(1, 4))
def test_packs_that_fill_the_memory_while_bytes_are_missing_go_on_when_these_come(tmp_path, seed):
    """What waits behind a hole is let go of when the hole is filled: that there is no room must not keep it open."""
    little = {
        "memory_max_bytes": MIB,
        "requests_max": 8,
        "body_window_max_bytes": MIB,
        "send_buffer_max_bytes": MIB,
    }
    pair = SessionPair(
        tmp_path,
        "delay=100ms,drop=0.3,burst=8",
        seed=seed,
        server=little,
        client={"keep_alive_ns": 10 * SECOND, "controller": "fixed"},
    )
    pair.open()
    data = some_bytes(64 * KIB)

    def pack(number):
        files = [
            SmallFile(f"{number}/{index}".encode(), data, 0, 0o644, Code.OK, sha256(data).digest())
            for index in range(24)
        ]
        return pair.client.start(
            lambda *where: PutPackSender(*where, files=iter(files), count=24, on_codes=lambda *_: None)
        )

    packs = [pack(number) for number in range(8)]
    pair.finish(*packs, seconds=120)
    assert [each.error for each in packs] == [None] * 8


def test_requests_that_last_long_keep_no_others_from_being_opened(tmp_path):
    """Five of eight last: the other three numbers are worth telling as soon as the client has none left."""
    pair = SessionPair(tmp_path, "delay=1ms", server={"requests_max": 8, "rate_cap_bps": 5_000_000})
    pair.open()
    table = pair.client.connection._core.requests
    lasting = [pair.client.put(f"{index}", some_bytes(20_000_000)) for index in range(5)]
    for _ in range(10):
        pair.run_until(lambda: table.next < table.peer_limit, seconds=5)
        pair.finish(pair.client.ask(PingRequest(1)), seconds=5)
    assert not any(each.is_over for each in lasting)
