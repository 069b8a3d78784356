"""The handshake's stream, the check of a new address, the rhythm of ACKs, and the framing of datagrams."""

import pytest
from by_hand import PARAMETERS, PEER, STRANGER, ByHand, frames_of
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.errors import Code, PeerError
from mayhem_udp.limits import AMPLIFICATION_FACTOR, HANDSHAKE_MAX_BYTES
from mayhem_udp.transport.events import Connected, PathChanged
from mayhem_udp.transport.framing import FrameLoad
from mayhem_udp.transport.handshake import HandshakeStream
from mayhem_udp.transport.path import CHALLENGES_MAX, PathCheck
from mayhem_udp.transport.rhythm import EVERY_MAX, EVERY_MIN, AckRhythm
from mayhem_udp.transport.rtt import RoundTrip
from mayhem_udp.transport.state import State
from mayhem_udp.transport.streams.numbers import Side
from mayhem_udp.units import MS, SECOND
from mayhem_udp.wire.codec import decode_frames, encode_frame
from mayhem_udp.wire.frames import (
    Ack,
    AckFrequency,
    Close,
    Handshake,
    MaxStream,
    PathChallenge,
    PathResponse,
    Ping,
    Stream,
)

# --- The handshake's stream ----------------------------------------------------------------------------


@given(st.integers(1, 40), st.randoms(use_true_random=False))
def test_a_handshake_is_whole_whatever_the_order_of_its_pieces(max_bytes, random):
    ours, theirs = HandshakeStream(PARAMETERS), HandshakeStream(PARAMETERS)
    pieces = []
    while (piece := ours.take(max_bytes)) is not None:
        pieces.append(piece)
    random.shuffle(pieces)
    told = [theirs.put(each) for each in pieces + pieces]
    assert [each for each in told if each is not None] == [PARAMETERS], "once"
    assert theirs.peer == PARAMETERS


@given(st.integers(1, 40), st.randoms(use_true_random=False))
def test_lost_pieces_are_said_again_until_all_are_acknowledged(max_bytes, random):
    ours, theirs, losses = HandshakeStream(PARAMETERS), HandshakeStream(PARAMETERS), 20
    while (piece := ours.take(max_bytes)) is not None:
        if losses and random.random() < 0.5:
            losses -= 1
            ours.on_lost(piece)
        else:
            theirs.put(piece)
            ours.on_acked(piece)
    assert ours.is_acked
    assert not ours.wants_to_send
    assert theirs.peer == PARAMETERS


def test_a_restart_says_everything_again_with_the_token():
    ours = HandshakeStream(PARAMETERS)
    first = ours.take(1_000)
    ours.restart(b"prove it", number=4)
    assert ours.take(1_000) == first
    assert (ours.token, ours.retries, ours.retried_at) == (b"prove it", 1, 4)


def test_a_handshake_has_a_bound():
    ours = HandshakeStream(PARAMETERS)
    ours.put(Handshake(HANDSHAKE_MAX_BYTES - 1, b"x"))
    with pytest.raises(PeerError) as caught:
        ours.put(Handshake(HANDSHAKE_MAX_BYTES, b"x"))
    assert caught.value.code == Code.LIMIT_EXCEEDED


def test_a_server_is_open_when_the_greeting_is_whole_and_answers_with_its_own():
    server = ByHand(Side.SERVER)
    assert [type(each) for each in server.events] == [Connected]
    (answer,) = frames_of(server.said, Handshake)
    theirs = HandshakeStream(PARAMETERS)
    assert theirs.put(answer).agent == "virtual"


# --- A new address -------------------------------------------------------------------------------------


def test_an_unproved_address_gets_three_times_what_came_from_it():
    check = PathCheck(STRANGER, nonce=1)
    assert not check.challenge_due(size=40, now_ns=0)
    check.on_received(13)
    assert not check.challenge_due(size=40, now_ns=0)
    check.on_received(1)
    assert check.budget_bytes == 14 * AMPLIFICATION_FACTOR
    assert check.challenge_due(size=40, now_ns=0)


