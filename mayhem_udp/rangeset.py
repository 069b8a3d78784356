"""RangeSet: a set of integers kept as sorted, disjoint, half-open ranges.

Owns nothing but its two lists. Used for acknowledgements, holes in a file and what is in flight.
Never bounds itself: whoever owns one decides what to forget or refuse.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class RangeSet:
    """Integers as half-open ranges `[start, stop)`, ascending; adjacent ranges are merged."""

    __slots__ = ("_starts", "_stops", "covered")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self.covered = 0
        """How many integers are in the set."""
        for start, stop in ranges:
            self.add(start, stop)

    def add(self, start: int, stop: int) -> int:
        """Add `[start, stop)`; returns how many integers of it are new."""
        if start >= stop:
            return 0
        starts, stops = self._starts, self._stops
        if not stops or start > stops[-1]:  # by far the most common: a range past the end
            starts.append(start)
            stops.append(stop)
            self.covered += stop - start
            return stop - start
        if start == stops[-1]:
            stops[-1] = stop
            self.covered += stop - start
            return stop - start
        low = bisect_left(stops, start)  # first range that touches or follows start
        high = bisect_right(starts, stop)  # first range wholly after stop
        if low == high:
            starts.insert(low, start)
            stops.insert(low, stop)
            self.covered += stop - start
            return stop - start
        merged_start, merged_stop = min(start, starts[low]), max(stop, stops[high - 1])
        before = sum(stops[low:high]) - sum(starts[low:high])
        starts[low:high] = [merged_start]
        stops[low:high] = [merged_stop]
        new = merged_stop - merged_start - before
        self.covered += new
        return new

    def remove(self, start: int, stop: int) -> int:
        """Remove `[start, stop)`; returns how many integers were there."""
        if start >= stop or not self._starts:
            return 0
        starts, stops = self._starts, self._stops
        low = bisect_right(stops, start)
        high = bisect_left(starts, stop)
        if low >= high:
            return 0
        before = sum(stops[low:high]) - sum(starts[low:high])
        kept: list[tuple[int, int]] = []
        if starts[low] < start:
            kept.append((starts[low], start))
        if stops[high - 1] > stop:
            kept.append((stop, stops[high - 1]))
        starts[low:high] = [each[0] for each in kept]
        stops[low:high] = [each[1] for each in kept]
        removed = before - sum(b - a for a, b in kept)
        self.covered -= removed
        return removed

    def holes(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The ranges of `[start, stop)` that are not in the set, ascending."""
        index = bisect_right(self._stops, start)
        while start < stop:
            if index >= len(self._starts) or self._starts[index] >= stop:
                yield start, stop
                return
            if self._starts[index] > start:
                yield start, self._starts[index]
            start = self._stops[index]
            index += 1

    def overlap(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """The ranges of `[start, stop)` that are in the set, ascending."""
        index = bisect_right(self._stops, start)
        while index < len(self._starts) and self._starts[index] < stop:
            yield max(start, self._starts[index]), min(stop, self._stops[index])
            index += 1

    def stop_of(self, value: int) -> int:
        """The end of the range that holds `value`, or `value` itself when it is not in the set."""
        index = bisect_right(self._stops, value)
        if index < len(self._starts) and self._starts[index] <= value:
            return self._stops[index]
        return value

    def covers(self, start: int, stop: int) -> bool:
        """True when every integer of `[start, stop)` is in the set."""
        return start >= stop or self.stop_of(start) >= stop

    def newest(self, count: int) -> list[tuple[int, int]]:
        """The `count` highest ranges, highest first."""
        starts, stops = self._starts[-count:], self._stops[-count:]
        return list(zip(reversed(starts), reversed(stops), strict=True))

    def drop_below(self, value: int) -> None:
        """Forget every integer under `value`."""
        if self._starts and self._starts[0] < value:
            self.remove(self._starts[0], value)

    def drop_oldest(self, keep: int) -> None:
        """Forget the lowest ranges so that at most `keep` remain."""
        extra = len(self._starts) - keep
        if extra > 0:
            self.covered -= sum(self._stops[:extra]) - sum(self._starts[:extra])
            del self._starts[:extra], self._stops[:extra]

    def lowest(self) -> tuple[int, int]:
        """The lowest range; the set must not be empty."""
        return self._starts[0], self._stops[0]

    @property
    def start(self) -> int:
        """The lowest integer; the set must not be empty."""
        return self._starts[0]

    @property
    def stop(self) -> int:
        """One past the highest integer; the set must not be empty."""
        return self._stops[-1]

    def __contains__(self, value: int) -> bool:
        return self.stop_of(value) > value

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._starts, self._stops, strict=True)))

    def __len__(self) -> int:
        """How many ranges there are (not how many integers: that is `covered`)."""
        return len(self._starts)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RangeSet):
            return NotImplemented
        return self._starts == other._starts and self._stops == other._stops

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"RangeSet({list(self)!r})"
