"""The numbers of this controller, each with where it comes from.

"Draft" is draft-ietf-ccwg-bbr-06 (BBR version 3), by section. "Ours" is what differs from it, with
the reason; `docs/congestion.md` tells the whole story.
"""

from typing import Final

from mayhem_udp.units import MS, SECOND

# --- Gains ----------------------------------------------------------------------------------------
STARTUP_PACING_GAIN: Final = 2.77
"""4 ln 2: the smallest that doubles the rate each round trip (draft 2.5)."""
WINDOW_GAIN: Final = 2.0
"""The window in bandwidth-delay products (draft 2.6)."""
DRAIN_PACING_GAIN: Final = 0.5
"""Empties within a round trip what startup has queued (draft 2.5)."""
UP_PACING_GAIN: Final = 1.25
"""Probing for more (draft 5.3.3.4)."""
UP_PACING_GAIN_GROWING: Final = 2.0
UP_GROWTH: Final = 1.1
"""Ours: ... and twice the estimate while a round trip has brought a tenth more."""
UP_ROUNDS: Final = 2
"""Ours: so many round trips without growth end the probe; the draft waits for a queue or losses."""
UP_WINDOW_GAIN: Final = 2.25
"""Draft 5.3.3.4."""
DOWN_PACING_GAIN: Final = 0.8
"""Ours, 0.9 in the draft: one round trip of it takes off what one of UP has put on, so that every
cycle sees the empty path: its round trip, and its losses when nothing is congested."""
PACING_MARGIN: Final = 0.99
"""One percent under the estimate, on average (draft 5.6.2)."""

DOWN_ROUNDS_MAX: Final = 4
DRAIN_ROUNDS_MAX: Final = 3
"""Longer than this it is not our queue that stands there (draft 5.3.2 has 3 for DRAIN)."""
RESUME_PACING_GAIN: Final = 0.5
RESUME_WINDOW_GAIN: Final = 1.0
RESUME_ROUNDS: Final = 2
"""Ours: after an outage, for so many round trips."""
RESUME_BLIND_ROUNDS: Final = 3
"""Ours: losses seen in these are the outage's."""

# --- Windows --------------------------------------------------------------------------------------
INITIAL_WINDOW_DATAGRAMS: Final = 32
"""RFC 9002 section 7.2 has 10. Paced over `INITIAL_RTT_NS` until the round trip is known; on a
satellite link each doubling costs 0.6 s."""
INITIAL_BURST_DATAGRAMS: Final = 10
"""What may leave at once in the beginning (RFC 9002 section 7.7)."""
INITIAL_RTT_NS: Final = 100 * MS
"""Assumed for pacing before there is a sample."""
INITIAL_GROWTH_MAX: Final = 4
"""Ours: as large as that at `INITIAL_RTT_NS`, and larger in proportion where the first round trip is longer, up to
so many times: the same pace, since it is the pace and not the volume that a short queue feels."""
WINDOW_MIN_DATAGRAMS: Final = 4
"""Draft 2.8, BBR.MinPipeCwnd."""
WINDOW_MIN_QUANTA: Final = 4
"""Bursts that must fit in the window: one being sent, one on its way, one being received, one more.
On loopback this, not the bandwidth-delay product, is what is in flight (draft 5.5.8)."""
WINDOW_MIN_NS: Final = 4 * MS
WINDOW_MIN_BURSTS_MAX: Final = 8
"""Ours: ... or what is sent in so long, up to so many of the largest bursts that the hosts have room for: each
end waits for its processor, and answers less often."""
HOST_ROOM_RETRY_NS: Final = 10 * SECOND
"""Ours: a receiver whose buffer overflowed is tried with larger bursts after so long."""

# --- Filters --------------------------------------------------------------------------------------
RTT_MIN_WINDOW_NS: Final = 10 * SECOND
"""Draft 2.16.1, BBR.MinRTTFilterLen."""
PROBE_RTT_INTERVAL_NS: Final = 5 * SECOND
"""Draft 2.16.2."""
PROBE_RTT_CROWD_NS: Final = 10 * SECOND
"""Ours: where others keep a queue standing, each look costs us half of our part of it."""
PROBE_RTT_NS: Final = 200 * MS
PROBE_RTT_WINDOW_GAIN: Final = 0.5
"""Draft 2.16.2."""
EXTRA_ACKED_ROUNDS: Final = 10
"""Draft 5.5.9."""
EPOCH_MIN_NS: Final = 5 * MS
"""Ours: queue and loss are judged once a round trip, but not more often than this."""

