"""Numbers of streams, and the table of requests with its credit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.limits import EARLY_BODY_BYTES, EARLY_REQUESTS, REQUESTS_MAX
from mayhem_udp.transport.memory import Memory
from mayhem_udp.transport.streams.numbers import Kind, Side, kind_of, request_of, sender_of, stream_id
from mayhem_udp.transport.streams.table import RequestTable
from mayhem_udp.units import MIB


def table(side, *, open_max=10):
    return RequestTable(
        side,
        open_max=open_max,
        window_bytes=1_000,
        window_max_bytes=8_000,
        promise_bytes=1_000,
        memory=Memory(MIB),
    )


@given(st.integers(0, REQUESTS_MAX - 1), st.sampled_from(Kind), st.sampled_from(Side))
def test_a_streams_number_says_all_about_it(request_number, kind, sender):
    number = stream_id(request_number, kind, sender)
    assert 0 <= number < 1 << 32
    assert (request_of(number), kind_of(number), sender_of(number)) == (request_number, kind, sender)
    assert sender.other.other is sender
    assert sender.other is not sender


def test_a_client_opens_a_few_requests_before_it_knows_how_many_it_may():
    requests = table(Side.CLIENT)
    assert [requests.create().number for _ in range(EARLY_REQUESTS)] == list(range(EARLY_REQUESTS))
    assert requests.create() is None
    requests.on_peer_parameters(body_window_bytes=1 << 20, requests_max=EARLY_REQUESTS + 1)
    assert requests.create().number == EARLY_REQUESTS
    assert requests.create() is None


def test_what_the_peer_grants_never_takes_back_what_was_granted_early():
    requests = table(Side.CLIENT)
    body = requests.body_sent(requests.create())
    requests.on_peer_parameters(body_window_bytes=1, requests_max=1)
    assert body.limit == EARLY_BODY_BYTES
    assert requests.peer_limit == EARLY_REQUESTS


def test_bodies_that_are_open_get_the_credit_of_the_handshake():
    requests = table(Side.CLIENT)
    early = requests.body_sent(requests.create())
    requests.on_peer_parameters(body_window_bytes=1 << 20, requests_max=9)
    assert early.limit == requests.body_sent(requests.create()).limit == 1 << 20


def test_requests_never_run_past_their_last_number():
    requests = table(Side.CLIENT)
    requests.peer_limit = REQUESTS_MAX + 5
    requests.next = REQUESTS_MAX - 1
    assert requests.create().number == REQUESTS_MAX - 1
    assert requests.create() is None


def test_the_server_opens_what_the_client_names_up_to_its_limit():
    requests = table(Side.SERVER)
    assert requests.of_peer(9) is requests.of_peer(9)
    with pytest.raises(PeerError) as caught:
        requests.of_peer(10)
    assert caught.value.code == Code.TOO_MANY_REQUESTS
    assert set(requests.open) == {9}


def test_a_client_is_not_opened_a_request():
    requests = table(Side.CLIENT)
    with pytest.raises(PeerError) as caught:
        requests.of_peer(0)
    assert caught.value.code == Code.STATE_ILLEGAL


def test_what_has_ended_stays_ended():
    requests = table(Side.SERVER)
    requests.of_peer(3)
    requests.end(3)
    requests.end(3)
    assert requests.of_peer(3) is None
    assert requests.open == {}


def test_credit_follows_what_has_ended_in_steps():
    requests = table(Side.SERVER)
    told = []
    for number in range(40):
        requests.of_peer(number)
        requests.end(number)
        told += [requests.limit] if requests.limit_is_news else []
        requests.limit_is_news = False
    assert told == [15, 20, 25, 30, 35, 40, 45, 50]


def test_a_client_has_no_limit_to_tell():
    requests = table(Side.CLIENT)
    while (request := requests.create()) is not None:
        requests.end(request.number)
    assert not requests.limit_is_news


@given(st.lists(st.integers(0, 30), max_size=120))
def test_no_more_are_open_at_once_than_allowed(ends):
    requests, number = table(Side.SERVER), 0
    for pick in ends:
        if number < requests.limit:
            requests.of_peer(number)
            number += 1
        if requests.open and pick % 3:
            requests.end(sorted(requests.open)[pick % len(requests.open)])
        assert len(requests.open) <= 10
        assert len(requests._ended) <= len(requests.open) + 1, "what has ended is one range for each gap"


def test_halves_are_made_when_they_are_needed():
    requests = table(Side.CLIENT)
    request = requests.create()
    assert request.is_settled
    assert (request.body_sent, request.body_received) == (None, None)
    assert requests.body_sent(request) is requests.body_sent(request)
    assert requests.body_received(request) is requests.body_received(request)
    assert requests.body_sent(request).stream_id == stream_id(0, Kind.BODY, Side.CLIENT)
    request.messages_sent.append(b"x")
    assert not request.is_settled
