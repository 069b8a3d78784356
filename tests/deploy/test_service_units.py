"""The units of systemd: without complaints, with little exposure, and in step with the daemon's own settings."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mayhem_udp.config import Sources, load

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = ("mayhem.service", "mayhem.socket")
ANALYZE = shutil.which("systemd-analyze")
EXPOSURE_MAX = 2.0
DEFAULTS = load(Sources()).settings
needs_systemd = pytest.mark.skipif(
    ANALYZE is None, reason="systemd-analyze is not installed (package systemd): the units are NOT checked"
)


def analyze(*arguments):
    return subprocess.run(
        [ANALYZE, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=60
    )


def unit(name):
    """A unit by section and key; a key that comes twice has its last value."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string((DEPLOY / name).read_text("utf-8"))
    return parser


def in_bytes(text):
    return int(text[:-1]) << {"K": 10, "M": 20, "G": 30}[text[-1]]


@pytest.fixture
def installed(tmp_path):
    """The units with a program that is there: everything else as it will be installed."""
    program = Path(sys.executable).with_name("mayhem")
    for name in UNITS:
        text = (DEPLOY / name).read_text("utf-8")
        (tmp_path / name).write_text(text.replace("/usr/local/bin/mayhem", str(program)))
    return tmp_path


@needs_systemd
def test_systemd_has_no_complaint_about_the_units(installed):
    verified = analyze("verify", *(installed / name for name in UNITS))
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


@needs_systemd
def test_a_unit_with_a_mistake_is_complained_about(installed):
    """So that the test above can fail."""
    service = installed / "mayhem.service"
    service.write_text(service.read_text().replace("ProtectSystem=strict", "ProtectSystem=perhaps"))
    verified = analyze("verify", service)
    assert "perhaps" in verified.stdout + verified.stderr


@needs_systemd
def test_the_service_is_exposed_by_2_0_at_most(installed):
    report = analyze("security", "--offline=yes", "--no-pager", installed / "mayhem.service").stdout
    exposure = re.search(r"Overall exposure level for mayhem\.service: ([\d.]+)", report)
    assert exposure, report
    assert float(exposure[1]) <= EXPOSURE_MAX


def test_the_units_fit_the_daemons_settings():
    service, socket = unit("mayhem.service")["Service"], unit("mayhem.socket")["Socket"]
    assert int(socket["ListenDatagram"]) == DEFAULTS.server.listen.port
    assert in_bytes(socket["ReceiveBuffer"]) == DEFAULTS.transport.socket_receive_buffer_bytes
    assert in_bytes(socket["SendBuffer"]) == DEFAULTS.transport.socket_send_buffer_bytes
    assert int(service["TimeoutStopSec"].rstrip("s")) * 10**9 > 2 * DEFAULTS.server.grace_time_ns
    assert int(service["LimitNOFILE"]) > 2 * DEFAULTS.limits.open_files_max
    assert in_bytes(service["MemoryMax"]) > 4 * DEFAULTS.limits.memory_max_bytes


def test_sockets_may_have_the_buffers_that_the_daemon_asks_for():
    granted = dict(
        re.findall(r"^(net\.core\.\w+) = (\d+)$", (DEPLOY / "90-mayhem.conf").read_text(), re.MULTILINE)
    )
    assert granted == {
        "net.core.rmem_max": str(DEFAULTS.transport.socket_receive_buffer_bytes),
        "net.core.wmem_max": str(DEFAULTS.transport.socket_send_buffer_bytes),
    }


def test_the_configuration_to_begin_with_is_valid_and_lies_where_the_service_may_write():
    settings = load(Sources(DEPLOY / "config.toml")).settings
    state = unit("mayhem.service")["Service"]["StateDirectory"]
    assert settings.store.root.is_relative_to(f"/var/lib/{state}")
    assert "/etc/mayhem_udp/config.toml" in unit("mayhem.service")["Service"]["ExecStart"]


def test_the_guide_names_every_file_and_no_other():
    text = (DEPLOY / "README.md").read_text("utf-8")
    table = re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)
    assert sorted(table) == sorted(each.name for each in DEPLOY.iterdir() if each.name != "README.md")
    for named in re.findall(r"deploy/([\w.-]+)", text):
        assert (DEPLOY / named).exists(), named


def test_everything_that_the_container_copies_is_there():
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE)
    sources = [name for line in copied for name in line.split()]
    assert {"pyproject.toml", "mayhem_udp", "config.toml", "README.md"} <= set(sources)
    assert all((DEPLOY.parent / name).exists() for name in sources)