# --- Loss and queue -------------------------------------------------------------------------------
LOSS_THRESHOLD: Final = 0.02
"""Loss that counts, beyond what is known to be random (draft 2.8, BBR.LossThresh)."""
LOSS_DEVIATIONS: Final = 2.5
"""Ours: ... and beyond chance: so many standard deviations of what was seen on the quiet path."""
BETA: Final = 0.7
"""The largest step down in a round trip (draft 2.8)."""
HEADROOM: Final = 0.15
"""Left free below a level of in-flight data that has caused loss (draft 2.8)."""
FULL_GROWTH: Final = 1.25
FULL_ROUNDS: Final = 3
"""Startup is over after so many round trips with less growth (draft 5.3.1.2)."""
STARTUP_QUEUE_RTT_SHARE: Final = 1 / 4
"""Ours: a queue of this share of the round trip beyond jitter ends startup."""
QUEUE_MIN_NS: Final = 2 * MS
QUEUE_QUANTA: Final = 2
QUEUE_HOST_NS: Final = 10 * MS
QUEUE_RTT_SHARE: Final = 1 / 16
QUEUE_SCALE_NS: Final = 6 * MS
QUEUE_SCALE_BYTES: Final = 625_000
"""Ours: delay up to the largest of 2 ms, two bursts, what makes 10 ms with the round trip (programs that
wait for their processor), a sixteenth of the round trip, and 6 ms * sqrt(625 kB / our bandwidth-delay product)
is no queue. The last, at most half a round trip, lets flows with little in flight bear more of a shared queue than
those with much, so that they meet: the flow scaling of Swift (Kumar et al., SIGCOMM 2020). By the volume and not by
the rate: a flow with twice the round trip looks, and gives way, half as often."""
JITTER_WINDOW_NS: Final = 2 * SECOND
JITTER_SAMPLES_MIN: Final = 4
"""Ours: ... and jitter on top: what the round trips of an epoch exceed their smallest by on average, at its least in
the last two to four seconds. A queue of ours comes and goes with our probes; what never goes is the path's, and the
smallest of a few samples is late by about as much."""
UP_QUEUE_SHARE: Final = 0.6
"""Ours: so much of it on top of what stood there before ends a probe."""
QUIET_PART: Final = 4
"""Ours: a delay of up to this part of the longest of late is a quiet path; losses there are chance."""
RANDOM_LOSS_MAX: Final = 0.7
"""Ours: whatever is learned, no more than this is taken for chance. It bounds what a mistake costs."""

# --- Probing --------------------------------------------------------------------------------------
PROBE_WAIT_NS: Final = 400 * MS
PROBE_WAIT_ROUNDS: Final = 4
"""Ours: the time from one probe to the next, 2 to 3 s in the draft (5.3.3.8), is as short as this
so that a link whose rate changes every few seconds is used; the longer of both, up to a quarter more
by chance."""
CROWD_NS: Final = 750 * MS
CROWD_RTTS: Final = 10
"""Ours: a queue that has stood for so long, the longer of both, is kept by others."""
CROWD_QUEUE_PART: Final = 3
"""Ours: ... if all the time it was more than this part of its longest. Flows of our kind tolerate different
delays (the slow ones more), so a short queue stands among them until their rates have met; they need that
time, while a loss-based flow keeps the queue between seven tenths and full."""
CROWD_BETA: Final = 0.9
"""Ours: the step down in a crowd; with 0.7 a first-generation BBR leaves us less than a quarter."""
CROWD_LOSS_MAX: Final = 0.08
"""Ours: where more is lost, everybody has to give way, whoever keeps the queue standing."""
CROWD_LOSS_MEMORY: Final = 8
"""Ours: ... on average over so many epochs: the first BBR probes once in eight round trips, and others' losses
come in those."""
LOOK_BLIND_ROUNDS: Final = 3
"""Ours: after a look, what was delivered shows our own restraint for so many round trips."""
