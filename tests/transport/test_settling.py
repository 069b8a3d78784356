"""Who is told what became of a run: bodies, messages, the handshake, and the frames that are said again."""

import pytest
from by_hand import ByHand

from mayhem_udp.transport.ledger import Run
from mayhem_udp.transport.recovery import Outcome
from mayhem_udp.transport.streams.numbers import Kind, Side, stream_id
from mayhem_udp.wire.frames import MaxRequests, MaxStream, Stream

MESSAGES = stream_id(0, Kind.MESSAGES, Side.CLIENT)
BODY = stream_id(0, Kind.BODY, Side.CLIENT)


@pytest.fixture
def client():
    """A client with one request open and nothing else to say."""
    end = ByHand(Side.CLIENT)
    end.engine.open_request()
    return end


def frames_run(*frames):
    return Run(first=0, count=1, sent_ns=0, wire_bytes=100, frames=frames)


def settle(end, *, acked=(), lost=(), spurious=()):
    end.engine._settler.settle(Outcome(list(acked), list(lost), list(spurious)))
    return list(end.engine._core.control)


def test_copies_of_a_frame_that_are_lost_together_are_said_again_once(client):
    credit = MaxStream(BODY ^ 1, 5_000)
    assert settle(client, lost=[frames_run(credit), frames_run(credit)]) == [credit]


def test_credit_of_a_request_that_has_ended_is_not_said_again(client):
    client.engine.reset_request(0, 1, "enough")
    before = list(client.engine._core.control)
    assert settle(client, lost=[frames_run(MaxStream(BODY ^ 1, 5_000))]) == before


def test_credit_of_requests_is_said_again_as_it_is_now(client):
    now = client.engine._core.requests.limit
    assert settle(client, lost=[frames_run(MaxRequests(1))]) == [MaxRequests(now)]


def test_a_lost_piece_of_a_message_is_sent_again_and_an_acknowledged_one_is_let_go(client):
    client.engine.send_message(0, b"hello")
    (said,) = [each for each in client.listen() if any(isinstance(f, Stream) for f in each.frames)]
    (piece,) = [frame for frame in said.frames if isinstance(frame, Stream)]
    settle(client, lost=[frames_run(piece)])
    again = [frame for each in client.listen() for frame in each.frames if isinstance(frame, Stream)]
    assert again == [piece]
    settle(client, spurious=[frames_run(piece)])
    assert client.engine.queued_message_bytes(0) == 0


def test_a_request_ends_when_it_has_said_all_and_all_is_acknowledged(client):
    client.engine.supply_body(0, 0, b"some bytes")
    client.engine.finish_request(0)
    assert 0 in client.engine._core.requests.open
    client.listen()
    runs = list(client.ledger.flight.runs)
    settle(client, acked=[run for run in runs if run.body is not None])
    assert client.engine._core.requests.open == {}


def test_losses_and_what_arrived_after_all_are_counted(client):
    run = Run(first=0, count=3, sent_ns=0, wire_bytes=300)
    settle(client, lost=[run], spurious=[run])
    assert client.engine.stats.lost - 3 >= 0
    assert client.engine.stats.spurious == 3
