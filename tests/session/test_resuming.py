"""Resume: what was received and covered by a digest is not sent again; nothing else is trusted."""

import pytest
from virtual_pair import SERVER, some_bytes
from virtual_sessions import KIB, SessionClient, SessionPair

from mayhem_udp.errors import UnreachableError
from mayhem_udp.mayhem.spec import parse_spec
from mayhem_udp.store.journal import JournalPolicy
from mayhem_udp.transport.datagrams import Address
from mayhem_udp.units import MIB

SENT_AGAIN_MAX_BYTES = 4 * MIB
"""Or 2 % of the file, whichever is larger; these files are small enough for the first."""
AS_SHIPPED = {"server_options": {"policy": JournalPolicy()}, "client_options": {"policy": JournalPolicy()}}
SERVER_GIVES_UP_S = 40
SIZE = 12 * MIB
SPEC = "delay=2ms,rate=200M,queue=2M"


def cut_upload(pair, data, *, at):
    """Begin an upload, and let it come so far."""
    pair.client.put("a", data)
    pair.run_until(lambda: received_bytes(pair) >= at)


def cut_download(pair, data, *, at):
    (pair.root / "a").write_bytes(data)
    exchange = pair.client.get("a")
    pair.run_until(lambda: exchange.receiver is not None and exchange.receiver.received_bytes >= at)


