"""The faults that the settings ask for, own profiles included.

Never parses a spec (`spec` does) and never knows where a setting came from.
"""

from mayhem_udp.config.schema import MayhemSettings
from mayhem_udp.mayhem.faults import MayhemSpec
from mayhem_udp.mayhem.profiles import PROFILES, Profile
from mayhem_udp.mayhem.spec import parse_spec, user_profile


def profiles_of(settings: MayhemSettings) -> dict[str, Profile]:
    """The built-in profiles and the user's own, which go before them. Raises `ConfigError`."""
    return {**PROFILES, **{name: user_profile(name, table) for name, table in settings.profiles.items()}}


def spec_of(settings: MayhemSettings) -> MayhemSpec:
    """Both directions' faults; those of the settings' default do nothing. Raises `ConfigError`."""
    return parse_spec(settings.text, profiles=profiles_of(settings))
