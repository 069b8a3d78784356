"""What a loss of power may leave of a disk: every outcome that a record of steps allows.

Owns the rules. A step is safe once its own file or folder was synced after it. Of the others any may have
happened and any not, in any combination; a write may be torn between sectors, or have made the file
longer without its bytes. Where there are too many combinations, their corners and a seeded sample.
"""

import itertools
from random import Random

from disk_record import Acknowledged, Attributes, Named, Resized, Synced, SyncFailed, Wrote
from simulated_disk import Node, SimulatedDisk

SECTOR_BYTES = 16
"""Much less than a device has, so that the short files of tests have several."""
ALL_SUBSETS_MAX = 8
"""Up to so many unsafe steps, all their subsets are looked at."""
TORN = "torn"
LENGTH_ONLY = "length only"
GARBAGE = "garbage"


def split(steps):
    """The safe steps and the unsafe ones, by index."""
    safe, unsafe = set(), []
    pending = {}
    for index, step in enumerate(steps):
        match step:
            case Synced(node):
                safe.update(pending.pop(node, ()))
            case SyncFailed(node):
                unsafe += pending.pop(node, [])
            case Acknowledged():
                pass
            case _:
                pending.setdefault(step.node, []).append(index)
    for indexes in pending.values():
        unsafe += indexes
    return safe, sorted(unsafe)


def outcomes(steps, unsafe, random, *, samples):
    """Which of the unsafe steps happened, and how: dictionaries from index to how (True: as told)."""
    if len(unsafe) <= ALL_SUBSETS_MAX:
        for choice in itertools.product((False, True), repeat=len(unsafe)):
            yield {index: True for index, happened in zip(unsafe, choice, strict=True) if happened}
    else:
        yield {}
        yield dict.fromkeys(unsafe, True)
        for one in unsafe:
            yield {one: True}
            yield {index: True for index in unsafe if index != one}
        for length in range(2, len(unsafe)):
            yield dict.fromkeys(unsafe[:length], True)
    for _ in range(samples):
        chosen = {}
        for index in unsafe:
            hows = (
                (False, True, TORN, LENGTH_ONLY, GARBAGE)
                if isinstance(steps[index], Wrote)
                else (False, True)
            )
            how = random.choice(hows)
            if how:
                chosen[index] = how
        yield chosen


def rebuilt(disk, steps, safe, happened, random):
    """The disk as it is found afterwards."""
    after = SimulatedDisk(capacity_bytes=disk.capacity_bytes)
    after.nodes = {number: Node(node.kind, mode=node.mode) for number, node in disk.nodes.items()}
    after._next_node = disk._next_node
    after.now_ns = disk.now_ns
    for index, step in enumerate(steps):
        how = True if index in safe else happened.get(index)
        if how:
            apply(after, step, how, random)
    after.settle()
    return after


def apply(disk, step, how, random):
    match step:
        case Wrote(node, offset, data):
            for at, piece in pieces(offset, data, how, random):
                disk.put_bytes(node, at, piece)
        case Resized(node, size):
            disk.put_size(node, size)
        case Named(node, name, None):
            disk.nodes[node].names.pop(name, None)
        case Named(node, name, target):
            disk.nodes[node].names[name] = target
        case Attributes(node, mode, mtime_ns):
            disk.nodes[node].mode, disk.nodes[node].mtime_ns = mode, mtime_ns


def pieces(offset, data, how, random):
    """What of a write is on the device."""
    if how is True:
        yield offset, data
        return
    if how == LENGTH_ONLY:
        yield offset, bytes(len(data))
        return
    for start in range(0, len(data), SECTOR_BYTES):
        piece = data[start : start + SECTOR_BYTES]
        if random.random() < 0.5:
            yield offset + start, piece
        elif how == GARBAGE:
            yield offset + start, random.randbytes(len(piece))


def losses(disk, *, seed=1, samples=40):
    """After each step, each outcome that is allowed: the prefix of the record, and the disk as found."""
    random = Random(seed)
    for length in range(disk.settled, len(disk.steps) + 1):
        steps = disk.steps[:length]
        if length and isinstance(steps[-1], Synced):
            continue  # it allows less than the step before did, unless something was acknowledged since
        safe, unsafe = split(steps)
        for happened in outcomes(steps, unsafe, random, samples=samples):
            yield steps, rebuilt(disk, steps, safe, happened, random)


def worst_loss(disk):
    """The disk with nothing on it but what is safe."""
    safe, _ = split(disk.steps)
    return rebuilt(disk, disk.steps, safe, {}, Random(0))


def killed(disk):
    """The disk as the next process finds it when this one was killed: all was done, nobody has it open."""
    _, unsafe = split(disk.steps)
    return rebuilt(disk, disk.steps, set(range(len(disk.steps))), dict.fromkeys(unsafe, True), Random(0))
