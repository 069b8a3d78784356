"""docs/protocol.md against the code: every example decodes and encodes again, and nothing is left out."""

import re

import page_blocks
import pytest
from page_blocks import DECLARED, blocks, bytes_of, explained, fields_of, signature

from mayhem_udp import limits
from mayhem_udp.errors import Code
from mayhem_udp.session import get, packs, put, receiving, repairing, session
from mayhem_udp.transport import acks, listener, loss, outbound, path, pmtud, rhythm, rtt, tokens
from mayhem_udp.transport.state import TRANSITIONS, Signal, State
from mayhem_udp.transport.timers import Timer
from mayhem_udp.units import MINUTE, MS, SECOND
from mayhem_udp.wire import codec, messages
from mayhem_udp.wire.declarations import MAGIC, VERSION, DatagramFlag, DatagramType, FrameType
from mayhem_udp.wire.fields import WRONG
from mayhem_udp.wire.layout import HEADER_BYTES, SEAL_BYTES
from mayhem_udp.wire.messages import EntryKind, MessageType
from mayhem_udp.wire.seal import RESIDUE, is_intact

PAGE = page_blocks.PATH.read_text(encoding="utf-8")
EXAMPLES = list(blocks(PAGE, *page_blocks.EXAMPLES))

CONSTANTS = {
    name: getattr(module, name)
    for module, names in {
        acks: ("EVERY_DEFAULT", "NAMED_TIMES", "SAID_AGAIN", "RANGES_FREE"),
        rhythm: ("PER_ROUND_TRIP", "FEW_DATAGRAMS", "PER_ROUND_TRIP_OF_FEW", "DELAY_MIN_NS"),
        outbound: ("SKIP_EVERY", "ELICIT_EVERY"),
        loss: (
            "PACKET_THRESHOLD",
            "PACKET_THRESHOLD_MAX",
            "OPENING_STEPS",
            "OPENING_PROBES",
            "PROBE_STEPS",
            "PATIENT_PROBES",
            "PERSISTENT_PROBES",
        ),
        rtt: ("GRANULARITY_NS",),
        pmtud: (
            "CHEAP_BYTES",
            "DEAR_NS",
            "PROBES_MAX",
            "RAISE_NS",
            "BLACK_HOLE_PROBES",
            "SWALLOWED_MIN",
            "SWALLOWED_TIMEOUTS",
        ),
        path: ("CHALLENGES_MAX",),
        tokens: ("RETRY_LIFETIME_S", "CLOCK_SKEW_S"),
        listener: ("RESETS_PER_SECOND_MAX", "ANSWERS_QUEUED_MAX"),
        session: ("EARLY_BYTES_MAX",),
        put: ("HAVE_RANGES_MAX",),
        receiving: ("DIGESTS_PER_MESSAGE",),
        repairing: ("REPAIR_PIECE_BYTES",),
        packs: ("PACK_FILES_MAX",),
    }.items()
    for name in names
}
"""What this implementation does, beside the limits: by name, from wherever it is kept."""

LIMITS = {
    name: value
    for name, value in vars(limits).items()
    if name.isupper() and isinstance(value, int) and name not in {"KIB", "MIB", "MS", "SECOND"}
}


def shown(name, value):
    """A number as the page writes it: by the unit in its name."""
    if name.endswith("_NS"):
        for unit, word in ((MINUTE, "min"), (SECOND, "s"), (MS, "ms")):
            if value % unit == 0:
                return f"{value // unit} {word}"
    return f"{value:,} s" if name.endswith("_S") else f"{value:,}"


def section(title):
    """The text under a heading, up to the next of its rank or above."""
    found = re.search(rf"^(#+) {re.escape(title)}$", PAGE, re.MULTILINE)
    assert found, f"there is no section {title!r}"
    rest = PAGE[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text):
    """The cells of the tables in a text."""
    return [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in text.splitlines()
        if line[:1] == "|"
    ]


def named(text):
    return {found[1] for found in re.finditer(r"`([A-Z_]+)`", text)}


# --- Examples ------------------------------------------------------------------------------------------


def encoded_again(kind, data):
    """The bytes that come of an example's values."""
    match kind:
        case "frame" | "handshake":
            return b"".join(map(codec.encode_frame, codec.decode_frames(data)))
        case "message":
            return messages.encode(messages.decode(data))
        case "pack":
            import numpy as np

            files = packs.PackReader().put(0, np.frombuffer(data, np.uint8))
            return b"".join(map(packs.encode_file, files))
        case "datagram":
            return datagram_again(data)


