"""A first HELLO that the network loses: what a client says until it is heard."""

import pytest
from virtual_pair import CLIENT, UNIX_S, Pair, some_bytes

from mayhem_udp.transport.state import State
from mayhem_udp.transport.tokens import TokenKind
from mayhem_udp.units import MS, SECOND


@pytest.mark.parametrize("body_bytes", [0, 30_000, 300_000])
def test_a_client_with_a_token_whose_hello_is_lost_says_it_again_at_the_first_probe(body_bytes):
    """It has sent early data as well, which no server understands before the HELLO."""
    pair = Pair("delay=10ms,out.blackout=0s+1ms")
    token = pair.mint.make(TokenKind.VISIT, CLIENT, connection_id=0, unix_s=UNIX_S)
    pair.client.connection = pair.new_connection(token=token)
    request = pair.connection.open_request()
    pair.connection.send_message(request, b"here it comes")
    pair.connection.supply_body(request, 0, some_bytes(body_bytes))
    pair.run_until(lambda: pair.connection.state is State.OPEN, seconds=3)
    assert pair.connection.stats.probes_sent <= 2
    pair.run_until(lambda: pair.far.messages[request] == [b"here it comes"], seconds=3)


def opened_after_ns(spec, *, seed):
    pair = Pair(spec, seed=seed)
    request = pair.connection.open_request()
    pair.connection.send_message(request, b"anybody there?")
    pair.run_until(lambda: pair.connection.state is State.OPEN, seconds=10)
    return pair.now_ns


def test_an_opening_that_loses_datagrams_rarely_waits_for_a_second():
    """A fifth lost each way: one exchange in three fails, and there are two. Waits of a second each took 44 openings in 100 so long."""
    waits_ns = [opened_after_ns("delay=25ms,drop=0.2", seed=seed) for seed in range(100)]
    assert sum(wait_ns > SECOND for wait_ns in waits_ns) <= 4
    assert sum(waits_ns) < 100 * 350 * MS


def test_a_long_path_answers_each_hello_and_only_the_first_answer_counts():
    pair = Pair("delay=400ms")
    request = pair.connection.open_request()
    pair.connection.send_message(request, b"anybody there?")
    pair.run_until(lambda: pair.connection.state is State.OPEN, seconds=3)
    pair.run(seconds=3)
    assert pair.server.listener.stats.retries == 4, "at 0, 256, 512 and 768 ms"
    assert pair.connection._core.handshake.retries == 1
    assert pair.far.messages[request] == [b"anybody there?"]
    assert len(pair.server.diaries) == 1
    assert pair.now_ns < 5 * SECOND
