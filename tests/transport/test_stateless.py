"""RETRY, VERSIONS, RESET: believed only from the server, in the right state, and with the right token."""

import pytest
from by_hand import ID, PARAMETERS, PEER, RESET_TOKEN, STRANGER, ByHand
from msgspec.structs import replace

from mayhem_udp.errors import Code
from mayhem_udp.transport.events import Origin
from mayhem_udp.transport.state import State
from mayhem_udp.transport.stateless import RETRIES_MAX
from mayhem_udp.transport.streams.numbers import Side
from mayhem_udp.wire.codec import encode_datagram, join_hello
from mayhem_udp.wire.declarations import VERSION, DatagramType
from mayhem_udp.wire.frames import Ping

NOT_OURS = bytes([1, 99])


@pytest.fixture
def client():
    """A client whose handshake is done; the server has given it a reset token."""
    return ByHand(Side.CLIENT, peer=replace(PARAMETERS, reset_token=RESET_TOKEN))


@pytest.fixture
def opening():
    """A client that has said hello."""
    end = ByHand(Side.CLIENT, peer=None)
    end.listen()
    return end


def reset(token):
    return encode_datagram(DatagramType.RESET, token, connection_id=ID, sequence=0)


def retry(token=b"prove it", sequence=0):
    body = join_hello(token, b"")
    return encode_datagram(DatagramType.RETRY, body, connection_id=ID, sequence=sequence)


def test_a_reset_with_the_token_of_the_handshake_ends_the_connection_at_once(client):
    client.give(reset(RESET_TOKEN))
    assert (client.closed.code, client.closed.origin) == (Code.CONNECTION_LOST, Origin.RESET)
    assert client.engine.state is State.CLOSED
    assert client.listen() == [], "nobody is there to be told"
    assert client.engine.next_deadline_ns() is None


@pytest.mark.parametrize(
    "token", [bytes(16), RESET_TOKEN[:-1] + b"x", RESET_TOKEN[:-1], RESET_TOKEN + b"x", b"\0"]
)
def test_a_reset_with_another_token_is_nothing(client, token):
    client.give(reset(token))
    assert client.closed is None


def test_a_reset_from_elsewhere_is_nothing(client):
    client.give(reset(RESET_TOKEN), address=STRANGER)
    assert client.closed is None


def test_without_a_token_from_the_server_no_reset_is_believed():
    """A peer that gave none gave zeros: they are no token."""
    client = ByHand(Side.CLIENT)
    client.give(reset(bytes(16)))
    assert client.closed is None


def test_a_server_is_not_reset():
    server = ByHand(Side.SERVER)
    server.give(reset(RESET_TOKEN))
    assert server.closed is None


def test_a_retry_has_everything_said_again_with_its_token(opening):
    opening.give(retry())
    (again,) = opening.listen()
    assert again.header.type == DatagramType.HELLO
    assert again.header.sequence == 1, "numbers are never used twice"
    assert again.frames == opening.said[0].frames
    assert again.token == b"prove it"


def test_a_second_retry_to_the_same_greeting_is_nothing(opening):
    opening.give(retry())
    opening.listen()
    opening.give(retry(b"prove it twice"))
    assert opening.listen() == []
    assert opening.engine._core.handshake.token == b"prove it"


def test_a_server_that_was_restarted_meanwhile_may_ask_again(opening):
    """It knows no token of its predecessor's."""
    opening.give(retry())
    opening.listen()
    opening.give(retry(b"prove it to me", sequence=1))
    (again,) = opening.listen()
    assert again.token == b"prove it to me"


def test_a_server_that_asks_for_ever_is_not_followed(opening):
    for number in range(10):
        opening.give(retry(b"%d" % number, sequence=number))
        opening.listen()
    assert opening.engine._core.handshake.token == b"%d" % (RETRIES_MAX - 1)


@pytest.mark.parametrize("sequence", [1, 5, 1 << 40])
def test_a_retry_to_what_was_never_said_is_nothing(opening, sequence):
    opening.give(retry(sequence=sequence))
    assert opening.listen() == []


def test_a_retry_from_elsewhere_is_nothing(opening):
    opening.give(retry(), address=STRANGER)
    assert opening.listen() == []


def test_a_malformed_retry_is_nothing(opening):
    opening.give(encode_datagram(DatagramType.RETRY, b"\xff\xff", connection_id=ID, sequence=0))
    assert opening.listen() == []
    assert opening.closed is None


def test_a_retry_gives_the_first_round_trip(opening):
    opening.pass_time(30_000_000)
    opening.give(retry())
    assert opening.engine.rtt.latest_ns == 30_000_000


def test_what_a_retry_has_said_again_was_not_lost_on_the_way(opening):
    opening.give(retry())
    opening.listen()
    assert opening.engine.stats.lost == 0


def test_a_retry_by_a_server_whose_predecessor_has_answered_ends_the_connection(opening):
    """It was restarted: what its predecessor has said is not taken back, and half of each would be nobody's."""
    opening.say(Ping())
    opening.listen()
    opening.give(retry(sequence=opening.ledger.next_number - 1))
    assert (opening.closed.code, opening.closed.origin) == (Code.CONNECTION_LOST, Origin.RESET)
    assert opening.engine.state is State.CLOSED


def test_one_that_comes_too_late_from_elsewhere_or_unasked_is_nothing(opening):
    opening.say(Ping())
    opening.listen()
    opening.give(retry(sequence=0), address=STRANGER)
    opening.give(retry(sequence=opening.ledger.next_number))
    opening.give(encode_datagram(DatagramType.RETRY, b"\xff\xff", connection_id=ID, sequence=0))
    assert opening.closed is None


def test_a_retry_after_the_handshake_changes_nothing(client):
    client.engine.open_request()
    client.engine.supply_body(0, 0, bytes(5_000))
    client.listen()
    before = client.engine.in_flight_bytes
    client.give(retry())
    assert client.engine.in_flight_bytes == before
    assert client.engine.stats.lost == 0


def test_versions_end_a_client_that_is_opening(opening):
    opening.give(encode_datagram(DatagramType.VERSIONS, NOT_OURS, connection_id=ID, sequence=0))
    assert opening.closed.code == Code.VERSION_UNKNOWN
    assert "99" in opening.closed.reason


def test_versions_that_name_ours_are_not_believed(opening):
    """A server that speaks our version would have used it: somebody else says so."""
    body = bytes([2, VERSION, 99])
    opening.give(encode_datagram(DatagramType.VERSIONS, body, connection_id=ID, sequence=0))
    assert opening.closed is None


def test_versions_are_nothing_once_the_handshake_is_done(client):
    client.give(encode_datagram(DatagramType.VERSIONS, NOT_OURS, connection_id=ID, sequence=0))
    assert client.closed is None
    assert client.engine.path.address == PEER
