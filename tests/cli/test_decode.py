"""`mayhem decode`: from hexadecimal text or a capture to an explanation."""

import json
import struct
from pathlib import Path

import pytest
from shell_in_memory import Shell, byte_stream

from mayhem_udp.wire.codec import encode_datagram
from mayhem_udp.wire.declarations import DatagramType

ONE, TWO = (
    encode_datagram(DatagramType.FRAMES, body, connection_id=7, sequence=number)
    for number, body in enumerate([b"\x1b[2J", b"second body"])
)


def ip_packet(*datagrams: bytes, port: int = 5000) -> bytes:
    payload = b"".join(datagrams)
    udp = struct.pack(">HHHH", port, 41234, 8 + len(payload), 0) + payload
    return struct.pack(">BBHIBBH8s", 0x45, 0, 20 + len(udp), 0, 64, 17, 0, b"\x0a\0\0\1\x0a\0\0\2") + udp


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A capture with a batch of two, something foreign, and one on another port."""
    packets = ip_packet(ONE, TWO), ip_packet(b"foreign"), ip_packet(TWO, port=6000), b"\x45 broken"
    content = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    for packet in packets:
        content += struct.pack("<IIII", 1_700_000_000, 123_456, len(packet), len(packet)) + packet
    path = tmp_path / "trace.pcap"
    path.write_bytes(content)
    return path


def test_hexadecimal_on_standard_input_is_explained(shell: Shell):
    shell.stdin = byte_stream(ONE.hex().encode())
    assert shell("decode") == 0
    heading, magic, rest, _ = shell.out.split("\n", 3)
    assert heading == f"datagram 1, {len(ONE)} bytes"
    assert magic == "     0  4d 59                        magic  4d59  (begins every datagram)"
    assert rest.startswith("     2  01 04 00 00 00 04 00 00 …    rest")
    assert "\\x1b[2J" in rest
    assert "\x1b" not in shell.out


def test_datagrams_one_after_the_other_are_told_apart(shell: Shell):
    shell.stdin = byte_stream((ONE + TWO).hex().encode())
    assert shell("decode", "-") == 0
    assert shell.out.count("datagram ") == 2


def test_an_ip_packet_as_tcpdump_prints_it_is_explained(shell: Shell):
    shell.stdin = byte_stream(ip_packet(ONE).hex(" ", 2).encode())
    assert shell("decode") == 0
    assert shell.out.startswith(f"datagram 1, {len(ONE)} bytes, 10.0.0.1:5000 -> 10.0.0.2:41234\n")


def test_a_capture_is_explained_and_what_is_foreign_is_counted(shell: Shell, capture: Path):
    assert shell("decode", str(capture)) == 0
    when = "2023-11-14 22:13:20.123456 UTC"
    headings = [line for line in shell.out.splitlines() if line.startswith("datagram ")]
    assert headings == [
        f"datagram 1, {len(ONE)} bytes, 10.0.0.1:5000 -> 10.0.0.2:41234, packet 1, {when}",
        f"datagram 2, {len(TWO)} bytes, 10.0.0.1:5000 -> 10.0.0.2:41234, packet 1, {when}",
        f"datagram 3, {len(TWO)} bytes, 10.0.0.1:6000 -> 10.0.0.2:41234, packet 3, {when}",
    ]
    assert shell.err == "mayhem: 3 datagrams of mayhem, 1 others were passed over\n"


def test_a_capture_may_come_through_a_pipe_and_be_cut_to_one_port(shell: Shell, capture: Path):
    shell.stdin = byte_stream(capture.read_bytes())
    assert shell("decode", "--port", "6000") == 0
    assert shell.out.count("datagram ") == 1


def test_an_explanation_as_json_is_one_object_a_datagram(shell: Shell, capture: Path):
    assert shell("decode", "--json", str(capture)) == 0
    values = [json.loads(line) for line in shell.out.splitlines()]
    assert [value["packet"] for value in values] == [1, 1, 3]
    assert values[0]["fields"][0] == {
        "offset": 0,
        "length": 2,
        "field": "magic",
        "value": "4d59",
        "meaning": "begins every datagram",
    }
    assert shell.err == ""


@pytest.mark.parametrize(
    ("content", "message", "code"),
    [
        (b"\xff\xfe\x00", "this is neither a capture nor hexadecimal text; next: give a pcap", 2),
        (b"4d59\nhello", "line 2 is not hexadecimal; next: give pairs of digits", 2),
        (b"\xd4\xc3\xb2\xa1", "the capture ends in the midst of its head; next: is the file whole?", 1),
    ],
)
def test_what_cannot_be_read_is_an_error_that_says_so(shell: Shell, content: bytes, message: str, code: int):
    shell.stdin = byte_stream(content)
    assert shell("decode") == code
    assert message in shell.err


def test_a_missing_file_is_a_clear_error(shell: Shell):
    assert shell("decode", "none.pcap") == 1
    assert shell.err == "mayhem: none.pcap: no such file or folder; next: check the spelling\n"
