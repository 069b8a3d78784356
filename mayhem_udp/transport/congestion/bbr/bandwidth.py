"""The bandwidth of the path: the largest rate seen lately, counted in what is *sent*.

Owns the maximum over this cycle of probing and the one before it (draft-ietf-ccwg-bbr 5.5.3).
A sample is what was delivered, divided by the part that random loss leaves, but no more than was
sent: so random loss does not lower it, and chance does not raise it. It is the rate to send at, on
a link that loses before its bottleneck as on one that loses behind it.
"""


class Bandwidth:
    """The filter, in bytes a second."""

    __slots__ = ("_last_cycle", "_this_cycle", "rate")

    def __init__(self) -> None:
        self.rate = 0.0
        """The estimate."""
        self._last_cycle = 0.0
        self._this_cycle = 0.0

    def add(self, rate: float) -> None:
        """Take in a sample."""
        if rate > self._this_cycle:
            self._this_cycle = rate
            self.rate = max(self.rate, rate)

    def advance(self) -> None:
        """A cycle of probing is over: forget the one before it."""
        if self._this_cycle:
            self._last_cycle = self._this_cycle
            self._this_cycle = 0.0
            self.rate = self._last_cycle

    def lower(self, rate: float) -> None:
        """The path has been seen to carry no more than this: forget what said otherwise."""
        self._last_cycle = min(self._last_cycle, rate)
        self._this_cycle = min(self._this_cycle, rate)
        self.rate = max(self._last_cycle, self._this_cycle)
