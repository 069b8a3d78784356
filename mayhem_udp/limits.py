"""Every bound that is not a setting, in one place, with the relations between them asserted.

What a user may set is in `config.toml`; what nobody may exceed, whatever the settings say, is here.
Never imports anything but units.
"""

from typing import Final

from mayhem_udp.units import KIB, MIB, MS, SECOND

# --- Datagrams ------------------------------------------------------------------------------------
DATAGRAM_MIN_BYTES: Final = 1_200
"""Every path must carry this much UDP payload; path MTU discovery starts here (RFC 9000 section 14)."""
DATAGRAM_MAX_BYTES: Final = 65_487
"""The largest UDP payload sent: 65,535 less an IPv6 header (40) and a UDP header (8)."""
CHUNK_MIN_BYTES: Final = 16
"""The smallest payload a user may ask for in a datagram."""
BATCH_MAX_BYTES: Final = 512 * KIB
"""The most that one batch of datagrams holds, sent or received."""
TRAIN_MAX_BYTES: Final = 65_000
"""What one call to the kernel carries at most: with headers, it has to fit an IP packet's 65,535 bytes."""
TRAIN_MAX_DATAGRAMS: Final = 64
"""UDP_MAX_SEGMENTS: 64 from Linux 4.18 on, 128 from 6.9 on."""
HELLO_MIN_BYTES: Final = 400
"""A first HELLO is padded to this, so that any stateless answer is smaller than three times it."""
AMPLIFICATION_FACTOR: Final = 3
"""What an unproved address may get for each byte that came from it (RFC 9000 section 8)."""

# --- Streams and messages -------------------------------------------------------------------------
MESSAGE_MAX_BYTES: Final = 32 * KIB
"""One session message."""
MESSAGE_WINDOW_BYTES: Final = 128 * KIB
"""Credit of one message stream, fixed: messages are small."""
LISTING_MAX_BYTES: Final = 256 * MIB
"""What a client takes as the answer to one LIST: the names, and 256 bytes for each entry."""
BODY_OFFSET_MAX: Final = 1 << 62
"""Past any file: offsets on the wire are 64 bits wide, the top ones stay zero."""
OPEN_REQUESTS_MAX: Final = 1 << 10
REQUESTS_MAX: Final = 1 << 30
"""Requests that one connection can ever open: their number shares 32 bits with two bits of kind."""

EARLY_BODY_BYTES: Final = 64 * KIB
"""Credit of a body before the server has said its own; every server grants at least this."""
EARLY_REQUESTS: Final = 8
"""Requests that a client may open before the server has said how many; likewise."""

MEMORY_FLOOR_BYTES: Final = 80 * KIB
"""What a connection may hold however little is left to all: one read of a file, and what is said beside it."""

# --- Ledgers --------------------------------------------------------------------------------------
ACK_RANGES_KEPT_MAX: Final = 4_096
"""Ranges of received sequence numbers that are remembered; the oldest are forgotten first."""
ACK_PAIRS_MAX: Final = 280
"""Ranges named by one ACK: four bytes each, so that an ACK fits in the smallest datagram."""
BODY_RANGES_MAX: Final = 65_536
"""Separate ranges of one body that a receiver tracks; more is refused (a peer that sends crumbs)."""
FLIGHT_RUNS_MAX: Final = 65_536
"""Runs in flight that a sender tracks; past it, it waits for acknowledgements."""
FLIGHT_RUNS_REFUSED: Final = FLIGHT_RUNS_MAX + 4_096
"""Control frames are sent past that, but only so many: then the peer, who acknowledges none, is cut off."""
PATH_ANSWERS_MAX: Final = 8
"""Challenges of a peer that wait to be answered; an honest one has one under way."""

NUMBER_JUMP_MAX: Final = 1 << 24
"""How far a sequence number may be ahead of the largest seen: more than any flight is long."""

# --- Timers ---------------------------------------------------------------------------------------
ACK_DELAY_MAX_NS: Final = 25 * MS
"""The longest that an ACK waits (RFC 9000 section 18.2)."""
RTT_INITIAL_NS: Final = 333 * MS
"""Before there is a sample (RFC 9002 section 6.2.2)."""
PTO_MAX_NS: Final = 500 * MS
"""A probe at least this often: a link that comes back is noticed soon."""
IDLE_MIN_NS: Final = 1 * SECOND
CLOSING_NS: Final = 1 * SECOND
"""How long a closed connection still answers its peer's late datagrams."""

# --- Store ----------------------------------------------------------------------------------------
NAME_COMPONENT_MAX_BYTES: Final = 255
NAME_MAX_BYTES: Final = 4_096
NAME_DEPTH_MAX: Final = 64
BLOCK_BYTES: Final = 1 * MIB
"""What one digest of the journal covers."""
REPAIR_ROUNDS_MAX: Final = 3
SMALL_FILE_MAX_BYTES: Final = 64 * KIB
"""Files up to this travel many to a request, in packs."""

# --- Handshake ------------------------------------------------------------------------------------
TOKEN_MAX_BYTES: Final = 256
HANDSHAKE_MAX_BYTES: Final = 16 * KIB
"""All handshake messages of one side together."""
RATE_CAP_MIN_BPS: Final = 1_000
"""The slowest that a peer may be asked to be: a datagram then takes twelve seconds."""
REASON_MAX_BYTES: Final = 200

assert HELLO_MIN_BYTES <= DATAGRAM_MIN_BYTES <= DATAGRAM_MAX_BYTES
assert ACK_PAIRS_MAX * 4 + 64 <= DATAGRAM_MIN_BYTES, "an ACK fits in the smallest datagram"
assert MESSAGE_MAX_BYTES * 2 <= MESSAGE_WINDOW_BYTES, "a message can always be sent whole"
assert REQUESTS_MAX * 4 <= 1 << 32, "a stream's number fits its 32 bits"
assert EARLY_REQUESTS <= OPEN_REQUESTS_MAX
assert TOKEN_MAX_BYTES + 64 <= HELLO_MIN_BYTES * AMPLIFICATION_FACTOR
