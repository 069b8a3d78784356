r"""Bytes from hexadecimal text as people paste it: plain, `xxd`, `hexdump -C`, `tcpdump -x`, `\x4d\x59`.

Owns what may stand around the digits. An empty line, or an offset that goes back, begins a new stretch.
Never knows what the bytes mean.
"""

import re
from collections.abc import Iterator
from typing import Final

from mayhem_udp.errors import UsageError

_OFFSET: Final = re.compile(r"\s*(?:0x)?([0-9a-fA-F]{4,16})(:\s*|\s{2,})(?=\S)")
_AFTER_COLON: Final = re.compile(r"[0-9a-fA-F]+(?: [0-9a-fA-F]+)*")
"""Words with one space between them; the characters that a dump repeats stand after two."""
_AFTER_SPACES: Final = re.compile(r"[0-9a-fA-F]{2}(?: {1,2}[0-9a-fA-F]{2}(?![0-9A-Za-z]))*")
"""Pairs with one space between them, or two in the middle; the characters stand after three, or a bar."""
_OFFSET_AT_END: Final = re.compile(r"\s*([0-9a-fA-F]{7,16})\s*")
_HEADLINE: Final = re.compile(r"\s*(?:\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d\.\d+ ")
"""What tcpdump writes above each packet."""
_FILLER: Final = re.compile(r"0x|\\x|[\s:,]")
_PAIRS: Final = re.compile(r"(?:[0-9a-fA-F]{2})*")


def stretches(text: str) -> Iterator[bytes]:
    """Each stretch of bytes. Raises `UsageError` with the line that is not hexadecimal."""
    gathered = bytearray()
    last_offset = -1
    for number, line in enumerate(text.splitlines(), start=1):
        is_headline = _HEADLINE.match(line) is not None
        dumped = None if is_headline else _OFFSET.match(line)
        goes_back = dumped is not None and int(dumped[1], 16) <= last_offset
        if is_headline or goes_back or not line.strip():
            if gathered:
                yield bytes(gathered)
            gathered.clear()
            last_offset = -1
        if dumped is not None:
            last_offset = int(dumped[1], 16)
        if not is_headline and not _is_end(line, len(gathered)):
            gathered += _bytes_of(line, dumped, number=number)
    if gathered:
        yield bytes(gathered)


def _is_end(line: str, gathered_bytes: int) -> bool:
    """Whether this is the last line of a `hexdump`: the length alone."""
    match = _OFFSET_AT_END.fullmatch(line)
    return match is not None and gathered_bytes > 0 and int(match[1], 16) == gathered_bytes


def _bytes_of(line: str, dumped: re.Match[str] | None, *, number: int) -> bytes:
    if dumped is not None:
        words = (_AFTER_COLON if ":" in dumped[2] else _AFTER_SPACES).match(line, dumped.end())
        digits = words[0].replace(" ", "") if words else "?"
    else:
        digits = _FILLER.sub("", line)
    if not _PAIRS.fullmatch(digits):
        remedy = "give pairs of digits, such as 4d59 or 4d 59, or a pcap file"
        raise UsageError(f"line {number} is not hexadecimal", remedy=remedy)
    return bytes.fromhex(digits)
