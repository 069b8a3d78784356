"""Settings: where they come from, which one wins, and what is said about a wrong one."""

import os
import re
import tomllib
from pathlib import Path

import pytest
from msgspec.structs import astuple

from mayhem_udp import config
from mayhem_udp.config import ConfigProblems, Settings, Sources
from mayhem_udp.config.load import DEFAULT_FILE, Given, Layer, Loaded, Origin
from mayhem_udp.config.schema import SETTINGS, full_name
from mayhem_udp.units import MIB, MINUTE, MS, SECOND
from mayhem_udp.url import PORT_DEFAULT

TOP_LEVEL_FILE = Path(__file__).parents[1] / "config.toml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def option(name: str, text: str) -> Given:
    return Given(name, text, Origin(Layer.OPTION, "option --set"), is_text=True)


def load(file: Path | None = None, environ: dict[str, str] | None = None, *options: Given) -> Loaded:
    return config.load(Sources(file, environ or {}, options))


def problems(content: str, file: Path) -> list[str]:
    file.write_text(content)
    with pytest.raises(ConfigProblems) as caught:
        load(file)
    assert caught.value.exit_code == 2
    return [str(problem).replace(str(file), "FILE") for problem in caught.value.problems]


# --- The default file -------------------------------------------------------------------------------


def test_of_two_bounds_of_connections_the_smaller_one_holds():
    settings = config.load(Sources(environ={"MAYHEM_LIMITS__CONNECTIONS_MAX": "1"})).settings
    assert settings.limits.connections_max == 1


def test_the_package_carries_the_file_of_the_top_level():
    assert DEFAULT_FILE.read_bytes() == TOP_LEVEL_FILE.read_bytes()


def test_the_default_file_holds_every_setting_and_no_other():
    tables = tomllib.loads(TOP_LEVEL_FILE.read_text())
    assert [f"{section}.{key}" for section, table in tables.items() for key in table] == list(SETTINGS)


def test_every_setting_is_described_above_it():
    described = False
    for line in TOP_LEVEL_FILE.read_text().splitlines():
        if line.startswith("#"):
            described = True
        elif not line or line.startswith("["):
            described = False
        else:
            assert described, f"no comment above {line!r}"


def test_the_description_says_what_needs_a_restart():
    blocks = re.split(r"\n\s*\n", TOP_LEVEL_FILE.read_text())
    for block in blocks:
        keys = re.findall(r"^([a-z_]+) = ", block, re.MULTILINE)
        for key in keys:
            found = [each for each in SETTINGS.values() if each.key == key]
            assert {each.reloads for each in found} == {
                "Needs a restart" not in block.replace("\n# ", " ")
            }, key


def test_defaults_survive_being_written_out_and_read_again(file: Path):
    defaults = load()
    lines: dict[str, list[str]] = {}
    for setting in SETTINGS.values():
        value = getattr(getattr(defaults.settings, setting.section), setting.attribute)
        lines.setdefault(setting.section, []).append(f"{setting.key} = {setting.kind.to_toml(value)}")
    file.write_text("\n".join("\n".join([f"[{section}]", *keys]) for section, keys in lines.items()))
    assert load(file).settings == defaults.settings


def test_the_default_port_is_that_of_urls():
    assert load().settings.server.listen.port == PORT_DEFAULT


def test_mayhem_is_off_by_default():
    assert load().settings.mayhem.text == ""


def test_attributes_carry_their_units():
    settings = load().settings
    assert settings.transport.idle_timeout_ns == 30 * SECOND
    assert settings.transport.body_window_initial_bytes == MIB
    assert settings.congestion.rate_fixed_bps == 100_000_000


# --- Precedence -------------------------------------------------------------------------------------


def test_option_beats_environment_beats_file_beats_default(file: Path):
    file.write_text("[transport]\nchunk_size = 1000\n[congestion]\ncontroller = 'cubic'\nrate_cap = '5M'\n")
    environ = {"MAYHEM_TRANSPORT__CHUNK_SIZE": "1100", "MAYHEM_CONGESTION__CONTROLLER": "fixed"}
    loaded = load(file, environ, option("transport.chunk_size", "1200"))
    assert loaded.settings.transport.chunk_size_bytes == 1200
    assert astuple(loaded.settings.congestion) == ("fixed", 5_000_000, 100_000_000)
    assert {name: origin.place for name, origin in loaded.origins.items() if origin.layer} == {
        "transport.chunk_size": "option --set",
        "congestion.controller": "environment MAYHEM_CONGESTION__CONTROLLER",
        "congestion.rate_cap": f"{file}:5",
    }
    assert loaded.origins["congestion.rate_fixed"].place == "default"


