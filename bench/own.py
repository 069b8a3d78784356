"""The product under the bench: the real daemon and the real command line, in processes of their own.

Owns their arguments and surroundings: no configuration of the user's, a cache and a root of the bench's.
Never knows a figure.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.links import inside
from bench.processes import Ended, Program, program, run
from mayhem_udp.wire.layout import DATA_OVERHEAD_BYTES

COMMAND: Final = Path(sys.executable).with_name("mayhem")
PORT: Final = re.compile(r'"port":\s*(\d+)')
HEADERS_BYTES: Final = 28
"""IPv4 and UDP."""
OVERHEAD_BYTES: Final = HEADERS_BYTES + DATA_OVERHEAD_BYTES
"""What is not payload in a full packet of ours."""
ETHERNET_DATAGRAM_BYTES: Final = 1_472
STARTUP_S: Final = 10.0
"""What a command may take on top of what the link needs, before it is cut."""


@dataclass(slots=True)
class Daemon:
    """A daemon that runs."""

    program: Program
    root: Path
    url: str


def environment(scratch: Path) -> dict[str, str]:
    """The surroundings of a command: the bench's own, whatever the user has set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAYHEM_")}
    return {**kept, "XDG_CONFIG_HOME": str(scratch / "config"), "XDG_CACHE_HOME": str(scratch / "cache")}


@contextmanager
def daemon(
    scratch: Path,
    *,
    host: str = "127.0.0.1",
    namespace: str | None = None,
    options: Sequence[str] = (),
    settings: Mapping[str, object] | None = None,
) -> Iterator[Daemon]:
    """A daemon with an empty root, as long as the block lasts."""
    root = scratch / "root"
    root.mkdir(parents=True, exist_ok=True)
    command = [
        *(COMMAND, "serve", "--listen", f"{host}:0", "--root", root, "--log-format", "json"),
        *(*options, *sets(settings)),
    ]
    with program(inside(namespace, command), env=environment(scratch)) as running:
        running.wait_until(lambda it: PORT.search(it.stderr()) is not None, what="the daemon does not listen")
        found = PORT.search(running.stderr())
        assert found is not None
        yield Daemon(running, root, f"mayhem://{host}:{found[1]}/")


def mayhem(
    scratch: Path,
    *arguments: str | Path,
    timeout_s: float,
    namespace: str | None = None,
    settings: Mapping[str, object] | None = None,
) -> Ended:
    """One command line, run to its end."""
    command = [COMMAND, *arguments, *sets(settings)]
    return run(inside(namespace, command), timeout_s=timeout_s, env=environment(scratch))


def sets(settings: Mapping[str, object] | None) -> list[str]:
    """Settings as options."""
    return [text for name, value in (settings or {}).items() for text in ("--set", f"{name}={value}")]


def results(ended: Ended) -> list[dict[str, object]]:
    """What `--json` has printed."""
    return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
