"""Without SHA-256, without CRC32, without retransmission: each time a test fails that passes as things are.

Owns the three small patches. They are made in a copy, where the tests that ought to notice are run.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = "tests/session/test_uploads.py::test_a_file_arrives_exact_over_a_hostile_network"
FLIPPED = "tests/session/test_repairing.py::test_a_download_with_flipped_bits_is_mended"
PATCHES = {
    "the check of the SHA-256": (
        "store/staging.py",
        "        if found != expected:\n",
        "        if False:\n",
        FLIPPED,
    ),
    "the check of the CRC32": (
        "wire/seal.py",
        "    return [index for index, each in enumerate(sums) if each != RESIDUE]\n",
        "    return []\n",
        HOSTILE,
    ),
    "retransmission of bodies": (
        "transport/streams/bodies.py",
        "            self._lost.add(start, stop)\n",
        "            pass\n",
        HOSTILE,
    ),
    "retransmission of messages": (
        "transport/streams/messages.py",
        "            self._lost.add(hole_start, hole_stop)\n",
        "            pass\n",
        HOSTILE,
    ),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The package and its tests, apart."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("mayhem_udp", "tests/session"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (ROOT / "tests").glob("*.py"):
        shutil.copy(file, folder / "tests")
    shutil.copy(ROOT / "config.toml", folder)
    return folder


def passes(folder, test):
    """Whether a test passes in the copy."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("test", [HOSTILE, FLIPPED])
def test_as_things_are_the_tests_pass(copy, test):
    assert passes(copy, test)


@pytest.mark.parametrize("what", PATCHES)
def test_what_holds_it_all_together_cannot_be_taken_out_unnoticed(copy, what):
    name, line, patch, test = PATCHES[what]
    file = copy / "mayhem_udp" / name
    text = file.read_text("utf-8")
    assert text.count(line) == 1, f"{what} is no longer where it was: this patch has to follow it"
    try:
        file.write_text(text.replace(line, patch), "utf-8")
        assert not passes(copy, test), f"nobody misses {what}"
    finally:
        file.write_text(text, "utf-8")
