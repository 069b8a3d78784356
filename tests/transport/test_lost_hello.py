"""A first HELLO that the network loses: what a client says until it is heard."""

import pytest
from virtual_pair import CLIENT, UNIX_S, Pair, some_bytes

from mayhem_udp.transport.state import State
from mayhem_udp.transport.tokens import TokenKind


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
