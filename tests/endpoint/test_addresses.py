"""Addresses: looked up, and to and from the kernel's forms."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_to_wire import has_ipv6

from mayhem_udp.endpoint.addresses import address_of, family_of, leaving_from, resolve, sockaddr_of
from mayhem_udp.errors import Code, UnreachableError
from mayhem_udp.transport.datagrams import Address
from mayhem_udp.url import HostPort

hosts = st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str)).filter(
    lambda host: not host.startswith("::ffff:")
)


def test_a_numeric_host_is_itself():
    assert resolve(HostPort("127.0.0.1", 5000)) == (Address("127.0.0.1", 5000),)


def test_localhost_is_this_machine_in_every_ip_version_it_has():
    found = {address.host for address in resolve(HostPort("localhost", 5000))}
    assert found <= {"127.0.0.1", "::1"}
    assert found


@pytest.mark.parametrize("host", ["fe80::1%nosuchcard", "a..b", "x" * 64])
def test_a_name_that_cannot_be_looked_up_says_so(host):
    with pytest.raises(UnreachableError, match="cannot be looked up") as caught:
        resolve(HostPort(host, 5000))
    assert caught.value.code is Code.NAME_UNRESOLVED
    assert caught.value.exit_code == 3
    assert caught.value.remedy


@given(host=hosts, port=st.integers(0, 65_535), scope_id=st.integers(0, 9))
def test_an_address_survives_the_way_to_the_kernel_and_back(host, port, scope_id):
    address = Address(host, port, scope_id if ":" in host else 0)
    assert address_of(sockaddr_of(address, family_of(address))) == address
    if ":" not in host:
        assert address_of(sockaddr_of(address, socket.AF_INET6)) == address


def test_without_an_address_of_ours_the_kernel_chooses_the_source():
    assert leaving_from(Address("127.0.0.1", 9), socket.AF_INET) == ()


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_a_link_local_answer_goes_to_the_card_that_the_question_came_by():
    ((level, kind, data),) = leaving_from(Address("fe80::2", 9, 7, "fe80::1"), socket.AF_INET6)
    assert (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO)
    assert data == socket.inet_pton(socket.AF_INET6, "fe80::1") + (7).to_bytes(4, "little")
