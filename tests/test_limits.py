"""The bounds that nobody may exceed: whole, positive, and in their relations."""

from mayhem_udp import limits
from mayhem_udp.wire import layout
from mayhem_udp.wire.codec import encode_frame, join_hello
from mayhem_udp.wire.frames import Ack, Close, ResetRequest

BOUNDS = {
    name: getattr(limits, name) for name in dir(limits) if name.isupper() and name not in ("KIB", "MIB")
}


def test_every_bound_is_a_positive_whole_number():
    assert all(isinstance(bound, int) and bound > 0 for bound in BOUNDS.values()), BOUNDS


def test_the_fullest_ack_fits_in_the_smallest_datagram():
    ack = Ack(0, 0, 0, (1, 1) * limits.ACK_PAIRS_MAX)
    assert len(encode_frame(ack)) + layout.FRAMES_OVERHEAD_BYTES <= limits.DATAGRAM_MIN_BYTES


def test_the_longest_reason_fits_into_what_is_left_beside_the_fullest_ack_or_in_the_next_datagram():
    reason = b"r" * limits.REASON_MAX_BYTES
    for frame in (Close(1, reason), ResetRequest(1, 1, reason)):
        assert len(encode_frame(frame)) + layout.FRAMES_OVERHEAD_BYTES <= limits.DATAGRAM_MIN_BYTES


def test_a_retry_with_the_longest_token_is_within_what_an_unproved_address_may_get():
    retry = join_hello(b"t" * limits.TOKEN_MAX_BYTES, b"")
    allowed = limits.AMPLIFICATION_FACTOR * limits.HELLO_MIN_BYTES
    assert len(retry) + layout.FRAMES_OVERHEAD_BYTES <= allowed


def test_the_largest_datagram_is_what_ip_version_6_takes():
    assert limits.DATAGRAM_MAX_BYTES == 65_535 - 40 - 8


def test_early_data_of_all_early_requests_is_bounded():
    assert limits.EARLY_REQUESTS * limits.EARLY_BODY_BYTES <= 1 << 20
