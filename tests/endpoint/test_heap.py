"""Freed memory stays with the process: counted in page faults, in a process of its own."""

import platform
import subprocess
import sys
from textwrap import dedent

import pytest

BLOCKS = 8
ROUNDS = 40
BLOCK_BYTES = 1 << 20
PAGE_BYTES = 4_096
PROGRAM = dedent(
    """
    import resource, sys
    from mayhem_udp.endpoint.heap import keep_freed_memory

    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range({rounds}):
            blocks = [b"x" * {block} for _ in range({blocks})]
            del blocks
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    if sys.argv[1] == "kept":
        keep_freed_memory()
    print(faults())
    """
).format(rounds=ROUNDS, block=BLOCK_BYTES, blocks=BLOCKS)


def faults_of(what: str) -> int:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, what], capture_output=True, text=True, check=True, timeout=60
    )
    return int(ended.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc learns its thresholds")
def test_blocks_that_come_and_go_are_faulted_in_once() -> None:
    once = BLOCKS * BLOCK_BYTES // PAGE_BYTES
    assert faults_of("kept") < 4 * once
    assert faults_of("as it is") > ROUNDS / 2 * once
