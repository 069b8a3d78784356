"""Stores to test: one on a real folder, one on a simulated disk."""

import pytest
from simulated_disk import SimulatedDisk

from mayhem_udp.store.disk import RealDisk
from mayhem_udp.store.opening import Placement, open_store


@pytest.fixture
def root(tmp_path):
    """The folder that the store has; beside it is what nobody may touch."""
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def store(root):
    """A daemon's store on a real folder."""
    opened = open_store(root, placement=Placement.HIDDEN_FOLDER)
    yield opened
    opened.close()


@pytest.fixture(params=["real", "simulated"])
def any_disk(request, tmp_path):
    """A disk and the path of a folder on it: what one does, the other does."""
    if request.param == "real":
        return RealDisk(), str(tmp_path)
    disk = SimulatedDisk()
    disk.plant_folder("/tmp")
    return disk, "/tmp"