def test_challenges_are_repeated_a_few_times():
    check = PathCheck(STRANGER, nonce=1)
    check.on_received(10_000)
    for count in range(CHALLENGES_MAX):
        assert not check.has_failed
        assert check.challenge_due(size=40, now_ns=count)
        check.on_challenge(size=40, again_ns=count + 1)
        assert not check.challenge_due(size=40, now_ns=count)
    assert check.has_failed
    assert not check.challenge_due(size=40, now_ns=1 << 60)


@pytest.fixture
def server():
    """A server's engine whose client has been heard at its address."""
    end = ByHand(Side.SERVER)
    end.acknowledge((end.first, end.first + 1))
    end.listen()
    return end


def challenges(said):
    return [
        (each.address, frame.nonce)
        for each in said
        for frame in each.frames
        if isinstance(frame, PathChallenge)
    ]


def test_a_client_that_moved_is_challenged_there_and_followed_when_it_answers(server):
    server.say(Ping(), address=STRANGER)
    heard = server.listen()
    ((address, nonce),) = challenges(heard)
    assert address == STRANGER
    assert {each.address for each in heard if not challenges([each])} <= {PEER}, "nothing else goes there yet"
    server.say(PathResponse(nonce), address=STRANGER)
    assert server.engine.path.address == STRANGER
    assert server.events[-1] == PathChanged(STRANGER)
    server.engine.ping()
    assert {each.address for each in server.listen()} == {STRANGER}


@pytest.mark.parametrize("wrong", ["nonce", "address"])
def test_another_answer_moves_nothing(server, wrong):
    server.say(Ping(), address=STRANGER)
    ((_, nonce),) = challenges(server.listen())
    server.say(PathResponse(nonce ^ (wrong == "nonce")), address=PEER if wrong == "address" else STRANGER)
    assert server.engine.path.address == PEER


def test_an_address_that_never_answers_costs_three_times_what_it_sent_at_most(server):
    received = 0
    for _ in range(5):
        datagram = server.datagram(4, encode_frame(Ping()))
        server.give(datagram, address=STRANGER)
        received += len(datagram)
        server.pass_time(200 * MS)
        server.listen()
    sent = sum(each.bytes for each in server.said if each.address == STRANGER)
    assert 0 < sent <= AMPLIFICATION_FACTOR * received
    assert server.engine.path.address == PEER


def test_a_client_does_not_follow_its_server_about():
    client = ByHand(Side.CLIENT)
    client.say(Ping(), address=STRANGER)
    assert challenges(client.listen()) == []
    assert client.engine.path.address == PEER


def test_a_challenge_is_answered_with_its_nonce():
    client = ByHand(Side.CLIENT)
    client.say(PathChallenge(4711))
    assert frames_of(client.listen(), PathResponse) == [PathResponse(4711)]


# --- The rhythm of ACKs ----------------------------------------------------------------------------------


def measured(rtt_ms):
    rtt = RoundTrip()
    rtt.on_sample(rtt_ns=rtt_ms * MS, ack_delay_ns=0, now_ns=0)
    return rtt


def asked(rhythm, *, window=1_000_000, quantum=2_000, rtt_ms=80, now_ns=0):
    return rhythm.frame(
        measured(rtt_ms),
        window_bytes=window,
        quantum_bytes=quantum,
        datagram_bytes=1_000,
        delay_max_ns=25 * MS,
        now_ns=now_ns,
    )


def test_eight_acks_in_a_round_trip_are_asked_for():
    assert asked(AckRhythm()) == AckFrequency(1, 125, 10_000)


def test_where_the_window_holds_few_datagrams_four_are_enough():
    assert asked(AckRhythm(), window=64_000).delay_us == 10_000
    assert asked(AckRhythm(), window=63_999).delay_us == 20_000


