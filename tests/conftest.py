"""Engines that tests share. Each is started once, when the first test asks for it; one that cannot be had skips loudly
here and fails in CI."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from matchday.ops.engines import EngineError
from matchday.ops.engines.kafka import Kafka


def missing(what: str, error: Exception) -> NoReturn:
    """An engine cannot be had."""
    if os.environ.get("CI"):
        raise error
    pytest.skip(f"{what} IS NOT TESTED: {error}")


@pytest.fixture(scope="session")
def kafka_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A real broker. Each test uses topics of its own (``kafka.platform``)."""
    memory = Path("/dev/shm")
    where = memory if memory.is_dir() else tmp_path_factory.getbasetemp()
    with tempfile.TemporaryDirectory(dir=where, prefix="matchday-kafka-") as folder:
        engine = Kafka(Path(folder))
        try:
            import confluent_kafka  # noqa: F401 - is it there?

            engine.start()
        except (EngineError, ImportError) as error:
            missing("KAFKA", error)
        yield engine
        engine.stop()
