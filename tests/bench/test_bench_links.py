"""What a link could carry, how it is asked for, and what its trace says: no link is made here."""

import os

import pytest

from bench.files import PREFIX, sweep
from bench.links import Link
from bench.loss_sweep import spec_of
from bench.traces import Trace, jain_index
from bench.wide_area import ROWS
from mayhem_udp.mayhem.spec import parse_spec


def options_of(link):
    words = link.arguments()
    return dict(zip(words[::2], words[1::2], strict=True))


def test_capacity_is_rate_less_loss_less_headers():
    link = Link(rate_mbit=100, rtt_ms=50, loss=0.1, mtu=1_500)
    assert link.capacity_bps(overhead_bytes=75) == pytest.approx(100e6 * 0.9 * 1_425 / 1_500)


def test_an_emulator_that_carries_less_than_the_link_is_what_counts():
    link = Link(rate_mbit=1_000, rtt_ms=100)
    assert link.capacity_bps(overhead_bytes=0, carried_bps=600e6) == 600e6
    assert link.capacity_bps(overhead_bytes=0, carried_bps=2e9) == 1e9


def test_a_link_that_changes_carries_the_mean_of_its_rates():
    assert ROWS["5 to 100 Mbit/s"].link.mean_rate_bps() == pytest.approx(52.5e6)


def test_a_link_that_goes_away_carries_nothing_meanwhile():
    assert ROWS["blackouts"].link.mean_rate_bps() == pytest.approx(100e6 * 5 / 7)


def test_queues_are_asked_for_in_bytes_unless_in_packets():
    assert options_of(Link(rate_mbit=100, rtt_ms=50, queue_bdp=0.2))["--queue-bytes"] == "125000"
    options = options_of(ROWS["queue of 25 packets"].link)
    assert options["--queue-packets"] == "25"
    assert "--queue-bytes" not in options


def test_an_asymmetric_link_is_narrow_on_the_way_back_only():
    link = ROWS["asymmetric 10:1"].link
    assert (options_of(link)["--rate"], options_of(link)["--down-rate"]) == ("100", "10")
    turned = options_of(link.reversed())
    assert (turned["--rate"], turned["--down-rate"]) == ("10", "100")


def test_losses_and_round_trips_reach_the_emulator_in_its_units():
    options = options_of(Link(rate_mbit=10, rtt_ms=600, loss=0.02))
    assert float(options["--loss"]) == pytest.approx(2)
    assert float(options["--delay"]) == 300


def test_the_proxy_is_asked_for_the_same_link():
    spec = parse_spec(spec_of(Link(rate_mbit=20, rtt_ms=50, loss=0.3), seed=9))
    for way in (spec.outward, spec.inward):
        assert (way.rate_bps, way.delay_ns, way.drop) == (20_000_000, 25_000_000, 0.3)
    assert spec.seed == 9


def test_rates_and_queues_are_read_off_a_trace(tmp_path):
    path = tmp_path / "trace.csv"
    lines = [
        "ms,up_queued_0,up_dropped_0,down_queued_0,down_dropped_0,up_bytes_0,down_bytes_0",
        "0,0,0,0,0,0,0",
        "1000,12500,0,0,0,1000000,0",
        "2000,0,3,0,0,3000000,0",
        "3000,0",  # cut while it was written
    ]
    path.write_text("\n".join(lines))
    trace = Trace.read(path)
    assert trace.rate_bps(0, start_s=1, stop_s=2) == pytest.approx(16e6)
    assert trace.queue_ms(rate_mbit=100).max() == pytest.approx(1.0)


def test_an_empty_trace_is_no_trace(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("")
    assert not Trace.read(path)


def test_fairness_is_one_among_equals_and_a_part_for_who_takes_all():
    assert jain_index([3.0, 3.0, 3.0, 3.0]) == pytest.approx(1.0)
    assert jain_index([9.0, 0.0, 0.0, 0.0]) == pytest.approx(0.25)


def test_what_a_killed_bench_left_is_swept_and_what_a_living_one_uses_is_not(tmp_path):
    gone = 2**22 + 1  # above the largest process id that Linux gives
    for name in (f"{PREFIX}{gone}-abc", f"{PREFIX}{os.getpid()}-abc", f"{PREFIX}linkem-0-abc"):
        (tmp_path / name).mkdir()
    sweep(tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == {
        f"{PREFIX}{os.getpid()}-abc",
        f"{PREFIX}linkem-0-abc",
    }
