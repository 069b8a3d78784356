"""Turning a loop until something has happened: how tests wait, since none of them sleeps."""

from mayhem_udp.endpoint.clock import monotonic_ns
from mayhem_udp.units import SECOND

IN_VAIN_NS = 20 * SECOND
"""Far longer than anything here takes: who waits so long waits in vain."""


class Moment:
    """A clock that only a test moves."""

    def __init__(self, now_ns=1_000_000):
        self.now_ns = now_ns

    def __call__(self):
        return self.now_ns


def turn_until(loop, condition):
    """Let a loop on the real clock turn until the condition holds; fails where it never does."""

    def give_up():
        raise AssertionError("waited in vain")

    guard = loop.call_at(monotonic_ns() + IN_VAIN_NS, give_up)
    while not condition():
        loop.turn()
    guard.cancel()
