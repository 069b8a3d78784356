"""What the tests of the wire share: Hypothesis without a clock, since a busy machine is no bug."""

from hypothesis import settings

settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")