def received_bytes(pair):
    return sum(
        exchange.receiver.received_bytes
        for session in pair.server.sessions.values()
        for exchange in session.exchanges.values()
        if exchange.receiver is not None
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("who", ["server", "client"])
def test_an_upload_goes_on_where_a_crash_cut_it(tmp_path, who, share):
    pair = SessionPair(tmp_path, SPEC, gather_ns=100_000, **AS_SHIPPED)
    data = some_bytes(SIZE)
    cut_upload(pair, data, at=int(share * SIZE))
    getattr(pair, f"restart_{who}")()
    pair.run(seconds=SERVER_GIVES_UP_S if who == "client" else 1)
    pair.reconnect()
    done = pair.finish(pair.client.put("a", data))
    assert done.error is None
    assert pair.served("a") == data
    assert done.resumed_bytes >= share * SIZE - SENT_AGAIN_MAX_BYTES
    sent_again = pair.client.connection.stats.bytes_sent - (SIZE - share * SIZE)
    assert sent_again < SENT_AGAIN_MAX_BYTES + 0.05 * SIZE
    assert pair.stagings() == []


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("who", ["server", "client"])
def test_a_download_goes_on_where_a_crash_cut_it(tmp_path, who, share):
    pair = SessionPair(tmp_path, SPEC, gather_ns=100_000, **AS_SHIPPED)
    data = some_bytes(SIZE)
    cut_download(pair, data, at=int(share * SIZE))
    getattr(pair, f"restart_{who}")()
    pair.run(seconds=1)
    pair.reconnect()
    done = pair.finish(pair.client.get("a"))
    assert done.error is None
    assert pair.fetched("a") == data
    assert done.resumed_bytes >= share * SIZE - SENT_AGAIN_MAX_BYTES
    assert done.receiver.received_bytes == SIZE - done.resumed_bytes
    assert not done.started_over
    assert pair.stagings() == []


def test_a_client_whose_server_was_restarted_hears_of_it_within_a_few_round_trips(tmp_path):
    pair = SessionPair(tmp_path, "delay=10ms,rate=20M")
    cut_upload(pair, some_bytes(500_000), at=100_000)
    (exchange,) = pair.client.session.exchanges.values()
    pair.restart_server()
    began_ns = pair.now_ns
    pair.finish(exchange)
    assert isinstance(exchange.error, UnreachableError)
    assert "restarted" in str(exchange.error)
    assert pair.now_ns - began_ns < 100_000_000


def test_ten_crashes_in_turn_lose_nothing(tmp_path):
    pair = SessionPair(tmp_path, "delay=2ms,rate=50M,drop=0.05", gather_ns=100_000)
    data = some_bytes(1_500_000)
    for number in range(1, 11):
        cut_upload(pair, data, at=100_000)
        who = ("client", "server")[number % 2]
        getattr(pair, f"restart_{who}")()
        pair.run(seconds=SERVER_GIVES_UP_S if who == "client" else 1)
        pair.reconnect()
    done = pair.finish(pair.client.put("a", data))
    assert pair.served("a") == data
    assert done.resumed_bytes >= 10 * (100_000 - 20 * KIB)


def test_a_source_that_has_changed_starts_over_and_leaves_nothing(tmp_path):
    pair = SessionPair(tmp_path, "delay=2ms,rate=50M", gather_ns=100_000)
    cut_download(pair, some_bytes(300_000), at=200_000)
    pair.restart_client()
    other = some_bytes(300_000, seed=2)
    (pair.root / "a").write_bytes(other)
    done = pair.finish(pair.client.get("a"))
    assert done.started_over
    assert done.resumed_bytes == 0
    assert pair.fetched("a") == other
    assert pair.stagings() == []


def test_a_changed_file_that_is_uploaded_again_starts_over(tmp_path):
    pair = SessionPair(tmp_path, "delay=2ms,rate=50M", gather_ns=100_000)
    cut_upload(pair, some_bytes(300_000), at=200_000)
    pair.restart_client()
    pair.run(seconds=SERVER_GIVES_UP_S)
    pair.reconnect()
    other = some_bytes(300_000, seed=2)
    done = pair.finish(pair.client.put("a", other))
    assert done.resumed_bytes == 0
    assert pair.served("a") == other


def test_bytes_that_were_spoilt_on_the_disk_are_fetched_again(tmp_path):
    pair = SessionPair(tmp_path, "delay=2ms,rate=50M", gather_ns=100_000)
    data = some_bytes(300_000)
    cut_upload(pair, data, at=200_000)
    pair.restart_server()
    part = next(each for each in pair.root.rglob("*.part"))
    with part.open("r+b") as file:
        file.seek(50_000)
        file.write(b"XXXX")
    pair.run(seconds=1)
    pair.reconnect()
    done = pair.finish(pair.client.put("a", data))
    assert 0 < done.resumed_bytes < 200_000
    assert pair.served("a") == data


def test_a_lost_journal_means_that_nothing_is_trusted(tmp_path):
    pair = SessionPair(tmp_path, "delay=2ms,rate=50M", gather_ns=100_000)
    data = some_bytes(300_000)
    cut_upload(pair, data, at=200_000)
    pair.restart_server()
    next(each for each in pair.root.rglob("*.journal")).unlink()
    pair.run(seconds=1)
    pair.reconnect()
    done = pair.finish(pair.client.put("a", data))
    assert done.resumed_bytes == 0
    assert pair.served("a") == data
    assert pair.stagings() == []


def test_an_upload_that_the_network_cut_goes_on_too(tmp_path):
    pair = SessionPair(tmp_path, "delay=2ms,rate=50M,blackout=1s+60s", gather_ns=100_000)
    data = some_bytes(8 * MIB)
    lost = pair.finish(pair.client.put("a", data))
    assert isinstance(lost.error, UnreachableError)
    pair.run(seconds=SERVER_GIVES_UP_S)
    pair.reconnect()
    done = pair.finish(pair.client.put("a", data))
    assert done.resumed_bytes > 4 * MIB
    assert pair.served("a") == data


def test_a_client_that_was_killed_and_comes_back_at_once_goes_on_too(tmp_path):
    """Nobody has noticed yet that its first upload is dead."""
    pair = SessionPair(tmp_path, "delay=2ms,rate=50M", gather_ns=100_000)
    data = some_bytes(600_000)
    cut_upload(pair, data, at=400_000)
    pair.restart_client()
    done = pair.finish(pair.client.put("a", data))
    assert done.resumed_bytes > 300_000
    assert pair.served("a") == data
    assert pair.stagings() == []
    assert pair.server.transfers == 0


def test_a_client_that_is_alive_loses_nothing_to_a_second_upload_of_the_same_file(tmp_path):
    pair = SessionPair(tmp_path, "delay=2ms,rate=50M", gather_ns=100_000)
    data = some_bytes(600_000)
    first = pair.client.put("a", data)
    pair.run_until(lambda: received_bytes(pair) >= 100_000)
    other = SessionClient(pair.new_connection(), tmp_path / "elsewhere")
    address = Address("192.0.2.77", 40_000)
    pair.simulator.add(other, address)
    pair.simulator.connect(address, SERVER, parse_spec("delay=2ms,rate=50M"))
    second = other.put("a", data)
    pair.finish(first, second)
    assert (first.error, second.error) == (None, None)
    assert pair.served("a") == data
