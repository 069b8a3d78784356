"""shim"""
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class AckSample:
    now_ns: int
    acked_bytes: int
    lost_bytes: int
    acked_packets: int
    lost_packets: int
    rtt_ns: int | None
    rtt_min_ns: int
    rtt_smoothed_ns: int
    in_flight_bytes: int
    prior_in_flight_bytes: int
    delivered_bytes: int
    lost_total_bytes: int
    rate_interval_ns: int
    rate_delivered_bytes: int
    rate_sent_bytes: int
    rate_prior_delivered_bytes: int
    rate_is_app_limited: bool
    rate_tx_in_flight_bytes: int
    rate_lost_bytes: int
    corrupt_packets: int


class CongestionController(Protocol):
    window_bytes: int
    pacing_rate_bps: int
    send_quantum_bytes: int

    def on_sent(self, *, now_ns: int, sent_bytes: int, in_flight_bytes: int) -> None: ...
    def on_ack(self, sample: AckSample) -> None: ...
    def on_app_limited(self, *, now_ns: int) -> None: ...
    def on_persistent_congestion(self, *, now_ns: int) -> None: ...
    def on_datagram_bytes(self, size: int) -> None: ...
