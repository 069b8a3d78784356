"""What the process does with memory that is free again.

A sender's blocks come and go with each file, a megabyte each. glibc gives what is free at the end of its heap
back to the system as soon as it is more than a threshold, and then each page is faulted in anew: a quarter of a
million faults for 100 files of 10 MB, and 15 % of the CPU. The threshold is twice the largest block that
was ever allocated from the system and freed (mallopt(3), M_MMAP_THRESHOLD), so that one that nobody
touches teaches it. Where there is no glibc this changes nothing.
"""

from typing import Final

from mayhem_udp.units import KIB, MIB

LESSON_BYTES: Final = 32 * MIB - 64 * KIB
"""Just under the largest block that glibc learns from (DEFAULT_MMAP_THRESHOLD_MAX)."""


def keep_freed_memory() -> None:
    """From now on up to 64 MB of freed memory stay with the process."""
    bytes(LESSON_BYTES)  # zeros that the system has: no page of it is touched
