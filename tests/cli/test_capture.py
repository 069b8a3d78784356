"""Captures and hexadecimal text: what is read, and that nothing in them does harm."""

import io
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mayhem_udp.cli.capture.files import (
    PCAP_MAGICS,
    PCAPNG_MAGIC,
    Packet,
    is_capture,
    read_packets,
)
from mayhem_udp.cli.capture.packets import NoUdp, udp_of
from mayhem_udp.cli.capture.trains import is_ours, split_train
from mayhem_udp.errors import LocalFileError
from mayhem_udp.wire.codec import encode_datagram
from mayhem_udp.wire.declarations import DatagramType

ETHERNET, RAW_IP, LINUX_ANY, LINUX_ANY_2, LOOPBACK_NULL, LOOPBACK_LOOP = 1, 101, 113, 276, 0, 108
PAYLOAD = b"MY payload"


def udp(payload: bytes = PAYLOAD, *, length: int | None = None) -> bytes:
    return struct.pack(">HHHH", 5000, 41234, 8 + len(payload) if length is None else length, 0) + payload


def ipv4(
    body: bytes, *, protocol: int = 17, options: bytes = b"", fragment: int = 0, total: int | None = None
) -> bytes:
    words = 5 + len(options) // 4
    size = words * 4 + len(body) if total is None else total
    head = struct.pack(
        ">BBHHHBBH4s4s", 0x40 | words, 0, size, 1, fragment, 64, protocol, 0, b"\x0a\0\0\1", b"\x0a\0\0\2"
    )
    return head + options + body


def ipv6(body: bytes, *, kind: int = 17, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return struct.pack(">IHBB16s16s", 6 << 28, size, kind, 64, bytes(15) + b"\1", bytes(15) + b"\2") + body


def ethernet(body: bytes, kind: int = 0x0800, tags: bytes = b"") -> bytes:
    return bytes(12) + tags + struct.pack(">H", kind) + body


def packet(link_type: int, data: bytes) -> Packet:
    return Packet(1, 0, link_type, data, 0)


def pcap(
    *frames: bytes, order: str = "<", nanoseconds: bool = False, link_type: int = ETHERNET, cut: int = 0
) -> bytes:
    magic = struct.pack(order + "I", 0xA1B23C4D if nanoseconds else 0xA1B2C3D4)
    head = struct.pack(order + "HHiIII", 2, 4, 0, 0, 65535, link_type)
    records = [
        struct.pack(order + "IIII", 1_700_000_000 + number, 5, len(frame) - cut, len(frame))
        + frame[: len(frame) - cut]
        for number, frame in enumerate(frames)
    ]
    return magic + head + b"".join(records)


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + size + body + size


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order: str, link_type: int = ETHERNET, options: bytes = b"", snap: int = 0) -> bytes:
    return block(order, 1, struct.pack(order + "HHI", link_type, 0, snap) + options)


def enhanced(
    order: str, frame: bytes, *, index: int = 0, ticks: int = 0, captured: int | None = None
) -> bytes:
    size = len(frame) if captured is None else captured
    return block(
        order,
        6,
        struct.pack(order + "IIIII", index, ticks >> 32, ticks & 0xFFFFFFFF, size, len(frame)) + frame,
    )


def read(content: bytes) -> list[Packet]:
    stream = io.BytesIO(content)
    return list(read_packets(stream.read(4), stream))


# --- Files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_a_pcap_of_any_byte_order_and_precision_is_read(order: str, nanoseconds: bool):
    packets = read(pcap(b"one", b"second", order=order, nanoseconds=nanoseconds))
    fraction = 5 if nanoseconds else 5_000
    assert packets == [
        Packet(1, 1_700_000_000 * 10**9 + fraction, ETHERNET, b"one", 0),
        Packet(2, 1_700_000_001 * 10**9 + fraction, ETHERNET, b"second", 0),
    ]


def test_what_was_not_captured_is_counted():
    assert read(pcap(b"0123456789", cut=4))[0] == Packet(1, 1_700_000_000_000_005_000, ETHERNET, b"012345", 4)


@pytest.mark.parametrize("order", "<>")
def test_a_pcapng_is_read_in_both_byte_orders(order: str):
    nanoseconds = struct.pack(order + "HHB3xHHqHH", 9, 1, 9, 14, 8, 100, 0, 0)
    content = (
        section(order)
        + interface(order)
        + interface(order, RAW_IP, nanoseconds)
        + enhanced(order, b"one", ticks=2_000_000)
        + block(order, 0x0BAD, b"unknown")
        + enhanced(order, b"second", index=1, ticks=7)
        + block(order, 3, struct.pack(order + "I", 5) + b"third")
    )
    assert read(content) == [
        Packet(1, 2_000_000_000, ETHERNET, b"one", 0),
        Packet(2, 100_000_000_007, RAW_IP, b"second", 0),
        Packet(3, None, ETHERNET, b"third", 0),
    ]


