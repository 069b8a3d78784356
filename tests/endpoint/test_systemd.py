"""The service manager's two protocols, against a real notification socket."""

import os
import socket

import pytest

from mayhem_udp.endpoint.systemd import (
    DESCRIPTORS_MAX,
    STATUS_MAX_CHARS,
    HandedOver,
    Notifier,
    handed_over,
    watchdog_ns,
)
from mayhem_udp.units import SECOND


@pytest.fixture
def manager(tmp_path):
    """A service manager that listens, and where."""
    place = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(place)
        listener.settimeout(10)
        yield listener, place


def told(listener):
    return listener.recv(4_096).decode().split("\n")


# --- Sockets that are handed over ---------------------------------------------------------------------


def test_sockets_are_taken_over_in_their_order_with_their_names():
    environ = {"LISTEN_PID": "77", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "v4:v6"}
    assert handed_over(environ, process_id=77) == (HandedOver(3, "v4"), HandedOver(4, "v6"))


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_PID": "78", "LISTEN_FDS": "1"},
        {"LISTEN_PID": "77"},
        {"LISTEN_PID": "77", "LISTEN_FDS": "-1"},
        {"LISTEN_PID": "77", "LISTEN_FDS": "many"},
        {"LISTEN_PID": "+77", "LISTEN_FDS": "1"},
    ],
)
def test_what_is_not_meant_for_this_process_is_left_alone(environ):
    assert handed_over(environ, process_id=77) == ()


def test_sockets_without_names_are_taken_all_the_same():
    assert handed_over({"LISTEN_PID": "7", "LISTEN_FDS": "1"}, process_id=7) == (HandedOver(3, ""),)


def test_a_nonsensical_number_of_sockets_is_bounded():
    environ = {"LISTEN_PID": "7", "LISTEN_FDS": "9999999"}
    assert len(handed_over(environ, process_id=7)) == DESCRIPTORS_MAX


# --- The watchdog -------------------------------------------------------------------------------------


def test_the_watchdog_wants_to_be_told_within_its_time():
    assert watchdog_ns({"WATCHDOG_USEC": "3000000"}, process_id=7) == 3 * SECOND
    assert watchdog_ns({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, process_id=7) == 3 * SECOND


@pytest.mark.parametrize(
    "environ",
    [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "1", "WATCHDOG_PID": "8"}],
)
def test_nobody_watches_unless_systemd_says_so(environ):
    assert watchdog_ns(environ, process_id=7) is None


# --- Notifications ------------------------------------------------------------------------------------


def test_a_service_tells_its_life(manager):
    listener, place = manager
    notifier = Notifier({"NOTIFY_SOCKET": place})
    assert notifier.is_heard
    notifier.ready("0 clients")
    assert told(listener) == ["READY=1", f"MAINPID={os.getpid()}", "STATUS=0 clients"]
    notifier.reloading(now_ns=5_000_000)
    assert told(listener) == ["RELOADING=1", "MONOTONIC_USEC=5000"]
    notifier.watchdog()
    assert told(listener) == ["WATCHDOG=1"]
    notifier.stopping("waiting")
    assert told(listener) == ["STOPPING=1", "STATUS=waiting"]
    notifier.extend_timeout(15 * SECOND)
    assert told(listener) == ["EXTEND_TIMEOUT_USEC=15000000"]
    notifier.close()


def test_a_status_cannot_smuggle_in_assignments_of_its_own(manager):
    listener, place = manager
    notifier = Notifier({"NOTIFY_SOCKET": place})
    notifier.status("evil\nMAINPID=1\n" + "x" * 10_000)
    (line,) = told(listener)
    assert line.startswith("STATUS=evil MAINPID=1 xxx")
    assert len(line) == len("STATUS=") + STATUS_MAX_CHARS
    notifier.close()


def test_an_abstract_socket_is_understood():
    name = f"mayhem-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name)
        listener.settimeout(10)
        notifier = Notifier({"NOTIFY_SOCKET": "@" + name})
        notifier.watchdog()
        assert told(listener) == ["WATCHDOG=1"]
        notifier.close()


@pytest.mark.parametrize("place", ["", "relative/path", "/there/is/nobody/here", "/" + "x" * 200])
def test_without_a_service_manager_nothing_happens_and_nothing_is_raised(place):
    notifier = Notifier({"NOTIFY_SOCKET": place} if place else {})
    notifier.ready("well")
    notifier.status("still well")
    notifier.close()
    notifier.watchdog()
    assert not notifier.is_heard
