"""What runs at a number of fans: loads, processes, machines, engines, egress, cost, and which limit comes first.

Pure: a capacity model and the assumptions in, figures out, each marked ``measured``, ``derived`` (computed from
measured ones and assumptions) or ``assumed``. "Fans" are those who are there at the peak, each with a connection.
"""

from collections.abc import Mapping
from math import ceil
from typing import Final

import msgspec

from matchday.ops.capacity import Capacity, CapacityError, Origin, fewest, fleet, needs
from matchday.ops.scale.assumptions import MACHINE, assumed

_NEEDED: Final = {
    "gate": ("connections", "bets_per_s", "frames_per_s", "requests_per_s"), "odds": ("incidents_per_s",),
    "settlement": ("settled_per_s",), "relay": ("facts_per_s",),
}  # fmt: skip
_FIGURES: Final = ("match_bytes", "match_frames", "match_minutes")
_GIGA: Final = 1e9
_HOUR_S: Final = 3_600
FANS_MAX: Final = 1_000_000_000


class Figure(msgspec.Struct, frozen=True):
    """One of a size."""

    name: str
    value: float
    unit: str
    origin: Origin


class Limit(msgspec.Struct, frozen=True):
    """Something that cannot be had more of as things are."""

    what: str
    fans: float
    """At how many it is reached."""
    remedy: str


class Size(msgspec.Struct, frozen=True):
    """All of a number of fans."""

    fans: int
    figures: list[Figure]
    first_limit: str
    """The one that is fullest."""
    full: float
    """How full: above 1, this size does not run as things are."""


def check(model: Capacity) -> None:
    """CapacityError where the model lacks what is computed with."""
    missing = [
        f"{load} of {room}" for room, loads in _NEEDED.items() for load in loads if not model.carried(room, load)
    ]
    missing += [f"the figure {name}" for name in _FIGURES if not model.figures.get(name)]
    if "database" not in model.engines:
        missing.append("the database")
    if missing:
        raise CapacityError(f"the capacity model lacks {missing[0]}: `matchday drill capacity` with all its parts and "
                            "--match FILE measures it")  # fmt: skip


def loads(model: Capacity, fans: float) -> dict[str, float]:
    """At the peak, a second."""
    frames = assumed("channels") * model.figures["match_frames"] / model.figures["match_minutes"] / 60
    bets = fans * assumed("bets") * assumed("bets_peak") / _HOUR_S
    settled = fans * assumed("open_bets") / assumed("settle_s")
    return {
        "connections": fans, "bets_per_s": bets, "frames_per_s": fans * frames,
        "requests_per_s": fans * assumed("home_share") / assumed("home_s"),
        "incidents_per_s": assumed("matches") * assumed("incidents") / 60, "settled_per_s": settled,
        "facts_per_s": assumed("facts") * max(bets, settled),
    }  # fmt: skip


def egress(model: Capacity, fans: float) -> tuple[float, float]:
    """(bytes a second on average over a match, the share of them that TLS and packets add)."""
    figures, channels = model.figures, assumed("channels")
    seconds = 60 * figures["match_minutes"]
    said = channels * figures["match_bytes"] / seconds
    added = channels * figures["match_frames"] / seconds * (assumed("tls_bytes") + assumed("packet_bytes"))
    return fans * (said + added), added / (said + added)


def database_share(model: Capacity, fans: float) -> float:
    """What of one database a size takes: the larger of bets at their peak and settlement after the whistle."""
    load, carried = loads(model, fans), model.engines["database"].carries["bets_per_s"].per_process
    return max(load["bets_per_s"], load["settled_per_s"] * assumed("settle_cost")) / carried


def log_bytes_s(model: Capacity, fans: float) -> float:
    """Written to the log a second, before it is copied."""
    load = loads(model, fans)
    return load["facts_per_s"] * assumed("fact_bytes") + load["incidents_per_s"] * assumed("incident_bytes")


def limits(model: Capacity) -> list[Limit]:
    """The lowest first."""
    fill = assumed("fill") / 100
    one = loads(model, 1)
    settle_shares = model.rooms["settlement"].at_most
    per_fan_bytes, _ = egress(model, 1)

    def at(room: str, load: str, count: float = 1) -> float:
        return count * fill * (model.carried(room, load) or 0.0) / one[load]

    alone = min(at("gate", load) for load in _NEEDED["gate"])
    return sorted([
        Limit("one embedded process (`matchday up`)", alone, "rooms as processes, over Kafka and PostgreSQL"),
        Limit(f"settlement: {settle_shares} partitions of the log, a process each",
              at("settlement", "settled_per_s", settle_shares), "more partitions, chosen before the first start"),
        Limit("the relay: one carries for all partitions", at("relay", "facts_per_s"),
              "a relay for each partition: not built"),
        Limit("one database that can be written to", fill / database_share(model, 1),
              "shards by the account's partition, which every key already has: not built"),
        Limit("one balancer's network", assumed("nic") / 8 * _GIGA * fill / per_fan_bytes,
              "several balancers behind one name"),
    ], key=lambda limit: limit.fans)  # fmt: skip


