"""Many files as one piece of work: how many are done, of how many, and how fast all of it goes.

Owns the sums of a command. Never writes anything; `words` makes sentences of them.
"""

from collections.abc import Callable
from typing import NamedTuple

from mayhem_udp.results import Phase, Progress, TransferResult
from mayhem_udp.units import BITS_PER_BYTE, SECOND


class Sum(NamedTuple):
    """What many files came to."""

    files: int
    bytes: int
    goodput_bps: float


class Tally:
    """The sums so far; what has been shown never goes back, whatever a lost connection has to do again."""

    def __init__(self, *, clock_ns: Callable[[], int], files_total: int | None, deed: str = "") -> None:
        """`files_total` is None where nobody knows; `deed` is what is done to files that are not moved."""
        self.files_total = files_total
        self.deed = deed
        self.failed = 0
        self._clock_ns = clock_ns
        self._began_ns = self._told_ns = clock_ns()
        self._files = 0
        self._bytes = 0
        self._crossed_bytes = 0.0
        self._under_way: dict[str, Progress] = {}
        self._files_seen = 0
        self._bytes_seen = 0
        self._crossed_bits_seen = 0.0

    # --- What happens --------------------------------------------------------------------------------

    def follow(self, progress: Progress) -> None:
        """A transfer of one or several files is so far."""
        if progress.state is Phase.DONE:
            self._under_way.pop(progress.name, None)
        else:
            self._under_way[progress.name] = progress

    def arrived(self, result: TransferResult) -> None:
        """One file has arrived."""
        self._under_way.pop(result.name, None)
        self._files += 1
        self._bytes += result.bytes
        self._crossed_bytes += result.bytes - result.resumed_bytes

    def done(self) -> None:
        """One file is done with."""
        self._files += 1

    def missed(self) -> None:
        """One file has failed."""
        self.failed += 1

    def is_due(self, interval_ns: int) -> bool:
        """Whether it is time to tell the sums again; if so, that time begins anew."""
        now_ns = self._clock_ns()
        if now_ns - self._told_ns < interval_ns:
            return False
        self._told_ns = now_ns
        return True

    # --- Sums ----------------------------------------------------------------------------------------

    @property
    def files(self) -> int:
        """Files that are done, well or badly, those of requests that are under way included."""
        now = self._files + self.failed + sum(each.files_done for each in self._under_way.values())
        self._files_seen = max(self._files_seen, now)
        return self._files_seen

    @property
    def bytes(self) -> int:
        """Bytes that are at the other side, those of files under way included."""
        now = self._bytes + sum(each.bytes_done for each in self._under_way.values())
        self._bytes_seen = max(self._bytes_seen, now)
        return self._bytes_seen

    @property
    def goodput_bps(self) -> float:
        """Bits of files that crossed in a second, over all of the time; what was there before did not."""
        under_way = sum(each.goodput_bps * each.seconds for each in self._under_way.values())
        now_bits = self._crossed_bytes * BITS_PER_BYTE + under_way
        self._crossed_bits_seen = max(self._crossed_bits_seen, now_bits)
        return self._per_second(self._crossed_bits_seen)

    @property
    def seconds(self) -> float:
        """Since all of it began."""
        return (self._clock_ns() - self._began_ns) / SECOND

    def result(self) -> "Sum":
        """What all of it came to. Of requests that were cut, what was seen of them is what there is to tell."""
        if self._files + self.failed < self.files:
            return Sum(self.files - self.failed, self.bytes, self.goodput_bps)
        return Sum(self._files, self._bytes, self._per_second(self._crossed_bytes * BITS_PER_BYTE))

    def _per_second(self, amount: float) -> float:
        seconds = self.seconds
        return amount / seconds if seconds > 0 else 0.0
