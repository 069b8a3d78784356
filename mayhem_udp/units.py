"""Units: the names of quantities, and their short forms as people write them.

Owns the factors and the parsing and printing of sizes, rates and durations.
Never holds a default or a limit: those are in `config.toml` and `limits`.
"""

import re
from typing import Final

from mayhem_udp.errors import UsageError

NS: Final = 1
US: Final = 1_000
MS: Final = 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE

KIB: Final = 1 << 10
MIB: Final = 1 << 20
GIB: Final = 1 << 30

BITS_PER_BYTE: Final = 8

_NUMBER: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-zµ/]*)\s*")

_RATE_FACTORS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZE_FACTORS: Final = {
    "": 1,
    "b": 1,
    "k": KIB,
    "m": MIB,
    "g": GIB,
    "t": GIB << 10,
    "kib": KIB,
    "mib": MIB,
    "gib": GIB,
    "tib": GIB << 10,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
}
_DURATION_FACTORS_NS: Final = {
    "ns": NS,
    "us": US,
    "µs": US,
    "ms": MS,
    "s": SECOND,
    "": SECOND,
    "m": MINUTE,
    "min": MINUTE,
    "h": HOUR,
    "d": 24 * HOUR,
}


def _split(text: str, factors: dict[str, int], *, what: str, examples: str) -> int:
    match = _NUMBER.fullmatch(text)
    unit = match[2].lower() if match else ""
    if match is None or unit not in factors:
        raise UsageError(f"{text!r} is not a {what}", remedy=f"write it like {examples}")
    return round(float(match[1]) * factors[unit])


def parse_rate_bps(text: str) -> int:
    """Bits per second from `20M`, `1.5Gbit/s`, `800kbps` (decimal factors); raises `UsageError`."""
    plain = re.sub(r"(?i)(bit/s|bits/s|bps|bit|b/s)\s*$", "", text.strip())
    return _split(plain, _RATE_FACTORS, what="rate", examples="20M, 1.5G or 800k (bits per second)")


def parse_size_bytes(text: str) -> int:
    """Bytes from `64K`, `1.5MiB` (binary) or `10MB` (decimal); raises `UsageError`."""
    return _split(text, _SIZE_FACTORS, what="size", examples="64K, 1.5M, 2GiB or 10MB")


def parse_duration_ns(text: str) -> int:
    """Nanoseconds from `500ms`, `2s`, `1.5` (seconds), `3min`; raises `UsageError`."""
    return _split(text, _DURATION_FACTORS_NS, what="duration", examples="500ms, 2s or 3min")


def _in_units(value: int, units: tuple[tuple[int, str], ...]) -> str:
    return next((f"{value // size}{name}" for size, name in units if value and value % size == 0), str(value))


def spell_rate(rate_bps: int) -> str:
    """The shortest text that `parse_rate_bps` reads as this very rate: `20M`."""
    return _in_units(rate_bps, ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "K")))


def spell_size(size_bytes: int) -> str:
    """The shortest text that `parse_size_bytes` reads as this very size: `64K`."""
    return _in_units(size_bytes, ((GIB, "G"), (MIB, "M"), (KIB, "K")))


def spell_duration(duration_ns: int) -> str:
    """The shortest text that `parse_duration_ns` reads as this very time: `20ms`."""
    units = ((HOUR, "h"), (MINUTE, "min"), (SECOND, "s"), (MS, "ms"), (US, "us"), (NS, "ns"))
    return _in_units(duration_ns, units) if duration_ns else "0s"


def _scaled(value: float, step: float, names: tuple[str, ...]) -> str:
    index = 0
    while abs(value) >= step and index < len(names) - 1:
        value /= step
        index += 1
    digits = 0 if index == 0 else 1
    return f"{value:.{digits}f} {names[index]}"


def format_bytes(count: float) -> str:
    """A size for people: `1.5 MiB`."""
    return _scaled(count, 1024, ("B", "KiB", "MiB", "GiB", "TiB"))


def format_rate(bps: float) -> str:
    """A rate for people: `93.4 Mbit/s`."""
    return _scaled(bps, 1000, ("bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"))


def format_duration(duration_ns: float) -> str:
    """A duration for people: `1.20 s`, `35.0 ms`, `2 min 5 s`."""
    if duration_ns >= 2 * MINUTE:
        minutes, seconds = divmod(round(duration_ns / SECOND), 60)
        return f"{minutes} min {seconds} s"
    if duration_ns >= SECOND:
        return f"{duration_ns / SECOND:.2f} s"
    if duration_ns >= MS:
        return f"{duration_ns / MS:.1f} ms"
    return f"{duration_ns / US:.0f} µs"
