"""Hexadecimal text, as people paste it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.cli.capture.hexadecimal import stretches
from mayhem_udp.errors import UsageError

BYTES = bytes(range(0x41, 0x41 + 40))
XXD = """00000000: 4142 4344 4546 4748 494a 4b4c 4d4e 4f50  ABCDEFGHIJKLMNOP
00000010: 5152 5354 5556 5758 595a 5b5c 5d5e 5f60  QRSTUVWXYZ[\\]^_`
00000020: 6162 6364 6566 6768                      abcdefgh
"""
HEXDUMP = """00000000  41 42 43 44 45 46 47 48  49 4a 4b 4c 4d 4e 4f 50  |ABCDEFGHIJKLMNOP|
00000010  51 52 53 54 55 56 57 58  59 5a 5b 5c 5d 5e 5f 60  |QRSTUVWXYZ[\\]^_`|
00000020  61 62 63 64 65 66 67 68                           |abcdefgh|
00000028
"""
TCPDUMP = """12:01:02.000003 IP 10.0.0.1.5000 > 10.0.0.2.41234: UDP, length 12
\t0x0000:  4142 4344 4546 4748 494a 4b4c 4d4e 4f50  ABCDEFGHIJKLMNOP
\t0x0010:  5152 5354 5556 5758 595a 5b5c 5d5e 5f60
\t0x0020:  6162 6364 6566 6768
"""
WIRESHARK = """0000   41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f 50   ABCDEFGHIJKLMNOP
0010   51 52 53 54 55 56 57 58 59 5a 5b 5c 5d 5e 5f 60   QRSTUVWXYZ[\\]^_`
0020   61 62 63 64 65 66 67 68                           ab cd ef
"""
PLAIN = BYTES.hex()


@pytest.mark.parametrize(
    "text",
    [
        XXD,
        HEXDUMP,
        TCPDUMP,
        WIRESHARK,
        PLAIN,
        PLAIN.upper(),
        BYTES.hex(" "),
        BYTES.hex(":"),
        f"{PLAIN[:60]}\n{PLAIN[60:]}\n",
        "0x" + PLAIN,
        "".join(f"\\x{byte:02x}" for byte in BYTES),
        ", ".join(f"0x{byte:02x}" for byte in BYTES),
    ],
)
def test_hexadecimal_is_read_as_people_paste_it(text: str):
    assert list(stretches(text)) == [BYTES]


@pytest.mark.parametrize(
    "text", [f"{PLAIN}\n\n\n{PLAIN}\n", XXD + XXD, HEXDUMP + "\n" + HEXDUMP, TCPDUMP + TCPDUMP]
)
def test_stretches_are_told_apart(text: str):
    assert list(stretches(text)) == [BYTES, BYTES]


def test_stretches_may_begin_at_any_offset():
    line = "00000010: 4142"
    assert list(stretches(f"{line}\n{line}")) == [b"AB", b"AB"]
    assert list(stretches("00000000: 4142\n4d59\n00000000: 4344")) == [b"ABMY", b"CD"]
    assert list(stretches("00000000")) == [bytes(4)]


@pytest.mark.parametrize("text", ["4", "4g", "4d59 0", "hello", "00000000: zz", "٣٣"])
def test_what_is_not_hexadecimal_is_an_error_with_its_line(text: str):
    with pytest.raises(UsageError, match="line 2 is not hexadecimal"):
        list(stretches("4d59\n" + text))


@given(st.text(alphabet="0123456789abcdefx: |\n\\Zg", max_size=120))
def test_no_text_whatever_breaks_the_reader_of_hexadecimal(text: str):
    try:
        list(stretches(text))
    except UsageError as error:
        assert error.exit_code == 2  # noqa: PT017  # the reason is what the user sees
