"""What counts as lost: by number, by time, adapting to reordering (RFC 9002 section 6, RFC 8985)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.transport.ledger import Ledger, Run
from mayhem_udp.transport.loss import (
    OPENING_PROBES,
    OPENING_STEPS,
    PACKET_THRESHOLD,
    PACKET_THRESHOLD_MAX,
    PATIENT_PROBES,
    PROBE_STEPS,
    LossDetector,
)
from mayhem_udp.transport.rtt import RoundTrip
from mayhem_udp.transport.timers import NEVER
from mayhem_udp.units import MS

RTT_NS = 80 * MS
TIME_THRESHOLD_NS = 90 * MS


def flight_of(*counts, gap_ns=0):
    """Runs of so many datagrams, sent one after the other."""
    ledger = Ledger()
    for index, count in enumerate(counts):
        size = 100 * count
        ledger.sent(
            Run(
                first=ledger.next_number,
                count=count,
                sent_ns=index * gap_ns,
                wire_bytes=size,
                length=size,
                chunk_bytes=100,
            )
        )
        ledger.next_number += count
    return ledger


def steady():
    rtt = RoundTrip()
    for _ in range(50):
        rtt.on_sample(rtt_ns=RTT_NS, ack_delay_ns=0, now_ns=0)
    return rtt


def acknowledge(ledger, detector, number):
    taken = ledger.acknowledge(number, number + 1)
    detector.largest_acked = max(detector.largest_acked, number)
    return taken


def numbers(runs):
    return [number for run in runs for number in range(run.first, run.stop)]


def test_three_later_ones_make_a_loss():
    ledger, detector = flight_of(10), LossDetector()
    acknowledge(ledger, detector, PACKET_THRESHOLD - 1)
    lost, again_ns = detector.detect(ledger, steady(), now_ns=RTT_NS)
    assert lost == []
    assert again_ns == TIME_THRESHOLD_NS
    acknowledge(ledger, detector, PACKET_THRESHOLD)
    lost, _ = detector.detect(ledger, steady(), now_ns=RTT_NS)
    assert numbers(lost) == [0]


def test_time_makes_a_loss_of_all_before_the_largest():
    ledger, detector = flight_of(2, 2, 5, gap_ns=1 * MS), LossDetector()
    acknowledge(ledger, detector, 2)
    lost, again_ns = detector.detect(ledger, steady(), now_ns=TIME_THRESHOLD_NS - 1)
    assert (lost, again_ns) == ([], TIME_THRESHOLD_NS)
    lost, again_ns = detector.detect(ledger, steady(), now_ns=TIME_THRESHOLD_NS)
    assert numbers(lost) == [0, 1]
    assert again_ns == NEVER, "what is later than the largest is the probe's"


def test_nothing_later_than_the_largest_is_ever_lost():
    ledger, detector = flight_of(10), LossDetector()
    acknowledge(ledger, detector, 0)
    assert detector.detect(ledger, steady(), now_ns=1 << 60) == ([], NEVER)


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=12),
    st.sets(st.integers(0, 40), max_size=20),
    st.integers(0, 200),
)
def test_runs_are_judged_as_their_datagrams_would_be(counts, acked, now_ms):
    ledger, detector, gap_ns = flight_of(*counts, gap_ns=5 * MS), LossDetector(), 5 * MS
    sent_ns = {number: run.sent_ns for run in ledger.flight.runs for number in range(run.first, run.stop)}
    acked &= set(sent_ns)
    for number in acked:
        acknowledge(ledger, detector, number)
    largest, now_ns = max(acked, default=-1), now_ms * MS
    expected = [
        number
        for number, at_ns in sent_ns.items()
        if number < largest
        and number not in acked
        and (number <= largest - PACKET_THRESHOLD or at_ns + TIME_THRESHOLD_NS <= now_ns)
    ]
    lost, again_ns = detector.detect(ledger, steady(), now_ns=now_ns)
    assert numbers(lost) == expected
    left = [at_ns for n, at_ns in sent_ns.items() if n < largest and n not in acked and n not in expected]
    assert again_ns == (min(left) + TIME_THRESHOLD_NS if left else NEVER)
    assert gap_ns


def test_a_spurious_loss_raises_the_threshold_to_what_would_have_spared_it():
    ledger, detector = flight_of(30), LossDetector()
    acknowledge(ledger, detector, 12)
    lost, _ = detector.detect(ledger, steady(), now_ns=RTT_NS)
    assert numbers(lost) == list(range(10))
    for run in ledger.acknowledge_lost(3, 4):
        detector.on_spurious(run, steady(), now_ns=RTT_NS)
    assert detector.spurious_packets == 1
    ledger, again = flight_of(30), detector
    again.largest_acked = -1
    acknowledge(ledger, again, 12)
    lost, _ = again.detect(ledger, steady(), now_ns=RTT_NS)
    assert numbers(lost) == [0, 1], "11 later ones are waited for now"


def test_lateness_is_waited_for_up_to_one_round_trip():
    detector, rtt = LossDetector(), steady()
    run = Run(first=0, count=1, sent_ns=0, wire_bytes=100)
    detector.on_spurious(run, rtt, now_ns=TIME_THRESHOLD_NS + 30 * MS)
    ledger = flight_of(1, 1)
    acknowledge(ledger, detector, 1)
    assert detector.detect(ledger, rtt, now_ns=0)[1] == TIME_THRESHOLD_NS + 30 * MS
    detector.on_spurious(run, rtt, now_ns=1 << 50)
    assert detector.detect(ledger, rtt, now_ns=0)[1] == TIME_THRESHOLD_NS + RTT_NS


def test_the_threshold_has_a_bound_whatever_the_peer_says():
    detector = LossDetector()
    detector.largest_acked = 10**9
    detector.on_spurious(Run(first=0, count=1, sent_ns=0, wire_bytes=1), steady(), now_ns=0)
    ledger = Ledger()
    ledger.next_number = 10**9 - PACKET_THRESHOLD_MAX
    ledger.sent(Run(first=ledger.next_number, count=1, sent_ns=0, wire_bytes=1))
    assert len(detector.detect(ledger, steady(), now_ns=0)[0]) == 1


def test_the_probe_counts_from_the_last_that_wants_an_answer():
    ledger, detector, rtt = flight_of(3, 3, gap_ns=7 * MS), LossDetector(), steady()
    wait_ns = rtt.pto_ns(ack_delay_max_ns=25 * MS, backoff=0)
    assert detector.probe_deadline_ns(ledger, rtt, ack_delay_max_ns=25 * MS) == 7 * MS + wait_ns


def test_many_probes_are_equally_far_apart_before_the_wait_doubles():
    """Half of all gone each way takes five probe timeouts of eight: that is no reason to ask less often."""
    ledger, detector, rtt = flight_of(1, 1), LossDetector(), steady()
    waits_ns = []
    for detector.probes in range(PATIENT_PROBES + 3):
        waits_ns.append(detector.probe_deadline_ns(ledger, rtt, ack_delay_max_ns=0))
    base_ns = rtt.pto_ns(ack_delay_max_ns=0, backoff=0)
    step_ns = base_ns // PROBE_STEPS
    assert waits_ns == [base_ns] + [step_ns] * PATIENT_PROBES + [2 * base_ns, 4 * base_ns]


def test_where_nothing_has_ever_answered_the_first_probes_come_four_to_a_timeout():
    """A lost question of 1.2 KB is not worth a second of silence; what is never answered is asked each second."""
    ledger, detector, rtt = flight_of(1, 1), LossDetector(), RoundTrip()
    waits_ns = []
    for detector.probes in range(OPENING_PROBES + 3):
        waits_ns.append(detector.probe_deadline_ns(ledger, rtt, ack_delay_max_ns=0))
    base_ns = rtt.pto_ns(ack_delay_max_ns=0, backoff=0)
    assert waits_ns == [base_ns // OPENING_STEPS] * OPENING_PROBES + [base_ns] * 3


def test_nothing_in_flight_needs_no_probe():
    assert LossDetector().probe_deadline_ns(Ledger(), steady(), ack_delay_max_ns=0) == NEVER


@pytest.mark.parametrize("latest_ms", [80, 160])
def test_the_time_threshold_follows_the_larger_of_latest_and_smoothed(latest_ms):
    rtt = steady()
    rtt.on_sample(rtt_ns=latest_ms * MS, ack_delay_ns=0, now_ns=1)
    ledger, detector = flight_of(1, 1), LossDetector()
    acknowledge(ledger, detector, 1)
    assert detector.detect(ledger, rtt, now_ns=0)[1] == latest_ms * MS * 9 // 8
