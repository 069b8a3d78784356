"""Faults as text: `drop=0.1,corrupt=10%,seed=7`, `challenge,seed=7`, `in.rate=20M,delay=25ms`.

Owns the syntax, its errors, and the way back from a spec to its shortest text.
Never checks a range: `faults` does that when the values meet.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

from mayhem_udp.errors import ConfigError, UsageError
from mayhem_udp.mayhem.faults import HARMLESS, Blackout, Direction, FaultSpec, MayhemSpec, Order
from mayhem_udp.mayhem.profiles import PROFILES, Profile
from mayhem_udp.units import (
    parse_duration_ns,
    parse_rate_bps,
    parse_size_bytes,
    spell_duration,
    spell_rate,
    spell_size,
)

NOTHING: Final = "none"
"""As a whole spec: no mayhem. As a value: takes away what a profile has set."""


def _parse_share(text: str) -> float:
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def _parse_mix(text: str) -> tuple[float, float, float]:
    flip, truncate, garbage = (float(weight) for weight in text.split(":"))
    return flip, truncate, garbage


def _parse_blackout(text: str) -> Blackout:
    start, plus, rest = text.partition("+")
    if not plus:
        raise UsageError(
            "a blackout needs a start and a length", remedy="write it like 2s+500ms or 2s+500ms/7s"
        )
    length, _, period = rest.partition("/")
    period_ns = parse_duration_ns(period) if period else 0
    return Blackout(parse_duration_ns(start), parse_duration_ns(length), period_ns)


def _mix(weights: tuple[float, float, float]) -> str:
    return ":".join(repr(weight).removesuffix(".0") for weight in weights)


def _blackout(blackout: Blackout) -> str:
    text = f"{spell_duration(blackout.start_ns)}+{spell_duration(blackout.length_ns)}"
    return f"{text}/{spell_duration(blackout.period_ns)}" if blackout.period_ns else text


@dataclass(frozen=True, slots=True)
class _Key:
    """One word of the syntax: the field it sets, and the ways between text and value."""

    field: str
    parse: Callable[[str], Any]
    form: Callable[[Any], str]
    example: str


KEYS: Final = {
    "drop": _Key("drop", _parse_share, repr, "0.1 or 10%"),
    "burst": _Key("burst", float, repr, "5"),
    "corrupt": _Key("corrupt", _parse_share, repr, "0.1 or 10%"),
    "corrupt_mix": _Key("corrupt_mix", _parse_mix, _mix, "8:1:1"),
    "duplicate": _Key("duplicate", _parse_share, repr, "0.01 or 1%"),
    "reorder": _Key("reorder", _parse_share, repr, "0.05 or 5%"),
    "reorder_by": _Key("reorder_by", int, str, "8"),
    "reorder_hold": _Key("reorder_hold_ns", parse_duration_ns, spell_duration, "20ms"),
    "delay": _Key("delay_ns", parse_duration_ns, spell_duration, "25ms"),
    "jitter": _Key("jitter_ns", parse_duration_ns, spell_duration, "5ms"),
    "order": _Key("order", Order, lambda order: str(order.value), "keep or free"),
    "rate": _Key("rate_bps", parse_rate_bps, spell_rate, "20M"),
    "rate_alt": _Key("rate_alt_bps", parse_rate_bps, spell_rate, "5M"),
    "rate_every": _Key("rate_every_ns", parse_duration_ns, spell_duration, "4s"),
    "queue": _Key("queue_bytes", parse_size_bytes, spell_size, "64K"),
    "blackout": _Key("blackouts", _parse_blackout, _blackout, "2s+500ms/7s"),
}
"""Every fault that a spec may name; `seed` and `direction` stand beside them."""

SYNONYMS: Final = {
    "bandwidth": "rate",
    "blackouts": "blackout",
    "buffer": "queue",
    "corruption": "corrupt",
    "dup": "duplicate",
    "latency": "delay",
    "lose": "drop",
    "loss": "drop",
    "outage": "blackout",
    "rtt": "delay",
}
"""Words that other tools use: named in the error, not accepted, so that a spec reads the same everywhere."""

_BOTH: Final = "both"
_WORDS: Final = (*KEYS, "seed", "direction")


@dataclass(slots=True)
class _Draft:
    """What has been read so far: values by field for each direction, seed and direction."""

    faults: dict[Direction, dict[str, Any]] = field(default_factory=lambda: {way: {} for way in Direction})
    seed: int = 0
    only: Direction | None = None


def parse_spec(text: str, *, profiles: Mapping[str, Profile] = PROFILES) -> MayhemSpec:
    """A spec from its text; raises `ConfigError` with a sentence that names what to write instead.

    Names of profiles come first to bear, in their order, wherever they stand; keys then replace what
    the profiles say.
    """
    draft = _Draft()
    _read(text, draft, profiles)
    values = {way: {} if draft.only is way.opposite else draft.faults[way] for way in Direction}
    return MayhemSpec(
        outward=FaultSpec(**values[Direction.OUT]), inward=FaultSpec(**values[Direction.IN]), seed=draft.seed
    )


def format_spec(spec: MayhemSpec) -> str:
    """The text that gives this spec again, without profiles; `none` when it does nothing."""
    outward, inward = _texts(spec.outward), _texts(spec.inward)
    items: list[str] = []
    if bool(outward) != bool(inward):
        for texts in (outward or inward).values():
            items += texts
        items.append(f"direction={(Direction.OUT if outward else Direction.IN).value}")
    else:
        for name in KEYS:
            if outward.get(name) == inward.get(name):
                items += outward.get(name, ())
            else:
                items += (f"{Direction.OUT.value}.{text}" for text in outward.get(name, ()))
                items += (f"{Direction.IN.value}.{text}" for text in inward.get(name, ()))
    if spec.seed:
        items.append(f"seed={spec.seed}")
    return ",".join(items) or NOTHING


def profiles_with(tables: Mapping[str, Mapping[str, object]]) -> dict[str, Profile]:
    """The built-in profiles and those of the configuration's tables, which go before them."""
    return {**PROFILES, **{name: user_profile(name, settings) for name, settings in tables.items()}}


