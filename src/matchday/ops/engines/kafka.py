"""Apache Kafka on loopback addresses: one broker or three, in KRaft mode, without Docker.

The jars come from the Maven repository that this machine's Maven uses, once, into a cache: exactly those of
``kafka.jars``, each checked by its SHA-256. Brokers are their own controllers; a small heap, quick starts, no compiling
of what runs once.

Durable as Kafka is: what is acknowledged is in the page cache of as many brokers as ``min.insync.replicas`` asks for,
so that it survives the end of a broker's process, and with three brokers the loss of one's files. On one machine
nothing survives the loss of that machine's power.
"""

import base64
import contextlib
import fcntl
import hashlib
import subprocess
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matchday.ops.engines import Engine, EngineError, Running, Server, cache_folder, free_ports, program

_JARS: Final = Path(__file__).with_suffix(".jars")
"""A jar a line: SHA-256, then group:artifact:version."""
_FETCH: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_FETCH_S_MAX: Final = 600
_FORMAT_S_MAX: Final = 120
_ASK_S_MAX: Final = 5.0
_JAVA: Final = ("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8")
ENOUGH: Final = 3
"""Brokers from which on two must have a record before it counts as appended."""
_FORMATTED: Final = "log/meta.properties"
_SETTINGS: Final = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{address}:{port},CONTROLLER://{address}:{controller}
advertised.listeners=PLAINTEXT://{address}:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={in_sync}
unclean.leader.election.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor={replicas}
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
controlled.shutdown.enable=false
num.network.threads=2
num.io.threads=2
num.recovery.threads.per.data.dir=1
log.cleaner.dedupe.buffer.size=4194304
log.cleaner.backoff.ms=1000
"""


def fetch_jars(cache: Path | None = None) -> Path:
    """The folder with Kafka's jars, fetched where they are not there yet. EngineError says what is missing."""
    wanted = _wanted()
    folder = (cache or cache_folder()) / f"kafka-{_version(wanted)}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        (folder.parent / "fetching.lock").open("w") as lock,
        tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as made,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)  # two Mavens would write to one local repository, which it does not guard
        if folder.is_dir():
            return folder
        fetched = Path(made) / "jars"
        _run_maven(Path(made), wanted, fetched)
        _check(fetched, wanted)
        fetched.rename(folder)
    return folder


def _wanted() -> dict[str, str]:
    """Coordinates -> SHA-256."""
    lines = (line.split() for line in _JARS.read_text().splitlines() if line)
    return {coordinates: digest for digest, coordinates in lines}


def _version(wanted: dict[str, str]) -> str:
    return next(name.rpartition(":")[2] for name in wanted if name.startswith("org.apache.kafka:kafka_"))


def _run_maven(folder: Path, wanted: dict[str, str], into: Path) -> None:
    """Maven knows where this machine gets jars from; it is told which, and to add none."""
    found = [coordinates.split(":") for coordinates in wanted]
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
        "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>"
        for group, artifact, version in found
    )
    pom = folder / "pom.xml"
    pom.write_text(
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>matchday</groupId><artifactId>engines</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )
    command = [program("mvn", "maven"), "-B", "-q", "-f", str(pom), _FETCH, f"-DoutputDirectory={into}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_FETCH_S_MAX)  # noqa: S603 - ours
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"Kafka's jars were not fetched within {_FETCH_S_MAX} s: try again") from error
    if done.returncode:
        raise EngineError(f"Kafka's jars were not fetched: {done.stdout.strip()[-1_000:] or done.stderr[-1_000:]}")


def _check(folder: Path, wanted: dict[str, str]) -> None:
    for coordinates, digest in wanted.items():
        _, artifact, version = coordinates.split(":")
        jar = folder / f"{artifact}-{version}.jar"
        if not jar.is_file() or hashlib.sha256(jar.read_bytes()).hexdigest() != digest:
            raise EngineError(f"{coordinates} is not what {_JARS.name} says it is: it is not used")


