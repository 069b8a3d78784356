"""An engine in C, for those who ask for it with `MAYHEM_COMPILE=1 pip install .` and have a compiler.

The very same modules, translated by mypyc and compiled. It needs a C compiler and Python's headers; what
translates is fetched by pip for the build alone. Without MAYHEM_COMPILE a build is pure Python, and nothing here
runs.
Owns which modules are translated. `hatch-mypyc` does the like, but puts what it makes beside the sources, and
takes pyproject.toml away while it works.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ASKED_BY: Final = "MAYHEM_COMPILE"
PACKAGE: Final = "mayhem_udp"
TRANSLATED: Final = (
    "rangeset.py",
    "transport/**/*.py",
    "wire/ack_ranges.py",
    "wire/codec.py",
    "wire/seal.py",
    "mayhem/agenda.py",
)
"""The engine: what runs for each datagram, batch or acknowledgement, and waits for nothing."""
MYPY_OPTIONS: Final = (
    "--ignore-missing-imports",
    "--disable-error-code=arg-type",
    "--disable-error-code=attr-defined",
)
"""Types are `make lint`'s business; here they are looked at as this Python's version has them, and before 3.12
arrays are no buffers to mypy."""
_SETUP: Final = """
from mypyc.build import mypycify
from setuptools import setup
setup(name={name!r}, ext_modules=mypycify({arguments!r}, opt_level="3"))
"""


class CompilingHook(BuildHookInterface[Any]):
    """Adds the compiled modules to a wheel, beside their sources."""

    PLUGIN_NAME = "custom"
    _made: Path | None = None

    @property
    def _is_asked(self) -> bool:
        return self.target_name == "wheel" and os.environ.get(ASKED_BY, "") not in ("", "0")

    def dependencies(self) -> list[str]:
        """What the build needs beside hatchling."""
        return ["mypy>=1.13", "setuptools>=77"] if self._is_asked else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say which files are to be added."""
        if not self._is_asked:
            return
        if version == "editable":
            raise SystemExit(f"{ASKED_BY} is for wheels: install without -e, or without {ASKED_BY}")
        self._made = Path(tempfile.mkdtemp(prefix="mayhem-compile-"))
        compile_in(self._made, Path(self.root, PACKAGE))
        made = {str(path): str(path.relative_to(self._made)) for path in self._made.rglob("*.so")}
        build_data["force_include"].update(made)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Take away what was made on the way."""
        if self._made is not None:
            shutil.rmtree(self._made)


def compile_in(folder: Path, package: Path) -> None:
    """Copy the package's sources to `folder` and compile them there; ends the build with what went wrong."""
    target = folder / package.name
    shutil.copytree(package, target, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    names = [str(path.relative_to(folder)) for path in _matching(target)]
    setup = _SETUP.format(name=package.name, arguments=[*MYPY_OPTIONS, *names])
    ended = subprocess.run(  # noqa: S603  # this Python, and names from this file
        [sys.executable, "-c", setup, "build_ext", "--inplace"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ended.returncode:
        last = "\n".join(ended.stdout.splitlines()[-20:])
        raise SystemExit(
            f"{last}\n\n{package.name} could not be compiled; without {ASKED_BY} it needs not be"
        )
    shutil.rmtree(folder / "build", ignore_errors=True)


def _matching(package: Path) -> Iterator[Path]:
    for pattern in TRANSLATED:
        found = sorted(package.glob(pattern))
        assert found, f"nothing is called {pattern} any more"
        yield from found
