"""The clock: the only one that is read anywhere.

Owns both times there are: the monotonic one that everything is reckoned with, and the calendar's, for
what outlives the process. Everybody else is given the time as an argument, or one of these functions.
"""

import time

from mayhem_udp.units import SECOND


def monotonic_ns() -> int:
    """Nanoseconds that only ever go forward, whatever happens to the calendar; 0 means nothing."""
    return time.monotonic_ns()


def unix_s() -> int:
    """Seconds since 1970, as the calendar has it now; it may jump."""
    return time.time_ns() // SECOND
