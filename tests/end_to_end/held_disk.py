"""A disk that waits for the test: a file system of its own (FUSE), in memory, whose answers can be held back.

Owns as much of the kernel's protocol (linux/fuse.h, 7.31) as the store needs. One kind of operation is held back
until `let_go`, for files whose bytes begin with `SLOW`: as slow as a disk can be, and no clock is asked. What
makes a file or takes its name away is held back whatever the file is. Needs root, and a kernel with FUSE.
"""

import ctypes
import errno
import os
import select
import stat
import struct
import threading
from pathlib import Path

SLOW = b"SLOW"
WAIT_S = 60
LOOK_S = 0.1
"""So often one looks whether the disk is still wanted."""
DEVICE = Path("/dev/fuse")
BUFFER_BYTES = (1 << 20) + 65_536
MAX_WRITE_BYTES = 1 << 20
FOR_EVER_S = 1 << 30
MNT_DETACH = 2
ROOT = 1

LOOKUP, FORGET, GETATTR, SETATTR, MKDIR, UNLINK, RMDIR, RENAME = 1, 2, 3, 4, 9, 10, 11, 12
OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, FLUSH, INIT = 14, 15, 16, 17, 18, 20, 25, 26
OPENDIR, READDIR, RELEASEDIR, FSYNCDIR, ACCESS, CREATE = 27, 28, 29, 30, 34, 35
INTERRUPT, BATCH_FORGET, RENAME2 = 36, 42, 45

REQUEST = struct.Struct("<IIQQIIIHH")
ANSWER = struct.Struct("<IiQ")
ATTRIBUTES = struct.Struct("<QQQQQQIIIIIIIIII")
SET_SIZE, SET_MODE, SET_MTIME = 8, 1, 32
ATOMIC_TRUNCATE, BIG_WRITES, PARALLEL_LOOKUPS = 1 << 3, 1 << 5, 1 << 18