def test_a_pcapng_may_have_sections_of_different_byte_order():
    parts = [
        section(order) + interface(order, link) + enhanced(order, b"x")
        for order, link in (("<", 1), (">", 0))
    ]
    assert [each.link_type for each in read(b"".join(parts))] == [1, 0]


def test_a_time_is_made_of_both_its_halves():
    (one,) = read(section("<") + interface("<") + enhanced("<", b"four", ticks=1_700_000_000_000_007))
    assert one == Packet(1, 1_700_000_000_000_007_000, ETHERNET, b"four", 0)


def test_an_old_packet_block_is_read():
    head = struct.pack("<HHIIII", 0, 0xFFFF, 0, 3, 4, 9)
    assert read(section("<") + interface("<") + block("<", 2, head + b"four")) == [
        Packet(1, 3_000, ETHERNET, b"four", 5)
    ]


def test_a_simple_packet_is_as_long_as_its_interface_captures():
    content = section("<") + interface("<", snap=6) + block("<", 3, struct.pack("<I", 9) + b"123456")
    assert read(content) == [Packet(1, None, ETHERNET, b"123456", 3)]


def test_options_that_make_no_sense_are_passed_over():
    nonsense = struct.pack("<HHIHH", 14, 4, 100, 9, 200)
    assert (
        read(section("<") + interface("<", options=nonsense) + enhanced("<", b"x", ticks=7))[0].time_ns
        == 7_000
    )


def test_a_capture_may_trickle_through_a_pipe():
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 3))

    content = pcap(b"one", b"second")
    assert list(read_packets(content[:4], Trickle(content[4:]))) == read(content)


def test_a_binary_resolution_is_understood():
    option = struct.pack("<HHB3x", 9, 1, 0x80 | 10)
    assert (
        read(section("<") + interface("<", options=option) + enhanced("<", b"x", ticks=1536))[0].time_ns
        == 1_500_000_000
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG", "this is no capture"),
        (pcap(b"one")[:30], "ends in the midst of packet 1"),
        (pcap(b"one")[:-1], "ends in the midst of packet 1"),
        (pcap()[:20], "ends in the midst of its head"),
        (pcap() + struct.pack("<IIII", 0, 0, 1 << 31, 1 << 31), "claims 2147483648 bytes"),
        (section("<")[:-1], "ends in the midst of a block's end"),
        (section("<") + enhanced("<", b"x"), "from an interface that was not declared"),
        (section("<") + interface("<") + enhanced("<", b"x", captured=99), "is longer than its block"),
        (section("<") + block("<", 1, b""), "too short for what it says"),
        (section("<") + struct.pack("<II", 1, 13), "the impossible length 13"),
        (section("<") + struct.pack("<II", 1, 0), "the impossible length 0"),
        (section("<") + struct.pack("<II", 1, 0xFFFFFFF0), "claims 4294967268 bytes"),
        (section("<")[:-4] + bytes(4), "two different lengths"),
        (PCAPNG_MAGIC + struct.pack("<I", 28) + b"abcd", "unknown byte order"),
        (section("<") + interface("<") * 5000, "too many interfaces"),
    ],
)  # fmt: skip
def test_a_broken_capture_is_an_error_that_says_where(content: bytes, message: str):
    with pytest.raises(LocalFileError) as caught:
        read(content)
    assert message in caught.value.message


whole = [
    pcap(ethernet(ipv4(udp()))),
    pcap(ethernet(ipv4(udp())), order=">", nanoseconds=True),
    section("<") + interface("<") + enhanced("<", ethernet(ipv6(udp()), 0x86DD)),
]


@given(
    st.sampled_from(whole),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
    st.integers(0, 300),
)
def test_no_damage_to_a_capture_does_more_than_end_it(
    content: bytes, changes: list[tuple[int, int]], end: int
):
    damaged = bytearray(content[:end])
    for place, value in changes:
        if place < len(damaged):
            damaged[place] = value
    try:
        for each in read(bytes(damaged)):
            udp_of(each)
    except (LocalFileError, NoUdp) as error:
        assert str(error)  # noqa: PT017  # any file is either read or a clear error


# --- Packets ----------------------------------------------------------------------------------------

VLAN = struct.pack(">HH", 0x8100, 7)


