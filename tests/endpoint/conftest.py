"""Fixtures of the endpoint's tests."""

import pytest
from wire_to_wire import Bench

from mayhem_udp.endpoint.loop import Loop


@pytest.fixture
def bench():
    """Opens sockets, and closes them after the test."""
    bench = Bench()
    yield bench
    bench.close()


@pytest.fixture
def loop():
    """A loop on the real clock."""
    with Loop() as loop:
        yield loop
