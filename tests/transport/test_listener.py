"""The front door: strangers get little and leave nothing; who has proved an address gets in, up to the limits."""

import tracemalloc
from itertools import count
from random import Random

import pytest
from by_hand import PARAMETERS
from hypothesis import given
from hypothesis import strategies as st
from virtual_pair import ADMIT_ALL, Pair, transport_settings

from mayhem_udp.errors import Code
from mayhem_udp.limits import AMPLIFICATION_FACTOR, HELLO_MIN_BYTES, TOKEN_MAX_BYTES
from mayhem_udp.transport.datagrams import Address, ReceivedBatch
from mayhem_udp.transport.listener import (
    ANSWERS_QUEUED_MAX,
    RESETS_PER_SECOND_MAX,
    AdmissionLimits,
    Listener,
    RateGate,
)
from mayhem_udp.transport.tokens import TokenKind, TokenMint
from mayhem_udp.units import HOUR, KIB, MIB, MS, SECOND
from mayhem_udp.wire.codec import (
    decode_frames,
    decode_header,
    encode_datagram,
    encode_frame,
    encode_handshake,
    join_hello,
    retry_token,
)
from mayhem_udp.wire.declarations import VERSION, DatagramFlag, DatagramType
from mayhem_udp.wire.frames import Close, Handshake
from mayhem_udp.wire.layout import FRAMES_OVERHEAD_BYTES, HEADER_BYTES, SEAL_BYTES

HOME = Address("192.0.2.10", 4_567)
NOW_S = 1_750_000_000
MARKS = count()


def mint():
    return TokenMint(b"a secret of 32 bytes for testing", boot=b"", visit_lifetime_ns=24 * HOUR)


def listening(limits=ADMIT_ALL):
    return Listener(settings=transport_settings(), limits=limits, mint=mint(), entropy=Random(3).randbytes)


def hello(number=1, *, token=b"", size=HELLO_MIN_BYTES, version=VERSION):
    frames = encode_frame(Handshake(0, encode_handshake(PARAMETERS)))
    body = join_hello(token, frames.ljust(size - FRAMES_OVERHEAD_BYTES - 2 - len(token), b"\0"))
    return encode_datagram(
        DatagramType.HELLO, body, connection_id=number, sequence=0, flags=DatagramFlag.EARLY, version=version
    )


def give(listener, datagram, *, address=HOME, now_ns=0, unix_s=NOW_S):
    batch = ReceivedBatch(datagram, len(datagram), len(datagram), address)
    touched = listener.handle_batch(batch, now_ns=now_ns, unix_s=unix_s)
    return touched, answers_of(listener)


def answers_of(listener):
    answers = []
    while (answer := listener.poll_transmit()) is not None:
        answers.append(answer)
    return answers


def body_of(answer):
    return bytes(answer.buffer)[HEADER_BYTES:-SEAL_BYTES]


def proof(address=HOME):
    """A token that nobody has used."""
    return mint().make(TokenKind.VISIT, address, connection_id=next(MARKS), unix_s=NOW_S)


# --- Strangers -----------------------------------------------------------------------------------------


def test_a_stranger_is_asked_to_prove_its_address_and_leaves_nothing():
    listener = listening()
    touched, (answer,) = give(listener, hello())
    assert touched == []
    assert listener.connections == {}
    assert decode_header(bytes(answer.buffer)).type == DatagramType.RETRY
    assert mint().is_valid(retry_token(body_of(answer)), HOME, connection_id=1, unix_s=NOW_S)
    assert answer.address == HOME


