"""Quantities as people write them, and as they read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.errors import UsageError
from mayhem_udp.units import (
    GIB,
    HOUR,
    KIB,
    MIB,
    MINUTE,
    MS,
    SECOND,
    US,
    format_bytes,
    format_duration,
    format_rate,
    parse_duration_ns,
    parse_rate_bps,
    parse_size_bytes,
)


@pytest.mark.parametrize(
    ("text", "bps"),
    [
        ("20M", 20_000_000),
        ("1.5Gbit/s", 1_500_000_000),
        ("800kbps", 800_000),
        ("800 kbit", 800_000),
        ("12", 12),
        (" 3 T ", 3 * 10**12),
        ("5mb/s", 5_000_000),
    ],
)
def test_rates_are_decimal(text, bps):
    assert parse_rate_bps(text) == bps


@pytest.mark.parametrize(
    ("text", "count"),
    [("64K", 64 * KIB), ("1.5MiB", 3 * MIB // 2), ("10MB", 10**7), ("2g", 2 * GIB), ("7", 7), ("7 b", 7)],
)
def test_sizes_are_binary_unless_they_say_otherwise(text, count):
    assert parse_size_bytes(text) == count


@pytest.mark.parametrize(
    ("text", "length_ns"),
    [
        ("500ms", 500 * MS),
        ("2s", 2 * SECOND),
        ("1.5", 3 * SECOND // 2),
        ("3min", 3 * MINUTE),
        ("3m", 3 * MINUTE),
        ("40us", 40 * US),
        ("40µs", 40 * US),
        ("1d", 24 * HOUR),
        ("0", 0),
    ],
)
def test_durations_without_a_unit_are_seconds(text, length_ns):
    assert parse_duration_ns(text) == length_ns


@pytest.mark.parametrize("parse", [parse_rate_bps, parse_size_bytes, parse_duration_ns])
@pytest.mark.parametrize("text", ["", "fast", "-1", "1e3", "1..5", "5 parsecs", "0x10", "1,5M", "NaN"])
def test_what_is_no_quantity_is_refused_with_an_example(parse, text):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert repr(text.strip()) in caught.value.message or repr(text) in caught.value.message
    assert "like" in caught.value.remedy


@given(st.integers(0, 1 << 50))
def test_whole_bytes_survive_being_written(count):
    assert parse_size_bytes(str(count)) == count


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 * MIB, "3.0 MiB"), (5000 * GIB, "4.9 TiB")],
)
def test_sizes_for_people(count, text):
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("bps", "text"),
    [(0, "0 bit/s"), (93_400_000, "93.4 Mbit/s"), (2.5e12, "2.5 Tbit/s"), (9e15, "9000.0 Tbit/s")],
)
def test_rates_for_people(bps, text):
    assert format_rate(bps) == text


@pytest.mark.parametrize(
    ("length_ns", "text"),
    [
        (35 * MS, "35.0 ms"),
        (1_200 * MS, "1.20 s"),
        (90 * SECOND, "90.00 s"),
        (125 * SECOND, "2 min 5 s"),
        (40 * US, "40 µs"),
    ],
)
def test_durations_for_people(length_ns, text):
    assert format_duration(length_ns) == text
