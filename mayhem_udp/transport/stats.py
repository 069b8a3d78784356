"""Counters of one connection: what happened, for tables, logs and results.

Only ever counts; nothing is decided from it.
"""

from msgspec import Struct


class ConnectionStats(Struct):
    """Totals since the connection began; datagrams unless the name says bytes."""

    datagrams_sent: int = 0
    eliciting_sent: int = 0
    """Those of them that want to be acknowledged: only of these is it known whether they were lost."""
    datagrams_received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    batches_sent: int = 0
    batches_received: int = 0
    retransmitted: int = 0
    lost: int = 0
    spurious: int = 0
    acks_sent: int = 0
    acks_received: int = 0
    ack_bytes_sent: int = 0
    corrupt_dropped: int = 0
    duplicate_dropped: int = 0
    no_room_dropped: int = 0
    """Intact, but there was no memory for them; the peer sends them again."""
    probes_sent: int = 0
    peer_corrupt: int = 0
    """Datagrams of ours that arrived damaged, by the peer's count."""
