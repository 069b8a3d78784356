"""What an engine may hold at most, looked at from outside while it lives.

Owns the bounds that every connection has to keep, whatever its network and its peer do.
"""

from mayhem_udp.limits import (
    ACK_RANGES_KEPT_MAX,
    BODY_RANGES_MAX,
    FLIGHT_RUNS_MAX,
    MESSAGE_MAX_BYTES,
    MESSAGE_WINDOW_BYTES,
)
from mayhem_udp.units import KIB

BLOCK_BYTES = 1_024 * KIB
"""The most that is supplied in one piece."""
CONTROL_FRAMES_MAX = 4_096
MESSAGES_MAX_BYTES = 4 * MESSAGE_WINDOW_BYTES
"""A round of a listing, or the digests of a file, on top of a full window."""


def check_connection(connection):
    """Raise `AssertionError` where a connection holds more than it may."""
    core = connection._core
    assert len(core.recovery.ledger.flight.runs) <= FLIGHT_RUNS_MAX + 1, "runs in flight"
    assert len(core.acks.received) <= ACK_RANGES_KEPT_MAX, "ranges to acknowledge"
    assert len(core.control) <= CONTROL_FRAMES_MAX, "control frames"
    assert len(core.events) <= CONTROL_FRAMES_MAX, "events that nobody takes"
    assert len(core.requests.open) <= core.settings.requests_max + 1, "open requests"
    for request in core.requests.open.values():
        _check_request(request, core.settings)
    sent = [each.body_sent.buffered_bytes for each in core.requests.open.values() if each.body_sent]
    assert core.requests.supplied.used_bytes == sum(sent), "the account of what is to be sent"
    assert core.memory.used_bytes >= sum(sent), "the account of the connection"
    assert core.memory.used_bytes <= core.memory.max_bytes + BLOCK_BYTES, "memory of the connection"


def _check_request(request, settings):
    sent, received = request.body_sent, request.body_received
    if sent is not None:
        assert sent.buffered_bytes <= settings.send_buffer_max_bytes + BLOCK_BYTES, "a body to be sent"
        assert sent.buffered_bytes == sum(len(block) for block in sent._blocks), "buffers are counted"
    if received is not None:
        backlog = received.window.backlog_bytes(received.received.covered)
        assert 0 <= backlog <= settings.body_window_max_bytes, "bytes received and not consumed"
        assert len(received.received) <= BODY_RANGES_MAX, "ranges of a body"
    assert request.messages_sent.queued_bytes <= MESSAGES_MAX_BYTES, "messages to be sent"
    assert len(request.messages_received._bytes) <= MESSAGE_WINDOW_BYTES + MESSAGE_MAX_BYTES, (
        "messages received"
    )