@pytest.mark.parametrize("wait_ns", [0, 20 * SECOND])
def test_a_greeting_that_comes_again_after_its_connection_is_carried_out_once(wait_ns):
    """The network doubled it, or somebody plays it again: what it asked for must not happen twice."""
    listener = listening()
    greeting = hello(7, token=proof())
    (connection,), _ = give(listener, greeting)
    listener.remove(connection)
    touched, (answer,) = give(listener, greeting, now_ns=wait_ns, unix_s=NOW_S + wait_ns // SECOND)
    assert touched == []
    assert decode_header(bytes(answer.buffer)).type == DatagramType.RETRY


def test_a_token_of_a_client_that_was_refused_is_still_good():
    listener = listening()
    listener.is_closing = True
    greeting = hello(7, token=proof())
    give(listener, greeting)
    listener.is_closing = False
    assert len(give(listener, greeting)[0]) == 1


def test_a_stranger_that_proved_its_address_gets_in():
    listener = listening()
    (connection,), answers = give(listener, hello(7, token=proof()))
    assert listener.connections == {7: connection}
    assert answers == []
    assert connection.path.address == HOME


def test_a_token_of_another_address_proves_nothing():
    listener = listening()
    touched, (answer,) = give(listener, hello(token=proof()), address=Address("192.0.2.11", 4_567))
    assert touched == []
    assert decode_header(bytes(answer.buffer)).type == DatagramType.RETRY


def test_forged_hellos_leave_no_memory():
    """100,000 of them, each from an address of its own, some with tokens that are not ours."""
    listener = listening()
    random = Random(1)
    forged = [hello(number, token=random.randbytes(25) if number % 2 else b"") for number in range(100)]

    def flood(first, count):
        for number in range(first, first + count):
            host = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
            batch = ReceivedBatch(forged[number % 100], HELLO_MIN_BYTES, HELLO_MIN_BYTES, Address(host, 9))
            assert listener.handle_batch(batch, now_ns=number, unix_s=NOW_S) == []
            listener.poll_transmit()

    flood(0, 1_000)
    tracemalloc.start()
    flood(1_000, 3_000)
    before, _ = tracemalloc.get_traced_memory()
    flood(4_000, 3_000)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    flood(7_000, 93_000)
    assert listener.stats.retries == 100_000
    assert after - before < 16 * KIB
    assert (listener.connections, len(listener._per_host), len(listener._hosts)) == ({}, 0, 0)
    assert len(listener._answers) == 0


def test_answers_that_nobody_takes_do_not_pile_up():
    listener = listening()
    for number in range(2 * ANSWERS_QUEUED_MAX):
        batch = ReceivedBatch(hello(number), HELLO_MIN_BYTES, HELLO_MIN_BYTES, HOME)
        listener.handle_batch(batch, now_ns=0, unix_s=NOW_S)
    assert len(answers_of(listener)) == ANSWERS_QUEUED_MAX


@given(
    kind=st.sampled_from([*range(8), 200]),
    body=st.binary(max_size=900),
    flags=st.integers(0, 3),
    version=st.sampled_from([VERSION, 0, 2, 255]),
    token_bytes=st.integers(0, TOKEN_MAX_BYTES),
)
def test_no_stranger_gets_more_than_three_times_what_it_sent(kind, body, flags, version, token_bytes):
    if kind == DatagramType.HELLO:
        body = join_hello(b"t" * token_bytes, body)
    datagram = encode_datagram(kind, body, connection_id=5, sequence=1 << 40, flags=flags, version=version)
    listener = listening()
    touched, answers = give(listener, datagram)
    assert touched == []
    assert sum(each.total_bytes for each in answers) <= AMPLIFICATION_FACTOR * len(datagram)
    assert len(answers) <= 1
    assert listener.connections == {}


def test_a_small_hello_gets_no_answer():
    listener = listening()
    assert give(listener, hello(size=HELLO_MIN_BYTES - 1)) == ([], [])
    assert listener.stats.ignored == 1


@pytest.mark.parametrize("kind", [DatagramType.RETRY, DatagramType.RESET, DatagramType.VERSIONS])
def test_an_answer_is_never_answered(kind):
    """Two servers that were made to talk to each other fall silent at once."""
    listener = listening()
    datagram = encode_datagram(kind, bytes(300), connection_id=5, sequence=0)
    assert give(listener, datagram) == ([], [])


def test_a_version_that_is_not_spoken_is_told_which_are():
    listener = listening()
    _, (answer,) = give(listener, hello(version=99))
    assert decode_header(bytes(answer.buffer)).type == DatagramType.VERSIONS
    assert body_of(answer) == bytes([1, VERSION])


def test_a_datagram_of_a_connection_that_is_gone_is_answered_by_a_reset_that_only_this_server_can_make():
    datagram = encode_datagram(DatagramType.FRAMES, bytes(60), connection_id=77, sequence=9)
    (_, (ours,)), (_, (again,)) = give(listening(), datagram), give(listening(), datagram)
    stranger = TokenMint(b"another secret of 32 bytes, also", boot=b"", visit_lifetime_ns=24 * HOUR)
    assert body_of(ours) == body_of(again) == mint().reset_token(77), "also after a restart"
    assert body_of(ours) != stranger.reset_token(77)
    assert body_of(ours) != mint().reset_token(78)


def test_early_datagrams_get_no_reset():
    """They may have overtaken the greeting."""
    datagram = encode_datagram(
        DatagramType.DATA, bytes(60), connection_id=7, sequence=9, flags=DatagramFlag.EARLY
    )
    assert give(listening(), datagram) == ([], [])


def test_resets_are_bounded_in_a_second():
    listener = listening()
    datagram = encode_datagram(DatagramType.FRAMES, bytes(60), connection_id=77, sequence=9)
    count = sum(len(give(listener, datagram, now_ns=SECOND)[1]) for _ in range(3 * RESETS_PER_SECOND_MAX))
    assert count == RESETS_PER_SECOND_MAX
    assert len(give(listener, datagram, now_ns=2 * SECOND)[1]) == 1


def test_damaged_datagrams_of_nobody_are_counted():
    listener = listening()
    broken = bytearray(hello())
    broken[50] ^= 1
    assert give(listener, bytes(broken)) == ([], [])
    assert listener.stats.corrupt_dropped == 1


# --- Limits --------------------------------------------------------------------------------------------


def refused(answers):
    (close,) = [frame for answer in answers for frame in decode_frames(body_of(answer))]
    assert isinstance(close, Close)
    return close.code


def test_no_more_come_in_than_allowed_in_all():
    listener = listening(AdmissionLimits(2, 10, 100, MIB))
    for number in (1, 2):
        assert len(give(listener, hello(number, token=proof()))[0]) == 1
    assert refused(give(listener, hello(3, token=proof()))[1]) == Code.TOO_MANY_CONNECTIONS
    listener.remove(listener.connections[1])
    assert len(give(listener, hello(3, token=proof()))[0]) == 1


def test_no_more_come_in_from_one_address_than_allowed():
    listener = listening(AdmissionLimits(10, 1, 100, MIB))
    give(listener, hello(1, token=proof()))
    assert refused(give(listener, hello(2, token=proof()))[1]) == Code.TOO_MANY_CONNECTIONS
    other = Address("192.0.2.99", 1)
    assert len(give(listener, hello(3, token=proof(other)), address=other)[0]) == 1


def test_no_more_come_in_at_once_than_allowed():
    listener = listening(AdmissionLimits(10, 10, 1, MIB))
    give(listener, hello(1, token=proof()), now_ns=SECOND)
    late = hello(2, token=proof())
    assert refused(give(listener, late, now_ns=SECOND + 500 * MS)[1]) == Code.RATE_LIMITED
    assert len(give(listener, late, now_ns=2 * SECOND)[0]) == 1


def test_a_server_that_closes_refuses_everybody_new():
    listener = listening()
    listener.is_closing = True
    assert refused(give(listener, hello(token=proof()))[1]) == Code.SHUTTING_DOWN


def test_a_refused_client_hears_why():
    pair = Pair(admission=AdmissionLimits(1, 1, 100, MIB))
    pair.server.listener.is_closing = True
    pair.run(seconds=1)
    assert pair.client.closed.code == Code.SHUTTING_DOWN
    assert pair.server.listener.connections == {}


def test_the_same_greeting_again_opens_nothing_again():
    listener = listening()
    for _ in range(5):
        (connection,), _ = give(listener, hello(7, token=proof()))
    assert list(listener.connections) == [7]
    assert connection.stats.duplicate_dropped == 4


@given(st.integers(1, 50), st.lists(st.integers(0, SECOND), max_size=200))
def test_a_rate_gate_lets_no_more_through_than_a_burst_and_the_rate(per_second, gaps):
    gate, now_ns, passed = RateGate(per_second=per_second), 0, 0
    for gap in gaps:
        now_ns += gap
        passed += gate.passes(now_ns=now_ns)
    assert passed <= per_second + now_ns * (per_second + 1) // SECOND + 1