def datagram_again(data):
    assert is_intact(data)
    header = codec.decode_header(data)
    body = data[HEADER_BYTES:-SEAL_BYTES]
    match header.type:
        case DatagramType.HELLO:
            token, frames = codec.split_hello(body)
            again = b"".join(map(codec.encode_frame, codec.decode_frames(frames)))
            body = codec.join_hello(token, again.ljust(len(frames), b"\0"))
        case DatagramType.RETRY:
            body = codec.join_retry(codec.retry_token(body))
        case DatagramType.VERSIONS:
            body = codec.join_versions(codec.split_versions(body))
        case DatagramType.FRAMES:
            body = b"".join(map(codec.encode_frame, codec.decode_frames(body)))
    return codec.encode_datagram(
        header.type, body, connection_id=header.connection_id, sequence=header.sequence, flags=header.flags
    )


@pytest.mark.parametrize(("kind", "line", "text"), EXAMPLES, ids=[f"line{each[1]}" for each in EXAMPLES])
def test_an_example_decodes_to_what_stands_beside_it_and_encodes_again(kind, line, text):
    data = bytes_of(text)
    assert data, "an example has bytes"
    assert text == explained(kind, data)
    assert not [field for field in fields_of(kind, data) if field.meaning.startswith(WRONG)]
    assert encoded_again(kind, data) == data


def test_an_example_that_is_wrong_would_be_noticed():
    kind, _, text = next(each for each in EXAMPLES if each[0] == "message")
    data = bytearray(bytes_of(text))
    data[-1] ^= 1
    assert explained(kind, bytes(data)) != text


def of_kind(kind):
    return [bytes_of(text) for each, _, text in EXAMPLES if each == kind]


def test_there_is_an_example_of_every_datagram_frame_and_message():
    datagrams = {codec.decode_header(data).type for data in of_kind("datagram")}
    assert datagrams == set(DatagramType)
    inside = {field.name for data in of_kind("datagram") for field in fields_of("datagram", data)}
    assert "PADDING" in inside
    single = {data[0] for data in of_kind("frame") + of_kind("handshake")}
    assert single == set(FrameType) - {FrameType.PADDING}
    assert {data[0] for data in of_kind("message")} == set(MessageType)
    assert of_kind("pack")


def test_a_handshake_on_the_page_is_whole():
    (example,) = of_kind("handshake")
    (frame,) = codec.decode_frames(example)
    assert codec.encode_handshake(codec.decode_handshake(frame.data)) == frame.data


# --- Declarations, names, numbers ----------------------------------------------------------------------


def test_every_declaration_is_on_the_page_as_it_is():
    lines = [line for _, _, text in blocks(PAGE, "fields") for line in text.splitlines()]
    assert sorted(lines) == sorted(signature(name) for name in DECLARED)


@pytest.mark.parametrize("kind", DatagramType, ids=lambda kind: kind.name)
def test_every_datagram_has_its_section_with_its_declaration_and_example(kind):
    text = section(f"{kind.name} ({kind.value})")
    assert signature(kind.name) in text
    (example,) = (bytes_of(each) for _, _, each in blocks(text, "datagram"))
    assert codec.decode_header(example).type == kind
    assert f"`{kind.name}` {kind.value}" in section("Datagrams")


@pytest.mark.parametrize("kind", FrameType, ids=lambda kind: kind.name)
def test_every_frame_has_its_section_with_its_declaration_and_example(kind):
    text = section(f"{kind.name} (0x{kind.value:02X})")
    if kind is not FrameType.PADDING:
        assert signature(f"{kind.name} frame") in text
        (example,) = (bytes_of(each) for _, _, each in blocks(text, "frame", "handshake"))
        assert example[0] == kind


@pytest.mark.parametrize("kind", MessageType, ids=lambda kind: kind.name)
def test_every_message_has_its_section_with_its_declaration_and_example(kind):
    text = section(f"{kind.name} (0x{kind.value:02X})")
    assert signature(f"{kind.name} message") in text
    (example,) = (bytes_of(each) for _, _, each in blocks(text, "message"))
    assert example[0] == kind


def test_no_section_is_about_a_type_that_does_not_exist():
    known = {f"{each.name} (0x{each.value:02X})" for kinds in (FrameType, MessageType) for each in kinds}
    known |= {f"{each.name} ({each.value})" for each in DatagramType}
    assert set(re.findall(r"^### ([A-Z_]+ \(\w+\))$", PAGE, re.MULTILINE)) == known


def test_every_flag_and_kind_is_told_with_its_number():
    for flag in DatagramFlag:
        assert f"`{flag.name}` ({flag.value})" in section("Datagrams")
    for kind in EntryKind:
        assert f"`{kind.name}` {kind.value}" in section("ENTRY (0x23)")
    for token in tokens.TokenKind:
        assert f"`{token.name}` {token.value}" in section("Tokens")


def test_every_handshake_parameter_is_explained():
    names = {each.name for each in DECLARED["PARAMETERS"].subcons}
    told = {cells[0].strip("`") for cells in rows(section("The handshake")) if cells[0].startswith("`")}
    assert told == names - {"agent_length"}


