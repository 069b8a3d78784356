"""The search for the size that a path takes (RFC 8899), against paths that take any."""

from hypothesis import given
from hypothesis import strategies as st
from test_recovering import arrives, sent_body, settle
from virtual_pair import CLIENT, MIB, SERVER, Pair

from mayhem_udp.limits import DATAGRAM_MAX_BYTES, DATAGRAM_MIN_BYTES
from mayhem_udp.transport.pmtud import (
    PLATEAUS,
    PROBES_MAX,
    RAISE_NS,
    SWALLOWED_MIN,
    SWALLOWED_TIMEOUTS,
    PathMtu,
)
from mayhem_udp.units import MS, SECOND

SIZES = st.integers(DATAGRAM_MIN_BYTES, DATAGRAM_MAX_BYTES)


def probe(mtu, truth, *, probes_max=500):
    """Play a path that carries `truth` bytes; returns how many probes the search took."""
    for count in range(probes_max):
        size = mtu.wanted_probe_bytes()
        if not size:
            return count
        mtu.on_acked(size) if size <= truth else mtu.on_lost(size)
    raise AssertionError("the search never ends")


@given(SIZES, SIZES)
def test_the_search_finds_the_best_of_the_sizes_in_practice(ceiling, truth):
    mtu = PathMtu(ceiling_bytes=ceiling)
    probe(mtu, truth)
    candidates = [DATAGRAM_MIN_BYTES, *(size for size in PLATEAUS if size < ceiling), ceiling]
    assert mtu.current_bytes == max(size for size in candidates if size <= truth)


@given(SIZES, SIZES)
def test_the_search_is_short(ceiling, truth):
    mtu = PathMtu(ceiling_bytes=ceiling)
    assert probe(mtu, truth) <= PROBES_MAX * (len(PLATEAUS).bit_length() + 1)


def test_a_path_that_takes_all_is_known_after_one_probe():
    mtu = PathMtu(ceiling_bytes=1_472)
    assert probe(mtu, 65_000) == 1
    assert mtu.current_bytes == 1_472


def test_some_losses_of_a_size_are_no_proof():
    mtu = PathMtu(ceiling_bytes=1_472)
    for _ in range(PROBES_MAX - 1):
        mtu.on_lost(1_472)
    assert mtu.wanted_probe_bytes() == 1_472
    mtu.on_lost(1_400)
    assert mtu.wanted_probe_bytes() == 1_472, "that was another size"
    mtu.on_lost(1_472)
    assert mtu.wanted_probe_bytes() < 1_472


def test_what_the_local_interface_refuses_is_too_large_at_once():
    mtu = PathMtu(ceiling_bytes=9_000)
    mtu.on_too_large(9_000)
    assert 0 < mtu.wanted_probe_bytes() < 9_000


def test_a_black_hole_leads_back_to_the_base_and_up_again():
    mtu = PathMtu(ceiling_bytes=1_472)
    probe(mtu, 1_472)
    mtu.on_black_hole(ceiling_bytes=1_472)
    assert mtu.current_bytes == DATAGRAM_MIN_BYTES
    probe(mtu, 1_300)
    assert mtu.current_bytes == 1_292


