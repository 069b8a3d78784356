"""The processes of the demo: started together, heard while they run, and ended whatever happens.

Owns their pipes. Lines that are JSON are handed on as events; anything else is what a process says to
people, and is kept for the case that it fails.
"""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Self

COMMAND: Final = Path(sys.executable).with_name("mayhem")
LOOK_S: Final = 0.2
END_WAIT_S: Final = 15

Event = Mapping[str, Any]
Hear = Callable[["Player", Event], None]


class Player:
    """One process, and what it has said so far."""

    def __init__(self, role: str, arguments: list[str], *, folder: Path) -> None:
        self.role = role
        self.said: list[str] = []
        self.events: list[Event] = []
        self._rest: dict[int, bytes] = {}
        environ = {**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
        environ = {name: value for name, value in environ.items() if not name.startswith("MAYHEM_")}
        self.process = subprocess.Popen(
            [COMMAND, *arguments],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def pipes(self) -> Iterator[int]:
        """Both of its streams."""
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None, "both are pipes"
            yield stream.fileno()

    def take(self, pipe: int) -> Iterator[Event] | None:
        """Read what there is; returns the events in it, None at the end of the stream."""
        chunk = os.read(pipe, 65_536)
        if not chunk:
            return None
        *lines, self._rest[pipe] = (self._rest.get(pipe, b"") + chunk).split(b"\n")
        return iter([event for line in lines if (event := self._understood(line)) is not None])

    def _understood(self, line: bytes) -> Event | None:
        text = line.decode("utf-8", "replace")
        if not text.startswith("{"):
            self.said.append(text)
            return None
        event: Event = json.loads(text)
        self.events.append(event)
        return event


class Cast:
    """All players. Used with `with`: none outlives it."""

    def __init__(self, hear: Hear, *, until: float) -> None:
        """`until` is when, by the monotonic clock, everything has to be over."""
        self._hear = hear
        self._until = until
        self._players: list[Player] = []
        self._selector = selectors.DefaultSelector()

    def start(self, role: str, arguments: list[str], *, folder: Path) -> Player:
        """Start one."""
        player = Player(role, arguments, folder=folder)
        self._players.append(player)
        for pipe in player.pipes():
            self._selector.register(pipe, selectors.EVENT_READ, player)
        return player

    def run_until(self, condition: Callable[[], bool]) -> bool:
        """Hear what is said until the condition holds; False when there is no time left, or nobody to hear."""
        while not condition():
            if time.monotonic() > self._until or not self._selector.get_map():
                return condition()
            for key, _ in self._selector.select(LOOK_S):
                events = key.data.take(key.fd)
                if events is None:
                    self._selector.unregister(key.fd)
                for event in events or ():
                    self._hear(key.data, event)
        return True

    def end(self, player: Player) -> int:
        """Ask one to end, hear its last words, and return its exit code."""
        player.process.terminate()
        self._until = time.monotonic() + END_WAIT_S
        self.run_until(lambda: self._is_silent(player))
        return player.process.wait(END_WAIT_S)

    def _is_silent(self, player: Player) -> bool:
        return all(key.data is not player for key in self._selector.get_map().values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for player in self._players:
            if player.process.poll() is None:
                player.process.kill()
            player.process.wait()
            for stream in (player.process.stdout, player.process.stderr):
                assert stream is not None, "both are pipes"
                stream.close()
        self._selector.close()