@pytest.mark.parametrize(
    ("link_type", "data"),
    [
        (ETHERNET, ethernet(ipv4(udp()))),
        (ETHERNET, ethernet(ipv4(udp()) + bytes(6))),  # padded to the least frame
        (ETHERNET, ethernet(ipv4(udp()), tags=VLAN)),
        (ETHERNET, ethernet(ipv4(udp()), tags=struct.pack(">HH", 0x88A8, 7) + VLAN)),
        (ETHERNET, ethernet(ipv6(udp()), 0x86DD)),
        (ETHERNET, ethernet(ipv6(b"\x11\x00" + bytes(6) + udp(), kind=0), 0x86DD)),  # hop-by-hop options
        (RAW_IP, ipv6(b"\x11\x01" + bytes(14) + udp(), kind=43)),  # a routing header of 16 bytes
        (RAW_IP, ipv6(b"\x3c\x00" + bytes(6) + b"\x11\x00" + bytes(6) + udp(), kind=0)),  # two headers
        (RAW_IP, ipv6(b"\x11\x01" + bytes(10) + udp(), kind=51)),  # authentication, 12 bytes
        (ETHERNET, ethernet(ipv4(udp(), options=bytes(8)))),
        (ETHERNET, ethernet(ipv4(udp(), total=0))),  # left to the network card
        (RAW_IP, ipv4(udp())),
        (RAW_IP, ipv6(udp())),
        (RAW_IP, ipv6(udp(length=0), length=0)),
        (228, ipv4(udp())),
        (LINUX_ANY, bytes(14) + b"\x08\x00" + ipv4(udp())),
        (LINUX_ANY_2, b"\x08\x00" + bytes(18) + ipv4(udp())),
        (LOOPBACK_NULL, struct.pack("<I", 2) + ipv4(udp())),
        (LOOPBACK_NULL, struct.pack(">I", 30) + ipv6(udp())),
        (LOOPBACK_LOOP, struct.pack(">I", 2) + ipv4(udp())),
    ],
)
def test_udp_is_found_below_every_link_layer(link_type: int, data: bytes):
    found = udp_of(packet(link_type, data))
    assert (found.source.port, found.destination.port, found.payload) == (5000, 41234, PAYLOAD)
    assert found.bytes_missing == 0


def test_addresses_are_those_of_the_packet():
    assert str(udp_of(packet(RAW_IP, ipv4(udp()))).source) == "10.0.0.1:5000"
    assert str(udp_of(packet(RAW_IP, ipv6(udp()))).destination) == "[::2]:41234"


def test_a_payload_that_was_cut_says_how_much_is_missing():
    found = udp_of(packet(RAW_IP, ipv4(udp())[:-4]))
    assert (found.payload, found.bytes_missing) == (PAYLOAD[:-4], 4)


@pytest.mark.parametrize(
    ("link_type", "data", "reason"),
    [
        (ETHERNET, ethernet(bytes(28), 0x0806), "neither IPv4 nor IPv6"),
        (ETHERNET, b"short", "cut short"),
        (ETHERNET, ethernet(ipv4(udp(), protocol=6)), "not UDP"),
        (ETHERNET, ethernet(ipv4(udp(), fragment=0x2000)), "a fragment"),
        (ETHERNET, ethernet(ipv4(udp(), fragment=5)), "a fragment"),
        (ETHERNET, ethernet(ipv4(b"")[:10]), "a broken IPv4 header"),
        (ETHERNET, ethernet(b"\x41" + bytes(40)), "a broken IPv4 header"),
        (ETHERNET, ethernet(ipv4(b"1234567")), "a broken UDP header"),
        (ETHERNET, ethernet(ipv4(udp(length=7))), "a broken UDP header"),
        (RAW_IP, ipv6(bytes(8), kind=44), "a fragment"),
        (RAW_IP, ipv6(b"", kind=0), "cut short"),
        (RAW_IP, ipv6(b"")[:30], "a broken IPv6 header"),
        (147, b"", "link type 147 is not known here"),
    ],
)
def test_what_is_no_udp_has_a_reason(link_type: int, data: bytes, reason: str):
    with pytest.raises(NoUdp, match=reason):
        udp_of(packet(link_type, data))


@given(st.sampled_from([0, 1, 12, 101, 108, 113, 228, 229, 276]), st.binary(max_size=80))
@example(101, ipv6(b"\x00\xff" * 30, kind=0))
def test_no_packet_whatever_breaks_the_reader(link_type: int, data: bytes):
    try:
        udp_of(packet(link_type, data))
    except NoUdp as error:
        assert str(error)  # noqa: PT017  # the reason is what the user sees


# --- Trains -----------------------------------------------------------------------------------------


def datagrams(*bodies: bytes) -> list[bytes]:
    return [
        encode_datagram(DatagramType.FRAMES, body, connection_id=7, sequence=number)
        for number, body in enumerate(bodies)
    ]


def test_a_batch_that_was_captured_as_one_is_taken_apart():
    each = datagrams(b"a" * 100, b"b" * 100, b"c")
    assert split_train(b"".join(each)) == each
    assert split_train(each[0]) == [each[0]]


def test_what_is_not_ours_stays_whole():
    assert not is_ours(b"MY")
    assert split_train(b"something else") == [b"something else"]
    (one,) = datagrams(b"a")
    assert split_train(one + b"tail") == [one + b"tail"]
    assert split_train(b"") == [b""]


# --- Which is which ---------------------------------------------------------------------------------


def test_captures_are_told_from_text():
    assert all(is_capture(magic) for magic in PCAP_MAGICS)
    assert is_capture(PCAPNG_MAGIC)
    assert not is_capture(b"4d59")
    assert not is_capture(b"")
