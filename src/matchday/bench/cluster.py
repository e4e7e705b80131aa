"""``bench cluster``: the platform as processes over Kafka and PostgreSQL, beside the embedded one.

Engines, rooms, balancer and load share the cores of one machine, and nothing is pinned: what is compared is what a
goal's way and a bet's cost more, and how the CPU is shared, not what a fleet of machines would do.
"""

import asyncio
from typing import Final

import uvloop

from matchday.bench import cluster_bets, cluster_goal
from matchday.bench.figures import Row, unmeasured
from matchday.bench.local_cluster import LocalCluster, cluster_up
from matchday.bench.run import Run
from matchday.ops.engines import EngineError, program
from matchday.ops.engines.postgres import binary

_PROGRAMS: Final = (
    ("haproxy", "haproxy"), ("java", "openjdk-17-jre-headless"), ("mvn", "maven"), ("redis-server", "redis-server")
)  # fmt: skip


def measure(run: Run) -> list[Row]:
    """The rows, or why there are none."""
    try:
        import confluent_kafka  # noqa: F401 - is it there?
        import psycopg  # noqa: F401 - is it there?

        for name, package in _PROGRAMS:
            program(name, package)
        binary("pg_ctl")
    except (EngineError, ImportError) as error:
        return [unmeasured("cluster", "the platform over Kafka and PostgreSQL", "ms", str(error))]
    run.folder.chmod(0o755)  # PostgreSQL does not run as root, and must get to its own folder
    run.folder.parent.chmod(0o755)
    with cluster_up(run.folder, "feed=0", "odds=1", "settlement=1", "relay=1", "gate=2") as cluster:
        run.progress("cluster: up", 1, 1)
        return _rows(run, cluster)


def _rows(run: Run, cluster: LocalCluster) -> list[Row]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(cluster_goal.measured(run, cluster))
    cluster.say("scale", "feed=1")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return rows + runner.run(cluster_bets.measured(run, cluster))
