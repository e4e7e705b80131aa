"""What ``capacity at`` assumes and nobody has measured here, in one table, each with where it comes from."""

from typing import Final

import msgspec

from matchday.ops.capacity import Shape


class Assumption(msgspec.Struct, frozen=True):
    """One number."""

    what: str
    value: float
    unit: str
    source: str


ASSUMED: Final = {
    "bets": Assumption(
        "bets of a fan who is there", 4, "an hour", "none published; the drills' evening crowd"
    ),
    "bets_peak": Assumption(
        "bets in the busiest minute, over the average", 5, "times", "the drills' goal: 30 % in two minutes"
    ),
    "home_share": Assumption(
        "fans who ask for home after the whistle", 0.9, "of all", "the 1998 trace peaks at the whistle (elastic.md 0)"
    ),
    "home_s": Assumption("seconds in which they do", 120, "s", "the drills' whistle"),
    "channels": Assumption("matches that a fan follows at once, with home", 1, "matches", "the page shows one"),
    "matches": Assumption("matches in play at once", 100, "matches", "a Saturday afternoon of all European leagues"),
    "incidents": Assumption(
        "incidents of a match", 0.5, "a minute", "Wyscout's 2018 World Cup: 30 to 45 with corners, cards"
    ),
    "open_bets": Assumption("open bets of a fan at the whistle", 8, "bets", "two hours at four an hour, on one match"),
    "settle_s": Assumption("seconds in which all of them are to be settled", 300, "s", "fans wait for their money"),
    "settle_cost": Assumption(
        "a settled bet of a database's work, over a placed one", 0.6, "times", "docs/performance.md: SQLite"
    ),
    "facts": Assumption("facts of a bet when placed, and when settled", 2, "facts", "the bet's and the balance's"),
    "fact_bytes": Assumption("bytes of a fact on the log", 400, "bytes", "a bet of one leg with its names"),
    "incident_bytes": Assumption(
        "bytes that an incident leaves on the log", 12_000, "bytes", "bench odds: the changed markets of 81"
    ),
    "fill": Assumption("how full a process is planned", 70, "percent", "as the forecast plans (fleet.py)"),
    "tls_bytes": Assumption("bytes of a TLS 1.3 record beyond its text", 22, "bytes", "RFC 8446, 5.2: 5 + 1 + 16"),
    "packet_bytes": Assumption(
        "bytes of a packet's heads, IPv4 and TCP with time stamps", 52, "bytes", "RFC 791, RFC 9293, RFC 7323"
    ),
    "tls_connections": Assumption(
        "connections that a core of a balancer carries with TLS", 25_000, "connections", "not measured here; HAProxy"
    ),
    "nic": Assumption("network of a machine, kept up", 10, "Gbit/s", "usual for 8 cores at large providers"),
    "broker_mb_s": Assumption("what a broker takes in, its replicas' part included", 100, "MB/s", "one modest disk"),
    "replicas": Assumption("copies of the log", 3, "copies", "deploy/kubernetes"),
    "brokers_min": Assumption("brokers at least", 3, "brokers", "deploy/kubernetes"),
    "egress_price": Assumption("a GB to the internet", 0.05, "USD", "list prices at volume: 0.05 to 0.09"),
}  # fmt: skip
MACHINE: Final = Shape(
    name="machine of 8 cores and 32 GB", cores=8, memory_bytes=32 * 10**9, hour_micros=400_000, currency="USD"
)
"""As list prices of general-purpose machines of large providers were in 2025 (0.38 to 0.42 USD an hour)."""


def assumed(name: str) -> float:
    """Its number."""
    return ASSUMED[name].value
