"""A file system in memory that remembers what it was told, and can lose what was not brought to the device.

Owns what the store needs of a disk (the protocol `Disk`), a record of every step that changes something,
and faults on order. It promises no more than POSIX does: only `sync` of a file saves its bytes, only
`sync` of a folder saves its names, and a rename is two changes of names. What a loss of power may leave
of the record is `power_loss`'s business.
"""

import errno
import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace

from disk_record import Acknowledged, Attributes, Named, Resized, Step, Synced, SyncFailed, Wrote

from mayhem_udp.store.disk import Kind

TOP = 1
"""The number of the folder `/`."""
NAME_MAX = 255


@dataclass
class Node:
    """A file, a folder, or something else."""

    kind: Kind
    data: bytearray = field(default_factory=bytearray)
    names: dict[bytes, int] = field(default_factory=dict)
    mode: int = 0o600
    mtime_ns: int = 0
    ctime_ns: int = 0
    locked_by: object | None = None


@dataclass(eq=False)
class OpenFile:
    """What `dup` shares: a lock belongs to it."""

    node: int
    descriptors: int = 1


def refused(number):
    return OSError(number, os.strerror(number))


class SimulatedDisk:
    """A `Disk`. `steps` is the record; `fault(operation, count)` may return an `OSError` to raise."""

    def __init__(self, *, capacity_bytes=1 << 40):
        self.nodes = {TOP: Node(Kind.FOLDER)}
        self.steps: list[Step] = []
        self.open: dict[int, OpenFile] = {}
        self.calls = Counter()
        self.calls_in_all = 0
        self.fault = lambda _operation, _count: None
        self.capacity_bytes = capacity_bytes
        self.cached_reads = True
        self.lives_in_memory = False
        self.settled = 0
        self._next_node = TOP + 1
        self._next_descriptor = 3
        self.now_ns = 1_000

    # --- What tests ask ------------------------------------------------------------------------------

    def content(self, path):
        """The bytes of a file, or None where there is none."""
        try:
            node = self.nodes[self._walk(path)]
        except OSError:
            return None
        return bytes(node.data) if node.kind is Kind.FILE else None

    def names(self, path):
        """The names in a folder."""
        return sorted(self.nodes[self._walk(path)].names)

    def plant(self, path, content=b"", *, kind=Kind.FILE):
        """Put something at a path, as somebody else would."""
        folder, name = self._split(path)
        self._name(folder, name, self._new(kind))
        node = self.nodes[self._walk(path)]
        node.data[:] = content
        if content:
            self.steps.append(Wrote(self._walk(path), 0, bytes(content)))

    def plant_folder(self, path):
        """Have a folder at a path, with those above it."""
        number = TOP
        for part in os.fsencode(path).split(b"/"):
            if part:
                if not self._exists(number, part):
                    self._name(number, part, self._new(Kind.FOLDER))
                number = self._find(number, part)

    def settle(self):
        """All that is here is on the device from now on."""
        self.steps = [step for node in self.nodes for step in self._as_steps(node)]
        self.steps += [Synced(node) for node in self.nodes]
        self.settled = len(self.steps)

    def _as_steps(self, number):
        node = self.nodes[number]
        for name, target in node.names.items():
            yield Named(number, name, target)
        if node.kind is Kind.FILE:
            yield Wrote(number, 0, bytes(node.data))
            yield Attributes(number, node.mode, node.mtime_ns)

    def acknowledge(self, name, content):
        self.steps.append(Acknowledged(name, content))

    # --- Faults --------------------------------------------------------------------------------------

    def _enter(self, operation):
        self.calls[operation] += 1
        self.calls_in_all += 1
        error = self.fault(operation, self.calls[operation])
        if error is not None:
            raise error

    # --- Nodes and names -----------------------------------------------------------------------------

    def _new(self, kind):
        number, self._next_node = self._next_node, self._next_node + 1
        self.nodes[number] = Node(kind, mode=0o600 if kind is Kind.FILE else 0o755, mtime_ns=self._tick())
        return number

    def _tick(self):
        self.now_ns += 1
        return self.now_ns

    def _name(self, folder, name, target):
        names = self.nodes[folder].names
        if target is None:
            del names[name]
        else:
            names[name] = target
        self.nodes[folder].mtime_ns = self._tick()
        self.steps.append(Named(folder, name, target))

    def _links(self, number):
        if self.nodes[number].kind is Kind.FOLDER:
            return 2
        return sum(list(node.names.values()).count(number) for node in self.nodes.values())

    def _walk(self, path):
        number = TOP
        for part in os.fsencode(path).split(b"/"):
            if part:
                number = self._find(number, part)
        return number

    def _split(self, path):
        folder, _, name = os.fsencode(path).rstrip(b"/").rpartition(b"/")
        return self._walk(folder), name

    def _find(self, folder, name):
        node = self.nodes[folder]
        if node.kind is not Kind.FOLDER:
            raise refused(errno.ENOTDIR)
        if len(name) > NAME_MAX:
            raise refused(errno.ENAMETOOLONG)
        if name == b".":
            return folder
        if name not in node.names:
            raise refused(errno.ENOENT)
        return node.names[name]

    def _exists(self, folder, name):
        try:
            self._find(folder, name)
        except FileNotFoundError:
            return False
        return True

    def _open(self, number):
        descriptor, self._next_descriptor = self._next_descriptor, self._next_descriptor + 1
        self.open[descriptor] = OpenFile(number)
        return descriptor

    def _of(self, descriptor):
        if descriptor not in self.open:
            raise refused(errno.EBADF)
        return self.open[descriptor].node

    # --- Disk: paths ---------------------------------------------------------------------------------

    def open_root(self, path):
        self._enter("open_root")
        number = self._walk(path)
        if self.nodes[number].kind is not Kind.FOLDER:
            raise refused(errno.ENOTDIR)
        return self._open(number)

    def open_path(self, path):
        self._enter("open_path")
        return self._open(self._walk(path))

    def status_of_path(self, path):
        self._enter("status_of_path")
        return self._status(self._walk(path))

    # --- Disk: folders and names ---------------------------------------------------------------------

    def open_folder(self, folder, name):
        self._enter("open_folder")
        number = self._find(self._of(folder), name)
        if self.nodes[number].kind is not Kind.FOLDER:
            raise refused(errno.ENOTDIR)
        return self._open(number)

    def make_folder(self, folder, name):
        self._enter("make_folder")
        if self._exists(self._of(folder), name):
            raise refused(errno.EEXIST)
        self._name(self._of(folder), name, self._new(Kind.FOLDER))

    def remove_folder(self, folder, name):
        self._enter("remove_folder")
        number = self._find(self._of(folder), name)
        if self.nodes[number].names:
            raise refused(errno.ENOTEMPTY)
        self._name(self._of(folder), name, None)

    def status_of(self, folder, name):
        self._enter("status_of")
        return self._status(self._find(self._of(folder), name))

    def entries(self, folder):
        self._enter("entries")
        for name, number in list(self.nodes[self._of(folder)].names.items()):
            yield name, self.nodes[number].kind

    def rename(self, folder, name, to_folder, to_name):
        self._enter("rename")
        number = self._find(self._of(folder), name)
        if self._exists(self._of(to_folder), to_name):
            there = self._find(self._of(to_folder), to_name)
            if self.nodes[there].kind is Kind.FOLDER:
                raise refused(errno.EISDIR)
            if there == number:
                return
            self.nodes[there].ctime_ns = self._tick()
        self._name(self._of(to_folder), to_name, number)
        self._name(self._of(folder), name, None)
        self.nodes[number].ctime_ns = self._tick()

    def remove_file(self, folder, name):
        self._enter("remove_file")
        number = self._find(self._of(folder), name)
        if self.nodes[number].kind is Kind.FOLDER:
            raise refused(errno.EISDIR)
        self._name(self._of(folder), name, None)
        self.nodes[number].ctime_ns = self._tick()

    def free_bytes(self, folder):
        self._enter("free_bytes")
        assert self._of(folder), "an open folder"
        return self.capacity_bytes - self.used_bytes()

    def used_bytes(self):
        return sum(len(node.data) for node in self.nodes.values())

    # --- Disk: files ---------------------------------------------------------------------------------

    def _open_existing(self, folder, name):
        number = self._find(self._of(folder), name)
        if self.nodes[number].kind is Kind.OTHER:
            raise refused(errno.ELOOP)
        return number

    def open_file(self, folder, name):
        self._enter("open_file")
        return self._open(self._open_existing(folder, name))

    def reopen_file(self, folder, name):
        self._enter("reopen_file")
        number = self._open_existing(folder, name)
        if self.nodes[number].kind is Kind.FOLDER:
            raise refused(errno.EISDIR)
        return self._open(number)

    def create_file(self, folder, name):
        self._enter("create_file")
        if self._exists(self._of(folder), name):
            raise refused(errno.EEXIST)
        number = self._new(Kind.FILE)
        self._name(self._of(folder), name, number)
        return self._open(number)

    def duplicate(self, file):
        self._enter("duplicate")
        self._of(file)
        descriptor, self._next_descriptor = self._next_descriptor, self._next_descriptor + 1
        self.open[descriptor] = self.open[file]
        self.open[file].descriptors += 1
        return descriptor

    def close(self, file):
        number = self._of(file)
        opened = self.open.pop(file)
        opened.descriptors -= 1
        if not opened.descriptors and self.nodes[number].locked_by is opened:
            self.nodes[number].locked_by = None

    def lock(self, file):
        self._enter("lock")
        node = self.nodes[self._of(file)]
        if node.locked_by not in {None, self.open[file]}:
            return False
        node.locked_by = self.open[file]
        return True

    def status(self, file):
        self._enter("status")
        return self._status(self._of(file))

    def _status(self, number):
        node = self.nodes[number]
        kind = {Kind.FILE: stat.S_IFREG, Kind.FOLDER: stat.S_IFDIR, Kind.OTHER: stat.S_IFLNK}[node.kind]
        return SimpleNamespace(
            st_dev=7,
            st_ino=number,
            st_mode=kind | node.mode,
            st_nlink=self._links(number),
            st_size=len(node.data),
            st_mtime_ns=node.mtime_ns,
            st_ctime_ns=node.ctime_ns,
        )

    def read(self, file, size, offset):
        self._enter("read")
        return bytes(self.nodes[self._of(file)].data[offset : offset + size])

    def read_cached(self, file, buffer, offset):
        self._enter("read_cached")
        if not self.cached_reads:
            return None
        data = self.nodes[self._of(file)].data[offset : offset + len(buffer)]
        buffer[: len(data)] = data
        return len(data)

    def is_in_memory(self, status):
        return self.lives_in_memory

    def write(self, file, data, offset):
        self._enter("write")
        number = self._of(file)
        view = memoryview(data).cast("B")
        node = self.nodes[number]
        room = max(self.capacity_bytes - self.used_bytes() + len(node.data) - offset, 0)
        if view and not room:
            raise refused(errno.ENOSPC)
        self.put_bytes(number, offset, bytes(view[:room]))
        return min(len(view), room)

    def put_bytes(self, number, offset, data):
        """What `write` does, without its faults."""
        node = self.nodes[number]
        node.data.extend(bytes(max(0, offset + len(data) - len(node.data))))
        node.data[offset : offset + len(data)] = data
        node.mtime_ns = node.ctime_ns = self._tick()
        self.steps.append(Wrote(number, offset, data))

    def truncate(self, file, size):
        self._enter("truncate")
        self.put_size(self._of(file), size)

    def put_size(self, number, size):
        data = self.nodes[number].data
        del data[size:]
        data.extend(bytes(size - len(data)))
        self.steps.append(Resized(number, size))

    def set_attributes(self, file, *, mode, mtime_ns):
        self._enter("set_attributes")
        node = self.nodes[self._of(file)]
        node.mode, node.mtime_ns, node.ctime_ns = mode, mtime_ns, self._tick()
        self.steps.append(Attributes(self._of(file), mode, mtime_ns))

    def start_writeback(self, file):
        self._enter("start_writeback")

    def sync(self, file):
        number = self._of(file)
        try:
            self._enter("sync")
        except OSError:
            self.steps.append(SyncFailed(number))
            raise
        self.steps.append(Synced(number))
