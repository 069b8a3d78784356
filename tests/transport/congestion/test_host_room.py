"""The bursts that two hosts can take, where the path between them holds nothing."""

from mayhem_udp.transport.congestion.bbr.constants import HOST_ROOM_RETRY_NS
from mayhem_udp.transport.congestion.bbr.host_room import BURST_MIN_BYTES, HostRoom
from mayhem_udp.transport.congestion.bursts import HUGE_BYTES
from mayhem_udp.units import MS


def test_bursts_that_get_lost_become_smaller_and_are_blamed_for_it():
    room = HostRoom()
    assert room.on_epoch(0.4, now_ns=0)
    assert room.burst_bytes == HUGE_BYTES // 2


def test_bursts_that_arrive_stay_as_they_are():
    room = HostRoom()
    assert not room.on_epoch(0.001, now_ns=0)
    assert room.burst_bytes == HUGE_BYTES


def test_the_smallest_bursts_are_not_to_blame():
    """What is lost then is lost by chance: mayhem on loopback is such a path."""
    room = HostRoom()
    verdicts = [room.on_epoch(0.1, now_ns=number * 5 * MS) for number in range(20)]
    assert room.burst_bytes == BURST_MIN_BYTES
    assert verdicts == [True] * 3 + [False] * 17


def test_larger_ones_are_tried_again_after_a_while():
    room = HostRoom()
    room.on_epoch(0.4, now_ns=0)
    room.on_epoch(0.0, now_ns=HOST_ROOM_RETRY_NS)
    assert room.burst_bytes == HUGE_BYTES // 2
    room.on_epoch(0.0, now_ns=HOST_ROOM_RETRY_NS + 1)
    assert room.burst_bytes == HUGE_BYTES