class Kafka(Running):
    """Brokers, numbered from 0. Use it as a context, or start and stop it."""

    def __init__(
        self, folder: Path, brokers: int = 1, cache: Path | None = None, *, ports: Sequence[int] = (),
        addresses: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """``ports``: of brokers whose files are in the folder already. ``addresses``: one for each, if it has one of
        its own."""
        self._folder, self._cache = folder, cache
        ports = list(ports) or free_ports(2 * brokers)
        self._ports, self._controllers = ports[:brokers], ports[brokers:]
        self._addresses = list(addresses) or ["127.0.0.1"] * brokers
        self._running: dict[int, Engine] = {}

    @property
    def bootstrap(self) -> str:
        """Addresses of all brokers, as clients want them."""
        return ",".join(f"{address}:{port}" for address, port in zip(self._addresses, self._ports, strict=True))

    @property
    def ports(self) -> list[int]:
        """Of the brokers, then of the same as controllers."""
        return [*self._ports, *self._controllers]

    def log(self, number: int = 0) -> Path:
        """Where a broker writes what it does."""
        return self._folder / f"broker{number}" / "kafka.log"

    def start(self) -> None:
        """Returns when all brokers take connections. EngineError says why they do not."""
        try:
            for number, server in enumerate(self.servers()):
                self._running[number] = server.launch()
            for engine in self._running.values():
                engine.wait_until_ready()
        except EngineError:
            self.stop()
            raise

    def servers(self) -> list[Server]:
        """All brokers, their folders made. EngineError says what is missing."""
        classpath = f"{fetch_jars(self._cache)}/*"
        cluster = base64.urlsafe_b64encode(uuid.uuid5(uuid.NAMESPACE_URL, self.bootstrap).bytes).decode().rstrip("=")
        for number in range(len(self._ports)):
            home = self._folder / f"broker{number}"
            if not (home / _FORMATTED).exists():
                home.mkdir(parents=True, exist_ok=True)
                self._format(home, number, classpath, cluster)
        return [self._server(number, classpath) for number in range(len(self._ports))]

    def _server(self, number: int, classpath: str) -> Server:
        home = self._folder / f"broker{number}"
        command = [self._java(), *_JAVA, "-cp", classpath, "kafka.Kafka", str(home / "server.properties")]
        return Server(
            name=f"kafka-{number}", kind="kafka", role="broker", address=self._addresses[number],
            port=self._ports[number], command=command, data=home, log=self.log(number),
        )  # fmt: skip

    def whole(self) -> bool:
        """Whether all brokers have found each other. EngineError where the client is not installed."""
        try:
            from confluent_kafka import KafkaException
            from confluent_kafka.admin import AdminClient
        except ImportError as error:
            raise EngineError(f"Kafka's client is not installed ({error}): pip install 'matchday[cluster]'") from error
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        with contextlib.suppress(KafkaException):
            return len(admin.list_topics(timeout=_ASK_S_MAX).brokers) == len(self._ports)
        return False

    def stop(self) -> None:
        """End all brokers; harmless where none is running."""
        for engine in self._running.values():
            engine.stop()
        self._running.clear()

    def kill(self, number: int = 0) -> None:
        """End a broker as a power cut would."""
        self._running.pop(number).kill()

    def bring_back(self, number: int = 0) -> None:
        """Start a broker again that was ended, with its files, at its address."""
        self._running[number] = self._server(number, f"{fetch_jars(self._cache)}/*").launch()
        self._running[number].wait_until_ready()

    def process(self, number: int = 0) -> int:
        """The id of a broker's process."""
        return self._running[number].pid

    def settings(self, number: int) -> str:
        """A broker's file."""
        brokers = zip(self._addresses, self._controllers, strict=True)
        voters = ",".join(f"{node}@{address}:{port}" for node, (address, port) in enumerate(brokers))
        return _SETTINGS.format(
            node=number, voters=voters, address=self._addresses[number], port=self._ports[number],
            controller=self._controllers[number], folder=self._folder / f"broker{number}" / "log",
            replicas=len(self._ports), in_sync=2 if len(self._ports) >= ENOUGH else 1,
        )  # fmt: skip

    def _format(self, home: Path, number: int, classpath: str, cluster: str) -> None:
        settings = home / "server.properties"
        settings.write_text(self.settings(number))
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(settings)]
        command = [self._java(), *_JAVA, "-cp", classpath, *tool]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_FORMAT_S_MAX)  # noqa: S603 - ours
        if done.returncode:
            raise EngineError(f"Kafka could not prepare {home}: {done.stderr.strip()[-1_000:]}")

    def _java(self) -> str:
        return program("java", "openjdk-17-jre-headless")
