"""The watchdog, with a service manager of the test's own: a loop that stands still says why, and comes back.

What makes the loop stand still is real: its settings file is a pipe by the time that it reads it again, and
nobody writes to it.
"""

import json
import os
import signal
import socket

import pytest
from town import WAIT_S

WATCHDOG_S = 3
STANDS_STILL = "the loop stands still, and the service manager is about to end this daemon"


class Manager:
    """What systemd is to a service with WatchdogSec= and Restart=on-failure."""

    def __init__(self, town, listener, place):
        self._town, self._listener = town, listener
        self.settings = town.folder / "config.toml"
        self.settings.write_text("")
        self.environ = {
            "NOTIFY_SOCKET": str(place),
            "WATCHDOG_USEC": str(WATCHDOG_S * 1_000_000),
            "PYTHONFAULTHANDLER": "1",
        }

    def start(self):
        daemon = self._town.daemon("--config", self.settings, environ=self.environ)
        self.wait_for("READY=1")
        self.wait_for("WATCHDOG=1")
        return daemon

    def wait_for(self, assignment):
        while assignment not in self._listener.recv(4_096).decode().split("\n"):
            pass

    def reload_from_a_pipe(self, daemon):
        """From now on the loop waits for somebody to write."""
        self.settings.unlink()
        os.mkfifo(self.settings)
        daemon.signal(signal.SIGHUP)
        self.wait_for("RELOADING=1")

    def watch(self, daemon):
        """End it once it has not been heard of for so long."""
        self._listener.settimeout(WATCHDOG_S)
        try:
            while True:
                self._listener.recv(4_096)
        except TimeoutError:
            daemon.signal(signal.SIGABRT)
            return daemon.end()
        finally:
            self._listener.settimeout(WAIT_S)


@pytest.fixture
def manager(town, tmp_path):
    place = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(place))
        listener.settimeout(WAIT_S)
        yield Manager(town, listener, place)


def test_a_loop_that_stands_still_is_ended_and_its_last_line_says_why_and_where(town, manager):
    daemon = manager.start()
    manager.reload_from_a_pipe(daemon)
    ended = manager.watch(daemon)
    assert ended.code == -signal.SIGABRT
    last = json.loads(ended.err.splitlines()[-1])
    assert (last["event"], last["level"]) == (STANDS_STILL, "error")
    assert last["busy_with"] == "Daemon._on_reload_asked"
    assert any("load.py" in each for each in last["where"])
    assert any("Daemon._reload" in each for each in last["where"])

    manager.settings.unlink()
    manager.settings.write_text("")
    again = manager.start()
    town.mayhem("ping", again.url).well()


def test_a_loop_that_goes_on_after_all_is_heard_of_again(town, manager):
    daemon = manager.start()
    manager.reload_from_a_pipe(daemon)
    daemon.wait_for_event(STANDS_STILL)
    manager.settings.write_text("")
    manager.wait_for("READY=1")
    manager.wait_for("WATCHDOG=1")
    daemon.wait_for_event("the loop stalled", busy_with="Daemon._on_reload_asked")
    daemon.signal(signal.SIGABRT)
    ended = daemon.end()
    assert ended.code == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in ended.err, "Python's own dump is back"