def test_nothing_is_asked_for_before_there_is_a_round_trip():
    frame = AckRhythm().frame(
        RoundTrip(),
        window_bytes=10**6,
        quantum_bytes=2_000,
        datagram_bytes=1_000,
        delay_max_ns=25 * MS,
        now_ns=0,
    )
    assert frame is None


def test_where_only_a_few_bursts_fit_every_other_one_is_answered_but_four_times_a_window():
    assert asked(AckRhythm(), window=2_000_000, quantum=256_000).every == 500
    assert asked(AckRhythm(), window=2_000_000, quantum=200_000).every == 400


def test_a_new_rhythm_is_asked_for_once_a_round_trip_and_only_when_it_differs():
    rhythm = AckRhythm()
    asked(rhythm)
    assert asked(rhythm, window=4_000_000, now_ns=79 * MS) is None
    assert asked(rhythm, window=1_100_000, now_ns=200 * MS) is None
    assert asked(rhythm, window=4_000_000, now_ns=400 * MS) == AckFrequency(2, 500, 10_000)


@given(st.integers(0, 1 << 40), st.integers(1, 60_000))
def test_a_rhythm_is_within_its_bounds(window, rtt_ms):
    frame = asked(AckRhythm(), window=window, rtt_ms=rtt_ms)
    assert EVERY_MIN <= frame.every <= EVERY_MAX
    assert 1_000 <= frame.delay_us <= 25_000


# --- Framing ---------------------------------------------------------------------------------------------


def test_a_load_knows_what_wants_an_answer_and_what_is_repeated():
    load = FrameLoad(1_000)
    for frame in (Ack(8, 0, 0, (0, 9)), Close(0, b""), PathResponse(1)):
        load.add(frame)
    assert not load.wants_answer
    assert load.told_largest == 8
    load.add(Ping())
    assert load.wants_answer
    assert load.repeat == []
    load.add(MaxStream(2, 3))
    assert load.repeat == [MaxStream(2, 3)]
    assert load.room_bytes == 1_000 - len(load.body())
    assert len(decode_frames(load.body(pad_to_bytes=200))) == 5


def test_a_copy_of_a_control_frame_belongs_to_its_original():
    load = FrameLoad(1_000)
    load.add_copy(MaxStream(2, 3))
    load.add_copy(Stream(0, 0, b"a message"))
    assert load.wants_answer
    assert load.repeat == [Stream(0, 0, b"a message")]
    assert decode_frames(load.body()) == [MaxStream(2, 3), Stream(0, 0, b"a message")]


def test_probes_in_vain_repeat_a_control_frame_without_making_more_of_it():
    """Only now and then is something acknowledged, so that all before it counts as lost."""
    server = ByHand(Side.SERVER, idle_timeout_ns=1_000 * SECOND)
    for _ in range(100):
        server.pass_time(3 * SECOND)
        heard = server.listen() or server.said
        server.acknowledge((heard[-1].header.sequence, heard[-1].header.sequence + 1))
    assert max(len(each.frames) for each in server.said) < 10
    assert len(server.engine._core.control) <= 1


def test_an_ack_of_what_another_process_has_said_under_the_same_id_ends_the_connection():
    """A server that was restarted took a late HELLO for that of a new connection."""
    end = ByHand(Side.SERVER)
    assert end.first > 0, "drawn at random"
    end.acknowledge((end.first, end.first + 1), (end.first - 2, end.first - 1))
    assert end.closed.code == Code.BAD_ACK


def test_an_ack_that_was_due_is_not_waited_for_after_the_end():
    """A deadline in the past that nothing takes away would keep the loop awake for ever."""
    server = ByHand(Side.SERVER)
    server.say(Ping())
    assert server.engine._core.acks.is_waiting
    server.engine.close(Code.SHUTTING_DOWN, "enough", now_ns=server.now_ns)
    server.listen()
    server.pass_time(3 * SECOND)
    assert server.engine.state is State.CLOSED
    assert server.engine.next_deadline_ns() is None
