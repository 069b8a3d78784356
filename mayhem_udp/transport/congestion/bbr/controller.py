"""The controller: from the model and the phase to a rate, a window and a burst.

Owns these three and the succession of phases. What is known of the path is the model's, and when a
phase is over is its own.
"""

from mayhem_udp.transport.congestion.base import AckSample, Rates
from mayhem_udp.transport.congestion.bbr.constants import (
    INITIAL_BURST_DATAGRAMS,
    INITIAL_GROWTH_MAX,
    INITIAL_RTT_NS,
    INITIAL_WINDOW_DATAGRAMS,
    PACING_MARGIN,
    STARTUP_PACING_GAIN,
    WINDOW_MIN_DATAGRAMS,
)
from mayhem_udp.transport.congestion.bbr.model import PathModel
from mayhem_udp.transport.congestion.bbr.phases import PHASES, Phase, State
from mayhem_udp.transport.congestion.bursts import quantum_bytes
from mayhem_udp.units import BITS_PER_BYTE, SECOND


class Bbr:
    """The controller of one path; rates in bytes a second within."""

    __slots__ = ("_initial_bytes", "_model", "_pacing", "_phase", "_quantum", "_rates", "_window")

    def __init__(self, *, max_datagram_bytes: int, rates: Rates, now_ns: int) -> None:
        self._rates = rates
        self._model = PathModel(datagram_bytes=max_datagram_bytes, now_ns=now_ns)
        self._initial_bytes = INITIAL_WINDOW_DATAGRAMS * max_datagram_bytes
        self._window = float(self._initial_bytes)
        self._pacing = STARTUP_PACING_GAIN * self._window * SECOND / INITIAL_RTT_NS
        self._quantum = INITIAL_BURST_DATAGRAMS * max_datagram_bytes
        self._phase: Phase = PHASES[State.STARTUP](self._model)

    @property
    def window_bytes(self) -> int:
        return int(self._window)

    @property
    def pacing_rate_bps(self) -> int:
        return self._rates.capped(int(self._pacing * BITS_PER_BYTE))

    @property
    def send_quantum_bytes(self) -> int:
        return self._quantum

    @property
    def state(self) -> State:
        """For logs and plots."""
        return self._phase.state

    @property
    def model(self) -> PathModel:
        """What is known of the path; for logs and plots."""
        return self._model

    def on_sent(self, *, now_ns: int, sent_bytes: int, in_flight_bytes: int) -> None:
        """Nothing follows from it: samples carry what was known when they were sent."""

    def on_app_limited(self, *, now_ns: int) -> None:
        """Nothing follows from it: samples say themselves that they are limited."""

    def on_persistent_congestion(self, *, now_ns: int) -> None:
        """The path is gone; what was learned of it is kept for its return."""
        if self._phase.state is not State.OUTAGE:
            self._enter(State.OUTAGE)
            self._window = float(WINDOW_MIN_DATAGRAMS * self._model.datagram_bytes)

    def on_rate_cap(self, cap_bps: int) -> None:
        self._rates = self._rates.with_cap(cap_bps)

    def on_datagram_bytes(self, size: int) -> None:
        self._model.datagram_bytes = size

    def on_ack(self, sample: AckSample) -> None:
        """Learn, change the phase where it is over, and set rate, burst and window."""
        model = self._model
        if sample.rtt_ns is not None and not model.queue.rtt_min_ns:
            self._on_first_rtt(sample.rtt_ns)
        model.window_bytes = self._window
        model.on_ack(sample)
        if model.full_reached and self._phase.may_look and model.needs_look:
            self._enter(State.PROBE_RTT)
        following = self._phase.next_state(sample)
        if following is not None:
            self._enter(following)
        if model.bandwidth.rate:
            self._set_pacing(sample)
            self._set_window(sample)

    def _on_first_rtt(self, rtt_ns: int) -> None:
        """A long path starts with more in flight, at the same pace."""
        growth = min(max(rtt_ns / INITIAL_RTT_NS, 1.0), INITIAL_GROWTH_MAX)
        self._initial_bytes = int(growth * self._initial_bytes)
        self._window = max(self._window, float(self._initial_bytes))

    def _enter(self, state: State) -> None:
        self._phase = PHASES[state](self._model)

    def _set_pacing(self, sample: AckSample) -> None:
        """Draft sections 5.6.2 and 5.6.3. Until the path was full once, the rate only grows.

        Never slower than a datagram in a round trip, which no queue feels: where for a while only short messages
        arrive, their bytes are no measure, and a full datagram would wait for seconds.
        """
        model = self._model
        rate = self._phase.pacing_gain * model.rate * PACING_MARGIN
        rate = max(rate, model.datagram_bytes * SECOND / max(sample.rtt_smoothed_ns, 1))
        if model.full_reached or rate > self._pacing:
            self._pacing = rate
        rate_bps = int(self._pacing * BITS_PER_BYTE)
        quantum = quantum_bytes(rate_bps, datagram_bytes=model.datagram_bytes)
        quantum = max(min(quantum, model.host_room.burst_bytes), model.datagram_bytes)
        self._quantum = model.quantum_bytes = quantum

    def _set_window(self, sample: AckSample) -> None:
        """Draft section 5.6.4: grow with what is acknowledged, up to the target; congestion bounds it."""
        model, phase = self._model, self._phase
        floor = WINDOW_MIN_DATAGRAMS * model.datagram_bytes
        target = max(
            phase.window_gain * model.bdp_bytes + model.aggregation.extra_bytes,
            model.window_min_bytes,
        )
        acked = sample.acked_bytes / (1 - model.random_loss.share)
        if model.full_reached:
            self._window = min(self._window + acked, target)
        elif self._window < target or sample.delivered_bytes < self._initial_bytes:
            self._window += acked
        self._window = max(min(self._window, phase.in_flight_limit_bytes), floor)