def user_profile(name: str, settings: Mapping[str, object]) -> Profile:
    """A profile from a table of the configuration: `drop = 0.1`, `rate = "20M"`, `out = { rate = "2M" }`."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or name == NOTHING:
        raise ConfigError(f"a profile cannot be called {name!r}", remedy="use letters, digits, - and _")
    items: list[str] = []
    for key, value in settings.items():
        if key in {way.value for way in Direction} and isinstance(value, Mapping):
            items += (f"{key}.{inner}={each}" for inner, each in value.items())
        elif isinstance(value, list):
            items += (f"{key}={each}" for each in value)
        else:
            items.append(f"{key}={value}")
    profile = Profile(name, "defined in the configuration", ",".join(items), "the configuration")
    try:
        parse_spec(profile.spec, profiles={})
    except ConfigError as error:
        raise ConfigError(f"profile {name}: {error.message}", remedy=error.remedy) from None
    return profile


def _read(text: str, draft: _Draft, profiles: Mapping[str, Profile]) -> None:
    """One text into the draft: the profiles that it names, then its own keys."""
    items = [item.strip() for item in text.split(",") if item.strip() and item.strip() != NOTHING]
    for name in (item for item in items if "=" not in item):
        if name not in profiles:
            raise _unknown(name, profiles)
        _read(profiles[name].spec, draft, profiles)
    seen: set[str] = set()
    for word, value in (item.split("=", 1) for item in items if "=" in item):
        _set(word.strip(), value.strip(), draft, seen)
    for way in Direction:
        if draft.only is way.opposite and any(word.startswith(f"{way.value}.") for word in seen):
            raise ConfigError(
                f"a fault of direction {way.value} is set, but direction={draft.only.value} leaves it alone",
                remedy=f"take direction={draft.only.value} away, or add direction={_BOTH}",
            )


def _set(word: str, value: str, draft: _Draft, seen: set[str]) -> None:
    """One `word=value` of a text into the draft."""
    prefix, dot, name = word.rpartition(".")
    ways = [way for way in Direction if not dot or way.value == prefix]
    key = KEYS.get(name) if ways else None
    if word in seen and name != "blackout":
        raise ConfigError(f"{word} is given twice", remedy="keep one of them")
    if word == "seed":
        draft.seed = _parsed(
            word, value, lambda text: int(text, 16 if text.lower().startswith("0x") else 10), "7"
        )
    elif word == "direction":
        choices = {**{way.value: way for way in Direction}, _BOTH: None}
        draft.only = _parsed(word, value, choices.__getitem__, "out, in or both")
    elif key is None:
        raise _unknown(word, {})
    else:
        for way in ways:
            faults = draft.faults[way]
            if value == NOTHING:
                faults.pop(key.field, None)
            elif name == "blackout":
                before = faults.get(key.field, ()) if word in seen else ()
                faults[key.field] = (*before, _parsed(word, value, key.parse, key.example))
            else:
                faults[key.field] = _parsed(word, value, key.parse, key.example)
    seen.add(word)


def _parsed(word: str, value: str, parse: Callable[[str], Any], example: str) -> Any:
    try:
        return parse(value)
    except UsageError as error:
        raise ConfigError(f"{word}: {error.message}", remedy=error.remedy) from None
    except (ValueError, KeyError):
        raise ConfigError(
            f"{word}={value} is not understood", remedy=f"write it like {word}={example}"
        ) from None


def _unknown(word: str, profiles: Mapping[str, Profile]) -> ConfigError:
    """The error for a word that is neither a fault nor a profile, with the nearest right one."""
    prefix, dot, name = word.rpartition(".")
    if dot and prefix not in {way.value for way in Direction}:
        return ConfigError(f"there is no direction {prefix!r}", remedy=f"write out.{name} or in.{name}")
    known = [*KEYS] if dot else [*_WORDS, *profiles]
    nearest = SYNONYMS.get(name.lower()) or next(
        iter(get_close_matches(name.lower(), known, n=1, cutoff=0.5)), None
    )
    if nearest is None:
        what = f"the faults are {', '.join(_WORDS)}"
        return ConfigError(f"there is no fault or profile {word!r}", remedy=what)
    if name in KEYS or nearest == name:
        return ConfigError(
            f"{word} has no value", remedy=f"write {word}={KEYS[name].example if name in KEYS else 7}"
        )
    return ConfigError(
        f"there is no fault or profile {word!r}", remedy=f"did you mean {prefix}{dot}{nearest}?"
    )


def _texts(spec: FaultSpec) -> dict[str, tuple[str, ...]]:
    """The items of one direction that differ from the default, by key."""
    texts: dict[str, tuple[str, ...]] = {}
    for name, key in KEYS.items():
        value = getattr(spec, key.field)
        if value != getattr(HARMLESS, key.field):
            values = value if name == "blackout" else (value,)
            texts[name] = tuple(f"{name}={key.form(each)}" for each in values)
    return texts