def size(model: Capacity, fans: int) -> Size:
    """Of a number of fans."""
    if not 1 <= fans <= FANS_MAX:
        raise CapacityError(f"{fans} fans are outside 1 to {FANS_MAX}")
    check(model)
    load, percent = loads(model, fans), round(assumed("fill"))
    figures = [
        Figure(name, value, "a second" if name.endswith("_s") else "", "assumed") for name, value in load.items()
    ]
    wanted = needs(model, load, percent)
    processes = {need.room: need.processes + need.beyond for need in wanted}
    figures += [Figure(f"processes of {room}", count, "processes", "derived") for room, count in processes.items()]
    whole = [msgspec.structs.replace(need, processes=processes[need.room], beyond=0) for need in wanted]
    rooms = fleet(model, whole, MACHINE, fans).machines
    figures += _engines(model, fans, processes)
    figures += _egress(model, fans)
    by_name = {figure.name: figure.value for figure in figures}
    machines = rooms + sum(by_name[name] for name in ("machines of brokers", "machines of databases",
                                                      "machines of balancers"))  # fmt: skip
    hour = machines * MACHINE.hour_micros / 1e6 + by_name["egress an hour"] * assumed("egress_price")
    figures += [
        Figure("machines of rooms", rooms, "machines", "derived"),
        Figure("machines in all", machines, "machines", "derived"),
        Figure("cost an hour", hour, MACHINE.currency, "derived"),
        Figure("cost an hour of a million fans", hour * 1e6 / fans, MACHINE.currency, "derived"),
    ]
    fullest = _fullest(model, fans)
    return Size(fans, figures, fullest.what, fans / fullest.fans)


def _fullest(model: Capacity, fans: int) -> Limit:
    """The first limit of a size: that of one process only where it still is one process's size."""
    found = limits(model)
    cluster = [limit for limit in found if not limit.what.startswith("one embedded")]
    alone = next(limit for limit in found if limit not in cluster)
    return alone if fans <= alone.fans else cluster[0]


def _engines(model: Capacity, fans: int, processes: Mapping[str, int]) -> list[Figure]:
    shards = max(1, fewest(database_share(model, fans), 1.0, round(assumed("fill"))))
    copied = log_bytes_s(model, fans) * assumed("replicas") / 1e6
    brokers = max(assumed("brokers_min"), fewest(copied, assumed("broker_mb_s"), round(assumed("fill"))))
    partitions = max(model.rooms["odds"].at_most, processes["settlement"], processes["odds"])
    sent, _ = egress(model, fans)
    by_cores = ceil(fans / assumed("tls_connections") / MACHINE.cores)
    by_network = fewest(sent * 8 / _GIGA, assumed("nic"), round(assumed("fill")))
    return [
        Figure("partitions of the log", partitions, "partitions", "derived"),
        Figure("log written", log_bytes_s(model, fans) / 1e6, "MB/s", "derived"),
        Figure("brokers", brokers, "brokers", "derived"),
        Figure("database shards", shards, "shards", "derived"),
        Figure("machines of brokers", brokers, "machines", "derived"),
        Figure("machines of databases", 2 * shards, "machines", "derived"),
        Figure("machines of balancers", max(1, by_cores, by_network), "machines", "derived"),
    ]


def _egress(model: Capacity, fans: int) -> list[Figure]:
    sent, added = egress(model, fans)
    goal = fans * (model.figures.get("match_largest_frame_bytes", model.figures["match_bytes"] / model.figures[
        "match_frames"]) + assumed("tls_bytes") + assumed("packet_bytes"))  # fmt: skip
    return [
        Figure("egress with TLS", sent * 8 / _GIGA, "Gbit/s", "derived"),
        Figure("of it TLS and packets", 100 * added, "percent", "derived"),
        Figure("egress of a goal, to all", goal / _GIGA, "GB", "derived"),
        Figure("egress an hour", sent * _HOUR_S / _GIGA, "GB", "derived"),
    ]