def test_every_code_is_told_once_with_its_number():
    told = [cells[:2] for cells in rows(section("Error codes"))[2:]]
    assert told == [(str(code.value), f"`{code.name}`") for code in Code]


def test_every_code_that_the_text_names_exists():
    spoken = re.findall(r"\b(?:closes?|ends?) (?:it )?with ([A-Z][A-Z_]+)\b", PAGE)
    assert len(spoken) > 20
    assert set(spoken) - {"RESET_REQUEST"} <= {code.name for code in Code}


def test_every_limit_is_told_with_its_value():
    told = {cells[0].strip("`"): cells[1] for cells in rows(section("Limits")) if cells[0].startswith("`")}
    assert told == {name: shown(name, value) for name, value in (LIMITS | CONSTANTS).items()}


def test_both_sides_name_as_many_ranges_at_most():
    assert get.HAVE_RANGES_MAX == put.HAVE_RANGES_MAX


def test_the_states_and_their_table_are_those_of_the_code():
    text = section("States")
    assert rows(text)[2:] == [
        (state.name, signal.name, after.name) for (state, signal), after in TRANSITIONS.items()
    ]
    for state in State:
        assert f"{state.name} (`{state.value}`)" in text
    for signal in Signal:
        assert re.search(rf"\b{signal.name}: ", text)


def test_every_timer_is_told():
    assert [cells[0].strip("`") for cells in rows(section("Timers"))[2:]] == [timer.name for timer in Timer]


def test_numbers_in_the_prose_are_those_of_the_code():
    prose = " ".join(PAGE.split())
    for said in (
        f"`version` is {VERSION}.",
        f"`magic` is `{MAGIC.to_bytes(2).decode()}`",
        f"is always {RESIDUE:08x}",
        f"Header ({HEADER_BYTES} bytes), body and seal ({SEAL_BYTES})",
        f"adds {codec.layout.DATA_OVERHEAD_BYTES} bytes to its payload",
        f"A UDP payload has {limits.DATAGRAM_MAX_BYTES:,} bytes at most",
        f"every path has to carry {limits.DATAGRAM_MIN_BYTES:,}",
        f"padded with PADDING to {limits.HELLO_MIN_BYTES} bytes at least",
        f"{limits.TOKEN_MAX_BYTES} bytes are the most",
        f"At most {limits.ACK_PAIRS_MAX} pairs",
        f"more than 2^{limits.NUMBER_JUMP_MAX.bit_length() - 1} ahead",
        f"An offset past 2^{limits.BODY_OFFSET_MAX.bit_length() - 1}",
        f"of at most {limits.MESSAGE_MAX_BYTES:,} bytes",
        f"{limits.MESSAGE_WINDOW_BYTES:,} bytes may be sent beyond",
        f"more than {limits.BODY_RANGES_MAX:,} separate pieces",
        f"({session.EARLY_BYTES_MAX:,} bytes of a connection at most",
        f"requests 0 to {limits.EARLY_REQUESTS - 1} and send {limits.EARLY_BODY_BYTES:,} bytes of each body",
        f"There are 2^{limits.REQUESTS_MAX.bit_length() - 1} requests to a connection",
        f"at most {limits.REASON_MAX_BYTES} bytes, for people",
        f"Past {limits.HANDSHAKE_MAX_BYTES:,} bytes",
        f"each block of {limits.BLOCK_BYTES:,} bytes",
        f"{receiving.DIGESTS_PER_MESSAGE:,} in a message at most",
        f"This sender puts {repairing.REPAIR_PIECE_BYTES:,} bytes in each",
        f"up to {limits.SMALL_FILE_MAX_BYTES:,} bytes each, many to a request",
        f"1 to {packs.PACK_FILES_MAX:,}; else",
        f"{limits.NAME_MAX_BYTES:,} bytes and {limits.NAME_DEPTH_MAX} parts at most",
        f"{limits.NAME_COMPONENT_MAX_BYTES} bytes in each part",
        f"ascending, {put.HAVE_RANGES_MAX:,} at most",
        f"remembers up to {limits.ACK_RANGES_KEPT_MAX:,} ranges",
        f"`ack_delay_max_us` | the longest that the sender waits with an ACK; {limits.ACK_DELAY_MAX_NS // 1_000:,}",
        f"A RETRY token holds for {tokens.RETRY_LIFETIME_S} s",
        f"at most {listener.RESETS_PER_SECOND_MAX} a second",
        f"one in about {outbound.SKIP_EVERY:,} datagrams",
        f"every {outbound.ELICIT_EVERY}th datagram that only acknowledges",
    ):
        assert said in prose, said


def test_every_link_within_the_page_leads_somewhere():
    headings = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
    links = re.findall(r"\]\(#([^)]+)\)", PAGE)
    assert links
    assert set(links) <= anchors
