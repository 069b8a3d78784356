"""A download into a stream that takes no more."""

import errno
import io
import os

import pytest

from mayhem_udp.errors import LocalFileError
from mayhem_udp.store.outflow import Outflow


class Full(io.BytesIO):
    """A stream to a device that is full."""

    def write(self, _data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_stream_that_cannot_be_written_to_says_why_in_words():
    with pytest.raises(LocalFileError, match="cannot be written to: no space left on device; check"):
        Outflow(Full()).write(0, memoryview(b"data"))
