"""What the package offers by name, and that having it costs nothing."""

import subprocess
import sys

import pytest

import mayhem_udp


@pytest.mark.parametrize("name", sorted(set(mayhem_udp.__all__) - {"connect", "Client"}))
def test_every_name_that_is_offered_is_there(name: str):
    assert getattr(mayhem_udp, name) is not None


def test_a_name_that_is_not_offered_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'conect'"):
        mayhem_udp.conect  # noqa: B018  # the access is the test


def test_importing_the_package_imports_nothing_below_it():
    code = "import sys, mayhem_udp; print([name for name in sys.modules if name.startswith('mayhem_udp.')])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