class Node:
    """A file or a folder."""

    def __init__(self, number, mode):
        self.number, self.mode, self.mtime_ns = number, mode, 1
        self.data = bytearray()
        self.children = {}
        self.is_linked = True

    @property
    def is_slow(self):
        return self.data.startswith(SLOW)

    @property
    def attributes(self):
        seconds, rest = divmod(self.mtime_ns, 1_000_000_000)
        size = len(self.data)
        return ATTRIBUTES.pack(
            self.number, size, -(-size // 512), seconds, seconds, seconds, rest, rest, rest,
            self.mode, int(self.is_linked), os.geteuid(), os.getegid(), 0, 4_096, 0,
        )  # fmt: skip


class HeldDisk:
    """One mounted file system; `hold` an operation, look what came of the others, `let_go`."""

    def __init__(self, place):
        self.place = place
        self.nodes = {ROOT: Node(ROOT, stat.S_IFDIR | 0o755)}
        self._held = None
        self._waiting = []
        self._changed = threading.Condition()
        place.mkdir()
        self._device = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._device},rootmode=40000,user_id={os.geteuid()},group_id={os.getegid()}"
        self._libc = ctypes.CDLL(None, use_errno=True)
        if self._libc.mount(b"held", os.fsencode(place), b"fuse", 0, options.encode()):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self._is_over = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    # --- For the test --------------------------------------------------------------------------------

    def add(self, name, data):
        """A file in the root that the kernel has not seen yet."""
        node = self._new(self.nodes[ROOT], name.encode(), stat.S_IFREG | 0o644)
        node.data[:] = data

    def content(self, *names):
        node = self.nodes[ROOT]
        for name in names:
            node = self.nodes[node.children[name.encode()]]
        return bytes(node.data)

    def hold(self, operation):
        self._held = operation

    def wait_until_held(self):
        """Wait until something waits for us."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._waiting, WAIT_S), "nothing of the kind was asked for"

    def let_go(self):
        with self._changed:
            self._held = None
            waiting, self._waiting = self._waiting, []
            for request in waiting:
                self._answer(request)

    def close(self):
        """Whoever waits gets an error."""
        self._libc.umount2(os.fsencode(self.place), MNT_DETACH)
        # A thread that went on would read from the next disk, whose descriptor has this number.
        self._is_over = True
        self._thread.join()
        os.close(self._device)

    # --- The kernel's side ---------------------------------------------------------------------------

    def _serve(self):
        while not self._is_over:
            if not select.select([self._device], [], [], LOOK_S)[0]:
                continue
            try:
                request = os.read(self._device, BUFFER_BYTES)
            except OSError:
                return  # unmounted
            with self._changed:
                if self._is_to_be_held(request):
                    self._waiting.append(request)
                    self._changed.notify_all()
                else:
                    self._answer(request)

    def _is_to_be_held(self, request):
        _, operation, _, number, *_ = REQUEST.unpack_from(request)
        body = request[REQUEST.size :]
        if operation != self._held:
            return False
        if operation in (CREATE, UNLINK):
            return True  # of a staging, whose bytes are still to come
        node = self.nodes[number]
        if operation in (LOOKUP, RENAME, RENAME2):
            name = body[{LOOKUP: 0, RENAME: 8, RENAME2: 16}[operation] :].split(b"\0")[0]
            node = self.nodes.get(node.children.get(name, 0), node)
        return node.is_slow or (operation == WRITE and body[40 : 40 + len(SLOW)] == SLOW)

    def _answer(self, request):
        _, operation, unique, number, *_ = REQUEST.unpack_from(request)
        if operation in (FORGET, BATCH_FORGET, INTERRUPT):
            return
        deed = DEEDS.get(operation, HeldDisk._refuse)
        try:
            said, code = deed(self, self.nodes[number or ROOT], request[REQUEST.size :]) or b"", 0
        except OSError as error:
            said, code = b"", -error.errno
        os.write(self._device, ANSWER.pack(ANSWER.size + len(said), code, unique) + said)

    # --- What the operations do ----------------------------------------------------------------------

    def _new(self, folder, name, mode):
        node = Node(max(self.nodes) + 1, mode)
        self.nodes[node.number] = node
        folder.children[name] = node.number
        return node

    def _child(self, folder, name):
        if name not in folder.children:
            raise FileNotFoundError(errno.ENOENT, "")
        return self.nodes[folder.children[name]]

    def _entry(self, node):
        return struct.pack("<QQQQII", node.number, 0, FOR_EVER_S, FOR_EVER_S, 0, 0) + node.attributes

    def _about(self, node, _body=b""):
        return struct.pack("<QII", FOR_EVER_S, 0, 0) + node.attributes

    def _init(self, _node, _body):
        flags = ATOMIC_TRUNCATE | BIG_WRITES | PARALLEL_LOOKUPS
        return struct.pack("<IIIIHHIIHHI28x", 7, 31, 1 << 17, flags, 64, 48, MAX_WRITE_BYTES, 1, 0, 0, 0)

    def _lookup(self, folder, body):
        return self._entry(self._child(folder, body.split(b"\0")[0]))

    def _set(self, node, body):
        valid, _, _, size, _, _, mtime, _, _, mtime_rest, _, mode = struct.unpack_from("<IIQQQQQQIIII", body)
        if valid & SET_SIZE:
            del node.data[size:]
            node.data.extend(bytes(size - len(node.data)))
        if valid & SET_MODE:
            node.mode = stat.S_IFMT(node.mode) | stat.S_IMODE(mode)
        if valid & SET_MTIME:
            node.mtime_ns = mtime * 1_000_000_000 + mtime_rest
        return self._about(node)

    def _make_folder(self, folder, body):
        return self._entry(self._new(folder, body[8:].split(b"\0")[0], stat.S_IFDIR | 0o755))

    def _remove(self, folder, body):
        name = body.split(b"\0")[0]
        self._child(folder, name).is_linked = False
        del folder.children[name]

    def _rename(self, folder, body, *, skip=8):
        old, new = body[skip:].split(b"\0")[:2]
        node = self._child(folder, old)
        del folder.children[old]
        target = self.nodes[struct.unpack_from("<Q", body)[0]]
        if new in target.children:
            self._child(target, new).is_linked = False
        target.children[new] = node.number

    def _rename2(self, folder, body):
        self._rename(folder, body, skip=16)

    def _open(self, _node, _body):
        return struct.pack("<QII", 0, 0, 0)

    def _create(self, folder, body):
        node = self._new(folder, body[16:].split(b"\0")[0], stat.S_IFREG | 0o600)
        return self._entry(node) + self._open(node, b"")

    def _read(self, node, body):
        _, offset, size = struct.unpack_from("<QQI", body)
        return bytes(node.data[offset : offset + size])

    def _write(self, node, body):
        _, offset, size = struct.unpack_from("<QQI", body)
        node.data.extend(bytes(max(offset + size - len(node.data), 0)))
        node.data[offset : offset + size] = body[40 : 40 + size]
        return struct.pack("<II", size, 0)

    def _read_folder(self, folder, body):
        _, offset, room = struct.unpack_from("<QQI", body)
        said = b""
        for index, (name, number) in enumerate(list(folder.children.items())[offset:], offset + 1):
            kind = stat.S_IFMT(self.nodes[number].mode) >> 12
            entry = struct.pack("<QQII", number, index, len(name), kind) + name
            entry += bytes(-len(entry) % 8)
            if len(said) + len(entry) > room:
                break
            said += entry
        return said

    def _space(self, _node, _body):
        return struct.pack("<QQQQQIIII24x", 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 4_096, 255, 4_096, 0)

    def _agree(self, _node, _body):
        return None

    def _refuse(self, _node, _body):
        raise OSError(errno.ENOSYS, "")


DEEDS = {
    INIT: HeldDisk._init, LOOKUP: HeldDisk._lookup, GETATTR: HeldDisk._about, SETATTR: HeldDisk._set,
    MKDIR: HeldDisk._make_folder, UNLINK: HeldDisk._remove, RMDIR: HeldDisk._remove, RENAME: HeldDisk._rename,
    RENAME2: HeldDisk._rename2, OPEN: HeldDisk._open, OPENDIR: HeldDisk._open, CREATE: HeldDisk._create,
    READ: HeldDisk._read, WRITE: HeldDisk._write, READDIR: HeldDisk._read_folder, STATFS: HeldDisk._space,
    FSYNC: HeldDisk._agree, FSYNCDIR: HeldDisk._agree, FLUSH: HeldDisk._agree, RELEASE: HeldDisk._agree,
    RELEASEDIR: HeldDisk._agree, ACCESS: HeldDisk._agree,
}  # fmt: skip