def test_the_url_has_a_variable_of_its_own():
    url = load(None, {"MAYHEM_URL": "mayhem://[::1]:7/"}).settings.client.url
    assert url is not None
    assert (url.host, url.port) == ("::1", 7)


def test_a_variable_is_a_text_that_stands_for_a_value():
    environ = {"MAYHEM_LIMITS__FILES_MAX": "7", "MAYHEM_ACCESS__READ": "off", "MAYHEM_MAYHEM__DROP": "10%"}
    settings = load(None, environ).settings
    assert (settings.limits.files_max, settings.access.read, settings.mayhem.drop) == (7, False, 0.1)


def test_a_variable_without_its_section_is_named():
    with pytest.raises(
        ConfigProblems, match="MAYHEM_CHUNK_SIZE: names no section; write MAYHEM_TRANSPORT__CHUNK_SIZE"
    ):
        load(None, {"MAYHEM_CHUNK_SIZE": "1"})


def test_variables_of_others_are_left_alone():
    load(None, {"MAYHEM_LEVEL_OF_FUN": "9", "MAYHEM_CONFIG": "x", "MAYHEMS__A": "1"})


def test_library_overrides_have_types_and_may_be_short():
    options = config.options_from(
        {"chunk_size": 1024, "timeout": 2.5, "cc": "cubic", "transport__offload": False, "retry": None},
        place="argument",
    )
    settings = config.load(Sources(options=options)).settings
    assert settings.transport.chunk_size_bytes == 1024
    assert settings.client.timeout_ns == 2 * SECOND + 500 * MS
    assert settings.congestion.controller == "cubic"
    assert not settings.transport.offload
    assert settings.client.retry_ns == MINUTE


def test_a_wrong_override_is_named_as_the_caller_wrote_it():
    options = config.options_from({"chunksize": 1}, place="argument")
    with pytest.raises(ConfigProblems, match=r"argument chunksize: .*did you mean transport.chunk_size\?"):
        config.load(Sources(options=options))


def test_settings_at_hand_can_be_changed_in_a_few_places():
    base = load().settings
    changed = config.with_overrides(
        base, {"chunk_size": 1024, "client.retry": "5s", "rate": None}, place="argument"
    )
    assert [change.name for change in config.compare(base, changed)] == [
        "transport.chunk_size",
        "client.retry",
    ]
    with pytest.raises(ConfigProblems, match=r"argument keep_alive: transport.keep_alive: must not be above"):
        config.with_overrides(base, {"keep_alive": "5min"}, place="argument")


def test_short_names_that_two_settings_share_mean_neither():
    assert full_name("chunk_size") == "transport.chunk_size"
    assert full_name("drop") == "mayhem.drop"
    assert full_name("nothing_of_the_kind") is None


# --- Where the file is ------------------------------------------------------------------------------


def test_a_given_file_goes_before_the_variable_and_that_before_the_users_own(tmp_path: Path):
    own = tmp_path / "mayhem_udp" / "config.toml"
    own.parent.mkdir()
    own.touch()
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "MAYHEM_CONFIG": "/somewhere"}
    assert config.find_file(given="/given", environ=environ) == Path("/given")
    assert config.find_file(given=None, environ=environ) == Path("/somewhere")
    del environ["MAYHEM_CONFIG"]
    assert config.find_file(given=None, environ=environ) == own
    assert config.find_file(given=None, environ={"HOME": str(tmp_path)}) != own


def test_a_home_that_may_not_be_looked_into_has_no_file(tmp_path: Path):
    """A service inherits root's HOME; with its own rights there is nothing to be found."""
    home = tmp_path / "home"
    (home / ".config").mkdir(parents=True)
    home.chmod(0)
    was = os.geteuid()
    try:
        if was == 0:
            tmp_path.chmod(0o755)
            os.seteuid(65_534)
        with pytest.raises(PermissionError):
            os.listdir(home)
        assert config.find_file(given=None, environ={"HOME": str(home)}) in (
            None,
            Path("/etc/mayhem_udp/config.toml"),
        )
    finally:
        os.seteuid(was)
        home.chmod(0o700)


def test_a_file_in_the_current_folder_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "config.toml").write_text("[nonsense]")
    monkeypatch.chdir(tmp_path)
    assert config.find_file(given=None, environ={"XDG_CONFIG_HOME": "."}) in (
        None,
        Path("/etc/mayhem_udp/config.toml"),
    )


def test_a_file_that_was_named_and_is_missing_is_a_problem(tmp_path: Path):
    with pytest.raises(ConfigProblems, match="cannot be read: No such file or directory; name another"):
        load(tmp_path / "none.toml")


# --- What is wrong ----------------------------------------------------------------------------------


