"""Versions that are not ours: a server names those that it speaks, a client believes what can be true."""

import pytest
from virtual_pair import CLIENT, SERVER

from mayhem_udp.errors import Code
from mayhem_udp.limits import HELLO_MIN_BYTES
from mayhem_udp.transport.datagrams import ReceivedBatch
from mayhem_udp.transport.state import State
from mayhem_udp.wire.codec import (
    decode_header,
    encode_datagram,
    encode_frame,
    join_hello,
    join_versions,
    split_versions,
)
from mayhem_udp.wire.declarations import VERSION, VERSIONS_SPOKEN, DatagramType
from mayhem_udp.wire.frames import Close
from mayhem_udp.wire.layout import FRAMES_OVERHEAD_BYTES, HEADER_BYTES, SEAL_BYTES

OTHER = VERSION + 1


def to_client(pair, kind, body, *, version, address=SERVER):
    number = pair.connection.connection_id
    data = encode_datagram(kind, body, connection_id=number, sequence=0, version=version)
    pair.client.handle_batch(ReceivedBatch(data, len(data), len(data), address), now_ns=pair.now_ns)


def hello(size, *, version=OTHER):
    body = join_hello(b"", b"").ljust(size - FRAMES_OVERHEAD_BYTES, b"\7")
    return encode_datagram(DatagramType.HELLO, body, connection_id=7, sequence=3, version=version)


def answers_to(pair, data):
    batch = ReceivedBatch(data, len(data), len(data), CLIENT)
    pair.server.listener.handle_batch(batch, now_ns=pair.now_ns, unix_s=0)
    return pair.server.listener.poll_transmit()


def test_a_hello_of_another_version_is_answered_with_ours(pair):
    answer = answers_to(pair, hello(HELLO_MIN_BYTES))
    header = decode_header(answer.buffer)
    assert (header.type, header.connection_id, header.sequence) == (DatagramType.VERSIONS, 7, 3)
    assert split_versions(answer.buffer[HEADER_BYTES:-SEAL_BYTES]) == VERSIONS_SPOKEN
    assert not pair.server.listener.connections


def test_a_hello_of_another_version_that_is_too_short_gets_no_answer(pair):
    assert answers_to(pair, hello(HELLO_MIN_BYTES - 1)) is None


def test_a_client_whose_version_is_not_spoken_ends_and_says_which_are(pair):
    to_client(pair, DatagramType.VERSIONS, join_versions((OTHER, 9)), version=OTHER)
    closed = pair.client.closed
    assert closed.code is Code.VERSION_UNKNOWN
    assert (
        closed.reason == f"the server speaks version {OTHER}, 9 of the protocol, this side speaks {VERSION}"
    )
    assert pair.connection.state is State.CLOSED


@pytest.mark.parametrize("body", [join_versions((OTHER, VERSION)), b"", b"\0", b"\3\2", b"\1\2\2"])
def test_an_answer_that_names_our_own_version_or_makes_no_sense_is_ignored(pair, body):
    to_client(pair, DatagramType.VERSIONS, body, version=OTHER)
    assert pair.client.closed is None
    pair.open()


def test_an_answer_from_elsewhere_is_ignored(pair):
    to_client(pair, DatagramType.VERSIONS, join_versions((OTHER,)), version=OTHER, address=CLIENT)
    assert pair.client.closed is None


def test_an_answer_after_the_handshake_is_ignored(pair):
    pair.open()
    to_client(pair, DatagramType.VERSIONS, join_versions((OTHER,)), version=OTHER)
    assert pair.client.closed is None


def test_what_comes_in_another_version_is_ignored(pair):
    goodbye = encode_frame(Close(Code.INTERNAL, b"not for you"))
    to_client(pair, DatagramType.FRAMES, goodbye, version=OTHER)
    assert pair.client.closed is None
    to_client(pair, DatagramType.FRAMES, goodbye, version=VERSION)
    assert pair.client.closed.code == Code.INTERNAL
