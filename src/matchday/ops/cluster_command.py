"""``matchday cluster init``: the topics of a platform on an operator's own brokers, made or checked."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from matchday.backends.errors import BackendError, client_of
from matchday.config import Kafka, load
from matchday.output import write_json

if TYPE_CHECKING:
    from matchday.backends.kafka_topics import TopicReport

_DESCRIPTION: Final = """\
Make the topics of a platform where they are missing, and compare those that are there with what they must be. Nothing
that is there is changed: what differs is named, with what to do about it. Run it before the first process, and again
after an upgrade."""
_EPILOG: Final = """\
Example: matchday cluster init --kafka kafka1:9092,kafka2:9092,kafka3:9092 --partitions 12
Exit status: 0 where all topics are as they must be; 1 where one differs, or the brokers do not answer. Settings of the
part [kafka] (names, TLS, passwords) come from --config; what is said here goes before it."""

_ADOPT: Final = """\
A ledger goes with one log, and refuses to start with any other: so nobody settles the bets of another platform. Where
its log is lost, or the ledger was brought back from a backup beside a new log, this says that from now on it goes with
the log that the settings name. Nothing of the platform may run meanwhile. Books and screens then begin anew, and what
settlement had not heard of the old log has to be said again by the feed."""
_ADOPT_EPILOG: Final = "Example: matchday cluster init --config new.toml && matchday cluster adopt --config new.toml"


def add_init(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The words of the command."""
    init = commands.add_parser(
        "init",
        help="make or check the topics on Kafka",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    init.add_argument("--kafka", metavar="HOST:PORT", help="some of the brokers, by commas (setting kafka.brokers)")
    init.add_argument("--partitions", type=int, metavar="N", help="of what is shared out (setting kafka.partitions: 4)")
    init.add_argument("--replicas", type=int, metavar="N", help="brokers that hold each record (kafka.replicas: 3)")
    init.add_argument("--config", type=Path, metavar="TOML", help="settings (see docs/operating.md)")
    init.add_argument("--json", action="store_true", help="for programs: {topics: [{name, state, differences}]}")


def add_adopt(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The words of ``matchday cluster adopt``."""
    adopt = commands.add_parser(
        "adopt", help="have a ledger go with another log", description=_ADOPT, epilog=_ADOPT_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    adopt.add_argument("--config", type=Path, required=True, metavar="TOML", help="settings that name ledger and log")


def make_topics(settings: Kafka) -> "Sequence[TopicReport]":
    """Make what is missing; what became of each topic."""
    with client_of("Kafka"):
        from matchday.backends.kafka_topics import Topics
    return Topics(settings).init()


def init(options: argparse.Namespace) -> int:
    """Make and compare; the exit status."""
    found = make_topics(_settings(options))
    if options.json:
        write_json({"topics": found})
    else:
        for topic in found:
            sys.stdout.write(f"{topic.name}: {topic.state}\n" + "".join(f"  {said}\n" for said in topic.differences))
    return 1 if any(topic.differences for topic in found) else 0


def _settings(options: argparse.Namespace) -> Kafka:
    settings = load(options.config).kafka
    said = {"partitions": options.partitions, "replicas": options.replicas}
    if options.kafka is not None:
        said["brokers"] = [broker.strip() for broker in options.kafka.split(",") if broker.strip()]
    known = msgspec.structs.asdict(settings) | {name: value for name, value in said.items() if value is not None}
    try:
        return msgspec.convert(known, Kafka)
    except msgspec.ValidationError as error:
        raise BackendError(f"{error}; say another with --partitions or --replicas") from error
