"""What is left of a transfer that was cut: the journal's word, checked against the bytes.

Owns the rule that no byte on the disk is trusted unless a digest of the journal covers it and fits.
Never writes.
"""

import xxhash

from mayhem_udp.rangeset import RangeSet
from mayhem_udp.store.disk import Disk
from mayhem_udp.store.filling import Filling
from mayhem_udp.store.journal import JournalReader


def recover(disk: Disk, file: int, reader: JournalReader, filling: Filling) -> None:
    """Read every range that the journal names, and let `filling` have those whose digests fit.

    Ranges that are known to be good are not read again, so a journal costs at most one reading of
    each of its records. Raises `OSError`.
    """
    verified = RangeSet()
    for record in reader.records():
        if verified.covers(record.start, record.stop):
            continue
        length = record.stop - record.start
        if length > _RECORD_SPAN_MAX_BYTES:
            continue
        data = disk.read(file, length, record.start)
        if len(data) == length and xxhash.xxh3_128_digest(data) == record.digest:
            verified.add(record.start, record.stop)
            filling.adopt(record.start, data)


_RECORD_SPAN_MAX_BYTES = 64 << 20
"""No journal of ours has longer runs: a run and the longest piece that ended it."""