def swallow(mtu, *, count, over_ns, size=1_400, from_ns=0):
    """So many of a size are lost, evenly over a time; returns what the last of them showed."""
    sent = [from_ns + over_ns * number // (count - 1) for number in range(count)]
    return [mtu.on_swallowed(size, 1, sent_ns=sent_ns, timeout_ns=100 * MS) for sent_ns in sent][-1]


def test_many_large_datagrams_lost_over_a_long_time_are_a_black_hole():
    long_ns = SWALLOWED_TIMEOUTS * 100 * MS + 1
    assert swallow(PathMtu(ceiling_bytes=1_472), count=SWALLOWED_MIN, over_ns=long_ns)
    assert not swallow(PathMtu(ceiling_bytes=1_472), count=SWALLOWED_MIN - 1, over_ns=long_ns)
    assert not swallow(PathMtu(ceiling_bytes=1_472), count=50, over_ns=long_ns - 1)
    assert not swallow(PathMtu(ceiling_bytes=1_472), count=50, over_ns=long_ns, size=DATAGRAM_MIN_BYTES)


def test_one_large_datagram_that_arrives_shows_that_there_is_no_black_hole():
    mtu = PathMtu(ceiling_bytes=1_472)
    assert not swallow(mtu, count=7, over_ns=700 * MS)
    mtu.on_arrived(1_400, sent_ns=750 * MS)
    assert not swallow(mtu, count=7, over_ns=700 * MS, from_ns=800 * MS)
    mtu.on_arrived(1_100, sent_ns=1_600 * MS)
    assert swallow(mtu, count=7, over_ns=700 * MS, from_ns=1_700 * MS), "a small one shows nothing"


def test_a_larger_size_is_looked_for_again_after_a_while():
    mtu = PathMtu(ceiling_bytes=1_472)
    probe(mtu, 1_300)
    assert not mtu.raise_due(now_ns=1), "the time runs from here"
    assert not mtu.raise_due(now_ns=RAISE_NS)
    assert mtu.raise_due(now_ns=RAISE_NS + 1)
    mtu.search(ceiling_bytes=1_472)
    assert not mtu.raise_due(now_ns=RAISE_NS + 2)
    probe(mtu, 1_472)
    assert mtu.current_bytes == 1_472


def test_nothing_above_a_small_ceiling_is_tried():
    mtu = PathMtu(ceiling_bytes=DATAGRAM_MIN_BYTES)
    assert mtu.wanted_probe_bytes() == 0


def test_a_late_answer_to_a_smaller_probe_takes_nothing_back():
    mtu = PathMtu(ceiling_bytes=1_472)
    mtu.on_acked(1_472)
    mtu.on_acked(1_300)
    assert mtu.current_bytes == 1_472


# --- On a pair -----------------------------------------------------------------------------------------


class Narrow:
    """A link that swallows what is larger than its MTU, as a tunnel does whose ICMP is filtered."""

    def __init__(self, inner, size):
        self.inner, self.size, self.swallowed = inner, size, 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def push_batch(self, datagrams, **how):
        fitting = [each for each in datagrams if len(each) <= self.size]
        self.swallowed += len(datagrams) - len(fitting)
        self.inner.push_batch(fitting, **how)


def narrow(pair, size):
    """From now on the way from client to server carries `size` bytes at most."""
    link = Narrow(pair.links.outward, size)
    pair.simulator.route(CLIENT, SERVER, (link,))
    return link


def test_a_pair_finds_the_size_of_its_path(pair):
    narrow(pair, 1_400)
    pair.open()
    arrives(pair, *sent_body(pair, 3 * MIB))
    pair.run(seconds=5)
    assert pair.connection.path.mtu.current_bytes == 1_392


def test_a_path_that_becomes_narrow_in_mid_transfer_is_noticed():
    """Nothing of full size arrives any more: after some probes in vain the size falls to the base."""
    pair = Pair("delay=10ms,rate=50M")
    settle(pair)
    assert pair.connection.path.mtu.current_bytes == 1_472
    request, data = sent_body(pair, 3 * MIB)
    pair.run(seconds=0.1)
    assert pair.far.bodies[request].here.covered < len(data)
    narrow(pair, 1_300)
    arrives(pair, request, data)
    assert pair.connection.path.mtu.current_bytes == 1_292


def test_lost_probes_of_the_size_are_no_congestion(pair):
    link = narrow(pair, 1_250)
    pair.open()
    pair.run(seconds=8)
    assert link.swallowed >= 2 * PROBES_MAX
    assert pair.connection.path.delivery.lost_bytes == 0
    assert pair.connection.stats.lost == 0, "no datagram that carried anything"
    assert pair.connection.path.mtu.current_bytes == 1_232


def test_what_the_path_would_carry_for_long_is_not_tried_until_it_is_faster():
    mtu = PathMtu(ceiling_bytes=65_487)
    assert mtu.wanted_probe_bytes(limit_bytes=1_472) == 1_472
    mtu.on_acked(1_472)
    assert mtu.wanted_probe_bytes(limit_bytes=1_472) == 0
    assert mtu.wanted_probe_bytes(limit_bytes=9_000) == 8_952
    assert probe(mtu, 65_487) < 6
    assert mtu.current_bytes == 65_487


def test_a_modems_line_is_not_blocked_by_probes_for_a_size_that_it_could_carry():
    """64 KB on it take 15 seconds: all that waited behind counted as lost, again and again, and nothing ever ended."""
    wide = {"datagram_max_bytes": 65_487}
    pair = Pair("delay=65ms,rate=33600,queue=16K", client=wide, server=wide)
    pair.open()
    arrives(pair, *sent_body(pair, 20_000))
    assert pair.now_ns < 10 * SECOND
    assert pair.connection.path.mtu.current_bytes <= 1_472
