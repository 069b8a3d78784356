"""What has gone wrong in other tools of this kind does not here: `advisories.toml`, each against both sides."""

import tomllib
from pathlib import Path

import pytest
from deliveries import deliver, picture, small

from mayhem_udp.cli.naming import relative_to
from mayhem_udp.cli.verbs.get import _checked
from mayhem_udp.errors import Code, MayhemError, PeerError, RefusedError
from mayhem_udp.escape import escape
from mayhem_udp.store.names import check_name, is_allowed_part
from mayhem_udp.store.opening import Placement, open_store
from mayhem_udp.store.patterns import EVERYTHING, check_pattern

CORPUS = tomllib.loads(Path(__file__).with_name("advisories.toml").read_text("utf-8"))["advisory"]
KINDS = {"names", "reserved", "taken", "shown", "unasked", "links", "modes", "patterns"}
DATA = b"from a stranger"


def cases(kind):
    """All of one kind, each with the advisory that it is from."""
    found = [
        pytest.param(case, id=f"{each['id']} {number}")
        for each in CORPUS
        for number, case in enumerate(each.get(kind, ()))
    ]
    assert found, f"the corpus has {kind}"
    return found


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "outside"
    (folder / "staging").mkdir(parents=True)
    (folder / "secret").write_bytes(b"what nobody may read")
    return folder


def test_each_advisory_has_a_reference_a_lesson_and_a_case():
    for each in CORPUS:
        assert each["reference"].startswith(("https://", "http://")), each["id"]
        assert each["lesson"]
        assert each["tool"]
        assert KINDS & set(each)
        assert set(each) <= KINDS | {"id", "tool", "reference", "lesson"}
    assert len({each["id"] for each in CORPUS}) == len(CORPUS)


def refusal(action, *arguments, kind=MayhemError):
    with pytest.raises(kind) as caught:
        action(*arguments)
    assert caught.value.message.isprintable() or kind is PeerError
    return caught.value.code


@pytest.mark.parametrize("name", cases("names"))
def test_a_name_is_refused_by_the_server_and_by_the_client(store, root, tmp_path, name):
    before = picture(tmp_path)
    assert refusal(check_name, name) is Code.NAME_REFUSED
    assert refusal(_checked, name) is Code.NAME_REFUSED
    assert store.write_small([small(name, DATA)]) == [Code.NAME_REFUSED]
    assert picture(tmp_path) == before


@pytest.mark.parametrize("name", cases("reserved"))
def test_the_stores_own_names_are_refused_as_such(store, name):
    assert refusal(check_name, name) is Code.NAME_RESERVED
    assert store.write_small([small(name, DATA)]) == [Code.NAME_RESERVED]


@pytest.mark.parametrize("name", cases("taken"))
def test_a_name_that_means_something_to_others_is_only_a_name_here(store, root, name):
    deliver(store, name, DATA)
    assert (root / name).read_bytes() == DATA


@pytest.mark.parametrize("text", cases("shown"))
def test_nothing_that_a_terminal_obeys_is_left(text):
    shown = escape(text)
    assert shown.isprintable()
    assert shown != text
    assert not is_allowed_part(text), "as a name it would not be listed either"


@pytest.mark.parametrize("case", cases("unasked"))
def test_a_client_takes_only_what_it_asked_for(case):
    assert refusal(relative_to, case["offered"], case["folder"], kind=PeerError) is Code.PROTOCOL_VIOLATION


@pytest.mark.parametrize("links", [each for each in CORPUS if "links" in each], ids=lambda each: each["id"])
def test_no_link_leads_outside(store, root, tmp_path, outside, links):
    for case in links["links"]:
        link = root / case["link"]
        link.parent.mkdir(parents=True, exist_ok=True)
        target = case["target"]
        link.symlink_to(tmp_path / target if target.startswith("outside") else target)
    before = picture(outside)
    for name in (name for case in links["links"] for name in case["through"]):
        checked = check_name(name)
        for read in (store.open_source, store.read_small, store.digest, store.stat, store.remove):
            assert refusal(read, checked, kind=RefusedError) is Code.NOT_REGULAR, name
        if (root / name).is_symlink():
            deliver(store, name, DATA)
            assert not (root / name).is_symlink()
            assert (root / name).read_bytes() == DATA
        else:
            assert refusal(deliver, store, name, DATA) is Code.NOT_REGULAR
            assert store.write_small([small(name, DATA)]) == [Code.NOT_REGULAR]
    assert not any("secret" in entry.name for entry in store.entries(EVERYTHING, recursive=True))
    assert picture(outside) == before


@pytest.mark.parametrize("links", [each for each in CORPUS if "links" in each], ids=lambda each: each["id"])
def test_a_download_takes_a_links_place_and_leaves_alone_what_it_points_to(tmp_path, outside, links):
    """The folder that a client downloads into may have anything in it; its path is the user's own."""
    before = picture(outside)
    for number, case in enumerate(links["links"]):
        folder = tmp_path / f"downloads{number}"
        folder.mkdir()
        for name in ("whole", "packed"):
            (folder / name).symlink_to(tmp_path / case["target"])
        landing = open_store(folder, placement=Placement.BESIDE)
        deliver(landing, "whole", DATA)
        assert landing.write_small([small("packed", DATA)]) == [Code.OK]
        landing.close()
        assert [(folder / name).is_symlink() for name in ("whole", "packed")] == [False, False]
        assert [(folder / name).read_bytes() for name in ("whole", "packed")] == [DATA, DATA]
        assert sorted(path.name for path in folder.iterdir()) == ["packed", "whole"]
    assert picture(outside) == before


@pytest.mark.parametrize("case", cases("modes"))
def test_a_stranger_gives_no_privileges(store, root, case):
    deliver(store, "a", DATA, mode=case["sent"])
    assert store.write_small([small("b", DATA, mode=case["sent"])]) == [Code.OK]
    for name in ("a", "b"):
        assert (root / name).stat().st_mode & 0o7777 == case["got"]


@pytest.mark.parametrize("pattern", cases("patterns"))
def test_a_pattern_finds_nothing_outside_and_keeps_nobody_busy(store, root, outside, pattern):
    (root / ("a" * 250)).write_bytes(b"")
    (root / "folder").symlink_to(outside)
    (root / "leak").symlink_to(outside / "secret")
    try:
        checked = check_pattern(pattern)
    except RefusedError as error:
        checked, code = None, error.code
    if checked is None:
        assert code is Code.NAME_REFUSED
    else:
        assert {entry.name for entry in store.entries(checked, recursive=True)} <= {"a" * 250}
