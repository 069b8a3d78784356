"""The engine in C says what the engine in Python says: the same bytes at the same times."""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAYING = ROOT / "tests" / "compiled" / "playing.py"
PLAYS = 30 + 40
"""Pairs and lives."""


def played(package_in):
    """What came of all plays, with the package that is in this folder."""
    environ = {**os.environ, "PYTHONPATH": str(package_in), "PYTHONHASHSEED": "0"}
    ended = subprocess.run(
        [sys.executable, "-P", str(PLAYING)], env=environ, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2_000:]
    engine, *plays = ended.stdout.splitlines()
    return engine, plays


def has_compiler():
    headers = Path(sysconfig.get_path("include"), "Python.h")
    return shutil.which(sysconfig.get_config_var("CC").split()[0]) is not None and headers.exists()


def test_what_is_drawn_by_seed_is_the_same_to_the_byte_with_the_compiled_engine(tmp_path):
    if not has_compiler() and "CI" not in os.environ:
        pytest.skip("no C compiler, or no headers of Python: the compiled engine was not tried")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    hatch_build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hatch_build)
    hatch_build.compile_in(tmp_path, ROOT / "mayhem_udp")
    pure, plays = played(ROOT)
    compiled, same = played(tmp_path)
    assert (pure, compiled) == ("pure", "compiled")
    assert len(plays) == PLAYS
    assert same == plays
