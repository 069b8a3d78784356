"""Peers that acknowledge what they should not: cut off with the right code, and at a bounded cost."""

import pytest
from by_hand import ByHand, ack_of, frames_of

from mayhem_udp.errors import Code
from mayhem_udp.limits import ACK_PAIRS_MAX
from mayhem_udp.transport.events import Origin
from mayhem_udp.transport.ledger import LOST_KEPT_MAX
from mayhem_udp.transport.state import State
from mayhem_udp.transport.streams.numbers import Kind, Side, stream_id
from mayhem_udp.units import MS, SECOND
from mayhem_udp.wire.frames import Ack, Close, MaxStream


@pytest.fixture
def client():
    """A client with a body under way to a peer that has acknowledged the handshake."""
    return sending()


def sending(body_bytes=200_000, **settings):
    end = ByHand(Side.CLIENT, **settings)
    request = end.engine.open_request()
    end.engine.supply_body(request, 0, bytes(body_bytes))
    end.acknowledge((0, 1))
    end.listen()
    end.pass_time(30 * MS)
    return end


def max_credit():
    return [MaxStream(stream_id(0, Kind.BODY, Side.CLIENT), 1 << 30)]


def assert_cut_off(end, code):
    assert end.closed is not None, "the peer was believed"
    assert (end.closed.code, end.closed.origin) == (code, Origin.LOCAL)
    assert frames_of(end.listen(), Close)[0].code == code, "the peer is told why"
    assert end.engine.state is State.CLOSING


def test_an_ack_of_what_was_never_sent_is_cut_off(client):
    client.acknowledge((0, client.ledger.next_number + 1))
    assert_cut_off(client, Code.BAD_ACK)


def test_an_ack_far_in_the_future_is_cut_off(client):
    client.acknowledge((1 << 60, (1 << 60) + 1))
    assert_cut_off(client, Code.BAD_ACK)


def test_ranges_that_go_below_zero_are_cut_off(client):
    client.say(Ack(3, 0, 0, (0, 2, 1, 60_000)))
    assert_cut_off(client, Code.BAD_ACK)


def test_an_ack_that_names_nothing_is_cut_off(client):
    client.say(Ack(3, 0, 0, ()))
    assert_cut_off(client, Code.BAD_ACK)


def test_an_ack_that_leaves_out_its_own_largest_is_cut_off(client):
    """Taken for true it would have put the edge of loss into the middle of what is in flight."""
    newest = client.ledger.next_number - 1
    client.acknowledge((newest - 2, newest - 1), largest=newest)
    assert_cut_off(client, Code.BAD_ACK)


def test_an_ack_that_leaves_out_its_own_largest_does_not_hang_the_clock():
    client = sending()
    newest = client.ledger.next_number - 1
    client.acknowledge((newest - 2, newest - 1), largest=newest)
    client.pass_time(5 * SECOND)
    assert client.engine.state is State.CLOSED


def test_more_ranges_than_fit_in_an_honest_ack_are_cut_off():
    """A SACK of 10,000 crumbs in one datagram of 40 kB, each a search in the ledger."""
    client = sending()
    client.say(Ack(client.ledger.next_number - 1, 0, 0, (0, 0) * 10_000))
    assert_cut_off(client, Code.LIMIT_EXCEEDED)


def test_the_fullest_honest_ack_is_taken(client):
    top = client.ledger.next_number
    crumbs = [(number, number + 1) for number in range(top - 1, 0, -2)]
    client.acknowledge(*crumbs[:ACK_PAIRS_MAX])
    assert client.closed is None


@pytest.mark.parametrize("behind", [0, 1, 2])
def test_a_number_that_was_skipped_is_never_acknowledged_honestly(behind):
    """The newest one, and those before it that are still in flight."""
    client = sending(16_000_000, controller="fixed", rate_fixed_bps=10**10)
    client.say(*max_credit())
    for _ in range(200):
        client.listen()
        client.pass_time(MS)
        if len(client.ledger.skipped) > behind:
            break
    skipped = [start for start, _ in client.ledger.skipped][-1 - behind]
    assert skipped not in client.numbers
    client.acknowledge((skipped - 1, skipped + 2))
    assert_cut_off(client, Code.BAD_ACK)


def test_an_honest_ack_around_a_skipped_number_is_taken():
    client = sending(4_000_000, controller="fixed", rate_fixed_bps=10**9)
    client.say(*max_credit())
    while not client.ledger.skipped:
        client.listen()
        client.pass_time(MS)
    client.pass_time(MS)
    skipped = client.ledger.skipped.start
    client.acknowledge((skipped + 1, client.ledger.next_number), (0, skipped))
    assert client.closed is None
    assert client.ledger.in_flight_bytes == 0


def test_acknowledging_every_second_datagram_leaves_a_ledger_of_bounded_size():
    client = sending(3_000_000, controller="fixed", rate_fixed_bps=10**9)
    client.say(*max_credit())
    for _ in range(60):
        client.pass_time(MS)
        top = client.ledger.next_number
        odd = [
            n for n in range(top - 1, max(top - 2 * ACK_PAIRS_MAX, 0), -2) if n not in client.ledger.skipped
        ]
        client.acknowledge(*[(number, number + 1) for number in odd])
    assert client.closed is None
    assert len(client.ledger.flight) <= 2 * len(client.numbers)
    assert len(client.ledger.lost) <= LOST_KEPT_MAX


def test_a_repeated_ack_is_no_news(client):
    client.acknowledge((0, 5))
    before = (client.ledger.in_flight_bytes, client.engine.rtt.samples)
    client.acknowledge((0, 5))
    assert (client.ledger.in_flight_bytes, client.engine.rtt.samples) == before
    assert client.closed is None


def test_a_claimed_delay_larger_than_agreed_does_not_shrink_the_round_trip(client):
    sent = client.ledger.next_number
    client.pass_time(100 * MS)
    client.acknowledge((0, sent), delay_us=10_000_000)
    assert client.engine.rtt.latest_ns >= 75 * MS


def test_ack_of_helper_says_what_it_is_told():
    assert ack_of((4, 6), (0, 2)) == Ack(5, 0, 0, (0, 2, 2, 2))
