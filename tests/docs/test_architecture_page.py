"""docs/architecture.md says what the code does: its picture, its states, its places, its dependencies."""

import re
import tomllib

import pytest
from pages import CODE, ROOT, first_cells, part, text_of

from docs.workshop.__main__ import ROOMS, with_life
from docs.workshop.rooms import BANDS, layers, modules_of, picture
from mayhem_udp.transport.state import State

PAGE = text_of("docs/architecture.md")
PACKAGE = ROOT / "mayhem_udp"


def names_of(requirements):
    return {re.split(r"[<>=~!\[; ]", each)[0] for each in requirements}


def test_every_dependency_stands_there_with_its_reason_and_no_other():
    pyproject = tomllib.loads(text_of("pyproject.toml"))
    groups = pyproject["dependency-groups"].values()
    running, developing = part(PAGE, "## Dependencies").split("For development:")
    assert {name for row in first_cells(running) for name in row} == names_of(
        pyproject["project"]["dependencies"]
    )
    wanted = {name for group in groups for name in names_of(group)}
    assert {name for row in first_cells(developing) for name in row} == wanted
    assert all(len(row.split("|")) == 5 for row in running.splitlines() if row.startswith("| `"))


@pytest.mark.parametrize("lock", ["dev", "run"])
def test_what_we_depend_on_is_pinned(lock):
    project = tomllib.loads(text_of("pyproject.toml"))
    pinned = set(re.findall(r"^([\w.-]+)==", text_of(f"requirements/{lock}.lock"), re.MULTILINE))
    groups = project["dependency-groups"]["dev"] if lock == "dev" else []
    assert names_of([*project["project"]["dependencies"], *groups]) <= pinned, "the lock is stale: make lock"


def test_the_states_are_those_of_the_table():
    assert with_life(PAGE) == PAGE, "the table has changed: make docs"
    assert all(state.value in part(PAGE, "## The life of a connection") for state in State)


def test_a_state_that_is_missing_from_the_page_is_noticed():
    assert with_life(PAGE.replace("    closing --> draining: peer closed\n", "")) == PAGE


def test_the_map_has_every_room_in_the_order_of_the_contract():
    assert [name for band in BANDS for room in band for name in room.names] == layers()
    assert {each.name for each in PACKAGE.iterdir() if (each / "__init__.py").exists()} <= set(layers())


def test_the_map_has_every_module():
    drawn = picture()
    for name in layers():
        for _, modules in modules_of(name):
            assert all(f">{module}</text>" in drawn for module in modules)
    assert ROOMS.read_text("utf-8") == drawn, "modules have come or gone: make docs"


def test_every_module_that_the_page_names_is_there():
    named = {word for word in CODE.findall(PAGE) if re.fullmatch(r"[a-z_/]+(\.py|/)", word)}
    assert len(named) > 30
    missing = {name for name in named if not any(PACKAGE.glob(f"**/{name.rstrip('/')}"))}
    assert missing == set()
