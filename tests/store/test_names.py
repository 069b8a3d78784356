"""What a peer may call a file: each rule from both sides, and its code."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mayhem_udp.errors import Code, RefusedError
from mayhem_udp.limits import NAME_COMPONENT_MAX_BYTES, NAME_DEPTH_MAX, NAME_MAX_BYTES
from mayhem_udp.store.names import System, check_name, is_allowed_part, is_reserved


def code_of(name, **options):
    with pytest.raises(RefusedError) as caught:
        check_name(name, **options)
    shown = caught.value.message
    assert shown.isprintable(), "a refusal can be shown"
    assert len(shown) < 700
    return caught.value.code


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a/b/c.txt",
        "with space",
        " leading and trailing ",
        "...x",
        "..a",
        "a..",
        ".hidden",
        ".may",
        "may.hem",
        "mayhem",
        "-rf",
        "~",
        "$HOME",
        "*?[x]",
        "C",
        "ab:c",
        "a/b:c",  # no drive where it does not begin the name
        "c/d:/e",
        "a/... b",
        "é",
        "e\u0301",
        "日本語/ファイル.txt",
        "🗂️/📄",
        "con",  # a device on another system only
        "a|b",
        "\u200bzero width",
        "℀",
    ],
)
def test_an_ordinary_name_is_taken_as_it_is(name):
    checked = check_name(name.encode())
    assert str(checked) == name
    assert checked.parts == tuple(name.split("/"))
    assert checked.last == name.rpartition("/")[2].encode()
    assert checked.folder == tuple(name.split("/"))[:-1]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "/etc/passwd",
        "//server/share",
        "a//b",
        "a/",
        ".",
        "..",
        "./a",
        "../a",
        "a/..",
        "a/./b",
        "a/../../b",
        "a\\b",
        "..\\a",
        "\\\\server\\share",
        "a\0b",
        "a\nb",
        "a\rb",
        "a\tb",
        "\x1b[2J",
        "a\x7f",
        "\x9b31m",
        "a\x85b",
        "cod\u202egpj.exe",
        "\u202aa",
        "\u2066a\u2069",
        "\u200ea",
        "\u200fa",
        "\u061ca",
        "a\u2028b",
        "a\u2029b",
        "a\ufff9b",
        "a\U000e0041b",
        "C:/a",
        "C:a",
        "z:",
        "\uff0e\uff0e",
        "\u2025",
        "\u2024\u2024/a",
        "a/\uff0e\uff0e/b",
        "\u3000",
        "...",
        "a/ ",
        ". ./a",
    ],
)
def test_a_name_that_leads_out_or_fools_is_refused(name):
    assert code_of(name) is Code.NAME_REFUSED
    assert code_of(name.encode()) is Code.NAME_REFUSED


@pytest.mark.parametrize(
    "name",
    [
        ".mayhem",
        ".mayhem/staging/x",
        ".mayhem-1-2.part",
        ".mayhemX",
        ".MAYHEM",
        ".MayHem/secret",
        "folder/.mayhem/x",
        ".\uff4dayhem",
        "\uff0emayhem",
        "\u200c.mayhem",
        ".may\u200bhem",
        ".may\u00adhem",
        "\ufeff.mayhem",
        ".mayhe\u2060m",
        ".may\u034fhem",
        ".may\ufe0fhem/secret",
        ".may\u115fhem",
        ".\u3164mayhem",
        "\u180b.mayhem",
        ".may\u17b4HEM",
        ".\uffa0\uff2dayhem",
        ".may\U000e0100hem",
    ],
)
def test_the_stores_own_names_are_refused_in_every_disguise(name):
    assert code_of(name) is Code.NAME_RESERVED
    assert is_reserved(name.split("/")[-1]) or any(is_reserved(part) for part in name.split("/"))


def test_every_character_that_a_file_system_may_ignore_is_seen_through():
    """Counted in DerivedCoreProperties.txt of Unicode 14: 4,174 of them, and no others."""
    ignored = [char for char in map(chr, range(0x110000)) if is_reserved(f".may{char}hem")]
    assert len(ignored) == 4_174


@pytest.mark.parametrize("raw", [b"\xff", b"a\xc0\xafb", b"\xed\xa0\x80", b"\xe2\x82", "\ud800", "a\udcff"])
def test_what_is_not_utf8_is_refused(raw):
    """Overlong slashes and lone surrogates among it."""
    assert code_of(raw) is Code.NAME_REFUSED


@pytest.mark.parametrize("char", ["x", "é", "日", "🗂"])
def test_a_part_of_255_bytes_is_taken_and_one_more_is_not(char):
    width = len(char.encode())
    fitting = char * (NAME_COMPONENT_MAX_BYTES // width)
    fitting += "x" * (NAME_COMPONENT_MAX_BYTES - len(fitting.encode()))
    assert len(fitting.encode()) == 255
    assert check_name(fitting).last == fitting.encode()
    assert check_name(f"folder/{fitting}").last == fitting.encode()
    assert code_of(fitting + "x") is Code.NAME_TOO_LONG
    assert code_of(f"{fitting}x/file") is Code.NAME_TOO_LONG


def test_a_whole_name_has_a_bound_and_so_has_its_depth():
    deep = "/".join("x" * NAME_DEPTH_MAX)
    check_name(deep)
    assert code_of(f"{deep}/x") is Code.NAME_TOO_LONG
    long = "/".join(["x" * 250] * 17)
    check_name(long[:NAME_MAX_BYTES])
    assert code_of(long[: NAME_MAX_BYTES + 1]) is Code.NAME_TOO_LONG
    assert code_of("x" * 1_000_000) is Code.NAME_TOO_LONG
    check_name("abc", max_bytes=3)
    assert code_of("abcd", max_bytes=3) is Code.NAME_TOO_LONG
    check_name("a/b", max_depth=2)
    assert code_of("a/b/c", max_depth=2) is Code.NAME_TOO_LONG


@pytest.mark.parametrize(
    "name",
    [
        "con",
        "NUL",
        "aux.txt",
        "com1",
        "COM¹.log",
        "lpt9.x",
        "folder/prn",
        "conin$",
        "ab:c",
        "file:$DATA",
        "a.",
        "a ",
        "a/b. /c",
        'a"b',
        "a|b",
        "a<b",
        "a?",
        "a*",
        "nul .txt",
    ],
)
def test_devices_and_streams_are_refused_on_a_system_that_has_them(name):
    assert code_of(name, system=System.WINDOWS) is Code.NAME_REFUSED
    check_name(name, system=System.POSIX)


def test_names_like_devices_are_taken_there():
    for name in ("console", "common", "null", "com10", "aux-file.txt"):
        check_name(name, system=System.WINDOWS)


@given(st.text(max_size=40) | st.binary(max_size=60))
@example("col/x:y/z:")
@example("...é/b c:")
def test_whatever_is_taken_stays_inside(raw):
    """Anything at all is refused by code, or consists of parts that a folder can have."""
    try:
        name = check_name(raw)
    except RefusedError as error:
        name, code = None, error.code
    if name is None:
        assert code in {Code.NAME_REFUSED, Code.NAME_RESERVED, Code.NAME_TOO_LONG}
        return
    for depth, part in enumerate(name.parts):
        assert part not in {"", ".", ".."}
        assert "/" not in part
        assert "\0" not in part
        assert not part.casefold().startswith(".mayhem")
        assert is_allowed_part(part, is_first=not depth)
    assert check_name(str(name)) == name
    assert check_name(str(name).encode()) == name
