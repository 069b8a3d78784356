"""The proxy's core: flows of clients, their faults, their number and their end."""

from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.mayhem.faults import SEED_MAX, Direction
from mayhem_udp.mayhem.proxy import FLOW_IDLE_NS, FLOW_QUIET_NS, Proxy
from mayhem_udp.mayhem.spec import parse_spec
from mayhem_udp.transport.datagrams import Address, ReceivedBatch
from mayhem_udp.units import MS, SECOND

SERVER = Address("server", 5000)


def client(number):
    return Address("client", number)


def batch_of(datagrams, address):
    data = b"".join(datagrams)
    return ReceivedBatch(data, len(datagrams[0]), len(data), address)


def numbered(count, size=8):
    return [number.to_bytes(size, "big") for number in range(count)]


def send(proxy, address, datagrams, *, now_ns=0):
    """A client's datagrams into the proxy; returns its flow, None when there was no room."""
    flow, _ = proxy.flow_of(address, now_ns=now_ns)
    batch = batch_of(datagrams, address)
    if flow is None:
        proxy.refuse(batch)
    else:
        proxy.enter(flow, Direction.OUT, batch, now_ns=now_ns)
    return flow


def came_out(proxy):
    """The bytes that each flow's client has got through to the server."""
    came = {}
    for delivery in proxy.poll(now_ns=0):
        number = delivery.flow.number
        came[number] = came.get(number, b"") + bytes(delivery.batch.data)
    return came


def test_what_a_client_sends_comes_out_towards_the_server_and_answers_come_back():
    proxy = Proxy(parse_spec("delay=10ms"))
    flow = send(proxy, client(1), numbered(3))
    assert proxy.poll(now_ns=9 * MS) == []
    assert proxy.next_deadline_ns() == 10 * MS
    (delivery,) = proxy.poll(now_ns=10 * MS)
    assert (delivery.flow, delivery.direction) == (flow, Direction.OUT)
    assert bytes(delivery.batch.data) == b"".join(numbered(3))
    proxy.enter(flow, Direction.IN, batch_of([b"answer"], SERVER), now_ns=20 * MS)
    (delivery,) = proxy.poll(now_ns=30 * MS)
    assert (delivery.flow.client, delivery.direction) == (client(1), Direction.IN)
    assert bytes(delivery.batch.data) == b"answer"


def test_a_client_keeps_its_flow_and_another_gets_another():
    proxy = Proxy(parse_spec("none"))
    flows = [send(proxy, client(number), numbered(1)) for number in (1, 2, 1)]
    assert flows[0] is flows[2]
    assert [flow.number for flow in flows] == [0, 1, 0]


def test_each_flow_and_direction_has_faults_of_its_own():
    proxy = Proxy(parse_spec("drop=0.5,seed=3"))
    for number in (1, 2):
        flow = send(proxy, client(number), numbered(100))
        proxy.enter(flow, Direction.IN, batch_of(numbered(100), SERVER), now_ns=0)
    came = [(each.flow.number, each.direction, bytes(each.batch.data)) for each in proxy.poll(now_ns=0)]
    assert len(came) == 4
    assert len({data for _, _, data in came}) == 4


@given(st.integers(0, SEED_MAX), st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_faults_of_a_flow_do_not_depend_on_the_other_flows(seed, order):
    spec = parse_spec(f"drop=0.3,corrupt=0.3,seed={seed}")
    order = [*range(4), *order]  # the same clients in the same order, then any mixture
    mixed, apart = Proxy(spec), Proxy(spec)
    for number in order:
        send(mixed, client(number), numbered(10))
    for number in range(4):
        send(apart, client(number), numbered(10))
    for number in sorted(order[4:]):
        send(apart, client(number), numbered(10))
    assert came_out(mixed) == came_out(apart)


def test_an_idle_flow_ends_and_its_client_starts_anew():
    proxy = Proxy(parse_spec("none"))
    first = send(proxy, client(1), numbered(1))
    send(proxy, client(2), numbered(1), now_ns=SECOND)
    proxy.poll(now_ns=SECOND)
    assert proxy.next_deadline_ns() == FLOW_IDLE_NS
    assert proxy.expire(now_ns=FLOW_IDLE_NS) == [first]
    assert proxy.next_deadline_ns() == FLOW_IDLE_NS + SECOND
    assert send(proxy, client(1), numbered(1), now_ns=FLOW_IDLE_NS).number == 2


def test_an_answer_keeps_a_flow_alive():
    proxy = Proxy(parse_spec("none"))
    flow = send(proxy, client(1), numbered(1))
    proxy.enter(flow, Direction.IN, batch_of(numbered(1), SERVER), now_ns=FLOW_IDLE_NS - 1)
    assert proxy.expire(now_ns=FLOW_IDLE_NS) == []


def test_when_all_flows_are_in_use_the_longest_quiet_makes_room_and_a_busy_one_does_not():
    proxy = Proxy(parse_spec("none"), flows_max=2)
    quiet = send(proxy, client(1), numbered(1))
    send(proxy, client(2), numbered(1), now_ns=MS)
    assert send(proxy, client(3), numbered(4), now_ns=SECOND) is None
    assert proxy.counts.refused == 4
    flow, ended = proxy.flow_of(client(3), now_ns=FLOW_QUIET_NS)
    assert ended == [quiet]
    assert flow.number == 2
    assert proxy.counts.flows == 2


def test_a_flood_of_clients_takes_bounded_memory():
    proxy = Proxy(parse_spec("delay=1s"), flows_max=16)
    for number in range(2_000):
        send(proxy, client(number), numbered(2), now_ns=number * SECOND)
    counts = proxy.counts
    assert counts.flows == 16
    assert counts.flows_seen + counts.refused // 2 == 2_000
    assert len(proxy._agenda) <= 32


def test_counts_add_up_over_living_and_ended_flows():
    proxy = Proxy(parse_spec("drop=0.2,delay=10ms,seed=1"))
    for number in range(4):
        send(proxy, client(number), numbered(50))
    proxy.poll(now_ns=10 * MS)
    for number in range(2):
        send(proxy, client(number), numbered(50), now_ns=2 * SECOND)
    before = proxy.counts
    assert len(proxy.expire(now_ns=FLOW_IDLE_NS)) == 2
    assert len(proxy.expire(now_ns=FLOW_IDLE_NS + 2 * SECOND)) == 2  # with datagrams still on their way
    after = proxy.counts
    assert (before.flows, after.flows, after.flows_seen) == (4, 0, 4)
    outward = after.outward
    assert outward.seen == before.outward.seen == 300
    assert outward.held == 0
    assert outward.seen == outward.delivered + outward.lost
    assert outward.queue_dropped == before.outward.held > 50
