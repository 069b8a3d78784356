"""The steps that a simulated disk records: everything that changes something, and what was promised of it.

Owns their form. Never applies one: `simulated_disk` does while it runs, `power_loss` afterwards.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wrote:
    """Bytes of a file."""

    node: int
    offset: int
    data: bytes


@dataclass(frozen=True)
class Resized:
    """A file was cut or extended."""

    node: int
    size: int


@dataclass(frozen=True)
class Named:
    """A name in a folder means a node from now on; None: it is gone."""

    node: int
    name: bytes
    target: int | None


@dataclass(frozen=True)
class Attributes:
    """Permissions and time of a file."""

    node: int
    mode: int
    mtime_ns: int


@dataclass(frozen=True)
class Synced:
    """Everything that came before, of this node, is on the device."""

    node: int


@dataclass(frozen=True)
class SyncFailed:
    """What was not on the device yet is marked clean, and no later sync brings it there (fsync on Linux)."""

    node: int


@dataclass(frozen=True)
class Acknowledged:
    """Somebody was told that this name has this content; None: that it is gone."""

    name: str
    content: bytes | None


Step = Wrote | Resized | Named | Attributes | Synced | SyncFailed | Acknowledged
