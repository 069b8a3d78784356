"""A life drawn from a seed: the network, the settings, what is to be done, and what goes wrong meanwhile.

Owns every draw. The same seed gives the same plan; nothing here runs anything.
"""

from dataclasses import dataclass, field
from random import Random

from mayhem_udp.mayhem.faults import Blackout, FaultSpec, MayhemSpec, Order
from mayhem_udp.units import KIB, MIB, MS, SECOND, US

SMALL_LIFE_SHARE = 0.9
"""Most lives move little, so that there can be many of them."""
CUT_LIFE_SHARE = 0.07
"""In these one longer file is cut in its midst, and goes on."""


@dataclass(frozen=True)
class Task:
    """One thing that the client wants done."""

    verb: str
    name: str
    size: int = 0
    count: int = 1


@dataclass(frozen=True)
class Trouble:
    """Something that goes wrong at some moment."""

    kind: str
    at_ns: int = 0
    after_bytes: int = 0
    """Not before so much has come through the network, both ways together; the time does not count then."""
    length_ns: int = 0


@dataclass
class Plan:
    """Everything about one life."""

    seed: int
    spec: MayhemSpec
    client: dict
    server: dict
    tasks: list[Task]
    troubles: list[Trouble] = field(default_factory=list)
    parallel: int = 4
    gather_ns: int = 0
    job_max_ns: int = 0
    transfers_max: int = 4_096

    def __str__(self):
        lines = [f"seed {self.seed}", f"  out {self.spec.outward}", f"  in  {self.spec.inward}"]
        lines += [f"  client {self.client}", f"  server {self.server}"]
        lines += [f"  {each}" for each in [*self.tasks, *self.troubles]]
        return "\n".join(lines)


def draw_plan(seed):
    """The plan of a seed."""
    dice = Random(seed)
    kind = dice.random()
    is_small = kind < SMALL_LIFE_SHARE
    spec = MayhemSpec(outward=_faults(dice, is_small), inward=_faults(dice, is_small), seed=seed)
    tasks = _tasks(dice, is_small)
    troubles = _troubles(dice, sum(task.size for task in tasks))
    if kind < CUT_LIFE_SHARE:
        size = dice.randrange(150_000, 400_000)
        tasks = [Task(dice.choice(["put", "get"]), "0-long", size)]
        who = dice.choice(["server crashes", "client crashes"])
        troubles = [Trouble(who, after_bytes=int(size * dice.uniform(0.3, 0.95)))]
    return Plan(
        seed=seed,
        spec=spec,
        client=_settings(dice, is_small) | {"keep_alive_ns": dice.choice([SECOND, 4 * SECOND])},
        server=_settings(dice, is_small),
        tasks=tasks,
        troubles=troubles,
        parallel=dice.choice([1, 2, 4, 16]),
        gather_ns=dice.choice([0, 50 * US, 200 * US, MS]),
        job_max_ns=dice.choice([0, 0, MS, 50 * MS, 2 * SECOND]),
        transfers_max=4_096,
    )


def _faults(dice, is_small):
    """One direction's: from clean to where half is lost and a fifth of the rest is damaged."""
    loss_max = dice.choice([0.0, 0.02, 0.1, 0.3, 0.5])
    corruption_max = dice.choice([0.0, 0.02, 0.2])
    rate_bps = dice.choice(
        [None, None, 100_000_000, 10_000_000, 2_000_000, 300_000 if is_small else 5_000_000]
    )
    return FaultSpec(
        drop=round(loss_max * (1 - dice.random() ** 2), 3),
        burst=dice.choice([1.0, 1.0, 3.0, 8.0]),
        corrupt=round(corruption_max * dice.random(), 3),
        duplicate=dice.choice([0.0, 0.02, 0.3]),
        reorder=dice.choice([0.0, 0.05, 0.3]),
        delay_ns=dice.choice([0, MS, 10 * MS, 50 * MS, 300 * MS]),
        jitter_ns=dice.choice([0, 0, 2 * MS, 30 * MS]),
        order=dice.choice(list(Order)),
        rate_bps=rate_bps,
        blackouts=tuple(_blackouts(dice)),
    )


def _blackouts(dice):
    if dice.random() < 0.2:
        start_ns = dice.randrange(3 * SECOND)
        yield Blackout(start_ns, dice.choice([100 * MS, SECOND, 8 * SECOND, 45 * SECOND]))


def _settings(dice, is_small):
    """One side's, tiny and large."""
    first = dice.choice([64 * KIB, 64 * KIB, 256 * KIB, MIB])
    return {
        "chunk_bytes": dice.choice([0, 0, 0, 64 if is_small else 0, 512, 1_024, 1_400]),
        "datagram_max_bytes": dice.choice([1_200, 1_472, 1_472, 9_000]),
        "idle_timeout_ns": dice.choice([12 * SECOND, 30 * SECOND]),
        "keep_alive_ns": 0,
        "handshake_timeout_ns": dice.choice([5 * SECOND, 20 * SECOND]),
        "ack_delay_max_ns": dice.choice([0, 5 * MS, 25 * MS]),
        "body_window_initial_bytes": first,
        "body_window_max_bytes": first * dice.choice([1, 16]),
        "send_buffer_max_bytes": dice.choice([256 * KIB, 16 * MIB]),
        "requests_max": dice.choice([8, 8, 256]),
        "controller": dice.choice(["bbr", "bbr", "cubic", "fixed"]),
        "rate_fixed_bps": dice.choice([500_000, 20_000_000]),
        "rate_cap_bps": dice.choice([0, 0, 0, 5_000_000]),
    }


def _size(dice, is_small):
    kind = dice.random()
    if kind < 0.2:
        return dice.choice([0, 1, 63, 64, 65, 1_023, 1_024, 1_025])
    if kind < 0.8:
        return dice.randrange(20_000)
    return dice.randrange(20_000, 150_000 if is_small else 1_000_000)


def _tasks(dice, is_small):
    tasks = []
    for number in range(dice.randint(1, 5)):
        verb = dice.choices(
            ["put", "get", "echo", "put pack", "get pack", "list", "stat", "remove", "ping", "refused"],
            weights=[6, 5, 2, 1, 1, 1, 1, 1, 1, 1],
        )[0]
        count = dice.randint(1, 20) if "pack" in verb else dice.randint(0, 300) if verb == "list" else 1
        tasks.append(Task(verb, f"{number}-{verb.replace(' ', '-')}", _size(dice, is_small), count))
    return tasks


TROUBLES = {
    "server crashes": 3,
    "client crashes": 3,
    "client moves": 3,
    "client sleeps": 1,
    "server freezes": 1,
    "calendar jumps": 1,
    "replays": 3,
    "forgeries": 3,
    "flood of hellos": 1,
    "bits flip": 2,
    "vandal": 3,
}


def _troubles(dice, total_bytes):
    """None for a third of all lives, else some: at times that grow sparser, or in the midst of the transfers."""
    count = dice.choice([0, 1, 1, 2, 2, 4]) if dice.random() < 0.66 else 0
    troubles = []
    for _ in range(count):
        kind = dice.choices(list(TROUBLES), weights=TROUBLES.values())[0]
        length_ns = dice.choice([10 * MS, SECOND, 7 * SECOND, 3_600 * SECOND])
        if dice.random() < 0.3:
            troubles.append(Trouble(kind, at_ns=int(5 * SECOND * dice.random() ** 3), length_ns=length_ns))
        else:
            after = int(1.2 * total_bytes * dice.random()) + 1_000
            troubles.append(Trouble(kind, after_bytes=after, length_ns=length_ns))
    return troubles