def test_all_problems_are_told_at_once_each_with_its_line(file: Path):
    content = """
[transport]
chunk_sise = 1024            # a slip
idle_timeout = true
datagram_max = 100

[congestion]
controller = "reno"

[acess]
read = false
"""
    assert problems(content, file) == [
        "FILE:3: transport.chunk_sise: there is no such setting; did you mean transport.chunk_size?",
        'FILE:4: transport.idle_timeout: must be a time like "500ms", "30s", "2min" or a number of seconds, '
        "and is true or false",
        "FILE:5: transport.datagram_max: must be from 1200 to 65487, and is 100",
        "FILE:8: congestion.controller: must be bbr, cubic or fixed, and is 'reno'",
        "FILE:10: acess: there is no such section; did you mean [access]?",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "[transport]\nchunk_size = 5",
            "2: transport.chunk_size: must be 0 (discover it) or from 16 to 65487, and is 5",
        ),
        (
            "[transport]\ntimeout = 5",
            "2: transport.timeout: there is no such setting; did you mean transport.idle_timeout?",
        ),
        ("[server]\nroot = '/srv'", "2: server.root: there is no such setting; did you mean store.root?"),
        ("chunk_size = 5", "1: chunk_size: stands outside a section; move it under [transport]"),
        (
            "transport = 5",
            "1: transport: is a section, and needs keys; write [transport] on a line of its own",
        ),
        ("[access]\nread = 'yes'", "2: access.read: must be true or false, and is a text"),
        ("[access]\nread = 1", "2: access.read: must be true or false, and is a whole number"),
        ("[limits]\nfiles_max = '5'", "2: limits.files_max: must be a whole number, and is a text"),
        ("[limits]\nfiles_max = 1.0", "2: limits.files_max: must be a whole number, and is a number"),
        ("[mayhem]\ndrop = 10", "2: mayhem.drop: must be a share from 0 to 1, and is 10"),
        ("[mayhem]\ndrop = nan", "2: mayhem.drop: must be a share from 0 to 1, and is nan"),
        (
            "[mayhem.profiles]\ntrain = 5",
            "1: mayhem.profiles: must hold only tables, and train is a whole number",
        ),
        ("[store]\nroot = ''", "2: store.root: must be the path of a folder, and is empty"),
        ("[transport]\nchunk_size = 1\nchunk_size = 2", "3: is not TOML: Cannot overwrite a value"),
        ("[transport\n", "1: is not TOML: Expected ']' at the end of a table declaration"),
        ("a = " + "[" * 5000, " is not TOML: it is nested too deeply"),
    ],
)
def test_a_problem_says_where_it_is_and_what_would_be_right(content: str, expected: str, file: Path):
    assert problems(content, file) == [f"FILE:{expected}"]


def test_a_file_that_is_not_utf_8_is_a_problem_with_its_line(file: Path):
    file.write_bytes(b"[transport]\n# caf\xe9\n")
    with pytest.raises(ConfigProblems, match=r"config.toml:2: is not UTF-8"):
        load(file)


def test_a_file_without_end_is_not_read_to_its_end():
    with pytest.raises(ConfigProblems, match="/dev/zero: is larger than 1048576 bytes"):
        load(Path("/dev/zero"))


def test_values_that_contradict_each_other_are_a_problem_of_the_later_one(file: Path):
    content = "[transport]\nidle_timeout = '5s'\n"
    assert problems(content, file) == [
        'FILE:2: transport.idle_timeout: must not be below transport.keep_alive, which is "10s" (default)'
    ]
    file.write_text(content)
    with pytest.raises(
        ConfigProblems, match=r"option --set: transport.keep_alive: must not be above transport.idle_t"
    ):
        load(file, {}, option("transport.keep_alive", "6s"))


# --- Reloading --------------------------------------------------------------------------------------


def test_a_reload_says_what_changed_and_what_must_wait(file: Path):
    file.write_text("[access]\nremove = true\n[store]\nroot = '/a'\n")
    before = load(file)
    file.write_text("[access]\nremove = false\n[store]\nroot = '/b'\n")
    after = before.reload()
    changes = config.compare(before.settings, after.settings)
    assert [astuple(each) for each in changes] == [
        ("store.root", Path("/a"), Path("/b"), False),
        ("access.remove", True, False, True),
    ]
    assert config.compare(after.settings, after.settings) == ()


# --- Mayhem -----------------------------------------------------------------------------------------


def mayhem_text(**overrides: object) -> str:
    settings: Settings = config.load(
        Sources(options=config.options_from(overrides, place="argument"))
    ).settings
    return settings.mayhem.text


def test_single_rates_make_a_spec():
    assert mayhem_text(drop=0.25, direction="in", seed=7) == "drop=0.25,direction=in,seed=7"


def test_a_spec_says_it_all():
    assert mayhem_text(mayhem="wifi,seed=3", drop=0.25) == "wifi,seed=3"
    assert mayhem_text(mayhem="none") == ""
