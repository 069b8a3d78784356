"""Specs as text: what is written is what is meant, and an error says what to write instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mayhem_udp.errors import ConfigError
from mayhem_udp.mayhem.faults import (
    RATE_MAX_BPS,
    RATE_MIN_BPS,
    SEED_MAX,
    Blackout,
    Direction,
    FaultSpec,
    MayhemSpec,
    Order,
)
from mayhem_udp.mayhem.profiles import PROFILES
from mayhem_udp.mayhem.spec import KEYS, format_spec, parse_spec, profiles_with, user_profile
from mayhem_udp.units import KIB, MS, SECOND

SHARES = st.floats(0, 1) | st.sampled_from([0.1, 0.25])
DURATIONS = st.integers(0, 3_600 * SECOND) | st.sampled_from([0, MS, 25 * MS, SECOND])
RATES = st.integers(RATE_MIN_BPS, RATE_MAX_BPS)
BLACKOUTS = st.builds(Blackout, DURATIONS, st.integers(1, 10 * SECOND), st.sampled_from([0, 11 * SECOND]))


@st.composite
def fault_specs(draw):
    rate_bps = draw(st.none() | RATES)
    return FaultSpec(
        drop=draw(SHARES),
        burst=draw(st.floats(1, 1_000)),
        corrupt=draw(SHARES),
        corrupt_mix=draw(st.tuples(st.floats(0.5, 100), st.integers(0, 9).map(float), SHARES)),
        duplicate=draw(SHARES),
        reorder=draw(SHARES),
        reorder_by=draw(st.integers(1, 10_000)),
        reorder_hold_ns=draw(DURATIONS),
        delay_ns=draw(DURATIONS),
        jitter_ns=draw(DURATIONS),
        order=draw(st.sampled_from(Order)),
        rate_bps=rate_bps,
        rate_alt_bps=draw(st.none() | RATES) if rate_bps else None,
        rate_every_ns=draw(st.integers(MS, 60 * SECOND)),
        queue_bytes=draw(st.none() | st.integers(1, 1 << 30)),
        blackouts=tuple(draw(st.lists(BLACKOUTS, max_size=3))),
    )


FAULTS = fault_specs() | st.just(FaultSpec())
SPECS = st.builds(MayhemSpec, outward=FAULTS, inward=FAULTS, seed=st.integers(0, SEED_MAX))
SAME_BOTH_WAYS = st.builds(
    lambda faults, seed: MayhemSpec(outward=faults, inward=faults, seed=seed), FAULTS, st.just(7)
)


@given(SPECS | SAME_BOTH_WAYS)
def test_a_spec_survives_being_written_and_read(spec):
    assert parse_spec(format_spec(spec)) == spec


@pytest.mark.parametrize("name", PROFILES)
def test_every_built_in_profile_reads_and_survives_being_written(name):
    spec = parse_spec(name)
    assert not spec.is_harmless()
    assert parse_spec(format_spec(spec)) == spec


def test_a_spec_reads_as_it_is_written():
    spec = parse_spec(
        "rate=20M,delay=25ms,jitter=5ms,queue=64K,burst=5,blackout=2s+500ms/7s,direction=out,seed=9"
    )
    assert spec == MayhemSpec(
        outward=FaultSpec(
            rate_bps=20_000_000,
            delay_ns=25 * MS,
            jitter_ns=5 * MS,
            queue_bytes=64 * KIB,
            burst=5.0,
            blackouts=(Blackout(2 * SECOND, 500 * MS, 7 * SECOND),),
        ),
        seed=9,
    )


def test_faults_hold_for_both_directions_unless_one_is_named():
    both = parse_spec("drop=0.1")
    assert both.outward == both.inward == FaultSpec(drop=0.1)
    assert parse_spec("drop=0.1,in.drop=0.2,out.delay=5ms") == MayhemSpec(
        outward=FaultSpec(drop=0.1, delay_ns=5 * MS), inward=FaultSpec(drop=0.2)
    )
    assert parse_spec("drop=0.1,direction=in") == MayhemSpec(inward=FaultSpec(drop=0.1))


def test_a_share_may_be_a_percentage():
    assert parse_spec("drop=10%,corrupt=0.5%") == parse_spec("drop=0.1,corrupt=0.005")


def test_the_challenge_is_a_tenth_lost_and_a_tenth_damaged_on_the_way_back():
    spec = parse_spec("challenge,seed=7")
    assert spec == MayhemSpec(inward=FaultSpec(drop=0.1, corrupt=0.1), seed=7)
    assert spec.toward(Direction.OUT).is_harmless()


def test_keys_replace_what_a_profile_says_wherever_they_stand():
    assert parse_spec("drop=0.5,challenge") == parse_spec("challenge,drop=0.5")
    assert parse_spec("challenge,drop=0.5").inward == FaultSpec(drop=0.5, corrupt=0.1)
    assert parse_spec("wifi,rate=none").inward.rate_bps is None
    assert parse_spec("blackhole,blackout=1s+1s").inward.blackouts == (Blackout(SECOND, SECOND),)


def test_profiles_combine_the_later_over_the_earlier():
    spec = parse_spec("satellite,bursty")
    assert spec.inward.delay_ns == 25 * MS
    assert spec.inward.burst == 20
    assert spec.inward.rate_bps == 100_000_000
    assert spec.outward.queue_bytes == 37_500


def test_blackouts_add_up_and_other_keys_may_not_be_given_twice():
    spec = parse_spec("blackout=1s+1s,blackout=9s+1s/3s")
    assert len(spec.outward.blackouts) == len(spec.inward.blackouts) == 2
    with pytest.raises(ConfigError, match="drop is given twice"):
        parse_spec("drop=0.1,drop=0.2")


@pytest.mark.parametrize("text", ["", "none", "seed=0", "burst=1"])
def test_nothing_is_a_spec_too(text):
    assert parse_spec(text) == MayhemSpec()
    assert format_spec(parse_spec(text)) == "none"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("drpo=0.1", "there is no fault or profile 'drpo'; did you mean drop?"),
        ("loss=0.1", "there is no fault or profile 'loss'; did you mean drop?"),
        ("chalenge", "there is no fault or profile 'chalenge'; did you mean challenge?"),
        ("out.dely=5ms", "there is no fault or profile 'out.dely'; did you mean out.delay?"),
        ("up.drop=0.1", "there is no direction 'up'; write out.drop or in.drop"),
        ("drop", "drop has no value; write drop=0.1 or 10%"),
        ("drop=10", "drop=10 is not a share between 0 and 1; write 0.1 or 10% for one datagram in ten"),
        ("drop=nan", "drop=nan is not a share between 0 and 1; write 0.1 or 10% for one datagram in ten"),
        ("drop=lots", "drop=lots is not understood; write it like drop=0.1 or 10%"),
        ("delay=5 parsecs", "delay: '5 parsecs' is not a duration; write it like 500ms, 2s or 3min"),
        ("order=fifo", "order=fifo is not understood; write it like order=keep or free"),
        ("direction=up", "direction=up is not understood; write it like direction=out, in or both"),
        ("reorder_by=0", "reorder_by=0 is out of range; give a value from 1 to 10000"),
        ("burst=0.5", "burst=0.5 is out of range; give a value from 1 to 1000000"),
        ("seed=-1", "seed=-1 is out of range; give a value from 0 to 18446744073709551615"),
        ("queue=0", "queue=0 is out of range; give a value from 1 to 1G"),
        ("rate=0", "rate=0 is out of range; give a value from 1K to 1T"),
        ("in.rate_alt=2T,in.rate=1G", "rate_alt=2T is out of range; give a value from 1K to 1T"),
        ("delay=2h", "delay=2h is out of range; give a value from 0s to 1h"),
        ("reorder_hold=61min", "reorder_hold=61min is out of range; give a value from 0s to 1h"),
        ("rate_every=1us", "rate_every=1us is out of range; give a value from 1ms to 1h"),
        ("blackout=1s+0s", "blackout length=0s is out of range; give a value from 1ns to 1h"),
        ("rate_alt=5M", "rate_alt needs a rate to change from; give both, like rate=100M,rate_alt=5M"),
        (
            "blackout=2s",
            "blackout: a blackout needs a start and a length; write it like 2s+500ms or 2s+500ms/7s",
        ),
        (
            "challenge,out.drop=0.1",
            "a fault of direction out is set, but direction=in leaves it alone; "
            "take direction=in away, or add direction=both",
        ),
    ],
)
def test_an_error_is_a_sentence_that_says_what_to_write(text, sentence):
    with pytest.raises(ConfigError) as caught:
        parse_spec(text)
    assert str(caught.value) == sentence
    assert caught.value.exit_code == 2


@given(st.text(alphabet="drop=0.1,%burstin.outseed+/sm-ecK:", max_size=60))
def test_any_text_is_read_or_refused_with_a_sentence(text):
    try:
        spec = parse_spec(text)
    except ConfigError:
        return
    assert parse_spec(format_spec(spec)) == spec


def test_every_fault_has_a_key_and_every_key_an_example_that_reads():
    assert {key.field for key in KEYS.values()} == set(FaultSpec.__dataclass_fields__)
    for name, key in KEYS.items():
        needed = "rate=1M," if name == "rate_alt" else ""
        parse_spec(f"{needed}{name}={key.example.split(' or ')[0]}")


def test_a_profile_from_the_configuration_is_as_good_as_a_built_in_one():
    train = {"drop": 0.02, "rate": "20M", "blackout": ["30s+8s", "90s+20s"], "out": {"rate": "5M"}}
    spec = parse_spec("train,seed=3", profiles=profiles_with({"train": train}))
    assert spec.seed == 3
    assert spec.outward == FaultSpec(
        drop=0.02,
        rate_bps=5_000_000,
        blackouts=(Blackout(30 * SECOND, 8 * SECOND), Blackout(90 * SECOND, 20 * SECOND)),
    )
    assert spec.inward.rate_bps == 20_000_000


def test_an_error_in_a_profile_of_the_configuration_names_the_profile():
    with pytest.raises(ConfigError, match=r"^profile train: drop=7 is not a share"):
        user_profile("train", {"drop": 7})


@pytest.mark.parametrize("name", ["none", "a,b", "a=b", "", "a b"])
def test_a_profile_has_a_name_that_a_spec_can_say(name):
    with pytest.raises(ConfigError, match="a profile cannot be called"):
        user_profile(name, {"drop": 0.1})


def test_a_profile_of_the_configuration_goes_before_a_built_in_one():
    profiles = profiles_with({"wifi": {"drop": 0.5}})
    assert parse_spec("wifi", profiles=profiles).outward == FaultSpec(drop=0.5)
    assert set(profiles) == set(PROFILES)


def test_every_profile_names_its_source():
    assert all(profile.source and profile.summary for profile in PROFILES.values())
    assert {
        "challenge",
        "wifi",
        "mobile",
        "satellite",
        "transatlantic",
        "handshake-loss",
        "blackhole",
    } <= set(PROFILES)
